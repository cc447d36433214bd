//! W3C trace context in HTTP and NATS headers: one trace from HTTP through the bus to the tensor and back.

use std::collections::HashMap;

use async_nats::HeaderMap;
use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::trace::TraceContextExt as _;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

struct Headers<'a>(&'a HeaderMap);
struct HeadersMut<'a>(&'a mut HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|value| value.as_str())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| name.as_ref()).collect()
    }
}

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        self.0.insert(key, value.as_str());
    }
}

/// Writes the current span's context into `headers`.
pub fn inject(headers: &mut HeaderMap) {
    let context = Span::current().context();
    opentelemetry::global::get_text_map_propagator(|propagator| {
        propagator.inject_context(&context, &mut HeadersMut(headers));
    });
}

/// Makes `span` a child of the context that `headers` carry, if they carry one.
pub fn extract(headers: &HeaderMap, span: &Span) {
    let parent = opentelemetry::global::get_text_map_propagator(|propagator| propagator.extract(&Headers(headers)));
    if let Err(error) = span.set_parent(parent) {
        tracing::debug!(%error, "the caller's trace is not continued");
    }
}

/// Makes `span` a child of the caller's, named by the values of the HTTP headers `traceparent` and `tracestate`.
pub fn extract_http(traceparent: &str, tracestate: &str, span: &Span) {
    let headers = HashMap::from([
        ("traceparent".to_owned(), traceparent.to_owned()),
        ("tracestate".to_owned(), tracestate.to_owned()),
    ]);
    let parent = opentelemetry::global::get_text_map_propagator(|propagator| propagator.extract(&headers));
    if let Err(error) = span.set_parent(parent) {
        tracing::debug!(%error, "the caller's trace is not continued");
    }
}

/// The current span as a W3C `traceparent`, for work that goes on after its caller has left; empty before telemetry has
/// started. [`extract_http`] takes it up again.
pub fn traceparent() -> String {
    let mut headers = HashMap::new();
    let context = Span::current().context();
    opentelemetry::global::get_text_map_propagator(|propagator| propagator.inject_context(&context, &mut headers));
    headers.remove("traceparent").unwrap_or_default()
}

/// Says of a span what is known only at its end, to whoever reads traces. A field of the span would have the log write
/// all fields of the span anew.
pub fn annotate(span: &Span, name: &'static str, value: impl Into<opentelemetry::Value>) {
    span.set_attribute(name, value);
}

/// The trace that `span` belongs to, as 32 hex digits; none before telemetry has started.
pub fn trace_id(span: &Span) -> Option<String> {
    let context = span.context();
    let of_span = context.span().span_context().clone();
    of_span.is_valid().then(|| of_span.trace_id().to_string())
}
