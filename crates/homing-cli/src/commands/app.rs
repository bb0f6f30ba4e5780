//! `homing app`: the apps of a running server, through its admin API.

mod deletion;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::admin::{Api, ApiArguments, api_help, show};
use crate::cli::{Done, Outcome};

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
    /// Delete an app with its users and messages, for good. Whoever is signed in is signed out at once;
    /// what it had is erased in the background.
    #[command(after_help = DELETION)]
    Delete(deletion::Arguments),
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let api = Api::new(&arguments.api)?;
    let print = |value: &Value, words: fn(&Value) -> String| arguments.api.print(value, words);
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
            print(&created, show::one);
        }
        Command::List => {
            let list = api.get("/v1/apps", "cannot list the apps")?;
            print(&list, apps);
        }
        Command::Show { id } => {
            let app = api.get(&path(*id), &format!("cannot show app {id}"))?;
            print(&app, show::one);
        }
        Command::Set { id, settings } => {
            let change = change(settings);
            let what = format!("cannot change app {id}");
            let app = api.patch(&path(*id), &Value::Object(change), &what)?;
            print(&app, show::one);
        }
        Command::Delete(deletion) => print(&deletion.run(&api)?, deletion::words),
    }
    Ok(Done::Well)
}

/// The apps, and under them those that are on their way out.
fn apps(list: &Value) -> String {
    let deleting =
        show::rows(list, "deleting").iter().map(|app| format!("\n{}", deletion::words(app)));
    format!("{}{}", show::apps(list), deleting.collect::<String>())
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

const DELETION: &str = "\
Nothing of the app can be had back. Without --yes you are asked to type the app's id. The number is not
given out again. The answer comes when the app is out of service; --wait waits until nothing is left of
it, which `homing app show ID` tells as well: `deleting`, then `unknown_app`. Deleting again is no error.

Examples:
  homing app delete 1
  homing app delete 1 --yes --wait
  homing app delete 1 --yes --json | jq .erased.messages";

const EXAMPLES: &str = concat!(
    "\
Examples:
  homing app create --name shop
  homing app create --name shop --policy dual --json | jq -r .key
  homing app list
  homing app show 1
  homing app set 1 policy=dual name='The shop' auto_register=false
  homing app delete 1

",
    api_help!()
);
