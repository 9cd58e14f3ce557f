//! Durations as scenario files write them: with their unit.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// A duration with its unit: `500ms`, `30s`, `2m`.
pub(crate) fn duration<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(input)?;
    humantime::parse_duration(&text).map_err(|error| {
        serde::de::Error::custom(format!("`{text}` is no duration: {error} (hint: write 500ms, 30s, 2m)"))
    })
}

/// The same, for a key that may be left out.
pub(crate) fn optional_duration<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Duration>, D::Error> {
    duration(input).map(Some)
}
