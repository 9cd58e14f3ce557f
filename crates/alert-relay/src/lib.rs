//! Alertmanager webhooks to `DingTalk`, `WeCom` and mail: durable, proven, within each robot's rate limit.
//!
//! The modules stand in the order an alert travels.

mod secret;
mod settings;

mod notification;

mod calendar;
mod people;
mod routes;

mod message;

mod channel;
mod outcome;
