//! The retrieval service's process.

use std::process::ExitCode;

#[actix::main]
async fn main() -> ExitCode {
    orrery_service::main("retrieval", orrery_retrieval::tree).await
}
