//! The one thread that writes: everything queued, one commit, then the answers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use homing_core::server::registry::ConnId;
use homing_proto::frame::{Refuse, Response};
use homing_proto::id::AppId;
use homing_proto::time::WallTime;
use homing_proto::{Code, Error, limits};

use super::command::{Ask, Command, Origin, Queued};
use super::effect::{Effect, Effects};
use super::error::Failure;
use super::merge::{Merge, Progress};
use super::registry::Answer;
use super::state::State;
use super::sweep::Sweep;
use super::tables::DeletionRow;
use super::{Deliver, Options, Shared, UserKey};
use crate::apps::Erased;
use crate::audit;

pub(super) struct Writer {
    state: State,
    queue: Receiver<Queued>,
    shared: Arc<Shared>,
    deliver: Arc<dyn Deliver>,
    options: Options,
    effects: Effects,
    merge: Option<Merge>,
    sweep: Sweep,
    swept: Instant,
    erased: Instant,
    /// An erasing failed, and is tried again some time after this.
    erase_failed: Option<Instant>,
    /// When the devices of a user who lost a connection are told that it stayed away (S-1.6).
    lingers: VecDeque<(WallTime, UserKey)>,
    /// Detaches of a batch that failed: nobody would ask for them again.
    owed: Vec<(UserKey, ConnId)>,
    health: Health,
}

/// Whether writing makes sense.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Health {
    Good,
    /// The disk did not take the last commit; the next is tried then.
    Waiting(Instant),
    /// Memory or disk cannot be trusted any more; only a restart helps.
    Broken,
}

impl Writer {
    pub(super) fn new(
        state: State,
        queue: Receiver<Queued>,
        shared: Arc<Shared>,
        deliver: Arc<dyn Deliver>,
        options: Options,
    ) -> Self {
        Self {
            state,
            queue,
            shared,
            deliver,
            options,
            effects: Effects::default(),
            merge: None,
            sweep: Sweep::new(),
            swept: Instant::now(),
            erased: Instant::now(),
            erase_failed: None,
            lingers: VecDeque::new(),
            owed: Vec::new(),
            health: Health::Good,
        }
    }

    pub(super) fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            match self.queue.recv_timeout(self.patience()) {
                Ok(first) => {
                    batch.push(first);
                    batch.extend(self.queue.try_iter().take(BATCH - 1));
                }
                Err(RecvTimeoutError::Timeout) => self.idle(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let stop = batch.iter().position(|queued| matches!(queued, Queued::Stop));
            batch.truncate(stop.unwrap_or(batch.len()));
            if !batch.is_empty() || !self.owed.is_empty() {
                self.take(&mut batch);
                batch.clear();
                self.merge_under_load();
                self.erase_under_load();
            }
            if stop.is_some() {
                return;
            }
        }
    }

    /// How long to wait for a command before using the gap.
    fn patience(&self) -> Duration {
        if self.health != Health::Good {
            TICK
        } else if self.merge.is_some() || self.has_to_erase() {
            Duration::ZERO
        } else if self.state.journal.rows > 0 {
            GAP
        } else {
            TICK
        }
    }

    fn take(&mut self, batch: &mut Vec<Queued>) {
        let commands = batch.iter().filter(|queued| !matches!(queued, Queued::Detach { .. }));
        self.shared.depth.fetch_sub(commands.count(), Ordering::Relaxed);
        let owed = self.owed.drain(..);
        batch.splice(0..0, owed.map(|(user, conn)| Queued::Detach { user, conn }));
        match self.health {
            Health::Broken => batch.iter().for_each(|queued| self.fail(queued, &internal())),
            Health::Waiting(until) if Instant::now() < until => self.reads_only(batch, &busy()),
            Health::Waiting(_) | Health::Good => {
                self.health = Health::Good;
                self.commit_in_turns(batch);
            }
        }
    }

    /// One commit for the batch, or several when it is long work: pages of logs, mostly.
    fn commit_in_turns(&mut self, mut batch: &mut [Queued]) {
        while !batch.is_empty() {
            let mut taken = 0;
            let result = self.commit(batch, &mut taken);
            let (turn, rest) = batch.split_at_mut(taken);
            if let Err(failure) = result {
                self.recover(turn, &failure);
                if self.health != Health::Good {
                    let error = failure.answer();
                    return self.reads_only(rest, &error);
                }
            }
            batch = rest;
        }
    }

    /// Runs a batch, or as much of it as fits a turn, and makes it durable; then, and only then,
    /// anybody hears of it. `taken` says how many commands that was, also when it failed.
    fn commit(&mut self, batch: &mut [Queued], taken: &mut usize) -> Result<(), Failure> {
        let now = (self.options.clock)();
        let before = self.state.apps.clone();
        let until = Instant::now() + TURN;
        *taken = batch.len();
        self.state.tables.begin()?;
        *taken = 0;
        for queued in batch {
            *taken += 1;
            self.handle(queued, now)?;
            if Instant::now() >= until {
                break;
            }
        }
        let decided = Instant::now();
        self.state.write_journal()?;
        self.state.tables.commit()?;
        self.shared.commits.observe(decided.elapsed());
        self.state.journal.committed();
        if !Arc::ptr_eq(&before, &self.state.apps) {
            self.shared.publish(&self.state.apps, &self.state.deletions.apps);
        }
        self.effects.deliver(&*self.deliver);
        Ok(())
    }

    fn handle(&mut self, queued: &mut Queued, now: WallTime) -> Result<(), Failure> {
        match queued {
            Queued::Command(Command::Bind(bind)) => {
                self.state.bind(bind, self.options.limits, now, &mut self.effects)
            }
            Queued::Command(Command::EndSession(end)) => {
                self.state.end_session(end, now, &mut self.effects)
            }
            Queued::Command(Command::Request { from, id, ask }) => {
                let body = match self.state.fence(from)? {
                    Ok(()) => request(&mut self.state, from, ask, now, &mut self.effects)?,
                    Err(error) => Err(error),
                };
                self.effects.push(Effect::Answer { conn: from.conn, id: *id, body });
                Ok(())
            }
            Queued::Detach { user, conn } => {
                self.state.detach(*user, *conn, now)?;
                if self.lingers.len() < LINGERS {
                    self.lingers.push_back((WallTime(now.0 + limits::LINGER_MS), *user));
                }
                Ok(())
            }
            Queued::Admin(admin) => self.state.admin(admin, now, &mut self.effects),
            Queued::Stop => Ok(()),
        }
    }

    /// A commit failed: nothing of it happened. Memory goes back to the last commit, and the
    /// commands are answered, or tried again where that can help.
    fn recover(&mut self, batch: &mut [Queued], failure: &Failure) {
        tracing::error!(%failure, "a commit failed; its commands were not carried out");
        if !self.roll_back() || failure.is_fatal() {
            tracing::error!("the store stops: what was written last cannot be trusted");
            self.health = Health::Broken;
            batch.iter().for_each(|queued| self.fail(queued, &internal()));
        } else if failure.is_passing() {
            self.health = Health::Waiting(Instant::now() + PAUSE);
            self.reads_only(batch, &failure.answer());
        } else {
            // One command that meets a damaged row must not take the others with it.
            for queued in batch {
                // An operator was told to ask again when the effects were dropped.
                if matches!(queued, Queued::Admin(_)) {
                    continue;
                }
                if let Err(failure) = self.commit(std::slice::from_mut(queued), &mut 0) {
                    self.fail(queued, &failure.answer());
                    if !self.roll_back() {
                        self.health = Health::Broken;
                    }
                }
            }
        }
    }

    /// Serves what only reads; everything else gets this answer.
    fn reads_only(&mut self, batch: &mut [Queued], error: &Error) {
        for queued in batch {
            let reads = match queued {
                Queued::Command(Command::Request { ask, .. }) => ask.reads(),
                _ => false,
            };
            if !reads || self.commit(std::slice::from_mut(queued), &mut 0).is_err() {
                self.effects.clear();
                self.state.tables.rollback();
                self.fail(queued, error);
            }
        }
    }

    fn roll_back(&mut self) -> bool {
        self.effects.clear();
        self.merge = None;
        self.state.tables.rollback();
        self.state.reload().inspect_err(|failure| tracing::error!(%failure, "reload")).is_ok()
    }

    fn fail(&mut self, queued: &Queued, error: &Error) {
        match queued {
            Queued::Command(Command::Bind(bind)) => {
                let error = error.clone();
                let refuse = Refuse { error, terminal: false, kick: None, holders: Vec::new() };
                self.deliver.refused(bind.ask.conn, Box::new(refuse));
            }
            Queued::Command(Command::EndSession(end)) => {
                self.deliver.ended(end.conn, end.session, Err(error.clone()));
            }
            Queued::Command(Command::Request { from, id, .. }) => {
                self.deliver.answer(from.conn, *id, Err(error.clone()));
            }
            Queued::Detach { user, conn } => self.owed.push((*user, *conn)),
            // The asker sees its reply dropped.
            Queued::Admin(_) | Queued::Stop => {}
        }
    }

    // ------------------------------------------------------------ in the gaps

    fn idle(&mut self) {
        if self.health != Health::Good {
            return;
        }
        if self.state.journal.rows > 0 {
            return self.merge_slice(SLICE);
        }
        let now = (self.options.clock)();
        while self.lingers.front().is_some_and(|(due, _)| *due <= now) {
            let (_, user) = self.lingers.pop_front().expect("it was just seen");
            if self.state.tell_devices(user, now, &mut self.effects).is_err() {
                self.effects.clear();
            }
        }
        self.effects.deliver(&*self.deliver);
        self.erase();
        if self.swept.elapsed() >= TICK {
            self.swept = Instant::now();
            self.sweep(now);
        }
    }

    fn sweep(&mut self, now: WallTime) {
        let Self { state, sweep, .. } = self;
        let swept = state.tables.begin().and_then(|()| {
            sweep.step(state, now)?;
            state.write_journal()?;
            state.tables.commit()?;
            state.journal.committed();
            Ok(())
        });
        if let Err(failure) = swept {
            self.recover(&mut [], &failure);
        }
    }

    /// One slice of what deletions have left to erase; says so when one is done (D-7).
    fn erase(&mut self) {
        if self.health != Health::Good || !self.has_to_erase() {
            return;
        }
        self.erase_failed = None;
        match self.state.erase(SLICE, (self.options.clock)()) {
            Ok(done) => {
                self.shared.publish(&self.state.apps, &self.state.deletions.apps);
                if let Some(DeletionRow { app, user, erased, .. }) = done {
                    self.say_erased(app, user, erased);
                }
            }
            Err(failure) => {
                self.recover(&mut [], &failure);
                self.erase_failed = Some(Instant::now());
            }
        }
        self.erased = Instant::now();
    }

    fn has_to_erase(&self) -> bool {
        let may = self.erase_failed.is_none_or(|at| at.elapsed() >= ERASE_RETRY);
        may && !self.state.deletions.is_idle()
    }

    fn say_erased(&self, app: AppId, user: Option<UserKey>, erased: Erased) {
        match user.map(|user| self.state.glance(user, |user| user.id.clone())) {
            None => audit::app_erased(app, erased),
            Some(Ok(user)) => audit::user_erased(app, &user, erased),
            Some(Err(failure)) => tracing::error!(%failure, "a user that was erased"),
        }
    }

    /// When the commands leave no gap, erasing gets a small part of the time all the same.
    fn erase_under_load(&mut self) {
        if self.erased.elapsed() >= ERASE_PAUSE {
            self.erase();
        }
    }

    /// When the commands leave no gap the journal must not grow without bound: each commit is
    /// followed by as many slices as it has segments in it.
    fn merge_under_load(&mut self) {
        let journal = &self.state.journal;
        let segments = (journal.rows / SEGMENT_ROWS).max(journal.bytes / SEGMENT_BYTES);
        let is_due = segments > 0 || self.merge.is_some() || self.state.awaits_merge();
        if self.health == Health::Good && is_due {
            let slices = u32::try_from(segments.clamp(1, SLICES)).expect("clamped");
            self.merge_slice(SLICE * slices);
        }
    }

    fn merge_slice(&mut self, length: Duration) {
        if self.merge.is_none() {
            self.merge = Merge::begin(&self.state);
        }
        let Some(merge) = &mut self.merge else { return };
        match merge.slice(&mut self.state, length) {
            Ok(Progress::More) => {}
            Ok(Progress::Done) => {
                self.merge = None;
                self.state.settle();
            }
            Err(failure) => self.recover(&mut [], &failure),
        }
    }
}

/// A request that has passed the fence.
pub(super) fn request(
    state: &mut State,
    from: &Origin,
    ask: &Ask,
    now: WallTime,
    out: &mut Effects,
) -> Result<Answer, Failure> {
    match ask {
        Ask::Send { conversation, client_id, content } => {
            state.send(from, conversation, *client_id, content, now, out)
        }
        Ask::MarkRead { conversation, seq } => state.mark_read(from, conversation, *seq, out),
        Ask::SyncFrom { cursor, window } => {
            Ok(Ok(Response::Sync(state.sync_page(from.user, *cursor, *window)?)))
        }
        Ask::History { conversation, before, limit } => {
            state.history(from, conversation, *before, *limit)
        }
        Ask::ListDevices => Ok(Ok(Response::Devices(state.user(from.user)?.sessions.devices(now)))),
        Ask::KickDevices(sessions) => state.kick_devices(from, sessions, now, out),
        Ask::Presence(users) => state.presence(from, users, now),
        Ask::Renew(verdict) => state.renew(from, *verdict, now),
        Ask::RenewStatic(shown) => match state.user(from.user)?.sessions.judge_static_token(*shown)
        {
            Ok(verdict) => state.renew(from, verdict, now),
            Err(error) => Ok(Err(error)),
        },
        Ask::Logout => state.log_out(from, now, out),
    }
}

impl Ask {
    /// Whether it changes nothing.
    const fn reads(&self) -> bool {
        match self {
            Self::SyncFrom { .. }
            | Self::History { .. }
            | Self::ListDevices
            | Self::Presence(_) => true,
            Self::Send { .. }
            | Self::MarkRead { .. }
            | Self::KickDevices(_)
            | Self::Renew(_)
            | Self::RenewStatic(_)
            | Self::Logout => false,
        }
    }
}

fn internal() -> Error {
    Code::SERVER_INTERNAL.into()
}

pub(super) fn busy() -> Error {
    Error::new(Code::SERVER_BUSY).retry_after(super::error::BUSY_RETRY_MS)
}

/// Commands in one commit: enough to share the fsync, few enough to answer within milliseconds.
const BATCH: usize = 1_024;
/// Work on commands before a commit: long reads must not keep short sends waiting.
const TURN: Duration = Duration::from_millis(10);
/// Without a command for this long the writer uses the gap for merging.
const GAP: Duration = Duration::from_millis(20);
/// Without anything to merge it looks at the time this often.
const TICK: Duration = Duration::from_secs(1);
/// After a failed commit no other is tried for this long.
const PAUSE: Duration = Duration::from_secs(1);
/// One transaction of a merge: what it adds to the latency of a command that comes meanwhile.
const SLICE: Duration = Duration::from_millis(4);
/// Under load a slice of erasing comes not sooner after the one before it: less than a tenth of the
/// time.
const ERASE_PAUSE: Duration = Duration::from_millis(50);
/// After an erasing failed: what does not pass by itself may not take the time of everything else.
const ERASE_RETRY: Duration = Duration::from_secs(60);
/// Slices after one commit at most, whatever the journal holds.
const SLICES: u64 = 8;
/// Rows of the journal at which merging goes on under load: long enough to sort well.
const SEGMENT_ROWS: u64 = 32_768;
/// The same in bytes, because these rows are also held in memory.
const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;
/// Users waiting to be told that a device stayed away; beyond this they learn it at the next change.
const LINGERS: usize = 65_536;
