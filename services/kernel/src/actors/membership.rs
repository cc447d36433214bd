//! This process among the others that share the partitions: it shows that it lives, sees who no longer does, and takes up
//! and lets go partitions so that each live process has its share.
//!
//! A count in the database shows life, so that a process which cannot write is not taken for alive; no clocks are
//! compared. Being wrong about another costs it its partitions and nothing else: the epoch fences it (K-9).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use orrery_errors::Error;
use orrery_supervise::TaskSpec;
use orrery_types::Sha256Digest;

use super::partition::{LetGo, TakeUp};
use super::timer::Reload;
use crate::bus::members;
use crate::kernel::Kernel;
use crate::shares::Part;
use crate::store::Cluster;

/// How often it shows that it lives and looks at the others.
const BEAT: Duration = Duration::from_millis(500);
/// A count that has stood still for this long is looked into: a process that the bus cannot reach is dead,
const SUSPECT: Duration = Duration::from_secs(1);
/// and after this long it is taken for dead in any case.
const LEASE: Duration = Duration::from_millis(2_500);
/// How long a process may take to say that it is there.
const PING: Duration = Duration::from_millis(300);
/// How long taking up one partition may take: loading and replaying what is under way.
const TAKE_UP: Duration = Duration::from_secs(120);
const LEAVE: Duration = Duration::from_secs(3);

/// The supervised membership of `member`.
pub fn task(kernel: Arc<Kernel>, member: String) -> TaskSpec {
    TaskSpec::new("membership", move |task| {
        let mut membership = Membership::new(kernel.clone(), member.clone());
        async move {
            loop {
                membership.beat().await;
                task.ready();
                tokio::select! {
                    () = tokio::time::sleep(BEAT) => {}
                    () = task.draining() => break,
                }
            }
            // Who takes over need not wait until this process is missed.
            if let Err(error) = membership.leave().await {
                tracing::warn!(%error, "this kernel did not sign off; the others will miss it");
            }
            Ok::<_, Error>(())
        }
    })
    .wait_ready()
    .start_timeout(TAKE_UP)
    .drain_deadline(LEAVE)
}

struct Membership {
    kernel: Arc<Kernel>,
    me: String,
    /// The count of each process, and when it was last seen to rise; none: when it was first seen.
    seen: HashMap<String, (i64, Instant)>,
    last_beat: Instant,
}

impl Membership {
    fn new(kernel: Arc<Kernel>, me: String) -> Self {
        Self { kernel, me, seen: HashMap::new(), last_beat: Instant::now() }
    }

    async fn beat(&mut self) {
        let outcome = match self.kernel.bus.is_connected() {
            true => self.turn().await,
            // Without the bus it can do nothing for its runs; another process can.
            false => Err(Error::new(orrery_errors::ErrorCode::Unavailable, "the bus is not reachable")),
        };
        match outcome {
            Ok(()) => self.last_beat = Instant::now(),
            Err(error) => {
                tracing::warn!(%error, "this kernel cannot show that it lives");
                if self.last_beat.elapsed() >= LEASE {
                    for partition in self.kernel.ownership.mine() {
                        self.let_go(partition);
                    }
                }
            }
        }
    }

    async fn turn(&mut self) -> Result<(), Error> {
        let cluster = self.kernel.store.beat(self.me.clone()).await?;
        let live = self.live(&cluster).await?;
        // Before any partition is let go or taken up: who gives one up has made room for who takes it.
        self.kernel.take_part(Part::among(&live, &self.me))?;
        self.kernel.ownership.note(members::others(&cluster.partitions, &self.me));
        let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
        for (id, epoch, owner) in &cluster.partitions {
            let held = self.kernel.ownership.epoch(*id);
            if held.is_some_and(|held| held < *epoch) {
                self.let_go(*id);
            }
            let mine = share(*id, &live) == Some(self.me.as_str());
            match (mine, *owner == self.me) {
                (true, true) if held.is_none() => wanted.push((*id, *epoch)),
                (true, false) if owner.is_empty() || !live.contains(owner) => wanted.push((*id, *epoch)),
                (false, true) => unwanted.push(*id),
                _ => {}
            }
        }
        if !unwanted.is_empty() {
            unwanted.iter().for_each(|id| self.let_go(*id));
            self.kernel.store.release(self.me.clone(), unwanted).await?;
        }
        self.take(wanted).await
    }

    /// Who lives, this process included.
    async fn live(&mut self, cluster: &Cluster) -> Result<Vec<String>, Error> {
        let mut live = Vec::new();
        for (member, beat) in &cluster.members {
            let first = !self.seen.contains_key(member);
            let (counted, since) = self.seen.entry(member.clone()).or_insert((*beat, Instant::now()));
            if *counted != *beat {
                (*counted, *since) = (*beat, Instant::now());
            }
            let still = since.elapsed();
            // One that is met for the first time may have died long ago.
            let suspect = *member != self.me && (first || still >= SUSPECT);
            let dead =
                suspect && (still >= LEASE || members::is_there(&self.kernel.bus, member, PING).await == Some(false));
            if dead {
                tracing::info!(member = %member, "a kernel is gone");
                self.kernel.store.forget(member.clone()).await?;
                self.seen.remove(member);
            } else {
                live.push(member.clone());
            }
        }
        Ok(live)
    }

    async fn take(&self, wanted: Vec<(i32, i64)>) -> Result<(), Error> {
        if wanted.is_empty() {
            return Ok(());
        }
        // Runs that execute in the partitions to come count against the limits as well.
        self.kernel.admission.hold(true);
        let taken = self.take_up(wanted).await;
        self.kernel.admission.hold(false);
        taken?;
        self.reload()
    }

    async fn take_up(&self, wanted: Vec<(i32, i64)>) -> Result<(), Error> {
        for (partition, epoch) in self.kernel.store.take(self.me.clone(), wanted).await? {
            let taking = self.kernel.actor_of(partition)?.ask_within(TakeUp { partition, epoch }, TAKE_UP).await;
            taking.map_err(|error| crate::error::busy(&error))??;
        }
        Ok(())
    }

    fn let_go(&self, partition: i32) {
        if self.kernel.ownership.drop(partition) {
            tracing::info!(partition.id = partition, "let go");
            match self.kernel.actor_of(partition).map(|actor| actor.try_send(LetGo { partition })) {
                Ok(Ok(told)) => drop(told),
                // It finds out at its next commit.
                Ok(Err(error)) => tracing::warn!(%error, "a partition actor was not told that its partition has gone"),
                Err(error) => tracing::warn!(%error, "a partition actor was not told that its partition has gone"),
            }
        }
    }

    fn reload(&self) -> Result<(), Error> {
        drop(self.kernel.wiring()?.timer.try_send(Reload).map_err(|error| crate::error::busy(&error))?);
        Ok(())
    }

    async fn leave(&self) -> Result<(), Error> {
        for partition in self.kernel.ownership.mine() {
            self.let_go(partition);
        }
        Ok(self.kernel.store.forget(self.me.clone()).await?)
    }
}

/// Whose share a partition is: the member with the highest hash of both (rendezvous hashing), so that a member that comes
/// or goes moves no more than its own share.
fn share(partition: i32, live: &[String]) -> Option<&str> {
    let weight = |member: &&String| *Sha256Digest::of(format!("{member}/{partition}").as_bytes()).as_bytes();
    live.iter().max_by_key(weight).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_member_that_goes_moves_only_its_own_share() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        let (three, two) = (names(&["a", "b", "c"]), names(&["a", "b"]));
        let mut shares = BTreeMap::new();
        for partition in 0..64 {
            let owner = share(partition, &three);
            *shares.entry(owner).or_insert(0) += 1;
            if owner != Some("c") {
                assert_eq!(share(partition, &two), owner);
            }
        }
        assert!(shares.values().all(|count| *count >= 10), "{shares:?}");
        assert_eq!(share(0, &[]), None);
    }
}
