//! Names of containers from a runtime's socket: Docker's by HTTP, containerd's by gRPC, whose other end is tonic's.

use std::convert::Infallible;
use std::fs;
use std::future::ready;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tonic::server::Grpc;
use tonic_prost::ProstCodec;

use crate::exporter::{Exporter, check};

const CONTAINER: &str = "3f4e6a1c0d9b8e7f60514233a4b5c6d7e8f9011223344556677889900aabbcc1";

const SCENARIO: &str = "description: test\ngpus: [{ model: h100-sxm }]\n\
    processes: [{ gpu: 0, pid: 77, memory_mib: 100 }]\n";

/// A `/proc` with the process of the scenario, in this control group.
fn proc(group: &str) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder");
    let process = root.path().join("77");
    fs::create_dir(&process).expect("a folder");
    let stat = "77 (python3) S 1 7 7 0 -1 4 1 2 3 4 5 6 7 8 20 0 9 0 4711 1\n";
    for (file, text) in [("stat", stat), ("cgroup", group), ("cmdline", "python3\0serve.py\0")] {
        fs::write(process.join(file), text).expect("writable");
    }
    root
}

/// A runtime. It ends with this value.
struct Runtime {
    socket: PathBuf,
    /// It refuses what it is asked.
    refuses: Arc<AtomicBool>,
    /// The paths it was asked for.
    asked: mpsc::Receiver<String>,
    _folder: tempfile::TempDir,
    _running: oneshot::Sender<()>,
}

impl Runtime {
    /// One that serves each connection so.
    fn start<S, F>(serve: S) -> Self
    where
        S: Fn(UnixStream, Arc<AtomicBool>, mpsc::Sender<String>) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("runtime.sock");
        let (running, ended) = oneshot::channel();
        let (listens, is_listening) = mpsc::channel();
        let (asks, asked) = mpsc::channel();
        let (path, refuses) = (socket.clone(), Arc::<AtomicBool>::default());
        let is_refusing = Arc::clone(&refuses);
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = UnixListener::bind(path).expect("a socket");
                listens.send(()).expect("the test waits");
                let serving = async {
                    loop {
                        let (stream, _) = listener.accept().await.expect("a connection");
                        tokio::spawn(serve(stream, Arc::clone(&is_refusing), asks.clone()));
                    }
                };
                tokio::select! {
                    () = serving => {}
                    _ = ended => {}
                }
            });
        });
        is_listening.recv().expect("it listens");
        Self { socket, refuses, asked, _folder: folder, _running: running }
    }

    /// Docker with the container of the scenario.
    fn docker() -> Self {
        Self::start(|stream, is_refusing, asks| async move {
            let answer = service_fn(move |request: Request<Incoming>| {
                // The test may have ended.
                let _ = asks.send(request.uri().to_string());
                let body = format!(
                    r#"[{{"Id":"{CONTAINER}","Names":["/qwen3-vl"],"Image":"vllm","Labels":{{}},"Ports":[]}}]"#
                );
                let mut answer = Response::new(Full::new(Bytes::from(body)));
                if is_refusing.load(Ordering::Relaxed) {
                    *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                }
                ready(Ok::<_, Infallible>(answer))
            });
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        })
    }

    /// containerd with the container of the scenario.
    fn containerd() -> Self {
        Self::start(|stream, _, asks| async move {
            let answer = service_fn(move |request: Request<Incoming>| {
                let _ = asks.send(request.uri().path().to_owned());
                async move {
                    let list = |_: tonic::Request<Question>| ready(Ok(tonic::Response::new(containers())));
                    let mut grpc = Grpc::new(ProstCodec::<List, Question>::default());
                    Ok::<_, Infallible>(grpc.unary(tower::service_fn(list), request).await)
                }
            });
            let server = http2::Builder::new(TokioExecutor::new());
            let _ = server.serve_connection(TokioIo::new(stream), answer).await;
        })
    }

    fn flag(&self, api: &str) -> String {
        format!("--gpu.container-runtime={api}:{}", self.socket.display())
    }
}

/// As in Kubernetes' `api.proto`, with fields that the exporter does not read.
#[derive(Clone, PartialEq, Message)]
struct List {
    #[prost(message, repeated, tag = "1")]
    containers: Vec<Container>,
}

#[derive(Clone, PartialEq, Message)]
struct Container {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(string, tag = "2")]
    sandbox: String,
    #[prost(message, optional, tag = "3")]
    metadata: Option<Metadata>,
    #[prost(int64, tag = "7")]
    created: i64,
    #[prost(btree_map = "string, string", tag = "8")]
    labels: std::collections::BTreeMap<String, String>,
}

#[derive(Clone, PartialEq, Message)]
struct Metadata {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint32, tag = "2")]
    attempt: u32,
}

/// The question, of whose fields none is asked.
#[derive(Clone, PartialEq, Message)]
struct Question {}

fn containers() -> List {
    let labels = [
        ("io.kubernetes.container.name", "vllm"),
        ("io.kubernetes.pod.name", "qwen-0"),
        ("io.kubernetes.pod.namespace", "ai"),
        ("io.kubernetes.pod.uid", "0f3cbd52"),
    ];
    let container = Container {
        id: CONTAINER.to_owned(),
        sandbox: "5a".to_owned(),
        metadata: Some(Metadata { name: "vllm".to_owned(), attempt: 3 }),
        created: 7,
        labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
    };
    List { containers: vec![container] }
}

#[test]
fn a_container_on_a_gpu_is_called_what_docker_calls_it() {
    let docker = Runtime::docker();
    let root = proc(&format!("0::/system.slice/docker-{CONTAINER}.scope\n"));
    let procfs = format!("--path.procfs={}", root.path().display());
    let exporter = Exporter::on_scenario(SCENARIO, &[&procfs, &docker.flag("docker")]);
    let labels = [r#"container="3f4e6a1c0d9b""#, r#"container_name="qwen3-vl""#];
    let page = exporter.wait_until("it has its name", |page| {
        page.value("gpu_container_name_info", &labels) == Some(1.0)
            && page.value("gpu_container_memory_used_bytes", &labels[..1]).is_some()
    });
    assert_eq!(page.value("gpu_container_runtime_up", &[]), Some(1.0));
    let dropped = page.value("gpu_dropped_series_total", &[r#"family="gpu_container_name_info""#]);
    assert_eq!(dropped, Some(0.0));
    assert!(!page.0.contains("namespace="), "it is in no pod");
    exporter.wait_for_log("tells what containers are called");
    let asked: Vec<_> = docker.asked.try_iter().collect();
    assert!(asked.iter().all(|path| path.starts_with("/containers/json?filters=")), "{asked:?}");
    assert!(asked.last().is_some_and(|path| path.contains(CONTAINER)), "{asked:?}");

    docker.refuses.store(true, Ordering::Relaxed);
    let page = exporter.wait_until("it refuses", |page| {
        page.value("gpu_container_runtime_up", &[]) == Some(0.0) && page.value("gpu_up", &[]) == Some(1.0)
    });
    assert_eq!(page.value("gpu_container_name_info", &labels), Some(1.0), "an id is never another's");
    assert_eq!(page.value("node_scrape_collector_success", &[r#"collector="gpu""#]), Some(1.0));
    exporter.wait_for_log("answers with HTTP status 500: names of containers that come now are not known");
}

#[test]
fn a_container_of_a_pod_is_called_what_containerd_calls_it() {
    let containerd = Runtime::containerd();
    let root = proc(&format!("0::/kubepods.slice/cri-containerd-{CONTAINER}.scope\n"));
    let procfs = format!("--path.procfs={}", root.path().display());
    let exporter = Exporter::on_scenario(SCENARIO, &[&procfs, &containerd.flag("cri")]);
    let labels =
        [r#"container="3f4e6a1c0d9b""#, r#"container_name="vllm""#, r#"namespace="ai""#, r#"pod="qwen-0""#];
    exporter
        .wait_until("it has its name", |page| page.value("gpu_container_name_info", &labels) == Some(1.0));
    let asked: Vec<_> = containerd.asked.try_iter().collect();
    assert!(asked.iter().all(|path| path == "/runtime.v1.RuntimeService/ListContainers"), "{asked:?}");
}

#[test]
fn a_runtime_that_is_not_there_never_answers_or_answers_nonsense_costs_its_names_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    // Whoever connects is never answered.
    let silent = folder.path().join("silent.sock");
    let _socket = std::os::unix::net::UnixListener::bind(&silent).expect("a socket");
    for api in ["docker", "cri"] {
        let flag = format!("--gpu.container-runtime={api}:{}", silent.display());
        let exporter = Exporter::on_scenario(SCENARIO, &[&flag]);
        let page = exporter.wait_until("it is not waited for", |page| {
            page.value("gpu_container_runtime_up", &[]) == Some(0.0)
                && page.value("gpu_up", &[]) == Some(1.0)
                // Whose it is, is told all the same.
                && page.value("gpu_container_processes", &[]).is_some()
        });
        assert_eq!(page.value("node_scrape_collector_success", &[r#"collector="gpu""#]), Some(1.0));
        exporter.wait_for_log("does not answer within 5s: names of containers that come now are not known");
    }

    let docker = Runtime::docker();
    let none = format!("--gpu.container-runtime=docker:{}", folder.path().join("none.sock").display());
    for (flag, code, words) in [
        (docker.flag("docker"), Some(0), "tells what they are called"),
        // What is no gRPC is no answer to it.
        (docker.flag("cri"), Some(1), "breaks the call off"),
        (none, Some(1), "none.sock cannot be reached: No such file or directory (os error 2) (hint: see"),
    ] {
        let (ended, told) = check(SCENARIO, &[&flag]);
        assert!(told.contains(words), "{flag}: {told}");
        assert_eq!(ended, code, "{flag}: {told}");
    }
}
