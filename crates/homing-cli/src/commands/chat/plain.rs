//! The chat in plain lines: stdin is sent, messages come on stdout, the rest goes to stderr.

use std::io::{self, Write as _};
use std::time::Duration;

use homing::Message;
use tokio::time::{Instant, sleep_until};

use super::talk::{Flow, Talk, Told, now, peer, text};
use super::typed::Typed;
use super::words;
use crate::cli::{Done, Outcome};
use crate::failure::Failure;
use crate::lines::{self, Line};
use crate::signals::Signals;

pub(super) async fn run(mut talk: Talk) -> Outcome {
    let mut signals = Signals::take().map_err(crate::commands::no_signals)?;
    talk.begin();
    let outcome = tokio::select! {
        outcome = converse(&mut talk) => outcome,
        () = signals.next() => Ok(Done::Well),
    };
    talk.client.close().await;
    outcome
}

async fn converse(talk: &mut Talk) -> Outcome {
    let mut last_status = String::new();
    sign_in(talk, &mut last_status).await?;
    let mut lines = lines::stdin();
    loop {
        talk.refresh().await;
        tokio::select! {
            told = talk.next() => if show(talk, &told, &mut last_status) == Flow::Quit {
                return Ok(Done::Well);
            },
            line = lines.recv() => {
                let Some(line) = line else { return send_the_rest(talk, &mut last_status).await };
                let Line::Whole(line) = line else {
                    eprintln!("# a line was too long and was not sent");
                    continue;
                };
                let (flow, told) = talk.typed(Typed::read(&String::from_utf8_lossy(&line))).await;
                show(talk, &told, &mut last_status);
                if flow == Flow::Quit {
                    return Ok(Done::Well);
                }
            }
        }
    }
}

/// Lines that are read before anybody is signed in would be refused.
async fn sign_in(talk: &mut Talk, last_status: &mut String) -> Result<(), Failure> {
    loop {
        match talk.next().await {
            Told::SignedIn(Ok(())) => return Ok(()),
            Told::SignedIn(Err(error)) => {
                return Err(Failure::of(format!("cannot sign in as {}", talk.user), &error));
            }
            told => {
                show(talk, &told, last_status);
            }
        }
    }
}

/// stdin has ended: everything that was said is to reach the server.
async fn send_the_rest(talk: &mut Talk, last_status: &mut String) -> Outcome {
    let patience = Instant::now() + PATIENCE;
    loop {
        let left = talk.client.outbox().await.unwrap_or_default().len();
        if left == 0 {
            return Ok(Done::Well);
        }
        tokio::select! {
            told = talk.next() => { show(talk, &told, last_status); }
            () = sleep_until(patience) => return Err(Failure::new(
                format!("{left} messages are not sent yet"),
                words::status_line(&talk.status, super::screen::time()).1,
                "with --store they are kept; start again with the same --store to send them",
            )),
        }
    }
}

fn show(talk: &Talk, told: &Told, last_status: &mut String) -> Flow {
    match told {
        Told::Message(message) => print_message(talk, message),
        Told::Notice(notice) => eprintln!("# {notice}"),
        Told::Panel(title, lines) => {
            eprintln!("# {title}");
            lines.iter().for_each(|line| eprintln!("#   {line}"));
        }
        Told::Status => {
            let (_, line) = words::status_line(&talk.status, super::screen::time());
            let advice = words::advice(&talk.status).map(|advice| format!("\n# {advice}"));
            let line = line + &advice.unwrap_or_default();
            if *last_status != line {
                eprintln!("# {line}");
                *last_status = line;
            }
        }
        Told::SignedIn(Err(error)) => eprintln!("# not signed in: {}", error.sentence()),
        Told::SignedIn(Ok(())) | Told::Sent | Told::Nothing => {}
        Told::End => return Flow::Quit,
    }
    Flow::On
}

fn print_message(talk: &Talk, message: &Message) {
    let (clock, words) = (words::clock(message.time, now()), text(&message.content));
    let line = if message.from == talk.user {
        format!("{clock} {} → {}: {words}", message.from, peer(&message.conversation))
    } else {
        format!("{clock} {}: {words}", message.from)
    };
    // Whoever closed stdout may still send.
    let _ = writeln!(io::stdout(), "{line}");
}

/// How long the end of stdin waits for the server.
const PATIENCE: Duration = Duration::from_secs(15);
