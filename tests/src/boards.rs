//! The dashboards, from one source: each file below that is named for a board holds one, and the JSON in `dashboards/` is made of them.
//!
//! Owns what the boards show, and the words, units, colours, links and limits that they share. A line at which an alert fires is read
//! from that alert's rule, so that the two cannot differ. Leaves out whether the queries answer, which is a test's.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

mod colour;
mod limit;
mod link;
mod meanings;
mod query;
mod table;
mod unit;
mod words;

mod board;
mod panel;

mod grafana;

mod alerts;
mod capacity;
mod fleet;
mod gpu_detail;
mod gpu_node;
mod host_parts;
mod inference;
mod processes;

use board::Board;
use limit::Limits;

/// A dashboard as Grafana loads it.
#[derive(Debug)]
pub struct Dashboard {
    /// The name of its file in `dashboards/`, which is its uid with `.json`.
    pub file: String,
    /// Its classic JSON.
    pub json: Value,
}

/// Every dashboard, with the limits that the rules of `checkout` have now.
///
/// Errors when a rule that a panel draws is not there, or has no such limit.
pub fn all(checkout: &Path) -> Result<Vec<Dashboard>> {
    let limits = Limits::read(&checkout.join("rules"))?;
    let boards: [Board; 8] = [
        fleet::board(),
        gpu_node::board(),
        gpu_detail::board(),
        processes::board(),
        host_parts::board(),
        inference::board(),
        capacity::board(),
        alerts::board(),
    ];
    let written = |board: Board| -> Result<Dashboard> {
        let json = grafana::dashboard(&board, &limits).with_context(|| format!("board {}", board.uid))?;
        Ok(Dashboard { file: format!("{}.json", board.uid), json })
    };
    boards.into_iter().map(written).collect()
}
