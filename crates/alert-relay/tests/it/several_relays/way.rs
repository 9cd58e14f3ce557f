//! A way between a relay and its database that can be cut.

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::look_again_later;

/// A way to the server that can be blocked: what is sent is kept, and nothing says so.
pub(super) struct Way {
    directory: tempfile::TempDir,
    is_blocked: Arc<AtomicBool>,
}

impl Way {
    pub(super) fn to(server: &Path) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let is_blocked = Arc::<AtomicBool>::default();
        let listener = UnixListener::bind(directory.path().join(".s.PGSQL.5432")).unwrap();
        let (server, blocked) = (server.to_owned(), Arc::clone(&is_blocked));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                lead(&client, &server, &blocked);
            }
        });
        Self { directory, is_blocked }
    }

    pub(super) fn url(&self, store: &str) -> String {
        let socket = self.directory.path().to_str().unwrap().replace('/', "%2F");
        let (_, rest) = store.split_once("/relay?").unwrap();
        format!("postgres://relay@{socket}/relay?{rest}")
    }

    pub(super) fn block(&self, is_blocked: bool) {
        self.is_blocked.store(is_blocked, Ordering::Relaxed);
    }
}

fn lead(client: &UnixStream, server: &PathBuf, is_blocked: &Arc<AtomicBool>) {
    let server = UnixStream::connect(server).unwrap();
    for (mut from, mut to) in [
        (client.try_clone().unwrap(), server.try_clone().unwrap()),
        (server.try_clone().unwrap(), client.try_clone().unwrap()),
    ] {
        let is_blocked = Arc::clone(is_blocked);
        thread::spawn(move || {
            let mut bytes = [0; 16 * 1024];
            while let Ok(read @ 1..) = from.read(&mut bytes) {
                while is_blocked.load(Ordering::Relaxed) {
                    look_again_later();
                }
                if to.write_all(&bytes[..read]).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(std::net::Shutdown::Both);
        });
    }
}
