//! The bodies of requests, and how many of their bytes are held at a time.
//!
//! Whoever can connect can send a body: without a common bound a few hundred connections would be gigabytes.

use std::sync::Arc;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, LengthLimitError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of all bodies together, unless a single one may be larger: three of the largest while they arrive or wait for their turn.
const CAPACITY_BYTES: usize = 24 * 1024 * 1024;

/// Reads bodies within one common capacity. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Bodies {
    capacity: Arc<Semaphore>,
}

/// A body; it takes of the capacity until it is dropped.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) bytes: Bytes,
    _share: Option<OwnedSemaphorePermit>,
}

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// Larger than one body may be.
    TooLarge,
    /// Larger than what the others leave.
    NoCapacity,
    /// It ended early.
    Broken,
}

impl Bodies {
    /// With capacity for one body of the largest size at least.
    pub(super) fn new(max_body_bytes: usize) -> Self {
        Self::with_capacity(CAPACITY_BYTES.max(max_body_bytes))
    }

    fn with_capacity(bytes: usize) -> Self {
        Self { capacity: Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))) }
    }

    /// Reads a body to its end. Takes of the capacity for what has arrived, not for what is announced: nobody takes it without sending.
    pub(super) async fn read(&self, mut body: Body) -> Result<Held, BodyError> {
        let mut bytes = BytesMut::new();
        let mut share: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = body.frame().await {
            // Trailers mean nothing here.
            let Ok(data) = frame.map_err(|error| sort(&error))?.into_data() else { continue };
            let more = self.take(data.len())?;
            match &mut share {
                Some(share) => share.merge(more),
                None => share = Some(more),
            }
            bytes.extend_from_slice(&data);
        }
        Ok(Held { bytes: bytes.freeze(), _share: share })
    }

    fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, BodyError> {
        let bytes = u32::try_from(bytes).map_err(|_| BodyError::TooLarge)?;
        // It is never closed: too little capacity is the only reason not to get any.
        Arc::clone(&self.capacity).try_acquire_many_owned(bytes).map_err(|_too_little| BodyError::NoCapacity)
    }
}

fn sort(error: &axum::Error) -> BodyError {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        if error.is::<LengthLimitError>() {
            return BodyError::TooLarge;
        }
        source = error.source();
    }
    BodyError::Broken
}

#[cfg(test)]
mod tests {
    use http_body_util::Limited;

    use super::*;

    #[tokio::test]
    async fn bodies_share_their_capacity_and_give_it_back() {
        let bodies = Bodies::with_capacity(10);
        let first = bodies.read(Body::from("123456")).await.unwrap();
        assert_eq!(first.bytes, "123456");
        let second = bodies.read(Body::from("1234")).await.unwrap();
        assert_eq!(bodies.read(Body::from("1")).await.unwrap_err(), BodyError::NoCapacity);
        assert_eq!(bodies.read(Body::empty()).await.unwrap().bytes, "");
        drop(second);
        assert_eq!(bodies.read(Body::from("12345")).await.unwrap_err(), BodyError::NoCapacity);
        bodies.read(Body::from("1234")).await.unwrap();
        drop(first);
        bodies.read(Body::from("1234567890")).await.unwrap();
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_is_told_from_a_broken_one() {
        let bodies = Bodies::with_capacity(10);
        let limited = Body::new(Limited::new(Body::from("123456"), 5));
        assert_eq!(bodies.read(limited).await.unwrap_err(), BodyError::TooLarge);
    }
}
