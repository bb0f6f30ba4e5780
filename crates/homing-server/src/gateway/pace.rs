//! How fast clients are to come back when they all lose the server at once (S-6.7).
//!
//! The window is a matter of how many they are, so each is told it when it comes, and anew with a
//! ping when it has become another one. A server that dies tells nobody anything any more.

use std::num::NonZeroU32;

use homing_proto::limits;

/// What an operator says of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Pace {
    /// The shortest window.
    pub(crate) least_ms: u32,
    /// Clients that may come back in a second.
    pub(crate) per_s: NonZeroU32,
}

impl Pace {
    /// The window for so many connections.
    pub(super) fn window_ms(self, connections: usize) -> u32 {
        let ms = connections as u64 * 1_000 / u64::from(self.per_s.get());
        let ms = ms.clamp(self.least_ms.into(), limits::BACKOFF_CAP_BACKGROUND_MS);
        u32::try_from(ms).unwrap_or(u32::MAX)
    }
}

/// Whether who was told the one window should be told the other. When most connections are new,
/// many were told a shorter one: they would come back too fast all together.
pub(super) const fn is_news(told_ms: u32, now_ms: u32) -> bool {
    now_ms.abs_diff(told_ms) > told_ms / 20
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S-6.7
    #[test]
    fn the_window_grows_with_the_connections_so_that_the_rate_stays() {
        let pace = Pace { least_ms: 1_000, per_s: NonZeroU32::new(2_000).unwrap() };
        for (connections, window_ms) in
            [(0, 1_000), (2_000, 1_000), (15_000, 7_500), (100_000, 50_000), (1 << 40, 300_000)]
        {
            assert_eq!(pace.window_ms(connections), window_ms, "{connections}");
        }
    }

    #[test]
    fn a_window_is_news_when_it_differs_by_more_than_a_twentieth() {
        assert!(!is_news(1_000, 1_000) && !is_news(1_000, 1_050) && !is_news(1_000, 950));
        assert!(is_news(1_000, 1_051) && is_news(1_000, 949));
    }
}
