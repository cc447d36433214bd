//! Media in the object store are read for vendors that take bytes.

use orrery_errors::ErrorCode;
use orrery_proto::v1::{BlobRef, ChatInput, ChatMessage, ContentPart, Media, content_part, model_input};
use orrery_standins::http::{Script, Server, Vendor};
use orrery_standins::{anthropic, bedrock, cohere, gemini};
use orrery_testkit::NatsServer;
use orrery_types::TenantId;

use crate::contract::{LONG, made_on, order};
use crate::vendor::{message, plain};

fn asking_about(blob: BlobRef) -> model_input::Kind {
    let media = Media { blob: Some(blob), ..Media::default() };
    let parts = vec![ContentPart { kind: Some(content_part::Kind::Image(media)) }];
    model_input::Kind::Chat(ChatInput { messages: vec![ChatMessage { parts, ..message("user", "") }], ..plain() })
}

/// Of an entry in the catalogue.
type Options = &'static [(&'static str, &'static str)];

#[tokio::test]
async fn an_image_in_the_object_store_is_sent_as_bytes() {
    let nats = NatsServer::start().await.unwrap();
    let blobs = nats.connect("gateway").await.unwrap().blobs().await.unwrap();
    let tenant = TenantId::new("acme").unwrap();
    let blob = blobs.put(&tenant, &[1, 2, 3], "image/png", "a.png").await.unwrap();
    let kinds: [(&str, Vendor, Options); 4] = [
        ("anthropic", anthropic::VENDOR, &[]),
        ("bedrock", bedrock::VENDOR, &[("region", "eu-central-1")]),
        ("cohere", cohere::VENDOR, &[]),
        ("gemini", gemini::VENDOR, &[]),
    ];
    for (kind, vendor, options) in kinds {
        let server = Server::start(vendor, Script::Says("a cat")).await;
        let provider = made_on(&nats, kind, Some(&server.base_url), options).await.unwrap();
        provider.invoke(order(asking_about(blob.clone()), LONG)).await.unwrap();
        let body = server.requests().pop().unwrap().body.to_string();
        assert!(body.contains("AQID") && body.contains("png"), "{kind}: {body}");

        let foreign = BlobRef { key: blob.key.replace("acme", "other"), ..blob.clone() };
        let error = provider.invoke(order(asking_about(foreign), LONG)).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::NotFound, "{kind}: {error}");
    }
}
