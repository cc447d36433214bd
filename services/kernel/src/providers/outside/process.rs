//! `run: script` and `run: shell` (DSL reference, "Script Process" and "Shell Process"), inside a sandbox or not at all: no
//! network, nothing of the machine but its programs, read-only, and limits on time, memory, files and output.
//!
//! The sandbox is bubblewrap, which needs no daemon and no rights of its own: namespaces for everything, a fresh root.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use orrery_errors::ErrorCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tempfile::NamedTempFile;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::time::{Instant, timeout_at};

use super::content;
use super::exchange::{Request, host};
use super::http::url_of;
use super::{Errand, OutwardCalls};
use crate::domain::definition::{Outward, Target};
use crate::domain::fault::{Fault, Standard};
use crate::providers::Failure;

/// Folders of the machine that a process sees, where they exist.
const SEEN: [&str; 6] = ["/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/alternatives"];
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
const SCRIPT_FOLDER: &str = "/script";
/// How much of what a failed process wrote its error quotes.
const QUOTED_CHARS: usize = 1_000;

/// What scripts and shells run in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxConfig {
    /// The `bwrap` program, with its path.
    pub bubblewrap: PathBuf,
    /// Folders with programs and libraries that processes may read, besides the system's own. Default: none.
    #[serde(default)]
    pub read_only: Vec<PathBuf>,
    /// What runs Python. Default: `python3`.
    #[serde(default = "python")]
    pub python: String,
    /// What runs JavaScript. Default: `node`.
    #[serde(default = "javascript")]
    pub javascript: String,
    /// How long one process may run, within the step's own time. Default: 60 s.
    #[serde(default = "time_s_max")]
    pub time_s_max: u64,
    /// Memory that one process may fill, and the files that it may write, in all. Default: 256 MiB.
    #[serde(default = "memory_bytes_max")]
    pub memory_bytes_max: u64,
    /// Bytes of each of its outputs. Default: 1 MiB.
    #[serde(default = "output_bytes_max")]
    pub output_bytes_max: usize,
}

fn python() -> String {
    "python3".to_owned()
}

fn javascript() -> String {
    "node".to_owned()
}

fn time_s_max() -> u64 {
    60
}

fn memory_bytes_max() -> u64 {
    256 << 20
}

fn output_bytes_max() -> usize {
    1 << 20
}

impl SandboxConfig {
    /// Bubblewrap with every limit at its default.
    pub fn new(bubblewrap: PathBuf) -> Self {
        Self {
            bubblewrap,
            read_only: Vec::new(),
            python: python(),
            javascript: javascript(),
            time_s_max: time_s_max(),
            memory_bytes_max: memory_bytes_max(),
            output_bytes_max: output_bytes_max(),
        }
    }

    /// `program` in the sandbox, with a script beside it if it needs one.
    fn command(
        &self,
        script: Option<(&NamedTempFile, &str)>,
        environment: &[(String, String)],
        program: &[String],
    ) -> Command {
        let mut command = Command::new(&self.bubblewrap);
        command.args(["--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"]);
        command.args(["--proc", "/proc", "--dev", "/dev"]);
        command.args(["--size", &self.memory_bytes_max.to_string(), "--tmpfs", "/tmp", "--chdir", "/tmp"]);
        for folder in SEEN {
            command.args(["--ro-bind-try", folder, folder]);
        }
        for folder in &self.read_only {
            command.arg("--ro-bind").arg(folder).arg(folder);
        }
        if let Some((file, name)) = script {
            command.arg("--ro-bind").arg(file.path()).arg(format!("{SCRIPT_FOLDER}/{name}"));
        }
        let own = [("PATH", PATH), ("HOME", "/tmp"), ("LANG", "C.UTF-8")];
        for (name, value) in own {
            command.args(["--setenv", name, value]);
        }
        for (name, value) in environment {
            command.args(["--setenv", name, value]);
        }
        // After the last thing that is put into it.
        command.args(["--remount-ro", "/"]);
        command.args(["--", "/usr/bin/prlimit", "--core=0", "--nproc=256", "--nofile=256"]);
        command.arg(format!("--data={}", self.memory_bytes_max)).arg(format!("--fsize={}", self.memory_bytes_max));
        command.arg("--").args(program);
        command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }
}

/// What a process gave.
struct Finished {
    code: i32,
    stdout: String,
    stderr: String,
}

impl OutwardCalls {
    pub(super) async fn process(&self, errand: &Errand<'_>) -> Result<Value, Failure> {
        let Some(sandbox) = &self.sandbox else {
            let detail = "no sandbox is configured, without which this kernel runs no scripts and no shells: name one with \
                          `orrery workflow run --sandbox`, or under `kernel.sandbox` in a service's configuration";
            return Err(Failure::last(Fault::new(Standard::Configuration, detail)));
        };
        let arguments = errand.arguments;
        let program = self.program(errand, sandbox).await?;
        let environment = environment(arguments)?;
        let stdin = arguments.get("stdin").map(content::plain).unwrap_or_default();
        let until = errand.deadline.min(Instant::now() + Duration::from_secs(sandbox.time_s_max));
        let running = program.run(sandbox.clone(), environment, stdin, until);
        if let Some(output) = arguments.get("unawaited").and_then(|it| it.get("output")) {
            // Its own limits end it; nobody waits for what it gives.
            tokio::spawn(async move {
                if let Err(failure) = running.await {
                    tracing::info!(error = failure.fault.code(), "a process that nobody waits for failed");
                }
            });
            return Ok(output.clone());
        }
        let Finished { code, stdout, stderr } = running.await?;
        let wanted = arguments.get("return").and_then(Value::as_str).unwrap_or("stdout");
        match wanted {
            "code" => Ok(json!(code)),
            "all" => Ok(json!({ "code": code, "stdout": stdout, "stderr": stderr })),
            _ if code != 0 => {
                let quoted: String = stderr.trim().chars().take(QUOTED_CHARS).collect();
                let detail = format!("the process ended with the exit code {code}: {quoted}");
                Err(Failure::last(Fault::new(Standard::Runtime, detail)))
            }
            "stderr" => Ok(json!(stderr)),
            "none" => Ok(Value::Null),
            _ => Ok(json!(stdout)),
        }
    }

    async fn program(&self, errand: &Errand<'_>, sandbox: &SandboxConfig) -> Result<Program, Failure> {
        let arguments = errand.arguments;
        let text = |field: &str| arguments.get(field).and_then(Value::as_str);
        let own = texts(arguments)?;
        if errand.call.function == Target::Outward(Outward::Shell) {
            let command = text("command").ok_or_else(|| Failure::invalid("`command` must be text"))?;
            // The word after the command is what the shell calls itself; arguments begin with `$1`.
            let program = ["/bin/sh", "-c", command, "sh"].map(str::to_owned).into_iter().chain(own).collect();
            return Ok(Program { script: None, program });
        }
        let code = match text("code") {
            Some(code) => code.to_owned(),
            None => self.source(errand).await?,
        };
        let (interpreter, name) = match text("language") {
            Some("python") => (&sandbox.python, "main.py"),
            _ if is_module(&code) => (&sandbox.javascript, "main.mjs"),
            _ => (&sandbox.javascript, "main.cjs"),
        };
        let program = [interpreter.clone(), format!("{SCRIPT_FOLDER}/{name}")].into_iter().chain(own).collect();
        Ok(Program { script: Some((code, name)), program })
    }

    /// The script at an endpoint.
    async fn source(&self, errand: &Errand<'_>) -> Result<String, Failure> {
        let endpoint = errand.arguments.get("source").unwrap_or(&Value::Null);
        let url = url_of(endpoint.get("uri"))?;
        let response = self.authenticated(errand, Request::get(url.clone()), endpoint.get("authentication")).await?;
        if !response.status.is_success() {
            let status = u64::from(response.status.as_u16());
            let detail = format!("{} gave no script: {}", host(&url), response.status);
            return Err(Failure::last(Fault::new(Standard::Communication, detail).with_status(status)));
        }
        String::from_utf8(response.body.to_vec())
            .map_err(|_| Failure::communication(format!("{} gave no text", host(&url))))
    }
}

/// What is to run.
struct Program {
    /// The code and its file's name.
    script: Option<(String, &'static str)>,
    program: Vec<String>,
}

impl Program {
    async fn run(
        self,
        sandbox: SandboxConfig,
        environment: Vec<(String, String)>,
        stdin: String,
        until: Instant,
    ) -> Result<Finished, Failure> {
        let file = match &self.script {
            Some((code, name)) => Some((write(code.clone()).await?, *name)),
            None => None,
        };
        let script = file.as_ref().map(|(file, name)| (file, *name));
        let child = sandbox.command(script, &environment, &self.program).spawn();
        let child = child.map_err(|error| broken(&format!("{}: {error}", sandbox.bubblewrap.display())))?;
        match timeout_at(until, attend(child, stdin, sandbox.output_bytes_max)).await {
            Ok(finished) => finished,
            Err(_) => {
                let fault = Fault::new(Standard::Timeout, "the process did not end within its time");
                Err(Failure::last(fault.titled(ErrorCode::DeadlineExceeded.as_str())))
            }
        }
    }
}

/// Feeds a process and reads what it writes. Dropping this kills it and all that it started.
async fn attend(mut child: Child, stdin: String, bytes_max: usize) -> Result<Finished, Failure> {
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let feeding = async move {
        if let Some(mut input) = input {
            // A process need not read what it is given.
            let _unread = input.write_all(stdin.as_bytes()).await;
        }
    };
    let reading = async {
        let (stdout, stderr) = tokio::try_join!(read(output, bytes_max), read(errors, bytes_max))?;
        let status = child.wait().await.map_err(|error| broken(&error.to_string()))?;
        Ok(Finished { code: status.code().unwrap_or(-1), stdout, stderr })
    };
    let ((), finished) = tokio::join!(feeding, reading);
    finished
}

async fn read(from: Option<impl AsyncRead + Unpin>, bytes_max: usize) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        let limit = bytes_max as u64 + 1;
        from.take(limit).read_to_end(&mut bytes).await.map_err(|error| broken(&error.to_string()))?;
    }
    if bytes.len() > bytes_max {
        let fault = Fault::new(Standard::Runtime, format!("the process wrote more than {bytes_max} bytes"));
        return Err(Failure::last(fault.titled(ErrorCode::PayloadTooLarge.as_str())));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

async fn write(code: String) -> Result<NamedTempFile, Failure> {
    let written = tokio::task::spawn_blocking(move || {
        let file = NamedTempFile::new()?;
        std::fs::write(file.path(), code)?;
        Ok::<_, std::io::Error>(file)
    });
    match written.await {
        Ok(Ok(file)) => Ok(file),
        Ok(Err(error)) => Err(broken(&error.to_string())),
        Err(error) => Err(broken(&error.to_string())),
    }
}

fn broken(why: &str) -> Failure {
    Failure::last(Fault::new(Standard::Configuration, format!("the sandbox cannot be used: {why}")))
}

/// Whether a script of JavaScript is a module: it imports or exports at the start of a line.
fn is_module(code: &str) -> bool {
    code.lines().map(str::trim_start).any(|line| line.starts_with("import ") || line.starts_with("export "))
}

fn texts(arguments: &Value) -> Result<Vec<String>, Failure> {
    match arguments.get("arguments") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => Ok(items.iter().map(content::plain).collect()),
        Some(_) => Err(Failure::invalid("`arguments` must be a list")),
    }
}

fn environment(arguments: &Value) -> Result<Vec<(String, String)>, Failure> {
    let nothing = Map::new();
    let fields = match arguments.get("environment") {
        None | Some(Value::Null) => &nothing,
        Some(Value::Object(fields)) => fields,
        Some(_) => return Err(Failure::invalid("`environment` must be an object")),
    };
    let pair = |(name, value): (&String, &Value)| {
        let valid = !name.is_empty() && !name.contains(['=', '\0']);
        valid.then(|| (name.clone(), content::plain(value)))
    };
    let pairs =
        fields.iter().map(|field| pair(field).ok_or_else(|| Failure::invalid("a name in `environment` is invalid")));
    pairs.collect()
}
