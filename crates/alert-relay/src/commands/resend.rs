//! `alert-relay resend ID…`: dead letters are sent again, or given up, by the relay that runs with the store.
//!
//! Only that relay may write to its store, and only it knows what its robots may send; so without one nothing is changed.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::clock::Clock;
use crate::commands::delivery_filter::{DeliveryFilterArgs, with_option};
use crate::commands::output;
use crate::commands::running_relay;
use crate::commands::runtime;
use crate::commands::settings_file::{SettingsFile, refuse};
use crate::delivery::PublicId;
use crate::operation::deliveries::DeliveryFilter;
use crate::operation::query::Query;
use crate::settings::StoreSettings;

/// `resend`
#[derive(Debug, clap::Args)]
pub(crate) struct ResendArgs {
    /// Deliveries that are dead, by their ids, as `list --dead-letters` has them
    #[arg(value_name = "ID")]
    ids: Vec<PublicId>,

    #[command(flatten)]
    settings: SettingsFile,

    #[command(flatten)]
    filter: DeliveryFilterArgs,

    /// Every dead letter there is
    #[arg(long)]
    all: bool,

    /// Give them up instead: they are seen, and nothing more is to be done
    #[arg(long)]
    give_up: bool,
}

/// Exit code 0 when every one that was meant is no dead letter any more, 1 when one still is or was none or no relay could be asked, 2 on bad
/// settings or arguments.
pub(crate) fn run(args: &ResendArgs) -> anyhow::Result<ExitCode> {
    let settings = match args.settings.load() {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    let selections = match selections(&args.ids, args.all, &args.filter.pairs()) {
        Ok(selections) => selections,
        Err(message) => return Ok(refuse(&[format!("alert-relay: {message}")])),
    };
    // The relay reads it the same way, and would answer by its own names for the options.
    let read = Query::of(args.filter.pairs())
        .and_then(|mut query| DeliveryFilter::read(&mut query, Clock::system().now()));
    if let Err(error) = read {
        return Ok(refuse(&[format!("alert-relay: {}", with_option(&error))]));
    }
    let runtime = runtime::on_this_thread()?;
    let (action, done) = if args.give_up { ("give-up", "given up") } else { ("retry", "sent again") };
    let mut is_done = true;
    for Selection { name, query, is_one } in selections {
        let answer = runtime.block_on(settle(&settings.store, action, &query))?;
        output::line(&format!("{name}: {}", told(&answer, done)))?;
        is_done &= answer.left() == 0 && (answer.changed > 0 || !is_one);
    }
    Ok(if is_done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What one request is about.
#[derive(Debug, PartialEq, Eq)]
struct Selection {
    name: String,
    query: String,
    is_one: bool,
}

/// Ids, a filter, or all: one of these.
fn selections(
    ids: &[PublicId],
    all: bool,
    filter: &[(String, String)],
) -> Result<Vec<Selection>, &'static str> {
    match (ids.is_empty(), all, filter.is_empty()) {
        (false, false, true) => {
            let one =
                |id: &PublicId| Selection { name: id.to_string(), query: format!("id={id}"), is_one: true };
            Ok(ids.iter().map(one).collect())
        }
        (true, true, true) => {
            Ok(vec![Selection { name: "all".to_owned(), query: "all=true".to_owned(), is_one: false }])
        }
        (true, false, false) => {
            let encoded = |value: &str| utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
            let pairs: Vec<String> =
                filter.iter().map(|(key, value)| format!("{key}={}", encoded(value))).collect();
            Ok(vec![Selection {
                name: "those of the filter".to_owned(),
                query: pairs.join("&"),
                is_one: false,
            }])
        }
        (true, false, true) => Err("which? (hint: ids, a filter such as `--target NAME`, or `--all`)"),
        _ => Err("ids, a filter and `--all` do not go together"),
    }
}

/// What became of them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Answer {
    changed: u64,
    told_since: u64,
    without_target: u64,
}

impl Answer {
    fn left(&self) -> u64 {
        self.told_since + self.without_target
    }
}

/// Asks as often as there are more of them: one request looks at some thousand.
async fn settle(store: &StoreSettings, action: &str, query: &str) -> anyhow::Result<Answer> {
    let path = format!("/api/v1/dead-letters/{action}?{query}");
    let mut sum = Answer::default();
    loop {
        let answer = running_relay::ask(&store.path, &path, "nothing was changed").await?;
        let Some(answer) = answer else {
            bail!(
                "no relay runs with `{}`, and only a running one may change its store (hint: start it)",
                store.path.display()
            );
        };
        if !answer.status.is_success() {
            bail!("{}", running_relay::lines(&answer).join("\n"));
        }
        let body: Value =
            serde_json::from_slice(&answer.body).context("the relay's answer cannot be read")?;
        let count = |key: &str| body.get(key).and_then(Value::as_u64).unwrap_or(0);
        sum.changed += count("changed");
        // Those that are left are looked at again each time.
        (sum.told_since, sum.without_target) = (count("told_since"), count("without_target"));
        let has_more = body.get("has_more").and_then(Value::as_bool).unwrap_or(false);
        if !has_more || count("changed") == 0 {
            return Ok(sum);
        }
    }
}

fn told(answer: &Answer, done: &str) -> String {
    let mut words = Vec::new();
    if answer.changed > 0 {
        words.push(format!("{} {done}", answer.changed));
    }
    if answer.told_since > 0 {
        words.push(format!("{} left: a newer delivery tells of the group", answer.told_since));
    }
    if answer.without_target > 0 {
        words.push(format!("{} left: the settings have no such target", answer.without_target));
    }
    if words.is_empty() {
        "no dead letter (hint: `list --dead-letters`)".to_owned()
    } else {
        words.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_or_a_filter_or_all() {
        let ids: Vec<PublicId> = ["4f2a91-17", "4f2a91-18"].iter().map(|id| id.parse().unwrap()).collect();
        let filter = [("target".to_owned(), "a b&c".to_owned()), ("from".to_owned(), "1d".to_owned())];
        let queries = |ids: &[PublicId], all, filter: &[(String, String)]| {
            selections(ids, all, filter)
                .map(|all| all.into_iter().map(|one| one.query).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(queries(&ids, false, &[]).as_deref(), Ok("id=4f2a91-17 id=4f2a91-18"));
        assert_eq!(queries(&[], true, &[]).as_deref(), Ok("all=true"));
        assert_eq!(queries(&[], false, &filter).as_deref(), Ok("target=a%20b%26c&from=1d"));
        assert!(queries(&[], false, &[]).is_err_and(|why| why.starts_with("which?")));
        for (ids, all, filter) in
            [(&ids[..], true, &filter[..0]), (&ids[..], false, &filter[..]), (&[], true, &filter[..])]
        {
            assert!(queries(ids, all, filter).is_err_and(|why| why.contains("do not go together")));
        }
    }

    #[test]
    fn what_became_of_them_is_said_and_never_nothing() {
        let check = |changed, told_since, without_target, expected: &str| {
            assert_eq!(told(&Answer { changed, told_since, without_target }, "sent again"), expected);
        };
        check(3, 0, 0, "3 sent again");
        check(
            1,
            2,
            1,
            "1 sent again; 2 left: a newer delivery tells of the group; 1 left: the settings have no such target",
        );
        check(0, 0, 0, "no dead letter (hint: `list --dead-letters`)");
    }
}
