//! Verdicts in JSON: one credential by fields, one line, or a whole file of lines.
//!
//! This is all of `homing token verify` but its flags. A line of a batch is an object with the
//! fields `format`, `app_id`, `key`, `user`, `token`, and optionally `now` (seconds since 1970),
//! `allow_cbc` (true or false, for `token04`) and `app_key`, which `nim-dynamic` needs. `third-party`
//! has no `key`. Other fields are passed over, so that a file can carry notes of its own.
//!
//! ```
//! use homing_proto::time::WallTime;
//! use homing_token::batch::verify_line;
//!
//! let verdict = verify_line(b"{}", WallTime(0));
//! assert_eq!(
//!     verdict.to_json(),
//!     r#"{"ok":false,"error":{"code":101,"name":"invalid_argument","text":"the line cannot be read: its field `format` is missing"}}"#,
//! );
//! ```

use std::io::{self, BufRead, Read as _, Write};

use homing_proto::id::{AppId, UserId};
use homing_proto::secret::Token;
use homing_proto::time::WallTime;
use homing_proto::{Code, Error, limits};
use serde::{Deserialize, Deserializer};

use crate::{Cbc, Claims, Expected, Format, Key, Rules, strict_json};

pub use verdict::{Verdict, error_to_json};

mod verdict;

/// One question: is this credential good for this user?
pub struct Request {
    /// The form that the credential must have.
    pub format: Format,
    /// The app it must be for.
    pub app: AppId,
    /// The user it must be for.
    pub user: UserId,
    /// The keys of which one must have signed it.
    pub keys: Vec<Key>,
    /// What the app has decided besides.
    pub rules: Rules,
    /// The time to judge by.
    pub now: WallTime,
    /// The credential.
    pub token: Token,
}

impl Request {
    /// Reads a request from one line of JSON; `default_now` counts where the line has no `now`.
    ///
    /// # Errors
    /// `invalid_argument` when the line is no such object, a field is out of range, or the key is
    /// none for the format; `invalid_user_id`.
    pub fn from_json(line: &[u8], default_now: WallTime) -> Result<Self, Error> {
        let refuse = |why: String| {
            Error::new(Code::INVALID_ARGUMENT).with_text(format!("the line cannot be read: {why}"))
        };
        if line.len() > limits::BATCH_LINE_BYTES {
            return Err(refuse(TOO_LONG.to_owned()));
        }
        let line: Line = strict_json::object(line).map_err(refuse)?;
        let now = match line.now {
            None => default_now,
            Some(seconds) => seconds
                .checked_mul(1000)
                .map(WallTime)
                .ok_or_else(|| refuse("its `now` is out of range".to_owned()))?,
        };
        let format = line.format.parse()?;
        let app = AppId::new(line.app_id)?;
        let user = UserId::parse(&line.user)?;
        let keys = match (line.key, format) {
            (None, Format::ThirdParty) => Vec::new(),
            (None, _) => return Err(refuse("its field `key` is missing".to_owned())),
            (Some(key), _) => key_ring(format, key.checked()?, line.app_key)?,
        };
        let rules = Rules { cbc: Cbc::from(line.allow_cbc == Some(true)), ..Rules::default() };
        Ok(Self { format, app, user, keys, rules, now, token: line.token })
    }

    /// The answer.
    ///
    /// # Errors
    /// Those of [`crate::verify`].
    pub fn verify(&self) -> Result<Claims, Error> {
        let Self { format, app, user, keys, rules, now, token } = self;
        let expected = Expected { app: *app, user, keys, now: *now, rules: *rules };
        crate::verify(*format, token, &expected)
    }
}

/// The ring of one key, as flags and lines give it; `app_key` counts for `nim-dynamic` alone.
///
/// # Errors
/// `invalid_argument` when the key is none for the format.
pub fn key_ring(format: Format, key: Key, app_key: Option<String>) -> Result<Vec<Key>, Error> {
    if format == Format::ThirdParty {
        return Ok(Vec::new());
    }
    let key = match (format, app_key) {
        (Format::NimDynamic, Some(app_key)) => key.named(app_key)?,
        _ => key,
    };
    key.check(format)?;
    Ok(vec![key])
}

/// Judges the credential of one line. Whatever the line holds, the answer is a verdict.
pub fn verify_line(line: &[u8], default_now: WallTime) -> Verdict {
    Verdict(Request::from_json(line, default_now).and_then(|request| request.verify()))
}

/// How many credentials of a batch were good and how many were not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Verdicts with `"ok":true`.
    pub good: u64,
    /// Verdicts with `"ok":false`.
    pub refused: u64,
}

/// Judges a file of lines: writes one verdict a line, in order.
///
/// Memory is bounded whatever the input: of a line longer than [`limits::BATCH_LINE_BYTES`] the
/// rest is passed over and its verdict is an error. An empty line gets an error verdict too, so
/// that line numbers agree; the end of the last line may be missing.
///
/// # Errors
/// Only those of `input` and `output` themselves.
pub fn verify_lines(
    mut input: impl BufRead,
    mut output: impl Write,
    default_now: WallTime,
) -> io::Result<Tally> {
    let mut tally = Tally::default();
    let mut line = Vec::new();
    while read_line(&mut input, &mut line)? {
        let verdict = verify_line(&line, default_now);
        *(if verdict.0.is_ok() { &mut tally.good } else { &mut tally.refused }) += 1;
        verdict.write_to(&mut output)?;
        output.write_all(b"\n")?;
    }
    output.flush()?;
    Ok(tally)
}

/// Reads the next line without its end; `false` after the last. A line over the bound is kept one
/// byte longer than the bound, so that it can be told.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let bound = limits::BATCH_LINE_BYTES + 1;
    let read = input.by_ref().take(bound as u64).read_until(b'\n', line)?;
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if read == bound {
        input.skip_until(b'\n')?;
    }
    Ok(read > 0)
}

/// A line as it is written. The key and the token are wrapped while they are read, so that they
/// are zeroed and cannot be shown even if the rest of the line is refused.
#[derive(Deserialize)]
struct Line {
    format: String,
    app_id: u32,
    #[serde(default, deserialize_with = "key")]
    key: Option<Key>,
    user: String,
    now: Option<u64>,
    #[serde(deserialize_with = "token")]
    token: Token,
    app_key: Option<String>,
    allow_cbc: Option<bool>,
}

fn key<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Key>, D::Error> {
    String::deserialize(input).map(|text| Some(Key::unchecked(text.into_bytes())))
}

fn token<'de, D: Deserializer<'de>>(input: D) -> Result<Token, D::Error> {
    String::deserialize(input).map(Token::new)
}

const TOO_LONG: &str = "it is longer than 64 KiB";
