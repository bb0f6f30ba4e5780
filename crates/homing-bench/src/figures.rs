//! From samples to figures: percentiles and slopes.

use std::time::Duration;

use serde::Serialize;

/// Spans of time, in microseconds.
#[derive(Default, Debug)]
pub(crate) struct Spans(Vec<u32>);

/// What is told of many spans, in milliseconds.
#[derive(Serialize, Clone, Copy, PartialEq, Debug)]
pub(crate) struct Summary {
    pub(crate) count: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

impl Spans {
    pub(crate) fn add(&mut self, span: Duration) {
        self.0.push(u32::try_from(span.as_micros()).unwrap_or(u32::MAX));
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Of no spans everything is 0.
    pub(crate) fn summary(mut self) -> Summary {
        self.0.sort_unstable();
        let at =
            |share| self.0.get(rank(self.0.len(), share)).map_or(0.0, |us| f64::from(*us) / 1e3);
        Summary {
            count: self.0.len(),
            p50_ms: at(0.50),
            p90_ms: at(0.90),
            p99_ms: at(0.99),
            max_ms: at(1.00),
        }
    }
}

/// The nearest rank: the smallest sample that at least `share` of all samples do not exceed.
fn rank(len: usize, share: f64) -> usize {
    ((len as f64 * share).ceil() as usize).saturating_sub(1)
}

/// The slope of the straight line that fits the points best, by least squares.
pub(crate) fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let mean_x = points.iter().map(|(x, _)| x).sum::<f64>() / n;
    let mean_y = points.iter().map(|(_, y)| y).sum::<f64>() / n;
    let covariance: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let variance: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    covariance / variance
}

/// How often something happened in a second.
pub(crate) fn per_second(count: usize, took: Duration) -> f64 {
    round(count as f64 / took.as_secs_f64(), 1)
}

/// Rounds to so many digits behind the point: more would be noise.
pub(crate) fn round(value: f64, digits: i32) -> f64 {
    let unit = 10_f64.powi(digits);
    (value * unit).round() / unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples_by_nearest_rank() {
        let mut spans = Spans::default();
        for ms in (1..=200).rev() {
            spans.add(Duration::from_millis(ms));
        }
        let summary = spans.summary();
        let expected =
            Summary { count: 200, p50_ms: 100.0, p90_ms: 180.0, p99_ms: 198.0, max_ms: 200.0 };
        assert_eq!(summary, expected);
    }

    #[test]
    fn of_one_span_all_percentiles_are_that_span_and_of_none_they_are_zero() {
        let mut spans = Spans::default();
        spans.add(Duration::from_micros(1_500));
        let one = spans.summary();
        assert_eq!((one.p50_ms, one.p99_ms, one.max_ms), (1.5, 1.5, 1.5));
        assert_eq!(Spans::default().summary().max_ms, 0.0);
    }

    #[test]
    fn the_slope_of_points_on_a_line_is_the_lines() {
        let points = [(1.0, 7.0), (5.0, 15.0), (10.0, 25.0)];
        assert!((slope(&points) - 2.0).abs() < 1e-9);
    }
}
