use std::collections::BTreeMap;

use serde_json::json;

use super::number::{ticks, written};
use super::{Answers, Series, draw};

fn series(name: &str, labels: &[(&str, &str)], points: &[(f64, f64)]) -> Series {
    let labels: BTreeMap<_, _> =
        labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Series { labels, name: name.to_owned(), points: points.to_vec() }
}

#[test]
fn numbers_are_written_in_their_units() {
    let check = |value: f64, unit: &str, expected: &str| assert_eq!(written(value, unit), expected);
    check(85.0 * 1024_f64.powi(3), "bytes", "85 GiB");
    check(512.0, "bytes", "512 B");
    check(0.853, "percentunit", "85.3%");
    check(0.25, "s", "250 ms");
    check(0.0, "s", "0 s");
    check(7200.0, "s", "2 h");
    check(1.98e9, "hertz", "1.98 GHz");
    check(1234.0, "short", "1.23 k");
    check(10.0, "none", "10");
    check(100.0, "celsius", "100 °C");
}

#[test]
fn ticks_are_round() {
    assert_eq!(ticks(0.0, 1.0, "percentunit"), [0.0, 0.5, 1.0]);
    assert_eq!(ticks(0.0, 80.0, "celsius"), [0.0, 20.0, 40.0, 60.0, 80.0]);
    assert_eq!(ticks(0.0, 4096.0, "bytes"), [0.0, 1024.0, 2048.0, 3072.0, 4096.0]);
    assert!(ticks(1.0, 1.0, "none").is_empty());
}

/// What a board asks is what is drawn: a line a series, its limit, its name; a row a thing.
#[test]
fn a_panel_shows_its_answers() {
    let board = json!({
        "title": "一块板 / A board",
        "panels": [
            {
                "id": 1, "type": "timeseries", "title": "温度 <a> / Temperature",
                "gridPos": {"x": 0, "y": 0, "w": 12, "h": 8},
                "fieldConfig": {
                    "defaults": {"unit": "celsius", "min": 0, "thresholds": {"steps": [
                        {"color": "transparent", "value": null}, {"color": "red", "value": 60}]}},
                    "overrides": [],
                },
                "targets": [{"refId": "A"}],
            },
            {
                "id": 2, "type": "table", "title": "表 / Table",
                "gridPos": {"x": 12, "y": 0, "w": 12, "h": 8},
                "fieldConfig": {"defaults": {}, "overrides": [{
                    "matcher": {"options": "状态 / State"},
                    "properties": [{"id": "mappings", "value": [{"options": {"0": {"text": "丢失 / lost", "color": "red"}}}]}],
                }]},
                "options": {"sortBy": [{"displayName": "状态 / State", "desc": false}]},
                "transformations": [{"options": {"byField": "uuid"}}, {"options": {
                    "indexByName": {"gpu": 0, "Value": 1},
                    "renameByName": {"gpu": "GPU", "Value": "状态 / State"},
                }}],
                "targets": [{"refId": "A"}],
            },
            {
                "id": 3, "type": "stat", "title": "下面 / Below", "gridPos": {"x": 0, "y": 8, "w": 4, "h": 4},
                "fieldConfig": {"defaults": {}}, "targets": [],
            },
        ],
    });
    let lines = vec![
        series("gpu 0", &[], &[(0.0, 50.0), (10.0, 70.0)]),
        series("gpu 1", &[], &[(0.0, 40.0), (10.0, 45.0)]),
    ];
    let cells = vec![
        series("", &[("uuid", "a"), ("gpu", "seven")], &[(10.0, 1.0)]),
        series("", &[("uuid", "b"), ("gpu", "nine")], &[(10.0, 0.0)]),
    ];
    let answers = Answers([((1, "A".to_owned()), lines), ((2, "A".to_owned()), cells)].into());
    let drawn = draw(&board, &answers, 8);
    assert!(drawn.contains("模拟数据 / simulated data"));
    assert!(drawn.contains("温度 &lt;a&gt; / Temperature"));
    assert!(!drawn.contains("Below"), "it stands below the rows that are drawn");
    // The two series, the limit, the names' samples; the grid.
    assert_eq!(drawn.matches("stroke-dasharray=\"6 4\"").count(), 1);
    for name in ["gpu 0", "gpu 1", "60 °C", "丢失 / lost"] {
        assert!(drawn.contains(&format!(">{name}<")), "{name}");
    }
    let (lost, fine) = (drawn.find(">nine<").unwrap(), drawn.find(">seven<").unwrap());
    assert!(lost < fine, "the worst row comes first");
}
