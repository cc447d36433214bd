//! Calls that leave the platform: HTTP, OpenAPI, AsyncAPI, agents, scripts and shells. Needs configuration alone, neither bus nor
//! database.
//!
//! Secrets become values here and nowhere else (K-10), and whatever goes back to the workflow has them masked.

mod a2a;
mod asyncapi;
mod authentication;
mod challenge;
mod content;
mod document;
mod exchange;
mod http;
mod jsonrpc;
mod mcp;
mod network;
mod openapi;
mod process;
mod secrets;
mod token;

use std::time::Duration;

use async_trait::async_trait;
use orrery_errors::{Error, ErrorCode};
use orrery_types::UnixMillis;
use serde_json::Value;
use tokio::time::Instant;

pub use network::NetworkConfig;
pub use process::SandboxConfig;
pub use secrets::SecretsConfig;

use self::authentication::Credentials;
use self::document::Documents;
use self::exchange::Exchange;
use self::secrets::{Mask, Opened, Secrets};
use super::{Failure, Provider};
use crate::config::KernelConfig;
use crate::domain::command::{Reply, Run};
use crate::domain::definition::{Outward, Target};
use crate::domain::effect::Call;

/// Makes calls that leave the platform.
#[derive(Debug)]
pub struct OutwardCalls {
    exchange: Exchange,
    secrets: Secrets,
    credentials: Credentials,
    documents: Documents,
    sandbox: Option<SandboxConfig>,
}

/// What every kind of call has at hand.
struct Errand<'a> {
    call: &'a Call,
    /// The arguments, secrets opened.
    arguments: &'a Value,
    /// The secrets by name, for the policies that name one.
    secrets: &'a Value,
    tenant: &'a str,
    mask: &'a Mask,
    deadline: Instant,
}

impl Errand<'_> {
    /// A text of the request, as it may be shown.
    fn shown(&self, text: &str) -> String {
        self.mask.own(text)
    }
}

impl OutwardCalls {
    /// Fails only if the system's certificates cannot be used.
    pub fn new(config: &KernelConfig) -> Result<Self, Error> {
        Ok(Self {
            exchange: Exchange::new(&config.http)?,
            secrets: Secrets::new(config.secrets.clone()),
            credentials: Credentials::default(),
            documents: Documents::default(),
            sandbox: config.sandbox.clone(),
        })
    }

    async fn perform(&self, errand: &Errand<'_>) -> Result<Value, Failure> {
        match errand.call.function {
            Target::Outward(Outward::Http) => self.http(errand).await,
            Target::Outward(Outward::Openapi) => self.openapi(errand).await,
            Target::Outward(Outward::Asyncapi) => self.asyncapi(errand).await,
            Target::Outward(Outward::A2a) => self.a2a(errand).await,
            Target::Outward(Outward::Mcp) => self.mcp(errand).await,
            Target::Outward(Outward::Script | Outward::Shell) => self.process(errand).await,
            Target::Platform(function) => {
                let message = format!("{} does not leave the platform", function.name());
                Err(Error::new(ErrorCode::Internal, message).into())
            }
        }
    }
}

#[async_trait]
impl Provider for OutwardCalls {
    /// The whole of the step's time is the attempt's: what may not be sent twice must not be given up early.
    async fn call(&self, run: &Run, call: &Call, _deadline: UnixMillis) -> Result<Reply, Failure> {
        let tenant = run.tenant.as_str();
        let mut opened = self.secrets.open(tenant, call).await?;
        let left: Duration = call.deadline_at.since(UnixMillis::now());
        let deadline = Instant::now() + left;
        let late: Vec<_> = call.sealed.expressions.iter().filter(|it| it.rests_on_authorization()).collect();
        if !late.is_empty() {
            let Opened { arguments, secrets, mask } = &opened;
            let authorization =
                self.authorization(&Errand { call, arguments, secrets, tenant, mask, deadline }).await?;
            late.into_iter().try_for_each(|expression| opened.fill_in(expression, &authorization))?;
        }
        let errand = Errand {
            call,
            arguments: &opened.arguments,
            secrets: &opened.secrets,
            tenant,
            mask: &opened.mask,
            deadline,
        };
        match self.perform(&errand).await {
            Ok(output) => Ok(Reply { output: opened.mask.value(output), decisions: Vec::new() }),
            Err(failure) => Err(Failure { fault: opened.mask.fault(failure.fault), ..failure }),
        }
    }
}

#[cfg(test)]
mod tests;
