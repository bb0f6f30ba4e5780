//! Answers of the API in words: whatever fields the server sends are shown.

use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// One object, a field a line.
pub(crate) fn one(value: &Value) -> String {
    let Value::Object(fields) = value else { return cell("", value) };
    let width = fields.keys().map(String::len).max().unwrap_or(0);
    let order =
        |name: &&String| FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len());
    let mut names: Vec<_> = fields.keys().collect();
    names.sort_by_key(order);
    let line = |name: &String| format!("{name:width$}  {}", cell(name, &fields[name]));
    names.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The list of apps, as a table.
pub(crate) fn apps(value: &Value) -> String {
    table(rows(value, "apps"), FIRST, "there is no app yet: homing app create --name NAME")
}

/// A user: its fields, and its sessions as a table.
pub(crate) fn user(value: &Value) -> String {
    let mut fields = value.clone();
    let taken = fields.as_object_mut().and_then(|fields| fields.remove("sessions"));
    match taken {
        Some(Value::Array(rows)) if !rows.is_empty() => {
            format!("{}\n\n{}", one(&fields), table(&rows, SESSION, ""))
        }
        _ => one(&fields),
    }
}

/// The sessions of a user, as a table.
pub(crate) fn sessions(value: &Value) -> String {
    sessions_of(value, "sessions")
}

/// The sessions in that field, as a table.
pub(crate) fn sessions_of(value: &Value, name: &str) -> String {
    table(rows(value, name), SESSION, "the user is signed in nowhere")
}

/// The objects of a list.
pub(crate) fn rows<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice)
}

/// Those of the columns that any row has, aligned; `empty` when there is no row.
pub(crate) fn table(rows: &[Value], columns: &[&str], empty: &str) -> String {
    if rows.is_empty() {
        return empty.to_owned();
    }
    let columns: Vec<&str> = columns
        .iter()
        .copied()
        .filter(|name| rows.iter().any(|row| row.get(name).is_some()))
        .collect();
    let header: Vec<String> =
        columns.iter().map(|name| name.trim_end_matches("_ms").to_uppercase()).collect();
    let body = rows.iter().map(|row| {
        let cell = |name: &&str| row.get(name).map(|value| cell(name, value)).unwrap_or_default();
        columns.iter().map(cell).collect::<Vec<_>>()
    });
    let lines: Vec<Vec<String>> = std::iter::once(header).chain(body).collect();
    let widths: Vec<usize> = (0..columns.len())
        .map(|i| lines.iter().map(|line| line[i].chars().count()).max().unwrap_or(0))
        .collect();
    let join = |line: &Vec<String>| {
        let cells = line.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines.iter().map(join).collect::<Vec<_>>().join("\n")
}

/// Control characters of names cannot reach the terminal. A policy is shown by its preset, a moment
/// as people write it, a list with spaces.
fn cell(name: &str, value: &Value) -> String {
    let value = value.get("preset").filter(|preset| preset.is_string()).unwrap_or(value);
    match value {
        Value::Null => "–".to_owned(),
        Value::String(text) => text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect(),
        Value::Number(ms) if name.ends_with("_ms") => {
            moment(ms.as_u64()).unwrap_or_else(|| ms.to_string())
        }
        Value::Array(list) if list.iter().all(Value::is_string) => {
            list.iter().map(|item| cell("", item)).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

/// UTC, to the second.
fn moment(ms: Option<u64>) -> Option<String> {
    let seconds = i64::try_from(ms? / 1_000).ok()?;
    OffsetDateTime::from_unix_timestamp(seconds).ok()?.format(&Rfc3339).ok()
}

/// Fields that a reader looks for first, and the columns of a list of apps.
const FIRST: &[&str] = &["id", "name", "policy", "auto_register", "created_ms", "key"];

/// The columns of a list of sessions.
const SESSION: &[&str] =
    &["session", "platform", "os", "tag", "custom_type", "login_time_ms", "online"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_is_a_table_with_aligned_columns() {
        let list = json!({"apps": [
            {"id": 1, "name": "shop", "policy": {"preset": "dual", "total_cap": 2}, "keys": []},
            {"id": 12, "name": "\u{1b}[2Jx", "policy": {"preset": "triple"}, "keys": []},
        ]});
        assert_eq!(apps(&list), "ID  NAME   POLICY\n1   shop   dual\n12   [2Jx  triple");
        assert!(apps(&json!({"apps": []})).contains("homing app create"));
    }

    #[test]
    fn an_app_is_shown_a_field_a_line() {
        assert_eq!(one(&json!({"name": "shop", "id": 1})), "id    1\nname  shop");
    }

    #[test]
    fn a_moment_is_a_date_and_nothing_is_a_dash() {
        let user = json!({"id": "a", "created_ms": 1_700_000_000_000_u64, "banned_until_ms": null});
        let shown = one(&user);
        assert!(shown.contains("created_ms       2023-11-14T22:13:20Z"), "{shown}");
        assert!(shown.contains("banned_until_ms  –"), "{shown}");
    }
}
