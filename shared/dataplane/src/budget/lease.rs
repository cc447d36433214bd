//! Asking the router for amounts: one request at a time, in which everybody's wants stand together.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::{Account, BudgetNotice, LeaseGrant, LeaseLine, LeaseRequest};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::Budgets;

/// Others were asked to give back what they do not need; they have this long.
const RECALL_WAIT: Duration = Duration::from_millis(40);
const RECALLS: u32 = 5;
/// How often what is not needed goes back.
const SWEEP: Duration = Duration::from_secs(1);
/// Lines of one request.
const LINES_MAX: usize = 512;

/// Why there is nothing to spend.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The limit does not leave room.
    Exceeded(LeaseGrant),
    /// The router cannot be asked.
    Unavailable(Error),
}

type Answer = oneshot::Sender<Result<LeaseGrant, Error>>;

/// What callers wait for.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    by_account: HashMap<Account, Vec<(u64, Answer)>>,
    asking: bool,
}

impl Budgets {
    /// Waits until the account was granted something, which need not be for this caller.
    pub(super) async fn lease(self: &Arc<Self>, account: &Account, need: u64, wait: Duration) -> Result<(), Refusal> {
        let deadline = Instant::now() + wait;
        for recall in 0.. {
            let grant = self.ask(account, need, deadline).await.map_err(Refusal::Unavailable)?;
            if grant.amount > 0 {
                return Ok(());
            }
            let mine = self.accounts.lock().get(account).map_or(0, super::Local::held);
            // Others may hold what they do not need.
            let could = grant.limit.saturating_sub(grant.spent).saturating_sub(mine) >= need;
            if !could || recall >= RECALLS || Instant::now() + RECALL_WAIT >= deadline {
                return Err(Refusal::Exceeded(grant));
            }
            tokio::time::sleep(RECALL_WAIT).await;
        }
        Ok(())
    }

    async fn ask(self: &Arc<Self>, account: &Account, need: u64, deadline: Instant) -> Result<LeaseGrant, Error> {
        let (answer, answered) = oneshot::channel();
        let starts = {
            let mut wanted = self.wanted.state.lock();
            wanted.by_account.entry(account.clone()).or_default().push((need, answer));
            !std::mem::replace(&mut wanted.asking, true)
        };
        if starts {
            // A task of its own: a caller that leaves does not leave the others waiting.
            let budgets = self.clone();
            tokio::spawn(async move { budgets.ask_for_all().await });
        }
        match tokio::time::timeout_at(deadline.into(), answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Error::new(ErrorCode::Internal, "the question about the budget was lost")),
            Err(_) => Err(Error::new(ErrorCode::DeadlineExceeded, "the router did not answer in time")),
        }
    }

    async fn ask_for_all(&self) {
        loop {
            let batch = {
                let mut wanted = self.wanted.state.lock();
                if wanted.by_account.is_empty() {
                    wanted.asking = false;
                    return;
                }
                let mut all = std::mem::take(&mut wanted.by_account);
                if all.len() > LINES_MAX {
                    let later = all.keys().skip(LINES_MAX).cloned().collect::<Vec<_>>();
                    wanted.by_account = later.into_iter().filter_map(|account| all.remove_entry(&account)).collect();
                }
                all
            };
            self.ask_for(batch).await;
        }
    }

    async fn ask_for(&self, batch: HashMap<Account, Vec<(u64, Answer)>>) {
        let _one = self.leasing.lock().await;
        let lines = {
            let accounts = self.accounts.lock();
            let line = |(account, waiting): (&Account, &Vec<(u64, Answer)>)| {
                let local = accounts.get(account).cloned().unwrap_or_default();
                // What is free counts towards what is needed. Not nothing: they were told that it does not do.
                let beyond_free = |need: u64| need.saturating_sub(local.free()).max(1);
                LeaseLine {
                    account: Some(account.clone()),
                    held: local.held(),
                    need: beyond_free(waiting.iter().map(|(need, _)| *need).min().unwrap_or(0)),
                    want: beyond_free(waiting.iter().fold(0, |sum: u64, (need, _)| sum.saturating_add(*need))),
                    ahead: local.ahead(),
                }
            };
            batch.iter().map(line).collect::<Vec<_>>()
        };
        let request = LeaseRequest { holder: self.holder.clone(), number: self.next_number(), lines };
        match self.authority.lease(request).await {
            Ok(reply) => {
                let mut grants = reply.grants.into_iter();
                for (account, waiting) in batch {
                    let grant = grants.next().unwrap_or_default();
                    if grant.amount > 0 {
                        self.accounts.lock().entry(account).or_default().granted(grant.amount);
                    }
                    for (_, answer) in waiting {
                        // One that does not wait any more has no use for it.
                        let _gone = answer.send(Ok(grant));
                    }
                }
            }
            Err(error) => {
                for (_, answer) in batch.into_values().flatten() {
                    let _gone = answer.send(Err(error.clone()));
                }
            }
        }
    }

    /// Gives back what is not needed, for as long as it is polled.
    pub async fn keep_tidy(&self) {
        let mut every = tokio::time::interval(SWEEP);
        loop {
            every.tick().await;
            let now = Instant::now();
            let idle = {
                let mut accounts = self.accounts.lock();
                accounts.retain(|_, local| !local.is_empty());
                let idle = accounts.iter().filter(|(_, local)| local.is_idle(now));
                idle.map(|(account, _)| account.clone()).take(LINES_MAX).collect::<Vec<_>>()
            };
            self.give_back(idle).await;
        }
    }

    /// The router has something to say about budgets.
    pub async fn notice(&self, notice: BudgetNotice) {
        if notice.limits_changed {
            self.forget_limits(&notice.tenant);
        }
        if let Some(account) = notice.recalled {
            self.give_back(vec![account]).await;
        }
    }

    /// Gives back everything that is free, for a process that ends.
    pub async fn give_all_back(&self) {
        let all = self.accounts.lock().keys().cloned().collect();
        self.give_back(all).await;
    }

    /// A request that is lost costs nothing: the next one says again how little is held.
    async fn give_back(&self, candidates: Vec<Account>) {
        let _one = self.leasing.lock().await;
        let lines = {
            let mut accounts = self.accounts.lock();
            let mut line = |account: Account| {
                let local = accounts.get_mut(&account)?;
                local.give_back().then(|| LeaseLine {
                    held: local.held(),
                    account: Some(account),
                    ..LeaseLine::default()
                })
            };
            candidates.into_iter().filter_map(&mut line).collect::<Vec<_>>()
        };
        if lines.is_empty() {
            return;
        }
        let request = LeaseRequest { holder: self.holder.clone(), number: self.next_number(), lines };
        if let Err(error) = self.authority.lease(request).await {
            tracing::debug!(%error, "what is not needed of budgets was not given back yet");
        }
    }
}
