//! The web-config file from outside: every good file is accepted and served, every bad one is refused in its words,
//! a changed one takes over. Clients and certificates are real.

#![expect(clippy::unwrap_used, reason = "a test that can't set up its case has to fail loudly")]

mod clients;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use http::StatusCode;
use http_serve::{Drained, Server, ServerConfig, Stop, Stopper, response, validate};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    task::JoinHandle,
};

use self::clients::{Authority, Certified, Client};

const TIMEOUT: Duration = Duration::from_mins(1);

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata")
}

/// The files of `testdata` whose name ends so, by name.
fn files_ending(suffix: &str) -> BTreeMap<String, String> {
    let all = fs::read_dir(testdata()).unwrap().map(|entry| entry.unwrap().path());
    let ending = all.filter(|path| path.to_string_lossy().ends_with(suffix));
    ending
        .map(|path| (path.file_name().unwrap().to_string_lossy().into(), fs::read_to_string(&path).unwrap()))
        .collect()
}

/// A directory as a config file expects it: the authority, a server's certificate, and another key that fits nothing.
struct ConfigDirectory {
    directory: tempfile::TempDir,
    authority: Authority,
}

impl ConfigDirectory {
    fn new() -> Self {
        let directory = Self { directory: tempfile::tempdir().unwrap(), authority: Authority::new() };
        directory.write("ca.crt", &directory.authority.pem());
        directory.write_server(&directory.authority);
        directory.write("other.key", &directory.authority.certify(&["other.example"]).key_pem);
        directory
    }

    fn write_server(&self, authority: &Authority) {
        let Certified { certificate_pem, key_pem } = authority.certify(&["localhost"]);
        self.write("server.crt", &certificate_pem);
        self.write("server.key", &key_pem);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        fs::write(self.path(name), content).unwrap();
        self.path(name)
    }

    fn good(&self, name: &str) -> PathBuf {
        self.write(name, &fs::read_to_string(testdata().join(name)).unwrap())
    }

    fn client(&self) -> Client {
        Client::trusting(&self.authority)
    }
}

struct Running {
    address: SocketAddr,
    stopper: Stopper,
    ended: JoinHandle<Drained>,
}

impl Running {
    async fn with(web_config: PathBuf) -> Self {
        let listen = vec!["127.0.0.1:0".parse().unwrap()];
        let config = ServerConfig { web_config: Some(web_config), ..ServerConfig::listening_on(listen) };
        let server = Server::bind(config).await.unwrap_or_else(|error| panic!("{error}"));
        let address = server.local_addresses()[0];
        let (stopper, stop) = Stop::by_hand();
        let service =
            tower::service_fn(async |_| Ok::<_, Infallible>(response::text(StatusCode::OK, "served\n")));
        let ended = tokio::spawn(server.serve(service, stop.requested(), TIMEOUT));
        Self { address, stopper, ended }
    }

    async fn stop(self) {
        self.stopper.stop();
        let drained = self.ended.await.unwrap();
        assert_eq!(drained.cut, 0);
    }
}

#[test]
fn bad_files_are_refused_in_their_words() {
    let directory = ConfigDirectory::new();
    let files = files_ending(".bad.yml");
    assert!(files.len() > 15, "{files:?}");
    for (name, text) in files {
        let said = validate(&directory.write(&name, &text)).expect_err(&name).to_string();
        let expected: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# says: ")).collect();
        let problems: Vec<&str> = said.lines().skip(1).collect();
        assert_eq!(problems.len(), expected.len(), "{name}\n{said}");
        for expected in expected {
            let holds = |problem: &&&str| expected.split(" … ").all(|part| problem.contains(part));
            assert_eq!(problems.iter().filter(holds).count(), 1, "{name}\n{said}\nexpected: {expected}");
        }
    }
}

#[tokio::test]
async fn a_bad_file_or_an_absent_one_starts_nothing() {
    let directory = ConfigDirectory::new();
    let absent = directory.path("absent.yml");
    let bad = directory.write("bad.yml", "junk: 1");
    for (path, expected) in [(absent, "No such file"), (bad, "junk: unknown key")] {
        let said = validate(&path).unwrap_err().to_string();
        let listen = vec!["127.0.0.1:0".parse().unwrap()];
        let config = ServerConfig { web_config: Some(path), ..ServerConfig::listening_on(listen) };
        let refused = Server::bind(config).await.err().unwrap().to_string();
        assert_eq!(said, refused);
        assert!(said.contains(expected), "{said}");
    }
}

/// A PEM block as the content of a YAML block scalar.
fn indented(pem: &str) -> String {
    format!("    {}\n", pem.trim_end().replace('\n', "\n    "))
}

#[test]
fn a_refusal_repeats_no_secret() {
    let directory = ConfigDirectory::new();
    let key = directory.authority.certify(&["localhost"]).key_pem;
    let secret_line = key.lines().nth(1).unwrap();
    let inline = indented(&key);
    let text = format!(
        "tls_server_config:\n  cert_file: server.crt\n  key: |\n{inline}basic_auth_users:\n  alice: in-plain-sight\n"
    );
    let said = validate(&directory.write("secrets.yml", &text)).unwrap_err().to_string();
    assert!(!said.contains(secret_line) && !said.contains("in-plain-sight"), "{said}");
    // Nor what stands where its file should be named.
    let text = text.replace("  key:", "  key_file:");
    let said = validate(&directory.write("misplaced.yml", &text)).unwrap_err().to_string();
    assert!(said.contains("expected a path") && !said.contains(secret_line), "{said}");
    // A broken document is quoted by nobody either.
    let said = validate(&directory.write("broken.yml", &format!("{text}\n\" {{"))).unwrap_err().to_string();
    assert!(!said.contains(secret_line) && !said.contains("in-plain-sight"), "{said}");
}

#[tokio::test]
async fn good_files_are_accepted_and_served() {
    let directory = ConfigDirectory::new();
    for name in files_ending(".good.yml").into_keys() {
        let path = directory.good(&name);
        validate(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
        let running = Running::with(path).await;
        serves_as_it_says(&name, &directory, running.address).await;
        running.stop().await;
    }
}

async fn serves_as_it_says(name: &str, directory: &ConfigDirectory, address: SocketAddr) {
    let signed = directory.authority.certify(&["prometheus.example"]);
    let stranger = Authority::new().certify(&["prometheus.example"]);
    match name.strip_suffix(".good.yml").unwrap() {
        "empty" | "blank_sections" => {
            let answer = directory.client().plain(address, "").await;
            assert_eq!((answer.status, answer.body.as_str()), (200, "served\n"));
        }
        "tls" => {
            let secured = directory.client().ask(address).await.unwrap();
            assert_eq!(secured.answer.body, "served\n");
            assert_eq!(secured.version, "TLSv1_3");
            assert_eq!(directory.client().http_version(address).await, http::Version::HTTP_2);
            let plain = directory.client().plain(address, "").await;
            assert_eq!((plain.status, plain.body.as_str()), (400, "this port speaks HTTPS: use https://\n"));
        }
        "tls_http1_only" => {
            assert_eq!(directory.client().http_version(address).await, http::Version::HTTP_11);
        }
        "tls12_one_cipher" => {
            let secured = directory.client().ask(address).await.unwrap();
            assert_eq!(secured.version, "TLSv1_2");
            assert_eq!(secured.cipher, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
            assert_eq!(secured.curve, "secp256r1");
        }
        "tls13_only" => {
            assert_eq!(directory.client().ask(address).await.unwrap().version, "TLSv1_3");
            directory.client().tls12().ask(address).await.unwrap_err();
        }
        "mtls_request" => lets_in(directory, address, [(None, true), (Some(&stranger), true)]).await,
        "mtls_require_any" => lets_in(directory, address, [(None, false), (Some(&stranger), true)]).await,
        "mtls_verify_if_given" => {
            lets_in(directory, address, [(None, true), (Some(&stranger), false), (Some(&signed), true)])
                .await;
        }
        "mtls_require_and_verify" => {
            lets_in(directory, address, [(None, false), (Some(&stranger), false), (Some(&signed), true)])
                .await;
        }
        "mtls_allowed_names" => {
            let of = |names: &[&str]| directory.authority.certify(names);
            let in_the_list = [
                "prometheus.example",
                "spiffe://example/prometheus",
                "ops@example",
                "192.0.2.7",
                "2001:db8::7",
            ];
            for allowed in in_the_list {
                lets_in(directory, address, [(Some(&of(&["first.example", allowed])), true)]).await;
            }
            let others = of(&["other.example", "192.0.2.8"]);
            lets_in(directory, address, [(None, false), (Some(&stranger), false), (Some(&others), false)])
                .await;
        }
        "headers" => {
            let answer = directory.client().plain(address, "").await;
            for header in [
                "content-security-policy: default-src 'self'",
                "strict-transport-security: max-age=31536000",
                "x-content-type-options: nosniff",
                "x-frame-options: deny",
                "x-xss-protection: 0",
            ] {
                assert!(answer.head.contains(header), "{header}\n{}", answer.head);
            }
        }
        "users" => {
            for (credentials, status) in [("alice:right", 200), ("007:right", 200), ("alice:wrong", 401)] {
                assert_eq!(
                    directory.client().plain(address, &basic(credentials)).await.status,
                    status,
                    "{credentials}"
                );
            }
            let refused = directory.client().plain(address, "").await;
            assert_eq!(refused.status, 401);
            assert!(refused.head.contains("www-authenticate: Basic"), "{}", refused.head);
        }
        "rate_limit" => {
            let mut statuses = Vec::new();
            for _ in 0..3 {
                statuses.push(directory.client().plain(address, "").await.status);
            }
            assert_eq!(statuses, [200, 200, 429]);
        }
        other => panic!("{other}.good.yml has no check: say here how it is served"),
    }
}

async fn lets_in<const N: usize>(
    directory: &ConfigDirectory,
    address: SocketAddr,
    clients: [(Option<&Certified>, bool); N],
) {
    for (position, (certificate, expected)) in clients.into_iter().enumerate() {
        let client = match certificate {
            Some(certificate) => directory.client().with(certificate),
            None => directory.client(),
        };
        let answered = client.ask(address).await;
        assert_eq!(answered.is_ok(), expected, "client {position}: {answered:?}");
    }
}

fn basic(credentials: &str) -> String {
    format!("Authorization: Basic {}\r\n", STANDARD.encode(credentials))
}

#[tokio::test]
async fn certificate_and_key_may_stand_in_the_file() {
    let directory = ConfigDirectory::new();
    let Certified { certificate_pem, key_pem } = directory.authority.certify(&["localhost"]);
    let text = format!(
        "tls_server_config:\n  cert: |\n{}  key: |\n{}",
        indented(&certificate_pem),
        indented(&key_pem)
    );
    let running = Running::with(directory.write("inline.yml", &text)).await;
    assert_eq!(directory.client().ask(running.address).await.unwrap().answer.body, "served\n");
    running.stop().await;
}

#[tokio::test]
async fn a_stalled_handshake_holds_its_slot_for_a_bounded_time() {
    let directory = ConfigDirectory::new();
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    let mut config = ServerConfig {
        web_config: Some(directory.good("tls.good.yml")),
        ..ServerConfig::listening_on(listen)
    };
    config.limits.max_connections = 1;
    config.limits.handshake_timeout = Duration::from_millis(100);
    let server = Server::bind(config).await.unwrap_or_else(|error| panic!("{error}"));
    assert!(server.is_tls());
    let address = server.local_addresses()[0];
    let (_stopper, stop) = Stop::by_hand();
    let service =
        tower::service_fn(async |_| Ok::<_, Infallible>(response::text(StatusCode::OK, "served\n")));
    tokio::spawn(server.serve(service, stop.requested(), TIMEOUT));
    // The only slot: a silent peer, then one that stops after the first bytes of a handshake. Nobody else wants it, so only time ends it.
    for begun in [&[][..], &[0x16, 0x03, 0x01, 0x02]] {
        let mut stalled = tokio::net::TcpStream::connect(address).await.unwrap();
        stalled.write_all(begun).await.unwrap();
        let mut told = Vec::new();
        // A reset is an end as well.
        let _ = tokio::time::timeout(TIMEOUT, stalled.read_to_end(&mut told)).await.expect("closed in time");
        assert_eq!(told, b"", "{begun:?}");
    }
    // On a busy machine a good client may take as long as they may; it comes again.
    let is_served =
        async || directory.client().ask(address).await.is_ok_and(|secured| secured.answer.body == "served\n");
    becomes("a slot is free and a client is served", is_served).await;
}

/// Asks again until the answer is the expected one.
async fn becomes<F: Future<Output = bool>>(what: &str, mut asked: impl FnMut() -> F) {
    let followed = async {
        while !asked().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, followed).await.unwrap_or_else(|_| panic!("{what} in time"));
}

#[tokio::test]
async fn changed_users_and_headers_take_over() {
    let directory = ConfigDirectory::new();
    let users = fs::read_to_string(testdata().join("users.good.yml")).unwrap();
    let path = directory.write("web.yml", &users);
    let running = Running::with(path.clone()).await;
    let ask = async |header: &str| directory.client().plain(running.address, header).await;
    assert_eq!(ask(&basic("alice:right")).await.status, 200);

    fs::write(&path, users.replace("alice", "carol")).unwrap();
    becomes("carol comes in", async || ask(&basic("carol:right")).await.status == 200).await;
    assert_eq!(ask(&basic("alice:right")).await.status, 401);

    fs::write(&path, format!("{users}http_server_config: {{headers: {{X-Frame-Options: deny}}}}\n")).unwrap();
    becomes("the header is set", async || ask("").await.head.contains("x-frame-options: deny")).await;
    running.stop().await;
}

#[tokio::test]
async fn a_renewed_certificate_is_used_for_new_handshakes() {
    let directory = ConfigDirectory::new();
    let running = Running::with(directory.good("tls.good.yml")).await;
    let renewed = Authority::new();
    let new_client = Client::trusting(&renewed);
    new_client.ask(running.address).await.expect_err("the old certificate is not the new authority's");
    directory.write_server(&renewed);
    becomes("the new certificate is shown", async || new_client.ask(running.address).await.is_ok()).await;
    directory.client().ask(running.address).await.expect_err("the old certificate is gone");
    running.stop().await;
}

#[tokio::test]
async fn http2_finishes_what_is_in_flight_when_stopped() {
    let directory = ConfigDirectory::new();
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    let config = ServerConfig {
        web_config: Some(directory.good("tls.good.yml")),
        ..ServerConfig::listening_on(listen)
    };
    let server = Server::bind(config).await.unwrap_or_else(|error| panic!("{error}"));
    let address = server.local_addresses()[0];
    let (stopper, stop) = Stop::by_hand();
    let (started, mut starts) = tokio::sync::mpsc::channel(1);
    let after = stop.clone();
    let service = tower::service_fn(move |_| {
        let (started, after) = (started.clone(), after.clone());
        async move {
            started.send(()).await.unwrap();
            after.requested().await;
            Ok::<_, Infallible>(response::text(StatusCode::OK, "whole"))
        }
    });
    let ended = tokio::spawn(server.serve(service, stop.requested(), TIMEOUT));
    let client = directory.client();
    let asked = tokio::spawn(async move { client.http2_body(address).await });
    starts.recv().await.unwrap();
    stopper.stop();
    assert_eq!(asked.await.unwrap(), "whole");
    assert_eq!(ended.await.unwrap().cut, 0);
}
