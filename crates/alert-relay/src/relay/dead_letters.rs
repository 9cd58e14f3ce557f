//! Dead letters, sent again or given up for somebody.

use crate::operation::audit_trail::{Action, Who};
use crate::operation::dead_letters::{Selection, Settled, Treatment};
use crate::outbox::StoreError;
use crate::relay::Relay;

impl Relay {
    /// Sends dead letters again.
    pub(crate) async fn retry(&self, who: &Who, selection: &Selection) -> Result<Settled, StoreError> {
        let settings = self.settings();
        let names = settings.targets.values().flat_map(|target| {
            [Some(&target.name), target.was.as_ref()].into_iter().flatten().map(|name| (name, &target.name))
        });
        let targets = names.map(|(name, now)| (name.clone(), now.clone())).collect();
        self.treat(who, Action::Retry, selection, Treatment::Retry { targets }).await
    }

    /// Gives dead letters up: nothing more is to be done about them.
    pub(crate) async fn give_up(&self, who: &Who, selection: &Selection) -> Result<Settled, StoreError> {
        self.treat(who, Action::GiveUp, selection, Treatment::GiveUp).await
    }

    async fn treat(
        &self,
        who: &Who,
        action: Action,
        selection: &Selection,
        treatment: Treatment,
    ) -> Result<Settled, StoreError> {
        let treated = self.outbox().treat(selection, treatment).await;
        let (is_done, result) = match &treated {
            Ok(settled) => (true, settled.to_string()),
            Err(error) => (false, error.to_string()),
        };
        self.note(who, action, selection.to_string(), is_done, result).await;
        treated
    }
}
