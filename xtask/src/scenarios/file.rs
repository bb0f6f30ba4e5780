//! A scenario file: read strictly, and checked before anything is started.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::check;
use super::step::Step;

/// A scenario, checked.
#[derive(Debug)]
pub(super) struct Scenario {
    /// The file's name without `.json`.
    pub(super) name: String,
    /// Settings of its app, as `POST /v1/apps` takes them.
    pub(super) app: Map<String, Value>,
    /// Settings of its server, as a configuration file takes them.
    pub(super) server: Map<String, Value>,
    /// Users with a token from the start.
    pub(super) users: Vec<String>,
    pub(super) devices: BTreeMap<String, DeviceSetup>,
    pub(super) steps: Vec<Step>,
    /// How long all of it may take.
    pub(super) limit: Duration,
}

/// How a device's driver is started.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeviceSetup {
    #[serde(default = "linux")]
    pub(super) platform: String,
    pub(super) tag: Option<String>,
    pub(super) os: Option<String>,
    pub(super) custom_type: Option<u32>,
    /// Speak as this facade: `v2tim`, `nim` or `zim`.
    pub(super) facade: Option<String>,
    /// Uses the data directory of this device instead of one of its own.
    pub(super) store: Option<String>,
    /// Belongs to another app than the scenario's.
    pub(super) app_id: Option<Value>,
    /// More arguments for the driver.
    #[serde(default)]
    pub(super) args: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    about: String,
    clauses: Vec<String>,
    museum: Option<Museum>,
    #[serde(default)]
    app: Map<String, Value>,
    #[serde(default)]
    server: Map<String, Value>,
    #[serde(default)]
    users: Vec<String>,
    devices: BTreeMap<String, DeviceSetup>,
    limit_s: Option<u64>,
    steps: Vec<Value>,
}

/// The public bug that a scenario shows to be impossible.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Museum {
    issue: String,
    more: Option<Vec<String>>,
    suffered: String,
    invariant: String,
}

impl Scenario {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Says which file, where in it, and what is wrong.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let shown = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(path).map_err(|error| format!("{shown}: {error}"))?;
        let name = shown.trim_end_matches(".json").to_owned();
        Self::parse(&name, &text).map_err(|error| format!("{shown}: {error}"))
    }

    pub(super) fn parse(name: &str, text: &str) -> Result<Self, String> {
        let written: Written = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if written.about.is_empty() {
            return Err("`about` says nothing".to_owned());
        }
        check::clauses(&written.clauses)?;
        match (&written.museum, name.starts_with("museum-")) {
            (Some(museum), true) => check_museum(museum)?,
            (None, false) => {}
            _ => return Err("`museum` and a name with museum- go together".to_owned()),
        }
        let limit_s = written.limit_s.unwrap_or(LIMIT_S);
        if limit_s > LIMIT_MAX_S {
            return Err(format!("`limit_s` is at most {LIMIT_MAX_S}"));
        }
        let steps = written.steps.into_iter().enumerate().map(|(number, written)| {
            Step::read(written).map_err(|error| format!("steps[{number}]: {error}"))
        });
        let scenario = Self {
            name: name.to_owned(),
            app: written.app,
            server: written.server,
            users: written.users,
            devices: written.devices,
            steps: steps.collect::<Result<_, _>>()?,
            limit: Duration::from_secs(limit_s),
        };
        check::scenario(&scenario)?;
        Ok(scenario)
    }
}

/// The scenario files of a folder, by name.
///
/// # Errors
/// The folder cannot be read.
pub(super) fn list(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
        .collect();
    files.sort();
    Ok(files)
}

fn check_museum(museum: &Museum) -> Result<(), String> {
    let issues = std::iter::once(&museum.issue).chain(museum.more.iter().flatten());
    for issue in issues {
        if !issue.starts_with("https://") {
            return Err(format!("`museum`: {issue:?} is no address"));
        }
    }
    if museum.suffered.is_empty() || !museum.invariant.starts_with('I') {
        return Err("`museum`: `suffered` says what, `invariant` begins with its id".to_owned());
    }
    Ok(())
}

fn linux() -> String {
    "linux".to_owned()
}

/// Most are done in two seconds; a busy machine takes a multiple.
const LIMIT_S: u64 = 60;
const LIMIT_MAX_S: u64 = 120;
