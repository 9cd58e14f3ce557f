//! The signature of `DingTalk`'s robots (加签): HMAC-SHA256 over time and secret, keyed with the secret.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use settings_document::Secret;

/// What a signed request adds to its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    /// Milliseconds since 1970; `DingTalk` accepts an hour of difference.
    pub(crate) timestamp: String,
    /// Base64, not percent-encoded yet: the address does that, once.
    pub(crate) sign: String,
}

/// Signs one attempt: a retry needs a signature of its own.
pub(crate) fn sign(secret: &Secret, at: SystemTime) -> Signature {
    // A clock before 1970 gives a signature that is refused, with the vendor's words about time.
    let timestamp = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis()).to_string();
    let key = secret.reveal().as_bytes();
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(timestamp.as_bytes());
    mac.update(b"\n");
    mac.update(key);
    Signature { sign: STANDARD.encode(mac.finalize().into_bytes()), timestamp }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TIMESTAMP: u64 = 1_577_808_000_000;

    #[test]
    fn the_known_signature_comes_out() {
        let at = UNIX_EPOCH + Duration::from_millis(TIMESTAMP);
        let signature = sign(&Secret::new("SECtestsecret"), at);
        assert_eq!(signature.timestamp, "1577808000000");
        assert_eq!(signature.sign, "rdhUiyGbHzH4Olal17v5mIhUEQxxOsuSFZjuo2SM7Xw=");
    }
}
