//! Targets at the vendors' stand-ins, in the words of the relay's settings and of Alertmanager's.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::json;
use yaml_serde::Value;

use crate::chain::examples::with_examples;
use crate::vendor::dingtalk::DingTalk;
use crate::vendor::mail::{MailServer, PASSWORD, USER};
use crate::vendor::wecom::Wecom;

/// Which alerts go to the stand-ins: those about GPUs. What the machine that runs this has to say about its own disks is
/// another story.
const MATCHERS: [&str; 1] = ["scope=\"gpu\""];

/// Who is written to past the relay.
pub const TROUBLE_MAILBOX: &str = "relay-trouble@example.com";

/// The sections of `relay.yml` that say where alerts are sent.
#[derive(Debug)]
pub struct Channels {
    sections: serde_json::Value,
    /// What Alertmanager's own mailbox is instead of the example's; `None` is as shipped.
    mailbox: Option<serde_json::Value>,
}

impl Channels {
    /// All three stand-ins, which are sent every alert about GPUs; their secrets go into files under `data`, as in real use.
    pub fn to_all(dingtalk: &DingTalk, wecom: &Wecom, mail: &MailServer, data: &Path) -> Result<Self> {
        let targets = json!({
            "ops-dingtalk": { "dingtalk": robot(dingtalk, data)? },
            "ops-wecom": { "wecom": { "webhook_url_file": secret(data, "wecom_url", &wecom.webhook_url())? } },
            "ops-mail": { "email": {
                "smarthost": mail.smarthost(),
                "tls": mail.tls(),
                "ca_file": mail.authority(),
                "from": "alerts@example.com",
                "to": ["ops@example.com"],
                "auth_username": USER,
                "auth_password_file": secret(data, "smtp_password", PASSWORD)?,
            } },
        });
        Ok(Self {
            sections: json!({
                "targets": targets,
                "receivers": { "ops": { "routes": [{
                    "matchers": MATCHERS,
                    "targets": ["ops-dingtalk", "ops-wecom", "ops-mail"],
                    "mentions": ["oncall"],
                }] } },
                "people": { "oncall": { "mobile": "13800000000", "wecom": "zhangsan" } },
            }),
            mailbox: None,
        })
    }

    /// One robot, which is sent every alert, whatever it is about and however many there are.
    pub fn to_robot(dingtalk: &DingTalk, data: &Path) -> Result<Self> {
        Ok(Self {
            sections: json!({
                "targets": { "ops-dingtalk": { "dingtalk": robot(dingtalk, data)?, "budget": "10000/1m" } },
                "receivers": { "ops": { "routes": [{ "targets": ["ops-dingtalk"] }] } },
            }),
            mailbox: None,
        })
    }

    /// The same, which are sent what these matchers of one route say.
    #[must_use]
    pub fn with_matchers(mut self, matchers: &[&str]) -> Self {
        self.sections["receivers"]["ops"]["routes"][0]["matchers"] = json!(matchers);
        self
    }

    /// The same, with targets that are told when no sign of life came for this long (`10s`).
    #[must_use]
    pub fn with_heartbeat(mut self, expect_every: &str) -> Self {
        self.sections["heartbeats"] =
            json!({ "watchdog": { "expect_every": expect_every, "targets": ["ops-dingtalk", "ops-mail"] } });
        self
    }

    /// The same, with the mailbox that Alertmanager writes to by itself, at the mail server's address.
    pub fn with_mailbox_for_trouble(mut self, mail: &MailServer, data: &Path) -> Result<Self> {
        let password = data.join("secrets/alertmanager_smtp_password");
        std::fs::write(&password, PASSWORD)
            .with_context(|| format!("failed to write {}", password.display()))?;
        self.mailbox = Some(json!({
            "to": TROUBLE_MAILBOX,
            "smarthost": mail.smarthost(),
            "auth_username": USER,
            "auth_password_file": password,
            "tls_config": { "ca_file": mail.authority() },
        }));
        Ok(self)
    }

    /// Takes the comment off the example of a mailbox in `alertmanager.yml` and puts this one's address into it.
    pub(crate) fn put_mailbox_into(&self, alertmanager: &str) -> Result<String> {
        let Some(mailbox) = &self.mailbox else { return Ok(alertmanager.to_owned()) };
        let mut tree: Value = yaml_serde::from_str(&with_examples(alertmanager))?;
        let receivers = tree.get_mut("receivers").and_then(Value::as_sequence_mut).context("no receivers")?;
        let trouble = receivers
            .iter_mut()
            .find(|receiver| receiver.get("name").and_then(Value::as_str) == Some("relay-trouble"));
        let example = trouble
            .and_then(|receiver| receiver.get_mut("email_configs")?.get_mut(0))
            .and_then(Value::as_mapping_mut)
            .context("alertmanager.yml shows no mailbox for `relay-trouble`")?;
        for (key, value) in mailbox.as_object().context("the mailbox is a map")? {
            example.insert(Value::String(key.clone()), yaml_serde::to_value(value)?);
        }
        Ok(yaml_serde::to_string(&tree)?)
    }

    /// Replaces these sections, which the settings must already have.
    pub(crate) fn put_into(&self, settings: &mut Value) -> Result<()> {
        for (section, content) in self.sections.as_object().context("the sections are a map")? {
            *settings.get_mut(section).with_context(|| format!("the key `{section}` is missing"))? =
                yaml_serde::to_value(content)?;
        }
        Ok(())
    }
}

/// A robot's section, with its secrets in files under `data`.
fn robot(dingtalk: &DingTalk, data: &Path) -> Result<serde_json::Value> {
    Ok(json!({
        "webhook_url_file": secret(data, "dingtalk_url", &dingtalk.webhook_url())?,
        "secret_file": secret(data, "dingtalk_secret", dingtalk.secret())?,
    }))
}

fn secret(data: &Path, name: &str, value: &str) -> Result<PathBuf> {
    let file = data.join("secrets").join(name);
    std::fs::create_dir_all(data.join("secrets"))
        .and_then(|()| std::fs::write(&file, value))
        .with_context(|| format!("failed to write {}", file.display()))?;
    Ok(file)
}
