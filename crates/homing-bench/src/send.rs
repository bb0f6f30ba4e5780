//! Durable messages: how many in a second when many write at once (B-4), and how long one takes when
//! nobody else does (B-5, in [`quiet`]).

mod check;
mod quiet;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use homing_proto::frame::{ClientFrame, Request, Response, ServerFrame};
use homing_proto::id::{ClientMsgId, ConversationId};
use homing_proto::message::Content;
use serde_json::json;
use tokio::sync::{Barrier, watch};

use self::check::{Inbox, Wrong};
use crate::crowd::{Crowd, user};
use crate::facts::Facts;
use crate::figures::{Spans, per_second};
use crate::link::{Link, Target, source};
use crate::report::{Bound, Measured, Verdict};
use crate::server::{self, Server, Transport};
use crate::{Failure, disk};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Users who write, each to a random other, and wait for the answer before they write again.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(2..=10_000))]
    senders: u32,
    /// Seconds to measure.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Instead: one sender and one receiver on an idle server, one message at a time.
    #[arg(long)]
    idle_latency: bool,
    /// Messages of `--idle-latency`.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    messages: u32,
    /// Over TLS 1.3.
    #[arg(long)]
    tls: bool,
    #[command(flatten)]
    server: server::Arguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Measured, Failure> {
    let facts = Facts::gather();
    let transport = if arguments.tls { Transport::Tls } else { Transport::Plain };
    let server = Server::start(&arguments.server, transport)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (name, budgets, figures) = if arguments.idle_latency {
        let (budgets, figures) = runtime.block_on(quiet::measure(&server, arguments.messages))?;
        ("send-idle-latency", budgets, figures)
    } else {
        let (budgets, figures) = runtime.block_on(measure(arguments, &server))?;
        ("send", budgets, figures)
    };
    let name = if arguments.tls { format!("{name}-tls") } else { name.to_owned() };
    Ok(Measured { name, facts: facts.finish(), budgets, figures })
}

/// What all senders share.
struct Field {
    target: Target,
    crowd: Crowd,
    senders: usize,
    text: Content,
    all_signed_in: Barrier,
    until: watch::Receiver<Instant>,
    /// Messages accepted for each user from others, known when all have written their last.
    addressed: Vec<AtomicU32>,
    all_written: Barrier,
}

/// What one sender can tell in the end.
struct Told {
    spans: Spans,
    /// Answers in each second of the measurement.
    each_second: Vec<u32>,
    pushes: usize,
}

impl Told {
    fn answered(&mut self, since: Duration) {
        let second = since.as_secs() as usize;
        if second >= self.each_second.len() {
            self.each_second.resize(second + 1, 0);
        }
        self.each_second[second] += 1;
    }
}

async fn measure(
    arguments: &Arguments,
    server: &Server,
) -> Result<(Vec<Verdict>, serde_json::Value), Failure> {
    let senders = arguments.senders as usize;
    let (start, until) = watch::channel(Instant::now());
    let field = Arc::new(Field {
        target: server.target(),
        crowd: server.crowd()?,
        senders,
        text: Content::text("x".repeat(TEXT_BYTES)),
        all_signed_in: Barrier::new(senders + 1),
        until,
        addressed: (0..senders).map(|_| AtomicU32::new(0)).collect(),
        all_written: Barrier::new(senders + 1),
    });
    let mut running = tokio::task::JoinSet::new();
    for number in 0..senders {
        running.spawn(Box::pin(write_again_and_again(Arc::clone(&field), number)));
    }
    wait(&field.all_signed_in, &mut running).await?;
    eprintln!("bench: {senders} senders write for {} s", arguments.seconds);
    let (used, began) = (server.used()?, Instant::now());
    start.send_replace(began + Duration::from_secs(arguments.seconds));
    wait(&field.all_written, &mut running).await?;
    let took = began.elapsed();
    let used = server.used()?.since(used);
    let (mut spans, mut pushes) = (Spans::default(), 0);
    let mut each_second = vec![0; arguments.seconds as usize];
    while let Some(told) = running.join_next().await {
        let told = told??;
        spans.append(told.spans);
        pushes += told.pushes;
        for (all, own) in each_second.iter_mut().zip(told.each_second) {
            *all += own;
        }
    }
    let (acked, per_s) = (spans.len(), per_second(spans.len(), took));
    let latency = spans.summary();
    let figures = json!({
        "senders": senders,
        "text_bytes": TEXT_BYTES,
        "seconds": took.as_secs_f64(),
        "acked": acked,
        "acked_per_s": per_s,
        "acked_in_each_second": each_second,
        "ack_latency": latency,
        "pushes": pushes,
        "pushes_per_s": per_second(pushes, took),
        "lost_or_doubled": 0,
        "cpu": used,
        "server_cpu_us_per_message": used.server_us_each(acked),
        "fdatasync_of_4_kib_afterwards": disk::flushes(server.dir())?,
    });
    let budgets = vec![
        Verdict::new("B-4", "messages acknowledged per second", per_s, Bound::AtLeast(20_000.0)),
        Verdict::new("B-4", "p99 of the acknowledgement, ms", latency.p99_ms, Bound::AtMost(50.0)),
    ];
    Ok((budgets, figures))
}

/// Waits for all senders, or for the first that fails.
async fn wait(
    barrier: &Barrier,
    running: &mut tokio::task::JoinSet<Result<Told, Failure>>,
) -> Result<(), Failure> {
    tokio::select! {
        // Looked at first: behind the last barrier a sender may be done before this is.
        biased;
        _ = barrier.wait() => Ok(()),
        Some(told) = running.join_next() => {
            told??;
            Err("a sender ended before its time".into())
        }
    }
}

async fn write_again_and_again(field: Arc<Field>, number: usize) -> Result<Told, Failure> {
    let mut link = Link::connect(&field.target, source(number / 100)).await?;
    let token = field.crowd.token(number);
    let welcome = link.greet(field.crowd.hello(number, token, 1)).await?;
    let mut inbox = Inbox::new(field.senders, welcome.head);
    let mut until = field.until.clone();
    field.all_signed_in.wait().await;
    until.changed().await?;
    let until = *until.borrow();
    let mut told = Told { spans: Spans::default(), each_second: Vec::new(), pushes: 0 };
    let start = Instant::now();
    let mut dice = number as u64;
    let mut written = 0;
    while Instant::now() < until {
        let peer = another(&mut dice, number, field.senders);
        written += 1;
        let client_id = name(number, written);
        let began = Instant::now();
        link.put(&message(written, peer, client_id, &field.text));
        let seq = answer(&mut link, &mut inbox, number).await?;
        told.spans.add(began.elapsed());
        told.answered(start.elapsed());
        inbox.acknowledged(peer, client_id, seq)?;
        field.addressed[peer].fetch_add(1, Ordering::Relaxed);
    }
    field.all_written.wait().await;
    let expected = written as usize + field.addressed[number].load(Ordering::Relaxed) as usize;
    let rest = collect(&mut link, &mut inbox, number, expected);
    tokio::time::timeout(PATIENCE, rest)
        .await
        .map_err(|_| Wrong::Lost { user: number, count: expected - inbox.entries() })??;
    told.pushes = inbox.entries();
    inbox.finish()?;
    Ok(told)
}

/// The answer to the one request on its way; pushes that come before it are noted.
async fn answer(link: &mut Link, inbox: &mut Inbox, owner: usize) -> Result<u64, Failure> {
    loop {
        match link.next().await? {
            ServerFrame::Response { body: Ok(Response::Sent { seq, .. }), .. } => return Ok(seq),
            ServerFrame::Push { offset, entry } => inbox.entry(owner, offset, &entry)?,
            ServerFrame::Devices(_) => {}
            other => return Err(format!("no answer to a message: {other:?}").into()),
        }
    }
}

/// Reads until all entries are there that must be.
async fn collect(
    link: &mut Link,
    inbox: &mut Inbox,
    owner: usize,
    expected: usize,
) -> Result<(), Failure> {
    while inbox.entries() < expected {
        if let ServerFrame::Push { offset, entry } = link.next().await? {
            inbox.entry(owner, offset, &entry)?;
        }
    }
    Ok(())
}

fn message(id: u32, peer: usize, client_id: ClientMsgId, content: &Content) -> ClientFrame {
    let conversation = ConversationId::Direct(user(peer));
    ClientFrame::Request {
        id,
        body: Request::Send { conversation, client_id, content: content.clone() },
    }
}

/// A name for a message, spread over all names as those of the SDK are: where it lies in an index
/// says nothing of its sender or time.
fn name(number: usize, written: u32) -> ClientMsgId {
    let whole = (number as u64) << 32 | u64::from(written);
    let spread = u128::from(mix(whole)) << 64 | u128::from(mix(!whole));
    ClientMsgId(spread.to_be_bytes())
}

/// One to one, so that no two names are the same.
const fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Any of the others.
fn another(dice: &mut u64, number: usize, all: usize) -> usize {
    *dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let step = 1 + (*dice >> 33) as usize % (all - 1);
    (number + step) % all
}

const TEXT_BYTES: usize = 100;
/// For the last pushes.
const PATIENCE: Duration = Duration::from_secs(30);
