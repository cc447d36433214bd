//! Single flight: of callers with the same question in one process, one goes and the others wait for it.
//!
//! C-4: whoever goes holds a `Seat`. A seat that ends without an answer, for whatever reason, goes to the next who waits; a
//! seat on its way to somebody who has just left goes on to the one after. Nobody waits for a flight without a seat.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::question::Key;

/// A question, and what had been forgotten when it was asked: after forgetting nobody joins a flight from before.
pub(crate) type FlightKey = (Key, String);

/// What somebody who waits is told.
#[derive(Debug)]
pub(crate) enum Turn<T> {
    /// The answer.
    Landed(T),
    /// Go: the one before did not get there.
    Seat(Seat<T>),
    /// Go by yourself: there is an answer, and it is not one to be shared.
    Apart,
}

pub(crate) enum Joined<T> {
    Seat(Seat<T>),
    Waiting(oneshot::Receiver<Turn<T>>),
    /// Too many wait already.
    Full,
}

type Waiting<T> = Mutex<HashMap<FlightKey, VecDeque<oneshot::Sender<Turn<T>>>>>;

#[derive(Debug)]
pub(crate) struct Flights<T> {
    waiting: Arc<Waiting<T>>,
    waiting_max: usize,
}

impl<T: Clone> Flights<T> {
    pub fn new(waiting_max: usize) -> Self {
        Self { waiting: Arc::default(), waiting_max }
    }

    pub fn join(&self, key: FlightKey) -> Joined<T> {
        let mut waiting = self.waiting.lock();
        let Some(queue) = waiting.get_mut(&key) else {
            waiting.insert(key.clone(), VecDeque::new());
            return Joined::Seat(Seat { waiting: self.waiting.clone(), key: Some(key) });
        };
        if queue.len() >= self.waiting_max {
            queue.retain(|waiter| !waiter.is_closed());
            if queue.len() >= self.waiting_max {
                return Joined::Full;
            }
        }
        let (turn, waiter) = oneshot::channel();
        queue.push_back(turn);
        Joined::Waiting(waiter)
    }

    /// A seat if nobody has one.
    pub fn go(&self, key: FlightKey) -> Option<Seat<T>> {
        let mut waiting = self.waiting.lock();
        if waiting.contains_key(&key) {
            return None;
        }
        waiting.insert(key.clone(), VecDeque::new());
        Some(Seat { waiting: self.waiting.clone(), key: Some(key) })
    }

    /// Who waits now.
    pub fn waiting(&self) -> usize {
        let waiting = self.waiting.lock();
        waiting.values().flatten().filter(|waiter| !waiter.is_closed()).count()
    }

    #[cfg(test)]
    fn under_way(&self) -> usize {
        self.waiting.lock().len()
    }
}

/// The right and the duty to answer for all who wait.
#[derive(Debug)]
pub(crate) struct Seat<T> {
    waiting: Arc<Waiting<T>>,
    /// None once it has ended.
    key: Option<FlightKey>,
}

impl<T> Seat<T> {
    /// Answers all who wait.
    pub fn land(self, answer: &T)
    where
        T: Clone,
    {
        self.end(|| Turn::Landed(answer.clone()));
    }

    /// Sends all who wait on their own ways.
    pub fn part(self) {
        self.end(|| Turn::Apart);
    }

    fn end(mut self, turn: impl Fn() -> Turn<T>) {
        let Some(key) = self.key.take() else { return };
        let waiters = self.waiting.lock().remove(&key).unwrap_or_default();
        for waiter in waiters {
            // Who has left needs nothing.
            let _left = waiter.send(turn());
        }
    }
}

impl<T> Drop for Seat<T> {
    fn drop(&mut self) {
        let Some(mut key) = self.key.take() else { return };
        loop {
            let next = {
                let mut waiting = self.waiting.lock();
                let next = waiting.get_mut(&key).and_then(VecDeque::pop_front);
                if next.is_none() {
                    waiting.remove(&key);
                }
                next
            };
            let Some(next) = next else { return };
            // Sent without the lock: a seat that cannot be taken any more comes here again.
            match next.send(Turn::Seat(Self { waiting: self.waiting.clone(), key: Some(key) })) {
                Ok(()) => return,
                Err(Turn::Seat(mut seat)) => match seat.key.take() {
                    Some(same) => key = same,
                    None => return,
                },
                Err(Turn::Landed(_) | Turn::Apart) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use orrery_types::Sha256Digest;

    use super::*;

    fn key() -> FlightKey {
        (Key(Sha256Digest::of(b"question")), String::new())
    }

    fn seat(flights: &Flights<u32>) -> Seat<u32> {
        let Joined::Seat(seat) = flights.join(key()) else { panic!("somebody goes already") };
        seat
    }

    fn waiter(flights: &Flights<u32>) -> oneshot::Receiver<Turn<u32>> {
        let Joined::Waiting(waiter) = flights.join(key()) else { panic!("nobody goes") };
        waiter
    }

    #[tokio::test]
    async fn all_who_wait_get_the_answer() {
        let flights = Flights::new(10);
        let seat = seat(&flights);
        let waiters = [waiter(&flights), waiter(&flights)];
        seat.land(&7);
        for waiter in waiters {
            assert!(matches!(waiter.await, Ok(Turn::Landed(7))));
        }
        assert_eq!(flights.under_way(), 0);
    }

    #[tokio::test]
    async fn a_seat_goes_to_the_next_who_still_waits() {
        let flights = Flights::new(10);
        let first = seat(&flights);
        let (left, second, third) = (waiter(&flights), waiter(&flights), waiter(&flights));
        drop(left);
        drop(first);
        // It left with the seat on its way.
        drop(second);
        let Ok(Turn::Seat(seat)) = third.await else { panic!("the seat was lost") };
        assert!(flights.go(key()).is_none());
        drop(seat);
        assert_eq!(flights.under_way(), 0);
    }

    #[tokio::test]
    async fn an_answer_that_is_not_shared_lets_all_go() {
        let flights = Flights::new(1);
        let seat = seat(&flights);
        let waiter = waiter(&flights);
        assert!(matches!(flights.join(key()), Joined::Full));
        seat.part();
        assert!(matches!(waiter.await, Ok(Turn::Apart)));
    }
}
