//! A list of deliveries as text for a terminal (pure).

use std::fmt::Write as _;

use jiff::tz::TimeZone;

use crate::clock::Millis;
use crate::operation::deliveries::{DeliveryPage, DeliverySummary, HandSettled};
use crate::render::clean;

/// Characters of a text from outside that are shown.
const SHOWN: usize = 200;

/// A line for each delivery, newest first, and what is not shown.
pub(super) fn of(page: &DeliveryPage, zone: &TimeZone) -> String {
    let mut text = String::new();
    let time =
        |at: Millis| at.timestamp().to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string();
    let mut line = |what: &str| writeln!(text, "{what}").expect("a String takes every write");
    for delivery in &page.deliveries {
        line(&format!("{}  {}", time(delivery.accepted_at), described(delivery, time)));
    }
    if page.deliveries.is_empty() {
        line("no such delivery");
    }
    if let Some(back_to) = page.looked_back_to {
        line(&format!("the text was looked for back to {}", time(back_to)));
    }
    if let Some(next) = &page.next {
        line(&format!("there are older ones (hint: --after {next})"));
    }
    text
}

fn described(delivery: &DeliverySummary, time: impl Fn(Millis) -> String) -> String {
    let DeliverySummary { id, target, state, .. } = delivery;
    let alerts = delivery.alerts.as_deref().unwrap_or("alerts that an older version stored");
    let urgent = if delivery.is_urgent { ", critical" } else { "" };
    let mut more = Vec::new();
    more.extend(delivery.reason.as_deref().filter(|reason| *reason != state.as_str()).map(clean));
    more.extend(delivery.next_try.map(|at| format!("not tried before {}", time(at))));
    if delivery.attempts > 0 {
        more.push(format!("{} attempts", delivery.attempts));
    }
    more.extend(delivery.via.as_ref().filter(|via| *via != target).map(|via| format!("by {via}")));
    more.extend(delivery.settled.map(|settled| {
        match settled {
            HandSettled::Retried => "sent again by hand",
            HandSettled::GivenUp => "given up by hand",
        }
        .to_owned()
    }));
    more.extend(delivery.sent_with.as_ref().map(|with| format!("with {with}")));
    let more = if more.is_empty() { String::new() } else { format!(" ({})", more.join("; ")) };
    format!("{id}  {} to {target}: {}{urgent}{more}", state.as_str(), clean(alerts))
}

/// A text from outside on one line, without what a terminal would obey.
fn clean(text: &str) -> String {
    clean::line(text, SHOWN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::PublicId;
    use crate::operation::deliveries::{DeliveryState, Place};

    fn summary(number: i64, state: DeliveryState, reason: &str) -> DeliverySummary {
        DeliverySummary {
            id: PublicId::new(&"4f2a91".into(), number),
            target: "chat".to_owned(),
            accepted_at: Millis(3_600_000 * number),
            receiver: "ops".to_owned(),
            group: "00ff".to_owned(),
            group_key: "{}:{}".to_owned(),
            alerts: Some("DiskFull, Gpu\u{1b}[31mHot +2".to_owned()),
            is_urgent: false,
            state,
            attempts: 0,
            via: None,
            next_try: None,
            ended_at: None,
            reason: Some(reason.to_owned()).filter(|reason| !reason.is_empty()),
            sent_with: None,
            settled: None,
        }
    }

    #[test]
    fn each_delivery_is_a_line_and_what_is_not_shown_is_said() {
        let page = DeliveryPage {
            deliveries: vec![
                DeliverySummary {
                    is_urgent: true,
                    attempts: 3,
                    next_try: Some(Millis(7_200_000)),
                    ..summary(5, DeliveryState::Pending, "")
                },
                summary(4, DeliveryState::Delivered, "delivered"),
                DeliverySummary {
                    via: Some("mail".to_owned()),
                    settled: Some(HandSettled::Retried),
                    sent_with: Some(PublicId::new(&"4f2a91".into(), 9)),
                    ..summary(3, DeliveryState::Dead, "refused\nby all")
                },
                DeliverySummary {
                    alerts: None,
                    ..summary(2, DeliveryState::Suppressed, "nothing new to tell")
                },
            ],
            next: Some(Place { at: Millis(7_200_000), number: 2 }),
            looked_back_to: Some(Millis(0)),
        };
        let pages = [of(&page, &TimeZone::UTC), of(&DeliveryPage::default(), &TimeZone::UTC)];
        insta::assert_snapshot!(pages.join("\n"));
    }
}
