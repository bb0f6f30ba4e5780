//! The account's log on this device: what is stored, what is held back, what is asked for (D-3).
//!
//! One batch of rows is being written at a time. A second one behind a first that fails would move
//! the cursor over a hole (I6).

use std::collections::BTreeMap;

use homing_proto::frame::{SyncBody, SyncPage};
use homing_proto::id::Cursor;
use homing_proto::limits::{PUSH_BUFFER, PUSH_HOLD_MS, RETRY_MS, SYNC_ENTRIES, SYNC_PROGRESS_MS};
use homing_proto::message::{Conversation, LogEntry};
use homing_proto::time::Time;
use homing_proto::{Code, Error};

use super::io::{BatchId, Row};
use super::status::SyncStatus;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Sync {
    /// How far the log is stored, durably.
    stored: Option<Cursor>,
    /// The server's head, as last told on this link.
    head: u64,
    /// Entries after `stored` that are not stored yet, by offset.
    held: BTreeMap<u64, LogEntry>,
    /// A window that is not stored yet, and the cursor it stands for.
    window: Option<(Cursor, Vec<Conversation>)>,
    /// The batch being written.
    writing: Option<Writing>,
    /// Since when something is missing before what is held, or before the head.
    gap_since: Option<Time>,
    /// A page was asked for.
    asked: bool,
    phase: Phase,
    /// The first screen is what the server had when this link began, or newer.
    pub(super) first_screen: bool,
}

/// A batch on its way to the store.
#[derive(Debug, Clone, Copy)]
struct Writing {
    batch: BatchId,
    /// Where it moves the cursor to.
    cursor: Cursor,
    /// It holds a whole window.
    window: bool,
}

#[derive(Clone, Debug, Default)]
enum Phase {
    /// No link.
    #[default]
    Idle,
    /// Pages are coming in; the log stood at `from` when it began, and something came in or was
    /// stored at `moved` last.
    CatchingUp { from: u64, moved: Time },
    /// Nothing was missing the last time everything was stored.
    Live,
    /// See [`SyncStatus::Stalled`].
    Stalled { cause: Error, retry_at: Time },
}

/// What a finished batch means for the app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    /// More is to come.
    Further,
    /// Everything up to the head is stored, for the first time since the link began.
    Live,
}

/// A page that is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PageWish {
    /// What is stored.
    pub(super) cursor: Option<Cursor>,
    /// An earlier data sync ended with an error; this is the start of another.
    pub(super) begins_anew: bool,
}

impl Sync {
    /// A store was opened: this is what it holds.
    ///
    /// What was pushed since Welcome is held already and stays: the store of a first login opens
    /// after it.
    pub(super) fn opened(&mut self, stored: Option<Cursor>) {
        self.stored = stored;
    }

    /// What is stored, for Hello and SyncFrom.
    pub(super) const fn cursor(&self) -> Option<Cursor> {
        self.stored
    }

    /// A link begins with this page. Data sync has started.
    pub(super) fn began(&mut self, now: Time, page: SyncPage) -> Result<(), Error> {
        self.phase = Phase::CatchingUp { from: self.offset(), moved: now };
        self.first_screen = false;
        self.take_page(now, page)
    }

    /// The link is gone. Tells whether a started data sync ends unfinished.
    pub(super) fn lost(&mut self) -> bool {
        let unfinished = matches!(self.phase, Phase::CatchingUp { .. });
        self.phase = Phase::Idle;
        self.asked = false;
        self.gap_since = None;
        self.held.clear();
        self.window = None;
        unfinished
    }

    /// A page came in.
    pub(super) fn take_page(&mut self, now: Time, page: SyncPage) -> Result<(), Error> {
        self.asked = false;
        self.moved(now);
        self.head = self.head.max(page.head);
        match page.body {
            SyncBody::TooLong(conversations) => {
                let cursor = Cursor { log_epoch: page.log_epoch, offset: page.head };
                self.held = self.held.split_off(&(cursor.offset + 1));
                // Another log may be shorter than the one that was stored.
                let newest = self.held.last_key_value().map_or(0, |(offset, _)| *offset);
                self.head = newest.max(page.head);
                self.window = Some((cursor, conversations));
            }
            SyncBody::Entries { first_offset, entries } => {
                let base = self.target().unwrap_or(Cursor { log_epoch: page.log_epoch, offset: 0 });
                if base.log_epoch != page.log_epoch {
                    return Err(Error::new(Code::PROTOCOL_ERROR)
                        .with_text("a page of another log without a window"));
                }
                if self.stored.is_none() && self.writing.is_none() && self.window.is_none() {
                    self.stored = Some(base);
                }
                if !entries.is_empty() && first_offset > base.offset + 1 {
                    return Err(Error::new(Code::PROTOCOL_ERROR).with_text("a page with a hole"));
                }
                for (offset, entry) in (first_offset..).zip(entries) {
                    self.hold(offset, entry);
                }
            }
        }
        Ok(())
    }

    /// A new entry came in.
    pub(super) fn push(&mut self, offset: u64, entry: LogEntry) {
        self.head = self.head.max(offset);
        // What does not fit is asked for again; the log has it.
        if self.held.len() < PUSH_BUFFER {
            self.hold(offset, entry);
        }
    }

    /// The server told its head.
    pub(super) fn told_head(&mut self, head: u64) {
        self.head = self.head.max(head);
    }

    /// The rows to write next, if nothing is being written and something can be.
    pub(super) fn next_batch(&mut self, batch: BatchId) -> Option<(Vec<Row>, Vec<LogEntry>)> {
        if self.writing.is_some() || !self.is_linked() {
            return None;
        }
        if let Some((cursor, conversations)) = self.window.take() {
            self.writing = Some(Writing { batch, cursor, window: true });
            return Some((vec![Row::Window(conversations), Row::Cursor(cursor)], Vec::new()));
        }
        let mut cursor = self.stored?;
        let mut entries = Vec::new();
        while entries.len() < SYNC_ENTRIES {
            let Some(entry) = self.held.remove(&(cursor.offset + 1)) else { break };
            cursor.offset += 1;
            entries.push(entry);
        }
        if entries.is_empty() {
            return None;
        }
        self.writing = Some(Writing { batch, cursor, window: false });
        let mut rows: Vec<Row> = entries.iter().cloned().map(Row::Entry).collect();
        rows.push(Row::Cursor(cursor));
        Some((rows, entries))
    }

    /// The batch is durable.
    pub(super) fn written(&mut self, now: Time, batch: BatchId) -> Reached {
        let Some(written) = self.writing.take_if(|writing| writing.batch == batch) else {
            return Reached::Further;
        };
        self.moved(now);
        self.stored = Some(written.cursor);
        if written.window && self.is_linked() {
            self.first_screen = true;
        }
        self.settle()
    }

    /// Tells whether everything is stored for the first time since the link began.
    pub(super) fn settle(&mut self) -> Reached {
        let done = self.writing.is_none()
            && self.window.is_none()
            && self.stored.is_some()
            && self.offset() >= self.head;
        match self.phase {
            Phase::CatchingUp { .. } if done => {
                self.phase = Phase::Live;
                self.first_screen = true;
                Reached::Live
            }
            _ => Reached::Further,
        }
    }

    /// The batch could not be written and left no trace. Tells whether a started sync ends here.
    pub(super) fn write_failed(&mut self, now: Time, batch: BatchId, cause: Error) -> bool {
        if self.writing.take_if(|writing| writing.batch == batch).is_none() {
            return false;
        }
        self.stall(now, cause)
    }

    /// A data sync that stands still ends, with this error: whoever waits for its end must not wait
    /// for ever (S-2.4, I7). It is begun again later.
    pub(super) fn give_up(&mut self, now: Time) -> Option<Error> {
        match self.phase {
            Phase::CatchingUp { moved, .. } if now >= moved + SYNC_PROGRESS_MS => {}
            _ => return None,
        }
        let error = Error::new(Code::TIMEOUT).with_text("nothing came in or could be stored");
        self.stall(now, error.clone()).then_some(error)
    }

    /// The server refused to give a page. Tells whether a started sync ends here.
    pub(super) fn stall(&mut self, now: Time, cause: Error) -> bool {
        self.asked = false;
        if !self.is_linked() {
            return false;
        }
        let unfinished = matches!(self.phase, Phase::CatchingUp { .. });
        // What was held may lie behind what was lost: ask again from what is stored.
        self.held.clear();
        self.window = None;
        let wait = cause.retry_after_ms.map_or(RETRY_MS, u64::from).max(RETRY_MS);
        self.phase = Phase::Stalled { cause, retry_at: now + wait };
        unfinished
    }

    /// A page is needed now: what to ask from.
    pub(super) fn wants_page(&mut self, now: Time) -> Option<PageWish> {
        if self.asked || self.writing.is_some() || self.window.is_some() {
            return None;
        }
        let behind = self.stored.is_none() || self.offset() < self.head;
        let due = match self.phase {
            Phase::Idle => false,
            Phase::CatchingUp { .. } => behind,
            Phase::Stalled { retry_at, .. } => now >= retry_at,
            Phase::Live => {
                if !behind {
                    self.gap_since = None;
                    return None;
                }
                let since = *self.gap_since.get_or_insert(now);
                now >= since + PUSH_HOLD_MS
            }
        };
        if !due {
            return None;
        }
        self.asked = true;
        self.gap_since = None;
        let begins_anew = matches!(self.phase, Phase::Stalled { .. });
        if begins_anew {
            self.phase = Phase::CatchingUp { from: self.offset(), moved: now };
        }
        Some(PageWish { cursor: self.stored, begins_anew })
    }

    /// The store is closed; nothing that was on its way counts.
    pub(super) fn closed(&mut self) {
        *self = Self::default();
    }

    pub(super) const fn next_timeout(&self) -> Option<Time> {
        match (&self.phase, self.gap_since) {
            (Phase::CatchingUp { moved, .. }, _) => {
                Some(Time(moved.0.saturating_add(SYNC_PROGRESS_MS)))
            }
            // Behind a write whose fate is open nothing is asked for.
            (Phase::Stalled { retry_at, .. }, _) if !self.asked && self.writing.is_none() => {
                Some(*retry_at)
            }
            (Phase::Live, Some(since)) if !self.asked => {
                Some(Time(since.0.saturating_add(PUSH_HOLD_MS)))
            }
            _ => None,
        }
    }

    /// A data sync has started and not ended.
    pub(super) const fn is_catching_up(&self) -> bool {
        matches!(self.phase, Phase::CatchingUp { .. })
    }

    pub(super) const fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Live)
    }

    pub(super) fn status(&self) -> SyncStatus {
        match &self.phase {
            Phase::Idle => SyncStatus::Idle,
            Phase::CatchingUp { from, .. } => SyncStatus::CatchingUp {
                done: self.offset().saturating_sub(*from),
                of: self.head.saturating_sub(*from),
            },
            Phase::Live => SyncStatus::Live,
            Phase::Stalled { cause, retry_at } => {
                SyncStatus::Stalled { cause: cause.clone(), retry_at: *retry_at }
            }
        }
    }

    const fn moved(&mut self, now: Time) {
        if let Phase::CatchingUp { moved, .. } = &mut self.phase {
            *moved = now;
        }
    }

    fn hold(&mut self, offset: u64, entry: LogEntry) {
        if self.target().is_none_or(|target| offset > target.offset) {
            self.held.insert(offset, entry);
        }
    }

    /// The cursor that everything on its way to the store adds up to.
    fn target(&self) -> Option<Cursor> {
        self.window
            .as_ref()
            .map(|(cursor, _)| *cursor)
            .or_else(|| self.writing.map(|writing| writing.cursor))
            .or(self.stored)
    }

    fn offset(&self) -> u64 {
        self.stored.map_or(0, |cursor| cursor.offset)
    }

    const fn is_linked(&self) -> bool {
        !matches!(self.phase, Phase::Idle)
    }
}
