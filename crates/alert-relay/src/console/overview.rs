//! `/`: what burns, whether it gets through, what waits.

use minijinja::context;
use minijinja::value::Value;

use crate::console::{Page, Visit, data};
use crate::operation::overview::{HealthState, HeartbeatState, Overview};

/// The page.
#[derive(Debug)]
pub(crate) struct OverviewPage<'a>(pub(crate) &'a Overview);

impl Page for OverviewPage<'_> {
    const TEMPLATE: &'static str = "overview.html";
    const MENU: &'static str = "/";

    fn values(&self, _visit: &Visit) -> Value {
        let Self(overview) = self;
        let open = overview.targets.iter().filter_map(|target| target.open.as_ref());
        let queues = overview.targets.iter().filter_map(|target| target.queue.as_ref());
        let waiting = queues.chain(overview.stranded.iter().map(|stranded| &stranded.queue));
        let healths = overview.targets.iter().filter_map(|target| target.health.as_ref());
        let troubled = healths.filter(|health| health.state != HealthState::Up).count();
        let missing =
            overview.heartbeats.iter().filter(|heartbeat| heartbeat.state == HeartbeatState::Missing);
        let unrouted = overview.unrouted.iter().filter(|alert| !alert.is_routed_now());
        context! {
            overview => data(overview),
            burning => open.map(|open| open.count).sum::<u64>(),
            troubled => overview.deliverer.is_this_relay.then_some(troubled),
            waiting => waiting.map(|queue| queue.waiting).sum::<u64>(),
            missing => missing.count(),
            unrouted => unrouted.count(),
        }
    }
}
