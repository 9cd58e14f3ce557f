//! The other ends of our services' connections, for tests of any package: who scrapes or posts ([`client`], [`browser`]), what a
//! scrape answers ([`page`]), who is called ([`endpoint`], [`robot`]), and
//! where records are kept ([`postgres`]).
//!
//! Each works in blocking tests and in asynchronous ones. Leaves out the vendors' rules and the starting of programs,
//! which are package `e2e`'s. Failures panic: whoever uses this crate is a test.

#![expect(
    clippy::missing_panics_doc,
    reason = "who calls is a test, which fails with the panic that says why"
)]

pub mod browser;
pub mod client;
pub mod corpus;
pub mod endpoint;
pub mod page;
pub mod postgres;
pub mod robot;
