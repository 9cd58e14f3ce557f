//! Lists of deliveries, for somebody who looks.

use crate::operation::deliveries::{DeliveryFilter, DeliveryPage, PageRequest};
use crate::outbox::StoreError;
use crate::relay::Relay;

impl Relay {
    /// A page of the deliveries that a filter asks for, newest first.
    pub(crate) async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        request: &PageRequest,
    ) -> Result<DeliveryPage, StoreError> {
        self.outbox().deliveries(filter, request).await
    }
}
