//! A bounded cache that never forgets what is not yet in the tables.

use std::collections::HashMap;
use std::hash::Hash;

/// A value that knows whether the tables hold it.
pub(super) trait Pinned {
    /// The tables do not hold this state: it must stay in memory.
    fn is_pinned(&self) -> bool;
}

/// Two generations instead of a list of last uses: a hit moves its entry to the young one; when
/// that is full it becomes the old one, and what nobody asked for since is forgotten. So at most
/// twice `half` entries stay besides the pinned ones, at the price of two plain hash maps.
pub(super) struct Cache<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    half: usize,
    pinned: usize,
}

impl<K: Hash + Eq + Clone, V: Pinned> Cache<K, V> {
    pub(super) fn new(half: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), half, pinned: 0 }
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        if !self.young.contains_key(key) {
            let value = self.old.remove(key)?;
            self.insert(key.clone(), value);
        }
        self.young.get_mut(key)
    }

    /// Looks without counting it as a use.
    pub(super) fn peek(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// Changes an entry without counting it as a use.
    pub(super) fn peek_mut(&mut self, key: &K) -> Option<&mut V> {
        match self.young.get_mut(key) {
            Some(value) => Some(value),
            None => self.old.get_mut(key),
        }
    }

    /// Forgets an entry that is no more. It must not be pinned.
    pub(super) fn remove(&mut self, key: &K) {
        self.young.remove(key);
        self.old.remove(key);
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.half + self.pinned {
            let old = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
            self.young.extend(old.into_iter().filter(|(_, value)| value.is_pinned()));
            // What was carried over may not by itself fill the young generation again.
            self.pinned = self.young.len();
        }
        self.young.insert(key, value);
    }

    /// Gives back what a rush has left: to be called when a merge is done.
    pub(super) fn settle(&mut self) {
        for half in [&mut self.young, &mut self.old] {
            let mut room = self.half;
            half.retain(|_, value| {
                let fits = room > 0;
                room = room.saturating_sub(1);
                fits || value.is_pinned()
            });
            half.shrink_to(self.half);
        }
        self.pinned = self.young.values().filter(|value| value.is_pinned()).count();
    }

    /// Keys of everything that is pinned, in no order.
    pub(super) fn pinned(&self) -> impl Iterator<Item = K> {
        self.young
            .iter()
            .chain(&self.old)
            .filter(|(_, value)| value.is_pinned())
            .map(|(key, _)| key.clone())
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Value {
        pinned: bool,
    }

    impl Pinned for Value {
        fn is_pinned(&self) -> bool {
            self.pinned
        }
    }

    #[test]
    fn what_is_pinned_survives_any_number_of_others() {
        let mut cache = Cache::new(8);
        cache.insert(0, Value { pinned: true });
        for key in 1..1000 {
            cache.insert(key, Value { pinned: false });
        }
        assert!(cache.peek(&0).is_some());
        assert!(cache.len() <= 17 + 8, "{}", cache.len());
    }

    #[test]
    fn what_is_used_stays_and_what_is_not_goes() {
        let mut cache = Cache::new(8);
        for key in 0..100 {
            cache.insert(key, Value { pinned: false });
            cache.get_mut(&0);
        }
        assert!(cache.peek(&0).is_some());
        assert!(cache.peek(&1).is_none());
    }
}
