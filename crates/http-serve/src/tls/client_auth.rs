//! `client_auth_type`, `client_ca` and `client_allowed_sans`: which clients are let in by their certificate.
//!
//! The five policies are Go's. Two of them ask for a certificate without verifying who signed it; that is what their
//! users want (a check further on), so the handshake only proves that the client holds the key.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime, pem::PemObject},
    server::{
        NoClientAuth, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use settings_document::Section;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::files::Files;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    NoClientCert,
    RequestClientCert,
    RequireAnyClientCert,
    VerifyClientCertIfGiven,
    RequireAndVerifyClientCert,
}

const POLICIES: [(&str, Policy); 5] = [
    ("NoClientCert", Policy::NoClientCert),
    ("RequestClientCert", Policy::RequestClientCert),
    ("RequireAnyClientCert", Policy::RequireAnyClientCert),
    ("VerifyClientCertIfGiven", Policy::VerifyClientCertIfGiven),
    ("RequireAndVerifyClientCert", Policy::RequireAndVerifyClientCert),
];

/// Reads the three keys of `tls_server_config`. `None` when they are wrong, which was noted.
pub(super) fn read(
    section: &mut Section<'_>,
    files: &mut Files,
    provider: &Arc<CryptoProvider>,
) -> Option<Arc<dyn ClientCertVerifier>> {
    let gives_authorities = section.gives_any(&["client_ca", "client_ca_file"]);
    let authorities =
        files.inline_or_file(section, "client_ca", "client_ca_file").and_then(|pem| roots(section, &pem));
    let allowed_names: Vec<String> =
        section.listed_texts("client_allowed_sans").into_iter().map(|name| name.text.into_owned()).collect();
    let policy = policy(section)?;
    let needs_authorities =
        matches!(policy, Policy::VerifyClientCertIfGiven | Policy::RequireAndVerifyClientCert);
    if needs_authorities && !gives_authorities {
        section.missing("client_ca_file", "the CA that signs the clients' certificates, as a PEM file");
        return None;
    }
    if policy == Policy::NoClientCert && (gives_authorities || !allowed_names.is_empty()) {
        section.problem(
            "client_auth_type",
            "no certificate is asked for, so client_ca and client_allowed_sans would do nothing \
             (hint: `RequireAndVerifyClientCert`)",
        );
        return None;
    }
    if !needs_authorities && !allowed_names.is_empty() {
        section.problem(
            "client_allowed_sans",
            "nobody verifies the certificates whose names these are, and anyone can make one with any name \
             (hint: `client_auth_type: RequireAndVerifyClientCert`)",
        );
        return None;
    }
    let any = |mandatory| Arc::new(AnyCertificate { mandatory, provider: Arc::clone(provider) });
    let verifier: Arc<dyn ClientCertVerifier> = match policy {
        Policy::NoClientCert => Arc::new(NoClientAuth),
        Policy::RequestClientCert => any(false),
        Policy::RequireAnyClientCert => any(true),
        Policy::VerifyClientCertIfGiven | Policy::RequireAndVerifyClientCert => {
            let builder = WebPkiClientVerifier::builder_with_provider(authorities?, Arc::clone(provider));
            let builder = if policy == Policy::VerifyClientCertIfGiven {
                builder.allow_unauthenticated()
            } else {
                builder
            };
            let built = builder.build();
            built
                .map_err(|error| section.problem("client_ca_file", format!("cannot be used: {error}")))
                .ok()?
        }
    };
    if allowed_names.is_empty() {
        return Some(verifier);
    }
    Some(Arc::new(NamedClients { allowed: allowed_names, inner: verifier }))
}

fn policy(section: &mut Section<'_>) -> Option<Policy> {
    let Some(name) = section.text_or_number("client_auth_type") else { return Some(Policy::NoClientCert) };
    let known = POLICIES.iter().find(|(known, _)| *known == name);
    if known.is_none() {
        let names = POLICIES.map(|(name, _)| name).join("`, `");
        section.problem("client_auth_type", format!("expected one of `{names}`"));
    }
    known.map(|(_, policy)| *policy)
}

fn roots(section: &Section<'_>, pem: &[u8]) -> Option<Arc<RootCertStore>> {
    let mut roots = RootCertStore::empty();
    let added = CertificateDer::pem_slice_iter(pem)
        .try_for_each(|certificate| certificate.ok().and_then(|certificate| roots.add(certificate).ok()));
    if added.is_none() || roots.is_empty() {
        section.problem("client_ca_file", "expected PEM certificates of authorities");
        return None;
    }
    Some(Arc::new(roots))
}

/// Asks for a certificate and accepts whoever signed it.
#[derive(Debug)]
struct AnyCertificate {
    mandatory: bool,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for AnyCertificate {
    fn client_auth_mandatory(&self) -> bool {
        self.mandatory
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// A policy, narrowed to certificates that carry one of these names.
#[derive(Debug)]
struct NamedClients {
    allowed: Vec<String>,
    inner: Arc<dyn ClientCertVerifier>,
}

impl ClientCertVerifier for NamedClients {
    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verified = self.inner.verify_client_cert(end_entity, intermediates, now)?;
        let names = alternative_names(end_entity)?;
        if names.iter().any(|name| self.allowed.contains(name)) {
            Ok(verified)
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// DNS names, mail addresses, IP addresses and URIs of a certificate (RFC 5280, section 4.2.1.6), as text.
fn alternative_names(certificate: &CertificateDer<'_>) -> Result<Vec<String>, Error> {
    let bad = |_| Error::from(CertificateError::BadEncoding);
    let (_, certificate) =
        X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let extension = certificate.subject_alternative_name().map_err(bad)?;
    let names = extension.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
    Ok(names.iter().filter_map(as_text).collect())
}

fn as_text(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(text) | GeneralName::RFC822Name(text) | GeneralName::URI(text) => {
            Some((*text).to_owned())
        }
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(|bytes| Ipv4Addr::from(bytes).to_string());
            v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(|bytes| Ipv6Addr::from(bytes).to_string())).ok()
        }
        _ => None,
    }
}
