//! I6: the stored log is a gap-free prefix of the server's; rows and cursor commit together.

use std::collections::BTreeMap;

use homing_core::client::Row;
use homing_proto::id::{ConversationId, Cursor, UserId};
use homing_proto::message::{Conversation, LogEntry};

use super::Oracle;
use crate::fact::{DeviceNo, Fact};
use crate::truth::{Counts, Truth, UserTruth};
use crate::watch::Findings;

#[derive(Clone, Debug, Default)]
pub(super) struct LogPrefix {
    cursors: BTreeMap<(DeviceNo, UserId), Cursor>,
}

impl Oracle for LogPrefix {
    fn name(&self) -> &'static str {
        "I6 log prefix"
    }

    fn see(&mut self, _now: u64, fact: &Fact<'_>, truth: &Truth, findings: &mut Findings<'_>) {
        match fact {
            Fact::RowsStored(no, user, rows) => {
                let key = (*no, (*user).clone());
                let before = self.cursors.get(&key).copied();
                match judge(before, user, rows, truth.user(user), truth.window()) {
                    Ok(None) => {}
                    Ok(Some(cursor)) => {
                        self.cursors.insert(key, cursor);
                    }
                    Err(what) => findings.report(format!("{no:?} stores for {user}: {what}")),
                }
            }
            Fact::StoreReset(no, user) | Fact::StoreWiped(no, user) => {
                self.cursors.remove(&(*no, (*user).clone()));
            }
            Fact::CursorForged(no, user, cursor) => {
                self.cursors.insert((*no, (*user).clone()), *cursor);
            }
            _ => {}
        }
    }
}

fn judge(
    before: Option<Cursor>,
    user: &UserId,
    rows: &[Row],
    truth: Option<&UserTruth>,
    room: usize,
) -> Result<Option<Cursor>, String> {
    let entries: Vec<&LogEntry> = rows.iter().filter_map(entry).collect();
    let window = rows.iter().find_map(|row| match row {
        Row::Window(window) => Some(window),
        _ => None,
    });
    let cursor = rows.iter().find_map(|row| match row {
        Row::Cursor(cursor) => Some(*cursor),
        _ => None,
    });
    let Some(cursor) = cursor else {
        if entries.is_empty() && window.is_none() {
            return Ok(None);
        }
        return Err("entries without a cursor".to_owned());
    };
    let Some(truth) = truth else {
        let first = cursor.offset == 0 && entries.is_empty();
        return if first { Ok(Some(cursor)) } else { Err("a log that is empty".to_owned()) };
    };
    let count = entries.len() as u64;
    if cursor.log_epoch != truth.log_epoch && !truth.log.is_empty() {
        return Err(format!("a cursor of another log: {cursor:?}"));
    }
    if cursor.offset > truth.log.len() as u64 || cursor.offset < count {
        return Err(format!("{cursor:?} with {count} entries was never given out"));
    }
    let from = cursor.offset - count;
    match (window, before) {
        (Some(window), _) => judge_window(user, window, from, truth, room)?,
        (None, Some(before)) if before.log_epoch == cursor.log_epoch && before.offset == from => {}
        (None, None) if from == 0 => {}
        (None, before) => return Err(format!("from {before:?} to {cursor:?} by {count} entries")),
    }
    if window.is_some()
        && let Some(before) = before
        && before.log_epoch == cursor.log_epoch
        && before.offset > cursor.offset
        && before.offset <= truth.log.len() as u64
    {
        return Err(format!("back from {before:?} to {cursor:?}"));
    }
    for (stored, known) in entries.iter().zip(&truth.log[from as usize..]) {
        if *stored != known {
            return Err(format!("{stored:?} in the place of {known:?}"));
        }
    }
    Ok(Some(cursor))
}

/// A window is the state at its offset, no older and no newer, of the latest conversations that it
/// has room for.
fn judge_window(
    user: &UserId,
    window: &[Conversation],
    offset: u64,
    truth: &UserTruth,
    room: usize,
) -> Result<(), String> {
    let counts = truth.counts(user, offset);
    judge_choice(window, &counts, truth, room)?;
    for conversation in window {
        let known = counts.get(&conversation.id).copied().unwrap_or_default();
        let told = (
            conversation.head,
            conversation.own_count,
            conversation.read_seq,
            conversation.read_own_count,
        );
        if told != (known.head, known.own_count, known.read_seq, known.read_own_count) {
            return Err(format!(
                "window of {} at {offset}: {told:?}, is {known:?}",
                conversation.id
            ));
        }
        let messages = truth.messages.get(&conversation.id).map_or(&[][..], |all| &all[..]);
        let upto = &messages[..(known.head as usize).min(messages.len())];
        let tail = &upto[upto.len().saturating_sub(conversation.messages.len())..];
        if tail != &conversation.messages[..] {
            return Err(format!("window of {} at {offset} holds other messages", conversation.id));
        }
    }
    Ok(())
}

/// No conversation is left out for one whose last message is older.
fn judge_choice(
    window: &[Conversation],
    counts: &BTreeMap<ConversationId, Counts>,
    truth: &UserTruth,
    room: usize,
) -> Result<(), String> {
    let last = |id: &ConversationId| {
        let head = counts.get(id).map_or(0, |counts| counts.head);
        let at = usize::try_from(head).ok()?.checked_sub(1)?;
        truth.messages.get(id)?.get(at).map(|message| message.time)
    };
    let is_left_out = |id: &&ConversationId| !window.iter().any(|told| told.id == **id);
    let latest_left_out =
        counts.keys().filter(is_left_out).filter_map(|id| Some((last(id)?, id))).max();
    let Some((time, id)) = latest_left_out else { return Ok(()) };
    if window.len() < room || window.iter().any(|told| last(&told.id) < Some(time)) {
        return Err(format!("a window without {id}"));
    }
    Ok(())
}

const fn entry(row: &Row) -> Option<&LogEntry> {
    match row {
        Row::Entry(entry) => Some(entry),
        _ => None,
    }
}
