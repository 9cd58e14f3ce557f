//! Who listens where: the ports every guide to these programs names, moved when somebody has them.

use std::fmt::Write as _;

use anyhow::Result;

use crate::ports::Port;

/// The listeners of a chain.
#[derive(Debug)]
pub struct Addresses {
    /// gpu-node-exporter's.
    pub exporter: Port,
    /// alert-relay's.
    pub relay: Port,
    /// The standby relay's.
    pub standby: Port,
    /// Alertmanager's.
    pub alertmanager: Port,
    /// Prometheus'.
    pub prometheus: Port,
}

impl Addresses {
    /// The usual ports, each moved when it is taken.
    pub fn usual() -> Result<Self> {
        Ok(Self {
            exporter: Port::preferred(9100)?,
            relay: Port::preferred(8060)?,
            standby: Port::preferred(8061)?,
            alertmanager: Port::preferred(9093)?,
            prometheus: Port::preferred(9090)?,
        })
    }

    /// Any free ports: for tests.
    pub fn free() -> Result<Self> {
        Ok(Self {
            exporter: Port::free()?,
            relay: Port::free()?,
            standby: Port::free()?,
            alertmanager: Port::free()?,
            prometheus: Port::free()?,
        })
    }

    /// A page of the exporter.
    pub fn exporter_url(&self, path: &str) -> String {
        url(&self.exporter, path)
    }

    /// A page of the relay.
    pub fn relay_url(&self, path: &str) -> String {
        url(&self.relay, path)
    }

    /// A page of the standby relay.
    pub fn standby_url(&self, path: &str) -> String {
        url(&self.standby, path)
    }

    /// A page of Alertmanager.
    pub fn alertmanager_url(&self, path: &str) -> String {
        url(&self.alertmanager, path)
    }

    /// A page of Prometheus.
    pub fn prometheus_url(&self, path: &str) -> String {
        url(&self.prometheus, path)
    }

    /// The list of addresses to open, one a line, with a word about those that moved.
    pub fn listing(&self) -> String {
        let parts = [
            ("Prometheus", &self.prometheus, "/alerts"),
            ("Alertmanager", &self.alertmanager, "/"),
            ("alert-relay", &self.relay, "/"),
            ("its standby", &self.standby, "/"),
            ("exporter", &self.exporter, "/metrics"),
        ];
        let mut listing = String::new();
        for (name, port, path) in parts {
            let moved =
                port.moved_from().map(|from| format!("   (port {from} is taken)")).unwrap_or_default();
            // Writing to a string cannot fail.
            let _ = writeln!(listing, "  {name:<13} {}{moved}", url(port, path));
        }
        // Debian builds Alertmanager without its web application.
        let _ = writeln!(
            listing,
            "  {:<13} amtool --alertmanager.url={} alert   (Debian's Alertmanager has no web pages)",
            "or by amtool",
            self.alertmanager_url("")
        );
        listing
    }
}

fn url(port: &Port, path: &str) -> String {
    format!("http://{}{path}", port.address())
}
