//! Alertmanager webhooks to `DingTalk`, `WeCom` and mail: durable, proven, within each robot's rate limit.
//!
//! The modules stand in the order an alert travels.

#[expect(dead_code, reason = "used by the app and the deliverer, on their way")]
mod clock;
mod secret;
mod settings;

mod notification;

mod calendar;
mod people;
mod routes;

#[expect(dead_code, reason = "used by the app and the deliverer, on their way")]
mod outbox;

mod message;

mod channel;
mod outcome;
