//! `--story`: a world that follows a script, and what is counted in it.

use std::io::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{USAGE, sabotage_of};
use crate::story::{Loss, Stampede, kill_at_every_write, ping_pong, stampede};
use crate::{Options, Violation};

struct Asked {
    story: String,
    hours: u64,
    clients: usize,
    window_ms: u32,
    loss: Loss,
    seed: u64,
    options: Options,
}

/// Tells the story, prints its counts as JSON, and fails when an invariant did not hold.
pub(super) fn run(arguments: impl Iterator<Item = String>) -> ExitCode {
    let told = Asked::parse(arguments).and_then(|asked| tell(&asked));
    let (report, violations) = match told {
        Ok(told) => told,
        Err(error) => {
            eprintln!("{error}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    // Nobody may be listening.
    let _ = writeln!(std::io::stdout(), "{report:#}");
    for violation in &violations {
        let _ = writeln!(std::io::stdout(), "{violation}");
    }
    if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell(asked: &Asked) -> Result<(Value, Vec<String>), String> {
    let Asked { seed, options, .. } = asked;
    match asked.story.as_str() {
        "ping-pong" => {
            let told = ping_pong(asked.hours, *seed, options);
            let report = json!({
                "story": "ping-pong",
                "virtual_hours": told.hours,
                "drops": told.drops,
                "explicit_logins": told.logins,
                "returns": told.returns,
                "displaced": told.displaced,
                "swaps": told.swaps,
                "hellos_of_loser": told.hellos_of_loser,
                "violations": told.violations.len(),
            });
            Ok((report, shown(&told.violations)))
        }
        "kills" => {
            let told = kill_at_every_write(*seed, options);
            let report = json!({
                "story": "kills",
                "writes": told.writes,
                "worlds": told.worlds,
                "violations": told.violations.len(),
            });
            let each = told.violations.iter().map(|(at, violation)| match at {
                None => violation.to_string(),
                Some(kill) => format!("{kill:?}: {violation}"),
            });
            Ok((report, each.collect()))
        }
        "stampede" => {
            let told = stampede(asked.clients, asked.window_ms, asked.loss, *seed, options);
            Ok((crowd(&told), shown(&told.violations)))
        }
        other => Err(format!("no story {other}")),
    }
}

fn crowd(told: &Stampede) -> Value {
    json!({
        "story": "stampede",
        "clients": told.clients,
        "window_ms": told.window_ms,
        "advertised_per_s": told.advertised_per_s,
        "peak_per_s": told.peak_per_s,
        "peak_of_advertised": (told.peak_per_s / told.advertised_per_s * 1000.0).round() / 1000.0,
        "all_back_ms": told.all_back_ms,
        "per_second": told.per_second,
        "violations": told.violations.len(),
    })
}

fn shown(violations: &[Violation]) -> Vec<String> {
    violations.iter().map(ToString::to_string).collect()
}

impl Asked {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut asked = Self {
            story: String::new(),
            hours: 10,
            clients: 2_000,
            window_ms: 20_000,
            loss: Loss::Drain,
            seed: 0,
            options: Options::default(),
        };
        while let Some(argument) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{argument} needs a value"))?;
            let number =
                || value.parse::<u64>().map_err(|_| format!("{argument} {value}: not a number"));
            match argument.as_str() {
                "--story" => asked.story = value,
                "--hours" => asked.hours = number()?.clamp(1, 10_000),
                "--clients" => asked.clients = number()?.clamp(1, 100_000) as usize,
                "--window-ms" => asked.window_ms = number()?.clamp(1_000, 600_000) as u32,
                "--seed" => asked.seed = number()?,
                "--loss" => {
                    asked.loss = match value.as_str() {
                        "drain" => Loss::Drain,
                        "crash" => Loss::Crash,
                        _ => return Err(format!("--loss {value}: drain or crash")),
                    };
                }
                "--sabotage" => asked.options.sabotage = Some(sabotage_of(&value)?),
                _ => return Err(format!("{argument}: not known with --story")),
            }
        }
        Ok(asked)
    }
}
