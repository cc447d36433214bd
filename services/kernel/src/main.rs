//! The kernel's process.

use std::process::ExitCode;

/// Values are made on one thread and dropped on another, which the system's allocator is slow at.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[actix::main]
async fn main() -> ExitCode {
    orrery_service::main("kernel", orrery_kernel::tree).await
}
