//! A line, taken apart: its id, the operation and the operation's arguments.

use homing::{Code, ConversationId, Error, UserId};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::lines::{LINE_BYTES, Line};

/// An operation and its arguments, not looked at yet.
pub(super) struct Request {
    pub(super) name: String,
    arguments: Value,
}

impl Request {
    /// The id to answer under (null where there is none to be read) and the request; `None` for an
    /// empty line, which is passed over.
    pub(super) fn parse(line: &Line) -> (Value, Result<Option<Self>, Error>) {
        let Line::Whole(line) = line else {
            return (
                Value::Null,
                Err(wrong(format!("the line is longer than {LINE_BYTES} bytes"))),
            );
        };
        if line.iter().all(u8::is_ascii_whitespace) {
            return (Value::Null, Ok(None));
        }
        let arguments: Value = match serde_json::from_slice(line) {
            Ok(value) => value,
            Err(error) => {
                return (Value::Null, Err(wrong(format!("the line is no JSON: {error}"))));
            }
        };
        let Value::Object(fields) = &arguments else {
            return (Value::Null, Err(wrong("the line is no JSON object")));
        };
        let id = match fields.get("id") {
            Some(id @ (Value::Number(_) | Value::String(_) | Value::Null)) => id.clone(),
            None => Value::Null,
            Some(_) => return (Value::Null, Err(wrong("`id` is neither a number nor a string"))),
        };
        match fields.get("do") {
            Some(Value::String(name)) => {
                let name = name.clone();
                (id, Ok(Some(Self { name, arguments })))
            }
            Some(_) => (id, Err(wrong("`do` is no string"))),
            None => (id, Err(wrong("`do` is missing: which operation?"))),
        }
    }

    /// The arguments as the operation wants them.
    ///
    /// # Errors
    /// `invalid_argument`, saying what is missing or of the wrong type.
    pub(super) fn arguments<T: DeserializeOwned>(self) -> Result<T, Error> {
        let Self { name, arguments } = self;
        serde_json::from_value(arguments).map_err(|error| wrong(format!("`{name}`: {error}")))
    }
}

/// Which conversation is meant: `conversation`, or the user at the other end.
pub(super) fn conversation(
    conversation: Option<&str>,
    with: Option<&str>,
) -> Result<ConversationId, Error> {
    match (conversation, with) {
        (Some(conversation), None) => ConversationId::parse(conversation),
        (None, Some(user)) => UserId::parse(user).map(ConversationId::Direct),
        (None, None) => Err(wrong("which conversation? `conversation` or a user is missing")),
        (Some(_), Some(_)) => Err(wrong("`conversation` and a user at once; which one counts?")),
    }
}

/// The line asks for what cannot be.
pub(super) fn wrong(why: impl Into<Box<str>>) -> Error {
    Error::new(Code::INVALID_ARGUMENT).with_text(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> (Value, Result<Option<Request>, Error>) {
        Request::parse(&Line::Whole(line.as_bytes().to_vec()))
    }

    #[test]
    fn an_id_may_be_a_number_or_a_string_or_missing() {
        for (line, id) in [
            (r#"{"id":7,"do":"x"}"#, Value::from(7)),
            (r#"{"id":"seven","do":"x"}"#, Value::from("seven")),
            (r#"{"do":"x"}"#, Value::Null),
        ] {
            let (parsed, request) = parse(line);
            assert_eq!(parsed, id);
            assert_eq!(request.unwrap().unwrap().name, "x");
        }
    }

    #[test]
    fn what_is_no_request_is_told_under_the_id_if_there_is_one() {
        for (line, id) in [
            ("{", Value::Null),
            ("[1]", Value::Null),
            ("\u{fffd}", Value::Null),
            (r#"{"id":{},"do":"x"}"#, Value::Null),
            (r#"{"id":3}"#, Value::from(3)),
            (r#"{"id":3,"do":3}"#, Value::from(3)),
        ] {
            let (parsed, request) = parse(line);
            assert_eq!(parsed, id, "{line}");
            assert_eq!(request.err().unwrap().code, Code::INVALID_ARGUMENT, "{line}");
        }
        assert!(Request::parse(&Line::TooLong).1.is_err());
    }

    #[test]
    fn an_empty_line_is_passed_over() {
        assert!(parse("  ").1.unwrap().is_none());
    }

    #[test]
    fn a_conversation_is_named_in_one_way() {
        let bob = ConversationId::parse("user/bob").unwrap();
        assert_eq!(conversation(Some("user/bob"), None), Ok(bob.clone()));
        assert_eq!(conversation(None, Some("bob")), Ok(bob));
        assert!(conversation(None, None).is_err());
        assert!(conversation(Some("user/bob"), Some("bob")).is_err());
    }
}
