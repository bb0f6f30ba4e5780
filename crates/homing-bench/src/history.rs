//! Whether admission is linearizable (S-7.11): many devices do what devices do at the same time, on
//! sockets, against a real server; each writes down what it asked and what it was told; and a
//! checker looks for an order in which all of it is right.
//!
//! [`event`] is a history, [`client`] and [`script`] make one, [`model`] says what is right, with
//! the policy counted in [`places`], and [`search`] looks for the order. [`double`] proves that it
//! would find a fault.

mod client;
mod double;
mod event;
mod model;
mod places;
mod round;
mod script;
mod search;
mod show;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use homing_core::policy::{CustomRule, Group, Mix, PlatformCaps, PlatformSet, Policy, Preset};
use homing_proto::device::Platform;
use homing_proto::id::AppId;
use homing_server::apps::NewApp;
use homing_server::config::Config;
use homing_server::server::{Running, Server};
use homing_token::Key;
use serde_json::json;

use self::client::Subject;
use self::double::{Admission, Double};
use self::event::{HelloAnswer, History, What};
use self::search::Verdict;
use crate::crowd::{self, Crowd};
use crate::facts::Facts;
use crate::figures::round as rounded;
use crate::link::Target;
use crate::{Failure, report};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Operations to record and judge, at least.
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..))]
    ops: u64,
    /// Devices that act at the same time, each a thread of its own.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=512))]
    threads: u16,
    /// Of the dice; what happens at the same time differs from run to run all the same.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What to judge.
    #[arg(long, value_enum, default_value_t = Against::Server)]
    against: Against,
}

/// What is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Against {
    /// A server with its store, over sockets.
    Server,
    /// The registry's own decisions without a store, one at a time: nothing may be found.
    Atomic,
    /// The same decisions on copies that may be out of date: the fault must be found.
    OnACopy,
}

/// What was found so far.
#[derive(Default)]
struct Tally {
    operations: u64,
    notices: u64,
    users: u64,
    rounds: u64,
    kinds: BTreeMap<String, u64>,
    playing: Duration,
    judging: Duration,
    /// Said of each history that is not legal.
    illegal: Vec<String>,
    undecided: Vec<String>,
}

/// Plays and judges. What is illegal is written out.
///
/// # Errors
/// When the server fails, a history is illegal, or one could not be judged.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let facts = Facts::gather();
    let tally = play(arguments)?;
    let mut files = Vec::new();
    for (number, text) in tally.illegal.iter().enumerate() {
        let file = report::directory()?.join(format!("illegal-history-{number}.txt"));
        std::fs::write(&file, text)?;
        files.push(file);
    }
    let facts = facts.finish();
    let json = json!({
        "ops": tally.operations,
        "notices": tally.notices,
        "kinds": tally.kinds,
        "users": tally.users,
        "rounds": tally.rounds,
        "threads": arguments.threads,
        "against": format!("{:?}", arguments.against),
        "seconds": rounded((tally.playing + tally.judging).as_secs_f64(), 1),
        "seconds_of_judging": rounded(tally.judging.as_secs_f64(), 1),
        "illegal": tally.illegal.len(),
        "undecided": tally.undecided.len(),
        "commit": facts.commit,
        "load": [facts.load_before, facts.load_after],
    });
    println!("{}", serde_json::to_string_pretty(&json)?);
    for (text, file) in tally.illegal.iter().zip(&files) {
        eprintln!("history: ILLEGAL, all of it in {}\n{}", file.display(), head(text));
    }
    tally.undecided.iter().for_each(|why| eprintln!("history: undecided: {why}"));
    if tally.illegal.is_empty() && tally.undecided.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "{} histories are illegal, {} are undecided",
            tally.illegal.len(),
            tally.undecided.len()
        )
        .into())
    }
}

fn play(arguments: &Arguments) -> Result<Tally, Failure> {
    let stage = Stage::new(arguments.against)?;
    let mut tally = Tally::default();
    while tally.operations < arguments.ops && tally.illegal.is_empty() && tally.undecided.is_empty()
    {
        let number = usize::try_from(tally.rounds)?;
        let shape = &SHAPES[number % SHAPES.len()];
        let left = arguments.ops - tally.operations;
        let turns = TURNS.min(usize::try_from(left / u64::from(arguments.threads))? + 1);
        let policy = (shape.policy)();
        let began = Instant::now();
        let (subject, app, key) = stage.subject(number % SHAPES.len(), &policy);
        let crowd = Crowd::new(app, key);
        let first = number * usize::from(arguments.threads);
        let users = (first..first + shape.users.min(usize::from(arguments.threads)))
            .map(|user| (crowd::user(user), crowd.token(user)))
            .collect();
        let histories = round::play(&round::Round {
            subject,
            app,
            users,
            threads: usize::from(arguments.threads),
            turns,
            seed: arguments.seed.wrapping_add(number as u64),
        })?;
        tally.playing += began.elapsed();
        tally.judge(&policy, shape.name, &histories);
        eprint!("\rhistory: {} operations in {} rounds ", tally.operations, tally.rounds);
    }
    eprintln!();
    Ok(tally)
}

impl Tally {
    fn judge(&mut self, policy: &Policy, shape: &str, histories: &[History]) {
        let began = Instant::now();
        self.rounds += 1;
        for history in histories {
            self.users += 1;
            for event in &history.events {
                if event.is_operation() {
                    self.operations += 1;
                } else {
                    self.notices += 1;
                }
                *self.kinds.entry(kind(&event.what)).or_default() += 1;
            }
            match search::judge(policy, history) {
                Verdict::Linearizable => {}
                Verdict::Illegal(witness) => self.illegal.push(format!(
                    "policy {shape}\n{}\nall of it:\n{}",
                    show::illegal(history, &witness),
                    show::whole(history)
                )),
                Verdict::Contradiction(what) => {
                    self.illegal.push(format!("{what}\n{}", show::whole(history)));
                }
                Verdict::Undecided(why, witness) => {
                    let best = witness.map(|witness| show::illegal(history, &witness));
                    let best = best.unwrap_or_default();
                    let whole = show::whole(history);
                    self.undecided.push(format!(
                        "{shape}, {}: {why}\n{best}\nall of it:\n{whole}",
                        history.user
                    ));
                }
            }
        }
        self.judging += began.elapsed();
    }
}

/// What is played against, for the length of a run.
enum Stage {
    Server(Box<Serving>),
    Double(Admission),
}

/// A server in this process, with an app for each shape.
struct Serving {
    running: Option<Running>,
    runtime: tokio::runtime::Runtime,
    apps: Vec<(AppId, Key)>,
    _dir: tempfile::TempDir,
}

impl Stage {
    fn new(against: Against) -> Result<Self, Failure> {
        match against {
            Against::Atomic => return Ok(Self::Double(Admission::Atomic)),
            Against::OnACopy => return Ok(Self::Double(Admission::OnACopy)),
            Against::Server => {}
        }
        let dir = tempfile::Builder::new().prefix("history-").tempdir()?;
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let mut config = Config::new(PathBuf::from(dir.path()));
        config.listen.set_port(0);
        let running = runtime.block_on(Server::start(config))?;
        let mut apps = Vec::new();
        for shape in &SHAPES {
            let new = NewApp { policy: (shape.policy)(), ..NewApp::named(shape.name) };
            let app = runtime.block_on(running.store().create_app(new))?;
            let key = app.keys.first().ok_or("a new app has a key")?;
            apps.push((app.id, key.key.clone()));
        }
        Ok(Self::Server(Box::new(Serving { running: Some(running), runtime, apps, _dir: dir })))
    }

    /// Where to connect to for a shape, and the app and key to sign in with.
    fn subject(&self, shape: usize, policy: &Policy) -> (Subject, AppId, Key) {
        match self {
            Self::Server(serving) => {
                let Serving { running, apps, .. } = &**serving;
                let running = running.as_ref().expect("it is taken at the end only");
                let (app, key) = apps[shape].clone();
                (Subject::Server(Target { address: running.local_addr(), tls: None }), app, key)
            }
            Self::Double(admission) => {
                let double = Double::new(policy.clone(), *admission);
                let app = AppId::new(1).expect("1 is an app");
                // Nobody looks at the tokens.
                let key = Key::new("no secret").expect("it is long enough");
                (Subject::Double(Arc::new(double)), app, key)
            }
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.shutdown());
        }
    }
}

/// A policy, and how many users the threads are spread over.
struct Shape {
    name: &'static str,
    policy: fn() -> Policy,
    users: usize,
}

/// From all on one user to each on one alone, and from one place to twenty.
const SHAPES: [Shape; 8] = [
    Shape { name: "single", policy: || Policy::preset(Preset::Single), users: 1 },
    Shape { name: "triple", policy: || Policy::preset(Preset::Triple), users: 8 },
    Shape { name: "nim-all", policy: || Policy::preset(Preset::NimAll), users: 1 },
    Shape { name: "multi", policy: || Policy::preset(Preset::Multi), users: 16 },
    Shape { name: "groups", policy: groups, users: 4 },
    Shape { name: "zim-multi", policy: || Policy::preset(Preset::ZimMulti), users: 4 },
    Shape {
        name: "nim-desktop-mobile",
        policy: || Policy::preset(Preset::NimDesktopMobile),
        users: 2,
    },
    Shape { name: "dual", policy: || Policy::preset(Preset::Dual), users: 64 },
];

/// What no preset has: an exclusion group with room for several, and places by client type.
fn groups() -> Policy {
    let mobile = PlatformSet::of(&[Platform::Android, Platform::Ios, Platform::Ipad]);
    let desk = PlatformSet::of(&[Platform::Windows, Platform::Macos, Platform::Linux]);
    let groups = vec![
        Group { platforms: mobile, mix: Mix::OnePlatform, cap: 3 },
        Group { platforms: desk, mix: Mix::AnyPlatforms, cap: 2 },
    ];
    Policy::new(groups, PlatformCaps::all(2), 6, CustomRule::OwnPlaces(1)).expect("it is legal")
}

fn kind(what: &What) -> String {
    let name = match what {
        What::Hello(hello, answer) => {
            let asked = if hello.resume.is_some() { "resume" } else { "login" };
            let answer = match answer {
                None => "unheard".to_owned(),
                Some(HelloAnswer::Welcome { binding, .. }) => format!("{binding:?}"),
                Some(HelloAnswer::Refuse { code, .. }) => code.name().to_owned(),
            };
            return format!("{asked}_{:?}_{answer}", hello.intent).to_lowercase();
        }
        What::List(..) => "list",
        What::Kick(_, _, Some(Ok(()))) => "kick",
        What::Kick(..) => "kick_of_nobody",
        What::Logout(..) => "logout",
        What::End(..) => "end",
        What::Devices(_) => "told_devices",
        What::Closed(..) => "told_the_end",
    };
    name.to_owned()
}

fn head(text: &str) -> String {
    text.lines().take(SHOWN).collect::<Vec<_>>().join("\n")
}

/// Things that a device does in a round: a round is to be short, so that nobody is away for long.
const TURNS: usize = 25;
/// Lines of an illegal history on the terminal.
const SHOWN: usize = 400;
