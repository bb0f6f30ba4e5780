//! The chat in plain lines: stdin is sent, messages come on stdout, the rest goes to stderr.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::time::Duration;

use homing::{ConversationId, Message};
use tokio::signal::unix::Signal;
use tokio::time::{Instant, sleep_until};

use super::talk::{Flow, Talk, Told, now, peer, text};
use super::typed::Typed;
use super::words;
use crate::cli::{Done, Outcome};
use crate::failure::Failure;
use crate::lines::{self, Line};
use crate::signals::Signals;

/// What was printed.
#[derive(Default)]
struct Printed {
    status: String,
    /// The last message of each conversation.
    messages: BTreeMap<ConversationId, u64>,
}

pub(super) async fn run(mut talk: Talk) -> Outcome {
    let mut signals = Signals::take().map_err(crate::commands::no_signals)?;
    let continued = Signals::continued().map_err(crate::commands::no_signals)?;
    talk.begin();
    let outcome = tokio::select! {
        outcome = converse(&mut talk, continued) => outcome,
        () = signals.next() => Ok(Done::Well),
    };
    talk.client.close().await;
    outcome
}

async fn converse(talk: &mut Talk, mut continued: Signal) -> Outcome {
    let mut printed = Printed::default();
    sign_in(talk, &mut printed).await?;
    let mut lines = lines::stdin();
    loop {
        talk.refresh().await;
        tokio::select! {
            told = talk.next() => if printed.show(talk, &told).await == Flow::Quit {
                return Ok(Done::Well);
            },
            Some(()) = continued.recv() => talk.continued().await,
            line = lines.recv() => {
                let Some(line) = line else { return send_the_rest(talk, &mut printed).await };
                let Line::Whole(line) = line else {
                    eprintln!("# a line was too long and was not sent");
                    continue;
                };
                let (flow, told) = talk.typed(Typed::read(&String::from_utf8_lossy(&line))).await;
                printed.show(talk, &told).await;
                if flow == Flow::Quit {
                    return Ok(Done::Well);
                }
            }
        }
    }
}

/// Lines that are read before anybody is signed in would be refused.
async fn sign_in(talk: &mut Talk, printed: &mut Printed) -> Result<(), Failure> {
    loop {
        match talk.next().await {
            Told::SignedIn(Ok(())) => return Ok(()),
            Told::SignedIn(Err(error)) => {
                return Err(Failure::of(format!("cannot sign in as {}", talk.user), &error));
            }
            told => {
                printed.show(talk, &told).await;
            }
        }
    }
}

/// stdin has ended: everything that was said is to reach the server.
async fn send_the_rest(talk: &mut Talk, printed: &mut Printed) -> Outcome {
    let patience = Instant::now() + PATIENCE;
    loop {
        let left = talk.client.outbox().await.unwrap_or_default().len();
        if left == 0 {
            return Ok(Done::Well);
        }
        tokio::select! {
            told = talk.next() => { printed.show(talk, &told).await; }
            () = sleep_until(patience) => return Err(Failure::new(
                format!("{left} messages are not sent yet"),
                words::status_line(&talk.status, super::screen::time()).1,
                "with --store they are kept; start again with the same --store to send them",
            )),
        }
    }
}

impl Printed {
    async fn show(&mut self, talk: &Talk, told: &Told) -> Flow {
        match told {
            Told::Message(message) => self.message(talk, message),
            Told::Lists => self.unread(talk).await,
            Told::Notice(notice) => eprintln!("# {notice}"),
            Told::Panel(title, lines) => {
                eprintln!("# {title}");
                lines.iter().for_each(|line| eprintln!("#   {line}"));
            }
            Told::Status => self.status(talk),
            Told::SignedIn(Err(error)) => eprintln!("# not signed in: {}", error.sentence()),
            Told::SignedIn(Ok(())) | Told::Sent | Told::Nothing => {}
            Told::End => return Flow::Quit,
        }
        Flow::On
    }

    fn status(&mut self, talk: &Talk) {
        let (_, line) = words::status_line(&talk.status, super::screen::time());
        let advice = words::advice(&talk.status).map(|advice| format!("\n# {advice}"));
        let line = line + &advice.unwrap_or_default();
        if self.status != line {
            eprintln!("# {line}");
            self.status = line;
        }
    }

    /// What was written to this account while it was away.
    async fn unread(&mut self, talk: &Talk) {
        // What cannot be read now is told when the lists change again.
        let mut list = talk.client.conversations(CONVERSATIONS).await.unwrap_or_default();
        list.retain(|view| view.unread() > 0);
        for view in list.iter().rev() {
            let limit = u32::try_from(view.head - view.read_seq).unwrap_or(u32::MAX);
            let history = talk.client.history(&view.id, 0, limit).await.unwrap_or_default();
            let is_new = |message: &&Message| message.seq > view.read_seq;
            history.messages.iter().filter(is_new).for_each(|m| self.message(talk, m));
        }
    }

    fn message(&mut self, talk: &Talk, message: &Message) {
        let last = self.messages.entry(message.conversation.clone()).or_default();
        if *last >= message.seq {
            return;
        }
        *last = message.seq;
        let (clock, words) = (words::clock(message.time, now()), text(&message.content));
        let line = if message.from == talk.user {
            format!("{clock} {} → {}: {words}", message.from, peer(&message.conversation))
        } else {
            format!("{clock} {}: {words}", message.from)
        };
        // Whoever closed stdout may still send.
        let _ = writeln!(io::stdout(), "{line}");
    }
}

/// How long the end of stdin waits for the server.
const PATIENCE: Duration = Duration::from_secs(15);
/// Conversations looked through for what is unread.
const CONVERSATIONS: u32 = 100;
