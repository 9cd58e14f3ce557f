//! The certificate authorities outgoing connections trust: the system's, else Mozilla's list built into the program, which
//! serves images without CA files.

use std::cell::OnceCell;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

/// The authorities, read once for all channels and only if one of them needs them; and what HTTPS makes of them, once for all targets:
/// half a megabyte.
#[derive(Debug, Default)]
pub(crate) struct Roots {
    system: OnceCell<Vec<CertificateDer<'static>>>,
    https: OnceCell<Result<ClientConfig, String>>,
}

impl Roots {
    /// The system's authorities (`SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured); empty in an image without any.
    fn system(&self) -> &[CertificateDer<'static>] {
        self.system.get_or_init(|| rustls_native_certs::load_native_certs().certs)
    }

    /// How HTTPS targets are talked to.
    pub(super) fn https(&self) -> Result<ClientConfig, String> {
        let make = || {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
            let builder = builder.map_err(|error| error.to_string())?;
            Ok(builder.with_root_certificates(self.store()).with_no_client_auth())
        };
        self.https.get_or_init(make).clone()
    }

    /// What they trust, for who trusts somebody besides.
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
