//! What networks, databases, disks and clocks do to a kernel. Whatever it is: no step is lost or done twice, each effect has
//! one key and takes place once, no timer is early, every run ends, and partitions move within seconds or not at all.

mod clock;
mod commits;
mod database;
mod disk;
mod network;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use orrery_bus::{CallContext, subjects};
use orrery_config::env;
use orrery_proto::v1::TaskStatus;
use orrery_testkit::{PostgresServer, Process, Proxy, eventually_within};

use crate::system::{System, WITHIN};

/// Until when the partitions of a kernel that is cut off must be with the others: twice the five seconds that are promised,
/// on a machine that is busy with other tests.
const MOVED: Duration = Duration::from_secs(10);

/// Four calls, two of them at once, and a timer in between.
const FLOW: &str = "do:
  - first: {call: orrery.generate, with: {messages: [{role: user, content: a}]}}
  - both:
      fork:
        branches:
          - left: {call: orrery.generate, with: {messages: [{role: user, content: l}]}}
          - right: {call: orrery.generate, with: {messages: [{role: user, content: r}]}}
  - pause: {wait: {milliseconds: 400}}
  - last: {call: orrery.generate, with: {messages: [{role: user, content: z}]}}
";
const CALLS: [&str; 4] =
    ["/do/0/first", "/do/1/both/fork/branches/0/left", "/do/1/both/fork/branches/1/right", "/do/3/last"];
const PAUSE: (&str, u64) = ("/do/2/pause", 400);

/// Starts runs; whoever submits asks again until it is told, under the same key.
async fn submit(system: &System, prefix: &str, count: usize) -> Vec<String> {
    let mut tasks = Vec::new();
    for index in 0..count {
        let key = format!("{prefix}-{index}");
        // A call that is lost with a connection is not waited for.
        let context = || CallContext::within(Duration::from_secs(2));
        let started = || async { system.submit_within(context(), "flow", "{}", &key).await.ok() };
        tasks.push(eventually_within(WITHIN, started).await.expect("a start").id);
    }
    tasks
}

/// Waits for the ends and holds the histories against what must be.
async fn check(system: &System, tasks: &[String]) {
    for task in tasks {
        let done = system.finished(task).await;
        assert_eq!(done.status(), TaskStatus::Completed, "{}", done.error_json);
        let history = system.history(task).await;
        assert!(history.iter().enumerate().all(|(index, event)| event.seq == index as u64 + 1), "a gap: {history:?}");
        let mut seen = BTreeSet::new();
        for event in history.iter().filter(|event| event.kind == "step.started" || event.kind == "step.completed") {
            assert!(seen.insert((&event.kind, &event.pointer)), "{} of {} twice", event.kind, event.pointer);
        }
        let at = |kind: &str| {
            let found = history.iter().find(|event| event.kind == kind && event.pointer == PAUSE.0);
            found.unwrap_or_else(|| panic!("no {kind} of the pause: {history:?}")).at_ms
        };
        assert!(at("step.completed") >= at("step.started") + PAUSE.1, "a timer was early: {history:?}");
    }
    let runs = system.router.runs();
    for task in tasks {
        let mine: BTreeMap<&String, &u32> = runs.iter().filter(|(key, _)| key.starts_with(task.as_str())).collect();
        let expected: BTreeSet<String> = CALLS.map(|pointer| format!("{task}{pointer}/0/1")).into();
        assert!(mine.keys().all(|key| expected.contains(*key)), "other keys were used: {mine:?}");
        assert!(mine.len() == expected.len() && mine.values().all(|count| **count == 1), "not each once: {mine:?}");
    }
}

/// How many ends of runs the stream of events holds.
async fn ends_published(system: &System) -> usize {
    use futures::TryStreamExt as _;
    let operator = system.nats.connect("operator").await.unwrap();
    let stream = operator.jetstream().get_stream(subjects::STREAM_EVENTS).await.unwrap();
    let subject = subjects::event("acme", "task", "completed");
    let counts: Vec<(String, usize)> = stream.info_with_subjects(subject).await.unwrap().try_collect().await.unwrap();
    counts.into_iter().map(|(_, count)| count).sum()
}

async fn published(system: &System, count: usize) {
    let all = || async { (ends_published(system).await == count).then_some(()) };
    let found = eventually_within(WITHIN, all).await;
    assert!(found.is_some(), "{} of {count} ends are in the stream", ends_published(system).await);
}

/// The partitions as the database has them.
struct Owners(PgConnection);

#[derive(QueryableByName)]
struct Owner {
    #[diesel(sql_type = Text)]
    owner: String,
    #[diesel(sql_type = BigInt)]
    count: i64,
    #[diesel(sql_type = BigInt)]
    epochs: i64,
}

impl Owners {
    fn of(postgres: &PostgresServer) -> Self {
        let mut connection = PgConnection::establish(&postgres.url()).unwrap();
        // A kernel that migrates locks the table, and does so through a proxy on this thread, which must not wait for it.
        connection.batch_execute("SET lock_timeout TO 100").unwrap();
        Self(connection)
    }

    fn rows(&mut self) -> Vec<Owner> {
        let query =
            "SELECT owner, count(*) AS count, sum(epoch)::bigint AS epochs FROM kernel.partitions GROUP BY owner";
        // There is no table before the first kernel has made it.
        diesel::sql_query(query).load(&mut self.0).unwrap_or_default()
    }

    fn now(&mut self) -> BTreeMap<String, i64> {
        self.rows().into_iter().map(|row| (row.owner, row.count)).collect()
    }

    /// Rises with each partition that changes hands or is taken up again.
    fn epochs(&mut self) -> i64 {
        self.rows().iter().map(|row| row.epochs).sum()
    }

    /// Waits until the owners are as they should be; how long that took.
    async fn until(&mut self, within: Duration, are: impl Fn(&BTreeMap<String, i64>) -> bool) -> Option<Duration> {
        let since = Instant::now();
        while since.elapsed() < within {
            if are(&self.now()) {
                return Some(since.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        None
    }
}

/// Two kernels on one database, of which the first, the victim, has its network through proxies.
struct Pair {
    postgres: PostgresServer,
    system: System,
    owners: Owners,
    /// Between the victim and NATS.
    bus: Proxy,
    /// Between the victim and PostgreSQL.
    database: Proxy,
    victim: String,
    processes: [Process; 2],
}

impl Pair {
    async fn start() -> Self {
        Self::start_on(PostgresServer::start().await.unwrap()).await
    }

    async fn start_on(postgres: PostgresServer) -> Self {
        let system = System::without_kernel(Some(postgres.url()), "").await;
        let bus = Proxy::to(system.nats.port()).await.unwrap();
        let database = Proxy::to(postgres.port()).await.unwrap();
        let mut command = system.command();
        command.env(env::NATS_URL, format!("nats://127.0.0.1:{}", bus.port()));
        command.env(env::DATABASE_URL, PostgresServer::url_at(database.port()));
        let first = system.run("victim", command);
        let mut owners = Owners::of(&postgres);
        let alone = owners.until(WITHIN, |owners| owners.len() == 1 && !owners.contains_key("")).await;
        assert!(alone.is_some(), "it took nothing up:\n{}", first.log());
        let victim = owners.now().into_keys().next().unwrap();
        let second = system.spawn("other");
        let shared = owners.until(WITHIN, |owners| owners.len() == 2 && !owners.contains_key("")).await;
        assert!(shared.is_some(), "the second got no share:\n{}", second.log());
        system.ready().await;
        system.deploy("flow", FLOW).await.unwrap();
        system.router.set_delay(Duration::from_millis(50));
        Self { postgres, system, owners, bus, database, victim, processes: [first, second] }
    }

    /// Breaks something under load, waits until the victim has lost its partitions, mends it, and waits until the victim has
    /// its share again. Nothing is lost or done twice meanwhile.
    async fn survives(&mut self, what: &str, broken: impl FnOnce(&Self), mended: impl FnOnce(&Self)) {
        let mut tasks = submit(&self.system, &format!("{what} before"), 8).await;
        broken(self);
        let victim = self.victim.clone();
        let moved = self.owners.until(MOVED, |owners| !owners.contains_key(&victim) && !owners.contains_key("")).await;
        let moved = moved.unwrap_or_else(|| panic!("{what}: its partitions did not move within {MOVED:?}"));
        tasks.extend(submit(&self.system, &format!("{what} while"), 4).await);
        check(&self.system, &tasks).await;
        mended(self);
        let back = self.owners.until(WITHIN, |owners| owners.contains_key(&victim)).await;
        let back = back.unwrap_or_else(|| panic!("{what}: the victim did not take part again"));
        println!("{what}: taken over after {moved:?}, back after {back:?}");
        let tasks = submit(&self.system, &format!("{what} after"), 4).await;
        check(&self.system, &tasks).await;
    }
}
