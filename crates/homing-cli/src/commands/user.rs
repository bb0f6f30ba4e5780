//! `homing user`: the users of an app, through the admin API of a running server.

mod static_token;

use clap::{Args, Subcommand};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::admin::{Api, ApiArguments, api_help, show};
use crate::cli::{Done, Outcome};
use crate::failure::Failure;

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    api: ApiArguments,
}

#[derive(Subcommand)]
enum Command {
    /// Create users; those that are there already stay as they are.
    Create {
        #[command(flatten)]
        app: App,
        /// Their ids: 1 to 32 letters, digits and signs other than quotes, slashes and spaces.
        #[arg(value_name = "USER", required = true)]
        users: Vec<String>,
        /// What people call the user, when it is one.
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
    /// The users of an app in the order of their ids, deleted ones too.
    List {
        #[command(flatten)]
        app: App,
        /// Only those whose ids begin with this.
        #[arg(long, value_name = "TEXT", default_value = "")]
        prefix: String,
        /// At most this many.
        #[arg(long, value_name = "N", default_value_t = usize::MAX, hide_default_value = true)]
        limit: usize,
    },
    /// One user: whether it may sign in, and on what it is signed in.
    Show(One),
    /// Give a user another name.
    Rename {
        #[command(flatten)]
        one: One,
        /// What people call the user.
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Delete an account for good: its sessions end, its id is not given out again.
    Delete {
        #[command(flatten)]
        one: One,
        #[command(flatten)]
        words: Words,
    },
    /// Keep a user out and end all its sessions, for good or for a time.
    Ban {
        #[command(flatten)]
        one: One,
        /// How long: 90s, 30m, 12h, 7d. Without it the ban lasts until `unban`.
        #[arg(long = "for", value_name = "TIME", value_parser = seconds, conflicts_with = "until")]
        lasting: Option<u64>,
        /// When it ends, in seconds since 1970.
        #[arg(long, value_name = "UNIX")]
        until: Option<u64>,
        #[command(flatten)]
        words: Words,
    },
    /// Lift a ban.
    Unban(One),
    /// Declare every credential dead that was issued before now. Sessions live on; see `kick`.
    Revoke(One),
    /// End sessions: all, some, or all but some.
    Kick {
        #[command(flatten)]
        one: One,
        /// End this one; may be given again.
        #[arg(long = "session", value_name = "SESSION")]
        sessions: Vec<String>,
        /// Spare this one and end the others; may be given again.
        #[arg(long, value_name = "SESSION", conflicts_with = "sessions")]
        except: Vec<String>,
        /// Also declare every credential dead that was issued before now.
        #[arg(long)]
        revoke_credentials: bool,
        #[command(flatten)]
        words: Words,
    },
    /// Give a user a static token, or take it away (the form nim-static).
    StaticToken(static_token::Arguments),
    /// On what a user is signed in.
    Sessions(One),
    /// Who of these is online, and on what.
    Online {
        #[command(flatten)]
        app: App,
        /// The users.
        #[arg(value_name = "USER", required = true)]
        users: Vec<String>,
    },
}

#[derive(Args)]
struct App {
    /// The app.
    #[arg(long, value_name = "N")]
    app_id: u32,
}

#[derive(Args)]
struct One {
    #[command(flatten)]
    app: App,
    /// The user.
    #[arg(value_name = "USER")]
    user: String,
}

#[derive(Args)]
struct Words {
    /// What the user is told, at most 256 bytes.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    text: String,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let api = Api::new(&arguments.api)?;
    let print = |value: &Value, words: fn(&Value) -> String| arguments.api.print(value, words);
    match &arguments.command {
        Command::Create { app, users, name } => print(&create(&api, app, users, name)?, made),
        Command::List { app, prefix, limit } => print(&list(&api, app, prefix, *limit)?, users),
        Command::Show(one) => print(&api.get(&one.path(), &one.cannot("show"))?, show::user),
        Command::Rename { one, name } => {
            let changed =
                api.patch(&one.path(), &json!({ "name": name }), &one.cannot("rename"))?;
            print(&changed, show::user);
        }
        Command::Delete { one, words } => {
            let body = json!({ "text": words.text });
            print(&api.delete_with(&one.path(), &body, &one.cannot("delete"))?, governed);
        }
        Command::Ban { one, lasting, until, words } => {
            let mut body = json!({ "text": words.text });
            if let Some(seconds) = lasting {
                body["for_s"] = json!(seconds);
            }
            if let Some(unix) = until {
                body["until_ms"] = json!(unix.saturating_mul(1_000));
            }
            print(&one.act(&api, "ban", &body)?, governed);
        }
        Command::Unban(one) => print(&one.act(&api, "unban", &json!({}))?, governed),
        Command::Revoke(one) => print(&one.act(&api, "revoke", &json!({}))?, governed),
        Command::Kick { one, sessions, except, revoke_credentials, words } => {
            let mut body = json!({ "text": words.text, "revoke_credentials": revoke_credentials });
            if !sessions.is_empty() {
                body["sessions"] = json!(sessions);
            }
            if !except.is_empty() {
                body["except"] = json!(except);
            }
            print(&one.act(&api, "kick", &body)?, governed);
        }
        Command::StaticToken(of) => print(&static_token::run(&api, of)?, static_token::said),
        Command::Sessions(one) => {
            let path = format!("{}/sessions", one.path());
            print(&api.get(&path, &one.cannot("show the sessions of"))?, show::sessions);
        }
        Command::Online { app, users } => print(&online(&api, app, users)?, who_is_online),
    }
    Ok(Done::Well)
}

impl App {
    fn users(&self) -> String {
        format!("/v1/apps/{}/users", self.app_id)
    }
}

impl One {
    fn path(&self) -> String {
        format!("{}/{}", self.app.users(), encoded(&self.user))
    }

    fn cannot(&self, what: &str) -> String {
        format!("cannot {what} user {} of app {}", self.user, self.app.app_id)
    }

    fn act(&self, api: &Api, act: &str, body: &Value) -> Result<Value, Failure> {
        api.post(&format!("{}/{act}", self.path()), body, &self.cannot(act))
    }
}

/// As many requests as there are hundreds.
fn create(api: &Api, app: &App, users: &[String], name: &Option<String>) -> Result<Value, Failure> {
    if name.is_some() && users.len() != 1 {
        let cure = "create the users one by one, or give them names with `homing user rename`";
        return Err(Failure::new("cannot create the users", "--name is for one user", cure));
    }
    let mut lines = Vec::new();
    for batch in users.chunks(BATCH) {
        let new = |id: &String| json!({ "id": id, "name": name.as_deref().unwrap_or_default() });
        let body = json!({ "users": batch.iter().map(new).collect::<Vec<_>>() });
        let what = format!("cannot create users in app {}", app.app_id);
        let answer = api.post(&app.users(), &body, &what)?;
        lines.extend(answer["users"].as_array().cloned().unwrap_or_default());
    }
    Ok(json!({ "users": lines }))
}

/// Page after page.
fn list(api: &Api, app: &App, prefix: &str, limit: usize) -> Result<Value, Failure> {
    let what = format!("cannot list the users of app {}", app.app_id);
    let mut users = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let page = BATCH.min(limit - users.len());
        if page == 0 {
            break;
        }
        let mut path = format!("{}?prefix={}&limit={page}", app.users(), encoded(prefix));
        if let Some(cursor) = &cursor {
            path = format!("{path}&cursor={}", encoded(cursor));
        }
        let answer = api.get(&path, &what)?;
        users.extend(answer["users"].as_array().cloned().unwrap_or_default());
        cursor = answer["next"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    Ok(Value::Object(Map::from_iter([("users".to_owned(), Value::Array(users))])))
}

fn online(api: &Api, app: &App, users: &[String]) -> Result<Value, Failure> {
    let mut lines = Vec::new();
    for batch in users.chunks(BATCH) {
        let path = format!("{}:online", app.users());
        let what = format!("cannot ask who of app {} is online", app.app_id);
        let answer = api.post(&path, &json!({ "users": batch }), &what)?;
        lines.extend(answer["users"].as_array().cloned().unwrap_or_default());
    }
    Ok(json!({ "users": lines }))
}

fn made(answer: &Value) -> String {
    show::table(show::rows(answer, "users"), &["id", "result"], "nobody was created")
}

fn users(answer: &Value) -> String {
    let columns = ["id", "name", "standing", "online", "session_count", "created_ms"];
    show::table(show::rows(answer, "users"), &columns, "there is no such user")
}

fn who_is_online(answer: &Value) -> String {
    let columns = ["id", "known", "online", "platforms"];
    show::table(show::rows(answer, "users"), &columns, "nobody was asked for")
}

fn governed(answer: &Value) -> String {
    let ended = answer["ended"].as_u64().unwrap_or(0);
    let plural = if ended == 1 { "" } else { "s" };
    format!("{ended} session{plural} ended\n{}", show::user(&answer["user"]))
}

/// Every sign that has a meaning in an address is written as `%XX`.
fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// `90s`, `30m`, `12h` or `7d`.
fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || "a time is a number with s, m, h or d, such as 30m or 7d".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(wrong()),
    };
    number.checked_mul(unit).filter(|seconds| *seconds > 0).ok_or_else(wrong)
}

/// What the server takes and gives at once.
const BATCH: usize = 100;

const EXAMPLES: &str = concat!(
    "\
Examples:
  homing user create --app-id 1 dave erin
  homing user list --app-id 1 --prefix d
  homing user show --app-id 1 dave
  homing user ban --app-id 1 dave --for 12h --text 'Too many messages'
  homing user kick --app-id 1 dave                         every session
  homing user kick --app-id 1 dave --except SESSION --revoke-credentials
  homing user static-token set --app-id 1 dave             prints the token, this once
  homing user sessions --app-id 1 dave --json | jq -r '.sessions[].session'
  homing user online --app-id 1 dave erin

A ban and a deletion end all sessions; each device is told why, now or when it comes back. `kick`
alone lets the user sign in again.

",
    api_help!()
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_number_and_a_unit() {
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("12h"), Ok(43_200));
        assert_eq!(seconds("7d"), Ok(604_800));
        for wrong in ["", "s", "7", "-1h", "0m", "1w", "9999999999999999999d", "7日"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn no_sign_of_a_user_id_has_a_meaning_in_a_path() {
        assert_eq!(encoded("a?b#c%.."), "a%3Fb%23c%25%2E%2E");
    }
}
