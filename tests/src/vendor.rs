//! Endpoints that behave as the vendors do, written from the vendors' documents and not from the relay's code: what the
//! relay believes about a vendor is checked against a second reading of the same pages.

pub mod dingtalk;
pub mod mail;
pub mod robot;
pub mod traffic;
pub mod wecom;
