//! Agents (A2A) and tool servers (MCP) by the examples of the DSL reference.

use super::*;

/// An agent and a tool server that answer with what they were sent.
async fn rpc(request: HttpRequest, body: web::Json<Value>) -> HttpResponse {
    let (id, params) = (body["id"].clone(), body["params"].clone());
    let answer = |result: Value| json!({ "jsonrpc": "2.0", "id": id, "result": result });
    let header = |name: &str| request.headers().get(name).and_then(|it| it.to_str().ok()).map(str::to_owned);
    match body["method"].as_str().unwrap_or_default() {
        "message/send" => HttpResponse::Ok().json(answer(json!({ "sent": params, "by": header("authorization") }))),
        "message/stream" => {
            let events = [json!({ "n": 1 }), json!({ "n": 2 })].map(|it| format!("data: {}\n\n", answer(it)));
            HttpResponse::Ok().content_type("text/event-stream").body(events.concat())
        }
        "initialize" => {
            let result =
                json!({ "protocolVersion": "2025-03-26", "capabilities": {}, "serverInfo": params["clientInfo"] });
            HttpResponse::Ok().insert_header(("Mcp-Session-Id", "s1")).json(answer(result))
        }
        "notifications/initialized" if header("mcp-session-id").is_some() => HttpResponse::Accepted().finish(),
        "tools/call" if header("mcp-session-id").as_deref() == Some("s1") => {
            let result =
                json!({ "content": params, "version": header("mcp-protocol-version"), "key": header("x-key") });
            let noise = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": {} });
            let events = format!("event: message\ndata: {noise}\n\ndata: {}\n\n", answer(result));
            HttpResponse::Ok().content_type("text/event-stream").body(events)
        }
        _ => HttpResponse::Ok().json(json!({
            "jsonrpc": "2.0", "id": id, "error": { "code": -32601, "message": "Method not found" },
        })),
    }
}

async fn card() -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "name": "reporter", "url": "/grpc", "preferredTransport": "GRPC",
        "additionalInterfaces": [{ "url": "/rpc", "transport": "JSONRPC" }],
    }))
}

fn start() -> String {
    let server = HttpServer::new(|| {
        App::new().route("/rpc", web::post().to(rpc)).route("/.well-known/agent-card.json", web::get().to(card))
    });
    let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
    let port = server.addrs()[0].port();
    actix_web::rt::spawn(server.run());
    format!("http://127.0.0.1:{port}")
}

/// "On success the output is the JSON-RPC result"; "runtimes must default `message.messageId` to a uuid and `message.role` to
/// `user`"; "for `message/stream` and `tasks/resubscribe` methods the output is a sequentially ordered array of all the result
/// objects"; "on failure runtimes must raise an error with type runtime".
#[actix_web::test]
async fn an_agent_is_called_by_its_card_or_its_address() {
    let (site, outside) = (start(), outside());
    let message = json!({ "message": { "parts": [{ "kind": "text", "text": "Generate the Q1 sales report." }] } });
    let by_card = json!({
        "method": "message/send", "parameters": message,
        "agentCard": { "uri": format!("{site}/.well-known/agent-card.json"), "authentication": { "bearer": { "token": "t" } } },
    });
    let one = made(&outside, &call(Outward::A2a, by_card.clone())).await.unwrap();
    assert_eq!((&one["sent"]["message"]["role"], &one["by"]), (&json!("user"), &json!("Bearer t")), "{one}");
    let id = one["sent"]["message"]["messageId"].as_str().unwrap();
    assert!(uuid::Uuid::parse_str(id).is_ok(), "{id}");
    assert_eq!(made(&outside, &call(Outward::A2a, by_card)).await.unwrap(), one, "the same message has the same id");

    let by_address = |method: &str| {
        call(
            Outward::A2a,
            json!({ "method": method, "parameters": message, "server": { "uri": format!("{site}/rpc") } }),
        )
    };
    let streamed = made(&outside, &by_address("message/stream")).await.unwrap();
    assert_eq!(streamed, json!([{ "n": 1 }, { "n": 2 }]));
    let fault = made(&outside, &by_address("tasks/get")).await.unwrap_err();
    assert!(fault.kind.ends_with("/runtime") && fault.status == 500, "{fault:?}");
    assert!(fault.detail.as_deref().unwrap_or_default().contains("Method not found"), "{fault:?}");
}

/// "Before making any MCP requests, runtimes **must** first send an `initialize` call to establish the connection"; "on success
/// the output of the call is the JSON-RPC result".
#[actix_web::test]
async fn a_tool_server_is_spoken_to_in_a_session() {
    let (site, outside) = (start(), outside());
    let arguments = |method: &str| {
        json!({
            "method": method, "parameters": { "name": "add" }, "endpoint": { "uri": format!("{site}/rpc") },
            "headers": { "X-Key": "k" }, "timeout": { "seconds": 10 },
        })
    };
    let output = made(&outside, &call(Outward::Mcp, arguments("tools/call"))).await.unwrap();
    assert_eq!(output, json!({ "content": { "name": "add" }, "version": "2025-03-26", "key": "k" }));
    let fault = made(&outside, &call(Outward::Mcp, arguments("tools/list"))).await.unwrap_err();
    assert!(fault.kind.ends_with("/runtime"), "{fault:?}");
}
