//! What a number is measured in, by Grafana's names of units.

/// A unit; the data has base units throughout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A number of things, as it is.
    Count,
    /// A number that is shortened: 1.2 K.
    Short,
    /// Powers of 1024.
    Bytes,
    /// Powers of 1024, a second.
    BytesPerSecond,
    /// 0 to 1, shown as per cent.
    Ratio,
    Celsius,
    Watts,
    Joules,
    KilowattHours,
    Hertz,
    Seconds,
    /// Milliseconds since 1970, shown as how long ago that is.
    Ago,
    /// Things a second.
    PerSecond,
    /// Reads and writes a second.
    IoPerSecond,
    /// Things a minute.
    PerMinute,
    /// Requests a second.
    RequestsPerSecond,
    /// Tokens a second.
    TokensPerSecond,
}

impl Unit {
    /// Grafana's identifier.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Count => "none",
            Self::Short => "short",
            Self::Bytes => "bytes",
            Self::BytesPerSecond => "binBps",
            Self::Ratio => "percentunit",
            Self::Celsius => "celsius",
            Self::Watts => "watt",
            Self::Joules => "joule",
            Self::KilowattHours => "kwatth",
            Self::Hertz => "hertz",
            Self::Seconds => "s",
            Self::Ago => "dateTimeFromNow",
            Self::PerSecond => "cps",
            Self::IoPerSecond => "iops",
            Self::PerMinute => "cpm",
            Self::RequestsPerSecond => "reqps",
            Self::TokensPerSecond => "suffix: tok/s",
        }
    }
}
