//! Whether a value is as a pattern wants it, and variables put into patterns and arguments.

use std::collections::BTreeMap;

use serde_json::Value;

/// Names that steps saved, and those that the runner gives.
pub(super) type Variables = BTreeMap<String, Value>;

/// Whether the value is as wanted: objects may have more fields than the pattern, everything else is
/// equal. An object with one field whose name begins with `$` is a matcher (see [`MATCHERS`]).
pub(super) fn matches(pattern: &Value, value: Option<&Value>) -> bool {
    if let Some((name, argument)) = matcher(pattern) {
        return match_by(name, argument, value);
    }
    let Some(value) = value else { return false };
    match (pattern, value) {
        (Value::Object(wanted), Value::Object(fields)) => {
            wanted.iter().all(|(name, pattern)| matches(pattern, fields.get(name)))
        }
        (Value::Array(wanted), Value::Array(items)) => {
            wanted.len() == items.len()
                && wanted.iter().zip(items).all(|(pattern, item)| matches(pattern, Some(item)))
        }
        _ => pattern == value,
    }
}

fn match_by(name: &str, argument: &Value, value: Option<&Value>) -> bool {
    let number = value.and_then(Value::as_f64).zip(argument.as_f64());
    match name {
        "$is" => (argument == "present") == value.is_some(),
        "$not" => !matches(argument, value),
        "$one_of" => list(argument).iter().any(|pattern| matches(pattern, value)),
        "$min" => number.is_some_and(|(value, least)| value >= least),
        "$max" => number.is_some_and(|(value, most)| value <= most),
        "$has" => value.and_then(Value::as_array).is_some_and(|items| {
            let has = |pattern| items.iter().any(|item| matches(pattern, Some(item)));
            list(argument).iter().all(has)
        }),
        "$length" => {
            let length = match value {
                Some(Value::Array(items)) => Some(items.len()),
                Some(Value::String(text)) => Some(text.chars().count()),
                _ => None,
            };
            matches(argument, length.map(Value::from).as_ref())
        }
        "$text" => value
            .and_then(Value::as_str)
            .zip(argument.as_str())
            .is_some_and(|(value, part)| value.contains(part)),
        // `check` lets no other through.
        _ => false,
    }
}

/// The pattern's matchers are ones there are, with arguments they can use.
pub(super) fn check(pattern: &Value) -> Result<(), String> {
    if let Some((name, argument)) = matcher(pattern) {
        let is_usable = match name {
            "$is" => argument == "present" || argument == "absent",
            "$one_of" | "$has" => argument.is_array(),
            "$min" | "$max" => argument.is_number() || argument.is_string(),
            "$text" => argument.is_string(),
            "$not" | "$length" => true,
            _ => return Err(format!("no matcher `{name}`; there is: {}", MATCHERS.join(", "))),
        };
        if !is_usable {
            return Err(format!("`{name}` cannot use {argument}"));
        }
        return check(argument);
    }
    match pattern {
        Value::Object(fields) => match fields.keys().find(|name| name.starts_with('$')) {
            Some(name) => Err(format!("`{name}` stands alone in its object")),
            None => fields.values().try_for_each(check),
        },
        Value::Array(items) => items.iter().try_for_each(check),
        _ => Ok(()),
    }
}

/// Puts variables in: a text that is one `${name}` becomes its value, others inside a text their
/// text.
///
/// # Errors
/// Names a variable that is not there.
pub(super) fn fill(template: &Value, variables: &Variables) -> Result<Value, String> {
    Ok(match template {
        Value::String(text) => fill_text(text, variables)?,
        Value::Array(items) => {
            items.iter().map(|item| fill(item, variables)).collect::<Result<_, _>>()?
        }
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, value)| Ok((name.clone(), fill(value, variables)?)))
                .collect::<Result<_, String>>()?,
        ),
        other => other.clone(),
    })
}

/// The names of the variables in there.
///
/// # Errors
/// Says that a `${` has no end.
pub(super) fn names(template: &Value, found: &mut Vec<String>) -> Result<(), String> {
    match template {
        Value::String(text) => {
            for part in split(text)? {
                if let Part::Name(name) = part {
                    found.push(name.to_owned());
                }
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(|item| names(item, found)),
        Value::Object(fields) => fields.values().try_for_each(|value| names(value, found)),
        _ => Ok(()),
    }
}

fn fill_text(text: &str, variables: &Variables) -> Result<Value, String> {
    let value = |name: &str| {
        variables.get(name).ok_or_else(|| format!("there is no variable `${{{name}}}` here"))
    };
    let parts = split(text)?;
    if let [Part::Name(name)] = parts[..] {
        return value(name).cloned();
    }
    let mut filled = String::new();
    for part in parts {
        match part {
            Part::Text(text) => filled += text,
            Part::Name(name) => match value(name)? {
                Value::String(text) => filled += text,
                other => filled += &other.to_string(),
            },
        }
    }
    Ok(filled.into())
}

enum Part<'a> {
    Text(&'a str),
    Name(&'a str),
}

fn split(text: &str) -> Result<Vec<Part<'_>>, String> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, after)) = after.split_once('}') else {
            return Err(format!("`${{` without its `}}` in {text:?}"));
        };
        if !before.is_empty() {
            parts.push(Part::Text(before));
        }
        parts.push(Part::Name(name));
        rest = after;
    }
    if !rest.is_empty() || parts.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}

fn matcher(pattern: &Value) -> Option<(&str, &Value)> {
    let fields = pattern.as_object().filter(|fields| fields.len() == 1)?;
    let (name, argument) = fields.iter().next()?;
    name.starts_with('$').then_some((name, argument))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

const MATCHERS: [&str; 8] = ["$is", "$not", "$one_of", "$min", "$max", "$has", "$length", "$text"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pattern_says_what_must_be_there_and_nothing_of_the_rest() {
        let value = json!({"a": 1, "b": {"c": [1, {"d": 2, "e": 3}]}, "n": null});
        for (pattern, is_met) in [
            (json!({}), true),
            (json!({"a": 1}), true),
            (json!({"a": 2}), false),
            (json!({"b": {"c": [1, {"d": 2}]}}), true),
            (json!({"b": {"c": [1]}}), false),
            (json!({"n": null}), true),
            (json!({"m": null}), false),
            (json!({"m": {"$is": "absent"}}), true),
            (json!({"a": {"$is": "absent"}}), false),
            (json!({"n": {"$is": "present"}}), true),
            (json!({"a": {"$not": 2}}), true),
            (json!({"a": {"$one_of": [2, 1]}}), true),
            (json!({"a": {"$min": 1}}), true),
            (json!({"a": {"$min": 2}}), false),
            (json!({"a": {"$max": 0}}), false),
            (json!({"b": {"c": {"$has": [{"e": 3}]}}}), true),
            (json!({"b": {"c": {"$has": [{"e": 4}]}}}), false),
            (json!({"b": {"c": {"$length": 2}}}), true),
            (json!({"b": {"c": {"$length": {"$min": 3}}}}), false),
        ] {
            check(&pattern).unwrap();
            assert_eq!(matches(&pattern, Some(&value)), is_met, "{pattern}");
        }
        assert!(matches(&json!({"$text": "ell"}), Some(&json!("hello"))));
        assert!(!matches(&json!({"$text": "ell"}), Some(&json!(1))));
    }

    #[test]
    fn a_matcher_that_is_none_is_told() {
        for pattern in [json!({"$any": 1}), json!({"a": {"$is": 1}}), json!({"$not": 1, "b": 2})] {
            assert!(check(&pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn variables_keep_their_type_where_they_stand_alone() {
        let variables =
            Variables::from([("app.id".to_owned(), json!(7)), ("who".to_owned(), json!("alice"))]);
        let filled = fill(&json!(["${app.id}", "/apps/${app.id}/${who}", "plain"]), &variables);
        assert_eq!(filled, Ok(json!([7, "/apps/7/alice", "plain"])));
        assert!(fill(&json!("${nobody}"), &variables).unwrap_err().contains("nobody"));
        assert!(fill(&json!("${open"), &variables).is_err());
        let mut found = Vec::new();
        names(&json!({"a": ["x${b}y${c}"]}), &mut found).unwrap();
        assert_eq!(found, ["b", "c"]);
    }
}
