//! How often somebody may do something: a bounded table of token buckets (S-3.5, V-1).

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use homing_proto::time::Time;

/// How often: so many at once, and one more after each span.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// At once.
    pub burst: u32,
    /// One more after this many milliseconds; 0: no bound at all.
    pub every_ms: u32,
}

impl Rate {
    /// No bound.
    pub const UNBOUNDED: Self = Self { burst: 0, every_ms: 0 };
}

/// One bucket per key, kept as the moment at which it would be full again.
///
/// The table forgets whole generations: the keys that nobody used while as many others came. So an
/// attacker with many addresses costs a fixed amount of memory.
pub(super) struct Throttle<K> {
    rate: Rate,
    hasher: RandomState,
    tables: Mutex<Generations>,
    key: std::marker::PhantomData<fn(K)>,
}

#[derive(Default)]
struct Generations {
    young: HashMap<u64, Time>,
    old: HashMap<u64, Time>,
}

impl<K: Hash> Throttle<K> {
    pub(super) fn new(rate: Rate) -> Self {
        Self {
            rate,
            hasher: RandomState::new(),
            tables: Mutex::default(),
            key: std::marker::PhantomData,
        }
    }

    /// Counts one.
    ///
    /// # Errors
    /// Milliseconds until one more is allowed; it was not counted.
    pub(super) fn take(&self, key: &K, now: Time) -> Result<(), u32> {
        self.check(key, now)?;
        if self.rate.every_ms > 0 {
            let mut tables = self.lock();
            let key = self.hasher.hash_one(key);
            let full_at = tables.full_at(key).max(now) + u64::from(self.rate.every_ms);
            tables.put(key, full_at);
        }
        Ok(())
    }

    /// Whether one more is allowed, without counting it.
    ///
    /// # Errors
    /// Milliseconds until it is.
    pub(super) fn check(&self, key: &K, now: Time) -> Result<(), u32> {
        let Rate { burst, every_ms } = self.rate;
        if every_ms == 0 {
            return Ok(());
        }
        let full_at = self.lock().full_at(self.hasher.hash_one(key));
        let room_at = full_at - u64::from(burst.max(1) - 1) * u64::from(every_ms);
        match room_at.since(now) {
            0 => Ok(()),
            wait_ms => Err(u32::try_from(wait_ms).unwrap_or(u32::MAX)),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Generations> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn full_at(&self, key: u64) -> Time {
        self.young.get(&key).or_else(|| self.old.get(&key)).copied().unwrap_or_default()
    }

    fn put(&mut self, key: u64, full_at: Time) {
        if self.young.len() >= KEYS && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, full_at);
    }
}

/// How many strangers, connections without a session, an address has.
#[derive(Default)]
pub(super) struct Strangers(Mutex<HashMap<IpAddr, u32>>);

impl Strangers {
    /// One more, unless there are as many as may be.
    pub(super) fn enter(&self, address: IpAddr, most: u32) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= most {
            return false;
        }
        *count += 1;
        true
    }

    /// One less.
    pub(super) fn leave(&self, address: IpAddr) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }
}

/// What counts as one address: an IPv6 network of 64 bits is one customer.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

/// Keys of a generation: some 1.5 MiB at most.
const KEYS: usize = 32_768;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_for_each_span() {
        let throttle = Throttle::new(Rate { burst: 3, every_ms: 100 });
        let now = Time(10_000);
        for _ in 0..3 {
            assert_eq!(throttle.take(&"a", now), Ok(()));
        }
        assert_eq!(throttle.take(&"a", now), Err(100));
        assert_eq!(throttle.take(&"b", now), Ok(()));
        assert_eq!(throttle.take(&"a", now + 60), Err(40));
        assert_eq!(throttle.take(&"a", now + 100), Ok(()));
        assert_eq!(throttle.check(&"a", now + 100), Err(100));
        assert_eq!(throttle.take(&"a", now + 1_000), Ok(()));
    }

    #[test]
    fn the_table_is_bounded_whoever_comes() {
        let throttle = Throttle::new(Rate { burst: 1, every_ms: 1_000 });
        for key in 0..3 * KEYS {
            assert_eq!(throttle.take(&key, Time(5_000)), Ok(()));
        }
        let tables = throttle.lock();
        assert!(tables.young.len() + tables.old.len() <= 2 * KEYS);
    }

    #[test]
    fn strangers_of_one_address_are_bounded_and_forgotten() {
        let strangers = Strangers::default();
        let [one, other] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().unwrap());
        assert!(strangers.enter(one, 2) && strangers.enter(one, 2) && !strangers.enter(one, 2));
        assert!(strangers.enter(other, 2));
        strangers.leave(one);
        assert!(strangers.enter(one, 2));
        for address in [one, one, other] {
            strangers.leave(address);
        }
        assert!(strangers.0.lock().unwrap().is_empty());
    }

    #[test]
    fn neighbours_in_an_ipv6_network_are_one_address() {
        let [a, b] = ["2001:db8::1", "2001:db8::ffff:2"].map(|text| network(text.parse().unwrap()));
        assert_eq!(a, b);
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()).to_string(), "192.0.2.1");
    }
}
