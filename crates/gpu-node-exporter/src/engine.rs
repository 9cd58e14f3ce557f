//! What inference engines say of themselves: their own `/metrics`, asked for whether they answer and whether anything moves on.
//!
//! Only what `--engine.page` names is asked, every five seconds, by a thread of its own (`asking`); a scrape reads what was published and
//! waits for nothing. With `--engine.canary` an engine that shows no sign of life is asked for one (`canary`). A page is read by the names of its series (`reading`), which are known for each release of vLLM and `SGLang`.
//! Leaves out engines as their processes show them, which are `gpu/holders/engines.rs`'s, and everything else on those
//! pages, which Prometheus scrapes itself.

mod url;

mod sample;

mod reading;

mod progress;

mod page;

mod settings;

mod client;

mod canary;

mod families;

mod collector;

mod asking;

mod check;

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

pub(crate) use self::asking::EnginePages;
pub(crate) use self::canary::ApiKey;
pub(crate) use self::check::check;
pub(crate) use self::settings::{CanarySettings, EngineSettings};
pub(crate) use self::url::PageUrl;
