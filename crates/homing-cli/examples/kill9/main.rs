//! Kills the server and the clients with SIGKILL at random moments of many sends, and then looks
//! whether every acknowledged message is there once, in order, on both sides (D-4, I6, I10).
//!
//! Each round is a server (`homing serve`) and four users (`homing drive`), all real processes on
//! real disks. A message counts as acknowledged when its sender was told that it is queued (durable
//! on the device) or accepted (durable on the server). What was not answered when a client was killed
//! is sent again under the same client id.
//!
//! ```text
//! cargo run --release -p homing-cli --example kill9 -- --rounds 20 --sends 10000 [--seed N]
//! ```
//!
//! It prints the counts of each round and their sums, and exits with 1 at the first thing that is
//! wrong, leaving the round's folder behind.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line program prints")]

mod chaos;
mod judge;
mod process;
mod user;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;

use self::chaos::Rng;
use self::judge::Sides;
use self::process::Server;
use self::user::{Ledger, Planned, Scene, User};

/// Kill -9 at random moments of many sends; every acknowledged message must survive, once.
#[derive(Parser)]
struct Arguments {
    /// Rounds, each with a server and users of its own.
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// Messages sent in each round, by all users together.
    #[arg(long, default_value_t = 10_000)]
    sends: usize,
    /// Kills of the server in each round, at random moments.
    #[arg(long, default_value_t = 3)]
    server_kills: usize,
    /// Kills of clients in each round, at random moments.
    #[arg(long, default_value_t = 6)]
    client_kills: usize,
    /// Decides the moments and who is killed; drawn from the clock unless given.
    #[arg(long)]
    seed: Option<u64>,
    /// The program; the one built beside this example unless given.
    #[arg(long)]
    program: Option<PathBuf>,
}

/// What a round counted.
#[derive(Clone, Copy, Default)]
struct Counts {
    sends: usize,
    resent: usize,
    accepted: usize,
    server_kills: usize,
    client_kills: usize,
    checked: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("kill9: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let program = match &arguments.program {
        Some(program) => program.clone(),
        None => beside_this_example()?,
    };
    let seed = arguments.seed.unwrap_or_else(chaos::seed_of_the_clock);
    println!("kill9: {} rounds of {} sends, seed {seed}", arguments.rounds, arguments.sends);
    let (began, mut sum) = (Instant::now(), Counts::default());
    for number in 1..=arguments.rounds {
        let folder = std::env::temp_dir().join(format!("kill9-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let round_seed = seed.wrapping_add(u64::from(number));
        let (round_began, rng) = (Instant::now(), Rng::new(round_seed));
        let counts = round(arguments, &program, &folder, rng).map_err(|why| {
            format!(
                "round {number} (seed {round_seed}): {why}\nits files are in {}",
                folder.display()
            )
        })?;
        std::fs::remove_dir_all(&folder).map_err(|error| error.to_string())?;
        print(&format!("round {number:2}"), &counts, round_began.elapsed());
        sum.add(&counts);
    }
    print("all", &sum, began.elapsed());
    println!("kill9: every acknowledged message is there once, in order, on both sides");
    Ok(())
}

fn round(
    arguments: &Arguments,
    program: &Path,
    folder: &Path,
    mut rng: Rng,
) -> Result<Counts, String> {
    let ledger = Arc::new(Ledger::default());
    let mut server = Server::start(program, &folder.join("server"))?;
    let each = arguments.sends.div_ceil(USERS.len());
    let mut plans = BTreeMap::new();
    for name in USERS {
        let others = USERS.into_iter().filter(|other| *other != name).collect();
        plans.insert(name, user::plan(name, others, each, &mut rng));
    }
    let scene = Scene {
        program: program.to_owned(),
        folder: folder.to_owned(),
        url: server.url.clone(),
        ledger: Arc::clone(&ledger),
    };
    let mut users = Vec::new();
    for name in USERS {
        let token = server.token(program, name)?;
        let (plan, expected) = (plans[name].clone(), expected(&plans, name));
        users.push(User::start(&scene, name, token, plan, expected));
    }
    // Everybody exists before anybody writes.
    users.iter().try_for_each(User::wait_for_login)?;
    users.iter().for_each(User::begin);
    let sends = each * USERS.len();
    let mut strikes =
        chaos::strikes(&mut rng, sends, arguments.server_kills, arguments.client_kills);
    let mut counts = Counts { sends, ..Counts::default() };
    let mut watch = Progress::new(&ledger);
    while ledger.done() < USERS.len() {
        if strikes.last().is_some_and(|strike| strike.at <= ledger.accepted()) {
            let strike = strikes.pop().expect("there is a last one");
            // Anywhere inside of what a send takes.
            std::thread::sleep(Duration::from_micros(rng.below(20_000)));
            match strike.victim {
                chaos::Victim::Server => {
                    server.kill_and_start_again(program)?;
                    // As a device does when its network changes: try now, not at the end of a wait.
                    users.iter().for_each(User::network_is_up);
                    counts.server_kills += 1;
                }
                chaos::Victim::Client(which) => {
                    users[which % USERS.len()].kill();
                    counts.client_kills += 1;
                }
            }
        }
        watch.check(&ledger, sends)?;
        ledger.wait(Duration::from_millis(20));
    }
    let mut sides = Sides::default();
    for user in users {
        sides.add(user.finish()?);
    }
    counts.accepted = ledger.accepted();
    counts.resent = ledger.resent();
    counts.checked = judge::judge(&sides, &ledger, each)?;
    server.stop()?;
    Ok(counts)
}

/// How many messages there will be between that user and each of the others.
fn expected(
    plans: &BTreeMap<&'static str, Vec<Planned>>,
    user: &'static str,
) -> BTreeMap<&'static str, u64> {
    let count = |from: &str, to: &str| plans[from].iter().filter(|sent| sent.to == to).count();
    let others = USERS.into_iter().filter(|other| *other != user);
    others.map(|other| (other, (count(user, other) + count(other, user)) as u64)).collect()
}

/// Notices when nothing happens any more.
struct Progress {
    accepted: usize,
    at: Instant,
}

impl Progress {
    fn new(ledger: &Ledger) -> Self {
        Self { accepted: ledger.accepted(), at: Instant::now() }
    }

    fn check(&mut self, ledger: &Ledger, sends: usize) -> Result<(), String> {
        ledger.trouble()?;
        let accepted = ledger.accepted();
        if accepted > self.accepted {
            *self = Self { accepted, at: Instant::now() };
        } else if self.at.elapsed() > STANDSTILL {
            return Err(format!(
                "nothing was accepted for {} s, at {accepted} of {sends}",
                STANDSTILL.as_secs()
            ));
        }
        Ok(())
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.sends += other.sends;
        self.resent += other.resent;
        self.accepted += other.accepted;
        self.server_kills += other.server_kills;
        self.client_kills += other.client_kills;
        self.checked += other.checked;
    }
}

fn print(what: &str, counts: &Counts, took: Duration) {
    let Counts { sends, resent, accepted, server_kills, client_kills, checked } = counts;
    println!(
        "{what}: {sends} sends, all queued, {accepted} told to be accepted, {resent} handed over again, \
         {server_kills} kills of the server, {client_kills} of clients, \
         {checked} messages checked on both sides, 0 lost, 0 doubled, {:.1} s",
        took.as_secs_f64()
    );
}

fn beside_this_example() -> Result<PathBuf, String> {
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let program = here.ancestors().nth(2).map(|target| target.join("homing"));
    program.filter(|program| program.is_file()).ok_or_else(|| {
        "the program is not built: cargo build -p homing-cli, or give --program".to_owned()
    })
}

const USERS: [&str; 4] = ["alice", "bob", "carol", "dave"];
/// Longer than any wait between two attempts.
const STANDSTILL: Duration = Duration::from_secs(90);
