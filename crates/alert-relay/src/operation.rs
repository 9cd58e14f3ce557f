//! What an operator is shown and may do: plain values, the same for pages, the JSON API, MCP and commands.
//!
//! Owns the values and their names in JSON (as the fields are called here; times are RFC 3339 in UTC, spans are seconds), the filters that
//! people give, and what can be made of other values alone. Leaves out where they come from: the [`relay`](crate::relay) puts them together
//! from its `outbox`, its deliverer and its settings, and whoever asks for a change says who they are ([`Who`](audit_trail::Who)), which
//! goes into the audit trail.
//!
//! How they are had, of `Relay`:
//!
//! - `overview().await -> Overview`
//! - `deliveries(&DeliveryFilter, &PageRequest).await -> Result<DeliveryPage, StoreError>`; a filter and a page are read from what
//!   somebody gives by [`DeliveryFilter::read`](deliveries::DeliveryFilter)
//! - `delivery_story(&PublicId).await -> Result<Option<DeliveryStory>, LookRefusal>`,
//!   `alert_story(&Fingerprint).await -> Result<AlertStory, LookRefusal>`
//! - `retry(&Who, &Selection).await` and `give_up(&Who, &Selection).await -> Result<Settled, StoreError>`; dead letters are listed as
//!   deliveries in the state `dead` that nobody has settled
//! - `audit_trail(before: Option<i64>, limit: u32).await -> Result<TrailPage, StoreError>`
//! - `settings_in_force() -> SettingsInForce`, `settings_changes().await -> SettingsChanges`
//! - `recent_webhooks().await -> Result<Vec<RecentWebhook>, StoreError>`,
//!   `preview(target, Wording, PreviewOf).await -> Result<MessagePreview, PreviewRefusal>`

pub(crate) mod audit_trail;
pub(crate) mod dead_letters;
pub(crate) mod deliveries;
pub(crate) mod overview;
pub(crate) mod previews;
pub(crate) mod query;
pub(crate) mod settings_in_force;
pub(crate) mod told_story;
pub(crate) mod unrouted;
