//! Who is answered: foreign pages, foreign hosts, and whether the GPUs may be released.

use test_peers::browser::{foreign_headers, foreign_paths};
use test_peers::client;

use crate::exporter::Exporter;

/// The port that the foreign page expects the exporter at.
const PORT_OF_THE_PAGE: u16 = 19100;

const ALONE: [&str; 3] = ["--collector.disable-defaults", "--collector.loadavg", "--no-collector.gpu"];

#[test]
fn a_foreign_page_can_do_nothing_with_its_visitors_browser() {
    let exporter = Exporter::with_flags(&[&ALONE[..], &["--web.enable-lifecycle"]].concat());
    let paths = foreign_paths(PORT_OF_THE_PAGE);
    assert_eq!(paths, ["/-/gpu/release"]);
    for path in paths.into_iter().chain(["/-/gpu/acquire"]) {
        for headers in foreign_headers() {
            let answer = client::request(exporter.address(), "POST", path, &headers, b"");
            assert_eq!(answer.status, 403, "{path} {headers:?} {answer:?}");
            assert!(answer.body.contains("a page of another site"), "{answer:?}");
        }
        // A program's is looked at further.
        assert_eq!(client::request(exporter.address(), "POST", path, &[], b"").status, 404);
    }
}

#[test]
fn the_gpus_are_released_only_where_that_is_enabled() {
    let exporter = Exporter::with_flags(&ALONE);
    for path in ["/-/gpu/release", "/-/gpu/acquire"] {
        let answer = client::request(exporter.address(), "POST", path, &[], b"");
        assert_eq!(answer.status, 403, "{path} {answer:?}");
        assert!(answer.body.contains("--web.enable-lifecycle"), "{answer:?}");
    }
}

#[test]
fn only_allowed_hosts_are_answered_and_loopback_is_always_an_allowed_source() {
    let lists = ["--web.allowed-hosts=node1.example", "--web.allowed-sources=192.0.2.0/24"];
    let exporter = Exporter::with_flags(&[&ALONE[..], &lists].concat());
    // The client asks for the host `test`.
    let answer = client::get(exporter.address(), "/metrics");
    assert_eq!(answer.status, 403, "{answer:?}");
    assert!(answer.body.contains("--web.allowed-hosts"), "{answer:?}");
}
