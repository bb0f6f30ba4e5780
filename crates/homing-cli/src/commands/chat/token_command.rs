//! `--token-command`: a command of the person's own that prints a credential, run whenever one is
//! needed (S-8.4). What it prints goes to the SDK and nowhere else.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use homing::{
    AskReason, Code, Credential, CredentialAsk, CredentialProvider, Error, Provided, UserId,
};
use homing_proto::limits::TOKEN_BYTES;
use homing_proto::secret::Token;
use homing_token::Format;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::words;

/// A line for the shell.
#[derive(Debug)]
pub(super) struct TokenCommand {
    line: String,
    format: Format,
    user: UserId,
    limit: Duration,
}

/// Why it is run, as the command is told in `HOMING_REASON`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Reason {
    SignIn,
    Expiring,
    Expired,
    Refused,
}

impl TokenCommand {
    pub(super) const fn new(line: String, format: Format, user: UserId) -> Self {
        Self { line, format, user, limit: LIMIT }
    }

    /// Asks it whenever the SDK wants a credential. Failures go there as well as back to the SDK, which
    /// asks again later.
    pub(super) fn provider(
        self: Arc<Self>,
        failures: mpsc::Sender<Error>,
    ) -> impl CredentialProvider {
        move |ask: CredentialAsk| {
            let (this, failures) = (Arc::clone(&self), failures.clone());
            async move {
                match this.credential(Reason::of(&ask.reason)).await {
                    Ok(credential) => Provided::Credential(credential),
                    Err(error) => {
                        // Somebody who has not seen the last ones need not see this one.
                        let _ = failures.try_send(error);
                        Provided::NotNow { retry_after: None }
                    }
                }
            }
        }
    }

    /// Runs it once.
    ///
    /// # Errors
    /// `credential_required` with a text that says what went wrong, in the command's own words.
    pub(super) async fn credential(&self, reason: Reason) -> Result<Credential, Error> {
        let run = timeout(self.limit, self.run(reason)).await;
        let run = run.map_err(|_| failed(format!("did not end within {:?}", self.limit)))?;
        let (printed, told, status) =
            run.map_err(|error| failed(format!("cannot be run: {error}")))?;
        if !status.success() {
            let told = words::shown(String::from_utf8_lossy(&told).trim());
            let told = if told.is_empty() { told } else { format!(": {told}") };
            return Err(failed(format!("failed with {status}{told}")));
        }
        let token = token(printed).map_err(|why| failed(why.to_owned()))?;
        Ok(Credential { format: self.format.name().to_owned(), token })
    }

    async fn run(&self, reason: Reason) -> io::Result<(Vec<u8>, Vec<u8>, ExitStatus)> {
        let mut child = Command::new("sh")
            .args(["-c", &self.line])
            .env("HOMING_USER", self.user.as_str())
            .env("HOMING_REASON", reason.name())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let mut group = Group(child.id());
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let outcome =
            tokio::try_join!(read(stdout, TOKEN_BYTES + 2), read(stderr, TOLD_BYTES), child.wait());
        group.0 = None;
        outcome
    }
}

impl Reason {
    const fn of(reason: &AskReason) -> Self {
        match reason {
            AskReason::Expiring { .. } => Self::Expiring,
            AskReason::Expired => Self::Expired,
            AskReason::Refused(_) => Self::Refused,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::Expiring => "expiring",
            Self::Expired => "expired",
            Self::Refused => "refused",
        }
    }
}

/// The shell and what it started; killed when nobody waits for it any more.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let id = self.0.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            // It may have ended by itself.
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}

/// The first bytes; the rest is passed over, so that the writer can go on.
async fn read(from: Option<impl AsyncRead + Unpin>, bytes: usize) -> io::Result<Vec<u8>> {
    // All at once: a buffer that grows leaves copies behind.
    let mut kept = Vec::with_capacity(bytes);
    if let Some(mut from) = from {
        (&mut from).take(bytes as u64).read_to_end(&mut kept).await?;
        tokio::io::copy(&mut from, &mut tokio::io::sink()).await?;
    }
    Ok(kept)
}

/// What was printed without the end of the line.
fn token(printed: Vec<u8>) -> Result<Token, &'static str> {
    // In one buffer from end to end, which the token zeroes.
    let mut text = String::from_utf8(printed).map_err(|_| "printed what is no text")?;
    text.truncate(text.trim_end().len());
    match text.len() {
        0 => Err("printed nothing"),
        bytes if bytes > TOKEN_BYTES => Err("printed more than a token can have"),
        _ => Ok(Token::new(text)),
    }
}

fn failed(why: String) -> Error {
    Error::new(Code::CREDENTIAL_REQUIRED).with_text(format!("the token command {why}"))
}

/// Less than the SDK waits.
const LIMIT: Duration = Duration::from_secs(20);
/// Of what it says about a failure.
const TOLD_BYTES: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn command(line: &str) -> TokenCommand {
        TokenCommand::new(line.to_owned(), Format::Jwt, UserId::parse("alice").unwrap())
    }

    async fn fails(command: TokenCommand) -> String {
        let error = command.credential(Reason::SignIn).await.unwrap_err();
        assert_eq!(error.code, Code::CREDENTIAL_REQUIRED);
        error.sentence().to_owned()
    }

    #[tokio::test]
    async fn what_it_prints_is_the_token_and_it_is_told_who_and_why() {
        let line = r#"echo "$HOMING_USER-$HOMING_REASON"; echo noise >&2"#;
        let credential = command(line).credential(Reason::Expiring).await.unwrap();
        assert_eq!((&*credential.format, credential.token.expose()), ("jwt", "alice-expiring"));
    }

    #[tokio::test]
    async fn what_goes_wrong_is_told_in_its_own_words_and_what_it_printed_is_not() {
        let told = fails(command("echo TOKEN; printf 'no\\ticket\\033[2J\\n' >&2; exit 3")).await;
        assert!(told.contains("exit status: 3: no icket [2J"), "{told:?}");
        assert!(!told.contains("TOKEN"), "{told:?}");
        assert!(fails(command("true")).await.contains("printed nothing"));
        assert!(fails(command("printf '\\377'")).await.contains("no text"));
        let long = fails(command("head -c 100000 /dev/zero | tr '\\0' x")).await;
        assert!(long.contains("more than a token can have"), "{long}");
        let told = fails(command("head -c 100000 /dev/zero | tr '\\0' x >&2; exit 1")).await;
        assert!(told.len() < 1_000, "{}", told.len());
    }

    #[tokio::test]
    async fn one_that_hangs_is_given_up_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        // The pipe has another end as long as a process that was started lives.
        let mut hanging = command(&format!("exec 9>{}; sleep 600 & sleep 600", pipe.display()));
        hanging.limit = Duration::from_millis(500);
        let alive = tokio::task::spawn_blocking(move || std::fs::read(pipe));
        assert!(fails(hanging).await.contains("did not end within 500ms"));
        alive.await.unwrap().unwrap();
    }
}
