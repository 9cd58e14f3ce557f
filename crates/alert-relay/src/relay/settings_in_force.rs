//! The settings in force, and what a reload would change.

use crate::operation::settings_in_force::{SettingsChanges, SettingsInForce, changes};
use crate::relay::Relay;
use crate::settings::{Problem, Settings};

impl Relay {
    /// The settings in force, without their secrets.
    pub(crate) fn settings_in_force(&self) -> SettingsInForce {
        SettingsInForce::of(self.file.display().to_string(), &self.settings().shown)
    }

    /// What a reload would change now. Reads the files, and changes nothing.
    pub(crate) async fn settings_changes(&self) -> SettingsChanges {
        // One after the other: building all channels for a look is work.
        let _turn = self.looking.lock().await;
        let file = self.file.clone();
        let loaded = tokio::task::spawn_blocking(move || Settings::load(&file)).await;
        let settings = match loaded {
            Ok(Ok(settings)) => self.role.of(settings),
            Ok(Err(rejected)) => {
                let problems = rejected.problems.iter().map(Problem::whereabouts).collect();
                return SettingsChanges { problems, ..SettingsChanges::default() };
            }
            Err(panicked) => {
                let problems = vec![self.cannot_reload(&panicked).to_string()];
                return SettingsChanges { problems, ..SettingsChanges::default() };
            }
        };
        let in_force = self.settings();
        let restart = settings.needs_restart(&in_force).into_iter().map(str::to_owned).collect();
        SettingsChanges {
            problems: Vec::new(),
            losses: self.losses(&settings).await,
            changes: changes(&in_force.shown, &settings.shown),
            needs_restart: restart,
        }
    }
}
