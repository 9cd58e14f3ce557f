use std::io::Read as _;
use std::sync::mpsc::{Receiver, Sender, channel};

use http::Response;
use http_body_util::BodyExt as _;
use http_serve::Whole;

use super::*;
use crate::collector::{Collected, Collector, WaitsFor};
use crate::family::{Family, Labels};
use crate::self_metrics::ProcessCollector;

/// A collector without a machine behind it, which waits for a word before it answers when it has an ear for it.
struct Fixed {
    wait: Option<(Sender<()>, Receiver<()>)>,
}

impl Collector for Fixed {
    fn name(&self) -> &'static str {
        "fixed"
    }

    fn collect(&mut self) -> Collected {
        if let Some((entered, let_go)) = &self.wait {
            entered.send(()).unwrap();
            let_go.recv().unwrap();
        }
        Collected::complete(vec![Family::counter("fixed_total", "Never moves.").with(Labels::NONE, 7_u64)])
    }
}

fn service_of(collector: Fixed, max_requests: Option<usize>) -> Service {
    service_with(vec![Box::new(ProcessCollector::default()), Box::new(collector)], max_requests)
}

fn service_with(collectors: Vec<Box<dyn Collector>>, max_requests: Option<usize>) -> Service {
    let settings = ServiceSettings {
        telemetry_path: "/metrics".to_owned(),
        max_requests,
        absent: vec!["netstat"],
        exporter_metrics: true,
        lifecycle: true,
        request_timeout: Duration::from_mins(1),
    };
    let collectors = collectors.into_iter().map(|collector| (WaitsFor::Nothing, collector));
    Service::new(settings, Scraper::start(collectors.collect()).unwrap(), None)
}

fn service() -> Service {
    service_of(Fixed { wait: None }, None)
}

async fn ask(service: &Service, method: Method, path: &str, headers: &[(&str, &str)]) -> (Answer, Vec<u8>) {
    let mut request = http::Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, ()) = request.body(()).unwrap().into_parts();
    let (head, body) = service.answer(&parts).await.into_parts();
    let body = body.collect().await.unwrap().to_bytes().to_vec();
    (Response::from_parts(head, Whole::default()), body)
}

async fn get(service: &Service, path: &str) -> (Answer, String) {
    let (answer, body) = ask(service, Method::GET, path, &[]).await;
    (answer, String::from_utf8(body).unwrap())
}

#[tokio::test]
async fn each_path_answers() {
    let service = service();
    for (path, status, words) in [
        ("/", 200, "<a href=\"/metrics\">"),
        ("/-/healthy", 200, "healthy"),
        ("/-/ready", 200, "ready"),
        ("/metrics", 200, "fixed_total 7\n"),
        ("/metrics?collect[]=fixed", 200, "fixed_total 7\n"),
        ("/metrics?collect[]=netstat", 200, "node_exporter_build_info{"),
        ("/metrics?collect[]=fixed&collect[]=netstat", 200, "fixed_total 7\n"),
        ("/metrics?collect[]=cpu", 400, "the running collectors are fixed"),
        ("/metrics?collect[]=fixed&exclude[]=fixed", 400, "cannot be combined"),
        ("/metric", 404, "metrics are under /metrics"),
    ] {
        let (answer, body) = get(&service, path).await;
        assert_eq!(answer.status(), status, "{path}");
        assert!(body.contains(words), "{path}: {body}");
    }
    let (_, body) = get(&service, "/metrics?exclude[]=fixed").await;
    assert!(!body.contains("fixed_total"), "{body}");
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    for path in ["/-/gpu/release", "/-/gpu/acquire"] {
        let (answer, _) = ask(&service(), Method::GET, path, &[]).await;
        assert_eq!(answer.headers()[header::ALLOW], "POST", "{path}");
        let (answer, body) = ask(&service(), Method::POST, path, &[]).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        assert!(String::from_utf8(body).unwrap().contains("--no-collector.gpu"), "{path}");
    }
    for path in ["/", "/metrics", "/-/healthy", "/-/ready"] {
        let (answer, _) = ask(&service(), Method::POST, path, &[]).await;
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(answer.headers()[header::ALLOW], "GET, HEAD", "{path}");
        let (answer, _) = ask(&service(), Method::HEAD, path, &[]).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn the_scraper_chooses_format_and_compression() {
    let service = service();
    let (answer, body) = get(&service, "/metrics").await;
    assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/plain; version=0.0.4; charset=utf-8");
    assert!(body.contains("# TYPE fixed_total counter\n"), "{body}");

    let headers = [("accept", "application/openmetrics-text;version=1.0.0"), ("accept-encoding", "gzip")];
    let (answer, body) = ask(&service, Method::GET, "/metrics", &headers).await;
    assert_eq!(
        answer.headers()[header::CONTENT_TYPE],
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert_eq!(answer.headers()[header::CONTENT_ENCODING], "gzip");
    let mut page = String::new();
    flate2::read::GzDecoder::new(body.as_slice()).read_to_string(&mut page).unwrap();
    assert!(page.contains("# TYPE fixed counter\n") && page.ends_with("# EOF\n"), "{page}");
}

#[tokio::test]
async fn the_page_tells_about_collectors_and_requests() {
    let service = service();
    get(&service, "/metrics?collect[]=nothing").await;
    let (_, body) = get(&service, "/metrics").await;
    for line in [
        "node_scrape_collector_success{collector=\"fixed\"} 1\n",
        "gpu_node_exporter_http_requests_total{code=\"400\"} 1\n",
        "gpu_node_exporter_http_requests_total{code=\"200\"} 0\n",
        concat!("gpu_node_exporter_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1\n"),
        concat!("\nnode_exporter_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1\n"),
    ] {
        assert!(body.contains(line), "{line} is not in {body}");
    }
}

#[tokio::test]
async fn series_about_the_process_are_on_every_page_and_have_no_name() {
    let service = service();
    assert_eq!(service.collectors(), ["fixed"]);
    for query in ["", "?collect[]=fixed", "?exclude[]=fixed", "?exclude[]=process"] {
        let (_, body) = get(&service, &format!("/metrics{query}")).await;
        for line in ["# TYPE process_cpu_seconds_total counter\n", "# TYPE process_max_fds gauge\n"] {
            assert!(body.contains(line), "{query}: {line} is not in {body}");
        }
        assert!(!body.contains("collector=\"process\""), "{query}: {body}");
    }
    let (refused, _) = get(&service, "/metrics?collect[]=process").await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn one_scrape_too_many_is_told_so() {
    let (entered, was_entered) = channel();
    let (let_go, wait) = channel();
    let service = service_of(Fixed { wait: Some((entered, wait)) }, Some(1));
    let second = async {
        was_entered.recv().unwrap();
        let (answer, body) = get(&service, "/metrics").await;
        let_go.send(()).unwrap();
        (answer.status(), body)
    };
    let ((first, _), (status, body)) = tokio::join!(get(&service, "/metrics"), second);
    assert_eq!(first.status(), StatusCode::OK);
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains("--web.max-requests"), "{body}");
}

/// Gives as many series as it is told to, once it is let go.
struct Many(usize, Receiver<()>);

impl Collector for Many {
    fn name(&self) -> &'static str {
        "many"
    }

    fn collect(&mut self) -> Collected {
        self.1.recv().unwrap();
        let labels = (0..self.0).map(|number| Labels::new([("number", number.to_string())]));
        let family = labels.fold(Family::gauge("many", "Many."), |family, labels| family.with(labels, 1_u64));
        Collected::complete(vec![family])
    }
}

#[test]
fn a_large_page_is_made_beside_other_requests() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    // The one thread that may make pages is busy until it is told otherwise, and so is the collector.
    let (free, is_free) = channel::<()>();
    runtime.spawn_blocking(move || is_free.recv());
    let (let_go, wait) = channel();
    let service = service_with(vec![Box::new(Many(LARGEST_AT_ONCE + 1, wait))], None);
    let patient = [("x-prometheus-scrape-timeout-seconds", "60")];
    let mut page = Box::pin(ask(&service, Method::GET, "/metrics", &patient));
    let mut polls = 0;
    let (answer, body) = runtime.block_on(std::future::poll_fn(|context| {
        polls += 1;
        let polled = page.as_mut().poll(context);
        match polls {
            1 => let_go.send(()).unwrap(),
            // All is read now. If the page were made here, it would be there.
            2 => {
                assert!(polled.is_pending(), "it was made on the thread that serves");
                free.send(()).unwrap();
            }
            _ => {}
        }
        polled
    }));
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(String::from_utf8(body).unwrap().matches("\nmany{").count(), LARGEST_AT_ONCE + 1);
}

#[test]
fn the_time_limit_follows_the_scraper() {
    let check = |header: Option<&str>, expected: Duration| {
        let mut headers = HeaderMap::new();
        if let Some(value) = header {
            headers.insert("x-prometheus-scrape-timeout-seconds", value.parse().unwrap());
        }
        assert_eq!(time_limit(&headers, Duration::from_mins(1)), expected, "{header:?}");
    };
    check(None, DEFAULT_TIME_LIMIT);
    check(Some("10"), Duration::from_millis(9_500));
    check(Some("1.5"), Duration::from_millis(1_350));
    check(Some("0"), DEFAULT_TIME_LIMIT);
    check(Some("-1"), DEFAULT_TIME_LIMIT);
    check(Some("soon"), DEFAULT_TIME_LIMIT);
    check(Some("NaN"), DEFAULT_TIME_LIMIT);
    check(Some("1e300"), DEFAULT_TIME_LIMIT);
    // The server answers 503 after a minute: a page without one collector is better.
    check(Some("120"), Duration::from_millis(59_500));
    check(Some("86400"), Duration::from_millis(59_500));
}
