//! The actor tree: one lane per model, and the bus server in front of them.

use std::str::FromStr as _;
use std::sync::Arc;

use orrery_service::{ServiceContext, ServiceError, bus_endpoint};
use orrery_supervise::{ActorSpec, ChildSpec, Strategy, SupervisorSpec};

use crate::config::InferenceConfig;
use crate::inbound::{Inbound, Lanes};
use crate::lanes::{Backend, Lane, LaneActor};
use crate::models::{LoadSettings, Loaded, ReadBackend};
use orrery_torch::device::{self, DeviceSetting};

/// Requests that a lane's actor may hold, those that wait for the model included.
const MAILBOX: usize = 2048;

/// Loads the models and describes the tree.
pub async fn tree(context: ServiceContext) -> Result<SupervisorSpec, ServiceError> {
    let config: InferenceConfig = context.config.section()?;
    let setting = context.config.device.as_deref().map_or(Ok(DeviceSetting::Auto), DeviceSetting::from_str);
    let device = device::select(setting.map_err(ServiceError::prepare)?).map_err(ServiceError::prepare)?;
    device::set_threads(config.threads());
    let paths = &context.config.paths;
    let settings = LoadSettings {
        models: paths.models(),
        trusted: paths.cache.join("keys").join("trusted"),
        onnx_runtime: paths.library("libonnxruntime.so"),
        pdfium: paths.library("libpdfium.so"),
        device,
        threads: config.threads(),
        limits: config.limits(),
    };
    let loading = tokio::task::spawn_blocking(move || Loaded::from_repository(&settings));
    let loaded = Arc::new(loading.await.map_err(ServiceError::prepare)?.map_err(ServiceError::prepare)?);
    let blobs = context.bus.blobs().await?;

    let mut models = Vec::new();
    let read = Arc::new(ReadBackend::new(loaded.registry.clone()));
    let lanes = Lanes {
        chat: loaded.chat.as_ref().map(|(backend, _)| lane("chat", backend, &mut models)),
        embed: loaded.embed.as_ref().map(|(backend, _)| lane("embed", backend, &mut models)),
        vision: lane("vision", &read, &mut models),
        speech: lane("speech", &read, &mut models),
        long_speech: lane("long-speech", &read, &mut models),
        plain: lane("plain", &read, &mut models),
    };
    let device = format!("{device:?}").to_lowercase();
    let inbound = Inbound::new(lanes, loaded, blobs, device, config.payload_bytes_max);
    let bus = context.bus.clone();
    Ok(SupervisorSpec::new("inference")
        .strategy(Strategy::RestForOne)
        .child(SupervisorSpec::new("models").strategy(Strategy::OneForOne).children(models))
        .child(bus_endpoint(move || inbound.server(&bus))))
}

fn lane<B: Backend>(name: &'static str, backend: &Arc<B>, models: &mut Vec<ChildSpec>) -> Lane<B> {
    let backend = backend.clone();
    let spec = ActorSpec::new(name, move || LaneActor::new(name, backend.clone())).mailbox(MAILBOX);
    let handle = spec.handle();
    models.push(spec.into());
    Lane::new(handle)
}
