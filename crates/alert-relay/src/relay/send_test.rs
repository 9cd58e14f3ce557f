//! Test messages, sent as the running relay sends.

use crate::relay::Relay;
use crate::test_report::{TestRefusal, TestReport};

impl Relay {
    /// Sends a test message to a target, within its robot's budget, and returns what came of it.
    pub(crate) async fn send_test(&self, target: &str) -> Result<TestReport, TestRefusal> {
        // The lock is not held while the message is sent: a reload and a stop must not wait for it.
        let sending = match &*self.deliverer.lock().await {
            Some(deliverer) => deliverer.send_test(target),
            None if self.parts.outbox.is_leading() => return Err(TestRefusal::Stopping),
            None => return Err(TestRefusal::Elsewhere),
        };
        sending.await
    }
}
