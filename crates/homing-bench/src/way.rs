//! The way to the server as one client has it: round trips until it is connected (B-10), the return
//! after the network did (B-11), and how soon a dead link is noticed (B-12).

use std::time::{Duration, Instant};

use clap::Args;
use homing_core::client::status::SyncStatus;
use homing_core::client::{Account, Command, Hint};
use homing_proto::frame::{ClientFrame, Credential, Request, ServerFrame};
use homing_proto::id::{AppId, ClientMsgId, ConversationId};
use homing_proto::limits;
use homing_proto::message::Content;
use homing_proto::secret::SessionSecret;
use homing_token::Format;
use serde_json::json;
use tokio::task::JoinSet;

use crate::Failure;
use crate::crowd::{self, Crowd};
use crate::facts::Facts;
use crate::figures::{Spans, Summary};
use crate::link::{Link, Target, source};
use crate::path::Path;
use crate::puppet::{News, Puppet};
use crate::report::{Bound, Measured, Verdict};
use crate::server::{self, Server, Transport};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Milliseconds of a round trip to the server.
    #[arg(long, default_value_t = 50)]
    rtt_ms: u64,
    /// Clients at the same time.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    clients: u32,
    /// Times that the network goes and comes.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=8))]
    returns: u32,
    #[command(flatten)]
    server: server::Arguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Measured, Failure> {
    let facts = Facts::gather();
    let server = Server::start(&arguments.server, Transport::Plain)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let field = Field {
        target: server.target(),
        crowd: server.crowd()?,
        app: AppId::new(server.app())?,
        round_trip: Duration::from_millis(arguments.rtt_ms),
    };
    let trips = runtime.block_on(round_trips(&field))?;
    let back =
        runtime.block_on(all(&field, arguments.clients, 100, Test::Back(arguments.returns)))?;
    let busy = runtime.block_on(all(&field, arguments.clients, 2_000, Test::DeadWithTraffic))?;
    let idle = runtime.block_on(all(&field, arguments.clients, 4_000, Test::DeadIdle))?;
    let at_most = |budget, what: &str, measured, bound| {
        Verdict::new(budget, what, measured, Bound::AtMost(bound))
    };
    let most = trips.iter().map(|(_, trips)| *trips).max().unwrap_or(0);
    Ok(Measured {
        name: "way".to_owned(),
        facts: facts.finish(),
        budgets: vec![
            at_most("B-10", "round trips until connected, the most", f64::from(most), 1.0),
            at_most("B-11", "ms from network back to connected, p50", back.p50_ms, 300.0),
            at_most("B-11", "ms from network back to connected, p99", back.p99_ms, 1_500.0),
            at_most("B-12", "ms until a dead link is noticed, with traffic", busy.max_ms, 5_000.0),
            at_most("B-12", "ms until a dead link is noticed, idle", idle.max_ms, 30_000.0),
        ],
        figures: json!({
            "round_trip_ms": arguments.rtt_ms,
            "clients": arguments.clients,
            "round_trips": trips.iter().map(|(name, trips)| json!({ *name: trips })).collect::<Vec<_>>(),
            "network_back_to_connected": back,
            "dead_link_noticed_with_traffic": busy,
            "dead_link_noticed_idle": idle,
        }),
    })
}

struct Field {
    target: Target,
    crowd: Crowd,
    app: AppId,
    round_trip: Duration,
}

impl Field {
    fn puppet(&self, target: &Target, number: usize, account: Account) -> Box<Puppet> {
        let (target, from) = (target.clone(), source(number % 64));
        Box::new(Puppet::new(target, from, self.app, number as u64, account))
    }

    fn credential(&self, number: usize) -> Credential {
        let token = self.crowd.token(number);
        Credential { format: Format::Usersig.to_string(), token }
    }
}

/// Times of asking and being answered until the client is connected and nothing is missing, for a
/// user who has a message waiting: at the login, at a resume, and at a resume of a session that the
/// server does not know, which signs in anew.
async fn round_trips(field: &Field) -> Result<Vec<(&'static str, u32)>, Failure> {
    let number = 0;
    // The user is to be there before anybody can write to it.
    let hello = field.crowd.hello(number, field.crowd.token(number), 1);
    Link::connect(&field.target, source(0)).await?.greet(hello).await?;
    write_to(field, number, 1).await?;
    let mut puppet = field.puppet(&field.target, number, Account::default());
    puppet.log_in(crowd::user(number), field.credential(number));
    let login = connected(&mut puppet).await?;
    write_to(field, number, 2).await?;
    puppet.cut();
    puppet.hint(Hint::Tap);
    let resume = connected(&mut puppet).await?;
    let mut account = puppet.core.account().clone();
    if let Some(session) = account.last.as_mut().and_then(|last| last.session.as_mut()) {
        session.secret = SessionSecret::new([0; 32]);
    }
    drop(puppet);
    write_to(field, number, 3).await?;
    let mut puppet = field.puppet(&field.target, number, account);
    puppet.call(Command::ResumeLast);
    let failed = connected(&mut puppet).await?;
    Ok(vec![("login", login), ("resume", resume), ("failed_resume", failed)])
}

/// Somebody writes to that user.
async fn write_to(field: &Field, number: usize, attempt: u64) -> Result<(), Failure> {
    let peer = number + 1_000_000;
    let mut link = Link::connect(&field.target, source(0)).await?;
    let hello = field.crowd.hello(peer, field.crowd.token(peer), attempt);
    link.greet(hello).await?;
    let mut client_id = [0; 16];
    getrandom::fill(&mut client_id).map_err(|error| error.to_string())?;
    link.put(&ClientFrame::Request {
        id: 1,
        body: Request::Send {
            conversation: ConversationId::Direct(crowd::user(number)),
            client_id: ClientMsgId(client_id),
            content: Content::text("something to be synced"),
        },
    });
    loop {
        if let ServerFrame::Response { id: 1, body } = link.next().await? {
            return body.map(drop).map_err(|error| error.sentence().to_owned().into());
        }
    }
}

/// Runs until the client is connected; how many round trips that took.
async fn connected(puppet: &mut Puppet) -> Result<u32, Failure> {
    let connecting = async {
        loop {
            for news in std::mem::take(&mut puppet.news) {
                if let News::Connected { round_trips } = news {
                    let sync = &puppet.core.status().sync;
                    return match sync {
                        SyncStatus::Live => Ok(round_trips),
                        other => Err(format!("connected, and sync is {other:?}").into()),
                    };
                }
            }
            puppet.step().await;
        }
    };
    tokio::time::timeout(PATIENCE, connecting).await.map_err(|_| "it does not connect")?
}

/// What each client is put through.
#[derive(Clone, Copy)]
enum Test {
    /// The network goes and comes so often.
    Back(u32),
    /// The way goes silent, and the app asks for something.
    DeadWithTraffic,
    /// The way goes silent, and nobody asks for anything.
    DeadIdle,
}

async fn all(field: &Field, clients: u32, first: usize, test: Test) -> Result<Summary, Failure> {
    let mut running = JoinSet::new();
    for number in first..first + clients as usize {
        let path = Path::open(field.target.address, field.round_trip).await?;
        let target = Target { address: path.address, tls: None };
        let mut puppet = field.puppet(&target, number, Account::default());
        puppet.log_in(crowd::user(number), field.credential(number));
        running.spawn(async move {
            let mut spans = Spans::default();
            connected(&mut puppet).await?;
            match test {
                Test::Back(returns) => {
                    for _ in 0..returns {
                        spans.add(go_and_come(&mut puppet, &path).await?);
                    }
                }
                Test::DeadWithTraffic => spans.add(die(&mut puppet, &path, Traffic::Some).await?),
                Test::DeadIdle => {
                    // Somewhere between two pings.
                    let part = number as u64 * 7_919 % limits::PING_MS;
                    run_for(&mut puppet, Duration::from_millis(part)).await;
                    spans.add(die(&mut puppet, &path, Traffic::None).await?);
                }
            }
            Ok::<Spans, Failure>(spans)
        });
    }
    let mut spans = Spans::default();
    while let Some(ended) = running.join_next().await {
        spans.append(ended??);
    }
    Ok(spans.summary())
}

async fn go_and_come(puppet: &mut Puppet, path: &Path) -> Result<Duration, Failure> {
    path.go_silent();
    puppet.hint(Hint::NetworkDown);
    run_for(puppet, AWAY).await;
    path.come_back();
    puppet.news.clear();
    let began = Instant::now();
    puppet.hint(Hint::NetworkUp);
    connected(puppet).await?;
    let took = began.elapsed();
    run_for(puppet, AWAY).await;
    Ok(took)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Traffic {
    Some,
    None,
}

async fn die(puppet: &mut Puppet, path: &Path, traffic: Traffic) -> Result<Duration, Failure> {
    path.go_silent();
    let began = Instant::now();
    if traffic == Traffic::Some {
        puppet.call(Command::Devices);
    }
    let noticing = async {
        while puppet.core.status().is_connected() {
            puppet.step().await;
        }
    };
    tokio::time::timeout(PATIENCE, noticing).await.map_err(|_| "nobody notices")?;
    Ok(began.elapsed())
}

async fn run_for(puppet: &mut Puppet, span: Duration) {
    let running = async {
        loop {
            puppet.step().await;
        }
    };
    let _ = tokio::time::timeout(span, running).await;
}

/// For anything that is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the network is away, and stays.
const AWAY: Duration = Duration::from_secs(1);
