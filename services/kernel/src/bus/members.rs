//! Kernel processes among themselves: commands to runs that another one owns, and whether one is there at all. JSON, since
//! commands and their refusals are what the journal knows how to write.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_nats::client::RequestErrorKind;
use futures::StreamExt as _;
use orrery_bus::{Bus, subjects};
use orrery_errors::{Error, ErrorCode};
use orrery_supervise::TaskSpec;
use orrery_types::{TaskId, TenantId};
use serde::{Deserialize, Serialize};

use crate::actors::partition::Start;
use crate::domain::command::{Command, Reject, Run};
use crate::error::ActError;
use crate::kernel::Kernel;
use crate::store::StartKey;

/// Requests that are answered at the same time.
const UNDER_WAY_MAX: usize = 1_024;
/// How long a command may take at the other side.
const WITHIN: Duration = Duration::from_secs(30);
/// Bytes of a message that its headers may take.
const HEADERS_BYTES: usize = 4096;

/// What one process asks of another.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// Is it there?
    Ping,
    /// A command to a run that it owns.
    Act {
        /// The run's tenant.
        tenant: TenantId,
        /// The run.
        run: TaskId,
        /// What.
        command: Command,
        /// For a run that does not exist yet.
        start: Option<Box<Starting>>,
    },
    /// A question that is too long for a message and lies in the object store.
    Stored {
        /// The run's tenant.
        tenant: TenantId,
        /// Its place.
        reference: String,
    },
    /// Answer when the run is over, or when the time has passed.
    Watch {
        /// The run's tenant.
        tenant: TenantId,
        /// The run.
        run: TaskId,
        /// At most.
        within_ms: u64,
    },
}

/// A start on its way: the other side finds the definition by its hash.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Starting {
    run: Run,
    key: Option<StartKey>,
}

impl From<Start> for Box<Starting> {
    fn from(start: Start) -> Self {
        Box::new(Starting { run: start.run, key: start.key })
    }
}

/// Why a command had no effect, on its way back.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "refusal", content = "of", rename_all = "snake_case")]
enum Refusal {
    Rejected(Reject),
    Unknown,
    Moved,
    Duplicate { run: String, request_digest: String },
    Failed { code: String, message: String },
}

impl From<ActError> for Refusal {
    fn from(error: ActError) -> Self {
        match error {
            ActError::Rejected(reject) => Self::Rejected(reject),
            ActError::Unknown => Self::Unknown,
            ActError::Moved => Self::Moved,
            ActError::Duplicate { run, request_digest } => Self::Duplicate { run, request_digest },
            ActError::Failed(error) => Self::Failed { code: error.code.as_str().to_owned(), message: error.message },
        }
    }
}

impl From<Refusal> for ActError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Rejected(reject) => Self::Rejected(reject),
            Refusal::Unknown => Self::Unknown,
            Refusal::Moved => Self::Moved,
            Refusal::Duplicate { run, request_digest } => Self::Duplicate { run, request_digest },
            Refusal::Failed { code, message } => {
                Self::Failed(Error::new(code.parse().unwrap_or(ErrorCode::Internal), message))
            }
        }
    }
}

fn internal(error: serde_json::Error) -> Error {
    Error::new(ErrorCode::Internal, error.to_string())
}

/// A question as a message takes it.
async fn written(kernel: &Kernel, ask: &Ask) -> Result<Vec<u8>, Error> {
    let mut text = serde_json::to_string(ask).map_err(internal)?;
    let limit = kernel.bus.client().server_info().max_payload.saturating_sub(HEADERS_BYTES);
    if let Ask::Act { tenant, run, .. } = ask
        && text.len() > limit
    {
        kernel.payloads.offload(tenant, run, &mut text).await?;
        text = serde_json::to_string(&Ask::Stored { tenant: tenant.clone(), reference: text }).map_err(internal)?;
    }
    Ok(text.into_bytes())
}

/// Asks a process. One that is not there, or no longer owns the run, counts as moved.
pub async fn ask(kernel: &Kernel, member: &str, ask: &Ask) -> Result<(), ActError> {
    let within = match ask {
        Ask::Watch { within_ms, .. } => Duration::from_millis(*within_ms) + Duration::from_secs(1),
        _ => WITHIN,
    };
    let payload = written(kernel, ask).await?;
    let request = async_nats::Request::new().payload(payload.into()).timeout(Some(within));
    let reply = match kernel.bus.client().send_request(subjects::kernel_member(member), request).await {
        Ok(reply) => reply,
        Err(error) => {
            return Err(match error.kind() {
                RequestErrorKind::NoResponders => ActError::Moved,
                _ => Error::new(
                    ErrorCode::Unavailable,
                    format!("the kernel that owns the task does not answer: {error}"),
                )
                .retry_after(Duration::from_millis(500))
                .into(),
            });
        }
    };
    let answer: Result<(), Refusal> = serde_json::from_slice(&reply.payload).map_err(internal)?;
    answer.map_err(ActError::from)
}

/// Whether a process can be reached: `Some(false)` is certain, `None` is not known.
pub async fn is_there(bus: &Bus, member: &str, within: Duration) -> Option<bool> {
    let payload = serde_json::to_vec(&Ask::Ping).ok()?;
    let request = async_nats::Request::new().payload(payload.into()).timeout(Some(within));
    match bus.client().send_request(subjects::kernel_member(member), request).await {
        Ok(_) => Some(true),
        Err(error) if error.kind() == RequestErrorKind::NoResponders => Some(false),
        Err(_) => None,
    }
}

/// Whether the bus answers `me`: asked for somebody who is not there it says so, without any other process in between.
pub async fn bus_answers(bus: &Bus, me: &str, within: Duration) -> bool {
    is_there(bus, &format!("{me}-echo"), within).await.is_some()
}

/// Answers the others, as `member`.
pub fn task(kernel: Arc<Kernel>, member: String) -> TaskSpec {
    TaskSpec::new("member", move |task| {
        let (kernel, member) = (kernel.clone(), member.clone());
        async move {
            let requests = kernel.bus.subscribe(subjects::kernel_member(&member)).await?;
            task.ready();
            let answering = requests.for_each_concurrent(UNDER_WAY_MAX, |request| answer(&kernel, request));
            tokio::select! {
                () = answering => Err(Error::new(ErrorCode::Unavailable, "the connection to the bus was closed")),
                () = task.draining() => Ok(()),
            }
        }
    })
    .wait_ready()
}

async fn answer(kernel: &Arc<Kernel>, request: async_nats::Message) {
    let Some(reply) = request.reply else { return };
    let outcome = match serde_json::from_slice::<Ask>(&request.payload) {
        Ok(Ask::Stored { tenant, reference }) => match fetch(kernel, &tenant, reference).await {
            Ok(ask) => perform(kernel, ask).await,
            Err(error) => Err(error.into()),
        },
        Ok(ask) => perform(kernel, ask).await,
        Err(error) => Err(Error::new(ErrorCode::InvalidRequest, error.to_string()).into()),
    };
    let answer: Result<(), Refusal> = outcome.map_err(Refusal::from);
    let sent = match serde_json::to_vec(&answer) {
        Ok(payload) => kernel.bus.client().publish(reply, payload.into()).await.map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if let Err(error) = sent {
        tracing::warn!(%error, "an answer to another kernel was not sent");
    }
}

async fn fetch(kernel: &Kernel, tenant: &TenantId, reference: String) -> Result<Ask, Error> {
    let text = kernel.payloads.fetch(tenant, reference).await?;
    serde_json::from_str(&text).map_err(internal)
}

async fn perform(kernel: &Arc<Kernel>, ask: Ask) -> Result<(), ActError> {
    match ask {
        Ask::Ping => Ok(()),
        Ask::Stored { .. } => {
            Err(Error::new(ErrorCode::InvalidRequest, "a question refers to another reference").into())
        }
        Ask::Act { tenant, run, command, start } => {
            let start = match start {
                Some(starting) => Some(Box::new(resolve(kernel, *starting).await?)),
                None => None,
            };
            // Not forwarded again: who asked looks the owner up anew.
            kernel.act_here(&tenant, &run, command, start).await.map(drop)
        }
        Ask::Watch { tenant, run, within_ms } => {
            kernel.ended(&tenant, &run, Duration::from_millis(within_ms)).await.map(drop)
        }
    }
}

async fn resolve(kernel: &Kernel, starting: Starting) -> Result<Start, ActError> {
    let Starting { run, key } = starting;
    let definition = kernel.definitions.pinned(run.tenant.as_str(), &run.definition.to_string()).await?;
    Ok(Start { run, definition, key })
}

/// The owners of the partitions that another live process holds.
pub fn others(partitions: &[(i32, i64, String)], me: &str) -> BTreeMap<i32, String> {
    let others = partitions.iter().filter(|(_, _, owner)| !owner.is_empty() && owner != me);
    others.map(|(id, _, owner)| (*id, owner.clone())).collect()
}
