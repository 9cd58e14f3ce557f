//! Certificate authorities, certificates and clients for tests.

use std::{net::SocketAddr, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    version::{TLS12, TLS13},
};
use test_peers::client::Answer;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// An authority that signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
pub(crate) struct Certified {
    pub(crate) certificate_pem: String,
    pub(crate) key_pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.as_ref().pem()
    }

    /// Signs a certificate for these names: DNS names, addresses, mail addresses and URIs.
    pub(crate) fn certify(&self, names: &[&str]) -> Certified {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.iter().map(|name| alternative_name(name)).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Certified { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() }
    }
}

fn alternative_name(name: &str) -> SanType {
    let text = || name.try_into().unwrap();
    match name.parse() {
        Ok(address) => SanType::IpAddress(address),
        Err(_) if name.contains("://") => SanType::URI(text()),
        Err(_) if name.contains('@') => SanType::Rfc822Name(text()),
        Err(_) => SanType::DnsName(text()),
    }
}

/// A client that trusts one authority.
pub(crate) struct Client {
    roots: RootCertStore,
    root_pem: String,
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    only_tls12: bool,
}

/// An answer, whole, and how the connection was secured.
#[derive(Debug)]
pub(crate) struct Secured {
    pub(crate) answer: Answer,
    pub(crate) version: String,
    pub(crate) cipher: String,
    pub(crate) curve: String,
}

impl Client {
    pub(crate) fn trusting(authority: &Authority) -> Self {
        let root_pem = authority.pem();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(root_pem.as_bytes()).unwrap()).unwrap();
        Self { roots, root_pem, identity: None, only_tls12: false }
    }

    /// Shows this certificate when asked.
    pub(crate) fn with(mut self, certified: &Certified) -> Self {
        let chain = vec![CertificateDer::from_pem_slice(certified.certificate_pem.as_bytes()).unwrap()];
        self.identity = Some((chain, PrivateKeyDer::from_pem_slice(certified.key_pem.as_bytes()).unwrap()));
        self
    }

    /// Offers nothing newer than TLS 1.2.
    pub(crate) fn tls12(mut self) -> Self {
        self.only_tls12 = true;
        self
    }

    /// One GET over HTTP/1.1 and TLS.
    pub(crate) async fn ask(&self, address: SocketAddr) -> std::io::Result<Secured> {
        let versions = if self.only_tls12 { vec![&TLS12] } else { vec![&TLS13, &TLS12] };
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&versions)
            .unwrap()
            .with_root_certificates(self.roots.clone());
        let config = match &self.identity {
            Some((chain, key)) => builder.with_client_auth_cert(chain.clone(), key.clone_key()).unwrap(),
            None => builder.with_no_client_auth(),
        };
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        let answer = get(&mut stream, "").await?;
        let session = stream.get_ref().1;
        Ok(Secured {
            answer,
            version: format!("{:?}", session.protocol_version().unwrap()),
            cipher: format!("{:?}", session.negotiated_cipher_suite().unwrap().suite()),
            curve: format!("{:?}", session.negotiated_key_exchange_group().unwrap().name()),
        })
    }

    /// One GET over HTTP/1.1 without TLS, with more header lines.
    pub(crate) async fn plain(&self, address: SocketAddr, headers: &str) -> Answer {
        let mut stream = TcpStream::connect(address).await.unwrap();
        get(&mut stream, headers).await.unwrap()
    }

    /// The version of HTTP that a client which knows both gets.
    pub(crate) async fn http_version(&self, address: SocketAddr) -> http::Version {
        self.by_library(address).await.version()
    }

    /// The body of a response over HTTP/2.
    pub(crate) async fn http2_body(&self, address: SocketAddr) -> String {
        let response = self.by_library(address).await;
        assert_eq!(response.version(), http::Version::HTTP_2);
        response.text().await.unwrap()
    }

    async fn by_library(&self, address: SocketAddr) -> reqwest::Response {
        // A second installation is refused, and the first one is the same.
        let _ = ring::default_provider().install_default();
        let root = reqwest::Certificate::from_pem(self.root_pem.as_bytes()).unwrap();
        let client = reqwest::Client::builder()
            .tls_certs_only([root])
            .no_proxy()
            .resolve("localhost", address)
            .build()
            .unwrap();
        client.get(format!("https://localhost:{}/", address.port())).send().await.unwrap()
    }
}

/// Sends a GET and reads until the server closes. With TLS 1.3 a refused client learns of it here.
async fn get(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), headers: &str) -> std::io::Result<Answer> {
    let head = format!("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(Answer::parse(&text))
}
