//! Engines' own metrics pages, asked over HTTP and HTTPS.

use std::fs;
use std::future::pending;

use base64::Engine as _;
use test_peers::endpoint::Endpoint;

use crate::engine_stand_in::StandIn;
use crate::exporter::{Exporter, Page, check_flags};

const GPUS_OFF: &str = "--no-collector.gpu";

fn age(page: &Page, label: &str) -> Option<f64> {
    page.value("gpu_engine_page_progress_age_seconds", &[label])
}

#[test]
fn a_page_tells_what_it_is_and_whether_it_moves_while_another_hangs() {
    let stand_in = StandIn::default();
    let engine = stand_in.start();
    let hangs = Endpoint::start(async |_| pending().await).expect("a free port");
    let url = format!("http://{}/metrics", engine.address());
    let flags = [
        GPUS_OFF,
        &format!("--engine.page=http://anna:pass-word@{}/metrics?token=hidden", engine.address()),
        &format!("--engine.page=http://{}", hangs.address()),
    ];
    let exporter = Exporter::with_flags(&flags);
    let labels = format!("page=\"{url}\"");
    exporter.wait_until("it answers", |page| page.value("gpu_engine_page_up", &[&labels]) == Some(1.0));
    let page = exporter.wait_until("the other counts as hanging", |page| {
        page.value("gpu_engine_page_up", &[&format!("page=\"http://{}", hangs.address())]) == Some(0.0)
    });
    let identity = [&*labels, r#"engine="vllm""#, r#"model_name="qwen""#];
    assert_eq!(page.value("gpu_engine_page_info", &identity), Some(1.0));
    assert_eq!(page.value("node_scrape_collector_success", &[r#"collector="engine""#]), Some(1.0));

    exporter.wait_until("nothing moves", |page| age(page, &labels) > Some(6.0));
    stand_in.with(|state| state.steps += 1);
    exporter.wait_until("it moves", |page| age(page, &labels) < Some(5.0));

    stand_in.with(|state| state.is_broken = true);
    let page =
        exporter.wait_until("it is broken", |page| page.value("gpu_engine_page_up", &[&labels]) == Some(0.0));
    assert_eq!(page.value("gpu_engine_page_info", &identity), Some(1.0), "its name stays");
    assert_eq!(age(&page, &labels), None);
    exporter.wait_for_log(&format!("engine page {url} answers with status 500"));
    exporter
        .wait_for_log(&format!("engine page http://{}/metrics does not answer within 4s", hangs.address()));

    let asked = stand_in.with(|state| state.pages[0].clone());
    assert_eq!(asked.query["token"], "hidden");
    let sent = base64::prelude::BASE64_STANDARD.encode("anna:pass-word");
    assert_eq!(asked.headers["authorization"], format!("Basic {sent}"));
    for seen in [exporter.log(), page.0.clone()] {
        assert!(!["anna", "pass-word", "hidden", &sent].iter().any(|secret| seen.contains(secret)), "{seen}");
    }
}

#[test]
fn a_page_behind_tls_is_read_when_its_certificate_is_trusted() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("cert.pem"), made.cert.pem()).expect("writable");
    fs::write(path("key.pem"), made.signing_key.serialize_pem()).expect("writable");
    let config = "tls_server_config: { cert_file: cert.pem, key_file: key.pem }\n";
    fs::write(path("web.yml"), config).expect("writable");
    // Any page will do: this one is an exporter's.
    let other = Exporter::with_flags(&[GPUS_OFF, &format!("--web.config.file={}", path("web.yml"))]);
    let flag = format!("--engine.page=https://{}/metrics", other.address());
    let trusting = Exporter::with_variable("SSL_CERT_FILE", &path("cert.pem"), &[GPUS_OFF, &flag]);
    let unknown = [r#"engine="unknown""#, "page=\"https://"];
    trusting.wait_until("it is read", |page| page.value("gpu_engine_page_info", &unknown) == Some(1.0));
    trusting.wait_for_log("answers: no series of vLLM or SGLang");

    let strange = Exporter::with_flags(&[GPUS_OFF, &flag]);
    strange.wait_until("it is not trusted", |page| page.value("gpu_engine_page_up", &[]) == Some(0.0));
    strange.wait_for_log("cannot be talked to by TLS: ");
}

#[test]
fn the_check_says_what_each_page_is() {
    let stand_in = StandIn::default();
    let engine = stand_in.start();
    let closed =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
    let answers = format!("--engine.page=http://{}", engine.address());
    let refuses = format!("--engine.page=http://{closed}");
    let (code, told) = check_flags(&[GPUS_OFF, &answers, &refuses]);
    let url = format!("http://{}/metrics", engine.address());
    let line =
        format!("ok       engine       {url} answers: vLLM with `qwen`; requests: 0 running, 0 waiting");
    assert!(told.contains(&line), "{told}");
    let line = format!("missing  engine       http://{closed}/metrics cannot be reached: Connection refused");
    assert!(told.contains(&line), "{told}");
    assert_eq!(code, Some(1));
}
