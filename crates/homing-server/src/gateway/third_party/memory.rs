//! What third parties answered, by hash, in bounded memory.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use homing_core::server::registry::Verdict;
use homing_proto::time::WallTime;

/// Answers with a validity.
///
/// Whole generations are forgotten: the answers that nobody needed while as many others came. What is
/// forgotten is asked again.
#[derive(Default)]
pub(super) struct Memory(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: HashMap<[u8; 32], Verdict>,
    old: HashMap<[u8; 32], Verdict>,
}

impl Memory {
    /// Keeps an answer for as long as it holds; one without a validity is not kept.
    pub(super) fn keep(&self, key: [u8; 32], verdict: Verdict) {
        if verdict.expires.is_some() {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).put(key, verdict);
        }
    }

    /// An answer that still holds.
    pub(super) fn recall(&self, key: [u8; 32], now: WallTime) -> Option<Verdict> {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = *answers.young.get(&key).or_else(|| answers.old.get(&key))?;
        if verdict.expires.is_none_or(|expires| expires <= now) {
            answers.young.remove(&key);
            answers.old.remove(&key);
            return None;
        }
        answers.put(key, verdict);
        Some(verdict)
    }
}

impl Generations {
    fn put(&mut self, key: [u8; 32], verdict: Verdict) {
        if self.young.len() >= ANSWERS && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, verdict);
    }
}

/// Answers of a generation: some 2 MiB.
const ANSWERS: usize = 32_768;

#[cfg(test)]
mod tests {
    use super::*;

    fn until(ms: u64) -> Verdict {
        Verdict { issued: WallTime(1), expires: Some(WallTime(ms)) }
    }

    #[test]
    fn an_answer_holds_as_long_as_it_says_and_no_longer() {
        let memory = Memory::default();
        memory.keep([1; 32], until(100));
        memory.keep([2; 32], Verdict { issued: WallTime(1), expires: None });
        assert_eq!(memory.recall([1; 32], WallTime(99)), Some(until(100)));
        assert_eq!(memory.recall([1; 32], WallTime(100)), None);
        assert_eq!(memory.recall([1; 32], WallTime(99)), None);
        assert_eq!(memory.recall([2; 32], WallTime(2)), None);
    }

    #[test]
    fn the_memory_is_bounded_and_keeps_what_is_in_use() {
        let memory = Memory::default();
        let key = |n: usize| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&n.to_le_bytes());
            key
        };
        for n in 0..3 * ANSWERS {
            memory.keep(key(n), until(100));
            assert_eq!(memory.recall(key(0), WallTime(1)), Some(until(100)));
        }
        let answers = memory.0.lock().unwrap();
        assert!(answers.young.len() + answers.old.len() <= 2 * ANSWERS);
    }
}
