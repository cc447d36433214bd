//! Lives of plain asynchronous tasks.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use tokio::sync::oneshot;

use super::{Launch, Launched, exit_of};
use crate::context::TaskContext;
use crate::control::Control;
use crate::exit::ExitStatus;
use crate::host::Place;

/// Begins one fresh run of the task.
pub(crate) type TaskFactory = Arc<dyn Fn(TaskContext) -> LocalBoxFuture<'static, ExitStatus> + Send + Sync>;

pub(crate) struct TaskLaunch {
    pub(crate) factory: TaskFactory,
}

impl Launch for TaskLaunch {
    fn launch(&self, control: &Arc<Control>, place: &Place) -> Launched {
        let (done, exit) = oneshot::channel();
        let factory = Arc::clone(&self.factory);
        let control = Arc::clone(control);
        place.run(move || {
            actix_rt::spawn(async move {
                let status = live(factory, control).await;
                let _ = done.send(status);
            });
        });
        Launched { exit, door: None }
    }
}

async fn live(factory: TaskFactory, control: Arc<Control>) -> ExitStatus {
    // The factory runs inside, so that a panic before the first await is caught too.
    let run = AssertUnwindSafe(async {
        let run = factory(TaskContext::new(Arc::clone(&control)));
        control.started();
        run.await
    })
    .catch_unwind();
    tokio::select! {
        biased;
        () = control.kill.cancelled() => ExitStatus::Killed,
        ended = run => exit_of(ended),
    }
}
