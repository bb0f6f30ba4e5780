//! `explore`: the small world, exhaustively.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use serde_json::{Value, json};

use super::sabotage_of;
use crate::explore::{Alphabet, Breach, Plan, Walked, explore};

/// What `explore` takes.
const USAGE: &str = "\
--depth N            steps from the start, at most (default 12)
--limit N            sessions that the policy allows (default: 1, then 2)
--alphabet NAME      core, sessions or messages (default: each)
--most-states N      begin no level behind more states than this (default 2000000)
--jobs N             threads (default: one per core)
--sabotage NAME      break something on purpose";

/// Walks, prints what it saw as JSON, and fails on a breach.
pub(super) fn run(arguments: impl Iterator<Item = String>) -> ExitCode {
    let asked = match Asked::parse(arguments) {
        Ok(asked) => asked,
        Err(error) => {
            eprintln!("{error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let began = Instant::now();
    let mut walks = Vec::new();
    let mut breaches = Vec::new();
    for limit in &asked.limits {
        for alphabet in &asked.alphabets {
            let plan = Plan { limit: *limit, alphabet: *alphabet, ..asked.plan.clone() };
            let since = Instant::now();
            let walked = explore(&plan, |so_far| {
                eprintln!(
                    "limit {limit}, {alphabet:?}: depth {}, {} states, {} steps, {} breaches, {:.0} s",
                    so_far.depth,
                    so_far.states,
                    so_far.steps,
                    so_far.breaches.len(),
                    since.elapsed().as_secs_f64()
                );
            });
            walks.push(shown(&plan, &walked, since.elapsed().as_secs_f64()));
            breaches.extend(walked.breaches);
        }
    }
    let sum = |name: &str| walks.iter().filter_map(|walk| walk[name].as_u64()).sum::<u64>();
    let depth = walks.iter().filter_map(|walk| walk["depth"].as_u64()).min();
    let report = json!({
        "states": sum("states"),
        "steps": sum("steps"),
        "depth": depth,
        "seconds": rounded(began.elapsed().as_secs_f64()),
        "breaches": breaches.len(),
        "walks": walks,
        "paths": breaches.iter().map(told).collect::<Vec<_>>(),
    });
    // Nobody may be listening.
    let _ = writeln!(std::io::stdout(), "{report:#}");
    if breaches.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn shown(plan: &Plan, walked: &Walked, seconds: f64) -> Value {
    json!({
        "limit": plan.limit,
        "alphabet": format!("{:?}", plan.alphabet).to_lowercase(),
        "states": walked.states,
        "steps": walked.steps,
        "depth": walked.depth,
        "levels": walked.levels,
        "seconds": rounded(seconds),
        "breaches": walked.breaches.len(),
    })
}

fn told(breach: &Breach) -> Value {
    json!({
        "violation": breach.violation.to_string(),
        "path": breach.path,
        "trace": breach.trace,
    })
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}

struct Asked {
    limits: Vec<u32>,
    alphabets: Vec<Alphabet>,
    plan: Plan,
}

impl Asked {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let mut plan = Plan {
            limit: 1,
            alphabet: Alphabet::Sessions,
            depth: 12,
            most_states: 2_000_000,
            threads,
            sabotage: None,
        };
        let mut limits = vec![1, 2];
        let mut alphabets = vec![Alphabet::Core, Alphabet::Sessions, Alphabet::Messages];
        while let Some(argument) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{argument} needs a value"))?;
            let number =
                || value.parse::<usize>().map_err(|_| format!("{argument} {value}: not a number"));
            match argument.as_str() {
                "--depth" => plan.depth = number()?,
                "--limit" => limits = vec![number()?.clamp(1, 20) as u32],
                "--most-states" => plan.most_states = number()?,
                "--jobs" => plan.threads = number()?.clamp(1, 256),
                "--sabotage" => plan.sabotage = Some(sabotage_of(&value)?),
                "--alphabet" => {
                    alphabets = vec![match value.as_str() {
                        "core" => Alphabet::Core,
                        "sessions" => Alphabet::Sessions,
                        "messages" => Alphabet::Messages,
                        _ => return Err(format!("no alphabet {value}")),
                    }];
                }
                _ => return Err(format!("{argument}: not known")),
            }
        }
        Ok(Self { limits, alphabets, plan })
    }
}
