//! Why a command could not do its work, in three lines a person can act on.

use std::fmt;

/// What failed, why, and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    what: String,
    why: String,
    cure: String,
}

impl Failure {
    /// "cannot …", the reason, and an imperative.
    pub(crate) fn new(
        what: impl Into<String>,
        why: impl fmt::Display,
        cure: impl Into<String>,
    ) -> Self {
        Self { what: what.into(), why: why.to_string(), cure: cure.into() }
    }

    /// From an error of the table, whose sentence says why and mostly what to do.
    pub(crate) fn of(what: impl Into<String>, error: &homing_proto::Error) -> Self {
        use homing_proto::code::Advice;
        let cure = match error.code.advice() {
            Advice::FixCall => "correct the arguments; --help has examples",
            Advice::Retry | Advice::Wait => "check the address and that the server runs; try again",
            Advice::ReAuthenticate => "get a new token, for example with `homing token mint`",
            Advice::LogIn => "sign in again with a token",
            Advice::Stop => "trying again changes nothing; ask whoever runs the server",
            Advice::UpdateApp => "use a newer `homing`",
            Advice::Report => "this is a bug; please report it",
        };
        Self::new(what, error, cure)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, why, cure } = self;
        write!(f, "error: {what}\n  why: {why}\n  do:  {cure}")
    }
}

impl std::error::Error for Failure {}
