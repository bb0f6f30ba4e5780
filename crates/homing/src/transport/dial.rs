//! A TCP connection to a name: its addresses race, so that one broken route costs no time (S-6.5).

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::sleep;

/// Connects to whichever address of the host answers first.
pub(super) async fn dial(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut waiting = alternate(lookup_host((host, port)).await?.collect());
    let mut racing = FuturesUnordered::new();
    let mut last_error = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    if let Some(first) = waiting.pop_front() {
        racing.push(TcpStream::connect(first));
    }
    while !racing.is_empty() {
        let next_start = sleep(HEAD_START);
        tokio::select! {
            Some(result) = racing.next() => match result {
                Ok(stream) => {
                    // Frames are small and each is wanted at once.
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Err(error) => last_error = error,
            },
            () = next_start, if !waiting.is_empty() => {}
        }
        if let Some(next) = waiting.pop_front() {
            racing.push(TcpStream::connect(next));
        }
    }
    Err(last_error)
}

/// Both families in turn, beginning with the one the resolver prefers.
fn alternate(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (preferred, others): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut others = others.into_iter();
    let mut order = VecDeque::new();
    for address in preferred {
        order.push_back(address);
        order.extend(others.next());
    }
    order.extend(others);
    order.truncate(ADDRESSES);
    order
}

/// What RFC 8305 advises between two starts.
const HEAD_START: Duration = Duration::from_millis(250);
/// A name with more addresses than can be tried within the time limit.
const ADDRESSES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_alternate_between_families_in_the_resolvers_order() {
        let addresses: Vec<SocketAddr> =
            ["[::1]:1", "[::2]:1", "[::3]:1", "1.0.0.1:1"].map(|a| a.parse().unwrap()).to_vec();
        let order: Vec<String> = alternate(addresses).iter().map(ToString::to_string).collect();
        assert_eq!(order, ["[::1]:1", "1.0.0.1:1", "[::2]:1", "[::3]:1"]);
    }

    #[tokio::test]
    async fn an_address_that_refuses_gives_way_to_one_that_answers() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // `localhost` may also stand for ::1, where nobody listens on this port.
        let stream = dial("localhost", port).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap().port(), port);
    }
}
