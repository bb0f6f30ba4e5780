//! `homing app delete`: asked once more, done at once, erased in the background.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::path;
use crate::commands::admin::Api;
use crate::failure::Failure;

#[derive(Args)]
pub(super) struct Arguments {
    /// The app.
    #[arg(value_name = "ID")]
    id: u32,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
    /// Come back only when nothing of the app is left.
    #[arg(long)]
    wait: bool,
}

impl Arguments {
    pub(super) fn run(&self, api: &Api) -> Result<Value, Failure> {
        let Self { id, yes, wait } = *self;
        if !yes {
            confirm(api, id)?;
        }
        let what = format!("cannot delete app {id}");
        let mut answer = api.delete(&path(id), &what)?;
        let shown = wait && io::stderr().is_terminal();
        while wait && is_left(&answer) {
            if shown {
                eprint!("\r{}", words(&answer));
            }
            std::thread::sleep(LOOK);
            answer = api.delete(&path(id), &what)?;
        }
        if shown {
            eprintln!();
        }
        Ok(answer)
    }
}

/// What became of a deleted app, or is becoming of it.
pub(super) fn words(app: &Value) -> String {
    let count = |name: &str| app["erased"][name].as_u64().unwrap_or(0);
    let (state, so_far) = if is_left(app) { ("being erased", " so far") } else { ("erased", "") };
    let (users, messages) = (count("users"), count("messages"));
    format!("app {} is deleted and {state}: users {users}, messages {messages}{so_far}", app["id"])
}

fn is_left(app: &Value) -> bool {
    app["state"] == "deleting"
}

/// Has somebody at the terminal type the app's id.
fn confirm(api: &Api, id: u32) -> Result<(), Failure> {
    let cannot = |why: &str, cure: &str| Failure::new(format!("cannot delete app {id}"), why, cure);
    if !io::stdin().is_terminal() {
        return Err(cannot(
            "nobody is there to be asked",
            "give --yes to delete it without a question",
        ));
    }
    let app = api.get(&path(id), &format!("cannot delete app {id}"))?;
    if is_left(&app) {
        return Ok(());
    }
    let mut stderr = io::stderr();
    let name = app["name"].as_str().unwrap_or_default();
    let name: String = name.chars().filter(|sign| !sign.is_control()).collect();
    let _ = write!(
        stderr,
        "App {id}, “{name}”, goes with all its users and messages, for good.\nType its id to delete it: "
    );
    let _ = stderr.flush();
    let mut typed = String::new();
    let read = io::stdin().lock().read_line(&mut typed);
    if read.is_ok() && is_confirmed(&typed, id) {
        return Ok(());
    }
    Err(cannot("it was not confirmed; nothing was deleted", "type the app's id, or give --yes"))
}

/// Neither `y` nor Enter: that is typed without looking.
fn is_confirmed(typed: &str, id: u32) -> bool {
    typed.trim() == id.to_string()
}

/// Between two looks at how far the erasing is.
const LOOK: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_apps_own_id_confirms() {
        assert!(is_confirmed("12\n", 12));
        for typed in ["", "\n", "y\n", "yes\n", "1\n", "012\n", "12 13\n"] {
            assert!(!is_confirmed(typed, 12), "{typed:?}");
        }
    }

    #[test]
    fn it_is_told_how_far_the_erasing_is() {
        let mut app = json!({"id": 3, "state": "deleting", "erased": {"users": 2, "messages": 9}});
        assert_eq!(words(&app), "app 3 is deleted and being erased: users 2, messages 9 so far");
        app["state"] = json!("erased");
        assert_eq!(words(&app), "app 3 is deleted and erased: users 2, messages 9");
    }
}
