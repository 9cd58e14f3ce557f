//! Webhooks of a size that takes its time to read.

use super::*;

#[tokio::test]
async fn a_large_claim_is_read_away_from_the_threads_that_answer_requests() {
    let scene = Scene::new().await;
    // All tasks of this test's runtime are run by its thread.
    let here = std::thread::current().id();
    let mut small = firing("a", 10);
    small.annotations.insert("description".to_owned(), "x".repeat(1_000));
    scene.accept("small", vec![small]).await;
    scene.settled().await;
    assert_eq!(scene.readers(), [here]);
    let mut large = firing("b", 10);
    large.annotations.insert("description".to_owned(), "x".repeat(1_000_000));
    scene.accept("large", vec![large]).await;
    scene.ends(&[(End::Delivered, 2)]).await;
    assert_eq!(scene.readers().len(), 2);
    assert_ne!(scene.readers()[1], here);
}
