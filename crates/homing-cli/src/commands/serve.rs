//! `homing serve`: the server, from the first bind to the last fsync.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use homing_server::config::{ADMIN_TOKEN_FILE, Config, Plaintext, TlsFiles};
use homing_server::dev;
use homing_server::server::{Running, Server, StartError};
use homing_server::store::OpenError;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

use crate::cli::{Done, Outcome};
use crate::failure::Failure;
use crate::signals::Signals;
use crate::{commands, logging};

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Set up a demo app with the users alice, bob and carol, and print how to reach it, with
    /// secrets, as one line of JSON on stdout. Not for a server that others can reach.
    #[arg(long)]
    dev: bool,
    /// Where all data lies; made if it is missing [default: ./homing-data].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where to listen; port 0 takes any free one [default: 127.0.0.1:7700].
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<SocketAddr>,
    /// Settings from a TOML file; arguments count more.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The certificate chain, PEM, the server's own certificate first.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Serve other machines without TLS: something in front of the server does it.
    #[arg(long)]
    allow_plaintext: bool,
    /// Stop when stdin ends: for programs that start a server and must not leave it behind.
    #[arg(long)]
    until_eof: bool,
}

/// Where a server keeps its data unless told.
pub(crate) const DATA: &str = "./homing-data";
/// Where a server listens unless told.
pub(crate) const LISTEN: &str = "127.0.0.1:7700";

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    logging::start(Some("info"));
    let config = configure(arguments)?;
    let runtime = Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(commands::no_runtime)?;
    let outcome = runtime.block_on(serve(config, arguments));
    // A blocked read of stdin must not hold the end up.
    runtime.shutdown_background();
    outcome
}

async fn serve(config: Config, arguments: &Arguments) -> Outcome {
    // Before the start: a signal during it must not kill a half-made database.
    let mut signals = Signals::take().map_err(commands::no_signals)?;
    let data = config.data.clone();
    let running = Server::start(config).await.map_err(|error| why(&error))?;
    tracing::info!(url = running.url(), data = %data.display(), "serving");
    if arguments.dev {
        present(&running).await?;
    } else {
        let token = data.join(ADMIN_TOKEN_FILE);
        tracing::info!("the admin token for `homing app` lies in {}", token.display());
    }
    tokio::select! {
        () = signals.next() => {}
        () = end_of_stdin(), if arguments.until_eof => {}
    }
    tracing::info!("stopping: clients are sent away and what is on its way is finished");
    tokio::select! {
        drained = running.shutdown() => {
            tracing::info!(dropped = drained.dropped, "stopped");
            Ok(Done::Well)
        }
        () = signals.next() => Err(Failure::new(
            "stopped at once",
            "a second signal came while connections were being closed",
            "nothing acknowledged is lost; start the server again when you like",
        )),
    }
}

/// Sets up what there is to try, and prints the line that scripts wait for.
async fn present(running: &Running) -> Result<(), Failure> {
    let demo = dev::provision(running)
        .await
        .map_err(|error| Failure::of("cannot set up the demo app", &error))?;
    let mut stdout = io::stdout();
    // Whoever closed stdout knows the address already.
    let _ = writeln!(stdout, "{}", demo.to_json(running)).and_then(|()| stdout.flush());
    let (url, app) = (running.url(), demo.app);
    eprintln!("\n  Try it in two more terminals; the tokens are in the line above:");
    for (user, with) in [("alice", "bob"), ("bob", "alice")] {
        eprintln!(
            "    homing chat --server {url} --app-id {app} --user {user} --with {with} --token TOKEN"
        );
    }
    eprintln!("  Ctrl-C stops the server.\n");
    Ok(())
}

fn configure(arguments: &Arguments) -> Result<Config, Failure> {
    let mut config = match &arguments.config {
        Some(path) => Config::read(path).map_err(|error| {
            Failure::new(
                "cannot use the configuration",
                error.sentence().trim_end().replace('\n', "\n       "),
                "correct it; `homing serve --help` shows an example",
            )
        })?,
        None => Config::new(DATA),
    };
    if let Some(data) = &arguments.data {
        config.data.clone_from(data);
    }
    if let Some(listen) = arguments.listen {
        config.listen = listen;
    }
    if let (Some(cert), Some(key)) = (&arguments.tls_cert, &arguments.tls_key) {
        config.tls = Some(TlsFiles { cert: cert.clone(), key: key.clone() });
    }
    if arguments.allow_plaintext {
        config.plaintext = Plaintext::Anywhere;
    }
    Ok(config)
}

fn why(error: &StartError) -> Failure {
    let what = "cannot start the server";
    match error {
        StartError::Listen { at, error } if error.kind() == io::ErrorKind::AddrInUse => {
            Failure::new(
                what,
                format!("{at} is in use by another program, perhaps another `homing serve`"),
                format!(
                    "stop it (ss -ltnp 'sport = :{}' shows which), or choose another port: \
                     --listen {}:0 takes any free one",
                    at.port(),
                    at.ip()
                ),
            )
        }
        StartError::Listen { at, error } => Failure::new(
            what,
            format!("cannot listen on {at}: {error}"),
            "listen on an address of this machine, and on a port from 1024 up unless you are root",
        ),
        StartError::Store(OpenError::InUse(data)) => Failure::new(
            what,
            format!("another server is running on the data directory {data}"),
            "stop it, or choose another directory with --data",
        ),
        StartError::Store(error) => Failure::new(
            what,
            error,
            "`homing doctor --data DIR` looks closer; --data chooses another directory",
        ),
        StartError::Tls(error) => Failure::new(
            what,
            error,
            "give PEM files; `homing doctor --tls-cert FILE --tls-key FILE` looks closer",
        ),
        StartError::WebhookCa(_) => {
            Failure::new(what, error, "webhook_ca is a PEM file with certificates of authorities")
        }
        StartError::PlaintextRefused(at) => Failure::new(
            what,
            format!("{at} can be reached from other machines, and there is no certificate"),
            "give --tls-cert and --tls-key, or listen on 127.0.0.1, or --allow-plaintext if \
             something in front of the server does TLS",
        ),
        StartError::AdminToken(error) => Failure::new(
            what,
            format!("the file with the admin token: {error}"),
            "give admin.token in the data directory to the server's user, or remove it to get a \
             new one",
        ),
    }
}

/// On a thread of its own, which ends with the process.
async fn end_of_stdin() {
    let (end, ended) = oneshot::channel();
    std::thread::spawn(move || {
        // An error ends it as well.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        let _ = end.send(());
    });
    let _ = ended.await;
}

const EXAMPLES: &str = "\
Examples:
  homing serve --dev
      {\"url\":\"http://127.0.0.1:7700\",\"console\":…,\"admin_token\":…,\"app_id\":1,\"key\":…,\"users\":{\"alice\":TOKEN,…}}
  homing serve --data /var/lib/homing --listen 0.0.0.0:443 --tls-cert chain.pem --tls-key key.pem
  homing serve --config /etc/homing.toml
  DEV=$(mktemp -d); homing serve --dev --data $DEV --listen 127.0.0.1:0      a fresh one each time

A configuration file (all of it is optional; paths count from where the file lies):
  data = \"/var/lib/homing\"
  listen = \"0.0.0.0:443\"
  tls_cert = \"chain.pem\"
  tls_key = \"key.pem\"
  allow_plaintext = false    # true: something in front of the server does TLS
  webhook_ca = \"ca.pem\"      # also believe apps' own servers with certificates from there
  drain_s = 10               # how long a stopping server waits for its connections
  reconnect_window_s = 1     # clients that lose it come back spread over this at least,
  returns_per_s = 2000       # and over longer when this many connections a second are not enough

--dev keeps its data like any server: the same directory has the same demo app and messages.
Logs go to stderr, as HOMING_LOG asks (HOMING_LOG=debug). SIGTERM or Ctrl-C stops: clients are sent
away with a time to come back, everything acknowledged is on disk; a second one stops at once.
Exit codes: 0 stopped as asked; 1 could not start; 2 wrong arguments.";
