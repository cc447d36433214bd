//! The metrics of supervision. Their names stand here and nowhere else.

use crate::error::SendError;
use crate::exit::ExitStatus;

pub(crate) fn count_exit(child: &str, status: &ExitStatus) {
    metrics::counter!("orrery_supervise_exits_total", "child" => child.to_owned(), "status" => status.label())
        .increment(1);
}

pub(crate) fn count_restart(child: &str, status: &ExitStatus) {
    metrics::counter!("orrery_supervise_restarts_total", "child" => child.to_owned(), "reason" => status.label())
        .increment(1);
}

pub(crate) fn count_send_error(error: &SendError, child: &str) {
    metrics::counter!("orrery_supervise_send_errors_total", "child" => child.to_owned(), "reason" => error.label())
        .increment(1);
}

pub(crate) fn set_depth(child: &str, depth: usize) {
    #[expect(clippy::cast_precision_loss, reason = "a bounded mailbox is far below 2^52")]
    metrics::gauge!("orrery_supervise_mailbox_depth", "child" => child.to_owned()).set(depth as f64);
}

pub(crate) fn set_up(child: &str, up: bool) {
    metrics::gauge!("orrery_supervise_child_up", "child" => child.to_owned()).set(if up { 1.0 } else { 0.0 });
}
