//! What a killed process knew, the next one knows: from the database, without asking a model.

use orrery_errors::ErrorCode;

use crate::calls::HOME;
use crate::system::{System, question};

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_the_index_and_embeds_nothing_again() {
    let mut system = System::start().await;
    system.ingest("home.md", HOME, &["adjuster"]).await.unwrap();
    let before = system.search(question("burst pipes", &["adjuster"])).await.unwrap();
    let embedded = system.texts_embedded();
    system.restart().await;
    assert_eq!(system.texts_embedded(), embedded);
    let after = system.search(question("burst pipes", &["adjuster"])).await.unwrap();
    assert_eq!(after, before);
    assert_eq!(system.texts_embedded(), embedded + 1, "only the query");
    assert!(system.search(question("burst pipes", &[])).await.unwrap().hits.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_of_different_models_are_never_compared() {
    let mut system = System::start().await;
    system.ingest("home.md", HOME, &[]).await.unwrap();
    system.change_model("others").await;
    let refused = system.search(question("storm", &[])).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::FailedPrecondition, "{refused}");
    assert!(refused.message.contains("home.md") && refused.message.contains("others"), "{refused}");
}
