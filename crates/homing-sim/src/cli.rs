//! The command line: many seeds on all cores, or one with its trace.
#![allow(clippy::print_stdout, reason = "a command line tool prints")]
#![allow(clippy::disallowed_methods, reason = "it tells how long the worlds took, outside of them")]

mod explore;
mod story;

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::oracle::clock_changes_nothing;
use crate::{OfflineChecks, Options, Report, Sabotage, Tracing, run as run_world};

/// What the command line takes.
pub const USAGE: &str = "\
--seeds N        how many worlds (default 1000)
--start S        the first seed (default 0)
--seed X         this one alone
--trace          with --seed: print everything that happens
--secrets        search every text of each world for the secrets in it (I25)
--clock N        multiply every jump of a device's wall clock by N, and let no credential
                 expire; then nothing may depend on N (I19)
--story NAME     a world that follows a script; prints its counts as JSON:
                 ping-pong (--hours), kills, stampede (--clients, --window-ms, --loss)
--sabotage NAME  break something on purpose:
                 send-before-durable, no-dedupe, no-read-mark, resume-displaces,
                 no-pacing, late-events, one-clock, cursor-alone, refused-again,
                 kick-forgotten, seq-reused, logout-forgets-job, no-spread,
                 stale-admission, two-stores, unread-counted-up, outbox-reordered
--jobs N         worlds at once (default: one per core)";

/// Runs the command line; fails when an invariant did not hold.
pub fn run(arguments: impl Iterator<Item = String>) -> ExitCode {
    let mut arguments = arguments.peekable();
    if arguments.next_if(|argument| argument == "explore").is_some() {
        return explore::run(arguments);
    }
    let arguments: Vec<String> = arguments.collect();
    if arguments.iter().any(|argument| argument == "--story") {
        return story::run(arguments.into_iter());
    }
    let asked = match Asked::parse(arguments.into_iter()) {
        Ok(asked) => asked,
        Err(error) => {
            eprintln!("{error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let held = match asked.seed {
        Some(seed) => one(seed, &asked),
        None => many(&asked),
    };
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[derive(Clone, Debug)]
struct Asked {
    seeds: u64,
    start: u64,
    seed: Option<u64>,
    threads: usize,
    options: Options,
}

impl Asked {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut asked =
            Self { seeds: 1_000, start: 0, seed: None, threads, options: Options::default() };
        while let Some(argument) = arguments.next() {
            let mut number = || {
                let value = arguments.next().ok_or_else(|| format!("{argument} needs a number"))?;
                value.parse::<u64>().map_err(|_| format!("{argument} {value}: not a number"))
            };
            match argument.as_str() {
                "--seeds" => asked.seeds = number()?,
                "--start" => asked.start = number()?,
                "--seed" => asked.seed = Some(number()?),
                "--jobs" | "--threads" => asked.threads = number()?.clamp(1, 256) as usize,
                "--clock" => {
                    let value = arguments.next().ok_or("--clock needs a number")?;
                    asked.options.clock_jumps =
                        value.parse().map_err(|_| format!("--clock {value}: not a number"))?;
                    asked.options.offline_checks = OfflineChecks::NothingExpires;
                }
                "--secrets" => asked.options.tracing = Tracing::Secrets,
                "--trace" => asked.options.tracing = Tracing::Lines,
                "--sabotage" => {
                    let name = arguments.next().ok_or("--sabotage needs a name")?;
                    asked.options.sabotage = Some(sabotage_of(&name)?);
                }
                _ => return Err(format!("{argument}: not known")),
            }
        }
        Ok(asked)
    }
}

fn sabotage_of(name: &str) -> Result<Sabotage, String> {
    let known = Sabotage::ALL.into_iter().find(|sabotage| sabotage.name() == name);
    known.ok_or_else(|| format!("no sabotage {name}"))
}

fn one(seed: u64, asked: &Asked) -> bool {
    let report = run_world(seed, &asked.options);
    for line in &report.trace {
        println!("{line}");
    }
    print_violations(&report);
    println!("seed {seed}: {} sessions, {} events", report.sessions, report.events);
    report.violations.is_empty()
}

fn many(asked: &Asked) -> bool {
    let began = Instant::now();
    let total = Totals::default();
    let failed = Mutex::new(Vec::new());
    let tracing = match asked.options.tracing {
        Tracing::Secrets => Tracing::Secrets,
        _ => Tracing::Off,
    };
    let options = Options { tracing, ..asked.options.clone() };
    std::thread::scope(|scope| {
        for _ in 0..asked.threads {
            scope.spawn(|| {
                loop {
                    let index = total.taken.fetch_add(1, Ordering::Relaxed);
                    if index >= asked.seeds {
                        break;
                    }
                    let seed = asked.start + index;
                    let mut report = run_world(seed, &options);
                    if seed.is_multiple_of(CLOCK_EVERY) {
                        let sabotage = options.sabotage;
                        report.violations.extend(clock_changes_nothing(seed, sabotage));
                    }
                    total.done.fetch_add(1, Ordering::Relaxed);
                    total.sessions.fetch_add(report.sessions, Ordering::Relaxed);
                    total.events.fetch_add(report.events, Ordering::Relaxed);
                    total.tell_progress(began.elapsed(), asked.seeds);
                    if let Some(first) = report.violations.first() {
                        // At once: whoever ends a long run early has it.
                        eprintln!("seed {}: {first}", report.seed);
                        failed.lock().expect("no thread panics with it").push(report);
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().expect("all threads ended");
    failed.sort_by_key(|report| report.seed);
    for report in failed.iter().take(MOST_SHOWN) {
        // The first one tells; what follows is mostly its consequence.
        println!("seed {}: {}", report.seed, report.violations[0]);
    }
    summary(&total, &failed, began.elapsed(), asked);
    failed.is_empty()
}

#[derive(Debug, Default)]
struct Totals {
    taken: AtomicU64,
    done: AtomicU64,
    sessions: AtomicU64,
    events: AtomicU64,
    /// When progress was printed last, in seconds.
    told_s: AtomicU64,
}

impl Totals {
    /// Prints how far it is, now and then.
    fn tell_progress(&self, took: Duration, seeds: u64) {
        let now_s = took.as_secs();
        let told_s = self.told_s.load(Ordering::Relaxed);
        let is_watched = std::io::stderr().is_terminal();
        if now_s < told_s + if is_watched { 1 } else { PROGRESS_S } {
            return;
        }
        let mine = (Ordering::Relaxed, Ordering::Relaxed);
        if self.told_s.compare_exchange(told_s, now_s, mine.0, mine.1).is_err() {
            return;
        }
        let done = self.done.load(Ordering::Relaxed);
        let per_s = done as f64 / took.as_secs_f64();
        let left_s = ((seeds - done.min(seeds)) as f64 / per_s.max(0.001)) as u64;
        let line = format!(
            "{done} of {seeds} worlds, {} sessions, {per_s:.0} worlds/s, {}:{:02}:{:02} left",
            self.sessions.load(Ordering::Relaxed),
            left_s / 3600,
            left_s / 60 % 60,
            left_s % 60
        );
        if is_watched {
            eprint!("\r{line}\x1b[K");
            if done == seeds {
                eprintln!();
            }
        } else {
            eprintln!("{line}");
        }
    }
}

fn summary(total: &Totals, failed: &[Report], took: Duration, asked: &Asked) {
    let sessions = total.sessions.load(Ordering::Relaxed);
    println!(
        "{} worlds, {sessions} sessions simulated, {} events, {:.1} s, {:.0} sessions/s on {} threads",
        asked.seeds,
        total.events.load(Ordering::Relaxed),
        took.as_secs_f64(),
        sessions as f64 / took.as_secs_f64(),
        asked.threads
    );
    let seeds: Vec<_> = failed.iter().map(|report| report.seed.to_string()).collect();
    let mut oracles: Vec<_> = failed.iter().map(|report| report.violations[0].oracle).collect();
    oracles.sort_unstable();
    if seeds.is_empty() {
        println!("0 failed");
    } else {
        for oracle in oracles.chunk_by(|a, b| a == b) {
            println!("{:>6} seeds failed first at {}", oracle.len(), oracle[0]);
        }
        println!("{} failed: {}", seeds.len(), seeds[..seeds.len().min(MOST_SHOWN)].join(" "));
        println!("replay one with --seed X --trace");
    }
}

fn print_violations(report: &Report) {
    for violation in &report.violations {
        println!("{violation}");
    }
}

/// One seed in so many is also run with other clocks, which takes six worlds more.
const CLOCK_EVERY: u64 = 16;
/// Between two lines of progress where nobody watches.
const PROGRESS_S: u64 = 30;
/// Failed seeds that are named.
const MOST_SHOWN: usize = 100;
