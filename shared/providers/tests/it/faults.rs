//! What goes wrong below any vendor's protocol, run against each kind that speaks HTTP: typed failures, in time, bounded,
//! and no key in an error or a log.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use futures::StreamExt as _;
use orrery_errors::{Error, ErrorCode};
use orrery_providers::{Piece, Provider};
use orrery_standins::wire::{Fault, FaultyServer, reply};
use orrery_testkit::NatsServer;
use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};

use crate::contract::{KEY, LONG, chat, made_on, order};

/// Runs against a kind with these options, whose base is what `base` makes of `http://host/v1`.
pub async fn suite(kind: &str, options: &[(&str, &str)], base: fn(&str) -> String) {
    let log = Log::default();
    let _listening = tracing::subscriber::set_default(log.clone());
    let nats = NatsServer::start().await.unwrap();
    let make =
        async |server: &FaultyServer| made_on(&nats, kind, Some(&base(&server.base_url)), options).await.unwrap();
    for (what, bytes, code) in whole_replies() {
        let server = FaultyServer::start(Fault::Sends(bytes)).await;
        let provider = make(&server).await;
        assert!(!format!("{provider:?}").contains(KEY), "{kind}");
        for error in both(&*provider, LONG).await {
            assert_eq!(error.code, code, "{kind}: {what}: {error}");
            assert!(!error.message.contains(KEY), "{kind}: {what}: {error}");
        }
        assert_eq!(server.seen.load(Ordering::SeqCst), 2, "{kind}: {what}: a provider is asked once for each call");
    }
    for (header, value, least, most) in waits() {
        let body = br#"{"error":{"message":"slow down"}}"#;
        let bytes = reply(429, "application/json", &[(header, value.clone())], body);
        let server = FaultyServer::start(Fault::Sends(bytes)).await;
        for error in both(&*make(&server).await, LONG).await {
            assert_eq!(error.code, ErrorCode::RateLimited, "{kind}: {error}");
            let wait = error.retry_after.unwrap();
            assert!((least..=most).contains(&wait), "{kind}: {header}: {value}: {wait:?}");
        }
    }
    for (what, part) in streams() {
        let server = FaultyServer::start(part).await;
        let provider = make(&server).await;
        assert_eq!(streamed(&*provider, LONG).await.code, ErrorCode::ModelFailed, "{kind}: {what}");
    }
    does_not_wait(&make(&FaultyServer::start(Fault::Trickles).await).await).await;
    does_not_follow(&nats, kind, options, base).await;
    assert!(!log.text.lock().contains(KEY), "{kind}: a key stands in the log");
    assert!(log.text.lock().contains("http"), "{kind}: nothing was logged, so nothing was tested");
}

fn whole_replies() -> Vec<(&'static str, Vec<u8>, ErrorCode)> {
    let html = b"<html><body>It works!</body></html>".as_slice();
    let told = |message: &str| format!("{{\"error\":{{\"message\":\"{message}\"}}}}").into_bytes();
    let json = |status, body: &[u8]| reply(status, "application/json", &[], body);
    let zipped = reply(200, "application/json", &[("content-encoding", "gzip".to_owned())], b"\x1f\x8b\x08\x00\x00");
    let claims = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999999999999\r\n\r\n{".to_vec();
    vec![
        ("a page", reply(200, "text/html", &[], html), ErrorCode::ModelFailed),
        ("a page of a proxy", reply(502, "text/html", &[], html), ErrorCode::ModelFailed),
        ("a reply that was packed unasked", zipped, ErrorCode::ModelFailed),
        ("a reply larger than any", claims, ErrorCode::ModelFailed),
        ("half a reply", reply(200, "application/json", &[], b"{\"choices\":[")[..60].to_vec(), ErrorCode::ModelFailed),
        ("no HTTP", b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(), ErrorCode::ModelFailed),
        ("a failure with a status of success", json(200, &told("m")), ErrorCode::ModelFailed),
        ("overload", json(503, &told("busy")), ErrorCode::Overloaded),
        ("a vendor's overload", json(529, &told("busy")), ErrorCode::Overloaded),
        ("a refusal that repeats the key", json(400, &told(&format!("bad key {KEY}"))), ErrorCode::InvalidRequest),
        ("a key that is refused", json(401, &told(&format!("bad key {KEY}"))), ErrorCode::FailedPrecondition),
    ]
}

/// Headers that ask to wait, and between what bounds the hint must lie.
fn waits() -> Vec<(&'static str, String, Duration, Duration)> {
    let at = jiff::Timestamp::now() + Duration::from_secs(3000);
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap();
    let (seven, quarter) = (Duration::from_secs(7), Duration::from_millis(250));
    vec![
        ("retry-after", "7".to_owned(), seven, seven),
        ("retry-after-ms", "250".to_owned(), quarter, quarter),
        ("retry-after", date, Duration::from_secs(2000), Duration::from_secs(3000)),
    ]
}

fn streams() -> Vec<(&'static str, Fault)> {
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    let with = |tail: &[u8]| [head.as_slice(), tail].concat();
    vec![
        ("an end before anything", Fault::Sends(with(b""))),
        ("comments alone", Fault::Sends(with(b": keep-alive\n\n: keep-alive\n\n"))),
        ("a cut inside a character", Fault::Sends(with(b"data: {\"x\":\"\xf0\x9f"))),
        ("an event that is no text", Fault::Sends(with(b"data: \xff\xfe\n\n"))),
        ("an event without end", Fault::SendsOn(with(b"data: "), vec![b'x'; 64 << 10])),
    ]
}

async fn does_not_wait(provider: &Arc<dyn Provider>) {
    let began = Instant::now();
    for error in both(&**provider, Duration::from_millis(300)).await {
        assert!(error.code.retryable(), "{error}");
    }
    assert!(began.elapsed() < Duration::from_secs(5), "the deadline was not kept");
}

async fn does_not_follow(nats: &NatsServer, kind: &str, options: &[(&str, &str)], base: fn(&str) -> String) {
    let elsewhere = FaultyServer::start(Fault::Sends(reply(200, "application/json", &[], b"{}"))).await;
    for status in [302, 307, 308] {
        let bytes = reply(status, "text/html", &[("location", elsewhere.base_url.clone())], b"");
        let server = FaultyServer::start(Fault::Sends(bytes)).await;
        let provider = made_on(nats, kind, Some(&base(&server.base_url)), options).await.unwrap();
        for error in both(&*provider, LONG).await {
            assert_eq!(error.code, ErrorCode::ModelFailed, "{kind}: {status}");
        }
    }
    assert_eq!(elsewhere.seen.load(Ordering::SeqCst), 0, "{kind}: a key went to another host");
}

/// How it fails plain and streamed.
async fn both(provider: &dyn Provider, within: Duration) -> [Error; 2] {
    let plain = provider.invoke(order(chat(), within)).await.unwrap_err();
    [plain, streamed(provider, within).await]
}

async fn streamed(provider: &dyn Provider, within: Duration) -> Error {
    let mut pieces = match provider.stream(order(chat(), within)).await {
        Ok(pieces) => pieces,
        Err(error) => return error,
    };
    loop {
        match pieces.next().await.expect("a stream ends with Done or an error") {
            Ok(Piece::Delta(_)) => {}
            Ok(Piece::Done(answer)) => panic!("it answered {answer:?}"),
            Err(error) => return error,
        }
    }
}

/// All that is logged, down to the last detail of the HTTP client.
#[derive(Clone, Default)]
struct Log {
    text: Arc<Mutex<String>>,
}

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.text.lock(), "{}={value:?} ", field.name()).unwrap();
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut self.clone());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
