//! From opening a client to the first screen, without network, and whether that depends on how much
//! is stored (B-8).
//!
//! The account signs in once on a real server; its store is then filled through the SDK's own store,
//! and every opening is a process of its own, as an app's start is.

mod fill;
pub(crate) mod once;

use std::path::Path;
use std::process::{Command, Stdio};

use clap::Args;
use homing::{Client, Config, Credential};
use serde::Serialize;
use serde_json::json;

use self::once::Steps;
use crate::Failure;
use crate::crowd;
use crate::facts::Facts;
use crate::figures::{Spans, Summary, round};
use crate::report::{self, Bound, Measured, Verdict};
use crate::server::{self, Server, Transport};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Conversations of the store that the budget is held against.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(20..))]
    conversations: u64,
    /// Sizes that are measured besides it: opening must not depend on them.
    #[arg(long, value_delimiter = ',', default_value = "1000,100000")]
    compare: Vec<u64>,
    /// Messages of each store, spread evenly.
    #[arg(long, default_value_t = 1_000_000)]
    messages: u64,
    /// Openings that are measured.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    #[command(flatten)]
    server: server::Arguments,
}

/// One store, opened many times.
#[derive(Serialize)]
struct Size {
    conversations: u64,
    messages: u64,
    file_mib: f64,
    /// The files lie in the system's page cache, as on a device in use.
    warm: Screens,
    /// The files were dropped from it: the first start after a reboot.
    cold: Screens,
}

/// How long the steps took, each from the beginning.
#[derive(Serialize)]
struct Screens {
    opened: Summary,
    signed_in: Summary,
    first_20_conversations: Summary,
    first_20_messages: Summary,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Measured, Failure> {
    let facts = Facts::gather();
    let dir = tempfile::Builder::new().prefix("data-").tempdir_in(report::directory()?)?;
    let account = dir.path().join("account");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let app = {
        let server = Server::start(&arguments.server, Transport::Plain)?;
        runtime.block_on(sign_in_once(&server, &account))?;
        server.app()
    };
    let mut sizes = Vec::new();
    for conversations in [&[arguments.conversations], &arguments.compare[..]].concat() {
        let store = dir.path().join(format!("store-{conversations}"));
        copy(&account, &store)?;
        let messages = arguments.messages.max(conversations);
        eprintln!("bench: {messages} messages in {conversations} conversations are stored");
        fill::fill(&store, app, conversations, messages)?;
        let file_mib = size(&store)? as f64 / (1024.0 * 1024.0);
        eprintln!("bench: {} processes open it", 2 * arguments.runs);
        let warm = open_often(&store, app, arguments.runs, Cache::Kept)?;
        let cold = open_often(&store, app, arguments.runs, Cache::Dropped)?;
        sizes.push(Size { conversations, messages, file_mib: round(file_mib, 1), warm, cold });
        std::fs::remove_dir_all(&store)?;
    }
    let (budgets, spread) = verdicts(&sizes);
    let figures = json!({
        "is_encrypted": false,
        "runs": arguments.runs,
        "warm_p50_of_each_size_over_the_first": spread,
        "sizes": sizes,
    });
    Ok(Measured { name: "offline-open".to_owned(), facts: facts.finish(), budgets, figures })
}

fn verdicts(sizes: &[Size]) -> (Vec<Verdict>, Vec<f64>) {
    let p50 = |size: &Size| size.warm.first_20_conversations.p50_ms;
    let first = &sizes[0];
    let spread: Vec<f64> = sizes.iter().map(|size| round(p50(size) / p50(first), 3)).collect();
    let farthest = spread.iter().map(|ratio| (ratio - 1.0).abs()).fold(0.0, f64::max);
    let screen = first.warm.first_20_conversations;
    let budgets = vec![
        Verdict::new(
            "B-8",
            "p50 to the first 20 conversations, ms",
            screen.p50_ms,
            Bound::AtMost(5.0),
        ),
        Verdict::new(
            "B-8",
            "p99 to the first 20 conversations, ms",
            screen.p99_ms,
            Bound::AtMost(20.0),
        ),
        Verdict::new(
            "B-8",
            "farthest p50 of another size, share of the first",
            round(farthest, 3),
            Bound::AtMost(0.2),
        ),
    ];
    (budgets, spread)
}

async fn sign_in_once(server: &Server, data: &Path) -> Result<(), Failure> {
    let config = Config::new(server.app(), &server.websocket_url())?.data_dir(data);
    let client = Client::open(config).await?;
    let token = server.crowd()?.token(USER);
    let credential = Credential::usersig(token.expose());
    client.login(crowd::user(USER).as_str(), credential).await?;
    client.close().await;
    Ok(())
}

/// What becomes of the files in the system's page cache before each opening.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cache {
    Kept,
    Dropped,
}

fn open_often(store: &Path, app: u32, runs: u32, cache: Cache) -> Result<Screens, Failure> {
    let mut steps: [Spans; 4] = Default::default();
    for run in 0..=runs {
        if cache == Cache::Dropped {
            drop_from_cache(store)?;
        }
        let took = open_once(store, app)?;
        // The first process of all brings the program itself into the cache.
        if run > 0 {
            for (spans, us) in steps.iter_mut().zip(took.0) {
                spans.add(std::time::Duration::from_micros(us));
            }
        }
    }
    let [opened, signed_in, first_20_conversations, first_20_messages] = steps.map(Spans::summary);
    Ok(Screens { opened, signed_in, first_20_conversations, first_20_messages })
}

fn open_once(store: &Path, app: u32) -> Result<Steps, Failure> {
    let output = Command::new(std::env::current_exe()?)
        .args(["open-once", "--app", &app.to_string(), "--data"])
        .arg(store)
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        return Err("a process could not open the store".into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn files(dir: &Path) -> Result<Vec<std::path::PathBuf>, Failure> {
    let entries: Result<Vec<_>, _> = std::fs::read_dir(dir)?.collect();
    Ok(entries?.into_iter().map(|entry| entry.path()).collect())
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    std::fs::create_dir(to)?;
    for file in files(from)? {
        std::fs::copy(&file, to.join(file.file_name().unwrap_or_default()))?;
    }
    Ok(())
}

fn size(dir: &Path) -> Result<u64, Failure> {
    files(dir)?.iter().map(|file| Ok(std::fs::metadata(file)?.len())).sum()
}

fn drop_from_cache(dir: &Path) -> Result<(), Failure> {
    for path in files(dir)? {
        let file = std::fs::File::open(path)?;
        // Only what is on the disk can be dropped.
        file.sync_all()?;
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed)?;
    }
    Ok(())
}

/// The user whose store it is.
const USER: usize = 0;
