//! `basic_auth_users`: names with the bcrypt hash of their password.
//!
//! One comparison runs at a time, on a thread of its own, so that many guesses take one core and no thread that serves. Requests wait in
//! turn (`auth::line`). An unknown name is compared as well, with a hash that no password has, and a cheap hash is compared until it has
//! cost what the dearest one does, so that the time of an answer does not tell which names exist.

use std::{
    collections::{HashMap, HashSet},
    io,
    str::FromStr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bcrypt::HashParts;
use http::{HeaderMap, header::AUTHORIZATION};
use settings_document::Section;
use sha2::{Digest as _, Sha256};
use tokio::sync::oneshot;

use self::line::{Line, Told, Turn};
use crate::Peer;

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod line;

/// The users, and which passwords were found right or wrong.
pub(crate) struct Users {
    hashes: HashMap<String, String>,
    /// The highest cost of a hash, which every comparison comes to.
    cost: u32,
    compare: Compare,
    shared: Arc<Mutex<Shared>>,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// No user has this name and password.
    Unauthorized,
    /// It could not be compared.
    Busy,
}

/// What requests and the thread that compares have in common.
#[derive(Default)]
struct Shared {
    verdicts: Verdicts,
    line: Line<Comparison, oneshot::Sender<bool>>,
    /// A thread compares what is in the line.
    comparing: bool,
}

/// Earlier answers, by the digest of name and password.
#[derive(Default)]
struct Verdicts {
    /// The last right password of each user.
    right: HashMap<String, Digest>,
    /// Kept so that a scraper with an old password does not take a whole core; at most [`WRONG_KEPT`].
    wrong: HashSet<Digest>,
}

/// A password to compare.
struct Comparison {
    credentials: Credentials,
    digest: Digest,
    /// The hash of the name's user.
    hash: Option<String>,
    /// What the comparison is to cost.
    cost: u32,
}

type Digest = [u8; 32];

/// Whether a password has a hash. It is given from outside so that a test can count the comparisons.
type Compare = Arc<dyn Fn(&[u8], &str) -> bool + Send + Sync>;

const WRONG_KEPT: usize = 256;

/// The costs that are accepted. Each step doubles the time; at 16 a comparison takes some four seconds.
const COSTS: std::ops::RangeInclusive<u32> = 4..=16;

/// Whose name and password a request carries: an extension of the request, there only where the web-config file has users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User(pub String);

impl User {
    /// Of a request that was admitted.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        Credentials::of(headers).map(|credentials| Self(credentials.name))
    }
}

struct Credentials {
    name: String,
    password: Vec<u8>,
}

impl Users {
    /// Reads `basic_auth_users` of the whole file; `None` when there are none.
    pub(crate) fn read(file: &mut Section<'_>) -> Option<Self> {
        let mut hashes = HashMap::new();
        let mut highest_cost = None;
        for (name, hash) in file.named_texts_or_numbers("basic_auth_users") {
            match HashParts::from_str(&hash.text).map(|parts| parts.get_cost()) {
                Ok(cost) if COSTS.contains(&cost) => highest_cost = highest_cost.max(Some(cost)),
                Ok(cost) => hash.problem(format!(
                    "a bcrypt hash of cost {cost}, while {} to {} are accepted (hint: `htpasswd -nBC 10 NAME`; each step doubles the time of a comparison)",
                    COSTS.start(),
                    COSTS.end(),
                )),
                Err(_) => hash.problem(
                    "expected a bcrypt hash (hint: `htpasswd -nBC 10 NAME` makes one, write what follows the colon)",
                ),
            }
            hashes.insert(name.to_owned(), hash.text.into_owned());
        }
        Some(Self {
            hashes,
            cost: highest_cost?,
            compare: Arc::new(|password, hash| matches!(bcrypt::verify(password, hash), Ok(true))),
            shared: Arc::default(),
        })
    }

    /// Keeps what was found right under hashes that are still the same.
    pub(crate) fn remember_from(&mut self, old: &Self) {
        let mut right = old.shared().verdicts.right.clone();
        right.retain(|name, _| self.hashes.get(name) == old.hashes.get(name));
        self.shared().verdicts.right = right;
    }

    /// Accepts a request that carries a name and its password. Waits in turn, for as long as it is polled.
    pub(crate) async fn admit(&self, headers: &HeaderMap, peer: Peer) -> Result<(), Denied> {
        let credentials = Credentials::of(headers).ok_or(Denied::Unauthorized)?;
        if self.are_right(credentials, peer).await? { Ok(()) } else { Err(Denied::Unauthorized) }
    }

    async fn are_right(&self, credentials: Credentials, peer: Peer) -> Result<bool, Denied> {
        let digest = credentials.digest();
        let (tell, told) = oneshot::channel();
        {
            let mut shared = self.shared();
            if let Some(right) = shared.verdicts.of(&credentials.name, &digest) {
                return Ok(right);
            }
            let hash = self.hashes.get(&credentials.name).cloned();
            let is_user = hash.is_some();
            shared.line.join(peer, is_user, Comparison { credentials, digest, hash, cost: self.cost }, tell);
            if !shared.comparing {
                self.start_comparing().map_err(|_no_thread| Denied::Busy)?;
                shared.comparing = true;
            }
        }
        told.await.map_err(|_not_compared| Denied::Busy)
    }

    /// Compares what is in the line until it is empty.
    fn start_comparing(&self) -> io::Result<()> {
        let (shared, compare) = (Arc::clone(&self.shared), Arc::clone(&self.compare));
        std::thread::Builder::new().name("passwords".to_owned()).spawn(move || {
            let _unless_panicking = Comparing(Arc::clone(&shared));
            loop {
                let mut locked = lock(&shared);
                let Some(turn) = locked.line.next(oneshot::Sender::is_closed) else {
                    locked.comparing = false;
                    return;
                };
                let Turn { job, peer, user, is_gone } = turn;
                // A request that waited for the same comparison finds its result here.
                let known = locked.verdicts.of(&job.credentials.name, &job.digest);
                drop(locked);
                let right = known.unwrap_or_else(|| !is_gone && job.is_right(&compare));
                let mut locked = lock(&shared);
                if known.is_none() && !is_gone {
                    locked.verdicts.remember(job.credentials.name, job.digest, right);
                }
                let Told { right, wrong } = locked.line.made(peer, user, right);
                drop(locked);
                // Who has hung up hears nothing.
                if let Some(tell) = right {
                    let _ = tell.send(true);
                }
                for tell in wrong {
                    let _ = tell.send(false);
                }
            }
        })?;
        Ok(())
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }
}

/// A thread that compares. Should it panic, nobody waits for it any longer.
struct Comparing(Arc<Mutex<Shared>>);

impl Drop for Comparing {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut shared = lock(&self.0);
            shared.comparing = false;
            shared.line = Line::default();
        }
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Comparison {
    /// Compares, and takes as long whatever the name: a hash of a lower cost is followed by others that make up for it, since each cost
    /// takes as long as all lower ones and the lowest once more.
    fn is_right(&self, compare: &Compare) -> bool {
        let password = &self.credentials.password;
        let own =
            self.hash.as_ref().and_then(|hash| Some((hash, HashParts::from_str(hash).ok()?.get_cost())));
        let Some((hash, cost)) = own else {
            compare(password, &stand_in(self.cost));
            return false;
        };
        let right = compare(password, hash);
        for cost in cost..self.cost {
            compare(password, &stand_in(cost));
        }
        right
    }
}

/// 22 characters of salt, 31 of digest: well formed, and the digest of no password anyone knows.
fn stand_in(cost: u32) -> String {
    format!("$2b${cost:02}${}", ".".repeat(22 + 31))
}

impl Verdicts {
    fn of(&self, name: &str, digest: &Digest) -> Option<bool> {
        if self.right.get(name) == Some(digest) {
            return Some(true);
        }
        self.wrong.contains(digest).then_some(false)
    }

    fn remember(&mut self, name: String, digest: Digest, right: bool) {
        if right {
            self.right.insert(name, digest);
        } else {
            if self.wrong.len() >= WRONG_KEPT {
                self.wrong.clear();
            }
            self.wrong.insert(digest);
        }
    }
}

impl Credentials {
    /// Name and password of an `Authorization: Basic` header (RFC 7617).
    fn of(headers: &HeaderMap) -> Option<Self> {
        let (scheme, encoded) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = STANDARD.decode(encoded.trim()).ok()?;
        let colon = decoded.iter().position(|byte| *byte == b':')?;
        let name = String::from_utf8(decoded[..colon].to_vec()).ok()?;
        Some(Self { name, password: decoded[colon + 1..].to_vec() })
    }

    fn digest(&self) -> Digest {
        // A name holds no colon, so name and password can't be shifted into each other.
        Sha256::new()
            .chain_update(&self.name)
            .chain_update(b":")
            .chain_update(&self.password)
            .finalize()
            .into()
    }
}

#[cfg(test)]
mod tests;
