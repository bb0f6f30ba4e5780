//! The task that reads a client's journal for a facade, in its order.

use homing::{Client, Fact, Logged};
use tokio::sync::watch;

/// A running reader. It ends by itself when the client is closed.
#[derive(Clone, Debug)]
pub(crate) struct Telling(watch::Receiver<u64>);

impl Telling {
    /// Starts reading. Whoever is too slow for the journal misses events, but never the latest
    /// status. A status is told once, and never an older one after a newer.
    pub(crate) fn start(client: &Client, mut tell: impl FnMut(&Fact) + Send + 'static) -> Self {
        let (mut journal, latest) = (client.journal(), client.status());
        // The reader holds no handle of the client: it must not keep it alive.
        let (told, telling) = watch::channel(FIRST);
        tokio::spawn(async move {
            while let Some(entry) = journal.next().await {
                let fact = match entry {
                    Logged::Entry(fact) => fact,
                    Logged::Lagged(_) => Fact::Status(Box::new(latest.now())),
                };
                let seq = match &fact {
                    Fact::Status(status) if status.seq <= *told.borrow() => continue,
                    Fact::Status(status) => Some(status.seq),
                    Fact::Event(_) => None,
                };
                tell(&fact);
                if let Some(seq) = seq {
                    told.send_replace(seq);
                }
            }
        });
        Self(telling)
    }

    /// Waits until everything up to the client's present status was told, so that an answer never
    /// comes before the callbacks that led to it.
    pub(crate) async fn caught_up(&self, client: &Client) {
        let seq = client.status().now().seq;
        // An error means that the client is closed and nothing more will be told.
        let _ = self.0.clone().wait_for(|told| *told >= seq).await;
    }
}

/// The seq of a client's first status, of which the journal does not tell.
const FIRST: u64 = 1;
