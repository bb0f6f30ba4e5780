//! All clients of a server lose it at once and come back (B-7, S-6.7, I15).
//!
//! The clients are the client machine of the SDK on light sockets ([`crate::puppet`]). They sign in,
//! rest until the server's pings have told all of them how many they are, and then lose it: it
//! drains, it is killed, or the network is cut; in the first two cases another one starts at once on
//! the same port and data.

mod picture;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use homing_core::client::Account;
use homing_proto::frame::Credential;
use homing_proto::id::AppId;
use homing_proto::limits;
use homing_token::Format;
use serde_json::json;
use tokio::sync::{Semaphore, watch};

use self::picture::Panel;
use crate::crowd::{self, Crowd};
use crate::facts::Facts;
use crate::figures::round;
use crate::link::{Target, source};
use crate::puppet::{News, Puppet};
use crate::report::{Bound, Measured, Verdict};
use crate::server::{self, Server, Stop, Transport};
use crate::{Failure, report};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Clients.
    #[arg(long, default_value_t = 15_000, value_parser = clap::value_parser!(u32).range(10..18_000))]
    clients: u32,
    /// How they lose the server, one after the other.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Cut::Drain, Cut::Kill, Cut::Network])]
    cuts: Vec<Cut>,
    /// Where the picture of arrivals goes. Left out: beside the report.
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    #[command(flatten)]
    server: server::Arguments,
}

/// How the server is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Cut {
    /// It stops as asked, with a retry window in its last frames.
    Drain,
    /// It is killed.
    Kill,
    /// Every connection breaks; the server stays.
    Network,
}

/// What the clients are told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    Rest,
    Cut(u32),
}

/// What all clients share.
struct Field {
    target: Target,
    crowd: Crowd,
    app: AppId,
    at_once: Semaphore,
    tally: Mutex<Tally>,
}

/// What happened since the cut.
struct Tally {
    cut_at: Instant,
    connected: usize,
    /// Connections that were begun, in milliseconds after the cut.
    dialed: Vec<u64>,
    /// When each client was back, in milliseconds after the cut.
    back: Vec<u64>,
    /// The windows that the clients were told, in milliseconds.
    windows: Vec<u32>,
    /// Attempts that came to nothing: when they were begun, and why.
    failed: Vec<(u64, String)>,
    /// What the server said no with, and whether it said when to come back.
    refusals: BTreeMap<(String, bool), usize>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Measured, Failure> {
    let facts = Facts::gather();
    let server = Server::start(&arguments.server, Transport::Plain)?;
    // As many threads as cores: that all of them lose it at once is to keep the clients, which are
    // many machines elsewhere, no longer than it must.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcomes = runtime.block_on(measure(arguments, server))?;
    let (mut budgets, mut figures) = (Vec::new(), serde_json::Map::new());
    for outcome in &outcomes {
        let name = format!("{:?}", outcome.cut).to_lowercase();
        let at_most = |what: &str, measured: f64, bound: f64| {
            Verdict::new("B-7", &format!("{name}: {what}"), measured, Bound::AtMost(bound))
        };
        budgets.push(at_most("seconds until all are back", outcome.all_back_s, 10.0));
        budgets.push(at_most("arrivals in the fullest second to those told", outcome.ratio, 1.2));
        budgets.push(at_most("errors but a time to come back", outcome.errors as f64, 0.0));
        figures.insert(name, outcome.json.clone());
    }
    let panels: Vec<Panel> = outcomes.into_iter().map(|outcome| outcome.panel).collect();
    let file = match &arguments.picture {
        Some(file) => file.clone(),
        None => report::directory()?.join("stampede.svg"),
    };
    std::fs::write(&file, picture::draw(arguments.clients, &panels))?;
    eprintln!("bench: picture in {}", file.display());
    Ok(Measured {
        name: "stampede".to_owned(),
        facts: facts.finish(),
        budgets,
        figures: figures.into(),
    })
}

/// What came of one cut.
struct Outcome {
    cut: Cut,
    all_back_s: f64,
    /// The fullest second's arrivals, as a share of those told.
    ratio: f64,
    errors: usize,
    json: serde_json::Value,
    panel: Panel,
}

async fn measure(arguments: &Arguments, mut server: Server) -> Result<Vec<Outcome>, Failure> {
    let clients = arguments.clients as usize;
    let field = Arc::new(Field {
        target: server.target(),
        crowd: server.crowd()?,
        app: AppId::new(server.app())?,
        at_once: Semaphore::new(AT_ONCE),
        tally: Mutex::new(Tally::new()),
    });
    let (orders, _) = watch::channel(Order::Rest);
    eprintln!("bench: {clients} clients sign in");
    for number in 0..clients {
        tokio::spawn(live(Arc::clone(&field), number, orders.subscribe()));
    }
    field.until_connected(clients).await?;
    let mut outcomes = Vec::new();
    for (number, cut) in arguments.cuts.iter().enumerate() {
        eprintln!("bench: all are connected; rest until each has had a ping");
        tokio::time::sleep(REST).await;
        *field.tally() = Tally { connected: clients, ..Tally::new() };
        eprintln!("bench: {cut:?}");
        if *cut == Cut::Network {
            orders.send_replace(Order::Cut(u32::try_from(number)?));
        } else {
            let stop = if *cut == Cut::Kill { Stop::Kill } else { Stop::Drain };
            // Elsewhere: the clients must be heard meanwhile.
            let restarting =
                tokio::task::spawn_blocking(move || server.restart(stop).map(|()| server));
            server = restarting.await??;
        }
        let serving_ms = field.tally().since_cut_ms();
        field.until_connected(clients).await?;
        outcomes.push(outcome(*cut, &field.tally(), serving_ms));
    }
    Ok(outcomes)
}

fn outcome(cut: Cut, tally: &Tally, serving_ms: u64) -> Outcome {
    // A client comes back at a random moment within its window: so many are told to come each second.
    let told_per_s: f64 = tally.windows.iter().map(|ms| 1e3 / f64::from(*ms).max(1.0)).sum();
    let last = tally.dialed.iter().max().copied().unwrap_or(0);
    let in_second =
        |from: u64| tally.dialed.iter().filter(|at| (from..from + 1_000).contains(*at)).count();
    let peak = (0..=last).step_by(50).map(in_second).max().unwrap_or(0);
    let ratio = round(peak as f64 / told_per_s, 3);
    let all_back_s = tally.back.iter().max().map_or(0.0, |ms| *ms as f64 / 1e3);
    // Before the server is there again nobody can be reached.
    let late = tally.failed.iter().filter(|(at, _)| *at > serving_ms);
    let mut errors: BTreeMap<&str, usize> = BTreeMap::new();
    late.for_each(|(_, why)| *errors.entry(why).or_default() += 1);
    let bare = tally.refusals.iter().filter(|((_, says_when), _)| !says_when);
    let count = errors.values().sum::<usize>() + bare.map(|(_, count)| count).sum::<usize>();
    let refusals: BTreeMap<String, usize> = tally
        .refusals
        .iter()
        .map(|((code, when), count)| {
            (format!("{code}{}", if *when { " with a time" } else { "" }), *count)
        })
        .collect();
    let json = json!({
        "clients": tally.windows.len(),
        "window_ms": [tally.windows.iter().min(), tally.windows.iter().max()],
        "told_per_s": round(told_per_s, 1),
        "fullest_second": peak,
        "fullest_second_to_told": ratio,
        "attempts": tally.dialed.len(),
        "attempts_while_nobody_was_there": tally.failed.len() - errors.values().sum::<usize>(),
        "server_away_ms": if cut == Cut::Network { 0 } else { serving_ms },
        "all_back_s": all_back_s,
        "errors_afterwards": errors,
        "told": refusals,
    });
    let name = match cut {
        Cut::Drain => "the server drains and restarts",
        Cut::Kill => "the server is killed and restarts",
        Cut::Network => "every connection is cut",
    };
    let panel =
        Panel { name, arrivals: tally.dialed.clone(), told_per_s, all_back_s, away_ms: serving_ms };
    Outcome { cut, all_back_s, ratio, errors: count, json, panel }
}

/// One client, to the end of the run.
async fn live(field: Arc<Field>, number: usize, mut orders: watch::Receiver<Order>) {
    let mut puppet = Box::new(Puppet::new(
        field.target.clone(),
        source(number / PER_ADDRESS),
        field.app,
        number as u64,
        Account::default(),
    ));
    let (format, token) = (Format::Usersig.to_string(), field.crowd.token(number));
    let turn = field.at_once.acquire().await.expect("never closed");
    puppet.log_in(crowd::user(number), Credential { format, token });
    let mut turn = Some(turn);
    let (mut window_ms, mut dialed_ms) = (0, 0);
    loop {
        for news in std::mem::take(&mut puppet.news) {
            let mut tally = field.tally();
            let at = tally.since_cut_ms();
            match news {
                News::Dialed => {
                    dialed_ms = at;
                    tally.dialed.push(at);
                }
                News::Connected { .. } => {
                    tally.connected += 1;
                    tally.back.push(at);
                    drop(turn.take());
                }
                News::Away => {
                    tally.connected -= 1;
                    tally.windows.push(window_ms);
                }
                News::Window(ms) => window_ms = ms,
                News::Told { code, when } => {
                    window_ms = when.unwrap_or(window_ms);
                    let told = (code.name().to_owned(), when.is_some());
                    *tally.refusals.entry(told).or_default() += 1;
                }
                News::Failed(error) => {
                    // What breaks a link is the cut itself.
                    if !puppet.had_link {
                        tally.failed.push((dialed_ms, error.sentence().to_owned()));
                    }
                }
                News::Completed(Ok(_)) => {}
                News::Completed(Err(error)) => {
                    tally.failed.push((at, format!("a login: {}", error.sentence())));
                }
            }
        }
        tokio::select! {
            () = puppet.step() => {}
            changed = orders.changed() => {
                if changed.is_err() {
                    return;
                }
                puppet.cut();
            }
        }
    }
}

impl Field {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn until_connected(&self, clients: usize) -> Result<(), Failure> {
        let all = async {
            while !self.tally().are_all_back(clients) {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(PATIENCE, all).await.map_err(|_| {
            let tally = self.tally();
            format!("{} of {clients} are connected: {:?}", tally.connected, tally.failed.last())
        })?;
        Ok(())
    }
}

impl Tally {
    fn new() -> Self {
        Self {
            cut_at: Instant::now(),
            connected: 0,
            dialed: Vec::new(),
            back: Vec::new(),
            windows: Vec::new(),
            failed: Vec::new(),
            refusals: BTreeMap::new(),
        }
    }

    /// After a cut each client is away once before it is back.
    fn are_all_back(&self, clients: usize) -> bool {
        self.connected == clients && self.back.len() >= clients
    }

    fn since_cut_ms(&self) -> u64 {
        u64::try_from(self.cut_at.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Connections from one address of this machine.
const PER_ADDRESS: usize = 1_000;
/// First logins on their way at the same time.
const AT_ONCE: usize = 64;
/// Longer than from one ping to the next.
const REST: Duration = Duration::from_millis(limits::PING_MS + 2_000);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// For all to be connected.
const PATIENCE: Duration = Duration::from_secs(120);
