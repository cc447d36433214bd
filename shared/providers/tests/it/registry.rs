//! Entries that cannot be set up are refused with the fault and the remedy.

use crate::contract::made;

#[tokio::test]
async fn what_is_wrong_with_an_entry_is_said() {
    let cases = [
        ("openai", None, vec![], "needs a base_url"),
        ("opnai", Some("http://127.0.0.1:1"), vec![], "there is no kind \"opnai\""),
        ("openai", Some("http://127.0.0.1:1"), vec![("max_tokens", "many")], "max_tokens"),
        ("openai", Some("http://127.0.0.1:1"), vec![("embedings", "float")], "no option \"embedings\""),
        ("azure", Some("http://127.0.0.1:1"), vec![], "api_version is missing"),
        ("azure", Some("http://127.0.0.1:1"), vec![("api_version", "1&x=y")], "use one like"),
        ("mistral", None, vec![("safe_prompt", "maybe")], "use yes or no"),
        ("local", None, vec![], "location \"local\""),
    ];
    for (kind, base_url, options, expected) in cases {
        let error = made(kind, base_url, &options).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{kind}: {error}");
    }
}
