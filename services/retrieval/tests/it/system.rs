//! The retrieval service as a process of its own, on a real bus, with a deterministic stand-in for inference: a text's
//! embedding is the bag of its words, and a document's lines are the lines of its bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use orrery_bus::{Bus, CallContext, RunningServer, Server, verbs};
use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::model_input::Kind as InputKind;
use orrery_proto::v1::model_output::Kind as OutputKind;
use orrery_proto::v1::{
    BlobRef, Caller, EmbedOutput, InferenceReply, InferenceRequest, IngestReply, IngestRequest, ListCollectionsRequest,
    ModelIdentity, ModelOutput, SearchReply, SearchRequest,
};
use orrery_testkit::{NatsServer, Process, eventually_within};
use orrery_types::{Sha256Digest, TenantId};
use serde_json::json;
use tempfile::TempDir;

pub const PATIENCE: Duration = Duration::from_secs(60);
const DIMENSIONS: usize = 64;

pub struct System {
    pub nats: NatsServer,
    pub gateway: Bus,
    pub retrieval: Process,
    /// Texts that were embedded so far.
    pub embedded: Arc<AtomicUsize>,
    inference: Option<RunningServer>,
    folder: TempDir,
}

impl System {
    pub async fn start() -> Self {
        let nats = NatsServer::start().await.unwrap();
        let gateway = nats.connect("gateway").await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let embedded = Arc::new(AtomicUsize::new(0));
        let inference = Some(inference(&nats, embedded.clone(), "words").await);
        let retrieval = launch(&nats, &folder);
        let system = Self { nats, gateway, retrieval, embedded, inference, folder };
        system.ready().await;
        system
    }

    /// The same data, a new process.
    pub async fn restart(&mut self) {
        self.retrieval.kill().unwrap();
        self.retrieval = launch(&self.nats, &self.folder);
        self.ready().await;
    }

    /// Another embedding model answers from now on.
    pub async fn change_model(&mut self, name: &'static str) {
        drop(self.inference.take());
        self.inference = Some(inference(&self.nats, self.embedded.clone(), name).await);
    }

    pub fn texts_embedded(&self) -> usize {
        self.embedded.load(Ordering::SeqCst)
    }

    async fn ready(&self) {
        let ask = || async {
            let request = ListCollectionsRequest { caller: Some(caller("acme", &[])) };
            self.gateway.call(verbs::retrieval::COLLECTIONS, &short(), &request).await.ok()
        };
        let up = eventually_within(PATIENCE, ask).await;
        up.unwrap_or_else(|| panic!("retrieval did not start: {}", self.retrieval.log()));
    }

    pub async fn upload(&self, tenant: &str, name: &str, media_type: &str, bytes: &[u8]) -> BlobRef {
        let blobs = self.gateway.blobs().await.unwrap();
        blobs.put(&TenantId::new(tenant).unwrap(), bytes, media_type, name).await.unwrap()
    }

    /// Adds Markdown to the collection `guide` of `acme`.
    pub async fn ingest(&self, name: &str, source: &str, access: &[&str]) -> Result<IngestReply, Error> {
        let blob = self.upload("acme", name, "text/markdown", source.as_bytes()).await;
        self.ingest_blob(name, blob, access).await
    }

    pub async fn ingest_blob(&self, name: &str, blob: BlobRef, access: &[&str]) -> Result<IngestReply, Error> {
        let request = IngestRequest {
            caller: Some(caller("acme", &["admin"])),
            collection: "guide".to_owned(),
            document: name.to_owned(),
            blob: Some(blob),
            access: access.iter().map(|role| (*role).to_owned()).collect(),
        };
        self.gateway.call(verbs::retrieval::INGEST, &CallContext::within(PATIENCE), &request).await
    }

    pub async fn search(&self, request: SearchRequest) -> Result<SearchReply, Error> {
        self.gateway.call(verbs::retrieval::SEARCH, &short(), &request).await
    }
}

pub fn short() -> CallContext {
    CallContext::within(Duration::from_secs(10))
}

pub fn caller(tenant: &str, roles: &[&str]) -> Caller {
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    Caller { tenant: tenant.to_owned(), principal: "dana".to_owned(), roles, ..Caller::default() }
}

/// A question of `acme` to its collection `guide`.
pub fn question(query: &str, roles: &[&str]) -> SearchRequest {
    SearchRequest {
        caller: Some(caller("acme", roles)),
        collection: "guide".to_owned(),
        query: query.to_owned(),
        ..SearchRequest::default()
    }
}

fn launch(nats: &NatsServer, folder: &TempDir) -> Process {
    let command = nats.service("retrieval", env!("CARGO_BIN_EXE_orrery-retrieval"), folder.path());
    Process::start(command, &folder.path().join("retrieval.log")).unwrap()
}

async fn inference(nats: &NatsServer, embedded: Arc<AtomicUsize>, model: &'static str) -> RunningServer {
    let bus = nats.connect("inference").await.unwrap();
    let server = Server::new(&bus, "inference", "1.0.0");
    let answering = bus.clone();
    let server = server.handle(verbs::inference::INVOKE, 64, move |_, request: InferenceRequest| {
        let (bus, embedded) = (answering.clone(), embedded.clone());
        async move {
            let output = match request.input.and_then(|input| input.kind) {
                Some(InputKind::Embed(input)) => {
                    embedded.fetch_add(input.texts.len(), Ordering::SeqCst);
                    let values = input.texts.iter().flat_map(|text| bag_of_words(text)).collect();
                    OutputKind::Embed(EmbedOutput { dimensions: DIMENSIONS as u32, values })
                }
                Some(InputKind::Read(input)) => {
                    let blob = input.blob.unwrap();
                    let bytes = bus.blobs().await?.get(&TenantId::new("acme").unwrap(), &blob, 1 << 20).await?;
                    OutputKind::ContentJson(content(&String::from_utf8(bytes).unwrap()))
                }
                _ => return Err(Error::new(ErrorCode::InvalidRequest, "only embed and read")),
            };
            let identity = ModelIdentity {
                name: model.to_owned(),
                version: "1".to_owned(),
                digest: Sha256Digest::of(model.as_bytes()).to_string(),
                provider: "local".to_owned(),
            };
            let output = Some(ModelOutput { kind: Some(output) });
            Ok(InferenceReply { output, models: vec![identity], ..InferenceReply::default() })
        }
    });
    server.start().await.unwrap()
}

fn bag_of_words(text: &str) -> Vec<f32> {
    let mut vector = vec![0.01_f32; DIMENSIONS];
    for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        vector[usize::from(Sha256Digest::of(word.as_bytes()).as_bytes()[0]) % DIMENSIONS] += 1.0;
    }
    let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    vector.iter().map(|value| value / norm).collect()
}

/// Pages parted by form feeds, their lines twenty pixels high with little between them.
fn content(text: &str) -> String {
    let line = |page: usize, number: usize, text: &str| {
        let (top, bottom) = (number * 24, number * 24 + 20);
        let corner = |x: usize, y: usize| json!({"x": x, "y": y});
        json!({"text": text, "confidence": 1, "page": page,
               "quad": [corner(0, top), corner(600, top), corner(600, bottom), corner(0, bottom)]})
    };
    let pages = text.split('\u{c}').enumerate();
    let lines = pages.flat_map(|(page, text)| text.lines().enumerate().map(move |(number, text)| (page, number, text)));
    let segments: Vec<_> = lines.map(|(page, number, text)| line(page, number, text)).collect();
    json!({"modality": "document", "media_type": "application/pdf", "segments": segments}).to_string()
}
