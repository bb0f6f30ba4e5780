//! Which way to the server is tried first: an order drawn from what each did before (S-6.5).
//!
//! Pure: clocks and addresses are arguments, so that every choice can be told from its facts.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use homing_proto::time::Time;

/// One way to the server: an address of one of its names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Route {
    /// Which of the configured servers.
    pub(super) endpoint: usize,
    /// Where it listens.
    pub(super) address: SocketAddr,
}

/// What is remembered of the routes.
#[derive(Debug, Default)]
pub(super) struct Memory(BTreeMap<Route, Seen>);

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    worked: Option<Time>,
    /// How often in a row it failed since it worked, and when last.
    failed: Option<(u32, Time)>,
}

impl Memory {
    /// A connection came about this way.
    pub(super) fn worked(&mut self, now: Time, route: Route) {
        self.note(now, route, |_| Seen { worked: Some(now), failed: None });
    }

    /// None did, or another way was quicker although it was begun later.
    pub(super) fn failed(&mut self, now: Time, route: Route) {
        self.note(now, route, |seen| {
            let before = seen.failed.map_or(0, |(times, _)| times);
            Seen { failed: Some((before.saturating_add(1), now)), ..seen }
        });
    }

    /// The network is another one: what failed on the last one may work here.
    pub(super) fn network_changed(&mut self) {
        for seen in self.0.values_mut() {
            seen.failed = None;
        }
    }

    /// The order to try these addresses in, which are given for each server as its name gave them: the
    /// way that worked last, then all others, servers and families in turn; those that failed lately
    /// come at the end, the one that has rested longest first. At most [`ROUTES`].
    pub(super) fn order(&self, now: Time, found: &[Vec<SocketAddr>]) -> Vec<Route> {
        let mut routes = in_turn(found);
        let last_good = self.last_good(now, &routes);
        // Stable: within its class a route keeps its turn.
        routes.sort_by_key(|route| match self.penalty(now, *route) {
            Some(since) => (2, since),
            None if last_good == Some(*route) => (0, Time(0)),
            None => (1, Time(0)),
        });
        routes.truncate(ROUTES);
        routes
    }

    fn last_good(&self, now: Time, routes: &[Route]) -> Option<Route> {
        let worked = |route: &&Route| {
            let at = self.0.get(*route)?.worked?;
            (now.since(at) < REMEMBERED_MS).then_some(at)
        };
        routes.iter().filter(|route| worked(route).is_some()).max_by_key(worked).copied()
    }

    /// Since when a route rests, while it does.
    fn penalty(&self, now: Time, route: Route) -> Option<Time> {
        let (times, at) = self.0.get(&route)?.failed?;
        let rests_ms = PENALTY_MS.saturating_mul(1 << times.min(8).saturating_sub(1));
        (now.since(at) < rests_ms.min(PENALTY_MOST_MS)).then_some(at)
    }

    fn note(&mut self, now: Time, route: Route, change: impl FnOnce(Seen) -> Seen) {
        let seen = self.0.get(&route).copied().unwrap_or_default();
        self.0.insert(route, change(seen));
        let last = |seen: &Seen| seen.worked.max(seen.failed.map(|(_, at)| at));
        self.0.retain(|_, seen| last(seen).is_some_and(|at| now.since(at) < REMEMBERED_MS));
        while self.0.len() > ROUTES {
            let oldest = self.0.iter().min_by_key(|(_, seen)| last(seen)).map(|(route, _)| *route);
            oldest.map(|route| self.0.remove(&route));
        }
    }
}

/// All routes, servers in turn, and of each server the families in turn.
fn in_turn(found: &[Vec<SocketAddr>]) -> Vec<Route> {
    let mut queues: Vec<VecDeque<SocketAddr>> =
        found.iter().map(|addresses| families_in_turn(addresses)).collect();
    let mut routes = Vec::new();
    while queues.iter().any(|queue| !queue.is_empty()) {
        for (endpoint, queue) in queues.iter_mut().enumerate() {
            if let Some(address) = queue.pop_front() {
                routes.push(Route { endpoint, address });
            }
        }
    }
    routes
}

/// Both families in turn, beginning with the one the resolver prefers.
fn families_in_turn(addresses: &[SocketAddr]) -> VecDeque<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (preferred, others): (Vec<_>, Vec<_>) =
        addresses.iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut others = others.into_iter();
    let mut order = VecDeque::new();
    for address in preferred {
        order.push_back(address);
        order.extend(others.next());
    }
    order.extend(others);
    order
}

/// More ways than can be tried within the time limit of an attempt.
const ROUTES: usize = 16;
/// A route that failed comes last for this long, twice as long with each further failure: longer than
/// the back-off's cap, so that the next attempt begins elsewhere.
const PENALTY_MS: u64 = 60_000;
const PENALTY_MOST_MS: u64 = 600_000;
/// After this long nothing is known of a route: names and networks change.
const REMEMBERED_MS: u64 = 3_600_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(names: &[&str]) -> Vec<SocketAddr> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn order(memory: &Memory, now: u64, found: &[Vec<SocketAddr>]) -> Vec<String> {
        let routes = memory.order(Time(now), found);
        routes.iter().map(|route| format!("{} {}", route.endpoint, route.address)).collect()
    }

    fn route(endpoint: usize, address: &str) -> Route {
        Route { endpoint, address: address.parse().unwrap() }
    }

    /// S-6.5.
    #[test]
    fn servers_take_turns_and_families_within_them_in_the_resolvers_order() {
        let found = [
            addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.0.0.1:1"]),
            addresses(&["2.0.0.1:1", "[::4]:1"]),
        ];
        assert_eq!(
            order(&Memory::default(), 0, &found),
            ["0 [::1]:1", "1 2.0.0.1:1", "0 1.0.0.1:1", "1 [::4]:1", "0 [::2]:1", "0 [::3]:1"]
        );
    }

    /// S-6.5: memory per route.
    #[test]
    fn the_route_that_worked_last_comes_first_and_is_forgotten_after_an_hour() {
        let found = [addresses(&["[::1]:1", "1.0.0.1:1"]), addresses(&["2.0.0.1:1"])];
        let mut memory = Memory::default();
        memory.worked(Time(5), route(1, "2.0.0.1:1"));
        memory.worked(Time(6), route(0, "1.0.0.1:1"));
        assert_eq!(order(&memory, 7, &found), ["0 1.0.0.1:1", "0 [::1]:1", "1 2.0.0.1:1"]);
        assert_eq!(order(&memory, 3_600_006, &found)[0], "0 [::1]:1");
        // A route that the name no longer gives is not tried.
        assert_eq!(order(&memory, 7, &[addresses(&["[::1]:1"])]), ["0 [::1]:1"]);
    }

    /// S-6.5: routes that fail are tried last, ever longer, until they rested.
    #[test]
    fn routes_that_fail_come_last_until_they_rested() {
        let found = [addresses(&["[::1]:1", "1.0.0.1:1", "1.0.0.2:1"])];
        let mut memory = Memory::default();
        memory.worked(Time(0), route(0, "[::1]:1"));
        memory.failed(Time(10), route(0, "[::1]:1"));
        memory.failed(Time(20), route(0, "1.0.0.1:1"));
        assert_eq!(order(&memory, 30, &found), ["0 1.0.0.2:1", "0 [::1]:1", "0 1.0.0.1:1"]);
        assert_eq!(order(&memory, 60_010, &found)[0], "0 [::1]:1", "it worked before it failed");
        memory.failed(Time(60_010), route(0, "[::1]:1"));
        assert_ne!(order(&memory, 180_009, &found)[0], "0 [::1]:1", "twice as long");
        assert_eq!(order(&memory, 180_010, &found)[0], "0 [::1]:1");
        memory.failed(Time(180_010), route(0, "[::1]:1"));
        memory.network_changed();
        assert_eq!(order(&memory, 180_011, &found)[0], "0 [::1]:1", "on another network");
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut memory = Memory::default();
        for port in 1..1_000 {
            memory.failed(Time(port), route(0, &format!("1.0.0.1:{port}")));
        }
        assert_eq!(memory.0.len(), ROUTES);
        assert!(memory.0.contains_key(&route(0, "1.0.0.1:999")));
        let found = [(1..100).map(|port| SocketAddr::from(([1, 0, 0, 2], port))).collect()];
        assert_eq!(memory.order(Time(0), &found).len(), ROUTES);
    }
}
