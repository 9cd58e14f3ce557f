//! Names of pods from kubelet's socket, whose other end is tonic's: another implementation of gRPC than the one that calls.

use std::future::ready;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::UnixListener;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tonic::server::Grpc;
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;

use crate::exporter::{Exporter, Page, check};

/// As in kubelet's `api.proto`, with fields that the exporter does not read.
#[derive(Clone, PartialEq, Message)]
struct List {
    #[prost(message, repeated, tag = "1")]
    pods: Vec<Pod>,
}

#[derive(Clone, PartialEq, Message)]
struct Pod {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    namespace: String,
    #[prost(message, repeated, tag = "3")]
    containers: Vec<Container>,
    #[prost(int64, repeated, tag = "4")]
    cpu_ids: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Container {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    devices: Vec<Devices>,
    #[prost(int64, repeated, tag = "3")]
    cpu_ids: Vec<i64>,
}

#[derive(Clone, PartialEq, Message)]
struct Devices {
    #[prost(string, tag = "1")]
    resource: String,
    #[prost(string, repeated, tag = "2")]
    ids: Vec<String>,
    #[prost(message, optional, tag = "3")]
    topology: Option<Pod>,
}

/// The question, which has no fields.
#[derive(Clone, PartialEq, Message)]
struct Question {}

/// One pod, whose container has these GPUs.
fn list(ids: Vec<String>) -> List {
    let topology = Some(Pod { name: "a NUMA node".to_owned(), ..Pod::default() });
    let devices = vec![Devices { resource: "nvidia.com/gpu".to_owned(), ids, topology }];
    let container = Container { name: "vllm".to_owned(), devices, cpu_ids: vec![1, 2] };
    let pod = Pod {
        name: "qwen-0".to_owned(),
        namespace: "ai".to_owned(),
        containers: vec![container],
        cpu_ids: vec![3],
    };
    List { pods: vec![pod] }
}

/// A kubelet. It ends with this value.
pub(crate) struct Kubelet {
    socket: PathBuf,
    /// It refuses what it is asked.
    refuses: Arc<AtomicBool>,
    _folder: tempfile::TempDir,
    _running: oneshot::Sender<()>,
}

impl Kubelet {
    /// It has given these GPUs to a container.
    pub(crate) fn that_gave(ids: &[&str]) -> Self {
        let ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("kubelet.sock");
        let (running, ended) = oneshot::channel();
        let (listens, is_listening) = mpsc::channel();
        let (path, refuses) = (socket.clone(), Arc::<AtomicBool>::default());
        let is_refusing = Arc::clone(&refuses);
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = UnixListener::bind(path).expect("a socket");
                listens.send(()).expect("the test waits");
                tokio::select! {
                    () = serve(listener, ids, is_refusing) => {}
                    _ = ended => {}
                }
            });
        });
        is_listening.recv().expect("it listens");
        Self { socket, refuses, _folder: folder, _running: running }
    }

    pub(crate) fn flag(&self) -> String {
        flag(&self.socket)
    }
}

fn flag(socket: &Path) -> String {
    format!("--gpu.pods.socket={}", socket.display())
}

async fn serve(listener: UnixListener, ids: Vec<String>, is_refusing: Arc<AtomicBool>) {
    loop {
        let (stream, _) = listener.accept().await.expect("a connection");
        let (ids, is_refusing) = (ids.clone(), Arc::clone(&is_refusing));
        let answer = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
            let (ids, is_busy) = (ids.clone(), is_refusing.load(Ordering::Relaxed));
            async move {
                assert_eq!(request.uri().path(), "/v1.PodResourcesLister/List");
                let list = move |_: Request<Question>| {
                    let refused = Status::new(Code::ResourceExhausted, "rejected by rate limit");
                    ready(if is_busy { Err(refused) } else { Ok(Response::new(list(ids.clone()))) })
                };
                let mut grpc = Grpc::new(ProstCodec::<List, Question>::default());
                Ok::<_, std::convert::Infallible>(grpc.unary(tower::service_fn(list), request).await)
            }
        });
        let connection =
            http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer);
        tokio::spawn(connection);
    }
}

const SCENARIO: &str = "description: test\ngpus: [{ model: h100-sxm }]\n";

#[test]
fn pods_are_named_by_kubelet() {
    let kubelet = Kubelet::that_gave(&["GPU-1", "GPU-2"]);
    let exporter = Exporter::on_scenario(SCENARIO, &["--gpu.pods", &kubelet.flag()]);
    let page =
        exporter.wait_until("kubelet was asked", |page| page.value("gpu_pod_resources_up", &[]) == Some(1.0));
    for uuid in [r#"uuid="GPU-1""#, r#"uuid="GPU-2""#] {
        let labels = [uuid, r#"namespace="ai""#, r#"pod="qwen-0""#, r#"container_name="vllm""#];
        assert_eq!(page.value("gpu_pod_info", &labels), Some(1.0), "{uuid}");
    }
    exporter.wait_for_log("tells which pods have GPUs");

    kubelet.refuses.store(true, Ordering::Relaxed);
    let page = exporter.wait_until("it refuses", |page| page.value("gpu_pod_resources_up", &[]) == Some(0.0));
    assert!(page.0.contains("gpu_pod_info{"), "names stay for a minute");
    exporter.wait_for_log("refuses the call with gRPC status 8: names of pods are not known");
}

#[test]
fn what_kubelet_tells_beyond_a_bound_is_counted() {
    let long = format!("GPU-{}", "1".repeat(300));
    let kubelet = Kubelet::that_gave(&["GPU-1", &long]);
    let exporter = Exporter::on_scenario(SCENARIO, &["--gpu.pods", &kubelet.flag()]);
    let dropped = |page: &Page, family| page.value("gpu_dropped_series_total", &[family]);
    let page = exporter.wait_until("it is left out", |page| {
        dropped(page, r#"family="gpu_pod_info""#) >= Some(1.0) && page.0.contains("gpu_pod_info{")
    });
    assert_eq!(dropped(&page, r#"family="gpu_container_name_info""#), None, "nobody asked for these");
}

#[test]
fn a_kubelet_that_is_not_there_or_never_answers_costs_its_names_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    // Whoever connects is never answered.
    let silent = folder.path().join("silent.sock");
    let _socket = std::os::unix::net::UnixListener::bind(&silent).expect("a socket");
    let exporter = Exporter::on_scenario(SCENARIO, &["--gpu.pods", &flag(&silent)]);
    let page = exporter.wait_until("it is not waited for", |page| {
        page.value("gpu_pod_resources_up", &[]) == Some(0.0) && page.value("gpu_up", &[]) == Some(1.0)
    });
    assert_eq!(page.value("node_scrape_collector_success", &[r#"collector="gpu""#]), Some(1.0));
    exporter.wait_for_log("does not answer within 5s: names of pods are not known");

    let (_, told) = check(SCENARIO, &["--gpu.pods", &flag(&folder.path().join("none.sock"))]);
    assert!(told.contains("none.sock cannot be reached: No such file or directory"), "{told}");
    let kubelet = Kubelet::that_gave(&["GPU-1", "GPU-2"]);
    let (_, told) = check(SCENARIO, &["--gpu.pods", &kubelet.flag()]);
    assert!(told.contains("tells of 2 GPUs that were given out"), "{told}");
}
