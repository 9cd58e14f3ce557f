//! Every alert on its whole way: recorded series → Prometheus → Alertmanager → relay → robot, and back when it is over.
//!
//! The series are those of the case in `rules/*.test.yml` in which the alert first fires: an alert without one fails here by its name.
//! Alerts are played apart, so that none is held back by another. `rules/alerts.md` is what came of it: when it differs, run the test with
//! `INSTA_UPDATE=always`, as for snapshots.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow};
use e2e::cases::evaluation::{self, Evaluation};
use e2e::cases::history::{self, Series};
use e2e::cases::live::{Judgement, Live, Shown};
use e2e::cases::notation::Labels;
use e2e::cases::selection::{self, Alert, Moment};
use e2e::cases::{self, Case};
use e2e::mutation::rules::{self, RuleFile};
use e2e::vendor::robot::Post;
use e2e::wait::until;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};

use crate::files::path;
use crate::stage::Stage;

const TABLE: &str = "rules/alerts.md";
const HEAD: &str = "# Alerts: fired, delivered, resolved

Each alert was driven through the whole chain: the series of a case in the tests beside this file went into a Prometheus with the shipped
alerts, which sent to the shipped Alertmanager, which sent to alert-relay, which sent to a robot's stand-in; then the series ended. Written by
`INSTA_UPDATE=always cargo test -p e2e --test shipped delivered`; CI compares.

| alert | severity | fired with the series of | delivered to | resolved when |
| --- | --- | --- | --- | --- |
";

/// Waiting times in rules are divided by this: an hour is a second.
const PACE: u32 = 3_600;
/// So many cases are played at a time.
const AT_ONCE: usize = 6;
/// How long one step of one alert's way may take on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);

/// Labels by which alerts hold each other back; each alert is given its own.
const APART: [&str; 2] = ["node", "target"];

/// Everything that the cases share.
struct Play {
    stage: Stage,
    rules: Vec<RuleFile>,
    alerts: Vec<Alert>,
    cases: Vec<Case>,
    evaluations: Vec<Evaluation>,
    turn: Semaphore,
}

/// What became of an alert; the cells of its row.
type Outcome = Result<[String; 3]>;

#[tokio::test]
async fn every_alert_fires_is_delivered_and_is_resolved() {
    let folder = path("rules");
    let rules = rules::read(&folder).unwrap();
    let cases = cases::read(&folder).unwrap();
    let mut alerts = selection::alerts(&rules).unwrap();
    // Writing the table anew, what it knows is left as it is: without the file, everything is played.
    let mut rows = if is_updating() { rows() } else { BTreeMap::new() };
    rows.retain(|whose, _| alerts.iter().any(|alert| *whose == key(alert)));
    alerts.retain(|alert| !rows.contains_key(&key(alert)));
    let evaluations = evaluation::of_all(&cases, &alerts, &rules, &folder).unwrap();
    let (moments, never) =
        selection::choose(&alerts, &evaluations, |case, alert| cases[case].rule_files.contains(&alert.file));
    let data = tempfile::tempdir().unwrap();
    let stage = Stage::start(data.path(), 150).await.unwrap();
    let turn = Semaphore::new(AT_ONCE);
    let play = Rc::new(Play { stage, rules, alerts, cases, evaluations, turn });

    let outcomes: BTreeMap<usize, Outcome> = LocalSet::new()
        .run_until(async {
            let mut plays = JoinSet::new();
            for moment in moments {
                let play = Rc::clone(&play);
                plays.spawn_local(async move { play.moment(&moment).await });
            }
            plays.join_all().await.into_iter().flatten().collect()
        })
        .await;

    let mut wrong: Vec<String> = never
        .iter()
        .map(|at| format!("{}: no case in rules/*.test.yml fires it", title(&play.alerts[*at])))
        .collect();
    for (at, outcome) in outcomes {
        let alert = &play.alerts[at];
        match outcome {
            Ok([fired, delivered, resolved]) => {
                let (name, severity) = (&alert.name, &alert.severity);
                let row = format!("| {name} | {severity} | {fired} | {delivered} | {resolved} |\n");
                rows.insert(key(alert), row);
            }
            Err(error) => wrong.push(format!("{}: {error:#}", title(alert))),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    compare(&rows.values().fold(HEAD.to_owned(), |table, row| table + row));
    let play = Rc::into_inner(play).expect("the plays are over");
    play.stage.stop().await.unwrap();
}

fn title(alert: &Alert) -> String {
    format!("{} ({})", alert.name, alert.severity)
}

/// What a row of the table begins with.
fn key(alert: &Alert) -> [String; 2] {
    [alert.name.clone(), alert.severity.clone()]
}

/// The rows of the table as it is, by what they begin with.
fn rows() -> BTreeMap<[String; 2], String> {
    let table = std::fs::read_to_string(path(TABLE)).unwrap_or_default();
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(2);
    rows.map(|row| {
        let mut cells = row.trim_start_matches("| ").split(" | ");
        let mut cell = || cells.next().unwrap_or_default().to_owned();
        ([cell(), cell()], format!("{row}\n"))
    })
    .collect()
}

fn is_updating() -> bool {
    std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always")
}

fn compare(expected: &str) {
    let written = std::fs::read_to_string(path(TABLE)).unwrap_or_default();
    if written != expected && is_updating() {
        std::fs::write(path(TABLE), expected).unwrap();
        return;
    }
    assert_eq!(written, expected, "run with INSTA_UPDATE=always");
}

/// The table is about the alerts that are there, at once and without playing them.
#[test]
fn the_table_has_a_row_for_each_alert() {
    let written: BTreeSet<_> = rows().into_keys().collect();
    let alerts = selection::alerts(&rules::read(&path("rules")).unwrap()).unwrap();
    let there: BTreeSet<_> = alerts.iter().map(key).collect();
    assert_eq!(written, there, "run with INSTA_UPDATE=always");
}

impl Play {
    /// Plays the alerts of a moment of a case, and says what became of each.
    async fn moment(&self, moment: &Moment) -> Vec<(usize, Outcome)> {
        let _turn = self.turn.acquire().await;
        let all = moment.alerts.iter().map(|(at, _)| *at);
        match self.play(moment).await {
            Ok(outcomes) => all.zip(outcomes).collect(),
            Err(error) => all.map(|at| (at, Err(anyhow!("{error:#}")))).collect(),
        }
    }

    async fn play(&self, moment: &Moment) -> Result<Vec<Outcome>> {
        let (live, shown) = self.started(moment).await?;
        let mut told = Vec::new();
        for ((at, _), shown) in moment.alerts.iter().zip(shown) {
            told.push(match shown {
                Ok(shown) => self.delivered(*at, &shown).await.map(|to| (shown, to)),
                Err(error) => Err(error),
            });
        }
        self.end(moment, &live).await?;
        let mut outcomes = Vec::new();
        for ((at, _), told) in moment.alerts.iter().zip(told) {
            let file = &*self.cases[moment.case].file;
            outcomes.push(match told {
                Ok((shown, to)) => {
                    self.resolved(*at, &shown).await.map(|how| [file, to, how].map(str::to_owned))
                }
                Err(error) => Err(error),
            });
        }
        Ok(outcomes)
    }

    /// Starts a Prometheus with the case's history, and waits for its alerts.
    async fn started(&self, moment: &Moment) -> Result<(Live, Vec<Result<Shown>>)> {
        let case = &self.cases[moment.case];
        let is_loaded = |file: &&RuleFile| case.rule_files.contains(&file.name);
        let judgement = Judgement {
            rules: &self.rules.iter().filter(is_loaded).collect::<Vec<_>>(),
            pace: PACE,
            alertmanager: &self.stage.alertmanager(),
            relabelling: apart(moment),
        };
        let evaluation = &self.evaluations[moment.case];
        let live = Live::start(&judgement, |now| history::until(case, evaluation, moment.step, now)).await?;
        let mut shown = Vec::new();
        for (_, labels) in &moment.alerts {
            let found = until("it to fire", LIMIT, async || {
                live.firing().await.ok()?.into_iter().find(|shown| shown.labels == *labels)
            });
            let minute = moment.step / 60_000;
            shown.push(found.await.with_context(|| {
                format!("{}, minute {minute} of `{}`: with {labels:?}", case.file, case.name)
            }));
        }
        Ok((live, shown))
    }

    /// Waits until the robot has been told that an alert fires.
    async fn delivered(&self, at: usize, shown: &Shown) -> Result<&'static str> {
        if self.alerts[at].severity == "none" {
            self.stage.heartbeat(LIMIT).await?;
            return Ok("the relay's heartbeat");
        }
        self.told(at, shown, "新告警").await?;
        Ok("robot")
    }

    /// Ends the series; what fires because some are missing is given them.
    async fn end(&self, moment: &Moment, live: &Live) -> Result<()> {
        live.forget().await?;
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
        let missing = moment.alerts.iter().flat_map(|(at, _)| &self.alerts[*at].missing);
        let there = missing.map(|labels| Series { labels: labels.clone(), samples: vec![(now, 1.0)] });
        live.add(&there.collect::<Vec<_>>()).await
    }

    /// Waits until the robot has been told that an alert is over.
    async fn resolved(&self, at: usize, shown: &Shown) -> Result<&'static str> {
        if self.alerts[at].severity == "none" {
            return Ok("never: its absence is what alarms");
        }
        self.told(at, shown, "已恢复").await?;
        Ok(if self.alerts[at].missing.is_empty() { "its series end" } else { "the missing series is there" })
    }

    async fn told(&self, at: usize, shown: &Shown, change: &str) -> Result<()> {
        // A summary may have a value in it, which goes on changing.
        let whose = if APART.iter().any(|label| shown.labels.contains_key(*label)) {
            place(at)
        } else {
            shown.annotations.get("summary").context("it has no summary")?.clone()
        };
        let words = [self.alerts[at].name.clone(), change.to_owned(), whose];
        let is_told = |post: &Post| {
            // The markup's own symbols are escaped by a backslash.
            let said = post.text.replace('\\', "");
            words.iter().all(|word| said.contains(word))
        };
        let what = format!("a message with {words:?}");
        let found = until(&what, LIMIT, async || self.stage.posts().iter().any(is_told).then_some(()));
        found.await.with_context(|| {
            let near: Vec<_> =
                self.stage.posts().into_iter().filter(|post| post.text.contains(&words[0])).collect();
            format!("what came of it: {near:#?}")
        })
    }
}

/// Only the alerts of the moment are sent, each as of a node or a target of its own.
fn apart(moment: &Moment) -> Vec<Value> {
    const SOURCE: [&str; 4] = ["alertname", "severity", "node", "target"];
    let exactly = |labels: &Labels, names: &[&str]| {
        let values = names.iter().map(|name| labels.get(*name).map_or("", String::as_str));
        literally(&values.collect::<Vec<_>>().join(";"))
    };
    let kept = moment.alerts.iter().map(|(_, labels)| exactly(labels, &SOURCE)).collect::<Vec<_>>();
    let mut relabelling = vec![json!({ "action": "keep", "source_labels": SOURCE, "regex": kept.join("|") })];
    for (at, labels) in &moment.alerts {
        for label in APART.iter().filter(|label| labels.contains_key(**label)) {
            relabelling.push(json!({
                "source_labels": SOURCE[..2], "regex": exactly(labels, &SOURCE[..2]),
                "target_label": label, "replacement": place(*at),
            }));
        }
    }
    relabelling
}

/// The node or target that an alert is sent as.
fn place(at: usize) -> String {
    format!("case{at:03}")
}

/// A regular expression for this text alone.
fn literally(text: &str) -> String {
    text.chars()
        .flat_map(|symbol| (!symbol.is_alphanumeric()).then_some('\\').into_iter().chain([symbol]))
        .collect()
}
