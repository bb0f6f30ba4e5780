//! `homing token mint`: a credential on stdout, alone, so that `TOKEN=$(homing token mint …)` works.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use homing_proto::id::{AppId, UserId};
use homing_token::{Format, Grant, Key, mint};

use super::judged_at;
use crate::cli::{Done, Outcome};
use crate::failure::Failure;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The form of credential: usersig.
    #[arg(long, value_name = "FORMAT")]
    format: Format,
    /// The app it is for.
    #[arg(long, value_name = "N", value_parser = app_id)]
    app_id: AppId,
    /// The app's secret key. In the environment it does not show in the list of processes.
    #[arg(long, value_name = "KEY", env = "HOMING_KEY", hide_env_values = true)]
    key: String,
    /// The user it is for: 1 to 32 bytes.
    #[arg(long, value_name = "USER")]
    user: UserId,
    /// Seconds that it is valid.
    #[arg(long, value_name = "SECONDS", default_value_t = homing_token::DEFAULT_TTL_S)]
    ttl: u64,
    /// The issue time in seconds since 1970, instead of the clock's.
    #[arg(long, value_name = "UNIX")]
    now: Option<u64>,
    /// Bytes of your own to be covered by the signature, in base64.
    #[arg(long, value_name = "BASE64", value_parser = userbuf)]
    userbuf: Option<Userbuf>,
    /// The app key of the nim formats; others do not use it.
    #[arg(long, value_name = "KEY")]
    app_key: Option<String>,
}

/// A type of its own: clap takes a list of bytes for a list of arguments.
#[derive(Clone)]
struct Userbuf(Vec<u8>);

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let Arguments { format, app_id, key, user, ttl, now, userbuf, app_key: _ } = arguments;
    let grant = Grant {
        app: *app_id,
        user,
        issued_at: judged_at(*now),
        ttl_s: *ttl,
        userbuf: userbuf.as_ref().map(|Userbuf(bytes)| bytes.as_slice()),
    };
    let token = Key::new(key.as_bytes())
        .and_then(|key| mint(*format, &key, &grant))
        .map_err(|error| Failure::of("cannot make the credential", &error))?;
    println!("{}", token.expose());
    Ok(Done::Well)
}

fn app_id(text: &str) -> Result<AppId, String> {
    let number = text.parse().map_err(|_| "an app id is a number from 1 to 4294967295")?;
    AppId::new(number).map_err(|error| error.sentence().to_owned())
}

fn userbuf(text: &str) -> Result<Userbuf, String> {
    STANDARD.decode(text).map(Userbuf).map_err(|error| format!("not base64: {error}"))
}

const EXAMPLES: &str = "\
Examples:
  homing token mint --format usersig --app-id 1 --key KEY --user alice
  HOMING_KEY=KEY homing token mint --format usersig --app-id 1 --user alice --ttl 60
  TOKEN=$(homing token mint --format usersig --app-id 1 --key KEY --user alice)

Whoever has the key can be every user of the app: it belongs on a server, never in an app.
Exit codes: 0 printed; 1 refused, why is on stderr; 2 the arguments are wrong.";
