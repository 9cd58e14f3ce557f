//! The certificate authorities outgoing connections trust: the system's, else Mozilla's list built into the program, which
//! serves images without CA files.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

/// The system's authorities (`SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured); empty in an image without any.
pub(crate) fn system() -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_native_certs().certs
}

/// What HTTPS targets trust.
pub(crate) fn store() -> RootCertStore {
    let mut store = RootCertStore::empty();
    // A system's bundle may hold certificates rustls can't parse; the others count.
    store.add_parsable_certificates(system());
    if store.is_empty() {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    store
}
