//! The real program from outside: settings, webhooks, reload and stop.

#[cfg(test)]
mod client;
#[cfg(test)]
mod delivery;
#[cfg(test)]
mod gate;
#[cfg(test)]
mod program;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod robot;
#[cfg(test)]
mod send_test;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod stop;
#[cfg(test)]
mod webhook;
