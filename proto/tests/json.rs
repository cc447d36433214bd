//! Messages of workers as JSON.
#![allow(clippy::unwrap_used)]

#[test]
fn what_workers_say_is_the_same_in_json() {
    use orrery_proto::v1::{CompleteWorkRequest, Work};
    let text = r#"{"key": "k", "token": "1-a", "output": {"b": [1, null], "a": 1.50}}"#;
    let request: CompleteWorkRequest = serde_json::from_str(text).unwrap();
    assert_eq!(request.output_json, r#"{"b":[1,null],"a":1.5}"#);
    assert_eq!(serde_json::from_str::<CompleteWorkRequest>(r#"{"output": null}"#).unwrap().output_json, "null");
    assert_eq!(serde_json::from_str::<CompleteWorkRequest>("{}").unwrap().output_json, "");
    assert!(serde_json::from_str::<CompleteWorkRequest>(r#"{"result": 1}"#).is_err(), "an unknown field");
    let work = Work { input_json: r#"{"x":1}"#.into(), ..Work::default() };
    let written = serde_json::to_value(&work).unwrap();
    assert_eq!(written["input"], serde_json::json!({"x": 1}));
    assert_eq!(written["heartbeat_details"], serde_json::Value::Null);
}
