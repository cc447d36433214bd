//! `$authorization`: what a call authenticates with, in its own arguments.

use super::*;

/// "Describes the resolved authorization, as defined by the task's authentication": scheme and parameter (DSL, "Authorization
/// Descriptor").
#[actix_web::test]
async fn the_arguments_of_a_call_see_what_it_authenticates_with() {
    let (site, outside) = (Site::start().await, outside());
    let client = json!({ "id": "app", "secret": "s3cret" });
    let oauth = json!({ "authority": site.url(""), "grant": "client_credentials", "client": client });
    for (policy, expected) in [
        (json!({ "bearer": { "token": "abc" } }), "Bearer abc"),
        (json!({ "basic": { "username": "ann", "password": "p" } }), "Basic YW5uOnA="),
        (json!({ "oauth2": oauth }), "Bearer token-1"),
        (json!({ "digest": { "username": "ann", "password": "p" } }), "Digest null"),
    ] {
        let mut call = authenticated(&site.url("/echo"), &policy);
        call.arguments["headers"] = json!({ "x-seen": null });
        let seen = sealed("/headers/x-seen", "\"\\($authorization.scheme) \\($authorization.parameter)\"");
        call.sealed = Sealed { secrets: Vec::new(), expressions: vec![seen] };
        let seen = made(&outside, &call).await.unwrap();
        assert_eq!(seen["headers"]["x-seen"], expected, "{policy}");
    }
    let mut open =
        call(Outward::Http, json!({ "method": "get", "endpoint": { "uri": site.url("/echo") }, "query": {"a": 0} }));
    open.sealed = Sealed { secrets: Vec::new(), expressions: vec![sealed("/query/a", "$authorization | type")] };
    assert_eq!(made(&outside, &open).await.unwrap()["query"], "a=null");
}

#[actix_web::test]
async fn what_rests_on_a_secret_is_masked_there_too() {
    let site = Site::start().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(folder.path().join("acme")).unwrap();
    std::fs::write(folder.path().join("acme/login"), r#"{"username":"ann","password":"correct horse"}"#).unwrap();
    let outside = OutwardCalls::new(&KernelConfig::embedded(Some(folder.path().to_owned()), None)).unwrap();
    let mut call = authenticated(&site.url("/echo"), &json!({ "basic": { "use": "login" } }));
    call.arguments["headers"] = json!({ "x-seen": null });
    let expressions = vec![sealed("/headers/x-seen", "$authorization.parameter")];
    call.sealed = Sealed { secrets: vec!["login".into()], expressions };
    let seen = made(&outside, &call).await.unwrap();
    assert_eq!(seen["headers"]["x-seen"], "***", "{seen}");
}
