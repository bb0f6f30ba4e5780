//! A bounded log with any number of readers, each at its own place (S-2.1).
//!
//! Whoever falls behind by more than the log holds is told how many entries it missed; nothing is
//! lost in silence, and a slow reader holds nobody up.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_util::Stream;

/// What a subscriber of a log gets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Logged<T> {
    /// The next entry.
    Entry(T),
    /// This many entries came and went unread: read the state anew.
    Lagged(u64),
}

/// The writing end. Clones write to the same log.
#[derive(Debug)]
pub(crate) struct Log<T>(Arc<Mutex<State<T>>>);

#[derive(Debug)]
struct State<T> {
    capacity: usize,
    /// The number of the oldest entry held.
    first: u64,
    entries: VecDeque<T>,
    readers: Vec<Waker>,
    /// The first subscriber begins here, later ones at the end.
    unclaimed: bool,
    closed: bool,
}

impl<T> Log<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self(Arc::new(Mutex::new(State {
            capacity: capacity.max(1),
            first: 0,
            entries: VecDeque::new(),
            readers: Vec::new(),
            unclaimed: true,
            closed: false,
        })))
    }

    pub(crate) fn push(&self, entry: T) {
        let mut state = locked(&self.0);
        if state.entries.len() == state.capacity {
            state.entries.pop_front();
            state.first += 1;
        }
        state.entries.push_back(entry);
        wake(state);
    }

    /// Readers get what is there, and then the end.
    pub(crate) fn close(&self) {
        let mut state = locked(&self.0);
        state.closed = true;
        wake(state);
    }

    pub(crate) fn subscribe(&self) -> Subscription<T> {
        let mut state = locked(&self.0);
        let next = if state.unclaimed { 0 } else { state.end() };
        state.unclaimed = false;
        drop(state);
        Subscription { log: self.0.clone(), next }
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// One reader of a log. A [`Stream`]; [`next`](Self::next) does without the trait.
///
/// The first subscriber of a client also gets what happened before it came. The stream ends when
/// the client is closed.
#[derive(Debug)]
pub struct Subscription<T> {
    log: Arc<Mutex<State<T>>>,
    next: u64,
}

impl<T: Clone> Subscription<T> {
    /// The next entry, or how many were missed; `None` when the client is closed.
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Logged<T>> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &Context<'_>) -> Poll<Option<Logged<T>>> {
        let mut state = locked(&self.log);
        if self.next < state.first {
            let missed = state.first - self.next;
            self.next = state.first;
            return Poll::Ready(Some(Logged::Lagged(missed)));
        }
        let at = usize::try_from(self.next - state.first).unwrap_or(usize::MAX);
        if let Some(entry) = state.entries.get(at) {
            self.next += 1;
            return Poll::Ready(Some(Logged::Entry(entry.clone())));
        }
        if state.closed {
            return Poll::Ready(None);
        }
        if !state.readers.iter().any(|reader| reader.will_wake(context.waker())) {
            state.readers.push(context.waker().clone());
        }
        Poll::Pending
    }
}

impl<T: Clone> Stream for Subscription<T> {
    type Item = Logged<T>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Logged<T>>> {
        self.get_mut().poll(context)
    }
}

impl<T> State<T> {
    fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }
}

/// Wakes outside of the lock: a waker may run its task at once.
fn wake<T>(mut state: MutexGuard<'_, State<T>>) {
    let readers = std::mem::take(&mut state.readers);
    drop(state);
    readers.into_iter().for_each(Waker::wake);
}

fn locked<T>(state: &Mutex<State<T>>) -> MutexGuard<'_, State<T>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_subscriber_has_its_own_place() {
        let log = Log::new(8);
        let (mut one, mut two) = (log.subscribe(), log.subscribe());
        log.push(1);
        log.push(2);
        assert_eq!(one.next().await, Some(Logged::Entry(1)));
        assert_eq!(two.next().await, Some(Logged::Entry(1)));
        assert_eq!(one.next().await, Some(Logged::Entry(2)));
    }

    /// S-2.1.
    #[tokio::test]
    async fn who_lags_is_told_by_how_much_and_goes_on() {
        let log = Log::new(3);
        let mut reader = log.subscribe();
        (0..10).for_each(|entry| log.push(entry));
        assert_eq!(reader.next().await, Some(Logged::Lagged(7)));
        assert_eq!(reader.next().await, Some(Logged::Entry(7)));
    }

    #[tokio::test]
    async fn the_first_subscriber_gets_what_came_before_it_and_later_ones_do_not() {
        let log = Log::new(3);
        log.push(1);
        let (mut first, mut second) = (log.subscribe(), log.subscribe());
        log.push(2);
        assert_eq!(first.next().await, Some(Logged::Entry(1)));
        assert_eq!(second.next().await, Some(Logged::Entry(2)));
    }

    #[tokio::test]
    async fn a_closed_log_ends_after_its_last_entry() {
        let log = Log::new(3);
        let mut reader = log.subscribe();
        log.push(1);
        log.close();
        assert_eq!(reader.next().await, Some(Logged::Entry(1)));
        assert_eq!(reader.next().await, None);
    }

    #[tokio::test]
    async fn a_waiting_subscriber_is_woken() {
        let log = Log::new(3);
        let mut reader = log.subscribe();
        let waiting = tokio::spawn(async move { reader.next().await });
        tokio::task::yield_now().await;
        log.push(1);
        assert_eq!(waiting.await.unwrap(), Some(Logged::Entry(1)));
    }
}
