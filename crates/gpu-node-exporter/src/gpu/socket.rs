//! Asking a service of this machine over its Unix socket: one call at a time, with a deadline for all of it and a bound on the answer.
//!
//! `grpc` and `http` are the two ways to call. Leaves out what is asked and what the answer means.

mod failure;

mod asking;
mod grpc;
mod http;

pub(super) use self::asking::{once, runtime};
pub(super) use self::failure::Failure;
pub(super) use self::grpc::call;
pub(super) use self::http::get;
