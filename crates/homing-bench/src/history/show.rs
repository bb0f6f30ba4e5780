//! An illegal history for people: what could be put in order, where it got stuck, and why not.

use std::fmt::Write as _;

use super::event::{Event, HelloAnswer, History, What};
use super::search::Witness;

/// The end of the longest order that was found, the state after it, and what did not fit.
pub(crate) fn illegal(history: &History, witness: &Witness) -> String {
    let mut text = format!(
        "user {}: {} of {} events can be put in order\n",
        history.user,
        witness.order.len(),
        history.events.len()
    );
    let from = witness.order.len().saturating_sub(SHOWN);
    for number in &witness.order[from..] {
        line(&mut text, "  ", *number, &history.events[*number]);
    }
    text.push_str("then the server must hold this:\n");
    let _ = writeln!(text, "  {:#?}", witness.state);
    text.push_str("and none of these can come next:\n");
    for number in &witness.stuck {
        line(&mut text, "  ! ", *number, &history.events[*number]);
    }
    text
}

/// The whole history, by the time its events were asked for.
pub(crate) fn whole(history: &History) -> String {
    let mut text = String::new();
    for (number, event) in history.events.iter().enumerate() {
        line(&mut text, "", number, event);
    }
    text
}

fn line(text: &mut String, margin: &str, number: usize, event: &Event) {
    let us = |ns: u64| ns / 1_000;
    let answered = event.answered.map_or_else(|| "?".to_owned(), |at| us(at).to_string());
    let (conn, asked) = (event.conn.0, us(event.asked));
    let _ = write!(text, "{margin}{number:>5}  {asked:>9}–{answered:<9} µs  conn {conn:<6} ");
    let _ = match &event.what {
        What::Hello(hello, answer) => {
            let asked = hello.resume.map_or_else(String::new, |resume| {
                format!(" resumes {} ({:?})", resume.session, resume.secret)
            });
            let _ = write!(
                text,
                "hello {:?} {} on {} counter {}{asked}: ",
                hello.intent,
                hello.platform.name(),
                hello.device,
                hello.counter
            );
            match answer {
                None => writeln!(text, "nobody waited"),
                Some(HelloAnswer::Welcome { session, epoch, binding, devices, .. }) => {
                    let list: Vec<String> = devices.iter().map(ToString::to_string).collect();
                    let list = list.join(", ");
                    writeln!(text, "{binding:?} {session} epoch {epoch}; alive: {list}")
                }
                Some(HelloAnswer::Refuse { code, kick, holders }) => {
                    writeln!(text, "refused, {} {kick:?} holders {holders:?}", code.name())
                }
            }
        }
        What::List(session, answer) => writeln!(text, "list for {session}: {answer:?}"),
        What::Kick(by, targets, answer) => writeln!(text, "{by} kicks {targets:?}: {answer:?}"),
        What::Logout(session, answer) => writeln!(text, "logout of {session}: {answer:?}"),
        What::End(session, _) => writeln!(text, "end of {session}"),
        What::Devices(list) => writeln!(text, "is told the list {list:?}"),
        What::Closed(session, fate) => writeln!(text, "{session} is told {fate:?}"),
    };
}

/// Events before the place at which it got stuck.
const SHOWN: usize = 40;
