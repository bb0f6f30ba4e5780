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
    /// The form of credential: usersig, token04, token04-cbc, nim-dynamic, jwt.
    #[arg(long, value_name = "FORMAT")]
    format: Format,
    /// The app it is for.
    #[arg(long, value_name = "N", value_parser = app_id)]
    app_id: AppId,
    /// The app's secret key; for jwt a text (HS256), or a private key in PEM or JWK (P-256: ES256,
    /// Ed25519: EdDSA). In the environment it does not show in the list of processes.
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
    /// Bytes of your own to be covered by the signature, in base64: for usersig, and as the payload of
    /// token04.
    #[arg(long, value_name = "BASE64", value_parser = userbuf)]
    userbuf: Option<Userbuf>,
    /// The app key that belongs to the app secret; nim-dynamic needs it, others do not use it.
    #[arg(long, value_name = "KEY")]
    app_key: Option<String>,
    /// The key id to name in a jwt (`kid`), so that the server need not try all its keys.
    #[arg(long, value_name = "ID")]
    key_id: Option<String>,
}

/// A type of its own: clap takes a list of bytes for a list of arguments.
#[derive(Clone)]
struct Userbuf(Vec<u8>);

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let Arguments { format, app_id, key, user, ttl, now, userbuf, app_key, key_id } = arguments;
    let grant = Grant {
        app: *app_id,
        user,
        issued_at: judged_at(*now),
        ttl_s: *ttl,
        userbuf: userbuf.as_ref().map(|Userbuf(bytes)| bytes.as_slice()),
    };
    let name = match format {
        Format::NimDynamic => app_key,
        Format::Jwt => key_id,
        _ => &None,
    };
    let token = Key::new(key.as_bytes())
        .and_then(|key| match name {
            Some(name) => key.named(name.as_str()),
            None => Ok(key),
        })
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
  homing token mint --format token04 --app-id 1 --key SERVER_SECRET --user alice
  homing token mint --format nim-dynamic --app-id 1 --app-key AK --key APP_SECRET --user alice
  openssl genpkey -algorithm ed25519 -out key.pem
  HOMING_KEY=\"$(cat key.pem)\" homing token mint --format jwt --key-id 2026 --app-id 1 --user alice

The forms:
  usersig      JSON with HMAC-SHA256, packed (TLSSigAPI v2)
  token04      JSON sealed with AES-GCM; the key has 32 bytes
  token04-cbc  the older form, encrypted with AES-CBC: nothing proves that it is unchanged. A server
               takes it only with allow_cbc; make it for tests of that and nothing else
  nim-dynamic  SHA-1 over app key, user, time, ttl and app secret; a server takes a ttl of a day at
               most unless the app allows more (30 days), and no user id but the one it was made for
  jwt          sub is the user, aud the app; HS256, ES256 or EdDSA as the key is
Not minted: nim-static (a text of your choice, set for the user on the server), third-party (whatever
your own server takes), app-sign (the key itself).

Whoever has the key can be every user of the app: it belongs on a server, never in an app.
Exit codes: 0 printed; 1 refused, why is on stderr; 2 the arguments are wrong.";
