//! The embedded store: every session, log and app of a server in one SQLite file (V-2, D-2, D-7).
//!
//! # Shape
//! One thread writes ([`writer`]). It takes everything that is queued, lets the pure rules of
//! `homing-core` decide, makes one commit with an fsync, and only then answers and delivers, in
//! commit order. So *acknowledged means durable*, admission is linearizable (there is one writer and
//! one value per user), and the snapshot in a Welcome joins the pushes that follow it without a gap
//! or an overlap (W-3). Nothing outside waits on a lock: commands go in through a bounded queue
//! ([`Store::submit`]), everything that comes of them goes out through [`Deliver`].
//!
//! # Journal and merge
//! A command appends one row to the table `journal`: the state it left, encoded ([`record`]).
//! Appending is what SQLite does fastest; putting each message at once where readers want it (by
//! conversation, by user, by idempotency key) writes every page of those tables over and over. That
//! happens later, sorted, in slices of a few milliseconds between commits ([`merge`]). Until then
//! readers find the tail in memory ([`overlay`]), which an open rebuilds from the journal
//! ([`state`]). At rest the journal is empty. The journal holds state and not differences, so a
//! record may be replayed over tables that are already ahead of it.
//!
//! # Memory
//! Users and conversations in use are cached in bounded numbers ([`cache`]); what is not merged is
//! pinned there, and the journal's bound bounds it. Nothing is held for a user who is merely there.
//!
//! # Deletion
//! Deleting an app or a user is one row; what they had is erased afterwards, in slices like those of a
//! merge, and goes on after a crash ([`erase`]).
//!
//! # Failure
//! A commit that fails has not happened: SQLite rolls back, memory is read anew, and each command of
//! the batch is answered with an error (`server_busy` when the disk is full). Reads go on. After a
//! failed fsync the store refuses everything until a restart: what the kernel dropped it will not
//! write again. A file that is damaged is reported and left alone ([`OpenError`]).
//!
//! # The file
//! `homing.db` and `master.key`, both 0600, and `homing.lock`, in a directory that one process
//! serves at a time. The keys of apps lie in the database sealed with `master.key` ([`seal`]).
//!
//! # Another backend
//! [`Command`], [`Act`], the methods of [`Store`] and [`Deliver`] are the whole boundary, and are
//! plain data. A database that locks rows takes the same values and calls the same rules.

mod admin;
mod app_rows;
mod cache;
mod command;
mod effect;
mod erase;
mod error;
mod log;
mod merge;
mod open;
mod overlay;
mod read;
mod record;
mod registry;
mod replay;
mod schema;
mod seal;
mod state;
mod sweep;
mod tables;
mod users;
mod writer;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;

use homing_core::server::registry::ConnId;
use homing_proto::device::{DeviceInfo, KickRecord};
use homing_proto::frame::{Limits, Refuse, Response, Welcome};
use homing_proto::id::{AppId, SessionId, UserId};
use homing_proto::message::LogEntry;
use homing_proto::time::WallTime;
use homing_proto::{Code, Error, limits};
use tokio::sync::{oneshot, watch};

use self::command::{Admin, Queued, Reply};
use self::state::State;
use self::writer::{Writer, busy};
use crate::apps::{App, AppChange, Apps, DeletedApp, DeletedApps, NewApp};
use crate::metrics::Histogram;

pub use self::command::{
    Act, Ask, Bind, Chosen, Command, Credentials, EndSession, Made, NewUser, Origin, Outlook,
    Trial, UserPage, UserView,
};
pub use self::error::OpenError;

/// A user inside the store: one number for (app, user id), never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct UserKey(pub u64);

/// A conversation inside the store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
struct ConversationKey(u64);

/// Fills a slice with random bytes.
pub type Random = Box<dyn FnMut(&mut [u8]) + Send>;

/// How a store runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server's wall clock.
    pub clock: fn() -> WallTime,
    /// What a Welcome says of the server's times and sizes.
    pub limits: Limits,
    /// Commands that may wait; beyond this [`Store::submit`] answers `server_busy`.
    pub queue: usize,
    /// Users, and as many conversations, kept in memory besides those not merged: at least this
    /// many of those last used, at most twice as many.
    pub cached: usize,
    /// The most pages (of 4 KiB) that the file may have; `None`: as many as the disk holds.
    pub max_pages: Option<u32>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clock: system_clock,
            limits: Limits {
                ping_ms: limits::PING_MS as u32,
                liveness_ms: limits::LIVENESS_MS as u32,
                max_frame: limits::FRAME_MAX as u32,
                reconnect_window_ms: 10_000,
            },
            queue: 16_384,
            cached: 8_192,
            max_pages: None,
        }
    }
}

/// Where the store's answers and news go: the gateway.
///
/// All methods are called on the writer's thread, after the commit that they tell of and in the
/// order of commits. They must return quickly and must not wait for the store. News for a
/// connection that is gone are dropped by the implementation.
pub trait Deliver: Send + Sync + 'static {
    /// A Hello was accepted. Entries of that user's log that come after this call lie behind
    /// `welcome.head`, without a gap.
    fn bound(&self, conn: ConnId, user: UserKey, welcome: Box<Welcome>);
    /// A Hello was refused.
    fn refused(&self, conn: ConnId, refuse: Box<Refuse>);
    /// An EndSession is done; an error means that nothing changed and it must be asked again.
    fn ended(&self, conn: ConnId, session: SessionId, result: Result<(), Error>);
    /// A request has its answer.
    fn answer(&self, conn: ConnId, id: u32, body: Result<Response, Error>);
    /// The user's log has a new entry. Called only while the user has a connection.
    fn entry(&self, user: UserKey, offset: u64, entry: &LogEntry);
    /// The connection's session lost its place (S-7.6), until then if it was a ban that ends.
    fn displaced(&self, conn: ConnId, record: Box<KickRecord>, until: Option<WallTime>);
    /// The connection's session is on a newer connection of its device (S-7.3).
    fn superseded(&self, conn: ConnId);
    /// The connection's session was ended by its device over another connection (S-9.2).
    fn logged_out(&self, conn: ConnId);
    /// An app was deleted at that moment: whoever is connected to it has lost the account there.
    fn app_deleted(&self, app: AppId, at: WallTime);
    /// The account's sessions changed (S-7.7). Called only while the user has a connection.
    fn devices(&self, user: UserKey, devices: &[DeviceInfo]);
}

/// An open store. Dropping it finishes what was queued and closes the file.
#[derive(Debug)]
pub struct Store {
    queue: Sender<Queued>,
    shared: Arc<Shared>,
    limit: usize,
    incarnation: u32,
    log_epoch: u64,
    writer: Option<JoinHandle<()>>,
    /// Held until the writer has closed the database.
    _lock: File,
}

/// What the writer and everybody else see.
#[derive(Debug, Default)]
struct Shared {
    /// Commands queued and not yet taken.
    depth: AtomicUsize,
    /// How long commits took.
    commits: Histogram,
    apps: RwLock<Apps>,
    deleted: watch::Sender<DeletedApps>,
}

impl Store {
    /// Opens the data directory, making it when it is new, with randomness from the system.
    ///
    /// # Errors
    /// See [`OpenError`]; whatever it is, nothing was deleted.
    pub fn open(
        dir: &Path,
        options: Options,
        deliver: Arc<dyn Deliver>,
    ) -> Result<Self, OpenError> {
        let random = Box::new(|bytes: &mut [u8]| {
            getrandom::fill(bytes).expect("the system has random numbers");
        });
        Self::open_with(dir, options, deliver, random)
    }

    /// Opens with other randomness, such as a test's.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_with(
        dir: &Path,
        options: Options,
        deliver: Arc<dyn Deliver>,
        random: Random,
    ) -> Result<Self, OpenError> {
        let opened = open::open(dir, &options, random, (options.clock)())?;
        let (incarnation, log_epoch) = (opened.run.incarnation, opened.run.log_epoch);
        let file = dir.join(open::DATABASE).display().to_string();
        let state = State::load(opened.tables, opened.run, options.cached)
            .map_err(|failure| OpenError::sqlite(&file, &failure))?;
        let shared = Arc::new(Shared::default());
        shared.publish(&state.apps, &state.deletions.apps);
        let (queue, commands) = mpsc::channel();
        let limit = options.queue;
        let writer = Writer::new(state, commands, Arc::clone(&shared), deliver, options);
        let writer = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| OpenError::io("the writer's thread", &error))?;
        Ok(Self {
            queue,
            shared,
            limit,
            incarnation,
            log_epoch,
            writer: Some(writer),
            _lock: opened.lock,
        })
    }

    /// Which opening of this database it is: the first half of every [`ConnId`] of this run.
    pub const fn incarnation(&self) -> u32 {
        self.incarnation
    }

    /// The identity of all user logs in this database (I22).
    pub const fn log_epoch(&self) -> u64 {
        self.log_epoch
    }

    /// Commands that wait for the writer.
    pub(crate) fn waiting(&self) -> usize {
        self.shared.depth.load(Ordering::Relaxed)
    }

    /// How long it took to make batches durable (V-7).
    pub(crate) fn commit_times(&self) -> &Histogram {
        &self.shared.commits
    }

    /// All apps, as of the last commit.
    pub fn apps(&self) -> Apps {
        Arc::clone(&self.shared.apps.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// One app.
    pub fn app(&self, id: AppId) -> Option<Arc<App>> {
        self.apps().get(&id).cloned()
    }

    /// All apps that were deleted, and how far they are erased.
    pub fn deleted_apps(&self) -> DeletedApps {
        Arc::clone(&self.shared.deleted.borrow())
    }

    /// The same as it changes.
    pub fn watch_deleted_apps(&self) -> watch::Receiver<DeletedApps> {
        self.shared.deleted.subscribe()
    }

    /// Queues a command; its answer comes through [`Deliver`]. Never waits.
    ///
    /// # Errors
    /// `server_busy` with a time to come back when too many wait; `server_internal` when the store
    /// has stopped. The command was not taken, and nothing will be delivered for it.
    pub fn submit(&self, command: Command) -> Result<(), Error> {
        self.enqueue(Queued::Command(command))
    }

    /// Queues that a connection is gone. This is never refused: connections are bounded, and one
    /// that nobody takes note of would be a session that looks online for ever.
    pub fn detach(&self, user: UserKey, conn: ConnId) {
        // A store that has stopped takes note when it opens again.
        let _ = self.queue.send(Queued::Detach { user, conn });
    }

    /// Creates an app.
    ///
    /// # Errors
    /// `invalid_argument` for a used id or a long name, `server_busy`, `server_internal`.
    pub async fn create_app(&self, new: NewApp) -> Result<App, Error> {
        self.ask(|reply| Admin::CreateApp(new, reply)).await
    }

    /// Changes an app and returns it as it is now.
    ///
    /// # Errors
    /// `unknown_app`, `invalid_argument`, `server_busy`, `server_internal`.
    pub async fn change_app(&self, app: AppId, change: AppChange) -> Result<App, Error> {
        self.ask(|reply| Admin::ChangeApp(app, change, reply)).await
    }

    /// Deletes an app with all that it has (D-7). When this returns nobody gets in any more; the data
    /// is erased from then on, as [`Store::deleted_apps`] tells. It may be asked again.
    ///
    /// # Errors
    /// `unknown_app` for one that never was, `server_busy`, `server_internal`.
    pub async fn delete_app(&self, app: AppId) -> Result<DeletedApp, Error> {
        self.ask(|reply| Admin::DeleteApp(app, reply)).await
    }

    /// Creates a user; `false` when there was one.
    ///
    /// # Errors
    /// As [`Store::create_users`]; `account_deleted` when there was one that was deleted.
    pub async fn create_user(&self, app: AppId, user: UserId, name: String) -> Result<bool, Error> {
        let made = self.create_users(app, vec![NewUser { id: user, name }]).await?;
        match made[..] {
            [Made::Created] => Ok(true),
            [Made::Known] => Ok(false),
            _ => Err(Code::ACCOUNT_DELETED.into()),
        }
    }

    /// Creates up to 100 users, all or none; what became of each, in the order of the question.
    ///
    /// # Errors
    /// `unknown_app`, `invalid_argument` for a long name or too many, `server_busy`,
    /// `server_internal`.
    pub async fn create_users(&self, app: AppId, users: Vec<NewUser>) -> Result<Vec<Made>, Error> {
        if users.len() > limits::USERS_PER_BATCH {
            return Err(Error::new(Code::INVALID_ARGUMENT).with_text("at most 100 users at once"));
        }
        self.ask(|reply| Admin::CreateUsers { app, users, reply }).await
    }

    /// Gives a user another name.
    ///
    /// # Errors
    /// `unknown_app`, `user_not_found`, `account_deleted`, `invalid_argument` for a long name,
    /// `server_busy`, `server_internal`.
    pub async fn rename_user(&self, app: AppId, user: UserId, name: String) -> Result<(), Error> {
        self.ask(|reply| Admin::RenameUser { app, user, name, reply }).await
    }

    /// Does something to a user; the number of sessions that it ended (S-7.8).
    ///
    /// # Errors
    /// `unknown_app`, `user_not_found`, `account_deleted`, `server_busy`, `server_internal`.
    pub async fn govern(&self, app: AppId, user: UserId, act: Act) -> Result<usize, Error> {
        self.ask(|reply| Admin::Govern { app, user, act, reply }).await
    }

    /// A user's sessions (S-7.7).
    ///
    /// # Errors
    /// `unknown_app`, `user_not_found`, `server_busy`, `server_internal`.
    pub async fn devices(&self, app: AppId, user: UserId) -> Result<Vec<DeviceInfo>, Error> {
        self.ask(|reply| Admin::Devices { app, user, reply }).await
    }

    /// These users, in the order of the question; `None` for one that there is not. At most 500.
    ///
    /// # Errors
    /// `unknown_app`, `invalid_argument` for more, `server_busy`, `server_internal`.
    pub async fn look_up(
        &self,
        app: AppId,
        users: Vec<UserId>,
    ) -> Result<Vec<Option<UserView>>, Error> {
        if users.len() > limits::PRESENCE_USERS {
            return Err(Error::new(Code::INVALID_ARGUMENT).with_text("at most 500 users at once"));
        }
        self.ask(|reply| Admin::LookUp { app, users, reply }).await
    }

    /// A page of an app's users, at most 100, in the order of their ids. Deleted ones are shown.
    ///
    /// # Errors
    /// `unknown_app`, `server_busy`, `server_internal`.
    pub async fn users(&self, app: AppId, mut page: UserPage) -> Result<Vec<UserView>, Error> {
        page.limit = page.limit.min(limits::USERS_PER_PAGE);
        self.ask(|reply| Admin::ListUsers { app, page, reply }).await
    }

    /// What would come of a login, without anything happening (S-7.2).
    ///
    /// # Errors
    /// `unknown_app`, `user_not_found`, `server_busy`, `server_internal`.
    pub async fn try_policy(
        &self,
        app: AppId,
        user: UserId,
        trial: Trial,
    ) -> Result<Outlook, Error> {
        self.ask(|reply| Admin::TryPolicy { app, user, trial, reply }).await
    }

    async fn ask<T>(&self, admin: impl FnOnce(Reply<T>) -> Admin) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Queued::Admin(Box::new(admin(Some(reply)))))?;
        // The writer drops the reply of a command that it could not commit.
        answer.await.unwrap_or_else(|_| Err(busy()))
    }

    fn enqueue(&self, queued: Queued) -> Result<(), Error> {
        if self.shared.depth.fetch_add(1, Ordering::Relaxed) >= self.limit {
            self.shared.depth.fetch_sub(1, Ordering::Relaxed);
            return Err(busy());
        }
        self.queue.send(queued).map_err(|_| Code::SERVER_INTERNAL.into())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let _ = self.queue.send(Queued::Stop);
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

impl Shared {
    fn publish(&self, apps: &Apps, deleted: &DeletedApps) {
        // First what is no more: at no moment is an app in neither.
        self.deleted.send_replace(Arc::clone(deleted));
        *self.apps.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(apps);
    }
}

fn system_clock() -> WallTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    WallTime(since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)))
}
