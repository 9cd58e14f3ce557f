//! Builds all parts and connects them: store, relay, deliverer, HTTP paths, reload and stop.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use http_serve::{Limits, ListNames, Server, ServerConfig, Stop};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use crate::alertmanager;
use crate::audit::Audit;
use crate::clock::Clock;
use crate::control::{ControlError, ControlSocket};
use crate::http;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::outbox::Outbox;
use crate::relay::{self, Relay, Role};
use crate::settings::{ServerSettings, Settings};

/// Runs the relay until a signal stops it.
///
/// Every socket is bound and the store opened before anything is served, so that a start succeeds whole or fails whole. The
/// stop goes the other way round: no new connections, requests under way are answered, sends under way are finished, and
/// the store is closed last. What `drain_timeout` cuts off is in the store and goes out after the next start.
pub(crate) async fn serve(file: &Path, role: Role, settings: Settings) -> anyhow::Result<()> {
    let stop = Stop::on_signals().context("failed to listen for signals")?;
    stop.or_leave(Box::pin(run(file, role, settings, &stop))).await.unwrap_or(Ok(()))
}

async fn run(file: &Path, role: Role, settings: Settings, stop: &Stop) -> anyhow::Result<()> {
    anyhow::ensure!(
        role == Role::Primary || settings.store.postgres.is_none(),
        "a standby has a store of its own (hint: `ALERT_RELAY__STORE__URL=sqlite:///…`; relays that share a PostgreSQL store take over from \
         each other without `--standby`)"
    );
    let settings = role.of(settings);
    let hangup = signal(SignalKind::hangup()).context("failed to listen for SIGHUP")?;
    let clock = Clock::system();
    let drain_timeout = settings.server.drain_timeout;
    let server = Server::bind(server_config(&settings.server)).await?;
    let outbox = Outbox::open(&settings.store, clock.clone()).await?;
    // The store is ours, and so is what stands beside it.
    let control = ControlSocket::bind(&settings.store.path);
    for warning in settings.warnings() {
        warn!("{warning}");
    }

    let metrics = Arc::new(Metrics::new());
    let memory = Memory::default();
    let audit = Arc::new(Audit::new(outbox.clone(), Arc::clone(&metrics), clock.clone()));
    let parts = relay::Parts { outbox: outbox.clone(), metrics, audit, clock, memory };
    let relay = Arc::new(Relay::new(file, role, settings, parts));
    relay.begin_alone().await?;
    for address in server.local_addresses() {
        info!(%address, "listening on {address}");
    }
    say_what_alertmanager_needs(&relay.settings(), &server);

    // Boxed, since it makes the future of the whole relay large.
    let commands = Box::pin(answer_commands(control, Arc::clone(&relay)));
    let server = server.refusing_with({
        let relay = Arc::clone(&relay);
        move |method, uri, refusal| http::refuse(&relay, method, uri, refusal)
    });
    let server = server.counting_closings_with({
        let relay = Arc::clone(&relay);
        move |reason| relay.metrics().connection_closed(reason)
    });
    let serving = server.serve(http::router(Arc::clone(&relay)), stop.requested(), drain_timeout);
    // Both ends drain at the same time: what is accepted meanwhile is in the store and goes out after the next start.
    let delivering = async {
        stop.requested().await;
        relay.stop_delivering(drain_timeout).await;
    };
    let fault = async {
        tokio::select! {
            () = relay.deliver() => "the deliverer",
            () = outbox.ended() => "the writer of the store",
        }
    };
    let (drained, ()) = tokio::select! {
        ended = async { tokio::join!(serving, delivering) } => ended,
        // Webhooks would still be answered 200, and nothing would be sent.
        part = unless_stopping(stop, fault) => anyhow::bail!(
            "{part} has ended by itself, which is a fault of alert-relay: the log says more (hint: start it again, what was \
             accepted goes out then; and please report it)"
        ),
        never = commands => match never {},
        never = relay.reload_on(hangup) => match never {},
    };
    if drained.cut > 0 {
        warn!(
            cut = drained.cut,
            "drain_timeout ended: closed {} connections with a request under way", drained.cut
        );
    }
    outbox.close().await;
    info!("stopped");
    Ok(())
}

/// Answers commands on the same machine, for ever. Without its socket the relay does its work all the same.
async fn answer_commands(control: Result<ControlSocket, ControlError>, relay: Arc<Relay>) -> Infallible {
    let served = match control {
        Ok(control) => control.serve(http::control_router(relay)).await,
        Err(error) => Err(error),
    };
    if let Err(error) = served {
        warn!(%error, "`alert-relay send-test` and `alert-relay reload` cannot use this relay: {error}");
    }
    std::future::pending().await
}

/// What `fault` comes to, unless a stop is asked for before: then parts end because of that.
async fn unless_stopping<T>(stop: &Stop, fault: impl Future<Output = T>) -> T {
    let fault = fault.await;
    if stop.is_requested() { std::future::pending().await } else { fault }
}

/// The longest path with the longest name of a receiver has a hundred bytes, and a text that is looked for, in Chinese and encoded, 1,800.
const LONGEST_TARGET: usize = 2_048;

fn server_config(settings: &ServerSettings) -> ServerConfig {
    ServerConfig {
        listen: settings.listen.clone(),
        web_config: settings.web_config_file.clone(),
        allowed_hosts: settings.allowed_hosts.clone(),
        allowed_sources: settings.allowed_sources.clone(),
        list_names: ListNames { hosts: "server.allowed_hosts", sources: "server.allowed_sources" },
        limits: Limits {
            max_body_bytes: settings.max_body_bytes,
            max_target_bytes: LONGEST_TARGET,
            ..Limits::default()
        },
    }
}

/// What Alertmanager's file needs so that it posts here, ready to be pasted under its `receivers:`.
fn say_what_alertmanager_needs(settings: &Settings, server: &Server) {
    let Some(address) = server.local_addresses().first() else { return };
    let machine = rustix::system::uname();
    let machine = machine.nodename().to_string_lossy();
    let allowed = &settings.server.allowed_hosts;
    let base = alertmanager::base_url(&address.to_string(), &machine, server.is_tls(), allowed);
    for line in alertmanager::log_lines(settings, &base) {
        info!("{line}");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn an_end_counts_as_a_fault_only_while_nobody_asked_for_it() {
        let (stopper, stop) = Stop::by_hand();
        assert_eq!(unless_stopping(&stop, async { "ended" }).await, "ended");
        stopper.stop();
        let ended = tokio::time::timeout(Duration::ZERO, unless_stopping(&stop, async { "ended" })).await;
        assert!(ended.is_err(), "a stop was taken for a fault");
    }
}
