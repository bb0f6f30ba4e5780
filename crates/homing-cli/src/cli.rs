//! What can be asked of the program, and the way from an answer to an exit code.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::{app, chat, demo, doctor, drive, policy, serve, token, user};
use crate::failure::Failure;

/// Reads the arguments and does what they ask. Wrong usage exits with 2 and says what is right.
pub(crate) fn run() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(arguments) => serve::run(&arguments),
        Command::App(arguments) => app::run(&arguments),
        Command::Policy(arguments) => policy::run(&arguments),
        Command::User(arguments) => user::run(&arguments),
        Command::Token(arguments) => token::run(&arguments),
        Command::Chat(arguments) => chat::run(arguments),
        Command::Drive(arguments) => drive::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
    };
    match outcome {
        Ok(Done::Well) => ExitCode::SUCCESS,
        Ok(Done::Refused) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// How a command ended.
pub(crate) type Outcome = Result<Done, Failure>;

/// How a command ended that could say all it had to say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Done {
    /// As asked: exit code 0.
    Well,
    /// The answer was no, and was printed: exit code 1.
    Refused,
}

/// Homing: in-app chat that always finds its way back. A server, and everything to run and try it.
#[derive(Parser)]
#[command(name = "homing", version, max_term_width = 100, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the server: gateway and API on one port, data in one directory.
    Serve(serve::Arguments),
    /// Create, list, show, change and delete apps on a running server.
    App(app::Arguments),
    /// Which of a user's devices may be signed in together: show it, change it, try it.
    Policy(policy::Arguments),
    /// The users of an app: create, list, ban, kick, and on what they are signed in.
    User(user::Arguments),
    /// Make a credential for a user, or judge one.
    Token(token::Arguments),
    /// Chat in the terminal.
    Chat(chat::Arguments),
    /// One SDK client by JSON lines on stdin and stdout: for tests and other languages.
    Drive(drive::Arguments),
    /// A guided tour on real sockets, every step checked.
    Demo(demo::Arguments),
    /// Look for what keeps a server or a client from working, and say the cure.
    Doctor(doctor::Arguments),
}

const EXAMPLES: &str = "\
Examples:
  homing serve --dev                   a server with a demo app and users, ready in a second
  homing demo --once                   see what it does, step by step
  homing chat --server ws://127.0.0.1:7700 --app-id 1 --user alice --token TOKEN
  homing token mint --format usersig --app-id 1 --key KEY --user alice
  homing doctor                        what is wrong on this machine

Exit codes: 0 done; 1 refused or failed, and why is on stderr; 2 the arguments are wrong.
`homing COMMAND --help` has examples for each command.";

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory as _};

    use super::Cli;

    #[test]
    fn the_arguments_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_of_every_command_has_examples() {
        let mut cli = Cli::command();
        cli.build();
        check(&cli);
        cli.get_subcommands().filter(|command| command.get_name() != "help").for_each(check);
    }

    fn check(command: &Command) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let commands = || command.get_subcommands().filter(|inner| inner.get_name() != "help");
        // Where the commands below have examples, or this one has them for all, none is left out.
        let below = || commands().next().is_some() && commands().all(has_examples);
        assert!(help.contains("Examples:") || below(), "{}", command.get_name());
    }

    fn has_examples(command: &Command) -> bool {
        command.get_after_help().is_some_and(|help| help.to_string().contains("Examples:"))
    }
}
