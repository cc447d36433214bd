//! A bus, the players, and a gateway process.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use orrery_config::env;
use orrery_testkit::{NatsServer, Process, eventually};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::players::Players;

pub const UPLOAD_BYTES_MAX: usize = 1024 * 1024;
/// Of these, 16 are open to calls of priority `normal`, and 10 to `batch`.
pub const MODEL_CALLS_MAX: usize = 20;

pub struct World {
    pub nats: NatsServer,
    pub players: Players,
    pub base: String,
    pub admin_base: String,
    /// The key that the gateway made at its first start.
    pub admin: String,
    pub http: Client,
    pub folder: TempDir,
    database_url: Option<String>,
    gateway: Process,
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

impl World {
    pub async fn start() -> Self {
        Self::on(None).await
    }

    /// With another database than the SQLite file in the data folder.
    pub async fn on(database_url: Option<String>) -> Self {
        let nats = NatsServer::start().await.unwrap();
        let players = Players::start(&nats).await;
        let folder = TempDir::new().unwrap();
        let config = format!(
            "[gateway]\nbootstrap_tenant = \"acme\"\nbootstrap_key_file = {:?}\nupload_bytes_max = {UPLOAD_BYTES_MAX}\n\
             json_bytes_max = 262144\nparts_max = 8\nmodel_calls_max = {MODEL_CALLS_MAX}\n",
            folder.path().join("admin.key")
        );
        std::fs::write(folder.path().join("orrery.toml"), config).unwrap();
        let (listen, admin_listen) = (free_address(), free_address());
        let gateway = launch(&nats, &folder, &listen, &admin_listen, database_url.as_deref());
        let mut world = Self {
            base: format!("http://{listen}"),
            admin_base: format!("http://{admin_listen}"),
            admin: String::new(),
            http: Client::new(),
            nats,
            players,
            folder,
            database_url,
            gateway,
        };
        world.ready().await;
        world.admin = std::fs::read_to_string(world.key_file()).unwrap().trim().to_owned();
        world
    }

    pub fn key_file(&self) -> PathBuf {
        self.folder.path().join("admin.key")
    }

    pub fn key_file_mode(&self) -> u32 {
        std::fs::metadata(self.key_file()).unwrap().permissions().mode() & 0o777
    }

    /// Kills the gateway and starts it again on what it had stored.
    pub async fn restart(&mut self) {
        self.gateway.kill().unwrap();
        let bare = |base: &str| base.trim_start_matches("http://").to_owned();
        let (listen, admin) = (bare(&self.base), bare(&self.admin_base));
        self.gateway = launch(&self.nats, &self.folder, &listen, &admin, self.database_url.as_deref());
        self.ready().await;
    }

    async fn ready(&self) {
        let url = format!("{}/health/ready", self.admin_base);
        let (http, url) = (&self.http, &url);
        let probe = || async move { http.get(url).send().await.ok().filter(|answer| answer.status().is_success()) };
        assert!(eventually(probe).await.is_some(), "the gateway did not become ready:\n{}", self.gateway.log());
    }

    pub fn log(&self) -> String {
        self.gateway.log()
    }

    pub fn stop(&self) {
        self.gateway.signal(nix::sys::signal::Signal::SIGTERM).unwrap();
    }

    pub fn is_running(&mut self) -> bool {
        self.gateway.is_running()
    }

    pub fn request(&self, method: Method, path: &str, key: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base)).bearer_auth(key)
    }

    pub async fn get(&self, path: &str, key: &str) -> (u16, Value) {
        answer(self.request(Method::GET, path, key).send().await.unwrap()).await
    }

    pub async fn post(&self, path: &str, key: &str, body: &Value) -> (u16, Value) {
        answer(self.request(Method::POST, path, key).json(body).send().await.unwrap()).await
    }

    /// A key with these roles in the first tenant.
    pub async fn key(&self, principal: &str, roles: &[&str]) -> String {
        let body = json!({"principal": principal, "roles": roles});
        let (status, made) = self.post("/v1/admin/keys", &self.admin, &body).await;
        assert_eq!(status, 201, "{made}");
        made["key"].as_str().unwrap().to_owned()
    }

    pub async fn metrics(&self) -> String {
        self.http.get(format!("{}/metrics", self.admin_base)).send().await.unwrap().text().await.unwrap()
    }
}

fn launch(nats: &NatsServer, folder: &TempDir, listen: &str, admin: &str, database_url: Option<&str>) -> Process {
    let mut command = nats.service("gateway", env!("CARGO_BIN_EXE_orrery-gateway"), folder.path());
    command
        .env(env::CONFIG, folder.path().join("orrery.toml"))
        .env(env::HTTP_LISTEN, listen)
        .env(env::ADMIN_LISTEN, admin);
    if let Some(url) = database_url {
        command.env(env::DATABASE_URL, url);
    }
    Process::start(command, &folder.path().join("gateway.log")).unwrap()
}

pub async fn answer(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// Asserts the one documented shape of errors.
pub fn assert_error((status, body): &(u16, Value), code: &str) {
    let error = &body["error"];
    assert_eq!(error["code"], code, "{status} {body}");
    let parsed: orrery_errors::ErrorCode = code.parse().unwrap();
    assert_eq!(*status, parsed.http_status(), "{body}");
    assert_eq!(error["help"], parsed.help());
    assert_eq!(error["trace_id"].as_str().map(str::len), Some(32), "{body}");
    assert!(!error["message"].as_str().unwrap().is_empty());
}
