//! Questions to the admin API: JSON over HTTP, with the errors put into words. The commands for
//! operators ([`app`](super::app), [`user`](super::user)) go through here.

pub(crate) mod show;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use homing_server::config::ADMIN_TOKEN_FILE;
use serde_json::Value;
use ureq::http::{Response, Uri};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body};

use crate::commands;
use crate::failure::Failure;

/// Where the API is and who asks.
#[derive(Args)]
pub(crate) struct ApiArguments {
    /// The server.
    #[arg(
        long,
        value_name = "URL",
        env = "HOMING_URL",
        default_value = "http://127.0.0.1:7700",
        global = true
    )]
    url: String,
    /// The right to ask [default: what admin.token in --data holds]. In the environment it does not
    /// show in the list of processes.
    #[arg(
        long,
        value_name = "TOKEN",
        env = "HOMING_ADMIN_TOKEN",
        hide_env_values = true,
        global = true
    )]
    admin_token: Option<String>,
    /// The data directory of a server on this machine, to take the admin token from.
    #[arg(long, value_name = "DIR", default_value = commands::serve::DATA, global = true)]
    data: PathBuf,
    /// Believe servers whose certificate comes from an authority in this PEM file.
    #[arg(long, value_name = "FILE", global = true)]
    ca: Option<PathBuf>,
    /// Print the server's answer as JSON.
    #[arg(long, global = true)]
    json: bool,
}

/// The end of the help of every command that takes [`ApiArguments`].
macro_rules! api_help {
    () => {
        "\
The server is --url or HOMING_URL, else http://127.0.0.1:7700. The admin token is --admin-token or
HOMING_ADMIN_TOKEN, else what `admin.token` in --data (./homing-data) holds.
Exit codes: 0 done; 1 refused or not reachable, why is on stderr; 2 the arguments are wrong."
    };
}
pub(crate) use api_help;

impl ApiArguments {
    /// Prints an answer: as it came, where JSON is asked for, else in words.
    pub(crate) fn print(&self, answer: &Value, words: impl FnOnce(&Value) -> String) {
        println!("{}", if self.json { answer.to_string() } else { words(answer) });
    }
}

/// A server's admin API.
pub(crate) struct Api {
    agent: Agent,
    base: String,
    token: String,
}

impl Api {
    pub(crate) fn new(arguments: &ApiArguments) -> Result<Self, Failure> {
        let token = match &arguments.admin_token {
            Some(token) => token.clone(),
            None => token_of(&arguments.data)?,
        };
        let base = base(&arguments.url)?;
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .user_agent(concat!("homing/", env!("CARGO_PKG_VERSION")));
        if let Some(file) = &arguments.ca {
            let roots = RootCerts::from(authorities(file)?);
            config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
        }
        Ok(Self { agent: config.build().into(), base, token })
    }

    pub(crate) fn get(&self, path: &str, what: &str) -> Result<Value, Failure> {
        let asked = self.agent.get(self.url(path)).header("authorization", self.bearer()).call();
        self.read(asked, what)
    }

    pub(crate) fn post(&self, path: &str, body: &Value, what: &str) -> Result<Value, Failure> {
        let request = self.agent.post(self.url(path)).header("authorization", self.bearer());
        self.read(request.send_json(body), what)
    }

    pub(crate) fn patch(&self, path: &str, body: &Value, what: &str) -> Result<Value, Failure> {
        let request = self.agent.patch(self.url(path)).header("authorization", self.bearer());
        self.read(request.send_json(body), what)
    }

    pub(crate) fn delete(&self, path: &str, what: &str) -> Result<Value, Failure> {
        let request = self.agent.delete(self.url(path)).header("authorization", self.bearer());
        self.read(request.call(), what)
    }

    pub(crate) fn put(&self, path: &str, body: &Value, what: &str) -> Result<Value, Failure> {
        let request = self.agent.put(self.url(path)).header("authorization", self.bearer());
        self.read(request.send_json(body), what)
    }

    /// A deletion that says something.
    pub(crate) fn delete_with(
        &self,
        path: &str,
        body: &Value,
        what: &str,
    ) -> Result<Value, Failure> {
        let request = self.agent.delete(self.url(path)).header("authorization", self.bearer());
        self.read(request.force_send_body().send_json(body), what)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn read(
        &self,
        asked: Result<Response<Body>, ureq::Error>,
        what: &str,
    ) -> Result<Value, Failure> {
        let mut response = asked.map_err(|error| {
            let cure = "check --url, and that the server runs: homing serve";
            Failure::new(what, format!("{} cannot be reached: {error}", self.base), cure)
        })?;
        let status = response.status();
        let text = response.body_mut().with_config().limit(ANSWER_BYTES).read_to_string();
        let text = text.map_err(|error| Failure::new(what, error, "try again"))?;
        let body = if text.is_empty() {
            Ok(Value::Null)
        } else {
            serde_json::from_str(&text).map_err(|_| not_homing(what))
        };
        if status.is_success() {
            return body;
        }
        let problem = body.unwrap_or_default();
        let said = ["text", "detail", "title"]
            .iter()
            .find_map(|field| problem.get(field).and_then(Value::as_str));
        let why = match (problem.get("name").and_then(Value::as_str), said) {
            (Some(name), Some(said)) => format!("{name}: {said}"),
            (None, Some(said)) => said.to_owned(),
            _ => format!("the server answered {status}"),
        };
        Err(Failure::new(what, why, cure(status.as_u16())))
    }
}

/// The admin token of a server on this machine.
fn token_of(data: &Path) -> Result<String, Failure> {
    let path = data.join(ADMIN_TOKEN_FILE);
    let token = std::fs::read_to_string(&path).map_err(|error| {
        Failure::new(
            "cannot ask the server",
            format!("there is no admin token: {}: {error}", path.display()),
            "give --data with the server's data directory, or --admin-token, or set \
             HOMING_ADMIN_TOKEN",
        )
    })?;
    Ok(token.trim().to_owned())
}

/// The part of a server's address that paths are put behind; `ws` addresses mean the same server.
fn base(url: &str) -> Result<String, Failure> {
    let wrong = |why: &str| {
        Failure::new(
            "cannot ask the server",
            format!("`{url}` {why}"),
            "write --url http://127.0.0.1:7700 or https://chat.example",
        )
    };
    let uri: Uri = url.parse().map_err(|_| wrong("is no address"))?;
    let scheme = match uri.scheme_str() {
        Some("http" | "ws") => "http",
        Some("https" | "wss") => "https",
        _ => return Err(wrong("begins with neither http:// nor https://")),
    };
    let authority = uri.authority().ok_or_else(|| wrong("has no host"))?;
    Ok(format!("{scheme}://{authority}{}", uri.path().trim_end_matches('/')))
}

fn authorities(file: &PathBuf) -> Result<Vec<Certificate<'static>>, Failure> {
    let what = || format!("cannot use the authorities in {}", file.display());
    let cure = "give a PEM file with certificates";
    let pem = std::fs::read(file).map_err(|error| Failure::new(what(), error, cure))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        let item = item.map_err(|error| Failure::new(what(), error, cure))?;
        if let PemItem::Certificate(certificate) = item {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(Failure::new(what(), "it holds no certificate", cure));
    }
    Ok(certificates)
}

fn not_homing(what: &str) -> Failure {
    Failure::new(
        what,
        "what answers there does not speak the admin API",
        "check --url: it must lead to a Homing server of this version",
    )
}

const fn cure(status: u16) -> &'static str {
    match status {
        401 => "give the server's admin token; admin.token in its data directory holds it",
        403 => "this admin token may not do that; use one of a higher role",
        404 => "`homing app list` and `homing user list --app-id N` show what there is",
        410 => "nothing can be done to what is gone",
        405 => "this server cannot do that yet; use one of a newer version",
        429 | 503 => "wait a moment and try again",
        500..=599 => "look into the server's log",
        _ => "correct the arguments; `homing app --help` has examples",
    }
}

/// An answer of the server takes milliseconds; a proxy that hangs takes for ever.
const TIMEOUT: Duration = Duration::from_secs(30);
/// A page of a list stays far below.
const ANSWER_BYTES: u64 = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_address_names_the_same_server() {
        for (url, at) in [
            ("http://127.0.0.1:7700", "http://127.0.0.1:7700"),
            ("ws://127.0.0.1:7700/", "http://127.0.0.1:7700"),
            ("wss://chat.example/base", "https://chat.example/base"),
        ] {
            assert_eq!(base(url).unwrap(), at);
        }
        assert!(base("chat.example").is_err());
        assert!(base("ftp://chat.example").is_err());
    }
}
