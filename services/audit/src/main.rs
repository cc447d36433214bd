//! The audit service's process.

use std::process::ExitCode;

#[actix::main]
async fn main() -> ExitCode {
    orrery_service::main("audit", orrery_audit::tree).await
}
