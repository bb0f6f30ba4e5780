//! Logins per second over the whole way: a new TCP connection, the upgrade, Hello, the credential's
//! check, the policy, one durable write, Welcome (B-3).

pub(crate) mod admissions;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use homing_proto::secret::Token;
use serde_json::json;

use crate::crowd::Crowd;
use crate::facts::Facts;
use crate::figures::{Spans, per_second};
use crate::link::{Link, Lost, Target, source};
use crate::report::{Bound, Measured, Verdict};
use crate::server::{self, Server, Transport};
use crate::{Failure, disk};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Seconds to measure.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Clients that sign in, go, and sign in again; in the registry alone: binds on their way.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    workers: u32,
    /// Every login is another user's first, whom the server registers with it.
    #[arg(long, conflicts_with = "known_users")]
    new_users: bool,
    /// Users who have signed in on that device before; the default.
    #[arg(long)]
    known_users: bool,
    /// How many users there are to sign in.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=9_999_999))]
    users: u32,
    /// Over TLS 1.3, with a full handshake for each login.
    #[arg(long)]
    tls: bool,
    /// The store's decisions and writes alone, in this process, without sockets.
    #[arg(long, conflicts_with = "tls")]
    admissions: bool,
    #[command(flatten)]
    server: server::Arguments,
}

/// Who signs in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Users {
    Known,
    New,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Measured, Failure> {
    let users = if arguments.new_users { Users::New } else { Users::Known };
    let facts = Facts::gather();
    let (name, figures, logins_per_s, at_least) = if arguments.admissions {
        let ask = admissions::Ask {
            users,
            known: arguments.users,
            slots: arguments.workers,
            span: Duration::from_secs(arguments.seconds),
        };
        let (figures, per_s) = admissions::measure(&ask)?;
        ("login-admissions", figures, per_s, 20_000.0)
    } else {
        let transport = if arguments.tls { Transport::Tls } else { Transport::Plain };
        let server = Server::start(&arguments.server, transport)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (figures, per_s) = runtime.block_on(measure(arguments, users, &server))?;
        (if arguments.tls { "login-tls" } else { "login" }, figures, per_s, 5_000.0)
    };
    let what = if arguments.admissions { "admissions per second" } else { "logins per second" };
    let name = match users {
        Users::Known => name.to_owned(),
        Users::New => format!("{name}-new-users"),
    };
    let verdicts = vec![Verdict::new("B-3", what, logins_per_s, Bound::AtLeast(at_least))];
    // The budget is one for plain connections.
    let budgets = if arguments.tls { Vec::new() } else { verdicts };
    Ok(Measured { name, facts: facts.finish(), budgets, figures })
}

/// What all workers share.
struct Field {
    target: Target,
    crowd: Crowd,
    tokens: Vec<Token>,
    users: Users,
    next: AtomicUsize,
    until: Instant,
}

#[derive(Default)]
struct Tally {
    spans: Spans,
    errors: BTreeMap<String, usize>,
}

async fn measure(
    arguments: &Arguments,
    users: Users,
    server: &Server,
) -> Result<(serde_json::Value, f64), Failure> {
    let mut field = Field {
        target: server.target(),
        crowd: server.crowd()?,
        tokens: Vec::new(),
        users,
        next: AtomicUsize::new(0),
        until: Instant::now(),
    };
    let pool = match users {
        Users::Known => arguments.users as usize,
        // More than any machine this runs on can do.
        Users::New => (arguments.seconds as usize * NEW_PER_S).max(arguments.users as usize),
    };
    eprintln!("bench: minting {pool} tokens");
    field.tokens = (0..pool).map(|number| field.crowd.token(number)).collect();
    let mut field = Arc::new(field);
    if users == Users::Known {
        eprintln!("bench: every user signs in once, to be known");
        once_each(&mut field, arguments.workers).await?;
    }
    let shared = Arc::get_mut(&mut field).ok_or("a worker is still there")?;
    let span = Duration::from_secs(arguments.seconds);
    shared.until = Instant::now() + span;
    eprintln!("bench: {} workers sign in for {} s", arguments.workers, arguments.seconds);
    let (used, began) = (server.used()?, Instant::now());
    let tally = work(&field, arguments.workers).await?;
    let took = began.elapsed();
    let used = server.used()?.since(used);
    let disk = disk::flushes(server.dir())?;
    let (logins, per_s) = (tally.spans.len(), per_second(tally.spans.len(), took));
    let figures = json!({
        "users": if users == Users::New { "new" } else { "known" },
        "transport": if arguments.tls { "TLS 1.3, full handshakes" } else { "plain" },
        "workers": arguments.workers,
        "seconds": took.as_secs_f64(),
        "logins": logins,
        "logins_per_s": per_s,
        "latency": tally.spans.summary(),
        "errors": tally.errors,
        "cpu": used,
        "server_cpu_us_per_login": used.server_us_each(logins),
        "fdatasync_of_4_kib_afterwards": disk,
    });
    Ok((figures, per_s))
}

/// Every user of the pool signs in once.
async fn once_each(field: &mut Arc<Field>, workers: u32) -> Result<(), Failure> {
    let shared = Arc::get_mut(field).ok_or("a worker is still there")?;
    shared.users = Users::New;
    shared.until = Instant::now() + Duration::from_secs(3_600);
    let tally = work(field, workers).await?;
    let shared = Arc::get_mut(field).ok_or("a worker is still there")?;
    shared.users = Users::Known;
    if tally.errors.is_empty() { Ok(()) } else { Err(format!("{:?}", tally.errors).into()) }
}

async fn work(field: &Arc<Field>, workers: u32) -> Result<Tally, Failure> {
    let mut running = tokio::task::JoinSet::new();
    for worker in 0..workers as usize {
        running.spawn(sign_in_again_and_again(Arc::clone(field), worker));
    }
    let mut all = Tally::default();
    while let Some(tally) = running.join_next().await {
        let tally = tally?;
        all.spans.append(tally.spans);
        for (error, count) in tally.errors {
            *all.errors.entry(error).or_default() += count;
        }
    }
    Ok(all)
}

async fn sign_in_again_and_again(field: Arc<Field>, worker: usize) -> Tally {
    let mut tally = Tally::default();
    while Instant::now() < field.until {
        let turn = field.next.fetch_add(1, Ordering::Relaxed);
        let number = match field.users {
            Users::Known => turn % field.tokens.len(),
            Users::New if turn < field.tokens.len() => turn,
            Users::New => break,
        };
        let began = Instant::now();
        match Box::pin(sign_in(&field, worker, number, turn)).await {
            Ok(()) => tally.spans.add(began.elapsed()),
            Err(lost) => *tally.errors.entry(lost.name()).or_default() += 1,
        }
    }
    tally
}

async fn sign_in(field: &Field, worker: usize, number: usize, turn: usize) -> Result<(), Lost> {
    let hello = field.crowd.hello(number, field.tokens[number].clone(), turn as u64 + 1);
    let mut link = Link::connect(&field.target, source(worker)).await?;
    link.greet(hello).await.map(drop)
}

/// Tokens made beforehand for each second of new users.
const NEW_PER_S: usize = 20_000;
