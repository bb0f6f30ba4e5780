//! A step of a scenario as it is written (`spec/scenarios/README.md`, "Steps").

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// One step.
#[derive(Debug)]
pub(super) struct Step {
    /// What the author says of it; shown when it fails.
    pub(super) note: Option<String>,
    pub(super) action: Action,
    /// As it is written, for reports.
    pub(super) written: Value,
}

/// What a step does. Each has one field that no other has, its verb.
#[derive(Debug)]
pub(super) enum Action {
    Do(Do),
    Begin(Begin),
    Answer(Answer),
    Together(Vec<Do>),
    Expect(Expect),
    State(State),
    Never(Never),
    Count(Count),
    Mark(Mark),
    Among(Among),
    Process(Process),
    Server(ServerAct),
    Admin(Admin),
    Mint(Mint),
    Wire(Wire),
    Dials(Dials),
    CopyStore(CopyStore),
    DamageStore(String),
    NoTraceOf(String),
}

/// Variables to save: the name, and the JSON pointer of the value.
pub(super) type Save = BTreeMap<String, String>;

/// An operation, and its answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Do {
    pub(super) on: String,
    #[serde(rename = "do")]
    pub(super) operation: String,
    #[serde(default)]
    pub(super) args: BTreeMap<String, Value>,
    pub(super) ok: Option<Value>,
    pub(super) err: Option<Value>,
    /// The whole answer, where both ends are right.
    pub(super) outcome: Option<Value>,
    #[serde(default)]
    pub(super) save: Save,
    pub(super) within_ms: Option<u64>,
    /// It is asked again until the answer is right, for this long.
    pub(super) again_within_ms: Option<u64>,
}

/// An operation whose answer is awaited by a later step.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Begin {
    pub(super) on: String,
    #[serde(rename = "begin")]
    pub(super) operation: String,
    #[serde(default)]
    pub(super) args: BTreeMap<String, Value>,
    #[serde(rename = "as")]
    pub(super) name: String,
}

/// The answer to an operation that was begun.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    pub(super) on: String,
    #[serde(rename = "answer")]
    pub(super) name: String,
    pub(super) ok: Option<Value>,
    pub(super) err: Option<Value>,
    /// The whole answer, where both ends are right.
    pub(super) outcome: Option<Value>,
    #[serde(default)]
    pub(super) save: Save,
    pub(super) within_ms: Option<u64>,
}

/// Events that come, in this order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    pub(super) on: String,
    pub(super) expect: OneOrMore,
    pub(super) from: Option<String>,
    #[serde(default)]
    pub(super) save: Save,
    pub(super) within_ms: Option<u64>,
}

/// The latest status is, or becomes, as wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    pub(super) on: String,
    pub(super) state: Value,
    #[serde(default)]
    pub(super) save: Save,
    pub(super) within_ms: Option<u64>,
}

/// Events that do not come.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Never {
    pub(super) on: String,
    pub(super) never: OneOrMore,
    pub(super) from: Option<String>,
    pub(super) for_ms: Option<u64>,
    pub(super) until: Option<Value>,
    pub(super) within_ms: Option<u64>,
}

/// How many such events there were.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Count {
    pub(super) on: String,
    pub(super) count: Value,
    pub(super) times: Times,
    pub(super) from: Option<String>,
}

/// Names this moment of a device.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    pub(super) on: String,
    pub(super) mark: String,
}

/// So many of these devices have, or come to have, such a status.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Among {
    pub(super) among: Vec<String>,
    pub(super) have: Value,
    pub(super) times: Times,
    pub(super) within_ms: Option<u64>,
}

/// What happens to a device's process.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Process {
    pub(super) on: String,
    pub(super) process: ProcessAct,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ProcessAct {
    /// Starts it, on the store it has.
    Start,
    /// Its stdin ends; it ends by itself with exit code 0.
    End,
    /// kill -9.
    Kill,
    /// `End`, then `Start`.
    Restart,
    /// `Kill`, then `Start`.
    Crash,
    /// Starts it, and it ends by itself with exit code 1: it could not open its client.
    Fail,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ServerAct {
    /// On the data and the port it had.
    Start,
    /// SIGTERM; it drains and ends with exit code 0.
    Stop,
    /// SIGTERM, without waiting; `Stop` waits later.
    Drain,
    /// kill -9.
    Kill,
    /// `Stop`, then `Start`.
    Restart,
    /// `Kill`, then `Start`.
    Crash,
}

/// A question to the server's admin API.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Admin {
    /// `METHOD /path`.
    pub(super) admin: String,
    pub(super) body: Option<Value>,
    pub(super) ok: Option<Value>,
    pub(super) err: Option<Value>,
    #[serde(default)]
    pub(super) save: Save,
    /// It is asked again until the answer is right, for this long.
    pub(super) again_within_ms: Option<u64>,
}

/// A token, made by the server's own program.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mint {
    /// For whom.
    #[serde(rename = "mint")]
    pub(super) user: String,
    /// The variable that gets it.
    #[serde(rename = "as")]
    pub(super) name: String,
    #[serde(default = "usersig")]
    pub(super) format: String,
    /// How long it is valid.
    pub(super) ttl_s: Option<u64>,
    /// Issued that long ago, or in the future when negative.
    #[serde(default)]
    pub(super) age_s: i64,
    /// With another app's id or key than the scenario's.
    pub(super) app_id: Option<Value>,
    pub(super) key: Option<Value>,
}

/// What happens on the way between a device and the server.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wire {
    pub(super) on: String,
    pub(super) wire: WireAct,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum WireAct {
    /// Everything goes through.
    Pass,
    /// Nothing goes through, and nobody is told.
    Hold,
    /// The device's bytes go through, the server's are lost, but for its answer to the upgrade.
    LoseAnswers,
    /// Connections are closed as soon as they are made.
    Refuse,
    /// Connections are answered by a proxy whose server is down.
    BadGateway,
    /// Connections that there are now are severed.
    Cut,
}

/// How many connections a device made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dials {
    pub(super) on: String,
    pub(super) dials: Times,
    pub(super) from: Option<String>,
}

/// A data directory is copied to another device, neither of them running.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CopyStore {
    #[serde(rename = "copy_store")]
    pub(super) from: String,
    pub(super) to: String,
}

/// A pattern, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMore {
    More(Vec<Value>),
    One(Value),
}

impl OneOrMore {
    pub(super) fn patterns(&self) -> &[Value] {
        match self {
            Self::One(pattern) => std::slice::from_ref(pattern),
            Self::More(patterns) => patterns,
        }
    }
}

/// A number: this one, or one within these.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Times {
    Exactly(u64),
    Within(Range),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Range {
    at_least: Option<u64>,
    at_most: Option<u64>,
}

impl Times {
    pub(super) fn allows(self, number: u64) -> bool {
        match self {
            Self::Exactly(wanted) => number == wanted,
            Self::Within(Range { at_least, at_most }) => {
                at_least.is_none_or(|least| number >= least)
                    && at_most.is_none_or(|most| number <= most)
            }
        }
    }
}

impl Step {
    /// Reads a step.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(super) fn read(written: Value) -> Result<Self, String> {
        let Value::Object(mut fields) = written.clone() else {
            return Err("a step is an object".to_owned());
        };
        let note = match fields.remove("note") {
            None => None,
            Some(Value::String(note)) => Some(note),
            Some(_) => return Err("`note` is a text".to_owned()),
        };
        let verbs: Vec<_> = VERBS.into_iter().filter(|verb| fields.contains_key(*verb)).collect();
        let [verb] = verbs[..] else {
            let all = VERBS.join(", ");
            return Err(format!("a step has one of these fields, and one only: {all}"));
        };
        let action = Action::read(verb, fields.into())
            .map_err(|error| format!("a step with `{verb}`: {error}"))?;
        Ok(Self { note, action, written })
    }
}

impl Action {
    fn read(verb: &str, fields: Value) -> Result<Self, String> {
        Ok(match verb {
            "do" => Self::Do(read(fields)?),
            "begin" => Self::Begin(read(fields)?),
            "answer" => Self::Answer(read(fields)?),
            "together" => Self::Together(read::<Together>(fields)?.together),
            "expect" => Self::Expect(read(fields)?),
            "state" => Self::State(read(fields)?),
            "never" => Self::Never(read(fields)?),
            "count" => Self::Count(read(fields)?),
            "mark" => Self::Mark(read(fields)?),
            "among" => Self::Among(read(fields)?),
            "process" => Self::Process(read(fields)?),
            "server" => Self::Server(read::<Server>(fields)?.server),
            "admin" => Self::Admin(read(fields)?),
            "mint" => Self::Mint(read(fields)?),
            "wire" => Self::Wire(read(fields)?),
            "dials" => Self::Dials(read(fields)?),
            "copy_store" => Self::CopyStore(read(fields)?),
            "damage_store" => Self::DamageStore(read::<DamageStore>(fields)?.damage_store),
            "no_trace_of" => Self::NoTraceOf(read::<NoTraceOf>(fields)?.no_trace_of),
            _ => return Err("not a verb".to_owned()),
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Together {
    together: Vec<Do>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Server {
    server: ServerAct,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DamageStore {
    damage_store: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoTraceOf {
    no_trace_of: String,
}

fn read<T: DeserializeOwned>(fields: Value) -> Result<T, String> {
    serde_json::from_value(fields).map_err(|error| error.to_string())
}

fn usersig() -> String {
    "usersig".to_owned()
}

/// The fields that say what a step is.
const VERBS: [&str; 19] = [
    "do",
    "begin",
    "answer",
    "together",
    "expect",
    "state",
    "never",
    "count",
    "mark",
    "among",
    "process",
    "server",
    "admin",
    "mint",
    "wire",
    "dials",
    "copy_store",
    "damage_store",
    "no_trace_of",
];
