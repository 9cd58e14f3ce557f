//! The web-config that is in force now, read again when one of its files changes.
//!
//! A new file comes into force only when it has no mistakes, and only when two looks in a row find it unchanged, so that a
//! file that is still being written is not read half. Otherwise the old one stays in force and the reason is logged once.

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use tokio::{task::spawn_blocking, time::sleep};

use super::{ReadFile, WebConfig, WebConfigError, read};
use crate::files::Seen;

/// How often the files are looked at. A change is in force after one to two of these.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What is in force.
pub(crate) struct Live {
    current: RwLock<Arc<WebConfig>>,
    source: Option<Source>,
}

/// Where it came from.
struct Source {
    path: PathBuf,
    seen: Vec<Seen>,
}

impl Live {
    /// Reads the file for the first time. Without one, plain HTTP is in force for good.
    pub(crate) fn load(path: Option<PathBuf>) -> Result<Self, WebConfigError> {
        let Some(path) = path else {
            return Ok(Self { current: RwLock::default(), source: None });
        };
        let ReadFile { config, seen } = read(&path);
        Ok(Self { current: RwLock::new(Arc::new(config?)), source: Some(Source { path, seen }) })
    }

    /// What is in force now.
    pub(crate) fn current(&self) -> Arc<WebConfig> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Follows the files for as long as it is polled.
    pub(crate) async fn follow(&self) -> Infallible {
        let Some(Source { path, seen }) = &self.source else {
            return std::future::pending().await;
        };
        let mut applied = seen.clone();
        let mut looked = applied.clone();
        loop {
            sleep(LOOK_EVERY).await;
            let last = std::mem::replace(&mut looked, look_again(&applied).await);
            if looked == applied || looked != last {
                continue;
            }
            let ReadFile { config, seen } = read_again(path).await;
            applied = seen;
            looked.clone_from(&applied);
            match config.map_err(|error| error.to_string()).and_then(|new| self.replace(new)) {
                Ok(()) => {
                    let path = path.display();
                    tracing::info!(%path, "the web configuration `{path}` was read again and is in force");
                }
                Err(reason) => {
                    let path = path.display();
                    tracing::error!(%path, "the new web configuration is refused, the old one stays in force: {reason}");
                }
            }
        }
    }

    fn replace(&self, mut new: WebConfig) -> Result<(), String> {
        let old = self.current();
        new.may_follow(&old)?;
        if let (Some(new), Some(old)) = (&mut new.users, &old.users) {
            new.remember_from(old);
        }
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
        Ok(())
    }
}

impl WebConfig {
    /// A file emptied by a full disk looks like one that asks for no protection, so removing TLS or every user needs a
    /// restart.
    fn may_follow(&self, old: &WebConfig) -> Result<(), String> {
        if self.tls.is_some() != old.tls.is_some() {
            return Err("turning TLS on or off needs a restart".to_owned());
        }
        if self.users.is_none() && old.users.is_some() {
            return Err("removing every user of basic_auth_users needs a restart".to_owned());
        }
        Ok(())
    }
}

async fn look_again(files: &[Seen]) -> Vec<Seen> {
    let files = files.to_vec();
    blocking(move || files.iter().map(Seen::again).collect()).await
}

async fn read_again(path: &Path) -> ReadFile {
    let path = path.to_owned();
    blocking(move || read(&path)).await
}

/// Files may lie on a slow disk, so they are read on a thread of their own.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) => match failed.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down: nobody waits for this any more.
            Err(_cancelled) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use http::{
        HeaderMap, HeaderValue,
        header::{AUTHORIZATION, X_FRAME_OPTIONS},
    };

    use super::*;

    /// Writes each text in turn, lets the clock pass some looks, and checks whether it took over: each good text sets
    /// `X-Frame-Options` to another value.
    async fn check(texts: &[(&str, Option<&str>)]) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("web.yml");
        fs::write(&path, texts[0].0).unwrap();
        let live = Arc::new(Live::load(Some(path.clone())).unwrap());
        let follower = tokio::spawn({
            let live = Arc::clone(&live);
            async move { live.follow().await }
        });
        for (text, expected) in texts {
            fs::write(&path, text).unwrap();
            // The clock of this test is paused: it jumps, and only when nothing else is left to do.
            sleep(LOOK_EVERY * 4).await;
            let mut headers = HeaderMap::new();
            live.current().headers.add_to(&mut headers);
            let set = headers.get(X_FRAME_OPTIONS).map(|value| value.to_str().unwrap());
            assert_eq!(set, *expected, "{text}");
        }
        follower.abort();
    }

    const DENY: &str = "http_server_config: {headers: {X-Frame-Options: deny}}\n";
    const SAME: &str = "http_server_config: {headers: {X-Frame-Options: sameorigin}}\n";
    const USER: &str =
        "basic_auth_users: {a: $2b$04$abcdefghijklmnopqrstuuFmEfrkTQnczNzw475xE2VhDrK1uwJiC}\n";

    #[tokio::test(start_paused = true)]
    async fn a_good_file_takes_over_and_a_bad_one_does_not() {
        check(&[
            (DENY, Some("deny")),
            (SAME, Some("sameorigin")),
            ("junk: 1", Some("sameorigin")),
            (DENY, Some("deny")),
            ("", None),
        ])
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_protected_server_is_not_opened_by_a_changed_file() {
        let with_user = [USER, DENY].concat();
        check(&[(&with_user, Some("deny")), ("", Some("deny")), (SAME, Some("deny"))]).await;
        check(&[(DENY, Some("deny")), (&[USER, SAME].concat(), Some("sameorigin"))]).await;
    }

    #[tokio::test]
    async fn a_changed_file_forgets_no_password() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/users.good.yml");
        let live = Live::load(Some(path.clone())).unwrap();
        // alice:right
        let alice =
            HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("Basic YWxpY2U6cmlnaHQ="))]);
        let peer = crate::Peer::at([192, 0, 2, 1].into());
        live.current().users.as_ref().unwrap().admit(&alice, peer).await.unwrap();
        live.replace(read(&path).config.unwrap()).unwrap();
        // What is known is answered at once, what must be compared is not.
        let now = live.current();
        let again = pin!(now.users.as_ref().unwrap().admit(&alice, peer));
        assert_eq!(again.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(Ok(())));
    }
}
