//! Removes runs that are over and whose time is over: those of the partitions that this process owns. Where the rule says so, a
//! run is archived first, read back, and only then removed. Whatever is interrupted is done again, and does no harm: an
//! archive is the same bytes under the same name, a run is removed once, and what remains of it is listed until it is gone.

use std::sync::Arc;
use std::time::Duration;

use orrery_errors::{Error, ErrorCode};
use orrery_supervise::TaskSpec;
use orrery_types::{TaskId, TenantId, UnixMillis};

use crate::archives;
use crate::bus::retention_facts;
use crate::config::RetentionConfig;
use crate::domain::retention::{Keep, Reach, Rule};
use crate::kernel::Kernel;
use crate::payloads;
use crate::store::{Before, Expired, PARTITIONS, Remains, Removal, RetentionRow};

/// Runs looked at together.
const PAGE: i64 = 100;
/// Rows of a journal, or reviews, removed in one transaction.
const PIECE: i64 = 200;
/// Pause between two runs, so that others come first.
const PAUSE: Duration = Duration::from_millis(5);
/// More that runs have to tell each other than this, and nothing is removed until there is less: each may name a run.
const ERRANDS_MAX: i64 = 2_000;
/// How long batches that are over are kept.
const BATCHES_KEPT: Duration = Duration::from_secs(90 * 86_400);

/// The supervised task.
pub fn spec(kernel: Arc<Kernel>) -> TaskSpec {
    TaskSpec::new("retention", move |task| {
        let kernel = kernel.clone();
        async move {
            let sweeping = async {
                loop {
                    if let Err(error) = sweep(&kernel).await {
                        tracing::warn!(%error, "runs whose time is over are not removed yet");
                    }
                    tokio::time::sleep(Duration::from_millis(kernel.retention.sweep_ms)).await;
                }
            };
            tokio::select! {
                () = sweeping => Ok::<(), Error>(()),
                () = task.draining() => Ok(()),
            }
        }
    })
}

/// The rules in force.
fn rules(rows: Vec<RetentionRow>, config: RetentionConfig) -> Vec<Rule> {
    let keep = |ms: i64, archive| Keep { keep: Duration::from_millis(u64::try_from(ms).unwrap_or(0)), archive };
    let rule = |row: RetentionRow| Rule {
        keep: keep(row.keep_ms, row.archive),
        reach: match row.workflow.is_empty() {
            true => Reach::Tenant(row.tenant),
            false => Reach::Workflow(row.tenant, row.workflow),
        },
    };
    let system = config.keep_ms.map(|ms| Rule { reach: Reach::System, keep: keep(ms, config.archive) });
    rows.into_iter().map(rule).chain(system).collect()
}

async fn sweep(kernel: &Kernel) -> Result<(), Error> {
    // What an earlier sweep, here or elsewhere, did not finish.
    while clear(kernel).await? {}
    let now = UnixMillis::now();
    let before_ms = past(now, BATCHES_KEPT);
    while kernel.store.drop_batches(before_ms, PAGE).await? > 0 {}
    let config = kernel.retention;
    let rules = rules(kernel.store.retention().await?, config);
    for rule in &rules {
        let keyed = rule.keep.keep.max(Duration::from_millis(config.keys_kept_ms));
        let before = Before { any_ms: past(now, rule.keep.keep), keyed_ms: past(now, keyed) };
        let mut after = (0, String::new());
        loop {
            let of: Vec<i32> = (0..PARTITIONS).filter(|partition| kernel.owns(*partition)).collect();
            let page = kernel.store.expired(of, rule.reach.clone(), before, after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = (last.finished_ms, last.run.clone());
            remove_all(kernel, page, rule, &rules).await?;
            while clear(kernel).await? {}
        }
    }
    Ok(())
}

fn past(now: UnixMillis, age: Duration) -> i64 {
    let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    i64::try_from(now.0.saturating_sub(age)).unwrap_or(i64::MAX)
}

async fn remove_all(kernel: &Kernel, page: Vec<Expired>, rule: &Rule, rules: &[Rule]) -> Result<(), Error> {
    // Read after the page: an errand that starts a run is older than the run.
    let errands = kernel.store.errand_texts(ERRANDS_MAX).await?;
    if i64::try_from(errands.len()).unwrap_or(i64::MAX) >= ERRANDS_MAX {
        let message = "more is on its way between tasks than can be looked through";
        return Err(Error::new(ErrorCode::Overloaded, message));
    }
    for run in page {
        if errands.iter().any(|errand| errand.contains(&run.run)) {
            continue;
        }
        if let Err(error) = remove(kernel, &run, rule, rules).await {
            // One that cannot be archived stays, and keeps no other from being removed.
            tracing::warn!(task.id = %run.run, %error, "a task whose time is over stays");
            if error.code.retryable() {
                return Err(error);
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Archives a run, if so, and removes it, unless something needs it.
async fn remove(kernel: &Kernel, expired: &Expired, rule: &Rule, rules: &[Rule]) -> Result<(), Error> {
    let Ok(tenant) = TenantId::new(&expired.tenant) else { return Ok(()) };
    let Some(row) = kernel.store.run(expired.tenant.clone(), expired.run.clone()).await? else { return Ok(()) };
    // The database has chosen by the rules as they are now; those that this sweep goes by may be older.
    if Rule::of(rules, &row.tenant, &row.workflow) != Some(rule) {
        return Ok(());
    }
    let Some(epoch) = kernel.ownership.epoch(row.partition) else { return Ok(()) };
    if let Some(reason) = kernel.store.needed_by(row.tenant.clone(), row.id.clone()).await? {
        tracing::debug!(task.id = %row.id, reason, "a task whose time is over stays");
        return Ok(());
    }
    let archived = match rule.keep.archive {
        true => Some(archives::write(kernel, &tenant, &row).await?),
        false => None,
    };
    let messages = retention_facts::removed(&row, archived.as_ref(), UnixMillis::now());
    let id = row.id.clone();
    match kernel.store.remove_run(row, epoch, archived, messages).await? {
        Removal::Done => {
            kernel.outbox.wake();
            metrics::counter!("orrery.kernel.runs.removed").increment(1);
        }
        Removal::Fenced => tracing::info!(task.id = %id, "another kernel removes this task"),
        Removal::Kept(reason) => tracing::debug!(task.id = %id, reason, "a task whose time is over stays"),
    }
    Ok(())
}

/// Removes what remains of some runs; true: there may be more.
async fn clear(kernel: &Kernel) -> Result<bool, Error> {
    let of: Vec<i32> = (0..PARTITIONS).filter(|partition| kernel.owns(*partition)).collect();
    let left = kernel.store.removals(of, PAGE).await?;
    let more = !left.is_empty();
    for remains in left {
        clear_run(kernel, remains).await?;
    }
    Ok(more)
}

async fn clear_run(kernel: &Kernel, remains: Remains) -> Result<(), Error> {
    let Remains { run_id, tenant, texts, .. } = remains;
    let (Ok(tenant), Ok(run)) = (TenantId::new(&tenant), TaskId::new(&run_id)) else {
        return Ok(kernel.store.forget_run(run_id).await?);
    };
    // Objects first: a row that is left names what has to go, one that is gone names nothing.
    let own: Vec<String> = serde_json::from_str(&texts).unwrap_or_default();
    kernel.payloads.remove(&tenant, &run, &own).await?;
    loop {
        let rows = kernel.store.journal(run_id.clone(), 0, PIECE).await?;
        if rows.is_empty() {
            break;
        }
        let texts: Vec<String> =
            rows.iter().map(|row| row.events.clone()).filter(|it| payloads::is_reference(it)).collect();
        kernel.payloads.remove(&tenant, &run, &texts).await?;
        kernel.store.drop_journal(rows).await?;
    }
    loop {
        let rows = kernel.store.reviews_of(run_id.clone(), PIECE).await?;
        if rows.is_empty() {
            break;
        }
        let ids = rows.iter().map(|row| row.id.clone()).collect();
        let texts = rows.into_iter().flat_map(|row| [row.subject, row.edits, row.result, row.previous]);
        let texts: Vec<String> = texts.filter(|text| payloads::is_reference(text)).collect();
        kernel.payloads.remove(&tenant, &run, &texts).await?;
        kernel.store.drop_reviews(ids).await?;
    }
    Ok(kernel.store.forget_run(run_id).await?)
}
