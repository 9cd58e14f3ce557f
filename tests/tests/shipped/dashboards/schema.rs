//! What Grafana reads of a board: each key and each word of a panel is one that its schema has, and no panel needs a plugin.
//!
//! Source: the types that Grafana generates of its own schemas (`packages/grafana-schema/src`: `raw/dashboard`, `raw/composable/*/panelcfg`,
//! `common/common.gen.ts`), as of 10.4 and later. A key that Grafana does not know it leaves out without a word.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{all, panels};
use crate::files::list;

/// What may stand at a key.
enum Takes {
    Flag,
    Number,
    Text,
    Texts,
    OneOf(&'static [&'static str]),
    Sorting,
}
use Takes::{Flag, Number, OneOf, Sorting, Text, Texts};

impl Takes {
    fn matches(&self, value: &Value) -> bool {
        let has_only = |keys: &[&str]| {
            value.as_object().is_some_and(|entry| entry.keys().all(|key| keys.contains(&key.as_str())))
        };
        match self {
            Flag => value.is_boolean(),
            Number => value.is_number(),
            Text => value.is_string(),
            Texts => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
            OneOf(words) => value.as_str().is_some_and(|word| words.contains(&word)),
            Sorting => {
                value["displayName"].is_string()
                    && value["desc"].is_boolean()
                    && has_only(&["displayName", "desc"])
            }
        }
    }
}

type Keys = &'static [(&'static str, Takes)];

/// A kind of panel that every Grafana has, with the keys of its `options`, and those of its fields that other kinds do not have.
struct Kind {
    name: &'static str,
    options: &'static [Keys],
    custom: Keys,
}

const LEGEND: Keys = &[
    ("legend.calcs", Texts),
    ("legend.displayMode", OneOf(&["list", "table"])),
    ("legend.placement", OneOf(&["bottom", "right"])),
    ("legend.showLegend", Flag),
];
const TOOLTIP: Keys = &[
    ("tooltip.mode", OneOf(&["multi", "none", "single"])),
    ("tooltip.sort", OneOf(&["asc", "desc", "none"])),
];
const REDUCED: Keys = &[
    ("orientation", OneOf(&["auto", "horizontal", "vertical"])),
    ("reduceOptions.calcs", Texts),
    ("reduceOptions.fields", Text),
    ("reduceOptions.values", Flag),
];
const KINDS: [Kind; 5] = [
    Kind {
        name: "stat",
        options: &[
            REDUCED,
            &[
                ("colorMode", OneOf(&["background", "background_solid", "none", "value"])),
                ("graphMode", OneOf(&["area", "line", "none"])),
                ("justifyMode", OneOf(&["auto", "center"])),
                ("textMode", OneOf(&["auto", "name", "none", "value", "value_and_name"])),
                ("wideLayout", Flag),
            ],
        ],
        custom: &[],
    },
    Kind {
        name: "bargauge",
        options: &[
            REDUCED,
            &[
                ("displayMode", OneOf(&["basic", "gradient", "lcd"])),
                ("namePlacement", OneOf(&["auto", "hidden", "left", "top"])),
                ("showUnfilled", Flag),
                ("sizing", OneOf(&["auto", "manual"])),
                ("valueMode", OneOf(&["color", "hidden", "text"])),
            ],
        ],
        custom: &[],
    },
    Kind {
        name: "timeseries",
        options: &[LEGEND, TOOLTIP],
        custom: &[
            ("custom.axisPlacement", OneOf(&["auto", "bottom", "hidden", "left", "right", "top"])),
            ("custom.drawStyle", OneOf(&["bars", "line", "points"])),
            ("custom.fillOpacity", Number),
            ("custom.lineStyle.fill", OneOf(&["solid", "dash", "dot", "square"])),
            ("custom.lineWidth", Number),
            ("custom.showPoints", OneOf(&["always", "auto", "never"])),
            ("custom.spanNulls", Flag),
            ("custom.stacking.group", Text),
            ("custom.stacking.mode", OneOf(&["none", "normal", "percent"])),
            (
                "custom.thresholdsStyle.mode",
                OneOf(&["area", "dashed", "dashed+area", "line", "line+area", "off", "series"]),
            ),
            ("custom.transform", OneOf(&["constant", "negative-Y"])),
        ],
    },
    Kind {
        name: "state-timeline",
        options: &[
            LEGEND,
            TOOLTIP,
            &[
                ("alignValue", OneOf(&["center", "left", "right"])),
                ("mergeValues", Flag),
                ("rowHeight", Number),
                ("showValue", OneOf(&["always", "auto", "never"])),
            ],
        ],
        custom: &[("custom.fillOpacity", Number), ("custom.lineWidth", Number)],
    },
    Kind {
        name: "table",
        options: &[&[
            ("cellHeight", OneOf(&["sm", "md", "lg"])),
            ("footer.show", Flag),
            ("showHeader", Flag),
            ("sortBy", Sorting),
        ]],
        custom: &[
            ("custom.align", OneOf(&["auto", "center", "left", "right"])),
            ("custom.cellOptions.mode", OneOf(&["basic", "gradient", "lcd"])),
            ("custom.cellOptions.type", OneOf(&["auto", "color-text", "gauge"])),
        ],
    },
];
/// The keys of a field's configuration beside `custom`.
const FIELD: Keys = &[
    ("color.fixedColor", Text),
    ("color.mode", OneOf(&["fixed", "palette-classic", "thresholds"])),
    ("max", Number),
    ("min", Number),
    ("noValue", Text),
    ("thresholds.mode", OneOf(&["absolute"])),
    ("unit", Text),
];
/// Lists whose entries have keys of their own: looked at apart from the rest.
const LISTS: [(&str, &[&str]); 4] = [
    ("links", &["title", "url"]),
    ("mappings", &["type", "options"]),
    ("thresholds.steps", &["color", "value"]),
    ("custom.lineStyle.dash", &[]),
];
const PANEL: [&str; 10] = [
    "id",
    "type",
    "title",
    "description",
    "datasource",
    "gridPos",
    "fieldConfig",
    "options",
    "targets",
    "transformations",
];
const TARGET: [&str; 7] = ["refId", "datasource", "expr", "legendFormat", "instant", "range", "format"];
const ROW: [&str; 6] = ["id", "type", "title", "gridPos", "collapsed", "panels"];
const BOARD: [&str; 16] = [
    "annotations",
    "description",
    "editable",
    "graphTooltip",
    "id",
    "links",
    "panels",
    "refresh",
    "schemaVersion",
    "tags",
    "templating",
    "time",
    "timezone",
    "title",
    "uid",
    "version",
];

/// Every value below `value` with its path; lists are left whole, entry by entry.
fn leaves<'value>(value: &'value Value, path: &str, found: &mut Vec<(String, &'value Value)>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                leaves(inner, &path, found);
            }
        }
        value => found.push((path.to_owned(), value)),
    }
}

/// What Grafana would not read of a part of a panel.
fn unread(value: &Value, path: &str, keys: &[Keys]) -> Vec<String> {
    let mut found = Vec::new();
    leaves(value, path, &mut found);
    let is_read = |path: &str, value: &Value| {
        if let Some((_, entry)) = LISTS.iter().find(|(list, _)| *list == path) {
            return value
                .as_array()
                .is_some_and(|items| items.iter().all(|item| item.is_number() || has_exactly(item, entry)));
        }
        let takes = keys.iter().copied().flatten().find(|(key, _)| *key == path).map(|(_, takes)| takes);
        takes.is_some_and(|takes| match (takes, value) {
            (Sorting, Value::Array(items)) => items.iter().all(|item| takes.matches(item)),
            _ => takes.matches(value),
        })
    };
    found.retain(|(path, value)| !is_read(path, value));
    found.into_iter().map(|(path, value)| format!("{path}: {value}")).collect()
}

fn has_exactly(value: &Value, keys: &[&str]) -> bool {
    value
        .as_object()
        .is_some_and(|map| map.len() == keys.len() && keys.iter().all(|key| map.contains_key(*key)))
}

/// The keys of an object that are not among these.
fn others(value: &Value, keys: &[&str]) -> BTreeSet<String> {
    value.as_object().unwrap().keys().filter(|key| !keys.contains(&key.as_str())).cloned().collect()
}

#[test]
fn every_panel_is_one_that_grafana_has_with_keys_that_it_reads() {
    for (file, board) in all() {
        assert_eq!(others(&board, &BOARD), BTreeSet::new(), "{file}");
        for row in list(&board, "panels").iter().filter(|panel| panel["type"] == "row") {
            assert_eq!(others(row, &ROW), BTreeSet::new(), "{file}");
        }
        for panel in panels(&board) {
            let title = panel["title"].as_str().unwrap_or_default();
            let kind = panel["type"].as_str().unwrap_or_default();
            let kind = KINDS
                .iter()
                .find(|known| known.name == kind)
                .unwrap_or_else(|| panic!("{file}: `{title}`: a stock Grafana has no panel `{kind}`"));
            assert_eq!(others(panel, &PANEL), BTreeSet::new(), "{file}: `{title}`");
            let mut wrong = unread(&panel["options"], "", kind.options);
            let config = &panel["fieldConfig"];
            assert!(has_exactly(config, &["defaults", "overrides"]), "{file}: `{title}`");
            let field = [FIELD, kind.custom];
            wrong.extend(unread(&config["defaults"], "", &field));
            for over in list(config, "overrides") {
                let matcher = &over["matcher"]["id"];
                assert!(matcher == "byName" || matcher == "byFrameRefID", "{file}: `{title}`: {matcher}");
                for property in list(over, "properties") {
                    assert!(has_exactly(property, &["id", "value"]), "{file}: `{title}`: {property}");
                    wrong.extend(unread(&property["value"], property["id"].as_str().unwrap(), &field));
                }
            }
            assert!(wrong.is_empty(), "{file}: `{title}`: Grafana does not read {wrong:#?}");
            for target in list(panel, "targets") {
                assert_eq!(others(target, &TARGET), BTreeSet::new(), "{file}: `{title}`");
                let format = target["format"].as_str().unwrap_or("time_series");
                assert!(["time_series", "table"].contains(&format), "{file}: `{title}`: {format}");
            }
            for transformation in list(panel, "transformations") {
                let options = &transformation["options"];
                let is_known = match transformation["id"].as_str().unwrap_or_default() {
                    "joinByField" => has_exactly(options, &["byField", "mode"]),
                    "merge" => has_exactly(options, &[]),
                    "organize" => has_exactly(options, &["excludeByName", "indexByName", "renameByName"]),
                    _ => false,
                };
                assert!(is_known, "{file}: `{title}`: {transformation}");
            }
        }
    }
}

/// The test above can fail: a key with a slip in it, and a word that no Grafana has.
#[test]
fn what_grafana_does_not_read_is_found() {
    let kind = KINDS.iter().find(|kind| kind.name == "timeseries").unwrap();
    let options = serde_json::json!({"legend": {"showLegends": true}, "tooltip": {"mode": "all"}});
    assert_eq!(unread(&options, "", kind.options), ["legend.showLegends: true", "tooltip.mode: \"all\""]);
    let field = serde_json::json!({
        "unit": "s", "custom": {"drawStyle": "lines", "lineWidth": 1}, "decimal": 1,
        "thresholds": {"mode": "absolute", "steps": [{"colour": "red", "value": 1}]},
    });
    let keys = [FIELD, kind.custom];
    let mut found = unread(&field, "", &keys);
    found.sort();
    assert_eq!(
        found,
        ["custom.drawStyle: \"lines\"", "decimal: 1", "thresholds.steps: [{\"colour\":\"red\",\"value\":1}]"]
    );
    assert_eq!(unread(&serde_json::json!("up"), "custom.transform", &keys), ["custom.transform: \"up\""]);
}
