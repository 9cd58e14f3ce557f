//! Generic webhook: one's own JSON by a template, posted to any address, with a signature.
//!
//! Success is HTTP 2xx and nothing else; a receiver has no other way to say it. The body is `body`'s, the signature `sign`'s, the meaning of a
//! status `codes`'. A message is one request, whatever its size: receivers differ, so it is said in less detail only after a 413.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::Url;
use settings_document::Section;

use crate::budget::Budget;
use crate::channel::kind::{Channel, Kind, SendFuture, Setup};
use crate::channel::outgoing::{Outgoing, secrets_in};
use crate::channel::part::{Part, Stamp};
use crate::channel::reach::{OtherEnd, ReachFuture};
use crate::channel::robot_id::RobotId;
use crate::channel::webhook::body::{Bodies, Body};
use crate::channel::webhook::settings::Settings;
use crate::channel::webhook::sign::SigningKey;
use crate::message::{Message, Wording};
use crate::outcome::{Outcome, Reason};

mod body;
pub(super) mod codes;
mod settings;
mod sign;

/// `webhook:`
pub(super) const KIND: Kind = Kind {
    key: "webhook",
    label: "webhook",
    // No receiver's limit is known here, so only a flood is slowed.
    budget: Budget { sends: 60, window: Duration::from_mins(1) },
    vendors_limit: None,
    timeout: Duration::from_secs(10),
    takes_proxy: true,
    takes_digests: false,
    user_id: None,
    open,
};

/// One receiver.
#[derive(Debug)]
struct Webhook {
    outgoing: Outgoing,
    settings: Settings,
    receiver: RobotId,
    bodies: Bodies,
}

fn open(section: Section<'_>, setup: &Setup<'_>) -> Option<Arc<dyn Channel>> {
    let bodies = Bodies::open(setup);
    let settings = settings::read(section)?;
    let mut secrets = secrets_in(&settings.url);
    secrets.extend(settings.secrets.iter().cloned());
    Some(Arc::new(Webhook {
        outgoing: Outgoing::open(&settings.url, secrets, setup)?,
        receiver: RobotId::of(&["webhook", settings.url.as_str()]),
        settings,
        bodies: bodies?,
    }))
}

impl Channel for Webhook {
    fn kind(&self) -> &'static Kind {
        &KIND
    }

    /// Targets with the same address share a receiver.
    fn robot(&self) -> &RobotId {
        &self.receiver
    }

    fn render(&self, message: &Message, wording: Wording) -> Vec<Part> {
        vec![Part::new(self.bodies.render(message, wording))]
    }

    fn other_end(&self) -> OtherEnd {
        self.outgoing.other_end(&self.settings.url)
    }

    /// The receiver's host, without its address.
    fn reach(&self) -> ReachFuture<'_> {
        Box::pin(self.outgoing.reach(&self.settings.url))
    }

    /// Signed for this attempt.
    fn send<'a>(&'a self, part: &'a Part, stamp: &'a Stamp<'_>) -> SendFuture<'a> {
        Box::pin(async move {
            let Body(body) = match part.content() {
                Ok(body) => body,
                Err(outcome) => return outcome,
            };
            let Settings { url, headers, key, .. } = &self.settings;
            let Some(signed) = with_signature(headers.clone(), key.as_ref(), stamp, body) else {
                let detail = "the delivery's name can't be sent in a header".to_owned();
                return Outcome::Rejected { reason: Reason::BadRequest, detail };
            };
            match self.outgoing.post(Url::clone(url), signed, body).await {
                Ok(reply) => codes::classify(&reply),
                Err(outcome) => outcome,
            }
        })
    }
}

/// The headers of Standard Webhooks: an id that is the same for every attempt, the time of this one, and the signature.
fn with_signature(
    mut headers: HeaderMap,
    key: Option<&SigningKey>,
    stamp: &Stamp<'_>,
    body: &str,
) -> Option<HeaderMap> {
    let at = stamp.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    headers.insert(HeaderName::from_static("webhook-id"), HeaderValue::from_str(stamp.delivery).ok()?);
    headers.insert(HeaderName::from_static("webhook-timestamp"), HeaderValue::from(at));
    if let Some(key) = key {
        let signature = key.sign(stamp.delivery, at, body);
        headers.insert(HeaderName::from_static("webhook-signature"), HeaderValue::from_str(&signature).ok()?);
    }
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::testing::target;

    #[test]
    fn a_request_has_the_headers_of_standard_webhooks() {
        let headers = |key: Option<&SigningKey>| {
            let at = UNIX_EPOCH + Duration::from_secs(1_614_265_330);
            let stamp = Stamp { at, delivery: "msg_p5jXN8AQM9LWM0D4loKWxJek" };
            let own =
                HeaderMap::from_iter([(HeaderName::from_static("x-team"), HeaderValue::from_static("gpu"))]);
            with_signature(own, key, &stamp, r#"{"test": 2432232314}"#).unwrap()
        };
        let key =
            SigningKey::new(&settings_document::Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).ok();
        let signed = headers(key.as_ref());
        assert_eq!(signed["x-team"], "gpu");
        assert_eq!(signed["webhook-id"], "msg_p5jXN8AQM9LWM0D4loKWxJek");
        assert_eq!(signed["webhook-timestamp"], "1614265330");
        assert_eq!(signed["webhook-signature"], "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert!(!headers(None).contains_key("webhook-signature"));
    }

    #[test]
    fn every_mistake_in_the_section_is_named_at_its_key_without_a_secret() {
        let rejected = target(
            "webhook: { url: 'http://hooks.example.com/SECRET-1', secret: 'whsec_SECRET*', authorization: \"SECRET\\nx\", \
             headers: { Host: x, Webhook-Id: x, X-Ok: y, X_Number: 7, Content-Type: a, X-Line: \"SECRET\\n\" }, uri: x }",
        )
        .unwrap_err();
        for expected in [
            "webhook.url: the address is http, which shows its token to the network",
            "webhook.secret: after `whsec_` base64 is expected",
            "webhook.authorization: a header can't carry a character that is in it",
            "webhook.headers.Host: this header cannot be set here (hint: it follows from `url`)",
            "webhook.headers.Webhook-Id: this header cannot be set here (hint: the relay's signature uses it)",
            "webhook.headers.X_Number: expected text, found a number",
            "webhook.headers.Content-Type: this header cannot be set here (hint: the body is JSON)",
            "webhook.headers.X-Line: a header can't carry a character that is in it",
            "webhook.uri: unknown key",
        ] {
            assert!(
                rejected.contains(&format!("relay.yml:1: targets.ops.{expected}")),
                "{expected}: {rejected}"
            );
        }
        assert!(!rejected.contains("SECRET"), "{rejected}");
        assert!(
            target("webhook: { headers: x }").unwrap_err().contains("webhook.url: missing"),
            "no address"
        );
    }
}
