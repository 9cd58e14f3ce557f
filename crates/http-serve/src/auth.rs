//! `basic_auth_users`: names with the bcrypt hash of their password.
//!
//! One comparison runs at a time, on a thread of its own, so that many guesses take one core and no thread that serves.
//! The queue for it is bounded ([`QUEUE`]); a request beyond it is answered 503. An unknown name is compared as well, with a
//! hash that no password has, so that the time of an answer does not tell which names exist.

use std::{
    collections::{HashMap, HashSet},
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bcrypt::HashParts;
use http::{HeaderMap, header::AUTHORIZATION};
use settings_document::Section;
use sha2::{Digest as _, Sha256};
use tokio::{sync::Semaphore, task::spawn_blocking};

/// The users, and which passwords were found right or wrong.
pub(crate) struct Users {
    hashes: HashMap<String, String>,
    /// The hash an unknown name is compared with.
    stand_in: String,
    compare: Compare,
    one_at_a_time: Arc<tokio::sync::Mutex<()>>,
    /// One permit for each request that compares or waits to.
    queue: Semaphore,
    verdicts: Mutex<Verdicts>,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Denied {
    /// No user has this name and password.
    Unauthorized,
    /// Not compared: the queue is full.
    Busy,
}

/// Earlier answers, by the digest of name and password.
#[derive(Default)]
struct Verdicts {
    /// The last right password of each user.
    right: HashMap<String, Digest>,
    /// Kept so that a scraper with an old password does not take a whole core; at most [`WRONG_KEPT`].
    wrong: HashSet<Digest>,
}

type Digest = [u8; 32];

/// Whether a password has a hash. It is given from outside so that a test can count the comparisons.
type Compare = Arc<dyn Fn(&[u8], &str) -> bool + Send + Sync>;

const WRONG_KEPT: usize = 256;

/// Requests that compare or wait to. A full queue takes about two seconds with the hashes that `htpasswd -BC 10` makes.
const QUEUE: usize = 32;

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
            match HashParts::from_str(&hash.text) {
                Ok(parts) => highest_cost = highest_cost.max(Some(parts.get_cost())),
                Err(_) => hash.problem(
                    "expected a bcrypt hash (hint: `htpasswd -nBC 10 NAME` makes one, write what follows the colon)",
                ),
            }
            hashes.insert(name.to_owned(), hash.text.into_owned());
        }
        // 22 characters of salt, 31 of digest: well formed, and the digest of no password anyone knows.
        let stand_in = format!("$2b${:02}${}", highest_cost?, ".".repeat(22 + 31));
        Some(Self {
            hashes,
            stand_in,
            compare: Arc::new(|password, hash| matches!(bcrypt::verify(password, hash), Ok(true))),
            one_at_a_time: Arc::default(),
            queue: Semaphore::new(QUEUE),
            verdicts: Mutex::default(),
        })
    }

    /// Keeps what was found right under hashes that are still the same.
    pub(crate) fn remember_from(&mut self, old: &Self) {
        let mut right = old.verdicts().right.clone();
        right.retain(|name, _| self.hashes.get(name) == old.hashes.get(name));
        self.verdicts.get_mut().unwrap_or_else(PoisonError::into_inner).right = right;
    }

    /// Accepts a request that carries a name and its password.
    pub(crate) async fn admit(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let credentials = Credentials::of(headers).ok_or(Denied::Unauthorized)?;
        if self.are_right(credentials).await? { Ok(()) } else { Err(Denied::Unauthorized) }
    }

    async fn are_right(&self, credentials: Credentials) -> Result<bool, Denied> {
        let digest = credentials.digest();
        if let Some(right) = self.verdicts().of(&credentials.name, &digest) {
            return Ok(right);
        }
        let _permit = self.queue.try_acquire().map_err(|_full| Denied::Busy)?;
        // The guard goes along: a peer that hangs up must not let a second comparison start beside the first.
        let guard = Arc::clone(&self.one_at_a_time).lock_owned().await;
        // A request that waited for the same comparison finds its result here.
        if let Some(right) = self.verdicts().of(&credentials.name, &digest) {
            return Ok(right);
        }
        let Credentials { name, password } = credentials;
        let known = self.hashes.get(&name);
        let hash = known.unwrap_or(&self.stand_in).clone();
        let compare = Arc::clone(&self.compare);
        let compared = spawn_blocking(move || {
            let equal = compare(&password, &hash);
            drop(guard);
            equal
        });
        let right = matches!(compared.await, Ok(true)) && known.is_some();
        self.verdicts().remember(name, digest, right);
        Ok(right)
    }

    fn verdicts(&self) -> std::sync::MutexGuard<'_, Verdicts> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        path::Path,
        task::{Context, Waker},
    };

    use settings_document::{Document, Reading};

    use super::*;

    fn users(cost: u32) -> Users {
        with_hash(&bcrypt::hash("right", cost).unwrap())
    }

    fn with_hash(hash: &str) -> Users {
        let document = Document::parse(&format!("basic_auth_users: {{alice: '{hash}'}}"), |_| true);
        let reading = Reading::new(Path::new("web.yml"), document.lines, document.mistakes, BTreeMap::new());
        let users = Users::read(&mut Section::root(&reading, &document.values)).unwrap();
        assert_eq!(reading.into_problems(), []);
        users
    }

    fn header(credentials: &str) -> HeaderMap {
        let encoded = STANDARD.encode(credentials);
        HeaderMap::from_iter([(AUTHORIZATION, format!("Basic {encoded}").parse().unwrap())])
    }

    #[tokio::test]
    async fn only_a_name_with_its_password_comes_in() {
        let users = users(4);
        // Twice: the second time from memory.
        for _ in 0..2 {
            assert_eq!(users.admit(&header("alice:right")).await, Ok(()));
            for wrong in ["alice:wrong", "alice:", "bob:right", "alice", ":right", "alice:right:more", ""] {
                assert_eq!(users.admit(&header(wrong)).await, Err(Denied::Unauthorized), "{wrong}");
            }
            assert_eq!(users.admit(&HeaderMap::new()).await, Err(Denied::Unauthorized));
        }
        let other = |value: &str| HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]);
        for garbage in ["Bearer abc", "Basic", "Basic !!!!", "Basic /w=="] {
            assert_eq!(users.admit(&other(garbage)).await, Err(Denied::Unauthorized), "{garbage}");
        }
    }

    #[tokio::test]
    async fn an_unknown_name_costs_what_a_wrong_password_does() {
        let mut users = users(5);
        let costs = Arc::new(Mutex::new(Vec::new()));
        users.compare = Arc::new({
            let costs = Arc::clone(&costs);
            move |password, hash| {
                // A hash that is not well formed is refused before anything is calculated.
                let equal = bcrypt::verify(password, hash).unwrap();
                costs.lock().unwrap().push(HashParts::from_str(hash).unwrap().get_cost());
                equal
            }
        });
        for (name, costs_so_far) in [("alice", 1), ("nobody", 2), ("somebody", 3)] {
            users.admit(&header(&format!("{name}:wrong"))).await.unwrap_err();
            assert_eq!(*costs.lock().unwrap(), vec![5; costs_so_far], "{name}");
        }
    }

    #[tokio::test]
    async fn more_guesses_than_the_queue_takes_are_to_come_again() {
        let users = users(4);
        // While one comparison goes on, nobody else gets further than the queue.
        let comparing = Arc::clone(&users.one_at_a_time).lock_owned().await;
        let guesses: Vec<_> = (0..QUEUE).map(|guess| header(&format!("alice:{guess}"))).collect();
        let mut waiting: Vec<_> = guesses.iter().map(|guess| Box::pin(users.admit(guess))).collect();
        for waiter in &mut waiting {
            assert!(waiter.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        assert_eq!(users.admit(&header("alice:right")).await, Err(Denied::Busy));
        drop(comparing);
        for waiter in waiting {
            assert_eq!(waiter.await, Err(Denied::Unauthorized));
        }
        assert_eq!(users.admit(&header("alice:right")).await, Ok(()));
        // What is known needs no place.
        users.queue.close();
        assert_eq!(users.admit(&header("alice:right")).await, Ok(()));
        assert_eq!(users.admit(&header("alice:0")).await, Err(Denied::Unauthorized));
    }

    #[tokio::test]
    async fn a_new_file_keeps_what_is_known_of_the_same_hashes() {
        let hash = bcrypt::hash("right", 4).unwrap();
        let old = with_hash(&hash);
        assert_eq!(old.admit(&header("alice:right")).await, Ok(()));
        let known = async |hash: &str| {
            let mut new = with_hash(hash);
            new.remember_from(&old);
            new.queue.close();
            new.admit(&header("alice:right")).await
        };
        assert_eq!(known(&hash).await, Ok(()));
        assert_eq!(known(&bcrypt::hash("right", 4).unwrap()).await, Err(Denied::Busy));
    }

    #[test]
    fn wrong_guesses_are_forgotten_in_time_and_right_ones_are_not() {
        let mut verdicts = Verdicts::default();
        let mut remember = |digest, right| verdicts.remember("alice".to_owned(), digest, right);
        remember([0xff; 32], true);
        for guess in 0..u8::MAX {
            remember([guess; 32], false);
            remember([guess; 32].map(|byte| byte ^ 1), false);
        }
        remember([0xaa; 32], false);
        assert!(verdicts.wrong.len() <= WRONG_KEPT);
        assert_eq!(verdicts.of("alice", &[0xff; 32]), Some(true));
        assert_eq!(verdicts.of("bob", &[0xff; 32]), None);
        assert_eq!(verdicts.of("alice", &[0xaa; 32]), Some(false));
    }
}
