//! `homing doctor`: looks for what keeps a server or a client from working, and says the cure.
//!
//! It only looks: nothing is repaired, and a running server is not disturbed.

mod database;
mod machine;
mod place;
mod reach;
mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::drive::ServerArguments;
use crate::cli::{Done, Outcome};
use crate::{commands, logging};

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The server's data directory.
    #[arg(long, value_name = "DIR", default_value = commands::serve::DATA)]
    data: PathBuf,
    /// Where the server is to listen.
    #[arg(long, value_name = "HOST:PORT", default_value = commands::serve::LISTEN)]
    listen: SocketAddr,
    /// The server's certificate chain, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Also try this server, through to its answer to a Hello: wss://HOST, or ws:// to this machine.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// The app to greet that server for.
    #[arg(long, value_name = "N", default_value_t = 1)]
    app_id: u32,
    /// Also believe servers whose certificate comes from an authority in this PEM file.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Print findings as JSON lines.
    #[arg(long)]
    json: bool,
}

/// One thing that was looked at.
pub(crate) struct Finding {
    /// What, in a word or two.
    pub(crate) name: &'static str,
    /// How bad it is.
    pub(crate) state: State,
    /// What was seen.
    pub(crate) seen: String,
    /// What to do; nothing when it is well.
    pub(crate) cure: Option<String>,
}

/// How bad a finding is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    Ok,
    Warn,
    Fail,
}

impl Finding {
    fn ok(name: &'static str, seen: impl Into<String>) -> Self {
        Self { name, state: State::Ok, seen: seen.into(), cure: None }
    }

    fn warn(name: &'static str, seen: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { name, state: State::Warn, seen: seen.into(), cure: Some(cure.into()) }
    }

    fn fail(name: &'static str, seen: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { name, state: State::Fail, seen: seen.into(), cure: Some(cure.into()) }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    logging::start(None);
    let mut findings = vec![machine::version(), machine::clock(), machine::open_files()];
    findings.extend(place::look(&arguments.data));
    findings.extend(database::look(&arguments.data));
    findings.push(reach::port(arguments.listen, arguments.tls_cert.is_some()));
    if let (Some(cert), Some(key)) = (&arguments.tls_cert, &arguments.tls_key) {
        findings.extend(tls::look(cert, key));
    }
    if let Some(url) = &arguments.server {
        let server = ServerArguments {
            server: url.clone(),
            app_id: arguments.app_id,
            ca: arguments.ca.clone(),
            allow_plaintext: true,
        };
        findings.push(commands::runtime()?.block_on(reach::server(&server)));
    }
    for finding in &findings {
        print(finding, arguments.json);
    }
    let bad = findings.iter().any(|finding| finding.state == State::Fail);
    Ok(if bad { Done::Refused } else { Done::Well })
}

fn print(finding: &Finding, json: bool) {
    let Finding { name, state, seen, cure } = finding;
    let word = match state {
        State::Ok => "ok",
        State::Warn => "warn",
        State::Fail => "fail",
    };
    if json {
        let line = serde_json::json!({"check": name, "state": word, "seen": seen, "cure": cure});
        println!("{line}");
        return;
    }
    println!("{word:4}  {name:15}  {seen}");
    if let Some(cure) = cure {
        println!("{:23}do: {cure}", "");
    }
}

const EXAMPLES: &str = "\
Examples:
  homing doctor                                          before the first start
  homing doctor --data /var/lib/homing --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem
  homing doctor --server wss://chat.example --app-id 1   can clients get through?

--server says Hello as the user `homing-doctor` with a token that is none; that the server refuses
it proves the whole way. It shows up there as one refused login.
Exit codes: 0 nothing fails (warnings are allowed); 1 something does; 2 the arguments are wrong.";
