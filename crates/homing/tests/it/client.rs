//! A client against a scripted server on a real socket.

mod closing;
mod credentials;
mod link;
mod login;
mod logs;
mod messages;
mod routes;
mod server;
mod suspend;
mod tls;

use std::time::Duration;

use homing::{Client, Config, Credential, Event, Fact, Logged, Subscription};
use tokio::time::timeout;

use self::server::FakeServer;

/// A client with its data in memory.
pub(crate) async fn client(server: &FakeServer) -> Client {
    Client::open(config(server)).await.unwrap()
}

pub(crate) fn config(server: &FakeServer) -> Config {
    Config::new(1, &server.url).unwrap()
}

pub(crate) fn token() -> Credential {
    Credential::usersig("a-token-nobody-may-see")
}

/// What takes longer than this will never come.
pub(crate) async fn soon<F: IntoFuture>(future: F) -> F::Output {
    timeout(Duration::from_secs(10), future.into_future()).await.expect("it takes too long")
}

/// The next event that `pick` takes.
pub(crate) async fn event<T>(
    events: &mut Subscription<Event>,
    mut pick: impl FnMut(Event) -> Option<T>,
) -> T {
    soon(async {
        loop {
            match events.next().await.expect("the client is open") {
                Logged::Entry(event) => {
                    if let Some(found) = pick(event) {
                        return found;
                    }
                }
                Logged::Lagged(missed) => panic!("missed {missed} events"),
            }
        }
    })
    .await
}

/// All that the journal holds up to the first fact that `last` takes.
pub(crate) async fn journal_until(
    journal: &mut Subscription<Fact>,
    mut last: impl FnMut(&Fact) -> bool,
) -> Vec<Fact> {
    soon(async {
        let mut facts = Vec::new();
        loop {
            let Some(Logged::Entry(fact)) = journal.next().await else { panic!("{facts:?}") };
            let done = last(&fact);
            facts.push(fact);
            if done {
                return facts;
            }
        }
    })
    .await
}
