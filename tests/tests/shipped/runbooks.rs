//! The page that the runbook links of messages open: made of the two texts, complete, and in step with them.
//!
//! Its links begin from `runbooks` in `prometheus.yml`, and Prometheus serves the folder. When the page differs, run the test with
//! `INSTA_UPDATE=always`, as for snapshots, and review the change like code.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use e2e::programs;
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd, html};

use crate::dashboards;
use crate::files::{path, text, yaml};
use crate::rules::alerts;

const PAGE: &str = "rules/runbooks.html";

/// A language of the page.
struct Text {
    file: &'static str,
    lang: &'static str,
    title: &'static str,
    /// What an alert's name is followed by in its address on the page.
    suffix: &'static str,
    other_suffix: &'static str,
    other: &'static str,
    /// What the board's name stands behind.
    board: &'static str,
    /// What the section about all commands is called.
    commands: &'static str,
    /// Which half of a board's title is this language's: `中文 / English`.
    half: usize,
}

const TEXTS: [Text; 2] = [
    Text {
        file: "rules/README.zh-CN.md",
        lang: "zh-CN",
        title: "告警处理手册",
        suffix: "",
        other_suffix: "-en",
        other: "English",
        board: "看板",
        commands: "命令怎么用",
        half: 0,
    },
    Text {
        file: "rules/README.md",
        lang: "en",
        title: "Runbooks",
        suffix: "-en",
        other_suffix: "",
        other: "中文",
        board: "Board",
        commands: "The commands",
        half: 1,
    },
];

/// The alerts of a text with what it says of each, in its order.
fn sections(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for section in text.split("\n### ").skip(1) {
        let (name, body) = section.split_once('\n').unwrap();
        found.push((name, body.split("\n## ").next().unwrap().trim()));
    }
    found
}

/// Markdown as HTML. A link into the repository leads nowhere from here: its words stay.
fn to_html(markdown: &str) -> String {
    let mut is_kept = false;
    let events = Parser::new_ext(markdown, Options::ENABLE_TABLES).filter(|event| match event {
        Event::Start(Tag::Link { dest_url, .. }) => {
            is_kept = dest_url.starts_with("https://");
            is_kept
        }
        Event::End(TagEnd::Link) => is_kept,
        _ => true,
    });
    let mut written = String::new();
    html::push_html(&mut written, events);
    written
}

/// The path and the title of the board that each alert's message links to. The page itself does not know where Grafana is.
fn boards() -> BTreeMap<String, (String, String)> {
    let titles: BTreeMap<_, _> = dashboards::all()
        .into_iter()
        .map(|(_, board)| {
            (board["uid"].as_str().unwrap().to_owned(), board["title"].as_str().unwrap().to_owned())
        })
        .collect();
    let of = |(_, name, rule): (_, String, serde_json::Value)| {
        let link = rule["annotations"]["dashboard_url"].as_str().unwrap_or_default();
        let (_, path) = link.split_once("/d/").unwrap_or_else(|| panic!("{name} leads to no board"));
        let uid = path.split(['?', '{']).next().unwrap_or_default();
        (name, (format!("/d/{uid}"), titles[uid].clone()))
    };
    alerts().into_iter().map(of).collect()
}

fn page() -> String {
    let head = include_str!("runbooks_head.html");
    let boards = boards();
    let languages: String = TEXTS.iter().map(|language| language.page(&boards)).collect();
    format!("{head}{languages}</html>\n")
}

impl Text {
    fn page(&self, boards: &BTreeMap<String, (String, String)>) -> String {
        let Self { file, lang, title, suffix, other_suffix, other, board, commands, half } = self;
        let text = text(file);
        let (_, about_commands) = text.split_once(&format!("\n## {commands}\n")).unwrap();
        let about_commands = to_html(about_commands.split("\n## ").next().unwrap().trim());
        let about_commands =
            format!("<section id=\"commands{suffix}\">\n<h2>{commands}</h2>\n{about_commands}</section>\n");
        let sections = sections(&text).into_iter().fold(String::new(), |written, (name, body)| {
            let (id, body) = (name.to_lowercase(), to_html(body));
            let heading = format!("<h2>{name} <a href=\"#{id}{other_suffix}\">{other}</a></h2>");
            let (path, titles) = &boards[name];
            let title = titles.split(" / ").nth(*half).unwrap_or(titles);
            let board = format!("<p>{board}: {title} <code>{path}</code></p>");
            let board = format!("{board}\n<p><a href=\"#commands{suffix}\">{commands}</a></p>");
            written + &format!("<section id=\"{id}{suffix}\">\n{heading}\n{body}{board}\n</section>\n")
        });
        format!("<main lang=\"{lang}\">\n<h1>{title}</h1>\n{about_commands}{sections}</main>\n")
    }
}

/// The numbered steps of a section, and the lines of its commands.
fn steps_and_commands(section: &str) -> (usize, usize) {
    let (mut steps, mut commands, mut is_numbered, mut is_shell) = (0, 0, false, false);
    for event in Parser::new(section) {
        match event {
            Event::Start(Tag::List(number)) => is_numbered = number == Some(1),
            Event::Start(Tag::Item) if is_numbered => steps += 1,
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) => is_shell = &*language == "sh",
            Event::End(TagEnd::CodeBlock) => is_shell = false,
            Event::Text(text) if is_shell => {
                commands += text.lines().filter(|line| !line.trim().is_empty()).count();
            }
            _ => {}
        }
    }
    (steps, commands)
}

#[test]
fn the_page_is_made_of_the_two_texts() {
    let (written, expected) = (std::fs::read_to_string(path(PAGE)).unwrap_or_default(), page());
    if written != expected && std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        std::fs::write(path(PAGE), expected).unwrap();
        return;
    }
    assert_eq!(written, expected, "run with INSTA_UPDATE=always");
}

#[test]
fn each_link_of_an_alert_leads_to_its_section_in_the_message_s_language() {
    let page = text(PAGE);
    let served = &yaml("deploy/prometheus/prometheus.yml")["global"]["external_labels"]["runbooks"];
    assert!(served.as_str().unwrap().ends_with("/user/runbooks.html"), "Prometheus serves rules/ as /user/");
    for (_, name, rule) in alerts() {
        for (key, main) in
            [("runbook_url", "<main lang=\"zh-CN\">"), ("runbook_url_en", "<main lang=\"en\">")]
        {
            let link = rule["annotations"][key].as_str().unwrap_or_default();
            let id = link
                .strip_prefix("{{ $externalLabels.runbooks }}#")
                .unwrap_or_else(|| panic!("{name}: {link}"));
            let section = format!("<section id=\"{id}\">\n<h2>{name} ");
            let (_, language) = page.split_once(main).unwrap();
            let (language, _) = language.split_once("</main>").unwrap();
            assert_eq!(language.matches(&section).count(), 1, "{name}: {key}");
        }
    }
}

#[test]
fn both_texts_are_about_the_same_alerts() {
    let [chinese, english] = TEXTS.map(|part| text(part.file));
    let names = |text: &str| sections(text).iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&chinese), names(&english));
    assert_eq!(names(&english).iter().collect::<BTreeSet<_>>().len(), names(&english).len());
    for (name, body) in sections(&chinese) {
        assert!(body.chars().any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter)), "{name}");
    }
}

#[test]
fn each_alert_has_its_first_three_steps_and_commands_to_copy() {
    assert_eq!(steps_and_commands("Text `a`.\n\n1. a\n2. b\n\n```sh\nx\n\ny\n```\n\n- no step\n"), (2, 2));
    assert_eq!(steps_and_commands("Text.\n\n```\nno shell\n```"), (0, 0));
    let [chinese, english] = TEXTS.map(|part| text(part.file));
    for (language, text) in [("zh-CN", &chinese), ("en", &english)] {
        for (name, body) in sections(text) {
            let (steps, commands) = steps_and_commands(body);
            assert!(steps == 3 && commands >= 1, "{name} ({language}): {steps} steps, {commands} commands");
        }
    }
    // What is copied is the same, whoever reads it.
    let commands = |body: &str| body.split_once("```sh").map(|(_, code)| code.to_owned());
    for ((name, chinese), (_, english)) in sections(&chinese).into_iter().zip(sections(&english)) {
        assert_eq!(commands(chinese), commands(english), "{name}");
    }
}

/// A command that cannot be read, or that names what the relay does not have, is found here and not at night.
#[test]
fn a_shell_reads_every_command_and_the_relay_has_what_they_name() {
    let relay = programs::ours("alert-relay").unwrap();
    let mut asked = BTreeSet::new();
    let english = text("rules/README.md");
    for (name, body) in sections(&english) {
        let (_, code) = body.split_once("```sh\n").unwrap();
        let code = code.split("```").next().unwrap();
        let output = Command::new("bash").args(["-n", "-c", code]).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        for (_, command) in code.lines().filter_map(|line| line.split_once(" alert-relay alert-relay ")) {
            let mut words = command.split_whitespace();
            let first = words.next().unwrap();
            let help = Command::new(&relay).args([first, "--help"]).output().unwrap();
            let help = String::from_utf8_lossy(&help.stdout).into_owned();
            assert!(help.contains(&format!("alert-relay {first}")), "{name}: no command `{first}`");
            for flag in words.filter(|word| word.starts_with("--")) {
                assert!(help.contains(flag), "{name}: `{first}` has no {flag}");
            }
            asked.insert(first.to_owned());
        }
    }
    assert!(asked.contains("resend") && asked.contains("backup"), "{asked:?}");
}

/// Of a file in which a series stands twice nothing counts: a command that adds a threshold can be copied again.
#[test]
fn a_threshold_that_is_set_twice_stands_once() {
    let directory = tempfile::tempdir().unwrap();
    let english = text("rules/README.md");
    let commands: Vec<_> = english.lines().filter(|line| line.contains("tee -a ")).collect();
    assert!(commands.len() >= 2, "{commands:?}");
    for command in commands.iter().chain(&commands) {
        let command = command.replace("/var/lib/gpu-node-exporter", directory.path().to_str().unwrap());
        let here = format!("sudo() {{ \"$@\"; }}\n{command}");
        let output = Command::new("bash").args(["-c", &here]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{command}: {said}");
    }
    let file = std::fs::read_to_string(directory.path().join("thresholds.prom")).unwrap();
    let lines: BTreeSet<_> = file.lines().collect();
    assert_eq!(lines.len(), commands.len(), "{file}");
    assert_eq!(file.lines().count(), commands.len(), "{file}");
}
