//! What a server's name stands for at the moment.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::net::lookup_host;
use tokio::time::{Instant, sleep_until};

use super::endpoint::Endpoint;

/// The addresses of each server, in the order in which its name gave them; none for a name that leads
/// nowhere. Once one name is known, the others have a moment left.
pub(super) async fn resolve(endpoints: &[Endpoint]) -> Vec<Vec<SocketAddr>> {
    let mut found = vec![Vec::new(); endpoints.len()];
    let lookup = |(number, endpoint): (usize, &Endpoint)| {
        let (host, port) = (endpoint.host.clone(), endpoint.port);
        async move {
            let addresses = lookup_host((host, port)).await;
            (number, addresses.map(Iterator::collect).unwrap_or_default())
        }
    };
    let mut lookups: FuturesUnordered<_> = endpoints.iter().enumerate().map(lookup).collect();
    let mut patience: Option<Instant> = None;
    loop {
        // The branch is off until there is an end to wait for.
        let end = patience.unwrap_or_else(Instant::now);
        tokio::select! {
            next = lookups.next() => {
                let Some((number, addresses)): Option<(usize, Vec<SocketAddr>)> = next else {
                    return found;
                };
                if !addresses.is_empty() {
                    patience = patience.or_else(|| Some(Instant::now() + GRACE));
                }
                found[number] = addresses;
            }
            () = sleep_until(end), if patience.is_some() => return found,
        }
    }
}

/// A name that takes longer is left out of this attempt.
const GRACE: Duration = Duration::from_millis(100);
