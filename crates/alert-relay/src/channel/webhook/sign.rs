//! The signature of Standard Webhooks (<https://www.standardwebhooks.com>, specification, "Signature scheme"), for which every language has
//! a library: `webhook-signature: v1,` and base64 of HMAC-SHA256 over `webhook-id.webhook-timestamp.body`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use settings_document::Secret;
use sha2::Sha256;

/// How the specification marks a key that is written in base64.
const PREFIX: &str = "whsec_";

/// The bytes both sides know.
#[derive(Clone)]
pub(super) struct SigningKey(Vec<u8>);

/// Why a secret is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("after `whsec_` base64 is expected")]
pub(super) struct NotBase64;

impl SigningKey {
    /// `whsec_` and base64, else the text's own bytes.
    pub(super) fn new(secret: &Secret) -> Result<Self, NotBase64> {
        match secret.reveal().strip_prefix(PREFIX) {
            Some(encoded) => STANDARD.decode(encoded).map(Self).map_err(|_| NotBase64),
            None => Ok(Self(secret.reveal().as_bytes().to_vec())),
        }
    }

    /// The signature of one attempt; `at` in seconds since 1970.
    pub(super) fn sign(&self, id: &str, at: u64, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(format!("{id}.{at}.").as_bytes());
        mac.update(body.as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn the_signature_is_the_specifications() {
        let key = SigningKey::new(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).ok().unwrap();
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_without_the_prefix_is_taken_as_it_is() {
        let sign = |secret: &str| SigningKey::new(&Secret::new(secret)).map(|key| key.sign("d-1", 1, "{}"));
        assert!(sign("plain words").is_ok());
        assert_eq!(sign("whsec_not base64").err(), Some(NotBase64));
        // "key" in base64.
        assert_eq!(sign("whsec_a2V5"), sign("key"));
    }
}
