//! Which format and which compression a scraper asks for.
//!
//! Owns reading `Accept` and `Accept-Encoding` (RFC 9110, section 12.5). Leaves out writing the answer.

/// The two formats a page can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// `OpenMetrics` 1.0.0
    OpenMetrics,
    /// Prometheus' text format 0.0.4: what everything understands, so also the answer to what we do not.
    Classic,
}

impl Format {
    /// The format for the `Accept` header; without one, [`Format::Classic`].
    pub(crate) fn negotiate(accept: Option<&str>) -> Self {
        let mut best = (Self::Classic, 0.0);
        for range in accept.into_iter().flat_map(ranges) {
            // The first of equals wins, as browsers and Prometheus write them in order of preference.
            if let Some(format) = Self::of(&range)
                && range.quality > best.1
            {
                best = (format, range.quality);
            }
        }
        best.0
    }

    fn of(range: &Range<'_>) -> Option<Self> {
        let version = range.parameter("version");
        match range.name.to_ascii_lowercase().as_str() {
            "application/openmetrics-text" => {
                matches!(version, None | Some("1.0.0")).then_some(Self::OpenMetrics)
            }
            "text/plain" => matches!(version, None | Some("0.0.4")).then_some(Self::Classic),
            "text/*" | "*/*" => Some(Self::Classic),
            _ => None,
        }
    }

    /// The value of `Content-Type`; Prometheus 3 refuses a page without the version.
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// Whether `Accept-Encoding` allows gzip.
pub(crate) fn accepts_gzip(accept_encoding: Option<&str>) -> bool {
    let mut named = None;
    let mut any = None;
    for range in accept_encoding.into_iter().flat_map(ranges) {
        match range.name.to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => named = Some(range.quality > 0.0),
            "*" => any = Some(range.quality > 0.0),
            _ => {}
        }
    }
    named.or(any).unwrap_or(false)
}

/// One element of the header's list: `text/plain;version=0.0.4;q=0.2`.
struct Range<'header> {
    name: &'header str,
    parameters: &'header str,
    quality: f32,
}

fn ranges(header: &str) -> impl Iterator<Item = Range<'_>> {
    header.split(',').map(|element| {
        let (name, parameters) = element.split_once(';').unwrap_or((element, ""));
        let mut range = Range { name: name.trim(), parameters, quality: 1.0 };
        if let Some(quality) = range.parameter("q") {
            // A weight that is no number makes the element unusable rather than preferred.
            range.quality =
                quality.parse().ok().filter(|quality| (0.0..=1.0).contains(quality)).unwrap_or(0.0);
        }
        range
    })
}

impl<'header> Range<'header> {
    fn parameter(&self, name: &str) -> Option<&'header str> {
        self.parameters.split(';').find_map(|parameter| {
            let (key, value) = parameter.split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(accept: &str, expected: Format) {
        assert_eq!(Format::negotiate(Some(accept)), expected, "{accept}");
    }

    /// As sent by Prometheus 2.42.
    const PROMETHEUS_2: &str = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    /// As sent by Prometheus 3 with its default protocols.
    const PROMETHEUS_3: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
    /// As sent by Prometheus 3 that scrapes native histograms: protobuf first, which we do not write.
    const PROMETHEUS_3_PROTOBUF: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

    #[test]
    fn prometheus_gets_openmetrics() {
        check(PROMETHEUS_2, Format::OpenMetrics);
        check(PROMETHEUS_3, Format::OpenMetrics);
        check(PROMETHEUS_3_PROTOBUF, Format::OpenMetrics);
    }

    #[test]
    fn the_weights_decide() {
        check("application/openmetrics-text;q=0.2,text/plain;q=0.9", Format::Classic);
        check(
            "text/plain;q=0.2, application/openmetrics-text; version=\"1.0.0\"; q=0.9",
            Format::OpenMetrics,
        );
        check("application/openmetrics-text;q=0", Format::Classic);
        check("application/openmetrics-text;q=often,text/plain;q=0.1", Format::Classic);
        check("APPLICATION/OpenMetrics-Text", Format::OpenMetrics);
    }

    #[test]
    fn anything_else_gets_text() {
        assert_eq!(Format::negotiate(None), Format::Classic);
        check("", Format::Classic);
        check("text/html,application/xhtml+xml,*/*;q=0.8", Format::Classic);
        check("application/openmetrics-text;version=2.0.0", Format::Classic);
        check("application/vnd.google.protobuf", Format::Classic);
        check(";;;=,q", Format::Classic);
    }

    #[test]
    fn gzip_only_when_allowed() {
        for (header, expected) in [
            ("gzip", true),
            ("deflate, gzip;q=0.5", true),
            ("*", true),
            ("gzip;q=0, *", false),
            ("identity", false),
            ("", false),
        ] {
            assert_eq!(accepts_gzip(Some(header)), expected, "{header}");
        }
        assert!(!accepts_gzip(None));
    }
}
