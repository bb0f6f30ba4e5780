//! `homing chat` in a pipe.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::program::{Drive, Lines, Server, assert_failed, homing, run, run_with, stderr};

#[test]
fn lines_from_a_pipe_are_sent_and_lines_for_a_pipe_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let url = server.url();
    let store = folder.path().join("bob");
    let mut bob = homing([
        "chat",
        "--server",
        url,
        "--app-id",
        "1",
        "--user",
        "bob",
        "--store",
        store.to_str().unwrap(),
    ]);
    let (reader, writer) = std::io::pipe().unwrap();
    bob.env("HOMING_TOKEN", server.token("bob")).stderr(writer);
    let mut bob = Lines::start(bob);
    let is_ready = |line: &String| line.contains("up to date");
    let mut told = BufReader::new(reader).lines().map_while(Result::ok);
    assert!(told.any(|line| is_ready(&line)));
    let mut alice =
        homing(["chat", "--server", url, "--app-id", "1", "--user", "alice", "--with", "bob"]);
    alice.env("HOMING_TOKEN", server.token("alice"));
    let output = run_with(alice, b"hello bob\n\n/who\n/nonsense\n//slash\nbye \x1b[2J");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = stderr(&output);
    assert!(told.contains("/nonsense is not understood"), "{told}");
    for text in ["hello bob", "/slash", "bye  [2J"] {
        let line = bob.next().unwrap();
        assert!(line.ends_with(&format!(" alice: {text}")), "{line:?}");
    }
    bob.say("/quit");
    assert_eq!(bob.wait().code(), Some(0));
}

#[test]
fn what_was_written_before_the_start_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let mut alice = Drive::start(server.url(), &folder.path().join("alice"), "ios");
    alice.login("alice", &server.token("alice"));
    alice.done("send", json!({"to": "bob", "text": "early", "wait": "accepted"}));
    let mut bob = homing(["chat", "--server", server.url(), "--app-id", "1", "--user", "bob"]);
    bob.env("HOMING_TOKEN", server.token("bob")).stderr(Stdio::null());
    let mut bob = Lines::start(bob);
    assert!(bob.next().unwrap().ends_with(" alice: early"));
    alice.done("send", json!({"to": "bob", "text": "late", "wait": "accepted"}));
    assert!(bob.next().unwrap().ends_with(" alice: late"), "nothing is printed twice");
}

#[test]
fn what_cannot_be_done_exits_with_1_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let refused = run([
        "chat",
        "--server",
        server.url(),
        "--app-id",
        "1",
        "--user",
        "alice",
        "--token",
        "garbage",
    ]);
    assert_failed(&refused, "credential_malformed");
    let nobody = run(["chat", "--server", server.url(), "--app-id", "1", "--user", "alice"]);
    assert_failed(&nobody, "offline_not_last_user");
    // Signed out inside, with nothing to sign in with again.
    let store = folder.path().join("alice");
    let store = store.to_str().unwrap();
    let chat = ["chat", "--server", server.url(), "--app-id", "1", "--user", "alice", "--store"];
    let mut first = homing(chat);
    first.arg(store).env("HOMING_TOKEN", server.token("alice"));
    assert_eq!(run_with(first, b"").status.code(), Some(0));
    let mut again = homing(chat);
    again.arg(store);
    let told = run_with(again, b"/login\n");
    assert!(stderr(&told).contains("A token is needed: /login TOKEN"), "{}", stderr(&told));
}

/// A chat with its stderr in lines, which it waits for.
struct Told {
    chat: Lines,
    lines: Receiver<String>,
}

impl Told {
    fn start(mut chat: Command) -> Self {
        let (reader, writer) = std::io::pipe().unwrap();
        chat.stderr(writer);
        let (tell, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(reader).lines().map_while(Result::ok) {
                // Whoever asked has seen enough.
                let _ = tell.send(line);
            }
        });
        Self { chat: Lines::start(chat), lines }
    }

    /// The lines up to one with these words.
    fn until(&mut self, words: &str) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while let Ok(line) =
            self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            let found = line.contains(words);
            seen.push(line);
            if found {
                return seen;
            }
        }
        panic!("nothing said {words:?}: {seen:#?}");
    }
}

/// `homing token mint` for alice, different each time, for the shell.
fn mint(server: &Server, ttl_s: u32) -> String {
    let (program, key) = (env!("CARGO_BIN_EXE_homing"), server.text("key"));
    format!(
        "'{program}' token mint --format usersig --app-id 1 --key '{key}' --user \"$HOMING_USER\" \
         --ttl {ttl_s} --userbuf \"$(printf %08d $$)\""
    )
}

fn chat_of_alice(server: &Server, command: &str) -> Command {
    let mut chat =
        homing(["chat", "--server", server.url(), "--app-id", "1", "--user", "alice", "--with"]);
    chat.args(["bob", "--token-command", command]);
    chat
}

/// S-8.4: signed in without a token, and renewed again and again before one runs out.
#[test]
fn a_token_command_signs_in_and_renews_and_what_it_prints_is_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let (log, tokens) = (folder.path().join("reasons"), folder.path().join("tokens"));
    let command = format!(
        "echo $HOMING_REASON >> {}; {} | tee -a {}",
        log.display(),
        mint(&server, 10),
        tokens.display()
    );
    let mut alice = Told::start(chat_of_alice(&server, &command));
    let mut seen = alice.until("up to date");
    for _ in 0..3 {
        seen.extend(alice.until("token runs out"));
        // Renewed: the status is good again, on the same link.
        seen.extend(alice.until("# alice · connected"));
    }
    alice.chat.say("still here");
    alice.chat.end_stdin();
    assert_eq!(alice.chat.wait().code(), Some(0));
    seen.extend(alice.lines);
    let reasons = std::fs::read_to_string(&log).unwrap();
    let mut reasons = reasons.lines();
    assert_eq!(reasons.next(), Some("sign_in"));
    assert!(reasons.all(|reason| reason == "expiring"), "no credential was missing: {seen:#?}");
    let said = seen.join("\n") + &alice.chat.seen.join("\n");
    assert!(!said.contains("token needed") && !said.contains("offline"), "{said}");
    for token in std::fs::read_to_string(&tokens).unwrap().lines() {
        assert!(!said.contains(token), "{said}");
    }
}

#[test]
fn a_token_that_is_refused_at_the_sign_in_is_replaced_by_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let log = folder.path().join("reasons");
    let command = format!("echo $HOMING_REASON >> {}; {}", log.display(), mint(&server, 600));
    let mut chat = chat_of_alice(&server, &command);
    chat.args(["--token", "garbage"]);
    let output = run_with(chat, b"one");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(std::fs::read_to_string(log).unwrap(), "refused\n");
}

/// S-4.2: the device can tell that the stored one ran out, and goes on with another one: the session
/// stays, so nobody loses a place.
#[test]
fn a_stored_token_that_ran_out_is_replaced_by_the_commands() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let (store, log) = (folder.path().join("alice"), folder.path().join("reasons"));
    let start = |more: [&str; 2]| {
        let mut chat = homing(["chat", "--server", server.url(), "--app-id", "1", "--user"]);
        chat.args(["alice", "--store", store.to_str().unwrap()]).args(more);
        Told::start(chat)
    };
    let session = || {
        let shown = server.operate("user", ["sessions", "--app-id", "1", "alice", "--json"]);
        let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
        shown["sessions"][0]["session"].clone()
    };
    let mut first = start(["--token", &server.mint("alice", 2, 0)]);
    first.until("token needed");
    first.chat.say("/quit");
    assert_eq!(first.chat.wait().code(), Some(0));
    let before = session();

    let command = format!("echo $HOMING_REASON >> {}; {}", log.display(), mint(&server, 60));
    let mut again = start(["--token-command", &command]);
    again.until("up to date");
    assert_eq!(std::fs::read_to_string(log).unwrap(), "expired\n");
    assert_eq!(session(), before);
    again.chat.say("/quit");
    assert_eq!(again.chat.wait().code(), Some(0));
}

#[test]
fn a_token_command_that_fails_is_told_in_its_own_words_and_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let never = chat_of_alice(&server, "echo 'no ticket today' >&2; exit 3").output().unwrap();
    assert_failed(&never, "exit status: 3: no ticket today");

    // The first one is good, the second is none, the third is good.
    let count = folder.path().join("count");
    let command = format!(
        "echo x >> {0}; [ $(wc -l < {0}) -ne 2 ] || {{ echo 'come back' >&2; exit 4; }}; {1}",
        count.display(),
        mint(&server, 4)
    );
    let mut alice = Told::start(chat_of_alice(&server, &command));
    alice.until("the token command failed with exit status: 4: come back");
    alice.until("# alice · connected");
    alice.chat.say("/quit");
    assert_eq!(alice.chat.wait().code(), Some(0));
}

/// S-6.3: the program was stopped and goes on, which is a wake as far as it can tell.
#[test]
fn a_program_that_was_stopped_asks_at_once_whether_the_link_lives() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server"));
    let mut chat = chat_of_alice(&server, &mint(&server, 600));
    chat.env("HOMING_LOG", "homing=debug");
    let mut alice = Told::start(chat);
    alice.until("up to date");
    alice.chat.signal(Signal::STOP);
    alice.chat.signal(Signal::CONT);
    alice.until("a hint hint=Wake");
    alice.until("a hint hint=Foreground");
    alice.chat.say("/quit");
    assert_eq!(alice.chat.wait().code(), Some(0));
}

/// What takes longer will never be said.
const PATIENCE: Duration = Duration::from_secs(30);
