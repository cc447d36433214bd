//! What is known of every child, told to the terminal as it changes and kept in `system.json`, by which other commands
//! find the running system.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::lock::Lock;
use super::{Options, Profile, write_private};

const FILE: &str = "system.json";

/// Told when something changes.
pub type Report = Arc<dyn Fn(&Notice) + Send + Sync>;

/// What changed.
#[derive(Debug, Clone)]
pub enum Notice {
    /// A child is being started for the first time.
    Starting(&'static str),
    /// A child works; `again` when it had worked before.
    Ready { name: &'static str, again: bool },
    /// A child ended that should not have.
    Ended { fault: String },
    /// A child is asked to end.
    Stopping(&'static str),
}

/// One child process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProcessState {
    /// Such as `kernel` or `nats`.
    pub name: String,
    /// `starting`, `running`, `ended` or `stopped`.
    pub state: String,
    /// Absent while it is not there.
    pub pid: Option<u32>,
    /// How often it was started again.
    pub restarts: u32,
    /// Everything it prints.
    pub log: PathBuf,
    /// Where it listens.
    pub listen: String,
    /// How it ended the last time.
    pub last_fault: Option<String>,
}

/// How to reach a running system. Holds secrets: readable by its owner only.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SystemFile {
    pub gateway_url: String,
    /// The admin key.
    pub api_key: String,
    pub profile: Profile,
    pub data: PathBuf,
    /// Of `orrery up` itself.
    pub pid: u32,
    pub nats_url: String,
    pub nats_operator_password: String,
    pub processes: Vec<ProcessState>,
}

impl SystemFile {
    /// The system that runs on the data folder, if one does.
    pub fn read(data: &Path) -> Result<Option<Self>> {
        let path = data.join(FILE);
        if !Lock::is_held(data) {
            return Ok(None);
        }
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                Ok(Some(serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?))
            }
            // It is still starting.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }
}

/// The board itself.
pub(super) struct Board {
    report: Report,
    path: PathBuf,
    file: Mutex<Inner>,
    fault: watch::Sender<Option<String>>,
}

struct Inner {
    file: SystemFile,
    /// The file is written only while the whole system is up or being mended.
    published: bool,
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Board {
    pub(super) fn new(options: &Options, gateway_url: String, report: Report) -> Self {
        let file = SystemFile {
            gateway_url,
            api_key: String::new(),
            profile: options.profile,
            data: options.data.clone(),
            pid: std::process::id(),
            nats_url: String::new(),
            nats_operator_password: String::new(),
            processes: Vec::new(),
        };
        let path = options.data.join(FILE);
        Self { report, path, file: Mutex::new(Inner { file, published: false }), fault: watch::Sender::new(None) }
    }

    pub(super) fn set_nats(&self, url: &str, operator_password: &str) {
        let mut inner = self.file.lock();
        url.clone_into(&mut inner.file.nats_url);
        operator_password.clone_into(&mut inner.file.nats_operator_password);
    }

    pub(super) fn file(&self) -> SystemFile {
        self.file.lock().file.clone()
    }

    pub(super) fn starting(&self, name: &'static str, listen: &str, log: &Path, pid: Option<u32>) {
        let first = self.change(name, |process| {
            let first = process.pid.is_none() && process.last_fault.is_none();
            listen.clone_into(&mut process.listen);
            log.clone_into(&mut process.log);
            process.restarts += u32::from(!first);
            process.pid = pid;
            "starting".clone_into(&mut process.state);
            first
        });
        if first {
            (self.report)(&Notice::Starting(name));
        }
    }

    pub(super) fn ready(&self, name: &'static str) {
        let again = self.change(name, |process| {
            "running".clone_into(&mut process.state);
            process.restarts > 0
        });
        (self.report)(&Notice::Ready { name, again });
    }

    pub(super) fn ended(&self, name: &'static str, fault: &str) {
        self.change(name, |process| {
            "ended".clone_into(&mut process.state);
            process.pid = None;
            process.last_fault = Some(fault.to_owned());
        });
        (self.report)(&Notice::Ended { fault: fault.to_owned() });
        self.fault.send_replace(Some(fault.to_owned()));
    }

    pub(super) fn child_stopping(&self, name: &'static str) {
        (self.report)(&Notice::Stopping(name));
    }

    pub(super) fn child_stopped(&self, name: &'static str) {
        self.change(name, |process| {
            "stopped".clone_into(&mut process.state);
            process.pid = None;
        });
    }

    /// The first child that ended.
    pub(super) async fn first_fault(&self) -> String {
        let mut faults = self.fault.subscribe();
        // The sender lives as long as this board, so that the channel cannot close.
        match faults.wait_for(Option::is_some).await {
            Ok(fault) => fault.clone().unwrap_or_default(),
            Err(_closed) => std::future::pending().await,
        }
    }

    pub(super) fn all_ready(&self, api_key: &str) {
        let mut inner = self.file.lock();
        api_key.clone_into(&mut inner.file.api_key);
        inner.published = true;
        self.publish(&inner);
    }

    pub(super) fn stopping(&self) {
        self.file.lock().published = false;
        self.stopped();
    }

    pub(super) fn stopped(&self) {
        // A file that is left behind is recognised by the lock that nobody holds.
        let _left_behind = std::fs::remove_file(&self.path);
    }

    fn change<T>(&self, name: &str, change: impl FnOnce(&mut ProcessState) -> T) -> T {
        let mut inner = self.file.lock();
        let processes = &mut inner.file.processes;
        let result = match processes.iter_mut().find(|process| process.name == name) {
            Some(process) => change(process),
            None => {
                let mut process = ProcessState {
                    name: name.to_owned(),
                    state: String::new(),
                    pid: None,
                    restarts: 0,
                    log: PathBuf::new(),
                    listen: String::new(),
                    last_fault: None,
                };
                let result = change(&mut process);
                processes.push(process);
                result
            }
        };
        if inner.published {
            self.publish(&inner);
        }
        result
    }

    fn publish(&self, inner: &Inner) {
        let text = serde_json::to_string_pretty(&inner.file).unwrap_or_default();
        if let Err(error) = write_private(&self.path, &text) {
            let fault = format!("{error:#}: other commands will not find this system");
            (self.report)(&Notice::Ended { fault });
        }
    }
}
