//! Targets at the vendors' stand-ins, in the words of the relay's settings.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::json;
use yaml_serde::Value;

use crate::vendor::dingtalk::DingTalk;
use crate::vendor::mail::{MailServer, PASSWORD, USER};
use crate::vendor::wecom::Wecom;

/// Which alerts go to the stand-ins: those about GPUs. What the machine that runs this has to say about its own disks is
/// another story.
const MATCHERS: [&str; 1] = ["scope=\"gpu\""];

/// The sections of `relay.yml` that say where alerts are sent.
#[derive(Debug)]
pub struct Channels {
    sections: serde_json::Value,
}

impl Channels {
    /// All three stand-ins, which are sent every alert about GPUs; their secrets go into files under `data`, as in real use.
    pub fn to_all(dingtalk: &DingTalk, wecom: &Wecom, mail: &MailServer, data: &Path) -> Result<Self> {
        let secret = |name: &str, value: &str| -> Result<PathBuf> {
            let file = data.join("secrets").join(name);
            std::fs::create_dir_all(data.join("secrets"))
                .and_then(|()| std::fs::write(&file, value))
                .with_context(|| format!("failed to write {}", file.display()))?;
            Ok(file)
        };
        let targets = json!({
            "ops-dingtalk": { "dingtalk": {
                "webhook_url_file": secret("dingtalk_url", &dingtalk.webhook_url())?,
                "secret_file": secret("dingtalk_secret", dingtalk.secret())?,
            } },
            "ops-wecom": { "wecom": { "webhook_url_file": secret("wecom_url", &wecom.webhook_url())? } },
            "ops-mail": { "email": {
                "smarthost": mail.smarthost(),
                "tls": mail.tls(),
                "ca_file": mail.authority(),
                "from": "alerts@example.com",
                "to": ["ops@example.com"],
                "auth_username": USER,
                "auth_password_file": secret("smtp_password", PASSWORD)?,
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
        })
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
