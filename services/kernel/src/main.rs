//! The kernel's process.

use std::process::ExitCode;

#[actix::main]
async fn main() -> ExitCode {
    orrery_service::main("kernel", orrery_kernel::tree).await
}
