//! Calls that leave the platform, functions, authentications and secrets, by the specification's own text and examples.

use serde_json::{Value, json};

use super::harness::Bench;
use crate::domain::definition::{self, Outward, Target};
use crate::domain::effect::Call;
use crate::domain::fault::{Fault, Standard};
use crate::domain::state::Activity;

fn only_call(bench: &Bench) -> Call {
    let mut calls = bench.calls();
    assert_eq!(calls.len(), 1, "{:?}", bench.state.active());
    calls.remove(0)
}

fn problems(body: &str) -> String {
    let text = format!("document: {{dsl: 1.0.3, namespace: test, name: sample, version: 1.0.0}}\n{body}");
    definition::parse(&text).map(|_| String::new()).unwrap_or_else(|problems| problems.to_string())
}

/// DSL reference, "HTTP Call" and "URI Template"; CTK, "Call HTTP With Content Output".
#[test]
fn an_http_call_goes_to_the_expanded_endpoint_and_gives_its_content() {
    let body = "do:\n  - findPet:\n      call: http\n      with:\n        method: get\n        endpoint:\n          \
                uri: https://petstore.swagger.io/v2/pet/findByStatus?status={status}\n      output:\n        as: .[0]\n";
    let mut bench = Bench::run(body, json!({ "status": "available now" }));
    let call = only_call(&bench);
    assert_eq!(call.function, Target::Outward(Outward::Http));
    let uri = "https://petstore.swagger.io/v2/pet/findByStatus?status=available%20now";
    assert_eq!(call.arguments, json!({ "method": "get", "endpoint": { "uri": uri } }));
    bench.answer(json!([{ "id": 1, "name": "milou" }])).unwrap();
    assert_eq!(bench.output(), json!({ "id": 1, "name": "milou" }));
    // The record names the function and nothing of where it went.
    let record = serde_json::to_string(&bench.events).unwrap();
    assert!(record.contains("\"function\":\"http\""), "{record}");
}

/// Examples `call-http-endpoint-interpolation`, `-shorthand` and `call-http-query-headers-expressions`.
#[test]
fn endpoints_headers_and_queries_take_expressions() {
    let body = "do:\n  - a:\n      call: http\n      with:\n        method: post\n        \
                endpoint: ${ \"https://x.example/pet/\\(.petId)\" }\n        headers: ${ .headers }\n        \
                query: {search: \"${ .q }\"}\n        body: {pet: \"${ .petId }\", list: [1, \"${ .q }\"]}\n        output: response\n        redirect: true\n";
    let bench = Bench::run(body, json!({ "petId": 7, "headers": { "Accept": "text/plain" }, "q": "r2" }));
    let expected = json!({
        "method": "post", "endpoint": { "uri": "https://x.example/pet/7" }, "headers": { "Accept": "text/plain" },
        "query": { "search": "r2" }, "body": { "pet": 7, "list": [1, "r2"] }, "output": "response", "redirect": true,
    });
    assert_eq!(only_call(&bench).arguments, expected);
    // What an expression gives is a URI and no template: an input cannot reach for other properties.
    let body = "do:\n  - a: {call: http, with: {method: get, endpoint: \"${ .u }\"}}\n";
    let bench = Bench::run(body, json!({ "u": "https://x.example/{petId}", "petId": 7 }));
    assert_eq!(only_call(&bench).arguments["endpoint"], json!({ "uri": "https://x.example/{petId}" }));
    let sly = json!({ "uri": "https://x.example/", "authentication": { "basic": { "use": "any" } } });
    let bench = Bench::run(body, json!({ "u": sly.clone() }));
    assert_eq!(
        only_call(&bench).arguments["endpoint"],
        json!({ "uri": sly }),
        "the provider refuses a URI that is no text"
    );
}

/// "If the variable is of a different type an error with type expression and status 400 will be raised."
#[test]
fn a_uri_variable_that_is_no_scalar_is_an_expression_error() {
    let body = "do:\n  - a: {call: http, with: {method: get, endpoint: \"https://x.example/{pet}\"}}\n";
    let bench = Bench::run(body, json!({ "pet": { "id": 1 } }));
    let fault = bench.fault();
    assert_eq!((fault.status, fault.instance.as_deref()), (400, Some("/do/0/a")));
    assert_eq!(fault.kind, "https://serverlessworkflow.io/spec/1.0.0/errors/expression");
    assert_eq!(only_call(&Bench::run(body, json!({}))).arguments["endpoint"]["uri"], "https://x.example/");
}

/// DSL, "Interoperability": "Runtimes must raise an error with type communication if and when a problem occurs during a
/// call", which a `try` can catch by its status (example `try-catch`).
#[test]
fn a_communication_error_is_caught_by_its_status() {
    let body = "do:\n  - a:\n      try:\n        - b: {call: http, with: {method: get, endpoint: \"https://x.example/\"}}\n      \
                catch:\n        errors:\n          with: {type: https://serverlessworkflow.io/spec/1.0.0/errors/communication, status: 503}\n        \
                as: e\n        do:\n          - c: {set: {status: \"${ $e.status }\", at: \"${ $e.instance }\"}}\n";
    let refused = |status| Fault::new(Standard::Communication, "away").with_status(status);
    let mut bench = Bench::run(body, json!({}));
    bench.refuse(refused(503)).unwrap();
    assert_eq!(bench.output(), json!({ "status": 503, "at": "/do/0/a/try/0/b" }));
    let mut bench = Bench::run(body, json!({}));
    bench.refuse(refused(404)).unwrap();
    assert_eq!((bench.fault().status, bench.fault().instance.as_deref()), (404, Some("/do/0/a/try/0/b")));
}

/// Example `call-custom-function-inline`.
#[test]
fn a_function_gets_its_arguments_as_input() {
    let body = "use:\n  functions:\n    getPetById:\n      input:\n        schema:\n          document:\n            \
                {type: object, properties: {petId: {type: integer}}, required: [petId]}\n      call: http\n      with:\n        \
                method: get\n        endpoint: https://petstore.swagger.io/v2/pet/{petId}\n\
                do:\n  - getPet:\n      call: getPetById\n      with: {petId: ID}\n      output: {as: .name}\n";
    let mut bench = Bench::run(&body.replace("ID", "69"), json!({ "other": 1 }));
    assert_eq!(only_call(&bench).arguments["endpoint"]["uri"], "https://petstore.swagger.io/v2/pet/69");
    assert_eq!(&*only_call(&bench).pointer, "/use/functions/getPetById");
    bench.answer(json!({ "name": "milou" })).unwrap();
    assert_eq!(bench.output(), json!("milou"));
    let bench = Bench::run(&body.replace("ID", "\"x\""), json!({}));
    assert!(bench.fault().kind.ends_with("/validation"), "{:?}", bench.fault());
}

#[test]
fn functions_may_be_any_task_call_each_other_and_run_side_by_side() {
    let body = "use:\n  functions:\n    twice: {set: {n: \"${ .n * 2 }\"}}\n    four:\n      do:\n        - a: {call: twice}\n        - b: {call: twice}\n\
                do:\n  - all:\n      fork:\n        branches:\n          - x: {call: four, with: {n: 1}}\n          - y: {call: four, with: {n: \"${ .n }\"}}\n";
    assert_eq!(Bench::run(body, json!({ "n": 10 })).output(), json!([{ "n": 4 }, { "n": 40 }]));
}

#[test]
fn functions_that_cannot_work_are_refused() {
    for (body, reason) in [
        ("use: {functions: {a: {call: b}, b: {do: [{c: {call: a}}]}}}\ndo: []\n", "would call itself"),
        ("use: {functions: {a: {call: a}}}\ndo: []\n", "would call itself"),
        ("use: {functions: {orrery.read: {set: {x: 1}}}}\ndo: []\n", "is a function already"),
        ("use: {functions: {a: {set: {x: \"${ $item }\"}}}}\ndo: []\n", "undefined variable $item"),
        ("do: [{a: {call: nothing}}]\n", "unknown function \"nothing\""),
        ("do: [{a: {call: \"log:1.0.0@global\"}}]\n", "lies elsewhere"),
        (
            "do: [{a: {call: grpc, with: {proto: {endpoint: \"https://x.example\"}, service: {name: n, host: h}, method: m}}}]\n",
            "gRPC",
        ),
    ] {
        assert!(problems(body).contains(reason), "{body}: {}", problems(body));
    }
}

/// Examples `authentication-reusable`, `authentication-oauth2` and `authentication-oauth2-secret`.
#[test]
fn authentications_are_named_or_inline_and_evaluated_with_the_call() {
    let named = "use:\n  authentications:\n    petStoreAuth:\n      bearer: {token: \"${ .token }\"}\n\
                 do:\n  - getPet:\n      call: http\n      with:\n        method: get\n        endpoint:\n          \
                 uri: https://petstore.swagger.io/v2/pet/{petId}\n          authentication: {use: petStoreAuth}\n";
    let bench = Bench::run(named, json!({ "petId": 1, "token": "abc" }));
    assert_eq!(only_call(&bench).arguments["endpoint"]["authentication"], json!({ "bearer": { "token": "abc" } }));
    let secret = "use:\n  secrets: [mySecret]\ndo:\n  - getPet:\n      call: http\n      with:\n        method: get\n        endpoint:\n          \
                  uri: https://petstore.swagger.io/v2/pet/{petId}\n          authentication: {oauth2: {use: mySecret}}\n";
    let call = only_call(&Bench::run(secret, json!({ "petId": 1 })));
    assert_eq!(call.sealed.secrets, ["mySecret"]);
    assert_eq!(call.arguments["endpoint"]["authentication"], json!({ "oauth2": { "use": "mySecret" } }));
}

fn with_policy(policy: &str) -> String {
    format!(
        "do: [{{a: {{call: http, with: {{method: get, endpoint: {{uri: \"https://x.example\", authentication: {policy}}}}}}}}}]\n"
    )
}

#[test]
fn authentications_that_cannot_work_are_refused() {
    for (policy, reason) in [
        ("{use: missing}", "`use.authentications` holds no \"missing\""),
        ("{basic: {use: missing}}", "`use.secrets` holds no \"missing\""),
        (
            "{oauth2: {authority: \"https://a.example\", grant: authorization_code, client: {id: x, secret: y}}}",
            "a person at a browser",
        ),
        (
            "{oauth2: {authority: \"https://a.example\", grant: client_credentials, client: {id: x}}}",
            "need `client.secret`",
        ),
        (
            "{oauth2: {authority: \"https://a.example\", grant: password, client: {id: x, secret: y}}}",
            "need `username`",
        ),
        (
            "{oauth2: {authority: \"https://{\", grant: client_credentials, client: {id: x, secret: y}}}",
            "without its `}`",
        ),
        ("{oidc: {grant: client_credentials, client: {authentication: none}}}", "needs `authority`"),
    ] {
        let found = problems(&with_policy(policy));
        assert!(found.contains(reason), "{policy}: {found}");
    }
}

/// DSL, "Secret", and the warning that `$secrets` may bleed: no value of a secret is ever in the domain.
#[test]
fn expressions_on_secrets_leave_the_domain_unevaluated() {
    let body = "use: {secrets: [apiKey]}\n\
                do:\n  - a:\n      set: {id: 7}\n  - b:\n      call: http\n      with:\n        method: get\n        \
                endpoint: https://x.example/{id}\n        headers:\n          X-Id: ${ .id | tostring }\n          \
                Authorization: ${ \"Key \" + $secrets.apiKey + \"-\" + (.id | tostring) + $context.c }\n";
    let bench = Bench::run(body, json!({}));
    let call = only_call(&bench);
    assert_eq!(call.arguments["headers"], json!({ "X-Id": "7", "Authorization": Value::Null }));
    assert_eq!(call.sealed.secrets, ["apiKey"]);
    let [expression] = call.sealed.expressions.as_slice() else { panic!("{:?}", call.sealed) };
    assert_eq!((expression.at.as_str(), &expression.input), ("/headers/Authorization", &json!({ "id": 7 })));
    assert_eq!(expression.open(&json!({ "apiKey": "k" }), &Value::Null), Ok(json!("Key k-7")));
    let kept = bench
        .state
        .frames
        .values()
        .any(|it| matches!(&it.activity, Activity::Call { sealed, .. } if *sealed == call.sealed));
    assert!(kept, "a recovered call opens the same secrets");
}

#[test]
fn secrets_out_of_their_place_are_refused() {
    for (body, reason) in [
        ("use: {secrets: [s]}\ndo: [{a: {set: {x: \"${ $secrets.s }\"}}}]\n", "known only in the arguments"),
        (
            "use: {secrets: [s]}\ndo: [{a: {input: {from: \"${ $secrets.s }\"}, set: {x: 1}}}]\n",
            "known only in the arguments",
        ),
        (
            "use: {secrets: [s]}\ndo: [{a: {call: orrery.embed, with: {texts: [\"${ $secrets.s }\"]}}}]\n",
            "known only in",
        ),
        (
            "use: {secrets: [s]}\ndo: [{a: {call: http, with: {method: get, endpoint: \"${ $secrets.t }\"}}}]\n",
            "holds no \"t\"",
        ),
        ("do: [{a: {call: http, with: {method: get, endpoint: \"${ $secrets.t }\"}}}]\n", "$secrets"),
        ("use: {secrets: [../x]}\ndo: []\n", "cannot name a secret"),
    ] {
        assert!(problems(body).contains(reason), "{body}: {}", problems(body));
    }
}

/// DSL, "Runtime expression arguments": "secrets can only be used in the `input.from` runtime expression".
#[test]
fn an_input_that_rests_on_a_secret_reaches_the_arguments_and_nothing_else() {
    for from in ["'${ {id: .id, key: $secrets.apiKey} }'", "{id: '${ .id }', key: 'k-${ $secrets.apiKey }'}"] {
        let body = format!(
            "use: {{secrets: [apiKey]}}\ndo:\n  - b:\n      input: {{schema: {{document: {{required: [id]}}}}, from: {from}}}\n      call: http\n      with:\n        method: get\n        endpoint: https://x.example/{{id}}\n        headers: {{X-Key: '${{ .key }}', X-Id: 'id ${{ $input.id }}', X-Plain: plain}}\n"
        );
        let bench = Bench::run(&body, json!({ "id": 7 }));
        let call = only_call(&bench);
        assert_eq!(call.arguments["headers"], json!({ "X-Key": null, "X-Id": null, "X-Plain": "plain" }));
        let opened = |at: &str| {
            let found = call.sealed.expressions.iter().find(|it| it.at == at).unwrap();
            found.open(&json!({ "apiKey": "k" }), &Value::Null).unwrap()
        };
        assert_eq!(opened("/endpoint/uri"), json!("https://x.example/7"));
        assert_eq!(opened("/headers/X-Id"), json!("id 7"));
        assert!(["k", "k-k"].contains(&opened("/headers/X-Key").as_str().unwrap()), "{from}");
    }
}

/// DSL, "Runtime expression arguments": `$authorization` in `output.as` and `export.as`. What is a secret stays one.
#[test]
fn what_comes_after_a_call_sees_what_it_authenticated_with() {
    for (policy, expected) in [
        ("authentication: {bearer: {token: '${ .token }'}}", json!({ "scheme": "Bearer", "parameter": "abc" })),
        (
            "authentication: {basic: {username: ann, password: p}}",
            json!({ "scheme": "Basic", "parameter": "YW5uOnA=" }),
        ),
        ("authentication: {bearer: {token: '${ $secrets.s }'}}", json!({ "scheme": "Bearer", "parameter": "***" })),
        ("authentication: {basic: {use: s}}", json!({ "scheme": "Basic", "parameter": "***" })),
        ("", Value::Null),
    ] {
        let body = format!(
            "use: {{secrets: [s]}}\ndo:\n  - a:\n      call: http\n      with:\n        method: get\n        endpoint:\n          uri: https://x.example\n          {policy}\n      output: {{as: '$authorization'}}\n      export: {{as: '$authorization'}}\n  - b: {{set: {{output: '${{ . }}', context: '${{ $context }}', now: '${{ $authorization }}'}}}}\n"
        );
        let mut bench = Bench::run(&body, json!({ "token": "abc" }));
        bench.answer(json!("content")).unwrap();
        let context = if expected.is_null() { json!({}) } else { expected.clone() };
        assert_eq!(bench.output(), json!({ "output": expected, "context": context, "now": null }), "{policy}");
    }
}

/// DSL reference, examples of "A2A Call" and "MCP Transport".
#[test]
fn agents_and_tool_servers_are_called_over_http() {
    let a2a = "do:\n  - r:\n      call: a2a\n      with:\n        method: message/send\n        agentCard: {endpoint: 'https://example.com/.well-known/agent-card.json'}\n        parameters: {message: {parts: [{kind: text, text: '${ .text }'}]}}\n";
    let called = only_call(&Bench::run(a2a, json!({ "text": "Hi" })));
    assert_eq!(called.arguments["agentCard"]["uri"], "https://example.com/.well-known/agent-card.json");
    assert_eq!(called.arguments["parameters"]["message"]["parts"][0]["text"], "Hi");
    let mcp = "do:\n  - r: {call: mcp, with: {method: tools/list, transport: {http: {endpoint: 'https://{host}/mcp', headers: {k: v}}}}}\n";
    let called = only_call(&Bench::run(mcp, json!({ "host": "mcp.contoso.com" })));
    assert_eq!(called.arguments["endpoint"]["uri"], "https://mcp.contoso.com/mcp");
    for (body, reason) in [
        ("do: [{r: {call: mcp, with: {method: tools/list, transport: {stdio: {command: npx}}}}}]\n", "over HTTP"),
        (
            "do: [{r: {call: mcp, with: {method: tools/list, timeout: {seconds: -1}, transport: {http: {endpoint: 'https://x'}}}}}]\n",
            "not a duration",
        ),
        ("do: [{r: {call: a2a, with: {method: tasks/get, parameters: {id: x}}}}]\n", "needs `agentCard` or `server`"),
    ] {
        assert!(problems(body).contains(reason), "{body}: {}", problems(body));
    }
}

/// DSL reference, "Run": `echo "Hello, ${ .user.name }"` holds an expression; what the code of a script holds is the script's.
#[test]
fn a_command_holds_expressions_and_code_does_not() {
    let body = "do:\n  - a: {run: {shell: {command: 'echo \"Hello, ${ .name }\" ${HOME}'}}}\n";
    let called = only_call(&Bench::run(body, json!({ "name": "Ann" })));
    assert_eq!(called.arguments["command"], "echo \"Hello, Ann\" ${HOME}");
    let code = "console.log(`${ name } ${.5 + 1}`)";
    let body =
        format!("do:\n  - a: {{run: {{script: {{language: js, code: '{code}', arguments: ['${{ .name }}']}}}}}}\n");
    let called = only_call(&Bench::run(&body, json!({ "name": "Ann" })));
    assert_eq!((&called.arguments["code"], &called.arguments["arguments"]), (&json!(code), &json!(["Ann"])));
    let body = "do:\n  - a: {run: {script: {language: js, code: '${ .code }'}}}\n";
    assert_eq!(only_call(&Bench::run(body, json!({ "code": "1" }))).arguments["code"], "1");
}
