//! Answers of the API in words: whatever fields the server sends are shown.

use serde_json::Value;

/// One object, a field a line.
pub(crate) fn one(value: &Value) -> String {
    let Value::Object(fields) = value else { return cell(value) };
    let width = fields.keys().map(String::len).max().unwrap_or(0);
    let order =
        |name: &&String| FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len());
    let mut names: Vec<_> = fields.keys().collect();
    names.sort_by_key(order);
    let line = |name: &String| format!("{name:width$}  {}", cell(&fields[name]));
    names.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The list of apps, as a table.
pub(crate) fn apps(value: &Value) -> String {
    let rows = value.get("apps").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if rows.is_empty() {
        return "there is no app yet: homing app create --name NAME".to_owned();
    }
    let columns: Vec<&str> = FIRST
        .iter()
        .copied()
        .filter(|name| rows.iter().any(|row| row.get(name).is_some()))
        .collect();
    let header: Vec<String> = columns.iter().map(|name| name.to_uppercase()).collect();
    let body = rows.iter().map(|row| {
        columns.iter().map(|name| row.get(name).map(cell).unwrap_or_default()).collect::<Vec<_>>()
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

/// Control characters of names cannot reach the terminal. A policy is shown by its preset.
fn cell(value: &Value) -> String {
    let value = value.get("preset").filter(|preset| preset.is_string()).unwrap_or(value);
    match value {
        Value::String(text) => text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect(),
        other => other.to_string(),
    }
}

/// Fields that a reader looks for first, and the columns of a list.
const FIRST: &[&str] = &["id", "name", "policy", "auto_register", "created_ms", "key"];

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
}
