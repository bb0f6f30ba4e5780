//! `homing app`: the apps of a running server, through its admin API.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::admin::{Api, ApiArguments, show};
use crate::cli::{Done, Outcome};

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    api: ApiArguments,
    /// Print the server's answer as JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Create an app, and print its key.
    Create {
        /// What people call it, at most 256 bytes.
        #[arg(long, value_name = "NAME")]
        name: String,
        /// Its number; the server chooses the next free one without.
        #[arg(long, value_name = "N")]
        id: Option<u32>,
        /// Which devices of a user may be signed in together: single, dual, triple, multi, nim-one,
        /// nim-desktop-mobile, nim-all, zim-single, zim-dual, zim-multi.
        #[arg(long, value_name = "PRESET")]
        policy: Option<String>,
    },
    /// All apps.
    List,
    /// One app with its settings and keys.
    Show {
        /// The app.
        #[arg(value_name = "ID")]
        id: u32,
    },
    /// Change settings; a KEY is one of those below.
    #[command(after_help = SETTINGS)]
    Set {
        /// The app.
        #[arg(value_name = "ID")]
        id: u32,
        /// What to change.
        #[arg(value_name = "KEY=VALUE", required = true, value_parser = setting)]
        settings: Vec<(String, String)>,
    },
    /// Delete an app with its users and messages, for good.
    Delete {
        /// The app.
        #[arg(value_name = "ID")]
        id: u32,
    },
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let api = Api::new(&arguments.api)?;
    match &arguments.command {
        Command::Create { name, id, policy } => {
            let mut app = Map::from_iter([("name".to_owned(), json!(name))]);
            if let Some(id) = id {
                app.insert("id".to_owned(), json!(id));
            }
            if let Some(policy) = policy {
                app.insert("policy".to_owned(), json!(policy));
            }
            let what = format!("cannot create the app “{name}”");
            let created = api.post("/v1/apps", &Value::Object(app), &what)?;
            print(arguments, &created, show::one);
        }
        Command::List => {
            let list = api.get("/v1/apps", "cannot list the apps")?;
            print(arguments, &list, show::apps);
        }
        Command::Show { id } => {
            let app = api.get(&path(*id), &format!("cannot show app {id}"))?;
            print(arguments, &app, show::one);
        }
        Command::Set { id, settings } => {
            let change = change(settings);
            let what = format!("cannot change app {id}");
            let app = api.patch(&path(*id), &Value::Object(change), &what)?;
            print(arguments, &app, show::one);
        }
        Command::Delete { id } => {
            api.delete(&path(*id), &format!("cannot delete app {id}"))?;
            print(arguments, &json!({"deleted": id}), |_| format!("app {id} is deleted"));
        }
    }
    Ok(Done::Well)
}

fn print(arguments: &Arguments, value: &Value, words: impl Fn(&Value) -> String) {
    if arguments.json {
        println!("{value}");
    } else {
        println!("{}", words(value));
    }
}

fn path(id: u32) -> String {
    format!("/v1/apps/{id}")
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("a setting is written KEY=VALUE, such as policy=dual".to_owned()),
    }
}

/// `min_sdk_on.ios=1.2` is the field `ios` of `min_sdk_on`.
fn change(settings: &[(String, String)]) -> Map<String, Value> {
    let mut change = Map::new();
    for (key, text) in settings {
        match key.split_once('.') {
            Some((group, field)) => {
                let group = change.entry(group).or_insert_with(|| json!({}));
                group[field] = json!(text);
            }
            None => {
                change.insert(key.clone(), value(key, text));
            }
        }
    }
    change
}

/// Names, presets and versions are texts whatever they look like; the rest is what it looks like.
fn value(key: &str, text: &str) -> Value {
    match key {
        "name" | "policy" | "min_sdk" => json!(text),
        _ => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
    }
}

const SETTINGS: &str = "\
Settings:
  name=TEXT                 what people call it
  policy=PRESET             which devices of a user may be signed in together; see `homing policy`
  auto_register=true|false  whether the first good login creates the user
  session_age_s=SECONDS     how long a session lives without a connection: an hour to a year
  min_sdk=VERSION           the oldest SDK let in, such as 1.2.0; nothing after = lets in all
  min_sdk_on.PLATFORM=VERSION   the same for one platform, instead of min_sdk
  min_proto=N               the lowest protocol version let in; 0 lets in all

Examples:
  homing app set 1 min_sdk=1.2.0 min_sdk_on.ios=1.3.0
  homing app set 1 auto_register=false session_age_s=604800";

const EXAMPLES: &str = "\
Examples:
  homing app create --name shop
  homing app create --name shop --policy dual --json | jq -r .key
  homing app list
  homing app show 1
  homing app set 1 policy=dual name='The shop' auto_register=false
  homing app delete 1

The server is --url or HOMING_URL, else http://127.0.0.1:7700. The admin token is --admin-token or
HOMING_ADMIN_TOKEN, else what `admin.token` in --data (./homing-data) holds.
Exit codes: 0 done; 1 refused or not reachable, why is on stderr; 2 the arguments are wrong.";
