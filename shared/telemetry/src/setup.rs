//! Starts the subscriber, the exporter of traces and the recorder of metrics.

use std::io::IsTerminal as _;
use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::Layer;
use tracing_subscriber::fmt::format::{DefaultFields, Format};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use orrery_config::TelemetryConfig;

/// Buckets of every histogram, in seconds: from half a millisecond to ten minutes.
const BUCKETS_S: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 600.0];

/// How long a durable step takes, in seconds. Its buckets are fine enough to read percentiles off it.
pub const STEP_DURATION: &str = "orrery.kernel.step.duration";
/// Each bucket ends at this many times the end of the one before.
const FINE_GROWTH: f64 = 1.15;
const FINE_FIRST_S: f64 = 0.000_1;
/// Up to about a minute.
const FINE_COUNT: usize = 96;

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Telemetry that cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The log filter does not parse.
    #[error("ORRERY_LOG has the value {value:?}, which is no filter: {reason}")]
    Filter {
        /// The value found.
        value: String,
        /// Why it does not parse.
        reason: String,
    },
    /// The OTLP exporter cannot be built.
    #[error("cannot export traces to {endpoint}: {reason}")]
    Exporter {
        /// The endpoint that was configured.
        endpoint: String,
        /// Why.
        reason: String,
    },
    /// A recorder or a subscriber is already installed.
    #[error("telemetry was started twice in one process: {0}")]
    AlreadyStarted(String),
}

/// Flushes what is still buffered when it is dropped at the end of `main`.
#[derive(Debug)]
#[must_use = "traces are lost when the guard is dropped early"]
pub struct Guard(Option<SdkTracerProvider>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(provider) = self.0.take()
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "the last traces may not have been exported");
        }
    }
}

/// Starts logs, traces and metrics for a service.
pub fn init(service: &'static str, config: &TelemetryConfig) -> Result<Guard, TelemetryError> {
    let filter = EnvFilter::try_new(&config.filter)
        .map_err(|error| TelemetryError::Filter { value: config.filter.clone(), reason: error.to_string() })?;
    opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
    let provider = tracer_provider(service, config)?;
    // Without an exporter the layer still runs, so that trace ids reach logs, errors and the next service.
    let traces = tracing_opentelemetry::layer().with_tracer(provider.tracer("orrery"));
    let registry = tracing_subscriber::registry().with(filter).with(traces);
    let started = if config.json {
        let lines = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(std::io::stderr);
        registry.with(lines).try_init()
    } else {
        registry.with(text()).try_init()
    };
    started.map_err(|error| TelemetryError::AlreadyStarted(error.to_string()))?;
    install_recorder()?;
    Ok(Guard(Some(provider)))
}

/// Starts plain text logs on standard error for the command line: warnings only, unless `ORRERY_LOG` says otherwise.
pub fn init_for_people(filter: Option<&str>) -> Result<(), TelemetryError> {
    let value = filter.unwrap_or("warn");
    let filter = EnvFilter::try_new(value)
        .map_err(|error| TelemetryError::Filter { value: value.to_owned(), reason: error.to_string() })?;
    let layer = text().without_time().with_target(false);
    tracing_subscriber::registry()
        .with(filter)
        .with(layer)
        .try_init()
        .map_err(|error| TelemetryError::AlreadyStarted(error.to_string()))
}

/// Text, coloured for people who look: not in a file or a pipe, and not for who asks for none (<https://no-color.org>, which
/// the layer knows by itself).
fn text<S>() -> Layer<S, DefaultFields, Format, fn() -> std::io::Stderr> {
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr as fn() -> _);
    if std::io::stderr().is_terminal() { layer } else { layer.with_ansi(false) }
}

fn tracer_provider(service: &'static str, config: &TelemetryConfig) -> Result<SdkTracerProvider, TelemetryError> {
    let resource = Resource::builder().with_service_name(format!("orrery-{service}")).build();
    let builder = SdkTracerProvider::builder().with_resource(resource);
    let Some(endpoint) = &config.otlp_endpoint else {
        // Ids are made all the same; what nobody will read is not written down.
        return Ok(builder.with_sampler(Sampler::AlwaysOff).build());
    };
    let traces = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(&traces)
        .build()
        .map_err(|error| TelemetryError::Exporter { endpoint: traces, reason: error.to_string() })?;
    Ok(builder.with_batch_exporter(exporter).build())
}

fn install_recorder() -> Result<(), TelemetryError> {
    let failed = |error: String| TelemetryError::AlreadyStarted(error);
    let handle = PrometheusBuilder::new()
        .set_buckets(BUCKETS_S)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Full(STEP_DURATION.to_owned()), &fine_buckets()))
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(|error| failed(error.to_string()))?;
    RECORDER.set(handle).map_err(|_| failed("a recorder of metrics is already installed".to_owned()))
}

fn fine_buckets() -> Vec<f64> {
    std::iter::successors(Some(FINE_FIRST_S), |end| Some(end * FINE_GROWTH)).take(FINE_COUNT).collect()
}

/// All metrics in the Prometheus text format; empty before [`init`].
pub(crate) fn render_metrics() -> String {
    RECORDER
        .get()
        .map(|handle| {
            handle.run_upkeep();
            handle.render()
        })
        .unwrap_or_default()
}
