//! `homing demo`: a guided tour on real sockets, every step checked.
//!
//! The server is a process of its own, as in life; the clients are SDK clients in this one. A step
//! passes only if what it tells was seen to happen, within its time, with the server alive all along.

mod cast;
mod server;
mod steps;

use std::io::Write as _;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::runtime::Builder;

use self::cast::Stage;
use self::server::ServerProcess;
use crate::cli::{Done, Outcome};
use crate::failure::Failure;
use crate::signals::Signals;
use crate::{commands, logging};

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Exit at the end, instead of leaving the server up to be tried by hand.
    #[arg(long)]
    once: bool,
}

/// What a step tells when it passed, or why it did not.
type Step = Result<String, String>;

/// Tells the steps and keeps the time.
struct Tour<'a> {
    server: &'a ServerProcess,
    number: u32,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    logging::start(None);
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(commands::no_runtime)?;
    runtime.block_on(async {
        let mut signals = Signals::take().map_err(commands::no_signals)?;
        tokio::select! {
            outcome = demo(arguments) => outcome,
            () = signals.next() => Err(Failure::new(
                "the tour was interrupted",
                "a signal came",
                "start it again: homing demo --once",
            )),
        }
    })
}

async fn demo(arguments: &Arguments) -> Outcome {
    let began = Instant::now();
    let folder = Folder::make()?;
    println!(
        "Homing, a guided tour on real sockets. Data for it lies in {}.\n",
        folder.0.display()
    );
    let (server, ready) = ServerProcess::start(&folder.0.join("server"), 0).await?;
    let stage = Stage::new(&server, &ready, folder.0.join("devices"))?;
    let mut tour = Tour { server: &server, number: 0 };
    let told = format!("process {} at {}, data made from nothing", server.pid(), ready.url);
    tour.tell("The server starts", ready.took, &Ok(told))?;
    steps::all(&mut tour, &stage).await?;
    println!("\nAll {} steps hold, in {:.1} s.", tour.number, began.elapsed().as_secs_f64());
    if !arguments.once {
        stay(&server, &ready).await;
    }
    server
        .stop()
        .await
        .map_err(|why| Failure::new("the server did not stop well at the end", why, CURE))?;
    Ok(Done::Well)
}

impl Tour<'_> {
    /// One step: done within its time, with the server alive.
    async fn step(&mut self, title: &str, step: impl Future<Output = Step>) -> Result<(), Failure> {
        let began = Instant::now();
        let result = tokio::select! {
            biased;
            how = self.server.dies() => Err(self.died(&how)),
            result = step => match self.server.died() {
                Some(how) => Err(self.died(&how)),
                None => result,
            },
            () = tokio::time::sleep(PATIENCE) => {
                Err(format!("it did not happen within {} s", PATIENCE.as_secs()))
            }
        };
        self.tell(title, began.elapsed(), &result)
    }

    fn tell(&mut self, title: &str, took: Duration, result: &Step) -> Result<(), Failure> {
        self.number += 1;
        let (number, ms) = (self.number, took.as_millis());
        let (mark, told) = match result {
            Ok(told) => ('✓', told),
            Err(why) => ('✗', why),
        };
        println!("{number:2} {mark} {title:58} {ms:6} ms\n     {told}");
        // Each step is seen when it happens, in a pipe as well.
        let _ = std::io::stdout().flush();
        match result {
            Ok(_) => Ok(()),
            Err(why) => {
                let what = format!("the tour ends at step {number}: {title}");
                Err(Failure::new(what, why, self.cure()))
            }
        }
    }

    fn died(&self, how: &str) -> String {
        format!("the server (process {}) is gone in the middle of it: {how}", self.server.pid())
    }

    fn cure(&self) -> String {
        let log = self.server.last_log();
        if log.is_empty() {
            CURE.to_owned()
        } else {
            format!("{CURE}. The server's last words:\n{log}")
        }
    }
}

/// Leaves the server up until somebody has had enough.
async fn stay(server: &ServerProcess, ready: &server::Ready) {
    let (url, app) = (&ready.url, ready.app_id);
    println!("\nThe server stays up. Talk in two more terminals:");
    for (user, with) in [("alice", "bob"), ("bob", "alice")] {
        let token = ready.users.get(user).map_or("TOKEN", String::as_str);
        println!(
            "\n  homing chat --server {url} --app-id {app} --user {user} --with {with} --token {token}"
        );
    }
    println!("\nCtrl-C ends it.");
    server.dies().await;
}

/// A folder that goes when the tour ends.
struct Folder(std::path::PathBuf);

impl Folder {
    fn make() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("homing-demo-{}", std::process::id()));
        let made = std::fs::create_dir(&path);
        made.map(|()| Self(path.clone())).map_err(|error| {
            Failure::new(
                format!("cannot make {}", path.display()),
                error,
                "free some space, or point TMPDIR elsewhere",
            )
        })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What stays behind is a temporary folder.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// No step takes a tenth of this.
const PATIENCE: Duration = Duration::from_secs(30);

const CURE: &str =
    "run it again; if it fails again, report it with HOMING_LOG=debug homing demo --once";

const EXAMPLES: &str = "\
Examples:
  homing demo --once      the tour, then the exit code
  homing demo             the tour, then the server stays up to be tried by hand
  HOMING_LOG=homing=debug homing demo --once 2> tour.log

It starts a server of its own on a free port, in a temporary folder, as a process whose id it prints:
kill it in the middle, and the tour says so and fails.
Exit codes: 0 every step holds; 1 one does not, and it says which and why; 2 wrong arguments.";
