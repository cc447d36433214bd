//! A whole running system, spoken to over HTTP as a client would speak to it.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use orrery_testkit::{Process, eventually_within};
use reqwest::multipart::{Form, Part};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::command::{json as printed, process_state, run, up_with};

/// No case takes longer, on a machine that does other things, too.
const ENDED_WITHIN: Duration = Duration::from_secs(150);

/// A file of a task: its name in the workflow, what it is said to be, its bytes.
pub type File = (&'static str, &'static str, Vec<u8>);

/// The system. Ends with this value.
pub struct Live {
    pub process: Process,
    pub data: TempDir,
    pub base: String,
    pub admin: String,
    http: Client,
}

impl Live {
    pub async fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), &[]).await
    }

    /// With a catalogue of models of its own.
    pub async fn with_catalogue(catalogue: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        let (file, config) = (data.path().join("catalogue.toml"), data.path().join("own.toml"));
        std::fs::write(&file, catalogue).unwrap();
        std::fs::write(&config, format!("[router]\ncatalogue = {file:?}\n")).unwrap();
        let environment = [(orrery_config::env::CONFIG, config.display().to_string())];
        Self::start_in(data, &environment).await
    }

    async fn start_in(data: TempDir, environment: &[(&str, String)]) -> Self {
        let process = up_with(data.path(), environment).await;
        let file = std::fs::read_to_string(data.path().join("system.json")).unwrap();
        let file: Value = serde_json::from_str(&file).unwrap();
        let text = |name: &str| file[name].as_str().unwrap().to_owned();
        Self { process, base: text("gateway_url"), admin: text("api_key"), http: Client::new(), data }
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

    pub async fn deploy(&self, definition: &str, key: &str) {
        let request = self.request(Method::POST, "/v1/workflows", key).header("content-type", "application/yaml");
        let (status, answer) = answer(request.body(definition.to_owned()).send().await.unwrap()).await;
        assert!(matches!(status, 200 | 201), "{answer}");
    }

    /// Deploys the claims example and loads what it knows.
    pub async fn deploy_claims(&self) {
        let example = example();
        self.deploy(&std::fs::read_to_string(example.join("workflow.yaml")).unwrap(), &self.admin).await;
        for document in std::fs::read_dir(example.join("knowledge")).unwrap() {
            let path = document.unwrap().path();
            let output = run(self.data.path(), &["knowledge", "add", "claims", path.to_str().unwrap()]);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }

    pub async fn send(&self, workflow: &str, files: Vec<File>, key: &str) -> (u16, Value) {
        let mut form = Form::new().text("workflow", workflow.to_owned());
        for (name, media_type, bytes) in files {
            let part = Part::bytes(bytes).file_name(name).mime_str(media_type).unwrap();
            form = form.part(name, part);
        }
        answer(self.request(Method::POST, "/v1/tasks", key).multipart(form).send().await.unwrap()).await
    }

    /// Starts a task and gives its id.
    pub async fn submit(&self, workflow: &str, files: Vec<File>) -> String {
        let (status, task) = self.send(workflow, files, &self.admin).await;
        assert_eq!(status, 201, "{task}");
        id(&task)
    }

    pub async fn task(&self, id: &str, key: &str) -> Value {
        self.get(&format!("/v1/tasks/{id}"), key).await.1
    }

    /// The task once nothing but a person can move it, or it is over.
    pub async fn settled(&self, id: &str, key: &str) -> Value {
        let settled = eventually_within(ENDED_WITHIN, || async {
            let task = self.task(id, key).await;
            let under_way = task["status"] == "running" || task["status"].is_null();
            (!under_way).then_some(task)
        });
        match settled.await {
            Some(task) => task,
            None => panic!("{id} is still under way: {}", self.task(id, key).await),
        }
    }

    /// Runs a task that must fail, and holds it against the record.
    pub async fn fault(&self, workflow: &str, files: Vec<File>) -> (String, String) {
        let task = self.submit(workflow, files).await;
        self.fault_of(&task, &self.admin).await
    }

    /// Code and message of the error in which a task ended; the same code must stand on the record.
    pub async fn fault_of(&self, task: &str, key: &str) -> (String, String) {
        let ended = self.settled(task, key).await;
        assert_eq!(ended["status"], "faulted", "{ended}");
        let explained = self.explained(task, key, |record| record["status"] == "faulted").await;
        assert_eq!(explained["closed"]["error_at"], ended["error"]["instance"], "{explained}");
        let code = explained["closed"]["error"].as_str().unwrap().to_owned();
        let title = ended["error"]["title"].as_str();
        assert!(title.is_none_or(|title| title == code), "{ended} is on the record as {code}");
        (code, ended["error"]["detail"].as_str().unwrap_or_default().to_owned())
    }

    /// What `orrery audit explain TASK --json` says, once the records that are wanted have reached the log.
    pub async fn explained(&self, task: &str, key: &str, is_there: impl Fn(&Value) -> bool) -> Value {
        let args = ["--api-key", key, "--url", &self.base, "audit", "explain", task];
        let explained = eventually_within(ENDED_WITHIN, || async {
            let record = printed(&run(self.data.path(), &args));
            is_there(&record).then_some(record)
        });
        match explained.await {
            Some(record) => record,
            None => panic!("the record of {task} says: {}", printed(&run(self.data.path(), &args))),
        }
    }

    /// The review that a task waits for.
    pub async fn review_of(&self, task: &str) -> Value {
        let (_, reviews) = self.get("/v1/reviews?status=open", &self.admin).await;
        let reviews = reviews["data"].as_array().unwrap().clone();
        let id = id(reviews.iter().find(|review| review["task_id"] == task).unwrap());
        self.get(&format!("/v1/reviews/{id}"), &self.admin).await.1
    }

    /// A key of a tenant.
    pub async fn key(&self, tenant: &str, principal: &str, roles: &[&str]) -> String {
        let body = json!({"tenant": tenant, "principal": principal, "roles": roles});
        let (status, key) = self.post("/v1/admin/keys", &self.admin, &body).await;
        assert_eq!(status, 201, "{key}");
        key["key"].as_str().unwrap().to_owned()
    }

    /// Kills a child of `orrery up` and gives its process id.
    pub fn signal(&self, child: &str, signal: Signal) -> i64 {
        let pid = process_state(self.data.path(), child)["pid"].as_i64().unwrap();
        kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
        pid
    }

    /// Waits until `orrery up` has put another process in the place of `pid`.
    pub async fn mended(&self, child: &str, pid: i64, within: Duration) -> Value {
        let mended = eventually_within(within, || {
            let state = process_state(self.data.path(), child);
            async move { (state["state"] == "running" && state["pid"] != pid).then_some(state) }
        });
        mended.await.unwrap_or_else(|| panic!("{child} was not mended: {}", self.process.log()))
    }
}

/// Where the claims example lies.
pub fn example() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/claims")
}

/// A packet of the example.
pub fn packet(name: &str) -> Vec<File> {
    let file = |name_in: &'static str, media_type: &'static str, file: &str| {
        (name_in, media_type, std::fs::read(example().join("packets").join(name).join(file)).unwrap())
    };
    vec![
        file("form", "image/jpeg", "form.jpg"),
        file("estimate", "image/jpeg", "estimate.jpg"),
        file("note", "audio/wav", "note.wav"),
        file("email", "text/plain", "email.txt"),
        file("signals", "application/json", "signals.json"),
    ]
}

/// The packet with other bytes in some of its files.
pub fn with(mut packet: Vec<File>, others: Vec<File>) -> Vec<File> {
    packet.retain(|(name, _, _)| !others.iter().any(|(other, _, _)| other == name));
    packet.extend(others);
    packet
}

/// Status and JSON.
pub async fn answer(response: Response) -> (u16, Value) {
    (response.status().as_u16(), response.json().await.unwrap_or_default())
}

pub fn id(of: &Value) -> String {
    of["id"].as_str().unwrap_or_else(|| panic!("no id: {of}")).to_owned()
}

/// An error in the one documented shape.
pub fn assert_refused(answer: &(u16, Value), status: u16, code: &str) {
    assert_eq!((answer.0, answer.1["error"]["code"].as_str()), (status, Some(code)), "{}", answer.1);
    assert!(answer.1["error"]["message"].as_str().is_some_and(|message| !message.is_empty()), "{}", answer.1);
}
