//! What `/metrics` tells, in the text form of Prometheus (V-7).
//!
//! Counters are plain atomics; reading them costs the server nothing between two scrapes.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use homing_proto::code::{Code, TABLE};

use crate::store::Store;

/// The numbers of one server.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// Open connections, WebSocket ones and those before their upgrade.
    pub(crate) connections: Gauge,
    /// Connections with a session.
    pub(crate) sessions: Gauge,
    /// Answers to a Hello.
    pub(crate) logins: ByCode,
    /// Of the good ones, those that went on with a session.
    pub(crate) resumes: Gauge,
    /// Closes by the server, by the code in the last frame.
    pub(crate) closes: ByCode,
    /// Messages asked to be sent.
    pub(crate) sends: Gauge,
    /// Entries put on the way to connections.
    pub(crate) pushes: Gauge,
    /// Connections told that their session was ended by somebody.
    pub(crate) kicks: Gauge,
    /// Connections turned away before anything was read.
    pub(crate) turned_away: Gauge,
    /// Requests to the HTTP API.
    pub(crate) http_requests: Gauge,
    /// Questions to apps' own servers about credentials (S-8.1).
    pub(crate) third_party: ThirdPartyCalls,
    /// Credentials that no server had to be asked about: its answer still held.
    pub(crate) third_party_remembered: Gauge,
}

/// How questions to apps' own servers came out, and how long they took.
#[derive(Debug, Default)]
pub(crate) struct ThirdPartyCalls {
    outcomes: [AtomicU64; Outcome::ALL.len()],
    times: Histogram,
}

/// What became of a question to an app's own server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Outcome {
    /// It said yes.
    Allowed,
    /// It said no.
    Refused,
    /// No answer in time.
    Slow,
    /// No connection, or one that broke.
    Unreachable,
    /// Its certificate is not believed.
    Untrusted,
    /// Another status than 200.
    Status,
    /// Something else than an answer.
    Unreadable,
}

impl Outcome {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Allowed, "allowed"),
        (Self::Refused, "refused"),
        (Self::Slow, "slow"),
        (Self::Unreachable, "unreachable"),
        (Self::Untrusted, "untrusted"),
        (Self::Status, "status"),
        (Self::Unreadable, "unreadable"),
    ];
}

impl ThirdPartyCalls {
    /// `took`: from when the credential was shown, so with the wait for a turn.
    pub(crate) fn count(&self, outcome: Outcome, took: Duration) {
        self.outcomes[outcome as usize].fetch_add(1, Ordering::Relaxed);
        self.times.observe(took);
    }

    fn counted(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.outcomes.iter().map(|count| count.load(Ordering::Relaxed));
        Outcome::ALL.iter().map(|(_, name)| *name).zip(counts).filter(|(_, count)| *count > 0)
    }
}

/// A number that goes up, and down where that makes sense.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicI64);

impl Gauge {
    pub(crate) fn add(&self, n: i64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn value(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How long something took, counted in buckets of fixed bounds.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    /// One more than [`BOUNDS_US`]: the last is for what took longer.
    buckets: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

/// Upper bounds in microseconds: from memory through an SSD's flush to a disk that is in trouble.
const BOUNDS_US: [u64; 12] =
    [250, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 2_000_000];

impl Histogram {
    pub(crate) fn observe(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.partition_point(|bound| *bound < us);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }
}

/// One counter per code of the table, and one for `ok`.
#[derive(Debug)]
pub(crate) struct ByCode {
    ok: AtomicU64,
    rows: Vec<AtomicU64>,
}

impl ByCode {
    pub(crate) fn count(&self, code: Option<Code>) {
        let row = code.map(|code| TABLE.binary_search_by_key(&code, |row| row.code));
        match row {
            None => self.ok.fetch_add(1, Ordering::Relaxed),
            Some(Ok(row)) => self.rows[row].fetch_add(1, Ordering::Relaxed),
            Some(Err(_)) => 0,
        };
    }

    fn counted(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let rows = TABLE.iter().zip(&self.rows).map(|(row, count)| (row.name, count));
        [("ok", &self.ok)]
            .into_iter()
            .chain(rows)
            .map(|(name, count)| (name, count.load(Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
    }
}

impl Default for ByCode {
    fn default() -> Self {
        Self { ok: AtomicU64::new(0), rows: TABLE.iter().map(|_| AtomicU64::new(0)).collect() }
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            connections: Gauge::default(),
            sessions: Gauge::default(),
            logins: ByCode::default(),
            resumes: Gauge::default(),
            closes: ByCode::default(),
            sends: Gauge::default(),
            pushes: Gauge::default(),
            kicks: Gauge::default(),
            turned_away: Gauge::default(),
            http_requests: Gauge::default(),
            third_party: ThirdPartyCalls::default(),
            third_party_remembered: Gauge::default(),
        }
    }

    /// The page.
    pub(crate) fn page(&self, users_online: usize, store: &Store) -> String {
        let mut page = Page(String::with_capacity(2_048));
        page.gauge("homing_connections", "Open connections.", self.connections.value());
        page.gauge("homing_sessions_bound", "Connections with a session.", self.sessions.value());
        let users = i64::try_from(users_online).unwrap_or(i64::MAX);
        page.gauge("homing_users_online", "Users with a connection.", users);
        let logins = self.logins.counted();
        page.labelled("homing_logins_total", "result", "Answers to a Hello.", logins);
        page.counter("homing_resumes_total", "Hellos that went on with a session.", &self.resumes);
        let closes = self.closes.counted();
        page.labelled("homing_closes_total", "code", "Closes by the server.", closes);
        page.counter("homing_sends_total", "Messages asked to be sent.", &self.sends);
        page.counter("homing_pushes_total", "Log entries sent to connections.", &self.pushes);
        page.counter("homing_kicks_total", "Live sessions ended by somebody.", &self.kicks);
        let help = "Connections turned away unread.";
        page.counter("homing_turned_away_total", help, &self.turned_away);
        page.counter("homing_http_requests_total", "HTTP requests.", &self.http_requests);
        let help = "Questions to apps' own servers about credentials.";
        let calls = self.third_party.counted();
        page.labelled("homing_third_party_calls_total", "outcome", help, calls);
        let help = "From a credential that is asked about until its verdict.";
        page.histogram("homing_third_party_seconds", help, &self.third_party.times);
        let help = "Credentials that an earlier answer still held for.";
        let remembered = &self.third_party_remembered;
        page.counter("homing_third_party_remembered_total", help, remembered);
        let waiting = i64::try_from(store.waiting()).unwrap_or(i64::MAX);
        page.gauge("homing_store_queue", "Commands that wait for the writer.", waiting);
        let help = "From the end of a batch's decisions until it is durable.";
        page.histogram("homing_store_commit_seconds", help, store.commit_times());
        page.0
    }
}

struct Page(String);

impl Page {
    fn gauge(&mut self, name: &str, help: &str, value: i64) {
        self.head(name, help, "gauge");
        self.line(format_args!("{name} {value}"));
    }

    fn counter(&mut self, name: &str, help: &str, value: &Gauge) {
        self.head(name, help, "counter");
        self.line(format_args!("{name} {}", value.value()));
    }

    fn labelled(
        &mut self,
        name: &str,
        label: &str,
        help: &str,
        values: impl Iterator<Item = (&'static str, u64)>,
    ) {
        self.head(name, help, "counter");
        for (value, count) in values {
            self.line(format_args!("{name}{{{label}=\"{value}\"}} {count}"));
        }
    }

    fn histogram(&mut self, name: &str, help: &str, values: &Histogram) {
        self.head(name, help, "histogram");
        let mut count = 0;
        let bounds = BOUNDS_US.iter().map(|us| seconds(*us)).chain(["+Inf".to_owned()]);
        for (bound, bucket) in bounds.zip(&values.buckets) {
            count += bucket.load(Ordering::Relaxed);
            self.line(format_args!("{name}_bucket{{le=\"{bound}\"}} {count}"));
        }
        self.line(format_args!("{name}_sum {}", seconds(values.sum_us.load(Ordering::Relaxed))));
        self.line(format_args!("{name}_count {count}"));
    }

    fn head(&mut self, name: &str, help: &str, kind: &str) {
        self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{line}").expect("a String takes any text");
    }
}

fn seconds(us: u64) -> String {
    format!("{}.{:06}", us / 1_000_000, us % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_occurred_are_told_by_name() {
        let counts = ByCode::default();
        counts.count(None);
        counts.count(Some(Code::CREDENTIAL_EXPIRED));
        counts.count(Some(Code::CREDENTIAL_EXPIRED));
        let counted: Vec<_> = counts.counted().collect();
        assert_eq!(counted, [("ok", 1), ("credential_expired", 2)]);
    }

    #[test]
    fn every_outcome_is_counted_under_its_own_name() {
        let calls = ThirdPartyCalls::default();
        for (number, (outcome, _)) in (1..).zip(Outcome::ALL) {
            for _ in 0..number {
                calls.count(outcome, Duration::from_millis(1));
            }
        }
        let names = Outcome::ALL.map(|(_, name)| name);
        assert!(calls.counted().eq(names.into_iter().zip(1..)));
    }

    #[test]
    fn times_are_counted_in_the_bucket_of_their_bound_and_in_all_above() {
        let times = Histogram::default();
        for us in [250, 251, 1_999_999, 9_000_000] {
            times.observe(Duration::from_micros(us));
        }
        let mut page = Page(String::new());
        page.histogram("t", "Times.", &times);
        for line in [
            "t_bucket{le=\"0.000250\"} 1",
            "t_bucket{le=\"0.000500\"} 2",
            "t_bucket{le=\"0.500000\"} 2",
            "t_bucket{le=\"2.000000\"} 3",
            "t_bucket{le=\"+Inf\"} 4",
            "t_sum 11.000500",
            "t_count 4",
        ] {
            assert!(page.0.lines().any(|told| told == line), "{line}\n{}", page.0);
        }
    }
}
