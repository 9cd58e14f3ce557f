//! The relay: what it makes durable in a second, how soon it tells, and what much of everything costs it.
//!
//! Each part has a relay and a store of its own; `relay:accepting` and so on measures one of them.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::table::Table;

mod accepting;
mod idle;
mod many_targets;
mod million;
mod pending;
mod shared_store;
pub(crate) mod storeless;
mod subject;

/// A part of what is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Accepting,
    SharedStore,
    Pending,
    Idle,
    Million,
    ManyTargets,
}

impl Part {
    pub(crate) const ALL: [Self; 6] =
        [Self::Accepting, Self::SharedStore, Self::Pending, Self::Idle, Self::Million, Self::ManyTargets];

    /// The part that is called so.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Accepting => "accepting",
            Self::SharedStore => "shared-store",
            Self::Pending => "pending",
            Self::Idle => "idle",
            Self::Million => "million",
            Self::ManyTargets => "many-targets",
        }
    }

    /// Measures it, in a folder of its own.
    pub(crate) async fn measure(self, table: &mut Table, folder: &Path) -> Result<()> {
        let folder = tempfile::Builder::new()
            .prefix("relay-")
            .tempdir_in(folder)
            .context("failed to make a temporary folder")?;
        let folder = folder.path();
        let measured = match self {
            Self::Accepting => accepting::measure(table, folder).await,
            Self::SharedStore => shared_store::measure(table, folder).await,
            Self::Pending => pending::measure(table, folder).await,
            Self::Idle => idle::measure(table, folder).await,
            Self::Million => million::measure(table, folder).await,
            Self::ManyTargets => many_targets::measure(table, folder).await,
        };
        measured.with_context(|| format!("relay:{}", self.name()))
    }
}
