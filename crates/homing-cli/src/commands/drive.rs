//! `homing drive`: one SDK client by JSON lines, for tests, scripts and other languages.
//!
//! Each line is begun in the order of the lines; answers come as they are ready, in any order. All
//! that the client tells (statuses, events) stands between them in its own order. Nothing that a line
//! says ends the program: only the end of stdin, SIGTERM or SIGINT do, with everything let go of.

mod facade;
mod operation;
mod output;
mod providing;
mod request;
mod shape;
mod waiting;

use std::path::PathBuf;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use clap::Args;
use homing::{
    Client, ClockShift, Config, Fact, Logged, NetworkSwitch, Plaintext, Platform, TlsRoots,
};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, coop};

use self::facade::{Facade, Face};
use self::operation::Driven;
use self::output::Output;
use self::providing::Providing;
use self::request::Request;
use self::waiting::Waiting;
use crate::cli::{Done, Outcome};
use crate::failure::Failure;
use crate::lines::{self, Line};
use crate::signals::Signals;
use crate::{commands, logging};

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) server: ServerArguments,
    /// Where this client's data lies; one client at a time. Made if it is missing.
    #[arg(long, value_name = "DIR")]
    store: PathBuf,
    #[command(flatten)]
    device: DeviceArguments,
    /// Ask for credentials by the event `credential_wanted`, to be answered by `provide`.
    #[arg(long)]
    provider: bool,
    /// Drive one of the facades instead, under its own names and numbers.
    #[arg(long, value_name = "NAME", conflicts_with = "provider")]
    facade: Option<Facade>,
    /// With --facade v2tim: a login reports a kick that this device was not there for.
    #[arg(long, requires = "facade")]
    report_offline_kick: bool,
}

/// Which app on which server.
#[derive(Clone, Args)]
pub(crate) struct ServerArguments {
    /// The server: wss://HOST[:PORT], or ws:// to this machine.
    #[arg(long, value_name = "URL", env = "HOMING_URL")]
    pub(crate) server: String,
    /// The app.
    #[arg(long, value_name = "N")]
    pub(crate) app_id: u32,
    /// Also believe servers whose certificate comes from an authority in this PEM file.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Let ws:// lead to another machine, unencrypted.
    #[arg(long)]
    pub(crate) allow_plaintext: bool,
}

/// What the device says of itself.
#[derive(Clone, Args)]
pub(crate) struct DeviceArguments {
    /// What it runs on, for the app's policy: android, ios, ipad, harmony, windows, macos, linux,
    /// web, mini_program or other.
    #[arg(long, value_name = "PLATFORM", value_parser = platform)]
    platform: Option<Platform>,
    /// A mark of your own that the account's other devices see, at most 32 bytes.
    #[arg(long, value_name = "TEXT")]
    tag: Option<String>,
    /// The operating system in its own words, at most 32 bytes.
    #[arg(long, value_name = "TEXT")]
    os: Option<String>,
    /// A client type of your own, for the app's policy.
    #[arg(long, value_name = "N", default_value_t = 0)]
    custom_type: u32,
}

impl ServerArguments {
    /// A client of that app on that server.
    pub(crate) fn config(&self) -> Result<Config, homing::Error> {
        Config::new(self.app_id, &self.server).map(|config| self.apply(config))
    }

    fn apply(&self, mut config: Config) -> Config {
        if let Some(file) = &self.ca {
            config = config.tls_roots(TlsRoots::PublicAnd(file.clone()));
        }
        if self.allow_plaintext {
            config = config.plaintext(Plaintext::Anywhere);
        }
        config
    }
}

impl DeviceArguments {
    pub(crate) fn apply(&self, mut config: Config) -> Config {
        if let Some(platform) = self.platform {
            config = config.platform(platform);
        }
        if let Some(tag) = &self.tag {
            config = config.tag(tag);
        }
        if let Some(os) = &self.os {
            config = config.os(os);
        }
        config.custom_type(self.custom_type)
    }
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    logging::start(None);
    let runtime = commands::runtime()?;
    match arguments.facade {
        None => runtime.block_on(drive(arguments)),
        Some(facade) => runtime.block_on(drive_facade(arguments, facade)),
    }
}

async fn drive_facade(arguments: &Arguments, facade: Facade) -> Outcome {
    let mut signals = Signals::take().map_err(commands::no_signals)?;
    let output = Output::start();
    let face = Face::new(facade, arguments, output.clone());
    let mut running = JoinSet::new();
    let run = |request| {
        let face = face.clone();
        async move { face.run(request).await }
    };
    tokio::select! {
        () = read(lines::stdin(), run, &output, &mut running) => finish(&mut running).await,
        () = signals.next() => {}
        () = output.closed() => {}
    }
    face.close().await;
    finish(&mut running).await;
    drop(face);
    // Callbacks that are on their way hold the output; they end with the client.
    let _ = tokio::time::timeout(PATIENCE, output.end()).await;
    Ok(Done::Well)
}

async fn drive(arguments: &Arguments) -> Outcome {
    let mut signals = Signals::take().map_err(commands::no_signals)?;
    let (network, clock) = (NetworkSwitch::default(), ClockShift::default());
    let (output, providing) = (Output::start(), Providing::default());
    let open = async {
        let mut config = arguments.device.apply(arguments.server.config()?);
        if arguments.provider {
            config = config.credential_provider(providing.provider(output.clone()));
        }
        let config = config
            .data_dir(&arguments.store)
            .network_switch(network.clone())
            .clock_shift(clock.clone())
            .event_capacity(EVENTS);
        Client::open(config).await
    };
    let what = || format!("cannot open a client on {}", arguments.store.display());
    let client = open.await.map_err(|error| Failure::of(what(), &error))?;
    let waiting = Arc::new(Waiting::default());
    let telling = tokio::spawn(tell(client.clone(), output.clone(), waiting.clone()));
    let driven = Driven { client: client.clone(), network, clock, waiting, providing };
    let mut running = JoinSet::new();
    let run = |request| {
        let driven = driven.clone();
        async move { driven.run(request).await.map_err(|error| shape::error(&error)) }
    };
    tokio::select! {
        () = read(lines::stdin(), run, &output, &mut running) => finish(&mut running).await,
        () = signals.next() => {}
        () = output.closed() => {}
    }
    client.close().await;
    finish(&mut running).await;
    // The journal ends when the client is closed.
    let _ = telling.await;
    output.end().await;
    Ok(Done::Well)
}

/// Reads lines until stdin ends.
async fn read<F: Future<Output = Result<Value, Value>> + Send + 'static>(
    mut lines: mpsc::Receiver<Line>,
    run: impl Fn(Request) -> F,
    output: &Output,
    running: &mut JoinSet<()>,
) {
    while let Some(line) = lines.recv().await {
        while running.try_join_next().is_some() {}
        let (id, request) = Request::parse(&line);
        let request = match request {
            Ok(_) if running.len() >= RUNNING => Err(operation::too_many()),
            other => other,
        };
        let request = match request {
            Ok(Some(request)) => request,
            Ok(None) => continue,
            Err(error) => {
                output.put(shape::answer(&id, Err(shape::error(&error)))).await;
                continue;
            }
        };
        let (result, answers) = (run(request), output.clone());
        let mut operation = Box::pin(async move {
            answers.put(shape::answer(&id, result.await)).await;
        });
        // The first poll hands the call over: calls begin in the order of the lines.
        if !first_poll(&mut operation).await {
            running.spawn(operation);
        }
    }
}

/// Polls once, in any case; whether it is over. What a future does first is then done.
async fn first_poll(future: &mut (impl Future<Output = ()> + Unpin)) -> bool {
    let poll = std::future::poll_fn(|context| {
        let poll = std::pin::Pin::new(&mut *future).poll(context);
        Poll::Ready(poll.is_ready())
    });
    coop::unconstrained(poll).await
}

/// Gives operations a while to end by themselves.
async fn finish(running: &mut JoinSet<()>) {
    let all = async { while running.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(PATIENCE, all).await;
}

/// Prints whatever the client tells, until it is closed.
async fn tell(client: Client, output: Output, waiting: Arc<Waiting>) {
    let mut journal = client.journal();
    // The handle must not keep the client alive.
    drop(client);
    while let Some(entry) = journal.next().await {
        let line = match &entry {
            Logged::Entry(Fact::Status(status)) => shape::status_event(status),
            Logged::Entry(Fact::Event(event)) => shape::event(event),
            Logged::Lagged(missed) => shape::lagged(*missed),
        };
        output.put(line).await;
        match &entry {
            Logged::Entry(Fact::Event(event)) => waiting.heard(event),
            Logged::Entry(Fact::Status(_)) => {}
            Logged::Lagged(_) => waiting.lagged(),
        }
    }
    waiting.closed();
}

fn platform(name: &str) -> Result<Platform, String> {
    Platform::from_name(name).ok_or_else(|| {
        let names: Vec<_> = Platform::ALL.iter().map(|platform| platform.name()).collect();
        format!("there is: {}", names.join(", "))
    })
}

/// Operations that may be on their way at once; the next one is answered `rate_limited`.
const RUNNING: usize = 16 * 1024;
/// Operations that are on their way when stdin ends get this long, in case a pipe asked something
/// and wants the answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Entries of the journal kept for a stdout that is read slowly.
const EVENTS: usize = 16 * 1024;

const EXAMPLES: &str = r#"In, one line each (`id` is a number or a string and comes back with the answer):
  {"id":1,"do":"login","user":"alice","token":"…","force":true,"depth":"live","timeout_ms":30000}
  {"id":2,"do":"login_offline","user":"alice"}      {"id":3,"do":"resume_last"}
  {"id":4,"do":"send","to":"bob","text":"hi","wait":"accepted"}
  {"id":5,"do":"history","with":"bob","before":0,"limit":20}
  {"id":6,"do":"network","cut":true}                {"id":7,"do":"clock","shift_s":-86400}
Also: renew, provide (token, or not_now with retry_after_ms, needs_user, signed_out; with ask, the
question's number), logout (wipe), status, self, devices, kick_device (session or sessions), mark_read
(with, seq), conversations (limit), conversation (with), outbox, users and presence (users),
network (up), hint (network_up, network_down, network_changed, wake, foreground, background or tap),
suspend, resume, close. `conversation":"user/bob` says the same as `with":"bob`.

Out, one line each:
  {"id":1,"ok":{…}}  or  {"id":1,"err":{"code":201,"name":"credential_expired","text":"…","advice":"re_authenticate"}}
  {"event":"status","seq":7,"session":{…},"link":{…},"sync":{…},"cause":"server"}
  {"event":"message","conversation":"user/bob","seq":3,"from":"bob","text":"hi","client_id":"…"}
Also: send_state, read, window_changed, kicked, devices_changed, credential_expiring,
credential_needed, credential_wanted (with --provider), sync_started, sync_finished, sync_failed, store_reset, lagged.

With --facade v2tim, nim or zim the lines speak to that facade, under the names and numbers of the
original; events are {"event":"v2tim","callback":"on_kicked_offline"}, {"event":"nim","class":…,"status":…},
{"event":"zim","callback":…,"state":2,"connection_event":0}; network and clock are as above.
  v2tim: init_sdk, un_init_sdk, login (user_id, user_sig), logout, get_login_user, get_login_status,
         get_server_time, get_version, get_user_status (users), get_conversation_list (next_seq, count),
         send_c2c_text_message (text, user_id)
  nim:   initialize (auto_login_info, custom_tag, custom_client_type, credential_format), uninitialize,
         login (account, token, auth_type, force_mode, login_ext), logout, online_clients,
         kick_out_other_online_client (client_type), send_text_message (account, text),
         query_session_list (limit)
  zim:   create (app_sign, token_format), destroy, login (user_id, token, user_name, is_offline_login),
         logout (is_clear_db), renew_token (token), query_conversation_list (count),
         query_history_message (conversation_id, count), query_users_status (users),
         send_message (text, to_user_id)

Examples:
  homing drive --server ws://127.0.0.1:7700 --app-id 1 --store ./alice --platform ios
  echo '{"id":1,"do":"resume_last"}' | homing drive --server wss://chat.example --app-id 1 --store ./a

Calls are begun in the order of the lines; answers come in any order. Logs go to stderr when
HOMING_LOG asks for them (HOMING_LOG=homing=debug).
Exit codes: 0 stdin ended or a signal came; 1 the client could not be opened; 2 wrong arguments."#;
