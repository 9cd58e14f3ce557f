//! What Grafana is given at its start: the data source, and the folder that the boards are in.

use std::collections::BTreeSet;

use serde_json::Value;

use super::all;
use crate::files::{list, text, yaml};

const BOARDS: &str = "deploy/grafana/provisioning/dashboards/dashboards.yml";
const SOURCES: &str = "deploy/grafana/provisioning/datasources/prometheus.yml";

fn grafana() -> Value {
    yaml("docker-compose.yml")["services"]["grafana"].clone()
}

/// Where the container has a folder of the checkout.
fn mounted(folder: &str) -> Option<String> {
    let service = grafana();
    let volumes = list(&service, "volumes").iter().filter_map(Value::as_str);
    let mut parts = volumes.map(|volume| volume.split(':').collect::<Vec<_>>());
    parts.find(|parts| parts[0] == format!("./{folder}")).map(|parts| parts[1].to_owned())
}

#[test]
fn the_boards_are_read_from_where_they_are_mounted() {
    let file = yaml(BOARDS);
    assert_eq!(file["apiVersion"], 1);
    let [provider] = list(&file, "providers") else { panic!("{BOARDS}: one provider") };
    assert_eq!(provider["type"], "file");
    let folder = mounted("dashboards").unwrap();
    assert_eq!(provider["options"]["path"], folder.as_str());
    assert_eq!(mounted("deploy/grafana/provisioning").as_deref(), Some("/etc/grafana/provisioning"));
    // The first board that somebody sees is one of them.
    let service = grafana();
    let home = service["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"].as_str().unwrap();
    let home = home.strip_prefix(&format!("{folder}/")).unwrap();
    assert!(all().iter().any(|(board, _)| *board == format!("dashboards/{home}")), "{home}");
}

/// The boards choose among the sources of this type; with one, nobody has to.
#[test]
fn there_is_one_data_source_and_it_is_the_prometheus_beside_it() {
    let file = yaml(SOURCES);
    assert_eq!(file["apiVersion"], 1);
    let [source] = list(&file, "datasources") else { panic!("{SOURCES}: one source") };
    assert_eq!(source["type"], "prometheus");
    assert_eq!(source["access"], "proxy");
    assert_eq!(source["isDefault"], true);
    assert_eq!(source["url"], "http://prometheus:9090");
    assert!(yaml("docker-compose.yml")["services"]["prometheus"].is_object());
    let scrape = &yaml("deploy/prometheus/prometheus.yml")["global"]["scrape_interval"];
    assert_eq!(&source["jsonData"]["timeInterval"], scrape, "`$__rate_interval` is made of it");
}

/// Every board is in the table of the page about them, and nothing else is.
#[test]
fn the_page_about_the_boards_lists_each() {
    let page = text("deploy/grafana/README.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let listed: BTreeSet<_> = rows.map(|(uid, _)| uid.to_owned()).collect();
    let there: BTreeSet<_> =
        all().iter().map(|(_, board)| board["uid"].as_str().unwrap().to_owned()).collect();
    assert_eq!(listed, there);
}
