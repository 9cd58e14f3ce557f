//! Which Kubernetes pods GPUs are given to, as kubelet says it.
//!
//! Control groups tell a pod's uid alone (`holders`); its name, its namespace and the name of its container are kubelet's to tell, through its
//! pod-resources socket (<https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/device-plugins/>, "Monitoring device
//! plugin resources"). That is asked only with `--gpu.pods`, every ten seconds, by a thread of its own; a scrape reads what was
//! published. Leaves out devices of dynamic resource allocation (DRA), which have no UUIDs there.

mod api;

mod assignments;

mod table;

mod families;
mod given;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};
use std::{io, thread};

use arc_swap::ArcSwap;

use self::api::{ListPodResourcesRequest, ListPodResourcesResponse};
use self::assignments::{Assignments, assignments};
pub(super) use self::families::{INFO, families};
pub(super) use self::given::{Given, Holder};
pub(super) use self::table::Pods;
use super::socket::{Failure, call, once, runtime};

/// Time from one question to the next. Kubelet refuses more than a hundred a second.
const EVERY: Duration = Duration::from_secs(10);

/// Starts the thread, which ends once the sender is dropped.
pub(super) fn start(socket: PathBuf, published: Arc<ArcSwap<Pods>>) -> io::Result<Sender<()>> {
    let (end, ended) = mpsc::channel();
    let runtime = runtime()?;
    thread::Builder::new().name("gpu-pods".to_owned()).spawn(move || {
        let mut pods = Pods::default();
        loop {
            let news = pods.heard(&socket, runtime.block_on(ask(&socket)), Instant::now());
            published.store(Arc::new(pods.clone()));
            match news {
                Some(Ok(text)) => tracing::info!("{text}"),
                Some(Err(text)) => tracing::warn!("{text}"),
                None => {}
            }
            if ended.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    })?;
    Ok(end)
}

/// Asks once, from a thread that may wait: how many containers have GPUs, or why that is not known.
pub(super) fn count(socket: &Path) -> Result<usize, String> {
    once(|| ask(socket)).map(|found| found.known.len())
}

async fn ask(socket: &Path) -> Result<Assignments, Failure> {
    let answer: ListPodResourcesResponse = call(socket, api::LIST, &ListPodResourcesRequest {}).await?;
    Ok(assignments(&answer))
}
