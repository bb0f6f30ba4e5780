//! Logs on stderr, as `HOMING_LOG` (or `RUST_LOG`) asks.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

/// Turns logs on. `default` is a filter for when the environment asks for nothing; `None` keeps
/// silent then. A filter that cannot be read is told and replaced by the default.
pub(crate) fn start(default: Option<&str>) {
    let asked = ["HOMING_LOG", "RUST_LOG"].into_iter().find_map(|name| std::env::var(name).ok());
    let filter = match (asked, default) {
        (Some(asked), default) => match EnvFilter::try_new(&asked) {
            Ok(filter) => filter,
            Err(error) => {
                eprintln!("warning: the log filter `{asked}` cannot be read ({error}); not used");
                EnvFilter::new(default.unwrap_or("warn"))
            }
        },
        (None, Some(default)) => EnvFilter::new(default),
        (None, None) => return,
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}
