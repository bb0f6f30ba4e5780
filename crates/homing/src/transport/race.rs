//! Several ways to the server at once: whichever answers first, wins (S-6.5).

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use homing_proto::{Code, Error};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::routes::Route;

/// What came of a race.
#[derive(Debug)]
pub(super) struct Outcome<T> {
    /// The way that won, and what came about on it.
    pub(super) result: Result<(Route, T), Error>,
    /// The ways that led nowhere, or were slower than one that was begun later.
    pub(super) failed: Vec<Route>,
}

/// A runner tells that somebody is there, and what is left is to agree.
#[derive(Clone, Debug)]
pub(super) struct Reached(mpsc::UnboundedSender<()>);

impl Reached {
    pub(super) fn tell(&self) {
        // The race is over: then nobody listens.
        let _ = self.0.send(());
    }
}

/// Begins with the first way and adds the next one every quarter of a second, or at once when one
/// fails, until one is through or the time is over. The losers are dropped.
///
/// Where somebody answered already, a rival is begun only when the rest takes unusually long: else
/// every distant client would cost the server two connections.
pub(super) async fn race<T, F: Future<Output = Result<T, Error>>>(
    routes: Vec<Route>,
    limit: Duration,
    connect: impl Fn(Route, Reached) -> F,
) -> Outcome<T> {
    let (reached_out, mut reached) = mpsc::unbounded_channel();
    let mut waiting = VecDeque::from(routes);
    let mut running = Vec::new();
    let mut racing = FuturesUnordered::new();
    let mut failed = Vec::new();
    let mut error = Error::new(Code::OFFLINE).with_text("the server's name has no address");
    let deadline = Instant::now() + limit;
    let mut next_start = Instant::now();
    while !(waiting.is_empty() && racing.is_empty()) {
        tokio::select! {
            Some((route, result)) = racing.next() => {
                let at = running.iter().position(|runs| *runs == route).unwrap_or_default();
                match result {
                    Ok(connection) => {
                        // Who was begun before it and is not there yet had a head start for nothing.
                        failed.extend(running.drain(..at));
                        return Outcome { result: Ok((route, connection)), failed };
                    }
                    Err(why) => {
                        running.remove(at);
                        failed.push(route);
                        error = worse(error, why);
                        next_start = Instant::now();
                    }
                }
            }
            Some(()) = reached.recv() => next_start = next_start.max(Instant::now() + AGREEING),
            () = sleep_until(next_start), if !waiting.is_empty() => {
                let Some(route) = waiting.pop_front() else { continue };
                let connecting = connect(route, Reached(reached_out.clone()));
                racing.push(async move { (route, connecting.await) });
                running.push(route);
                next_start = Instant::now() + HEAD_START;
            }
            () = sleep_until(deadline) => {
                failed.extend(running);
                let error = Error::new(Code::TIMEOUT).with_text("the server did not answer");
                return Outcome { result: Err(error), failed };
            }
        }
    }
    Outcome { result: Err(error), failed }
}

/// That this device has no network says it only if nothing else stood in the way anywhere.
fn worse(before: Error, error: Error) -> Error {
    if error.code == Code::OFFLINE && before.code != Code::OFFLINE { before } else { error }
}

/// What RFC 8305 advises between two starts.
const HEAD_START: Duration = Duration::from_millis(250);
/// TLS and the WebSocket's upgrade: three round trips of the worst link that is worth waiting for.
const AGREEING: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn routes(count: u16) -> Vec<Route> {
        (1..=count)
            .map(|port| Route { endpoint: 0, address: ([127, 0, 0, 1], port).into() })
            .collect()
    }

    /// How a way behaves, by its port.
    #[derive(Clone, Copy)]
    enum Way {
        Silent,
        Refuses,
        Answers,
        /// Somebody is there, and takes this long over the rest.
        Agrees(Duration),
    }

    async fn run(ways: &[Way], limit: Duration) -> (Outcome<u16>, usize, usize) {
        let (begun, dropped) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
        let connect = |route: Route, reached: Reached| {
            begun.fetch_add(1, Ordering::Relaxed);
            let port = route.address.port();
            let way = ways[usize::from(port) - 1];
            let end = End(dropped.clone());
            async move {
                let _end = end;
                match way {
                    Way::Silent => std::future::pending().await,
                    Way::Refuses => Err(Code::NETWORK.into()),
                    Way::Answers => Ok(port),
                    Way::Agrees(after) => {
                        reached.tell();
                        tokio::time::sleep(after).await;
                        Ok(port)
                    }
                }
            }
        };
        let outcome = race(routes(u16::try_from(ways.len()).unwrap()), limit, connect).await;
        (outcome, begun.load(Ordering::Relaxed), dropped.load(Ordering::Relaxed))
    }

    struct End(Arc<AtomicUsize>);

    impl Drop for End {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    const LONG: Duration = Duration::from_secs(8);

    /// S-6.5: a staggered start, the loser dropped.
    #[tokio::test]
    async fn a_silent_way_costs_a_quarter_of_a_second_and_is_let_go_of() {
        let start = Instant::now();
        let (outcome, begun, dropped) = run(&[Way::Silent, Way::Answers, Way::Answers], LONG).await;
        assert_eq!(outcome.result.unwrap().1, 2);
        assert_eq!(outcome.failed, routes(1));
        assert_eq!((begun, dropped), (2, 2));
        assert!(start.elapsed() >= HEAD_START && start.elapsed() < HEAD_START * 8);
    }

    #[tokio::test]
    async fn a_way_that_refuses_gives_way_at_once() {
        let start = Instant::now();
        let (outcome, ..) = run(&[Way::Refuses, Way::Refuses, Way::Answers], LONG).await;
        assert_eq!((outcome.result.unwrap().1, outcome.failed), (3, routes(2)));
        assert!(start.elapsed() < HEAD_START);
    }

    #[tokio::test]
    async fn where_somebody_answered_no_rival_is_begun() {
        let slow = Way::Agrees(HEAD_START * 3);
        let (outcome, begun, _) = run(&[slow, Way::Answers], LONG).await;
        assert_eq!((outcome.result.unwrap().1, begun), (1, 1));
        assert!(outcome.failed.is_empty());
    }

    #[tokio::test]
    async fn when_nobody_answers_the_time_limit_ends_all_of_it() {
        let limit = HEAD_START * 2;
        let (outcome, begun, dropped) = run(&[Way::Silent; 4], limit).await;
        assert_eq!(outcome.result.unwrap_err().code, Code::TIMEOUT);
        assert_eq!((outcome.failed.len(), dropped), (begun, begun));
        let (outcome, ..) = run(&[Way::Refuses, Way::Refuses], LONG).await;
        assert_eq!(outcome.result.unwrap_err().code, Code::NETWORK);
        let (outcome, ..) = run(&[], LONG).await;
        assert_eq!(outcome.result.unwrap_err().code, Code::OFFLINE);
    }
}
