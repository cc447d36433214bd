//! Limits of one cache.

use std::time::Duration;

/// Limits of one cache. Every field has a default that serves.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// For each operation of the store; after it the question is a miss. Default 20 ms.
    pub store_deadline: Duration,
    /// For embedding a question; after it the question has no neighbours. Default 250 ms, at most half of the caller's time.
    pub embed_deadline: Duration,
    /// Bounds of an answer's time to live. Default 1 s.
    pub ttl_min: Duration,
    /// Default 7 days.
    pub ttl_max: Duration,
    /// Larger answers are not kept. Default 1 MiB.
    pub answer_bytes_max: usize,
    /// Answers and neighbourhoods of a tenant; which ends first goes first. Default 100,000.
    pub tenant_entries_max: usize,
    /// Questions of a neighbourhood; the oldest goes first. Default 10,000.
    pub neighbours_max: usize,
    /// Longer questions are answered exactly or not at all. Default 2,000 bytes.
    pub question_bytes_max: usize,
    /// Memory of this process for the vectors of neighbourhoods; what was used longest ago goes first. Default 64 MiB.
    pub vectors_bytes_max: usize,
    /// A neighbourhood in memory is read anew after this. Default 10 minutes.
    pub vectors_age_max: Duration,
    /// How near questions are looked at, nearest first, until one says the same. Default 8.
    pub candidates_max: usize,
    /// How long a process that makes an answer keeps others from making it; they go by themselves then. Default 60 s.
    pub lock_time: Duration,
    /// How long a process waits for one that makes the answer, at most half of the caller's time. Default 5 s.
    pub lock_wait: Duration,
    /// Who waits for one call of this process; more go by themselves. Default 4,096.
    pub waiting_max: usize,
    /// How early an answer is made anew before it ends, in multiples of the time that it took to make; more is earlier, 0
    /// never. Default 1 (Vattani, Chierichetti and Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", VLDB 2015).
    pub early_beta: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            store_deadline: Duration::from_millis(20),
            embed_deadline: Duration::from_millis(250),
            ttl_min: Duration::from_secs(1),
            ttl_max: Duration::from_secs(7 * 86_400),
            answer_bytes_max: 1 << 20,
            tenant_entries_max: 100_000,
            neighbours_max: 10_000,
            question_bytes_max: 2_000,
            vectors_bytes_max: 64 << 20,
            vectors_age_max: Duration::from_secs(600),
            candidates_max: 8,
            lock_time: Duration::from_secs(60),
            lock_wait: Duration::from_secs(5),
            waiting_max: 4_096,
            early_beta: 1.0,
        }
    }
}
