//! Puts many runs into a database at once, through the kernel's own domain and store, while no kernel runs: each stands where
//! its first transition leaves it, begun or waiting for its turn.

use std::collections::HashMap;

use anyhow::{Context as _, ensure};
use orrery_kernel::domain::command::{Command, Run};
use orrery_kernel::domain::definition::{self, Definition};
use orrery_kernel::domain::state::State;
use orrery_kernel::domain::transition::transition;
use orrery_kernel::store::{Committed, Entry, KernelStore, Move, partition_of};
use orrery_types::{TaskId, TenantId, UnixMillis};
use serde_json::json;
use uuid::Uuid;

/// Under this name it owns the partitions meanwhile.
const MEMBER: &str = "loadtest";
/// Runs in one transaction.
const BATCH: u64 = 2_000;

/// Takes in so many runs of definitions in turn, each with the same first command. The definitions must be deployed.
pub async fn fill(url: &str, tenant: &str, sources: &[String], runs: u64, first: &Command) -> anyhow::Result<()> {
    let tenant = TenantId::new(tenant)?;
    let parse = |source: &String| definition::parse(source).map_err(|problems| anyhow::anyhow!("{problems}"));
    let definitions = sources.iter().map(parse).collect::<anyhow::Result<Vec<_>>>()?;
    let store = KernelStore::open(url).await?;
    let seen = store.beat(MEMBER.to_owned()).await?.partitions.into_iter().map(|(id, epoch, _)| (id, epoch));
    let epochs: HashMap<i32, i64> = store.take(MEMBER.to_owned(), seen.collect()).await?.into_iter().collect();
    for begin in (0..runs).step_by(usize::try_from(BATCH)?) {
        let batch = (begin..runs.min(begin + BATCH)).map(|number| {
            let index = usize::try_from(number)? % definitions.len();
            let definition = definitions.get(index).context("no definition")?;
            entry(&tenant, definition, &epochs, first)
        });
        let outcomes = store.commit(batch.collect::<anyhow::Result<_>>()?).await?;
        ensure!(outcomes.iter().all(|it| *it == Committed::Done), "a start was refused");
    }
    store.forget(MEMBER.to_owned()).await?;
    Ok(())
}

fn entry(
    tenant: &TenantId,
    definition: &Definition,
    epochs: &HashMap<i32, i64>,
    first: &Command,
) -> anyhow::Result<Entry> {
    let id = TaskId::from_uuid(Uuid::now_v7());
    let run = Run {
        roles: vec!["developer".to_owned()],
        seed: 1,
        ..Run::of(definition, id, tenant.clone(), "bench", json!({}))
    };
    let epoch = epochs.get(&partition_of(tenant, &run.id)).copied().context("a partition is owned by another")?;
    let before = State::new(run);
    let moved = transition(&before, definition, first.clone(), UnixMillis::now())?;
    Ok(Entry::Move(Box::new(Move::new(&before, &moved, epoch, Vec::new(), None)?)))
}
