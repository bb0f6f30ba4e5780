//! The transition tables and the picture in the specification, walked out of the real machine
//! (S-2.2, S-2.3, S-2.4, S-2.5).
//!
//! A breadth-first walk puts every letter of a small alphabet into the client machine, in every state
//! it finds, and records what the pictures went through. `cargo xtask session` writes the results
//! anew; here they are compared, so that a machine that changed shows in the specification.

mod letter;
mod picture;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::path::PathBuf;

use homing_core::client::Output;
use homing_core::client::Status;
use homing_core::client::status::{
    CredentialStatus, LinkStatus, SessionStatus, SyncStatus, Trust, Why,
};

use crate::client_desk::{Desk, Disk};
use letter::Letter;

#[test]
fn the_tables_and_the_picture_in_the_specification_are_those_of_the_machine() {
    let walk = Walk::run();
    let bless = std::env::var_os("HOMING_BLESS").is_some();
    let document = spec().join("session.md");
    let text = std::fs::read_to_string(&document).unwrap();
    let made = with_section(&text, &walk.tables());
    let files = [
        (document, made),
        (spec().join("session-transitions.tsv"), walk.triples()),
        (spec().join("session.svg"), picture::draw(&walk.machines)),
    ];
    for (path, made) in files {
        if bless {
            std::fs::write(&path, made).unwrap();
        } else {
            let kept = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(kept == made, "{}: `cargo xtask session` writes it anew", path.display());
        }
    }
}

/// S-2.5: the machine is a value: the same inputs at the same times give the same outputs.
#[test]
fn the_same_inputs_give_the_same_outputs() {
    let path = [
        Letter::Login,
        Letter::Opened,
        Letter::Welcome,
        Letter::News,
        Letter::Timeout,
        Letter::Lost,
        Letter::Timeout,
        Letter::Logout,
    ];
    assert_eq!(stand(&path).out, stand(&path).out);
}

/// S-2.2: each reason for being signed out and each state of a session is reached.
#[test]
fn the_walk_reaches_every_state_that_the_clauses_name() {
    let walk = Walk::run();
    let seen: BTreeSet<&str> = walk
        .machines
        .values()
        .flat_map(|edges| edges.keys().flat_map(|(from, to)| [from.as_str(), to.as_str()]))
        .collect();
    for state in [
        "SignedOut · Never",
        "SignedOut · Logout",
        "SignedOut · LoginFailed",
        "SignedOut · Kicked",
        "SignedOut · Banned",
        "SignedOut · AccountDeleted",
        "SignedOut · VersionTooOld",
        "SigningIn",
        "SignedIn · Local",
        "SignedIn · Verified",
        "Valid",
        "Expiring",
        "Needed",
        "NoNetwork",
        "Connecting",
        "Handshaking",
        "Connected",
        "Waiting",
        "Paused",
        "CatchingUp",
        "Live",
        "Stalled",
    ] {
        assert!(seen.contains(state), "{state} is not reached");
    }
}

/// The four parts of a picture that are tables of their own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Machine {
    Session,
    Credential,
    Link,
    Sync,
}

/// From, to, and by what.
pub(crate) type Edges = BTreeMap<(String, String), BTreeSet<&'static str>>;

struct Walk {
    machines: BTreeMap<Machine, Edges>,
    triples: BTreeMap<([String; 3], [String; 3]), BTreeSet<&'static str>>,
}

impl Walk {
    fn run() -> Self {
        let mut walk = Self { machines: BTreeMap::new(), triples: BTreeMap::new() };
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut queue = VecDeque::from([Vec::new()]);
        while let Some(path) = queue.pop_front() {
            for letter in Letter::ALL {
                let mut desk = stand(&path);
                let before = desk.client.status().clone();
                let told = desk.out.len();
                letter.put(&mut desk);
                walk.record(&before, desk.out.get(told..).unwrap_or_default(), letter);
                if letter == Letter::Restart {
                    walk.change(&before, desk.client.status(), letter);
                }
                let times = seen.entry(key(&desk)).or_default();
                if *times < ALIKE && path.len() < DEPTH {
                    *times += 1;
                    let mut longer = path.clone();
                    longer.push(letter);
                    queue.push_back(longer);
                }
            }
        }
        walk
    }

    fn record(&mut self, before: &Status, out: &[Output], letter: Letter) {
        let mut from = before;
        for output in out {
            let Output::Status(to) = output else { continue };
            self.change(from, to, letter);
            from = to;
        }
    }

    fn change(&mut self, from: &Status, to: &Status, letter: Letter) {
        for (machine, name) in MACHINES {
            let pair = (name(from), name(to));
            if pair.0 != pair.1 {
                let edges = self.machines.entry(machine).or_default();
                edges.entry(pair).or_default().insert(letter.name());
            }
        }
        let pair = (triple(from), triple(to));
        if pair.0 != pair.1 {
            self.triples.entry(pair).or_default().insert(letter.name());
        }
    }

    fn tables(&self) -> String {
        let mut text = String::new();
        let titles = ["Session", "Credential of a session", "Link", "Sync"];
        for (title, edges) in titles.iter().zip(self.machines.values()) {
            writeln!(text, "\n### {title}\n\n| from | to | by |\n|---|---|---|").unwrap();
            for ((from, to), by) in edges {
                let by: Vec<_> = by.iter().copied().collect();
                writeln!(text, "| {from} | {to} | {} |", by.join(", ")).unwrap();
            }
        }
        text.push('\n');
        text
    }

    fn triples(&self) -> String {
        let mut text = "session\tlink\tsync\tto session\tto link\tto sync\tby\n".to_owned();
        for ((from, to), by) in &self.triples {
            let by: Vec<_> = by.iter().copied().collect();
            writeln!(text, "{}\t{}\t{}", from.join("\t"), to.join("\t"), by.join(", ")).unwrap();
        }
        text
    }
}

/// A desk at which all that happened.
fn stand(path: &[Letter]) -> Desk {
    let mut desk = Desk::new();
    for letter in path {
        letter.put(&mut desk);
    }
    desk
}

/// What tells two states of the machine apart in this walk: what is shown, and what is not shown and
/// decides what may come next.
fn key(desk: &Desk) -> String {
    let status = desk.client.status();
    let account = desk.client.account();
    let last =
        account.last.as_ref().map(|last| (last.session.is_some(), last.credential.is_some()));
    let full = desk.disk == Disk::Full;
    let timed = desk.client.next_timeout().is_some();
    format!(
        "{:?} {} {last:?} {} {} {full} {timed} {}",
        triple(status),
        credential(status),
        account.jobs.len(),
        account.refused.len().min(1),
        desk.is_dialing(),
    )
}

/// How a part of a picture is called.
type Name = fn(&Status) -> String;

const MACHINES: [(Machine, Name); 4] = [
    (Machine::Session, session),
    (Machine::Credential, credential),
    (Machine::Link, link),
    (Machine::Sync, sync),
];

fn triple(status: &Status) -> [String; 3] {
    [session(status), link(status), sync(status)]
}

fn session(status: &Status) -> String {
    match &status.session {
        SessionStatus::SignedOut { why } => format!("SignedOut · {}", reason(why)),
        SessionStatus::SigningIn { .. } => "SigningIn".to_owned(),
        SessionStatus::SignedIn { trust: Trust::Local, .. } => "SignedIn · Local".to_owned(),
        SessionStatus::SignedIn { trust: Trust::Verified, .. } => "SignedIn · Verified".to_owned(),
    }
}

const fn reason(why: &Why) -> &'static str {
    match why {
        Why::Never => "Never",
        Why::Logout => "Logout",
        Why::Switched => "Switched",
        Why::LoginFailed(_) => "LoginFailed",
        Why::Kicked(_) => "Kicked",
        Why::Banned(_) => "Banned",
        Why::AccountDeleted => "AccountDeleted",
        Why::VersionTooOld => "VersionTooOld",
    }
}

fn credential(status: &Status) -> String {
    let name = match &status.session {
        SessionStatus::SignedIn { credential: CredentialStatus::Valid, .. } => "Valid",
        SessionStatus::SignedIn { credential: CredentialStatus::Expiring { .. }, .. } => "Expiring",
        SessionStatus::SignedIn { credential: CredentialStatus::Needed { .. }, .. } => "Needed",
        SessionStatus::SignedOut { .. } | SessionStatus::SigningIn { .. } => "none",
    };
    name.to_owned()
}

fn link(status: &Status) -> String {
    let name = match &status.link {
        LinkStatus::Idle => "Idle",
        LinkStatus::NoNetwork => "NoNetwork",
        LinkStatus::Connecting { .. } => "Connecting",
        LinkStatus::Handshaking => "Handshaking",
        LinkStatus::Connected { .. } => "Connected",
        LinkStatus::Waiting { .. } => "Waiting",
        LinkStatus::Paused => "Paused",
    };
    name.to_owned()
}

fn sync(status: &Status) -> String {
    let name = match &status.sync {
        SyncStatus::Idle => "Idle",
        SyncStatus::CatchingUp { .. } => "CatchingUp",
        SyncStatus::Live => "Live",
        SyncStatus::Stalled { .. } => "Stalled",
    };
    name.to_owned()
}

/// The document with this in the place of what was generated before.
fn with_section(text: &str, section: &str) -> String {
    let (head, rest) = text.split_once(BEGIN).expect("the document has a place for the tables");
    let (_, tail) = rest.split_once(END).expect("the place has an end");
    format!("{head}{BEGIN}\n{section}{END}{tail}")
}

fn spec() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../spec")
}

const BEGIN: &str = "<!-- transitions: made by the tests of homing-core -->";
const END: &str = "<!-- end of transitions -->";
/// Letters in a row at most.
const DEPTH: usize = 9;
/// How many states that look alike are walked on from.
const ALIKE: usize = 2;
