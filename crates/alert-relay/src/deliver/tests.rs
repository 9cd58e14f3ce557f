//! The deliverer on a real store, with a clock turned by hand and channels that say what they are told to say.

use std::time::Duration;

use crate::channel::scripted::{Reply, Script, unreachable};
use crate::deliver::Pace;
use crate::deliver::context::STORE_RETRY;
use crate::deliver::testing::*;
use crate::delivery::End;
use crate::notification::Alert;
use crate::outbox::testing::{accepted, firing, resolved};
use crate::outcome::{Outcome, Reason};
use crate::settings::TargetSettings;

mod budget;
mod clock;
mod digests;
mod interruption;
mod large;
mod mails;
mod names;
mod news;
mod refusals;
mod senders;
mod size;
mod trouble;
mod unknown;

fn critical(name: &str) -> Alert {
    let mut alert = firing(name, 10);
    alert.labels.insert("severity".to_owned(), "critical".to_owned());
    alert
}

/// A chat whose fallback is `mail`, a chat too.
async fn with_fallback() -> (Scene, Script) {
    let mail = Script::chat("mail");
    let scene = Scene::with(|chat| {
        vec![
            TargetSettings { fallback: Some("mail".to_owned()), ..target("chat", chat) },
            target("mail", &mail),
        ]
    })
    .await;
    (scene, mail)
}
