//! Reads JSON objects strictly and says what was wrong without quoting what was there.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::error::Category;

/// Reads one object and nothing after it.
///
/// The error never quotes the input, which may hold a key or a token (S-8.7): of the reader's own
/// messages only those that name a field of the type pass.
pub(crate) fn object<'de, T: Deserialize<'de>>(json: &'de [u8]) -> Result<T, String> {
    // A derived reader takes an array for an object, fields in order; nobody means that.
    if json.trim_ascii_start().first() != Some(&b'{') {
        return Err("it is not a JSON object".to_owned());
    }
    serde_json::from_slice(json).map_err(|error| sentence(&error))
}

/// Whether it is one JSON object and nothing after it, whatever its fields.
pub(crate) fn is_object(json: &[u8]) -> bool {
    object::<IgnoredAny>(json).is_ok()
}

fn sentence(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let named = |kind| text.starts_with(kind).then(|| text.split('`').nth(1)).flatten();
    let column = error.column();
    match error.classify() {
        Category::Io | Category::Syntax => format!("it is not JSON (column {column})"),
        Category::Eof => "its JSON is cut short".to_owned(),
        Category::Data => {
            if let Some(field) = named("missing field") {
                format!("its field `{field}` is missing")
            } else if let Some(field) = named("duplicate field") {
                format!("its field `{field}` stands there twice")
            } else if text.starts_with("unknown field") {
                format!("it has a field that does not belong there (column {column})")
            } else {
                format!("a field's value has the wrong type or range (column {column})")
            }
        }
    }
}
