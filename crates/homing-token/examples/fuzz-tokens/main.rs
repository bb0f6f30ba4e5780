//! Mutates good credentials of all forms and judges what comes of them: `cargo xtask fuzz-tokens
//! [JUDGEMENTS] [SEED]`.
//!
//! Nothing may panic, take long, or be accepted that says something else than what was signed
//! (S-8.2). The mutations follow from the seed alone. Prints one line of JSON for each form and one for
//! all; exits with 1 if something was found.

#![allow(clippy::print_stdout, reason = "the lines are what it is for")]

mod corpus;
mod mutate;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use homing_proto::secret::Token;
use homing_token::{Claims, Format, peek_expiry, verify};

use corpus::Form;
use mutate::Random;

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let number = |at, default| std::env::args().nth(at).map_or(Ok(default), |text| text.parse());
    let (judgements, seed) = (number(1, 10_000_000_u64)?, number(2, 1_u64)?);
    // A panic is counted and its mutation printed below; its backtrace would only hide the others.
    std::panic::set_hook(Box::new(|_| {}));
    let corpus = corpus::all()?;
    let began = now();
    let mut all = Found::default();
    for (n, form) in (0_u64..).zip(&corpus) {
        let share =
            judgements / corpus.len() as u64 + u64::from(n < judgements % corpus.len() as u64);
        let found = fuzz(form, share, &mut Random::new(seed ^ (n << 32)));
        println!("{}", found.to_json(form.name));
        all.add(found);
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{{\"seed\":{seed},\"judgements\":{},\"seconds\":{seconds:.1},\"per_second\":{:.0},\"slowest_ms\":{:.2},\"panics\":{},\"changed_meaning\":{},\"changed_meaning_without_integrity\":{}}}",
        all.judged,
        all.judged as f64 / seconds,
        all.slowest.as_secs_f64() * 1e3,
        all.panics,
        all.changed,
        all.changed_cbc,
    );
    let is_bad = all.panics > 0 || all.changed > 0 || all.slowest > SLOW;
    Ok(if is_bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What came of the mutations of one form.
#[derive(Default)]
struct Found {
    judged: u64,
    panics: u64,
    /// Accepted, and said something that was never signed.
    changed: u64,
    /// The same where nothing promises that it does not happen: AES-CBC.
    changed_cbc: u64,
    /// `peek_expiry` read something.
    peeked: u64,
    slowest: Duration,
    verdicts: BTreeMap<&'static str, u64>,
}

impl Found {
    fn add(&mut self, other: Self) {
        self.judged += other.judged;
        self.panics += other.panics;
        self.changed += other.changed;
        self.changed_cbc += other.changed_cbc;
        self.slowest = self.slowest.max(other.slowest);
    }

    fn to_json(&self, form: &str) -> String {
        let Self { judged, panics, changed, changed_cbc, peeked, slowest, verdicts } = self;
        format!(
            "{{\"form\":\"{form}\",\"judgements\":{judged},\"panics\":{panics},\"changed_meaning\":{},\"peeked\":{peeked},\"slowest_us\":{},\"verdicts\":{}}}",
            changed + changed_cbc,
            slowest.as_micros(),
            serde_json::json!(verdicts),
        )
    }
}

fn fuzz(form: &Form, judgements: u64, random: &mut Random) -> Found {
    let mut found = Found::default();
    let truths: Vec<Claims> = form
        .tokens
        .iter()
        .map(|token| {
            let claims =
                verify(form.format, &Token::new(token.as_str()), &form.expected(random, 0));
            claims.expect("what is mutated is good before")
        })
        .collect();
    for n in 0..judgements {
        let text = mutate::one(form, random);
        let token = Token::new(text.as_str());
        let expected = form.expected(random, n);
        let judge = || {
            let began = now();
            let judged = catch_unwind(AssertUnwindSafe(|| {
                (verify(form.format, &token, &expected), peek_expiry(form.format.name(), &token))
            }));
            (judged, began.elapsed())
        };
        let (judged, mut took) = judge();
        if took > found.slowest {
            // It may have been the machine: what takes long takes long every time.
            took = (0..AGAIN).fold(took, |least, _| least.min(judge().1));
            found.slowest = found.slowest.max(took);
        }
        found.judged += 1;
        let name = match judged {
            Err(_) => {
                found.panics += 1;
                eprintln!("panic: {} {text}", form.name);
                "panic"
            }
            Ok((verdict, peeked)) => {
                found.peeked += u64::from(peeked.is_some());
                match verdict {
                    Err(error) => error.code.name(),
                    Ok(claims) => {
                        let is_known = match form.is_a_text() {
                            true => form.tokens.contains(&text),
                            false => truths.contains(&claims),
                        };
                        if !is_known {
                            if claims.format == Format::Token04Cbc {
                                found.changed_cbc += 1;
                            } else {
                                found.changed += 1;
                                eprintln!("accepted: {} {text} {claims:?}", form.name);
                            }
                        }
                        "ok"
                    }
                }
            }
        };
        *found.verdicts.entry(name).or_default() += 1;
    }
    found
}

fn now() -> Instant {
    #[allow(clippy::disallowed_methods, reason = "a measurement needs a clock")]
    Instant::now()
}

/// Times that a slow judgement is made again.
const AGAIN: usize = 5;
/// One judgement may take this long: a signature of an asymmetric key, several times over.
const SLOW: Duration = Duration::from_millis(20);
