//! Chance from a seed: who is killed, and when.

use std::time::{SystemTime, UNIX_EPOCH};

/// SplitMix64: small, and the same everywhere.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`, which is not 0. The bias is far below what matters here.
    pub(crate) const fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// One kill: when this many messages are accepted.
pub(crate) struct Strike {
    pub(crate) at: usize,
    pub(crate) victim: Victim,
}

pub(crate) enum Victim {
    Server,
    Client(usize),
}

/// The kills of a round, the last one first.
pub(crate) fn strikes(
    rng: &mut Rng,
    sends: usize,
    server_kills: usize,
    client_kills: usize,
) -> Vec<Strike> {
    let mut strikes = Vec::new();
    for kill in 0..server_kills + client_kills {
        let at = rng.below(sends.max(1) as u64) as usize;
        let victim =
            if kill < server_kills { Victim::Server } else { Victim::Client(rng.next() as usize) };
        strikes.push(Strike { at, victim });
    }
    strikes.sort_by_key(|strike| std::cmp::Reverse(strike.at));
    strikes
}

pub(crate) fn seed_of_the_clock() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since_1970.as_millis() as u64
}
