//! What the containers that hold GPUs are called, as their runtime says it.
//!
//! A control group tells a container's id alone (`holders`); its name, and the pod that it is of, are its runtime's to tell: Docker or
//! Podman by the Docker Engine API (`docker`), containerd or CRI-O by Kubernetes' runtime interface (`cri`). It is asked only where
//! `--gpu.container-runtime` names its socket, since who may talk to that may do what root may; only what lists is asked, and only
//! names are kept, of containers that hold GPUs. A thread of its own asks, every ten seconds and within one when another container has
//! come; a scrape reads what was published.

mod name;

mod cri;
mod docker;

mod table;

mod families;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};
use std::{io, thread};

use arc_swap::ArcSwap;

pub(super) use self::families::{INFO, families};
use self::name::Found;
pub(super) use self::table::ContainerNames;
use self::table::Wanted;
use super::holders::Holders;
use super::runtime_address::{RuntimeAddress, RuntimeApi};
use super::socket::{Failure, once, runtime};

/// How often it is looked whether it is time to ask.
const TICK: Duration = Duration::from_secs(1);

/// Starts the thread, which ends once the sender is dropped.
pub(super) fn start(
    address: RuntimeAddress,
    holders: Arc<ArcSwap<Holders>>,
    published: Arc<ArcSwap<ContainerNames>>,
) -> io::Result<Sender<()>> {
    let (end, ended) = mpsc::channel();
    let runtime = runtime()?;
    thread::Builder::new().name("gpu-runtime".to_owned()).spawn(move || {
        let mut names = ContainerNames::default();
        loop {
            let wanted = Wanted::of(holders.load().containers().map(|(id, _)| id));
            if names.is_due(&wanted, Instant::now()) {
                let answer = runtime.block_on(ask(&address, &wanted.ids));
                let news = names.heard(&address, wanted, answer, Instant::now());
                published.store(Arc::new(names.clone()));
                match news {
                    Some(Ok(text)) => tracing::info!("{text}"),
                    Some(Err(text)) => tracing::warn!("{text}"),
                    None => {}
                }
            }
            if ended.recv_timeout(TICK) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        }
    })?;
    Ok(end)
}

/// Asks once, from a thread that may wait, whether names can be had at all.
pub(super) fn try_once(address: &RuntimeAddress) -> Result<(), String> {
    let nobody = BTreeSet::new();
    once(|| ask(address, &nobody)).map(drop)
}

/// The names of the containers with these ids.
async fn ask(address: &RuntimeAddress, ids: &BTreeSet<String>) -> Result<Found, Failure> {
    match address.api {
        RuntimeApi::Docker => docker::ask(&address.socket, ids).await,
        RuntimeApi::Cri => cri::ask(&address.socket, ids).await,
    }
}
