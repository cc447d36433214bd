//! The inference service.

use std::process::ExitCode;

#[actix::main]
async fn main() -> ExitCode {
    orrery_service::main("inference", orrery_inference::tree).await
}
