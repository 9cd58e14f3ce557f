//! Why a service gives no answer, and the bounds that it is held to.

use std::io;
use std::time::Duration;

use http::StatusCode;
use thiserror::Error;

/// How long all of a call may take.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);

/// Bytes of an answer: what gRPC takes by default. A thousand pods or containers have less than one MiB.
pub(super) const LONGEST: usize = 4 << 20;

/// Why there is no answer. Behind the name of who was asked it makes a sentence.
#[derive(Debug, Error)]
pub(in crate::gpu) enum Failure {
    #[error("cannot be reached: {0}")]
    Unreachable(#[from] io::Error),
    #[error("does not answer within {}", humantime::format_duration(DEADLINE))]
    Late,
    #[error("breaks the call off: {0}")]
    BrokenOff(#[from] hyper::Error),
    #[error("answers with HTTP status {}", .0.as_u16())]
    Http(StatusCode),
    #[error("refuses the call with gRPC status {0}")]
    Refused(String),
    #[error("answers with more than 4 MiB")]
    TooLong,
    #[error("answers with something that is no message of this call")]
    Unreadable,
}
