//! `basic_auth_users`: names with the bcrypt hash of their password.
//!
//! One comparison runs at a time, on a thread of its own, so that a flood of guesses takes one core and never a
//! thread that serves. An unknown name is compared with a hash that nobody's password has, at the same cost, so the
//! time of an answer does not tell which names exist.

use std::{
    collections::{HashMap, HashSet},
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bcrypt::HashParts;
use http::{HeaderMap, header::AUTHORIZATION};
use sha2::{Digest, Sha256};
use tokio::task::spawn_blocking;

use crate::web_config::Section;

/// Who may come in.
pub(crate) struct Users {
    hashes: HashMap<String, String>,
    /// What an unknown name is compared with.
    stand_in: String,
    one_at_a_time: Arc<tokio::sync::Mutex<()>>,
    verdicts: Mutex<Verdicts>,
}

/// Earlier answers, by the digest of name and password.
#[derive(Default)]
struct Verdicts {
    /// At most one per user.
    right: HashSet<[u8; 32]>,
    /// Kept so that a scraper with an old password does not cost a core; bounded by [`WRONG_KEPT`].
    wrong: HashSet<[u8; 32]>,
}

const WRONG_KEPT: usize = 256;

struct Credentials {
    name: String,
    password: Vec<u8>,
}

impl Users {
    /// Reads `basic_auth_users`; `None` when there are none.
    pub(crate) fn read(mut section: Section<'_, '_>) -> Option<Self> {
        let hashes: HashMap<String, String> = section.all_texts().into_iter().collect();
        let mut highest_cost = None;
        for (name, hash) in &hashes {
            match HashParts::from_str(hash) {
                Ok(parts) => highest_cost = highest_cost.max(Some(parts.get_cost())),
                Err(_) => section.problem(
                    name,
                    "a bcrypt hash is expected (hint: `htpasswd -nBC 10 NAME` makes one, write what follows the colon)",
                ),
            }
        }
        // 22 characters of salt, 31 of digest: well formed, and the digest of no password anyone knows.
        let stand_in = format!("$2b${:02}${}", highest_cost?, ".".repeat(22 + 31));
        let one_at_a_time = Arc::default();
        Some(Self { hashes, stand_in, one_at_a_time, verdicts: Mutex::default() })
    }

    /// Whether the request carries a name and its password.
    pub(crate) async fn admit(&self, headers: &HeaderMap) -> bool {
        match Credentials::of(headers) {
            Some(credentials) => self.are_right(credentials).await,
            None => false,
        }
    }

    async fn are_right(&self, credentials: Credentials) -> bool {
        let digest = credentials.digest();
        if let Some(verdict) = self.verdicts().of(&digest) {
            return verdict;
        }
        // The guard goes along: a peer that hangs up must not let a second comparison start beside the first.
        let guard = Arc::clone(&self.one_at_a_time).lock_owned().await;
        // Whoever waited for the same answer finds it here.
        if let Some(verdict) = self.verdicts().of(&digest) {
            return verdict;
        }
        let (known, hash) = match self.hashes.get(&credentials.name) {
            Some(hash) => (true, hash.clone()),
            None => (false, self.stand_in.clone()),
        };
        let compared = spawn_blocking(move || {
            let equal = bcrypt::verify(&credentials.password, &hash);
            drop(guard);
            equal
        });
        let right = matches!(compared.await, Ok(Ok(true))) && known;
        self.verdicts().remember(digest, right);
        right
    }

    fn verdicts(&self) -> std::sync::MutexGuard<'_, Verdicts> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Verdicts {
    fn of(&self, digest: &[u8; 32]) -> Option<bool> {
        if self.right.contains(digest) {
            return Some(true);
        }
        self.wrong.contains(digest).then_some(false)
    }

    fn remember(&mut self, digest: [u8; 32], right: bool) {
        if right {
            self.right.insert(digest);
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

    fn digest(&self) -> [u8; 32] {
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
mod tests {
    use std::time::Instant;

    use super::*;

    fn users(cost: u32) -> Users {
        let hash = bcrypt::hash("right", cost).unwrap();
        let mut problems = Vec::new();
        let text = format!("{{alice: '{hash}'}}");
        let users = Users::read(Section::open(&text, &mut problems).unwrap()).unwrap();
        assert_eq!(problems, [""; 0]);
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
            assert!(users.admit(&header("alice:right")).await);
            for wrong in ["alice:wrong", "alice:", "bob:right", "alice", ":right", "alice:right:more", ""] {
                assert!(!users.admit(&header(wrong)).await, "{wrong}");
            }
            assert!(!users.admit(&HeaderMap::new()).await);
        }
        let other = |value: &str| HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]);
        for garbage in ["Bearer abc", "Basic", "Basic !!!!", "Basic /w=="] {
            assert!(!users.admit(&other(garbage)).await, "{garbage}");
        }
    }

    #[tokio::test]
    async fn an_unknown_name_costs_what_a_wrong_password_does() {
        let users = users(8);
        let mut costs = [0.0; 2];
        for round in 0..5 {
            for (cost, name) in costs.iter_mut().zip(["alice", "nobody"]) {
                let start = Instant::now();
                users.admit(&header(&format!("{name}:wrong{round}"))).await;
                *cost += start.elapsed().as_secs_f64();
            }
        }
        let ratio = costs[0] / costs[1];
        assert!((0.2..5.0).contains(&ratio), "{costs:?}");
    }

    #[tokio::test]
    async fn wrong_guesses_are_forgotten_in_time_and_right_ones_are_not() {
        let mut verdicts = Verdicts::default();
        verdicts.remember([0xff; 32], true);
        for guess in 0..u8::MAX {
            verdicts.remember([guess; 32], false);
            verdicts.remember([guess; 32].map(|byte| byte ^ 1), false);
        }
        verdicts.remember([0xaa; 32], false);
        assert!(verdicts.wrong.len() <= WRONG_KEPT);
        assert_eq!(verdicts.of(&[0xff; 32]), Some(true));
        assert_eq!(verdicts.of(&[0xaa; 32]), Some(false));
    }
}
