//! What a person types: words to send, or a command that begins with a slash.

/// A line, understood.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Typed {
    /// Nothing.
    Nothing,
    /// Words for the other side.
    Words(String),
    /// `/with USER`: talk with this user.
    With(String),
    /// `/who`: who of your conversations is online.
    Who,
    /// `/devices`: where you are signed in.
    Devices,
    /// `/kick N`: end the Nth of those.
    Kick(usize),
    /// `/more`: older messages.
    More,
    /// `/login [TOKEN]`: sign in again, even if another device has to go.
    Login(Option<String>),
    /// `/renew TOKEN`: go on with a new token.
    Renew(String),
    /// `/logout`: sign out; `/logout wipe` deletes the messages here as well.
    Logout(Wipe),
    /// `/help`.
    Help,
    /// `/quit`.
    Quit,
    /// Not understood: what to say about it.
    Wrong(String),
}

/// Whether signing out deletes what is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wipe {
    No,
    Yes,
}

impl Typed {
    /// Reads a line. `//` at its beginning stands for one slash of the message.
    pub(super) fn read(line: &str) -> Self {
        let line = line.trim();
        if line.is_empty() {
            return Self::Nothing;
        }
        let Some(command) = line.strip_prefix('/') else {
            return Self::Words(line.to_owned());
        };
        if command.starts_with('/') {
            return Self::Words(command.to_owned());
        }
        let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let rest = rest.trim();
        let argument = (!rest.is_empty()).then(|| rest.to_owned());
        match (name, argument) {
            ("with", Some(user)) => Self::With(user),
            ("who", None) => Self::Who,
            ("devices", None) => Self::Devices,
            ("kick", Some(number)) => match number.parse() {
                Ok(number) => Self::Kick(number),
                Err(_) => Self::Wrong("/kick wants a number from /devices".to_owned()),
            },
            ("more", None) => Self::More,
            ("login", token) => Self::Login(token),
            ("renew", Some(token)) => Self::Renew(token),
            ("logout", None) => Self::Logout(Wipe::No),
            ("logout", Some(word)) if word == "wipe" => Self::Logout(Wipe::Yes),
            ("help", _) => Self::Help,
            ("quit" | "exit", None) => Self::Quit,
            _ => Self::Wrong(format!("/{name} is not understood here; /help shows what is")),
        }
    }
}

/// The lines of `/help`.
pub(super) const HELP: &[&str] = &[
    "/with USER     talk with USER (Tab goes through your conversations)",
    "/more          older messages",
    "/who           who of your conversations is online",
    "/devices       where you are signed in; /kick N ends the Nth",
    "/login [TOKEN] sign in again, even if another device has to go",
    "/renew TOKEN   go on with a new token",
    "/logout        sign out; /logout wipe also deletes the messages here",
    "/quit          leave; you stay signed in (also Ctrl-C)",
    "//words        send words that begin with a slash",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_words_unless_they_begin_with_one_slash() {
        assert_eq!(Typed::read("  hello "), Typed::Words("hello".to_owned()));
        assert_eq!(Typed::read("//etc"), Typed::Words("/etc".to_owned()));
        assert_eq!(Typed::read("   "), Typed::Nothing);
    }

    #[test]
    fn commands_are_read_with_their_arguments() {
        assert_eq!(Typed::read("/with bob"), Typed::With("bob".to_owned()));
        assert_eq!(Typed::read("/kick 2"), Typed::Kick(2));
        assert_eq!(Typed::read("/login"), Typed::Login(None));
        assert_eq!(Typed::read("/login abc"), Typed::Login(Some("abc".to_owned())));
        assert_eq!(Typed::read("/logout"), Typed::Logout(Wipe::No));
        assert_eq!(Typed::read("/logout wipe"), Typed::Logout(Wipe::Yes));
        assert_eq!(Typed::read("/quit"), Typed::Quit);
    }

    #[test]
    fn what_is_not_understood_is_told_and_never_sent() {
        for line in ["/wiht bob", "/with", "/kick two", "/logout everything", "/"] {
            assert!(matches!(Typed::read(line), Typed::Wrong(_)), "{line}");
        }
    }
}
