//! The cache: one look for each question, from the store, the neighbours, whoever makes the same answer, or a miss.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use orrery_errors::{Error, ErrorCode};
use orrery_proto::v1::InvokeReply;
use orrery_types::UnixMillis;
use tokio::sync::oneshot;

use crate::admission::{self, Expected};
use crate::early;
use crate::flights::{FlightKey, Flights, Joined, Seat, Turn};
use crate::guard;
use crate::neighbours::{Looking, Neighbours, unit};
use crate::question::{Key, Question, Wish};
use crate::settings::Settings;
use crate::store::{Claim, Entry, Forget, Lock, Neighbour, Place, Store};
use crate::ticket::{Held, Lease, Ticket};

/// Between looks at an answer that another process makes; each is twice as long as the one before.
const POLL_MIN: Duration = Duration::from_millis(20);
const POLL_MAX: Duration = Duration::from_millis(200);
/// Reading on in a neighbourhood and the answers of the nearest are several operations of the store; all of them together
/// take no longer than so many.
const NEAR_DEADLINES: u32 = 3;

/// Turns text into a vector, so that likeness of meaning is nearness.
#[async_trait::async_trait]
pub trait Embedder: Send + Sync + fmt::Debug {
    /// The vector of a text; its length need not be one.
    async fn embed(&self, text: &str) -> Result<Vec<f32>, Error>;

    /// Names the model and its version. Vectors of different models are never compared.
    fn identity(&self) -> String;
}

/// What the cache says of a question.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // one value for each call, moved once
pub enum Lookup {
    /// The answer to the same question.
    Exact(InvokeReply),
    /// The answer to a question that says the same.
    Semantic {
        /// The answer.
        reply: InvokeReply,
        /// Cosine of the two questions, up to 1.
        similarity: f32,
    },
    /// None: the caller asks a model and gives its answer to the ticket.
    Miss(Ticket),
}

/// Answers of models. Clones share everything.
#[derive(Debug, Clone)]
pub struct Cache(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub settings: Settings,
    pub store: Store,
    flights: Flights<Shared>,
    neighbours: Neighbours,
    embedder: Option<Arc<dyn Embedder>>,
}

/// An answer for all who wait for it.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub reply: Arc<InvokeReply>,
    /// Of a semantic answer.
    pub similarity: Option<f32>,
}

/// A question under way.
struct Asking<'a> {
    question: &'a Question<'a>,
    place: Place,
    deadline: UnixMillis,
    token: String,
}

impl Asking<'_> {
    fn left(&self) -> Duration {
        self.deadline.since(UnixMillis::now())
    }
}

impl Cache {
    /// A cache in the Redis at `url`, which need not be there yet. Must be called within a tokio runtime. Without an
    /// embedder, `Mode::Semantic` answers like `Mode::Exact`.
    ///
    /// # Errors
    /// `InvalidRequest` where `url` is none.
    pub fn new(url: &str, settings: Settings, embedder: Option<Arc<dyn Embedder>>) -> Result<Self, Error> {
        let store = Store::new(url, settings.clone()).map_err(|error| {
            let message = format!("the cache's Redis URL cannot be used: {error}; write redis://host:port/");
            Error::new(ErrorCode::InvalidRequest, message)
        })?;
        let (flights, neighbours) = (Flights::new(settings.waiting_max), Neighbours::new(&settings));
        Ok(Self(Arc::new(Inner { settings, store, flights, neighbours, embedder })))
    }

    /// Looks for an answer. Takes no longer than a few of the store's deadlines and the embedder's, except where somebody makes this
    /// answer already: then up to `deadline` within the process and up to `Settings::lock_wait` across processes.
    pub async fn lookup(&self, question: &Question<'_>, deadline: UnixMillis) -> Lookup {
        if let Err(bypass) = admission::question(question) {
            metrics::counter!("orrery.cache.lookups", "outcome" => "bypass", "reason" => bypass.as_str()).increment(1);
            return Lookup::Miss(Ticket::idle());
        }
        let token = uuid::Uuid::new_v4().simple().to_string();
        let asking = Asking { question, place: Place::of(question), deadline, token };
        let lookup = self.look(&asking).await;
        let outcome = match &lookup {
            Lookup::Exact(_) => "exact",
            Lookup::Semantic { .. } => "semantic",
            Lookup::Miss(_) => "miss",
        };
        metrics::counter!("orrery.cache.lookups", "outcome" => outcome, "reason" => "").increment(1);
        lookup
    }

    /// Forgets answers of a tenant. Once this has answered, none of them is given or kept any more by any process, not even
    /// one that was being made; returns how many keys were removed. Texts of questions in other processes' memory, which
    /// lead to no answer any more, go within `Settings::vectors_age_max`.
    ///
    /// # Errors
    /// `Unavailable` where Redis did not confirm it; ask again.
    pub async fn forget(&self, tenant: &str, what: Forget<'_>) -> Result<u64, Error> {
        let removed = self.0.store.forget(tenant, what).await?;
        self.0.neighbours.clear();
        metrics::counter!("orrery.cache.forgotten").increment(removed);
        Ok(removed)
    }

    /// How many callers of this process wait for the answer that another one makes.
    pub fn waiting(&self) -> usize {
        self.0.flights.waiting()
    }

    async fn look(&self, asking: &Asking<'_>) -> Lookup {
        let Claim { entry, generation, .. } = match self.0.store.claim(&asking.place, None).await {
            Some(claim) => claim,
            None => return self.without_store(asking).await,
        };
        if asking.question.wish == Wish::Refresh {
            let neighbour = self.neighbour(asking).await;
            return self.miss(asking, Some(generation), neighbour, None, false, None);
        }
        if let Some(entry) = entry {
            return self.hit(asking, entry, generation).await;
        }
        let key = (asking.place.key, generation.clone());
        self.together(asking, key, Some(generation)).await
    }

    /// The process's own callers still share one call.
    async fn without_store(&self, asking: &Asking<'_>) -> Lookup {
        if asking.question.wish == Wish::Refresh {
            return self.miss(asking, None, None, None, false, None);
        }
        self.together(asking, (asking.place.key, String::new()), None).await
    }

    /// Gives an answer that is there, unless it is this caller who makes it anew before it ends.
    async fn hit(&self, asking: &Asking<'_>, entry: Entry, generation: String) -> Lookup {
        let (now, beta) = (UnixMillis::now(), self.0.settings.early_beta);
        if early::due(now, entry.expires, entry.computing_ms, beta, rand::random())
            && let Some(seat) = self.0.flights.go((asking.place.key, generation))
            && let Some(claim) = self.0.store.claim(&asking.place, Some(self.lock(asking))).await
            && claim.locked
        {
            if let Some(newer) = claim.entry.filter(|newer| newer.expires > entry.expires) {
                // Somebody has just made it anew.
                self.0.store.unlock(&asking.place, &asking.token).await;
                return exact(newer.reply);
            }
            metrics::counter!("orrery.cache.early").increment(1);
            let neighbour = self.neighbour(asking).await;
            return self.miss(asking, Some(claim.generation), neighbour, Some(seat), true, Some(entry.reply));
        }
        exact(entry.reply)
    }

    /// One goes, the others of this process wait for it.
    async fn together(&self, asking: &Asking<'_>, key: FlightKey, generation: Option<String>) -> Lookup {
        match self.0.flights.join(key) {
            Joined::Seat(seat) => self.lead(asking, seat, generation).await,
            Joined::Waiting(waiter) => self.wait(asking, waiter, generation).await,
            Joined::Full => self.miss(asking, generation, None, None, false, None),
        }
    }

    async fn wait(
        &self,
        asking: &Asking<'_>,
        waiter: oneshot::Receiver<Turn<Shared>>,
        generation: Option<String>,
    ) -> Lookup {
        metrics::counter!("orrery.cache.waited").increment(1);
        match tokio::time::timeout(asking.left(), waiter).await {
            Ok(Ok(Turn::Landed(shared))) => given(shared),
            Ok(Ok(Turn::Seat(seat))) => self.lead(asking, seat, generation).await,
            // Told to go alone, or out of time, which the caller will see for itself.
            Ok(Ok(Turn::Apart) | Err(_)) | Err(_) => self.miss(asking, generation, None, None, false, None),
        }
    }

    /// Looks for a neighbour and at other processes, and goes.
    async fn lead(&self, asking: &Asking<'_>, seat: Seat<Shared>, generation: Option<String>) -> Lookup {
        let neighbour = self.neighbour(asking).await;
        if let Some(neighbour) = &neighbour
            && let Ok(Some((reply, similarity))) =
                tokio::time::timeout(self.0.settings.store_deadline * NEAR_DEADLINES, self.near(asking, neighbour))
                    .await
        {
            let shared = Shared { reply: Arc::new(reply), similarity: Some(similarity) };
            seat.land(&shared);
            return given(shared);
        }
        match self.across(asking).await {
            Across::Found(entry) => {
                let shared = Shared { reply: Arc::new(entry.reply), similarity: None };
                seat.land(&shared);
                given(shared)
            }
            Across::Go { generation, locked } => {
                self.miss(asking, Some(generation), neighbour, Some(seat), locked, None)
            }
            Across::Unknown => self.miss(asking, generation, neighbour, Some(seat), false, None),
        }
    }

    /// Takes the lock on making the answer, or waits a while for the process that has it.
    async fn across(&self, asking: &Asking<'_>) -> Across {
        let until = UnixMillis::now().saturating_add(self.0.settings.lock_wait.min(asking.left() / 2));
        let mut pause = POLL_MIN;
        loop {
            let Some(claim) = self.0.store.claim(&asking.place, Some(self.lock(asking))).await else {
                return Across::Unknown;
            };
            let Claim { entry, generation, locked } = claim;
            if let Some(entry) = entry {
                if locked {
                    self.0.store.unlock(&asking.place, &asking.token).await;
                }
                return Across::Found(entry);
            }
            if locked || UnixMillis::now() >= until {
                if !locked {
                    metrics::counter!("orrery.cache.lock_waits_over").increment(1);
                }
                return Across::Go { generation, locked };
            }
            tokio::time::sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
            pause = (pause * 2).min(POLL_MAX);
        }
    }

    fn lock<'a>(&self, asking: &'a Asking<'_>) -> Lock<'a> {
        Lock { token: &asking.token, time: self.0.settings.lock_time.min(asking.left()) }
    }

    /// The question as others may be like it; `None` where it must be answered exactly.
    async fn neighbour(&self, asking: &Asking<'_>) -> Option<Neighbour> {
        let embedder = self.0.embedder.as_ref().filter(|_| admission::semantic(asking.question))?;
        let (neighbourhood, text) = asking.question.neighbourhood(&embedder.identity())?;
        if text.len() > self.0.settings.question_bytes_max {
            return None;
        }
        let time = self.0.settings.embed_deadline.min(asking.left() / 2);
        let problem = match tokio::time::timeout(time, embedder.embed(text)).await {
            Ok(Ok(vector)) => match unit(vector) {
                Some(vector) => return Some(Neighbour { neighbourhood, text: text.to_owned(), vector }),
                None => "the vector has no direction".to_owned(),
            },
            Ok(Err(error)) => error.to_string(),
            Err(_elapsed) => format!("no vector within {} ms", time.as_millis()),
        };
        metrics::counter!("orrery.cache.embed.failures").increment(1);
        tracing::debug!(error = problem, "a question has no neighbours because it was not embedded");
        None
    }

    /// The answer to the nearest question that says the same.
    async fn near(&self, asking: &Asking<'_>, neighbour: &Neighbour) -> Option<(InvokeReply, f32)> {
        let looking = Looking {
            tenant: &asking.place.tenant,
            neighbourhood: neighbour.neighbourhood,
            vector: &neighbour.vector,
            threshold: asking.question.rules.threshold,
            candidates_max: self.0.settings.candidates_max,
        };
        for (similarity, known) in self.0.neighbours.nearest(&self.0.store, looking).await {
            if let Err(difference) = guard::same_question(&known.text, &neighbour.text) {
                metrics::counter!("orrery.cache.guard.refused", "difference" => difference.as_str()).increment(1);
                continue;
            }
            let Ok(digest) = format!("sha256:{}", known.key).parse() else { continue };
            let place = Place { key: Key(digest), ..asking.place.clone() };
            if let Some(Claim { entry: Some(entry), .. }) = self.0.store.claim(&place, None).await {
                return Some((entry.reply, similarity));
            }
        }
        None
    }

    fn miss(
        &self,
        asking: &Asking<'_>,
        generation: Option<String>,
        neighbour: Option<Neighbour>,
        seat: Option<Seat<Shared>>,
        locked: bool,
        earlier: Option<InvokeReply>,
    ) -> Lookup {
        let lease = Lease::new(self.0.clone(), asking.place.clone(), asking.token.clone(), locked);
        Lookup::Miss(Ticket::new(Held {
            seat,
            lease,
            generation,
            neighbour,
            earlier,
            expected: Expected::of(asking.question.input),
            ttl: asking.question.rules.ttl,
            began: UnixMillis::now(),
        }))
    }
}

#[allow(clippy::large_enum_variant)] // moved once
enum Across {
    Found(Entry),
    Go {
        generation: String,
        locked: bool,
    },
    /// The store says nothing.
    Unknown,
}

fn given(Shared { reply, similarity }: Shared) -> Lookup {
    let reply = Arc::unwrap_or_clone(reply);
    match similarity {
        None => exact(reply),
        Some(similarity) => {
            let reply = InvokeReply { cache: "semantic".to_owned(), similarity, ..reply };
            Lookup::Semantic { reply, similarity }
        }
    }
}

fn exact(reply: InvokeReply) -> Lookup {
    Lookup::Exact(InvokeReply { cache: "exact".to_owned(), similarity: 0.0, ..reply })
}
