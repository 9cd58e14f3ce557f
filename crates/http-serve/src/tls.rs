//! `tls_server_config`: certificate, key, protocol versions and ciphers, by rustls with ring.
//!
//! Owns the keys of the section and the names that Go gives to versions, ciphers and curves. Leaves out which
//! clients are let in, which is `tls::client_auth`'s.

mod client_auth;

use std::sync::Arc;

use rustls::{
    Error, ServerConfig, SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{CryptoProvider, SupportedKxGroup, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::danger::ClientCertVerifier,
    version::{TLS12, TLS13},
};
use settings_document::Section;

use crate::files::Files;

/// Without any of these the section asks for nothing, whatever else it holds.
const ASKS_FOR_TLS: [&str; 7] =
    ["cert", "cert_file", "key", "key_file", "client_ca", "client_ca_file", "client_auth_type"];

/// Reads `tls_server_config` and the files it names. `None`: it asks for nothing, which is plain HTTP, or it is
/// wrong, which was noted.
pub(crate) fn read(mut section: Section<'_>, files: &mut Files, http2: bool) -> Option<Arc<ServerConfig>> {
    if section.gives_any(&ASKS_FOR_TLS) {
        for [inline, file] in [["cert", "cert_file"], ["key", "key_file"]] {
            if !section.gives_any(&[inline, file]) {
                section.missing(file, "a PEM file (hint: TLS needs a certificate and its key)");
            }
        }
    }
    let chain = files.inline_or_file(&mut section, "cert", "cert_file").and_then(|pem| chain(&section, &pem));
    let key = files.inline_or_file(&mut section, "key", "key_file").and_then(|pem| key(&section, &pem));
    let provider = Arc::new(provider(&mut section));
    let versions = versions(&mut section);
    let verifier = client_auth::read(&mut section, files, &provider);
    let prefer_ours = section.flag("prefer_server_cipher_suites").unwrap_or(true);
    let parts = chain.zip(key).zip(verifier).zip(versions);
    let config = parts.and_then(|(((chain, key), verifier), versions)| {
        build(chain, key, verifier, provider, &versions)
            .map_err(|error| section.problem(key_of(&error), in_words(&error)))
            .ok()
    });
    section.finish();
    config.map(|mut config| {
        config.ignore_client_order = prefer_ours;
        let protocols: &[&[u8]] = if http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    })
}

fn build(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    verifier: Arc<dyn ClientCertVerifier>,
    provider: Arc<CryptoProvider>,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<ServerConfig, Error> {
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
}

fn key_of(error: &Error) -> &'static str {
    match error {
        Error::InconsistentKeys(_) => "key_file",
        Error::General(_) => "cipher_suites",
        _ => "cert_file",
    }
}

fn in_words(error: &Error) -> String {
    match error {
        Error::InconsistentKeys(_) => "this is not the key of the certificate".to_owned(),
        other => format!("TLS cannot be set up with it: {other}"),
    }
}

fn chain(section: &Section<'_>, pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    match CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>() {
        Ok(chain) if !chain.is_empty() => Some(chain),
        _ => {
            section.problem("cert_file", "expected a PEM certificate (hint: `-----BEGIN CERTIFICATE-----`)");
            None
        }
    }
}

fn key(section: &Section<'_>, pem: &[u8]) -> Option<PrivateKeyDer<'static>> {
    // The error is dropped: it might repeat the key.
    let Ok(key) = PrivateKeyDer::from_pem_slice(pem) else {
        section.problem("key_file", "expected an unencrypted PEM private key (hint: PKCS#8, PKCS#1 or SEC1)");
        return None;
    };
    Some(key)
}

/// The versions from `min_version` to `max_version`.
fn versions(section: &mut Section<'_>) -> Option<Vec<&'static SupportedProtocolVersion>> {
    let lowest = version(section, "min_version").unwrap_or(&TLS12);
    let highest = version(section, "max_version").unwrap_or(&TLS13);
    if lowest == highest {
        return Some(vec![lowest]);
    }
    if lowest == &TLS13 {
        section.problem("max_version", "below min_version");
        return None;
    }
    Some(vec![highest, lowest])
}

fn version(section: &mut Section<'_>, key: &'static str) -> Option<&'static SupportedProtocolVersion> {
    let wrong = match &*section.text_or_number(key)? {
        "TLS12" => return Some(&TLS12),
        "TLS13" => return Some(&TLS13),
        "TLS10" | "TLS11" => {
            "TLS 1.0 and 1.1 are not offered, they are broken (RFC 8996) (hint: `TLS12`, or leave the key out)"
        }
        _ => "expected `TLS12` or `TLS13`",
    };
    section.problem(key, wrong);
    None
}

/// ring with the ciphers and curves that the section allows.
fn provider(section: &mut Section<'_>) -> CryptoProvider {
    let mut provider = ring::default_provider();
    let suites = named(section, "cipher_suites", &ring_suites());
    if !suites.is_empty() {
        // Go can't configure the suites of TLS 1.3 either: all of them stay on.
        provider.cipher_suites.retain(|suite| suite.tls13().is_some());
        provider.cipher_suites.extend(suites.into_iter().filter(|suite| suite.tls13().is_none()));
    }
    let curves = named(section, "curve_preferences", &ring_curves());
    if !curves.is_empty() {
        provider.kx_groups = curves;
    }
    provider
}

fn ring_suites() -> Vec<(String, SupportedCipherSuite)> {
    let go_name = |suite: &SupportedCipherSuite| format!("{:?}", suite.suite()).replace("TLS13_", "TLS_");
    ring::ALL_CIPHER_SUITES.iter().map(|suite| (go_name(suite), *suite)).collect()
}

fn ring_curves() -> Vec<(String, &'static dyn SupportedKxGroup)> {
    let curves: [(&str, &'static dyn SupportedKxGroup); 3] = [
        ("X25519", ring::kx_group::X25519),
        ("CurveP256", ring::kx_group::SECP256R1),
        ("CurveP384", ring::kx_group::SECP384R1),
    ];
    curves.map(|(name, group)| (name.to_owned(), group)).into()
}

/// The things named in the list under `key`, in its order; a name that is not among `known` is a mistake.
fn named<T: Copy>(section: &mut Section<'_>, key: &'static str, known: &[(String, T)]) -> Vec<T> {
    let mut found = Vec::new();
    for name in section.listed_texts(key) {
        if let Some((_, thing)) = known.iter().find(|(known, _)| *known == name.text) {
            found.push(*thing);
        } else {
            let known = known.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("`, `");
            name.problem(format!("`{}` is not supported (hint: supported are `{known}`)", name.text));
        }
    }
    found
}
