//! The real program from outside: settings, webhooks, reload and stop.

#[cfg(test)]
mod api;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod check_online;
#[cfg(test)]
mod console;
#[cfg(test)]
mod cross_site;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod explain;
#[cfg(test)]
mod gate;
#[cfg(test)]
mod generic_webhook;
#[cfg(test)]
mod list;
#[cfg(test)]
mod mcp;
#[cfg(test)]
mod old_store;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod program;
#[cfg(test)]
mod refusal;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod send_test;
#[cfg(test)]
mod senders;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod several_relays;
#[cfg(test)]
mod slow_bodies;
#[cfg(test)]
mod standby;
#[cfg(test)]
mod stop;
#[cfg(test)]
mod store_files;
#[cfg(test)]
mod thread_limit;
#[cfg(test)]
mod webhook;

#[cfg(test)]
use test_peers::{client, robot};
