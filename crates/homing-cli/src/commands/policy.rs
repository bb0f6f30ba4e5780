//! `homing policy`: which of a user's devices may be signed in together, through the admin API of a
//! running server.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
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
    /// The policy of an app.
    Get(App),
    /// Give an app a policy of its own making.
    Set {
        #[command(flatten)]
        app: App,
        #[command(flatten)]
        parts: Parts,
    },
    /// Give an app a named policy; without a name: what there is to choose from.
    Preset {
        #[command(flatten)]
        app: App,
        /// single, dual, triple, multi, nim-one, nim-desktop-mobile, nim-all, zim-single, zim-dual,
        /// zim-multi.
        #[arg(value_name = "PRESET")]
        preset: Option<String>,
    },
    /// Who would be displaced if a user signed in on such a device now. Nothing happens.
    Try {
        #[command(flatten)]
        app: App,
        /// The user.
        #[arg(value_name = "USER")]
        user: String,
        /// The device: android, ios, ipad, harmony, windows, macos, linux, web, mini_program, other.
        #[arg(value_name = "PLATFORM")]
        platform: String,
        /// The app's own client type.
        #[arg(long, value_name = "N", default_value_t = 0)]
        custom_type: u32,
        /// A login that displaces nobody.
        #[arg(long)]
        no_force: bool,
        /// Judge by this preset instead of the app's policy.
        #[arg(long, value_name = "PRESET")]
        preset: Option<String>,
    },
}

#[derive(Args)]
struct App {
    /// The app.
    #[arg(long, value_name = "N")]
    app_id: u32,
}

/// What is not said is not bounded beyond what every policy is: 10 on a platform, 20 in total.
#[derive(Args)]
#[group(required = true, multiple = true)]
struct Parts {
    /// These platforms count together, and only one of them may be signed in at a time, with at
    /// most CAP sessions (1 without it). May be given again.
    #[arg(long = "exclusive", value_name = "PLATFORM,…[:CAP]", value_parser = group)]
    exclusive: Vec<(Vec<String>, u32)>,
    /// These platforms count together, with at most CAP sessions. May be given again.
    #[arg(long = "together", value_name = "PLATFORM,…:CAP", value_parser = group)]
    together: Vec<(Vec<String>, u32)>,
    /// At most N sessions on that platform, 1 to 10. May be given again.
    #[arg(long = "cap", value_name = "PLATFORM=N", value_parser = cap)]
    caps: Vec<(String, u32)>,
    /// At most N sessions in all, 1 to 20.
    #[arg(long, value_name = "N")]
    total: Option<u32>,
    /// Sessions with a client type of the app's own take places of that type, N for each type,
    /// outside all groups.
    #[arg(long, value_name = "N")]
    per_custom_type: Option<u32>,
    /// Take the policy as JSON, in the form that `get --json` prints, from a file or from - (stdin).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["exclusive", "together", "caps", "total",
        "per_custom_type"])]
    file: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let api = Api::new(&arguments.api)?;
    let print = |value: &Value, words: fn(&Value) -> String| arguments.api.print(value, words);
    match &arguments.command {
        Command::Get(app) => {
            let what = format!("cannot show the policy of app {}", app.app_id);
            print(&api.get(&app.policy(), &what)?, policy);
        }
        Command::Set { app, parts } => print(&app.put(&api, &parts.read()?)?, policy),
        Command::Preset { app, preset: Some(name) } => {
            print(&app.put(&api, &json!({ "preset": name }))?, policy);
        }
        Command::Preset { preset: None, .. } => {
            print(&api.get("/v1/presets", "cannot list the presets")?, presets);
        }
        Command::Try { app, user, platform, custom_type, no_force, preset } => {
            let mut login = json!({
                "user": user,
                "platform": platform,
                "custom_type": custom_type,
                "force": !no_force,
            });
            if let Some(name) = preset {
                login["policy"] = json!({ "preset": name });
            }
            let what = format!("cannot try a login of {user} in app {}", app.app_id);
            print(&api.post(&format!("{}:try", app.policy()), &login, &what)?, outlook);
        }
    }
    Ok(Done::Well)
}

impl App {
    fn policy(&self) -> String {
        format!("/v1/apps/{}/policy", self.app_id)
    }

    fn put(&self, api: &Api, policy: &Value) -> Result<Value, Failure> {
        let what = format!("cannot set the policy of app {}", self.app_id);
        api.put(&self.policy(), policy, &what)
    }
}

impl Parts {
    fn read(&self) -> Result<Value, Failure> {
        if let Some(file) = &self.file {
            return read_file(file);
        }
        let mut policy = Map::new();
        let groups = self.exclusive.iter().map(|group| (group, true));
        let groups = groups.chain(self.together.iter().map(|group| (group, false)));
        let groups: Vec<_> = groups
            .map(|((platforms, cap), one)| {
                json!({ "platforms": platforms, "cap": cap, "one_platform_at_a_time": one })
            })
            .collect();
        policy.insert("groups".to_owned(), json!(groups));
        let caps: Map<_, _> =
            self.caps.iter().map(|(platform, cap)| (platform.clone(), json!(cap))).collect();
        policy.insert("platform_caps".to_owned(), Value::Object(caps));
        if let Some(total) = self.total {
            policy.insert("total_cap".to_owned(), json!(total));
        }
        if let Some(cap) = self.per_custom_type {
            policy.insert("custom_type_cap".to_owned(), json!(cap));
        }
        Ok(Value::Object(policy))
    }
}

fn read_file(file: &Path) -> Result<Value, Failure> {
    let what = || format!("cannot read a policy from {}", file.display());
    let text = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().lock().take(FILE_BYTES).read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    let cure = "give a file with what `homing policy get --json` prints, changed as you like";
    let text = text.map_err(|error| Failure::new(what(), error, cure))?;
    serde_json::from_str(&text).map_err(|error| Failure::new(what(), error, cure))
}

/// A policy in lines that say what it does.
fn policy(value: &Value) -> String {
    let number = |name: &str| value[name].as_u64().unwrap_or(0);
    let mut lines = Vec::new();
    if let Some(preset) = value["preset"].as_str() {
        lines.push(format!("preset {preset}"));
    }
    lines.push(format!("at most {} in total", number("total_cap")));
    for group in show::rows(value, "groups") {
        let names: Vec<_> =
            show::rows(group, "platforms").iter().filter_map(Value::as_str).collect();
        let rule = match group["one_platform_at_a_time"].as_bool() {
            Some(true) if names.len() > 1 => "one platform at a time, ",
            _ => "",
        };
        lines.push(format!("{}: {rule}at most {}", names.join(" "), group["cap"]));
    }
    let caps = value["platform_caps"].as_object().into_iter().flatten();
    let caps: Vec<_> = caps.map(|(platform, cap)| format!("{platform} {cap}")).collect();
    lines.push(format!("on each platform at most: {}", caps.join(", ")));
    if value["custom_type_cap"].is_u64() {
        let cap = number("custom_type_cap");
        lines.push(format!("for each client type of the app's own: {cap}, outside the groups"));
    }
    lines.join("\n")
}

fn presets(value: &Value) -> String {
    let one = |preset: &Value| policy(preset).replace('\n', "\n  ");
    show::rows(value, "presets").iter().map(one).collect::<Vec<_>>().join("\n\n")
}

fn outlook(value: &Value) -> String {
    if value["accepted"] != true {
        return format!("refused: these hold the places\n{}", show::sessions_of(value, "holders"));
    }
    match show::rows(value, "displaced").len() {
        0 => "accepted: nobody is displaced".to_owned(),
        _ => format!("accepted: these lose theirs\n{}", show::sessions_of(value, "displaced")),
    }
}

/// `ios,android` or `ios,android:2`.
fn group(text: &str) -> Result<(Vec<String>, u32), String> {
    let (platforms, cap) = match text.split_once(':') {
        Some((platforms, cap)) => {
            (platforms, cap.parse().map_err(|_| format!("`{cap}` is no number of sessions"))?)
        }
        None => (text, 1),
    };
    if platforms.is_empty() {
        return Err("a group is written PLATFORM,PLATFORM:CAP, such as ios,android:1".to_owned());
    }
    Ok((platforms.split(',').map(str::to_owned).collect(), cap))
}

/// `web=2`.
fn cap(text: &str) -> Result<(String, u32), String> {
    let wrong = || "a cap is written PLATFORM=N, such as web=2".to_owned();
    let (platform, cap) = text.split_once('=').ok_or_else(wrong)?;
    Ok((platform.to_owned(), cap.parse().map_err(|_| wrong())?))
}

/// A policy has some hundred bytes.
const FILE_BYTES: u64 = 64 * 1024;

const EXAMPLES: &str = concat!(
    "\
Examples:
  homing policy get --app-id 1
  homing policy preset --app-id 1                what there is to choose from
  homing policy preset --app-id 1 dual
  homing policy set --app-id 1 --exclusive ios,android,harmony --together web,mini_program:2 --total 3
  homing policy get --app-id 1 --json > policy.json; homing policy set --app-id 1 --file policy.json
  homing policy try --app-id 1 alice ios         who would be displaced, before it happens

A change applies to new logins only: who is signed in stays, however many they are.

",
    api_help!()
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_caps_are_read_as_they_are_written() {
        assert_eq!(group("ios,android:2"), Ok((vec!["ios".into(), "android".into()], 2)));
        assert_eq!(group("web"), Ok((vec!["web".into()], 1)));
        assert!(group(":1").is_err() && group("ios:x").is_err());
        assert_eq!(cap("web=2"), Ok(("web".into(), 2)));
        assert!(cap("web").is_err() && cap("web=").is_err());
    }

    #[test]
    fn a_policy_is_shown_in_words() {
        let dual = json!({"preset": "x", "total_cap": 2, "custom_type_cap": 3, "groups": [
            {"platforms": ["ios", "ipad"], "one_platform_at_a_time": true, "cap": 1}],
            "platform_caps": {"ios": 1}});
        let shown = policy(&dual);
        assert!(shown.contains("ios ipad: one platform at a time, at most 1"), "{shown}");
        assert!(shown.contains("type of the app's own: 3"), "{shown}");
    }
}
