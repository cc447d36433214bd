//! Caches of models' answers.
//!
//! ```no_run
//! # use orrery_cache::{Cache, Lookup, Question, Rules, Settings, UnknownWish, Versions};
//! # use orrery_proto::v1::{InvokeReply, InvokeRequest};
//! # use orrery_types::UnixMillis;
//! # async fn ask_a_model(_: &InvokeRequest) -> Result<InvokeReply, orrery_errors::Error> { Ok(InvokeReply::default()) }
//! # async fn answer(cache: &Cache, request: &InvokeRequest, versions: Versions, rules: Rules, deadline: UnixMillis)
//! # -> Result<InvokeReply, Box<dyn std::error::Error>> {
//! let Some(question) = Question::of(request, versions, rules)? else { return Ok(ask_a_model(request).await?) };
//! let ticket = match cache.lookup(&question, deadline).await {
//!     Lookup::Exact(reply) | Lookup::Semantic { reply, .. } => return Ok(reply), // `reply.cache` says which
//!     Lookup::Miss(ticket) => ticket,
//! };
//! let mut reply = match ask_a_model(request).await {
//!     Ok(reply) => reply,
//!     Err(error) => return ticket.earlier().ok_or(error.into()), // dropping the ticket hands over
//! };
//! reply.cache = ticket.mark().to_owned();
//! ticket.fill(&reply).await;
//! # Ok(reply)
//! # }
//! ```
//!
//! What is kept is the `InvokeReply` without its route decision, which is each call's own; `usage` stays that of the call
//! that made the answer, so whoever gives it again decides what it costs.
//!
//! Invariants:
//! - C-1: an answer never leaves its scope: tenant, roles, data classes, purpose, model asked and everything of the input are in
//!   its key, and the key stands in what is kept and is compared when it is read.
//! - C-2: a change of the models' or the knowledge's version finds nothing kept before it. `Cache::forget` ends what is kept
//!   and what is being made, for every process, before it answers.
//! - C-3: a store that is slow, gone or damaged is a miss: never an error, never a wait beyond `Settings::store_deadline`.
//! - C-4: nobody waits for an answer that nobody makes: a ticket that ends passes its duty on.
//! - C-5: a question is answered by another's answer only if everything before the last turn is the same, the cosine reaches
//!   the threshold, and [`guard::same_question`] finds no difference. When in doubt it does.
//!
//! Counters: `orrery.cache.lookups` (`outcome`, `reason` of a bypass), `.kept`, `.not_kept` (`reason`), `.waited`, `.early`,
//! `.lock_waits_over`, `.guard.refused` (`difference`), `.embed.failures`, `.store.failures` (`operation`), `.corrupted`,
//! `.forgotten`.

pub mod admission;
mod cache;
mod canonical;
mod early;
mod flights;
pub mod guard;
mod neighbours;
mod question;
mod settings;
mod store;
mod ticket;

pub use cache::{Cache, Embedder, Lookup};
pub use question::{Key, Mode, Question, Rules, Scope, UnknownWish, Versions, Wish};
pub use settings::Settings;
pub use store::Forget;
pub use ticket::Ticket;
