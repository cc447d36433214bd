//! The gateway's process.

use std::process::ExitCode;

#[actix::main]
async fn main() -> ExitCode {
    orrery_service::main("gateway", orrery_gateway::tree).await
}
