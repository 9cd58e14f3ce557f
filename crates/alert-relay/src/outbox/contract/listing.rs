//! Lists of deliveries: what a filter finds, and pages.

use std::time::Duration;

use crate::clock::Millis;
use crate::delivery::{Accepted, End};
use crate::notification::LabelSet;
use crate::operation::deliveries::{DeliveryFilter, DeliveryPage, DeliveryState, PageRequest};
use crate::outbox::contract::on_every_store;
use crate::outbox::testing::{Stage, accepted, firing};

async fn list(stage: &Stage, filter: &DeliveryFilter) -> Vec<i64> {
    numbers(&stage.outbox.deliveries(filter, &PageRequest::default()).await.unwrap())
}

fn numbers(page: &DeliveryPage) -> Vec<i64> {
    page.deliveries.iter().map(|delivery| delivery.id.number()).collect()
}

fn about(group: &str, alert: &str, labels: &[(&str, &str)], summary: &str, targets: &[&str]) -> Accepted {
    let mut firing = firing(alert, 10);
    firing.labels.extend(labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    firing.annotations = LabelSet::from([("summary".to_owned(), summary.to_owned())]);
    accepted(group, vec![firing], targets)
}

#[tokio::test]
async fn the_newest_come_first_and_every_part_of_a_filter_counts() {
    on_every_store(async |stage| {
        let start = stage.clock.now();
        stage.outbox.accept(about("disk", "DiskFull", &[], "", &["chat", "mail"])).await.unwrap();
        stage.clock.advance(Duration::from_mins(1));
        stage
            .outbox
            .accept(about("gpu", "GpuHot", &[("severity", "critical")], "", &["chat"]))
            .await
            .unwrap();
        let claim = stage.claim_only("mail").await.unwrap();
        stage.settle(&claim, End::Delivered, vec![]).await;

        let all = stage.outbox.deliveries(&DeliveryFilter::default(), &PageRequest::default()).await.unwrap();
        assert_eq!((numbers(&all), all.next, all.looked_back_to), (vec![3, 2, 1], None, None));
        let (gpu, mail) = (&all.deliveries[0], &all.deliveries[1]);
        assert_eq!(
            (gpu.alerts.as_deref(), gpu.is_urgent, gpu.state),
            (Some("GpuHot"), true, DeliveryState::Pending)
        );
        assert_eq!((gpu.receiver.as_str(), gpu.group_key.as_str(), gpu.next_try), ("ops", "gpu", None));
        assert_eq!((mail.state, mail.reason.as_deref()), (DeliveryState::Delivered, Some("test")));
        assert_eq!((mail.accepted_at, mail.ended_at), (start, Some(stage.clock.now())));

        let filter = DeliveryFilter::default;
        let later = start.plus(Duration::from_secs(1));
        for (filter, expected) in [
            (DeliveryFilter { target: Some("chat".to_owned()), ..filter() }, vec![3, 1]),
            (DeliveryFilter { target: Some("nobody".to_owned()), ..filter() }, vec![]),
            (DeliveryFilter { group: Some(gpu.group.clone()), ..filter() }, vec![3]),
            (DeliveryFilter { state: Some(DeliveryState::Pending), ..filter() }, vec![3, 1]),
            (DeliveryFilter { state: Some(DeliveryState::Delivered), ..filter() }, vec![2]),
            (DeliveryFilter { state: Some(DeliveryState::Dead), ..filter() }, vec![]),
            (DeliveryFilter { from: Some(later), ..filter() }, vec![3]),
            (DeliveryFilter { until: Some(later), ..filter() }, vec![2, 1]),
            (DeliveryFilter { from: Some(start), until: Some(start), ..filter() }, vec![]),
            (
                DeliveryFilter {
                    target: Some("chat".to_owned()),
                    until: Some(later),
                    state: Some(DeliveryState::Pending),
                    text: Some("diskfull".to_owned()),
                    ..filter()
                },
                vec![1],
            ),
        ] {
            assert_eq!(list(&stage, &filter).await, expected, "{filter}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_text_is_found_in_names_labels_and_annotations_and_means_only_itself() {
    on_every_store(async |stage| {
        let labels = [("instance", "GPU-7"), ("team", "平台")];
        stage.outbox.accept(about("one", "GpuHot", &labels, "90 % of the limit", &["chat"])).await.unwrap();
        stage.outbox.accept(about("two", "DiskFull", &[], "100 of 100", &["chat"])).await.unwrap();
        for (text, expected) in [
            ("gpuhot", vec![1]),
            ("GPU-7", vec![1]),
            ("instance=gpu", vec![1]),
            ("平台", vec![1]),
            ("90 %", vec![1]),
            ("of", vec![2, 1]),
            ("%", vec![1]),
            ("_", vec![]),
            ("!", vec![]),
            ("'", vec![]),
        ] {
            let filter = DeliveryFilter { text: Some(text.to_owned()), ..DeliveryFilter::default() };
            assert_eq!(list(&stage, &filter).await, expected, "{text}");
        }
    })
    .await;
}

#[tokio::test]
async fn pages_follow_each_other_whatever_comes_or_goes() {
    on_every_store(async |stage| {
        for number in 0..7 {
            stage
                .outbox
                .accept(accepted(&number.to_string(), vec![firing("a", 10)], &["chat"]))
                .await
                .unwrap();
            if number == 3 {
                // What comes later may be older by a clock that was set back.
                stage.clock.set_back(Duration::from_secs(5));
            }
        }
        let filter = DeliveryFilter::default();
        let whole = list(&stage, &filter).await;
        assert_eq!(whole, [4, 3, 2, 1, 7, 6, 5]);
        let mut request = PageRequest { limit: 3, ..PageRequest::default() };
        let first = stage.outbox.deliveries(&filter, &request).await.unwrap();
        stage.clock.advance(Duration::from_mins(1));
        stage.outbox.accept(accepted("newer", vec![firing("a", 10)], &["chat"])).await.unwrap();
        let mut found = numbers(&first);
        request.after = first.next;
        while request.after.is_some() {
            let page = stage.outbox.deliveries(&filter, &request).await.unwrap();
            found.extend(numbers(&page));
            request.after = page.next;
        }
        assert_eq!(found, whole);
    })
    .await;
}

#[tokio::test]
async fn a_search_that_stops_says_how_far_it_has_looked_and_goes_on_from_there() {
    on_every_store(async |stage| {
        let mut times: Vec<Millis> = Vec::new();
        for name in ["Wanted", "Other", "Other", "Wanted", "Other"] {
            stage.clock.advance(Duration::from_secs(1));
            times.push(stage.clock.now());
            stage.outbox.accept(about(&times.len().to_string(), name, &[], "", &["chat"])).await.unwrap();
        }
        let filter = DeliveryFilter { text: Some("wanted".to_owned()), ..DeliveryFilter::default() };
        let look = async |after, looks_at, limit| {
            let request = PageRequest { after, limit, looks_at };
            let page = stage.outbox.deliveries(&filter, &request).await.unwrap();
            (numbers(&page), page.looked_back_to, page.next)
        };
        let (found, looked_back_to, next) = look(None, 2, 50).await;
        assert_eq!((found, looked_back_to), (vec![4], Some(times[3])));
        let (found, looked_back_to, next) = look(next, 2, 50).await;
        assert_eq!((found, looked_back_to), (vec![], Some(times[1])));
        assert_eq!(look(next, 2, 50).await, (vec![1], None, None));
        // A page that is full ends before.
        let (found, looked_back_to, next) = look(None, 100, 1).await;
        assert_eq!((found, looked_back_to), (vec![4], None));
        assert_eq!(look(next, 100, 1).await, (vec![1], None, None));
        assert_eq!(look(None, 5, 50).await, (vec![4, 1], None, None));
    })
    .await;
}
