//! The audit service's process.

use std::process::ExitCode;

/// Many small values live briefly on many threads, which it does faster than the system's allocator and gives back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[actix::main]
async fn main() -> ExitCode {
    orrery_service::main("audit", orrery_audit::tree).await
}
