//! The router service's process.

use std::process::ExitCode;

#[actix::main]
async fn main() -> ExitCode {
    orrery_service::main("router", orrery_router::tree).await
}
