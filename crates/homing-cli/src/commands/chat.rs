//! `homing chat`: a person talks. A full screen on a terminal, plain lines in a pipe.
//!
//! [`talk`] is the chat itself, the same for both: it owns the client, understands what is typed and
//! tells what there is to show. [`screen`] and [`plain`] show it.

mod credentials;
mod plain;
mod screen;
mod talk;
mod token_command;
mod typed;
mod words;

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use homing::{Client, UserId};
use homing_token::Format;
use tokio::sync::mpsc;

use self::credentials::Credentials;
use self::talk::Talk;
use self::token_command::TokenCommand;
use super::drive::{DeviceArguments, ServerArguments};
use crate::cli::Outcome;
use crate::failure::Failure;
use crate::{commands, logging};

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    server: ServerArguments,
    /// Who you are.
    #[arg(long, value_name = "USER")]
    user: UserId,
    /// Proof of it, as the app's server makes it. Not needed for a store that you are signed in on.
    #[arg(long, value_name = "TOKEN", env = "HOMING_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// A command that prints a credential, run by `sh -c` when one is needed: to sign in, before the
    /// present one runs out, and after it ran out or was refused. It has 20 s, and finds who and why
    /// (sign_in, expiring, expired, refused) in HOMING_USER and HOMING_REASON.
    #[arg(long, value_name = "CMD", env = "HOMING_TOKEN_COMMAND", hide_env_values = true)]
    token_command: Option<String>,
    /// The form of the credentials: usersig, token04, token04-cbc, nim-static, nim-dynamic, jwt,
    /// third-party or app-sign.
    #[arg(long, value_name = "FORMAT", default_value = "usersig")]
    format: Format,
    /// Where messages are kept. Without it nothing stays, and each start is a new device.
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Begin with this conversation.
    #[arg(long, value_name = "USER")]
    with: Option<UserId>,
    /// Plain lines, even on a terminal.
    #[arg(long)]
    plain: bool,
    #[command(flatten)]
    device: DeviceArguments,
}

pub(crate) fn run(arguments: Arguments) -> Outcome {
    let full_screen = io::stdout().is_terminal() && io::stdin().is_terminal() && !arguments.plain;
    // Logs would be written across the screen.
    if !full_screen || !io::stderr().is_terminal() {
        logging::start(None);
    }
    commands::runtime()?.block_on(async {
        let Arguments { server, user, store, with, device, .. } = arguments;
        let (token, format) = (arguments.token, arguments.format);
        let command = arguments.token_command;
        let command = command.map(|line| Arc::new(TokenCommand::new(line, format, user.clone())));
        let (tell_failure, failures) = mpsc::channel(FAILURES);
        let open = async {
            let mut config = device.apply(server.config()?);
            if let Some(command) = &command {
                config = config.credential_provider(command.clone().provider(tell_failure));
            }
            if let Some(store) = &store {
                config = config.data_dir(store);
            }
            Client::open(config).await
        };
        let client = open.await.map_err(|error| Failure::of("cannot open the chat", &error))?;
        let credentials = Credentials::new(format, token, command);
        let talk = Talk::new(client, user, credentials, failures, with);
        if full_screen { screen::run(talk).await } else { plain::run(talk).await }
    })
}

/// Failures of the token command that wait to be told.
const FAILURES: usize = 4;

const EXAMPLES: &str = "\
Examples:
  homing chat --server ws://127.0.0.1:7700 --app-id 1 --user alice --token TOKEN --with bob
  HOMING_TOKEN=TOKEN homing chat --server wss://chat.example --app-id 1 --user alice --store ./alice
  homing chat --server … --app-id 1 --user alice --token-command 'curl -sf https://app.example/ticket'
  echo 'the build is green' | homing chat --server … --app-id 1 --user ci --token TOKEN --with bob

With --store you stay signed in: the next start opens your messages at once, with or without
network, and takes nobody's place. Without a terminal, lines from stdin go to --with, messages come
on stdout, and the end of stdin waits until the server has everything.
With --token-command nobody need bring a new token: the command is asked before the present one runs
out. What it prints is not shown; what it says on stderr is, when it fails.
/help inside shows what can be typed.
Exit codes: 0 you left, or everything was sent; 1 sign-in or sending failed; 2 wrong arguments.";
