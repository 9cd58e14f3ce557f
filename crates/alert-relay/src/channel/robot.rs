//! A robot behind one fixed address with its token in it: `webhook_url` in the settings, one POST a message.

use std::fmt;

use http::HeaderMap;
use reqwest::Url;
use settings_document::{Secret, Section};

use crate::address;
use crate::channel::kind::Setup;
use crate::channel::outgoing::{Outgoing, parse_address, secrets_in};
use crate::channel::reach::{OtherEnd, Reached};
use crate::channel::reply::Reply;
use crate::channel::robot_id::RobotId;
use crate::outcome::Outcome;

/// The robot, and the way to it. The address is the credential, so it stays in here.
pub(super) struct Robot {
    outgoing: Outgoing,
    url: Url,
    id: RobotId,
}

impl Robot {
    /// Reads `webhook_url` or `webhook_url_file`, and builds the client. `signing` is blacked out of answers too.
    pub(super) fn open(
        section: &mut Section<'_>,
        signing: Option<&Secret>,
        setup: &Setup<'_>,
    ) -> Option<Self> {
        if !section.has("webhook_url") && !section.has("webhook_url_file") {
            section.missing(
                "webhook_url",
                "the robot's address, here or in the file that `webhook_url_file` names",
            );
        }
        let address = address::secret_url(section, "webhook_url", "webhook_url_file")?;
        let said_by = if section.has("webhook_url") { "webhook_url" } else { "webhook_url_file" };
        let url = parse_address(&address)
            .map_err(|wrong| section.problem(said_by, format!("the address {wrong}")))
            .ok()?;
        let mut secrets = secrets_in(&url);
        secrets.extend(signing.cloned());
        let token = url.query_pairs().find(|(name, _)| name == "access_token" || name == "key");
        let identity = token.map_or_else(|| url.to_string(), |(_, token)| token.into_owned());
        let port = url.port_or_known_default().unwrap_or_default().to_string();
        let id = RobotId::of(&[url.host_str().unwrap_or_default(), &port, &identity]);
        Some(Self { outgoing: Outgoing::open(&url, secrets, setup)?, url, id })
    }

    /// Targets with the same token on the same host share a robot.
    pub(super) fn id(&self) -> &RobotId {
        &self.id
    }

    /// Its host.
    pub(super) fn other_end(&self) -> OtherEnd {
        self.outgoing.other_end(&self.url)
    }

    /// Whether its host answers.
    pub(super) async fn reach(&self) -> Result<Reached, String> {
        self.outgoing.reach(&self.url).await
    }

    /// Posts a JSON body, with `query` added to the address (each value percent-encoded once).
    pub(super) async fn post(&self, query: &[(&str, &str)], body: &str) -> Result<Reply, Outcome> {
        let mut url = self.url.clone();
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.outgoing.post(url, HeaderMap::new(), body).await
    }
}

impl fmt::Debug for Robot {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Robot").field("id", &self.id).finish_non_exhaustive()
    }
}
