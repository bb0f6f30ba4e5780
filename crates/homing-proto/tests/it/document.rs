//! `spec/protocol.md` says what the code does: its tables are made from it, its clauses are in order.
//!
//! `HOMING_BLESS=1 cargo test -p homing-proto document` writes the tables anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;
use std::sync::LazyLock;

use homing_proto::code::TABLE;
use homing_proto::limits;

use crate::schema;

#[test]
fn the_code_table_is_the_one_of_the_code() {
    assert_eq!(DOCUMENT[place(&DOCUMENT, "codes")], codes(), "HOMING_BLESS=1 writes it anew");
}

#[test]
fn the_bounds_are_those_of_the_code() {
    assert_eq!(DOCUMENT[place(&DOCUMENT, "limits")], bounds(), "HOMING_BLESS=1 writes them anew");
}

#[test]
fn clauses_have_unique_ascending_numbers() {
    let numbers: Vec<(u32, u32)> = DOCUMENT
        .lines()
        .filter_map(|line| line.strip_prefix("- **P-")?.split_once("**")?.0.split_once('.'))
        .map(|(part, clause)| (part.parse().unwrap(), clause.parse().unwrap()))
        .collect();
    assert!(numbers.len() > 50, "{}", numbers.len());
    for pair in numbers.windows(2) {
        let [(part, clause), next] = *pair else { unreachable!() };
        assert!(next == (part, clause + 1) || next == (part + 1, 1), "P-{}.{}", next.0, next.1);
    }
}

#[test]
fn every_frame_request_and_answer_and_every_wire_requirement_is_explained() {
    let prose = DOCUMENT.replace(codes().as_str(), "");
    for name in ["ClientFrame", "ServerFrame", "Request", "Response", "LogEntry", "Content"] {
        for field in schema::message(name).oneofs().flat_map(|o| o.fields().collect::<Vec<_>>()) {
            let name = match field.kind() {
                prost_reflect::Kind::Message(message) => message.name().to_owned(),
                _ => field.name().to_owned(),
            };
            assert!(prose.contains(&format!("`{name}`")), "`{name}` is not explained");
        }
    }
    for clause in 1..=8 {
        assert!(prose.contains(&format!("W-{clause}")), "W-{clause} is not cited");
    }
}

/// A name in capitals is a bound of the table or an enum value of the schema, else it is a slip.
#[test]
fn every_name_in_capitals_exists() {
    let bounds = bounds();
    let enums = ["Intent", "Platform", "Binding", "KickReason"].map(schema::enum_values).concat();
    for name in DOCUMENT.split('`').skip(1).step_by(2) {
        let capitals = name.len() > 3 && name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        let known = bounds.contains(&format!("`{name}`")) || enums.iter().any(|e| e == name);
        assert!(!capitals || known || name == "RFC", "`{name}`");
    }
}

static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let path = schema::spec().join("protocol.md");
    let mut text = std::fs::read_to_string(&path).unwrap();
    if std::env::var_os("HOMING_BLESS").is_some() {
        for (name, table) in [("codes", codes()), ("limits", bounds())] {
            let place = place(&text, name);
            text.replace_range(place, &table);
        }
        std::fs::write(path, &text).unwrap();
    }
    text
});

/// The lines between the markers of that name.
fn place(text: &str, name: &str) -> Range<usize> {
    let begin = format!("<!-- {name}: made by the tests of homing-proto -->\n");
    let start = text.find(&begin).unwrap() + begin.len();
    start..text.find(&format!("<!-- end of {name} -->")).unwrap()
}

fn codes() -> String {
    let mut table =
        "| code | name | fault | advice | what happened and what to do |\n|---|---|---|---|---|\n"
            .to_owned();
    for row in TABLE {
        let blame = format!("{:?}", row.blame).to_lowercase();
        // A bar would end the cell.
        let sentence = row.sentence.replace('|', "\\|");
        let (code, name, advice) = (row.code.0, row.name, row.advice.name());
        writeln!(table, "| {code} | `{name}` | {blame} | `{advice}` | {sentence} |").unwrap();
    }
    table
}

macro_rules! values {
    ($($name:ident)*) => { [$((stringify!($name), limits::$name.to_string())),*] };
}

fn bounds() -> String {
    let reasons = reasons();
    let mut table = "| bound | value | what and why |\n|---|---|---|\n".to_owned();
    for (name, value) in values! {
        PROTO PROTO_MIN FRAME_MAX FRAME_MAX_UNBOUND FRAME_ITEMS
        HELLO_TIMEOUT_MS WELCOME_TIMEOUT_MS END_SESSIONS_PER_CONNECTION
        USER_ID_BYTES USER_NAME_BYTES DEVICE_TEXT_BYTES SDK_TEXT_BYTES TOKEN_BYTES
        LOGIN_EXTENSION_BYTES TEXT_BYTES CONTENT_BYTES
        HISTORY_PAGE SYNC_ENTRIES SYNC_BYTES SYNC_BEHIND WINDOW_CONVERSATIONS WINDOW_MESSAGES
        PRESENCE_USERS IN_FLIGHT IN_FLIGHT_EXCESS PUSH_BUFFER PUSH_HOLD_MS OUTBOUND_BYTES
        PING_MS LIVENESS_MS SERVER_LIVENESS_MS PROBE_AFTER_MS DEAD_AFTER_MS CONNECT_TIMEOUT_MS
        BACKOFF_BASE_MS BACKOFF_CAP_MS BACKOFF_CAP_BACKGROUND_MS PROVEN_LIFE_MS
        ATTEMPTS_PER_WINDOW ATTEMPT_WINDOW_MS ATTEMPT_SPACING_MS
        LOGINS_PER_WINDOW LOGIN_WINDOW_MS
        LINGER_MS SESSION_AGE_MS KICK_RECORD_AGE_MS DEDUPE_AGE_MS EXPIRY_WARNING_MS DEVICE_SWAP_MS
    } {
        writeln!(table, "| `{name}` | {value} | {} |", reasons[name]).unwrap();
    }
    table
}

/// What the doc comments of `limits.rs` say, by the constant's name.
fn reasons() -> BTreeMap<String, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/limits.rs");
    let mut reasons = BTreeMap::new();
    let mut words = Vec::new();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        if let Some(comment) = line.strip_prefix("/// ") {
            words.push(comment.replace("[`", "`").replace("`]", "`"));
        } else if let Some(constant) = line.strip_prefix("pub const ") {
            let name = constant.split(':').next().unwrap();
            reasons.insert(name.to_owned(), words.join(" "));
            words.clear();
        }
    }
    reasons
}
