//! The certificate authorities outgoing connections trust: the system's, else Mozilla's list built into the program, which
//! serves images without CA files.

use std::cell::OnceCell;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;

/// The authorities, read once for all channels and only if one of them needs them.
#[derive(Debug, Default)]
pub(crate) struct Roots(OnceCell<Vec<CertificateDer<'static>>>);

impl Roots {
    /// The system's authorities (`SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured); empty in an image without any.
    pub(super) fn system(&self) -> &[CertificateDer<'static>] {
        self.0.get_or_init(|| rustls_native_certs::load_native_certs().certs)
    }

    /// What HTTPS targets trust.
    pub(super) fn store(&self) -> RootCertStore {
        let mut store = RootCertStore::empty();
        // A system's bundle may hold certificates rustls can't parse; the others count.
        store.add_parsable_certificates(self.system().iter().cloned());
        if store.is_empty() {
            store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        store
    }
}
