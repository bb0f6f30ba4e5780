//! `homing user static-token`: the text that a user signs in with where the app takes `nim-static`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Api, One};
use crate::failure::Failure;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Give a user a static token in place of the one before, and print it if it was drawn.
    Set {
        #[command(flatten)]
        one: One,
        /// This one, 16 to 128 bytes; without it the server draws one of 256 bits, which is printed this
        /// once. In the environment it does not show in the list of processes.
        #[arg(long, value_name = "TOKEN", env = "HOMING_STATIC_TOKEN", hide_env_values = true)]
        token: Option<String>,
    },
    /// Take a user's static token away: nothing of this form signs the user in any more.
    Clear(One),
}

pub(super) fn run(api: &Api, arguments: &Arguments) -> Result<Value, Failure> {
    match &arguments.command {
        Command::Set { one, token } => set(api, one, token.as_deref()),
        Command::Clear(one) => api.delete(&path(one), &one.cannot("clear the static token of")),
    }
}

/// The server's answer, without a token that whoever asks has given.
fn set(api: &Api, one: &One, token: Option<&str>) -> Result<Value, Failure> {
    let body = token.map_or_else(|| json!({}), |token| json!({ "token": token }));
    let mut answer = api.post(&path(one), &body, &one.cannot("set the static token of"))?;
    if token.is_some()
        && let Some(fields) = answer.as_object_mut()
    {
        fields.remove("token");
    }
    let app = one.app.app_id;
    let shown = api.get(&format!("/v1/apps/{app}"), &format!("cannot show app {app}"))?;
    if shown["credentials"]["nim_static"] == false {
        eprintln!(
            "note: app {app} does not take static tokens yet; homing app set {app} nim_static=true"
        );
    }
    Ok(answer)
}

/// A drawn token alone, so that a script can take it.
pub(super) fn said(answer: &Value) -> String {
    answer["token"].as_str().unwrap_or("done").to_owned()
}

fn path(one: &One) -> String {
    format!("{}/static-token", one.path())
}

const EXAMPLES: &str = "\
Examples:
  homing app set 1 nim_static=true                           the app takes static tokens
  TOKEN=$(homing user static-token set --app-id 1 dave)      draws one
  HOMING_STATIC_TOKEN=… homing user static-token set --app-id 1 dave
  homing user static-token clear --app-id 1 dave

A static token does not expire: whoever has it is the user, until it is set anew, cleared, or revoked
(`homing user revoke`). The server keeps its SHA-256 alone, so a drawn one cannot be shown again.
Sessions live on; `homing user kick` ends them. New work should take jwt (docs/credentials.md).
Exit codes: 0 done; 1 refused or not reachable, why is on stderr; 2 the arguments are wrong.";
