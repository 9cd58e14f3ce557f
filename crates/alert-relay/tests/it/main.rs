//! The real program from outside: settings, webhooks, reload and stop.

mod client;
mod program;
mod reload;
mod robot;
mod settings;
mod stop;
mod webhook;
