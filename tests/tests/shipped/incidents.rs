//! One fault gives one message that holds its cause: the faults of `incidents.yml`, each with everything that it changes.
//!
//! All rules judge them, at a faster pace, so that a rule that is added and fires in one of these faults has to be held back or counted. What they
//! record is computed by `promtool`; alerts, inhibition, grouping, the relay and the robot are real.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use e2e::cases::Case;
use e2e::cases::evaluation::Evaluation;
use e2e::cases::history;
use e2e::cases::live::{Judgement, Live};
use e2e::mutation::rules::{self, RuleFile};
use e2e::wait::until;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, LocalSet};

use crate::files::{list, path, yaml};
use crate::stage::Stage;

const FILE: &str = "tests/tests/shipped/incidents.yml";
/// Waiting times in rules are divided by this: five minutes are ten seconds.
const PACE: u32 = 30;
/// Alertmanager's are divided by less: it then waits for longer than the second between two evaluations.
const CHAIN_PACE: u32 = 3;
/// So many faults are played at a time.
const AT_ONCE: usize = 4;
/// How long one step of a fault's way may take on a busy machine.
const LIMIT: Duration = Duration::from_mins(3);

/// A fault and what is expected of it.
struct Incident {
    name: String,
    /// The machine that has it.
    node: String,
    fires: BTreeSet<String>,
    told: BTreeSet<String>,
    cause: String,
    /// The relay cannot send: what it sends here, where it can, does not count beside the standby's.
    relay_is_out: bool,
    case: Case,
    evaluation: Evaluation,
}

/// What the faults share.
struct Scene {
    stage: Stage,
    rules: Vec<RuleFile>,
    turn: Semaphore,
}

#[tokio::test]
async fn one_fault_gives_one_message_with_its_cause() {
    let rules = rules::read(&path("rules")).unwrap();
    let incidents = incidents(&rules).unwrap();
    assert!(incidents.len() >= 10, "{}", incidents.len());
    let data = tempfile::tempdir().unwrap();
    let stage = Stage::start(data.path(), CHAIN_PACE).await.unwrap();
    let scene = Rc::new(Scene { stage, rules, turn: Semaphore::new(AT_ONCE) });
    let wrong: Vec<String> = LocalSet::new()
        .run_until(async {
            let mut plays = JoinSet::new();
            for incident in incidents {
                let scene = Rc::clone(&scene);
                plays.spawn_local(async move {
                    let _turn = scene.turn.acquire().await;
                    let played = scene.play(&incident).await;
                    played.err().map(|error| format!("{}: {error:#}", incident.name))
                });
            }
            plays.join_all().await.into_iter().flatten().collect()
        })
        .await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    Rc::into_inner(scene).expect("the plays are over").stage.stop().await.unwrap();
}

/// Reads the faults.
fn incidents(rules: &[RuleFile]) -> Result<Vec<Incident>> {
    let file = yaml(FILE);
    list(&file, "faults").iter().zip(0..).map(|(incident, number)| read(incident, number, rules)).collect()
}

fn read(incident: &Value, number: usize, rules: &[RuleFile]) -> Result<Incident> {
    let node = format!("fault{number:02}");
    let written = |value: &Value| value.as_str().unwrap_or_default().replace("$N", &node);
    let names = |key: &str| list(incident, key).iter().map(written).collect::<BTreeSet<_>>();
    let mut series = BTreeMap::from([
        (format!("up{{job=\"node\",node=\"{node}\",instance=\"{node}:9100\"}}"), "1x1000".to_owned()),
        ("up{job=\"alert-relay\",instance=\"alert-relay:8060\"}".to_owned(), "1x1000".to_owned()),
    ]);
    for (name, values) in incident["series"].as_object().context("series")? {
        series.insert(name.replace("$N", &node), written(values));
    }
    let minutes = incident["minutes"].as_i64().context("minutes")?;
    let groups = rules.iter().flat_map(|file| list(&file.document, "groups"));
    let document = json!({
        "rule_files": rules.iter().map(|file| file.name.as_str()).collect::<Vec<_>>(),
        "evaluation_interval": "1m",
        "group_eval_order": groups.map(|group| group["name"].clone()).collect::<Vec<_>>(),
    });
    let test = json!({
        "name": incident["name"],
        "interval": "1m",
        "input_series": series.iter().map(|(series, values)| json!({ "series": series, "values": values })).collect::<Vec<_>>(),
        "promql_expr_test": [{ "eval_time": format!("{minutes}m") }],
    });
    let case = Case::of(FILE, &document, &test)?;
    Ok(Incident {
        name: incident["name"].as_str().context("a name")?.to_owned(),
        fires: names("fires"),
        told: names("told"),
        cause: written(&incident["cause"]),
        relay_is_out: incident["relay"] == "out",
        evaluation: Evaluation::of(&case, rules, &path("rules"))?,
        case,
        node,
    })
}

impl Scene {
    async fn play(&self, incident: &Incident) -> Result<()> {
        let (case, evaluation) = (&incident.case, &incident.evaluation);
        let fires = evaluation.alerts_at(case.end()).into_iter().filter(|name| *name != "Watchdog");
        let fires: BTreeSet<_> = fires.map(str::to_owned).collect();
        ensure!(fires == incident.fires, "fires: {fires:?}\nexpected: {:?}", incident.fires);
        let all = incident.fires.iter().map(String::as_str).collect::<Vec<_>>().join("|");
        let judgement = Judgement {
            rules: &self.rules.iter().collect::<Vec<_>>(),
            pace: PACE,
            alertmanager: &self.stage.alertmanager(),
            // What only waits to fire in the case would fire here, at the faster pace.
            relabelling: vec![json!({ "action": "keep", "source_labels": ["alertname"], "regex": all })],
        };
        let _live = Live::start(&judgement, |now| history::until(case, evaluation, case.end(), now)).await?;
        let is_about = |alert: &&Value| alert["labels"].to_string().contains(&incident.node);
        let name = |alert: &Value| alert["labels"]["alertname"].as_str().unwrap_or_default().to_owned();
        let mut known = Vec::new();
        let all_known = until("Alertmanager to know all that fires", LIMIT, async || {
            let alerts = self.stage.alerts().await.ok()?;
            known = alerts.into_iter().filter(|alert| is_about(&alert)).collect();
            (known.iter().map(name).collect::<BTreeSet<_>>() == incident.fires).then_some(())
        });
        all_known.await.with_context(|| format!("{:?}", known.iter().map(name).collect::<BTreeSet<_>>()))?;
        let is_free = |alert: &&Value| list(&alert["status"], "inhibitedBy").is_empty();
        let free: BTreeSet<_> = known.iter().filter(is_free).map(name).collect();
        ensure!(free == incident.told, "not held back: {free:?}\nexpected: {:?}", incident.told);
        // What was sent before it was held back is in the chat by now: it was sent first.
        let by_relay = "receiver=relay-trouble";
        let counts =
            |text: &str| text.contains(&incident.node) && !(incident.relay_is_out && text.contains(by_relay));
        let told = || self.stage.posts().into_iter().filter(|post| counts(&post.text));
        until("the message", LIMIT, async || {
            told().any(|post| incident.told.iter().any(|name| post.text.contains(name))).then_some(())
        })
        .await?;
        let posts: Vec<_> = told().map(|post| post.text.replace('\\', "")).collect();
        ensure!(posts.len() == 1, "{} messages: {posts:#?}", posts.len());
        ensure!(posts[0].contains(&incident.cause), "`{}` is missing: {}", incident.cause, posts[0]);
        Ok(())
    }
}
