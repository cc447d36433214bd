//! Entries that cannot be set up are refused with the fault and the remedy.

use crate::contract::made;

#[tokio::test]
async fn what_is_wrong_with_an_entry_is_said() {
    let cases = [
        ("openai", None, vec![], "needs a base_url"),
        ("opnai", Some("http://127.0.0.1:1"), vec![], "there is no kind \"opnai\""),
        ("openai", Some("http://127.0.0.1:1"), vec![("max_tokens", "many")], "max_tokens"),
        ("local", None, vec![], "location \"local\""),
    ];
    for (kind, base_url, options, expected) in cases {
        let error = made(kind, base_url, &options).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{kind}: {error}");
    }
}
