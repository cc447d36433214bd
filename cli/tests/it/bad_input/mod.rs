//! What clients send by mistake or on purpose, through the whole system: each ends in a typed error or with a person who
//! is told the reason, stands on the record, and leaves the rest working. The cases share one system and run at once.

mod files;
mod media;
mod packets;
mod requests;
mod runs;

use crate::live::{Live, packet};

/// Reads the attachment `file` and lets every error through.
const READ: &str = "document: {dsl: 1.0.0, namespace: test, name: read, version: 1.0.0}
do:
  - it: {call: orrery.read, with: {attachment: file, data_classes: [personal]}}
output: {as: '${ {text, media_type, warnings} }'}
";
/// Does next to nothing.
const HELLO: &str = "document: {dsl: 1.0.0, namespace: test, name: hello, version: 1.0.0}
do:
  - greet: {set: {hello: world}}
";

#[actix_rt::test]
async fn bad_input_ends_in_typed_errors_or_with_a_person_and_the_rest_goes_on() {
    let live = Live::start().await;
    live.deploy(READ, &live.admin).await;
    live.deploy(HELLO, &live.admin).await;
    live.deploy_claims().await;
    futures::join!(
        files::are_refused_by_what_they_are(&live),
        files::without_a_label_are_read_by_what_they_are(&live),
        requests::are_refused_with_the_reason(&live),
        requests::sent_twice_start_one_task(&live),
        requests::of_another_tenant_find_nothing(&live),
        requests::that_are_too_large_cost_no_memory(&live),
        requests::that_break_off_leave_nothing(&live),
        runs::without_an_end_are_stopped(&live),
        runs::past_their_deadline_are_stopped(&live),
        runs::beyond_the_budget_are_refused(&live),
        packets::that_cannot_be_read_go_to_a_person(&live),
        packets::in_another_layout_go_on(&live),
    );
    runs::of_a_long_recording_hold_nobody_up(&live).await;
    requests::in_vain_are_on_the_record(&live).await;

    // All of it behind it, the system does its work.
    let task = live.submit("intake", packet("C002")).await;
    let task = live.settled(&task, &live.admin).await;
    assert!(matches!(task["status"].as_str(), Some("completed" | "waiting")), "{task}");
    for name in ["nats", "redis", "audit", "inference", "router", "retrieval", "kernel", "gateway"] {
        let process = crate::command::process_state(live.data.path(), name);
        assert_eq!((process["state"].as_str(), process["restarts"].as_i64()), (Some("running"), Some(0)), "{process}");
    }
}
