//! Canaries: single questions to an engine of which nothing else says that it is alive.
//!
//! An idle engine and one that hangs show the same page. So where nothing has moved for a while and nobody waits (`pace`), the engine is
//! asked for one token about a text or about a tiny picture (`question`), and its answer is judged (`verdict`). Owns what is asked, when, and what
//! came of it (`record`). Leaves out when a failed canary is a reason to wake somebody, which the rules decide.

mod api_key;
mod kind;
mod picture;
mod question;
mod verdict;

mod record;

mod pace;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub(crate) use self::api_key::ApiKey;
pub(super) use self::kind::{Kind, Outcome};
pub(super) use self::pace::{Waiting, is_still_quiet, next};
use self::question::question;
pub(super) use self::record::{Answer, Canaries};
#[cfg(test)]
pub(super) use self::verdict::Judgement;
use self::verdict::{judge, of_failure};
use super::client::Client;
use super::url::PageUrl;

/// How long an answer may take. One token of an idle engine takes less than a second, the first picture after its start several.
pub(super) const DEADLINE: Duration = Duration::from_secs(30);

/// Asks the engine of this page.
pub(super) async fn ask(client: &Client, url: &PageUrl, api_key: &ApiKey, kind: Kind, model: &str) -> Answer {
    let (began, began_at) =
        (Instant::now(), SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
    let body = question(kind, model, began_at.as_secs());
    let judgement = match client.chat(url, api_key.header(), body, DEADLINE).await {
        Ok((status, body)) => judge(status, &body, model),
        Err(failure) => of_failure(&failure),
    };
    let took = began.elapsed();
    Answer { judgement, took, at: (began_at + took).as_secs_f64() }
}
