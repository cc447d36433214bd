//! The bus server of a service as a child of its tree.

use std::time::Duration;

use orrery_bus::Server;
use orrery_errors::Error;
use orrery_supervise::TaskSpec;

/// Time to finish the calls that were accepted before the drain.
const DRAIN: Duration = Duration::from_secs(10);

/// A supervised child that serves what `build` registers. On drain it takes no new calls and finishes the accepted ones;
/// when an endpoint ends it fails, and is started afresh.
pub fn bus_endpoint(build: impl Fn() -> Server + Send + Sync + 'static) -> TaskSpec {
    TaskSpec::new("bus", move |task| {
        let starting = build().start();
        async move {
            let mut server = starting.await?;
            task.ready();
            tokio::select! {
                error = server.failed() => Err(error),
                () = task.draining() => {
                    let abandoned = server.drain(DRAIN).await;
                    if abandoned > 0 {
                        tracing::warn!(calls.abandoned = abandoned, "calls were not finished in time");
                    }
                    Ok::<(), Error>(())
                }
            }
        }
    })
    .wait_ready()
    .drain_deadline(DRAIN + Duration::from_secs(1))
}
