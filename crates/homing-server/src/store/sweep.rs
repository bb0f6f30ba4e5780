//! What passes with time, looked for in small steps: sessions, records and idempotency keys of 30
//! days (S-1.6, S-7.6, D-1), and entries of logs that no page reaches any more.

use homing_proto::id::ClientMsgId;
use homing_proto::limits;
use homing_proto::time::WallTime;

use super::UserKey;
use super::error::Failure;
use super::state::State;

/// Where the next step goes on. It starts over at the end of each table.
pub(super) struct Sweep {
    user: UserKey,
    sent: (UserKey, ClientMsgId),
}

impl Sweep {
    pub(super) const fn new() -> Self {
        Self { user: UserKey(0), sent: START }
    }

    /// One step, within the caller's transaction.
    pub(super) fn step(&mut self, state: &mut State, now: WallTime) -> Result<(), Failure> {
        let users = state.tables.users_after(self.user, USERS)?;
        self.user = users.last().copied().unwrap_or(UserKey(0));
        for key in users {
            sweep_user(state, key, now)?;
        }
        let oldest = WallTime(now.0.saturating_sub(limits::DEDUPE_AGE_MS));
        self.sent = state.tables.sweep_sent(self.sent, SENT, oldest)?.unwrap_or(START);
        Ok(())
    }
}

fn sweep_user(state: &mut State, key: UserKey, now: WallTime) -> Result<(), Failure> {
    let (app, mut sessions, head) =
        state.glance(key, |user| (user.app, user.sessions.clone(), user.head))?;
    // Of a deleted app nothing may be written any more: it is being erased.
    let Some(age_ms) = state.apps.get(&app).map(|app| app.session_age_ms) else { return Ok(()) };
    if sessions.sweep(age_ms, now) {
        state.user(key)?.sessions = sessions;
        state.journal_sessions(key);
    }
    match head.checked_sub(limits::SYNC_BEHIND) {
        Some(first) if first > 0 => state.tables.drop_entries(key, first, ENTRIES),
        _ => Ok(()),
    }
}

const START: (UserKey, ClientMsgId) = (UserKey(0), ClientMsgId([0; 16]));
/// Users looked at in one step: some milliseconds.
const USERS: u32 = 128;
/// Idempotency keys looked at in one step.
const SENT: u32 = 2_000;
/// Entries dropped of one user in one step.
const ENTRIES: u64 = 500;
