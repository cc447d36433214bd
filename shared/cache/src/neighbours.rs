//! Questions near to one: the vectors of neighbourhoods in this process's memory, read on from the store where they were left.
//!
//! A neighbourhood is a stream, so this process reads only what was added since it last looked, in pages within the store's
//! deadline; what has not been read yet cannot be found yet. What ended or was forgotten in the store leads nowhere, because
//! the answer is read from the store each time.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use orrery_types::UnixMillis;
use parking_lot::{Mutex, RwLock};

use crate::question::Key;
use crate::store::{Kept, Store};

/// Questions of one page; with vectors of a thousand numbers about half a megabyte.
const PAGE: usize = 128;
/// More multiplications than this go to a thread of their own, since they take longer than a millisecond.
const INLINE_MAX: usize = 1 << 19;

/// One earlier question.
#[derive(Debug)]
pub(crate) struct Known {
    pub key: String,
    pub text: String,
    expires: UnixMillis,
    vector: Box<[f32]>,
}

#[derive(Debug)]
struct Neighbourhood {
    known: RwLock<Arc<Vec<Arc<Known>>>>,
    /// Id in the stream of the last that was read. Held while reading, so that one at a time does.
    last: tokio::sync::Mutex<String>,
    since: Instant,
}

impl Neighbourhood {
    fn new() -> Self {
        Self { known: RwLock::default(), last: tokio::sync::Mutex::new("0-0".to_owned()), since: Instant::now() }
    }

    fn add(&self, read: Vec<Kept>, most: usize) {
        let now = UnixMillis::now();
        let mut known = self.known.write();
        let again = |key: &str| read.iter().any(|kept| kept.key == key);
        let mut all: Vec<_> = known.iter().filter(|old| old.expires > now && !again(&old.key)).cloned().collect();
        all.extend(
            read.into_iter().map(|Kept { key, text, expires, vector }| Arc::new(Known { key, text, expires, vector })),
        );
        let over = all.len().saturating_sub(most);
        all.drain(..over);
        *known = Arc::new(all);
    }

    fn bytes(&self) -> usize {
        let of = |known: &Arc<Known>| 128 + known.text.len() + known.key.len() + 4 * known.vector.len();
        512 + self.known.read().iter().map(of).sum::<usize>()
    }
}

/// Those in memory, by when they were used.
#[derive(Debug, Default)]
struct Memory {
    all: HashMap<Key, (Arc<Neighbourhood>, u64, usize)>,
    by_use: BTreeMap<u64, Key>,
    uses: u64,
    bytes: usize,
}

impl Memory {
    fn get(&mut self, key: Key, age_max: Duration) -> Arc<Neighbourhood> {
        self.uses += 1;
        let found = self.remove(key).filter(|(neighbourhood, _)| neighbourhood.since.elapsed() < age_max);
        let (neighbourhood, bytes) = found.unwrap_or_else(|| (Arc::new(Neighbourhood::new()), 0));
        self.all.insert(key, (neighbourhood.clone(), self.uses, bytes));
        self.by_use.insert(self.uses, key);
        self.bytes += bytes;
        neighbourhood
    }

    fn remove(&mut self, key: Key) -> Option<(Arc<Neighbourhood>, usize)> {
        let (neighbourhood, used, bytes) = self.all.remove(&key)?;
        self.by_use.remove(&used);
        self.bytes -= bytes;
        Some((neighbourhood, bytes))
    }

    /// Counts a neighbourhood again, and lets go of others until all fit.
    fn measure(&mut self, key: Key, bytes_max: usize) {
        if let Some((neighbourhood, _, bytes)) = self.all.get_mut(&key) {
            let now = neighbourhood.bytes();
            self.bytes = self.bytes - *bytes + now;
            *bytes = now;
        }
        while self.bytes > bytes_max {
            let Some((_, oldest)) = self.by_use.first_key_value() else { return };
            self.remove(*oldest);
        }
    }
}

#[derive(Debug)]
pub(crate) struct Neighbours {
    memory: Mutex<Memory>,
    bytes_max: usize,
    age_max: Duration,
    most: usize,
    time: Duration,
}

/// Where to look and what for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Looking<'a> {
    pub tenant: &'a str,
    pub neighbourhood: Key,
    /// Of unit length.
    pub vector: &'a [f32],
    /// Cosine at least.
    pub threshold: f32,
    pub candidates_max: usize,
}

impl Neighbours {
    pub fn new(settings: &crate::Settings) -> Self {
        Self {
            memory: Mutex::default(),
            bytes_max: settings.vectors_bytes_max,
            age_max: settings.vectors_age_max,
            most: settings.neighbours_max,
            time: settings.store_deadline,
        }
    }

    /// The nearest, nearest first, with their cosines.
    pub async fn nearest(&self, store: &Store, looking: Looking<'_>) -> Vec<(f32, Arc<Known>)> {
        let neighbourhood = self.memory.lock().get(looking.neighbourhood, self.age_max);
        self.read_on(store, looking, &neighbourhood).await;
        let known = neighbourhood.known.read().clone();
        let Looking { threshold, candidates_max, .. } = looking;
        if known.len().saturating_mul(looking.vector.len()) <= INLINE_MAX {
            return rank(&known, looking.vector, threshold, candidates_max);
        }
        let vector = looking.vector.to_vec();
        let ranking = tokio::task::spawn_blocking(move || rank(&known, &vector, threshold, candidates_max));
        // A scan that ended unexpectedly found nothing.
        ranking.await.unwrap_or_default()
    }

    async fn read_on(&self, store: &Store, looking: Looking<'_>, neighbourhood: &Neighbourhood) {
        // Somebody else reads; what they have not read yet waits for the next question.
        let Ok(mut last) = neighbourhood.last.try_lock() else { return };
        let began = Instant::now();
        let mut grew = false;
        while began.elapsed() < self.time {
            let read = store.neighbours(looking.tenant, &looking.neighbourhood, &last, PAGE).await;
            let Some((read, Some(id))) = read else { break };
            *last = id;
            grew = true;
            neighbourhood.add(read, self.most);
        }
        if grew {
            self.memory.lock().measure(looking.neighbourhood, self.bytes_max);
        }
    }

    /// Lets go of all texts in this process's memory.
    pub fn clear(&self) {
        *self.memory.lock() = Memory::default();
    }
}

/// Length one; `None` for a vector without a direction.
pub(crate) fn unit(mut vector: Vec<f32>) -> Option<Box<[f32]>> {
    let length = dot(&vector, &vector).sqrt();
    if !length.is_finite() || length <= f32::EPSILON {
        return None;
    }
    vector.iter_mut().for_each(|value| *value /= length);
    Some(vector.into_boxed_slice())
}

fn rank(known: &[Arc<Known>], vector: &[f32], threshold: f32, most: usize) -> Vec<(f32, Arc<Known>)> {
    let now = UnixMillis::now();
    let alive = known.iter().filter(|known| known.expires > now && known.vector.len() == vector.len());
    let near = alive.map(|known| (dot(&known.vector, vector), known)).filter(|(cosine, _)| *cosine >= threshold);
    let mut near: Vec<_> = near.collect();
    near.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    near.truncate(most);
    near.into_iter().map(|(cosine, known)| (cosine.min(1.0), known.clone())).collect()
}

/// In eight sums, so that the compiler can make use of vector instructions.
fn dot(one: &[f32], other: &[f32]) -> f32 {
    let ((ones, rest), (others, other_rest)) = (one.as_chunks::<8>(), other.as_chunks::<8>());
    let mut sums = [0.0_f32; 8];
    for (one, other) in ones.iter().zip(others) {
        for ((sum, one), other) in sums.iter_mut().zip(one).zip(other) {
            *sum += one * other;
        }
    }
    let rest: f32 = rest.iter().zip(other_rest).map(|(one, other)| one * other).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use orrery_types::Sha256Digest;

    use super::*;

    fn kept(name: &str, vector: Vec<f32>) -> Kept {
        let expires = UnixMillis(u64::MAX);
        Kept { key: name.into(), expires, text: name.into(), vector: unit(vector).unwrap() }
    }

    #[test]
    fn the_nearest_comes_first_and_the_far_not_at_all() {
        let neighbourhood = Neighbourhood::new();
        let far = kept("far", vec![0.0, 1.0, 0.0]);
        neighbourhood.add(vec![kept("near", vec![1.0, 0.2, 0.0]), far, kept("same", vec![2.0, 0.0, 0.0])], 10);
        let ranked = rank(&neighbourhood.known.read(), &[1.0, 0.0, 0.0], 0.9, 5);
        let names: Vec<&str> = ranked.iter().map(|(_, known)| known.key.as_str()).collect();
        assert_eq!(names, ["same", "near"]);
        assert!(rank(&neighbourhood.known.read(), &[1.0, 0.0], 0.0, 5).is_empty(), "vectors of another length");
    }

    #[test]
    fn the_oldest_goes_and_the_same_is_replaced() {
        let neighbourhood = Neighbourhood::new();
        neighbourhood.add(vec![kept("a", vec![1.0]), kept("b", vec![1.0])], 2);
        neighbourhood.add(vec![kept("a", vec![1.0])], 2);
        neighbourhood.add(vec![kept("c", vec![1.0])], 2);
        let known = neighbourhood.known.read().clone();
        assert_eq!(known.iter().map(|known| known.key.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    }

    #[test]
    fn memory_lets_go_of_what_was_used_longest_ago() {
        let key = |name: &str| Key(Sha256Digest::of(name.as_bytes()));
        let (mut memory, age) = (Memory::default(), Duration::from_secs(600));
        for name in ["one", "two", "one", "three"] {
            memory.get(key(name), age).add(vec![kept(name, vec![1.0; 1000])], 10);
            memory.measure(key(name), 10_000);
        }
        assert!(memory.all.contains_key(&key("one")) && memory.all.contains_key(&key("three")));
        assert!(!memory.all.contains_key(&key("two")));
        assert!(memory.bytes <= 10_000);
        memory.measure(key("one"), 0);
        assert_eq!((memory.bytes, memory.all.len(), memory.by_use.len()), (0, 0, 0));
    }

    #[test]
    fn a_vector_without_direction_is_none() {
        assert_eq!(unit(vec![0.0; 8]), None);
        assert_eq!(unit(vec![f32::NAN]), None);
        assert!((dot(&[1.0; 20], &[0.5; 20]) - 10.0).abs() < 1e-6);
    }
}
