//! This process among the others that share the partitions: it shows that it lives, sees who no longer does, and takes up
//! and lets go partitions so that each live process has its share.
//!
//! A count in the database shows life, so that a process which cannot write is not taken for alive; nor is one that the bus
//! does not answer, which does not raise it. No clocks are compared. Being wrong about another costs it its partitions and
//! nothing else: the epoch fences it (K-9).
//!
//! Taking partitions up may take long, and showing life must not wait for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::{self, TryStreamExt as _};
use orrery_errors::{Error, ErrorCode};
use orrery_supervise::TaskSpec;
use orrery_types::Sha256Digest;
use tokio::task::JoinSet;

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
/// How long the bus may take to say that it is there.
const ECHO: Duration = Duration::from_secs(1);
/// How long taking up one partition may take: loading and replaying what is under way.
const TAKE_UP: Duration = Duration::from_secs(120);
/// Partitions taken up at the same time.
const AT_ONCE: usize = 4;
const LEAVE: Duration = Duration::from_secs(3);

/// The supervised membership of `member`.
pub fn task(kernel: Arc<Kernel>, member: String) -> TaskSpec {
    TaskSpec::new("membership", move |task| {
        let mut membership = Membership::new(kernel.clone(), member.clone());
        async move {
            loop {
                membership.beat().await;
                if membership.taking.is_empty() {
                    task.ready();
                }
                tokio::select! {
                    () = tokio::time::sleep(BEAT) => {}
                    Some(taken) = membership.taking.join_next() => membership.taken(taken),
                    () = task.draining() => break,
                }
            }
            membership.taking.shutdown().await;
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
    /// Whether it could not show that it lives when it last tried.
    has_missed: bool,
    /// Of the database.
    last_heard: Instant,
    /// Since when it shows life again, if it ever could not.
    back_since: Option<Instant>,
    /// Partitions being taken up, or nothing.
    taking: JoinSet<Result<(), Error>>,
}

impl Membership {
    fn new(kernel: Arc<Kernel>, me: String) -> Self {
        let (now, taking) = (Instant::now(), JoinSet::new());
        Self {
            kernel,
            me,
            seen: HashMap::new(),
            last_beat: now,
            has_missed: false,
            last_heard: now,
            back_since: None,
            taking,
        }
    }

    async fn beat(&mut self) {
        let cluster = match self.show_life().await {
            Ok(cluster) => cluster,
            Err(error) => {
                tracing::warn!(%error, "this kernel cannot show that it lives");
                return self.missed();
            }
        };
        // A process that was stopped has missed beats without knowing.
        let missed = std::mem::take(&mut self.has_missed) || self.last_beat.elapsed() >= LEASE;
        if missed && !self.seen.is_empty() {
            self.come_back();
        }
        self.last_beat = Instant::now();
        if let Err(error) = self.turn(cluster).await {
            tracing::warn!(%error, "this kernel has not looked after its partitions");
        }
    }

    fn missed(&mut self) {
        self.has_missed = true;
        if self.last_heard.elapsed() >= LEASE {
            self.kernel.store.set_silent(true);
        }
        // Alone it keeps them: nobody else would go on with their runs. Should another have come up meanwhile, its epochs tell.
        let others = self.seen.keys().any(|member| *member != self.me);
        if others && self.last_beat.elapsed() >= LEASE {
            for partition in self.kernel.ownership.mine() {
                self.let_go(partition);
            }
        }
    }

    async fn show_life(&mut self) -> Result<Cluster, Error> {
        // Without the bus it can do nothing for its runs; another process can.
        if !self.kernel.bus.is_connected() || !members::bus_answers(&self.kernel.bus, &self.me, ECHO).await {
            // Of the database this says nothing.
            self.last_heard = Instant::now();
            return Err(Error::new(ErrorCode::Unavailable, "the bus does not answer"));
        }
        let cluster = self.kernel.store.beat(self.me.clone()).await?;
        self.last_heard = Instant::now();
        self.kernel.store.set_silent(false);
        Ok(cluster)
    }

    async fn turn(&mut self, cluster: Cluster) -> Result<(), Error> {
        let live = self.live(&cluster).await?;
        self.kernel.ownership.note(members::others(&cluster.partitions, &self.me));
        let (mut stale, mut wanted, mut unwanted) = (Vec::new(), Vec::new(), Vec::new());
        for (id, epoch, owner) in &cluster.partitions {
            let held = self.kernel.ownership.epoch(*id);
            if held.is_some_and(|held| held < *epoch) {
                stale.push(*id);
            }
            let mine = share(*id, &live) == Some(self.me.as_str());
            match (mine, *owner == self.me) {
                (true, true) if held.is_none() => wanted.push((*id, *epoch)),
                (true, false) if owner.is_empty() || !live.contains(owner) => wanted.push((*id, *epoch)),
                (false, true) => unwanted.push(*id),
                _ => {}
            }
        }
        // A smaller part of the limits counts before any partition is let go, so that who takes it has room; a larger one
        // once those of who is gone are taken up, since what executes in them counts here then.
        let part = Part::among(&live, &self.me);
        if wanted.is_empty() || part.of > self.kernel.shares.part().of {
            self.kernel.take_part(part)?;
        }
        stale.iter().for_each(|id| self.let_go(*id));
        if !unwanted.is_empty() {
            unwanted.iter().for_each(|id| self.let_go(*id));
            self.kernel.store.release(self.me.clone(), unwanted).await?;
        }
        self.take(wanted);
        Ok(())
    }

    /// Who was away itself does not know who else was: all have as long as ever to show that they live.
    fn come_back(&mut self) {
        let now = Instant::now();
        self.back_since = Some(now);
        for (_, since) in self.seen.values_mut() {
            *since = now;
        }
    }

    /// Who lives, this process included.
    async fn live(&mut self, cluster: &Cluster) -> Result<Vec<String>, Error> {
        self.seen.retain(|known, _| cluster.members.iter().any(|(member, _)| member == known));
        // What the bus says of another counts once it has had the time to connect again as well.
        let is_settled = self.back_since.is_none_or(|since| since.elapsed() >= LEASE);
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
            let dead = suspect
                && (still >= LEASE
                    || is_settled && members::is_there(&self.kernel.bus, member, PING).await == Some(false));
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

    /// Begins to take partitions up, unless others are just being taken up; then the next turn sees to these.
    fn take(&mut self, wanted: Vec<(i32, i64)>) {
        if !wanted.is_empty() && self.taking.is_empty() {
            self.taking.spawn(take(self.kernel.clone(), self.me.clone(), wanted));
        }
    }

    /// What was not taken up is still wanted in the next turn.
    fn taken(&self, taken: Result<Result<(), Error>, tokio::task::JoinError>) {
        let failure = match taken {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(error = failure, "partitions are not taken up yet");
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

    async fn leave(&self) -> Result<(), Error> {
        for partition in self.kernel.ownership.mine() {
            self.let_go(partition);
        }
        Ok(self.kernel.store.forget(self.me.clone()).await?)
    }
}

/// Takes partitions and takes them up.
async fn take(kernel: Arc<Kernel>, me: String, wanted: Vec<(i32, i64)>) -> Result<(), Error> {
    // Runs that execute in the partitions to come count against the limits as well.
    kernel.admission.hold(true);
    let taken = take_up(&kernel, me, wanted).await;
    kernel.admission.hold(false);
    // Those of what was taken up, even if that is not all.
    drop(kernel.wiring()?.timer.try_send(Reload).map_err(|error| crate::error::busy(&error))?);
    taken
}

async fn take_up(kernel: &Kernel, me: String, wanted: Vec<(i32, i64)>) -> Result<(), Error> {
    let taken = kernel.store.take(me, wanted).await?.into_iter().map(Ok);
    stream::iter(taken)
        .try_for_each_concurrent(AT_ONCE, |(partition, epoch)| async move {
            let taking = kernel.actor_of(partition)?.ask_within(TakeUp { partition, epoch }, TAKE_UP).await;
            taking.map_err(|error| crate::error::busy(&error))??;
            Ok(())
        })
        .await
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
