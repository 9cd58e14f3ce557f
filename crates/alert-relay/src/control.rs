//! The way in for commands on the same machine: a Unix socket beside the store.
//!
//! A command finds the relay that runs with its settings by the store both name, whatever the listeners' TLS and passwords are. Who
//! may use it is who may use the store: the socket is the relay's user's alone. Owns the socket and both its ends; what is asked
//! through it are the relay's own HTTP paths (`http`).

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum::http::{Method, Request, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};

/// Longest answer read: a line for each recipient of a mail.
const ANSWER_LIMIT: usize = 1024 * 1024;

/// Where the relay that runs with this store listens.
fn socket_path(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".sock");
    name.into()
}

/// The relay's end.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    listener: UnixListener,
    file: SocketFile,
}

impl ControlSocket {
    /// Listens beside a store that this process owns: a socket that is there already is a dead process's.
    pub(crate) fn bind(store: &Path) -> Result<Self, ControlError> {
        let path = socket_path(store);
        let bind = || {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let listener = UnixListener::bind(&path)?;
            fs::set_permissions(&path, Permissions::from_mode(0o600))?;
            Ok(listener)
        };
        match bind() {
            Ok(listener) => Ok(Self { listener, file: SocketFile(path) }),
            Err(source) => Err(ControlError { path, source }),
        }
    }

    /// Answers commands by these paths, until it is dropped.
    pub(crate) async fn serve(self, paths: Router) -> Result<(), ControlError> {
        let Self { listener, file } = self;
        axum::serve(listener, paths).await.map_err(|source| ControlError { path: file.0.clone(), source })
    }
}

/// The socket's file. It goes when this is dropped; one that is left behind is replaced by the next start.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.0);
    }
}

/// The control socket cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the control socket `{}`: {source}{}", path.display(), hint(source))]
pub(crate) struct ControlError {
    path: PathBuf,
    source: io::Error,
}

/// Who may use the socket is who runs the relay, and who may make it is who may write beside the store.
fn hint(error: &io::Error) -> String {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return String::new();
    }
    let user = rustix::process::geteuid();
    format!(
        " (hint: this runs as user {user}; the socket is for the relay's own user, who has to be able to write in the store's directory; \
         see \"Testing a target\" in crates/alert-relay/README.md)"
    )
}

/// What a relay answered.
#[derive(Debug)]
pub(crate) struct ControlAnswer {
    /// Of HTTP.
    pub(crate) status: StatusCode,
    /// The body, JSON as of every path.
    pub(crate) body: Bytes,
}

/// Posts to a path of the relay that runs with this store, and waits for its answer; `None` if nobody listens.
pub(crate) async fn post(store: &Path, uri: &str) -> Result<Option<ControlAnswer>, ControlError> {
    let path = socket_path(store);
    let stream = match tokio::time::timeout(CONNECT_LIMIT, UnixStream::connect(&path)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error))
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
        {
            return Ok(None);
        }
        Ok(Err(source)) => return Err(ControlError { path, source }),
        Err(_elapsed) => return Err(ControlError { path, source: io::ErrorKind::TimedOut.into() }),
    };
    match exchange(stream, uri).await {
        Ok(answer) => Ok(Some(answer)),
        Err(error) => Err(ControlError { path, source: io::Error::other(error) }),
    }
}

async fn exchange(
    stream: UnixStream,
    uri: &str,
) -> Result<ControlAnswer, Box<dyn std::error::Error + Send + Sync>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(uri)
        .header(axum::http::header::HOST, "alert-relay")
        .body(Empty::<Bytes>::new())?;
    // It moves the bytes, and ends with the answer.
    let connection = tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = Limited::new(body, ANSWER_LIMIT).collect().await?.to_bytes();
    connection.abort();
    Ok(ControlAnswer { status: head.status, body })
}

/// Longest wait for a relay that does not take connections any more.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use axum::routing;

    use super::*;

    fn paths() -> Router {
        Router::new().route("/ask", routing::post(async || "heard"))
    }

    #[tokio::test]
    async fn who_asks_beside_the_store_is_answered_and_a_dead_relays_socket_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let store = directory.path().join("relay.db");
        assert!(post(&store, "/ask").await.unwrap().is_none());

        // A process that was killed leaves its socket behind.
        drop(std::os::unix::net::UnixListener::bind(socket_path(&store)).unwrap());
        assert!(post(&store, "/ask").await.unwrap().is_none());

        let serving = tokio::spawn(ControlSocket::bind(&store).unwrap().serve(paths()));
        let answer = post(&store, "/ask").await.unwrap().unwrap();
        assert_eq!((answer.status, answer.body.as_ref()), (StatusCode::OK, b"heard".as_slice()));
        let mode = fs::metadata(socket_path(&store)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);

        serving.abort();
        assert!(serving.await.unwrap_err().is_cancelled());
        assert!(!socket_path(&store).exists());
    }

    #[test]
    fn whoever_may_not_use_the_socket_is_told_who_that_is() {
        let error = |kind: io::ErrorKind| {
            ControlError { path: "/var/lib/relay.db.sock".into(), source: kind.into() }.to_string()
        };
        let refused = error(io::ErrorKind::PermissionDenied);
        let user = rustix::process::geteuid();
        assert!(
            refused.starts_with("the control socket `/var/lib/relay.db.sock`: permission denied (hint: ")
        );
        assert!(refused.contains(&format!("user {user};")) && refused.contains("README.md"), "{refused}");
        assert!(!error(io::ErrorKind::TimedOut).contains("hint"));
    }

    #[tokio::test]
    async fn a_path_too_long_for_a_socket_is_said() {
        let store = PathBuf::from("/").join("d".repeat(200)).join("relay.db");
        let error = ControlSocket::bind(&store).unwrap_err().to_string();
        assert!(
            error.starts_with("the control socket `/ddd") && error.contains("relay.db.sock`: "),
            "{error}"
        );
    }
}
