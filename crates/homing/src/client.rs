//! The handle that an app holds: calls go in, statuses, events and answers come out.

mod call;
mod local;
mod login;
mod status;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use homing_core::client::{self as core, Command, CredentialSource, Event, Hint, LocalData};
use homing_proto::Error;
use homing_proto::device::{Device, DeviceInfo};
use homing_proto::frame::Credential;
use homing_proto::id::{ClientMsgId, ConversationId, DeviceId, SessionId, UserId};
use homing_proto::message::Content;
use homing_proto::time::WallTime;

pub use self::call::Pending;
pub use self::login::{LoggedIn, Login};
pub use self::status::StatusWatch;
use crate::board::{Board, Fact, Phase};
use crate::clock::Clock;
use crate::config::Config;
use crate::device;
use crate::driver::{Call, Calls, Driver, Parts};
use crate::keeper;
use crate::log::Subscription;

/// A client of one app: at most one account at a time, any number of clients per process (S-9.5).
///
/// Cheap to clone; clones are the same client. Every call is legal in every state and gives a typed
/// result (S-2.6). Dropping a future that a call returned is legal too: a call that was begun goes
/// on, one that was not leaves no trace. When the last clone is gone the client closes in the
/// background.
#[derive(Clone)]
pub struct Client {
    calls: Calls,
    board: Arc<Board>,
    device: DeviceId,
    clock: Clock,
}

impl Client {
    /// Opens a client: takes the data directory, reads the account record, starts the client's task
    /// on the present tokio runtime. No network is needed and nobody is signed in.
    ///
    /// # Errors
    /// - `invalid_argument`: the configuration does not hold together.
    /// - `store_in_use`: another client or process has the data directory (S-9.5).
    /// - `store_full`: the disk is full or read-only. `store_open_failed`: it cannot be used.
    ///
    /// # Panics
    /// When called outside of a tokio runtime with time and IO enabled.
    pub async fn open(config: Config) -> Result<Self, Error> {
        let clock = Clock::new(config.clock_shift.clone());
        let transport = config.check(&clock)?;
        let started = keeper::start(config.data, config.app, clock.clone()).await?;
        let device = Device {
            id: started.device,
            platform: config.platform,
            os: config.os,
            tag: config.tag,
            custom_type: config.custom_type,
        };
        let core = core::Config {
            app: config.app,
            device,
            sdk: config.sdk,
            window: config.window,
            credentials: match config.provider {
                Some(_) => CredentialSource::Provider,
                None => CredentialSource::Calls,
            },
            delay_policy: config.delay_policy,
            max_offline_age_ms: config.max_offline_age_ms,
            seed: u64::from_le_bytes(device::random()?),
        };
        let (calls, calls_in) = Calls::channel();
        let (driver, board) = Driver::new(Parts {
            config: core,
            account: started.loaded.account,
            clock: clock.clone(),
            scene: config.scene,
            calls: calls_in,
            jobs: started.jobs,
            answers: started.answers,
            transport,
            provider: config.provider,
            network: config.network,
            event_capacity: config.event_capacity,
        });
        if let Some(error) = started.loaded.reset {
            board.event(Event::StoreReset(error));
        }
        tokio::spawn(driver.run());
        Ok(Self { calls, board, device: started.device, clock })
    }

    /// Signs a user in: the user's own act, which may displace other devices (S-3).
    ///
    /// The account that is signed in already: succeeds at once, and another credential in the call
    /// is a renewal (S-3.4). Another account: a switch (S-9.1).
    ///
    /// ```no_run
    /// # async fn example(client: homing::Client, token: String) -> Result<(), homing::Error> {
    /// use homing::{Credential, Depth};
    ///
    /// let login = client.login("alice", Credential::usersig(token)).depth(Depth::FirstScreen).await?;
    /// assert!(!login.already);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// What the server's verdict was; `timeout` or `network` when there was none; `too_frequent`
    /// after 5 attempts in 10 s; `superseded` when another login took over.
    pub fn login(&self, user: &str, credential: Credential) -> Login {
        Login::new(self.clone(), user, credential)
    }

    /// Signs in the account that last signed in online here, without network, and connects when
    /// there is one (S-4). A newer credential may be handed over.
    ///
    /// # Errors
    /// `offline_not_last_user`, `needs_explicit_login` after a logout or a kick,
    /// `credential_expired`.
    pub async fn login_offline(
        &self,
        user: &str,
        credential: Option<Credential>,
    ) -> Result<LoggedIn, Error> {
        let user = UserId::parse(user)?;
        let credential = credential.map(|credential| {
            let expires = homing_token::peek_expiry(&credential.format, &credential.token);
            (credential, expires)
        });
        self.command(Command::LoginOffline { user, credential }).await.and_then(call::logged_in)
    }

    /// Signs in the account of the last session, without the app giving anything (S-5). Never
    /// displaces another device.
    ///
    /// # Errors
    /// `needs_explicit_login` when there is none or it was ended, `credential_expired`.
    pub async fn resume_last(&self) -> Result<LoggedIn, Error> {
        self.command(Command::ResumeLast).await.and_then(call::logged_in)
    }

    /// Hands over another credential for the account that is signed in (S-8.4). The connection
    /// stays.
    ///
    /// # Errors
    /// `not_logged_in`, or why the server refuses the credential.
    pub async fn renew(&self, credential: Credential) -> Result<(), Error> {
        self.command(Command::Renew(credential)).await.and_then(call::done)
    }

    /// Signs out, at once and with or without network (S-9.2). The server is told when it can be
    /// reached, which signs nobody in.
    ///
    /// # Errors
    /// `not_logged_in`.
    pub async fn logout(&self, data: LocalData) -> Result<(), Error> {
        self.command(Command::Logout(data)).await.and_then(call::done)
    }

    /// The status, now and whenever it changes (S-2.1).
    pub fn status(&self) -> StatusWatch {
        StatusWatch::new(self.board.status.clone())
    }

    /// This install (S-1.3): which entry of [`devices`](Self::devices) is this one.
    pub const fn device_id(&self) -> DeviceId {
        self.device
    }

    /// The server's clock, as far as the device can tell: its own, corrected by what the last login
    /// showed. The device's own before there was one.
    pub fn server_time(&self) -> WallTime {
        let offset_ms = self.board.server_offset_ms.load(Ordering::Relaxed);
        WallTime(self.clock.now().wall.0.saturating_add_signed(offset_ms))
    }

    /// What happens from here on: messages, kicks, sync. Each subscriber has its own place; one that
    /// falls too far behind gets [`Logged::Lagged`](crate::Logged::Lagged) and goes on.
    ///
    /// The first subscriber also gets what happened before it came.
    pub fn events(&self) -> Subscription<Event> {
        self.board.events.subscribe()
    }

    /// Statuses and events in one stream, in the order in which they came about. As
    /// [`events`](Self::events) otherwise.
    pub fn journal(&self) -> Subscription<Fact> {
        self.board.journal.subscribe()
    }

    /// Puts a message into the outbox; it is sent when the server can be reached (D-4). The result
    /// says that it is durable on this device; events tell the rest.
    ///
    /// # Errors
    /// `not_logged_in`, `not_ready`, `content_too_large`, `outbox_full`, `store_full`.
    pub async fn send(
        &self,
        conversation: &ConversationId,
        content: Content,
    ) -> Result<ClientMsgId, Error> {
        self.queue(conversation, content, None).await
    }

    /// As [`send`](Self::send), under a name of the app's own: the same name again is the same
    /// message, however often it is handed over.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_as(
        &self,
        client_id: ClientMsgId,
        conversation: &ConversationId,
        content: Content,
    ) -> Result<ClientMsgId, Error> {
        self.queue(conversation, content, Some(client_id)).await
    }

    /// Moves the account's read cursor forward, on all its devices.
    ///
    /// # Errors
    /// `not_logged_in`, `offline`, `conversation_unknown`.
    pub async fn mark_read(&self, conversation: &ConversationId, seq: u64) -> Result<(), Error> {
        let conversation = conversation.clone();
        self.command(Command::MarkRead { conversation, seq }).await.and_then(call::done)
    }

    /// The account's sessions, this one included (S-7.7).
    ///
    /// # Errors
    /// `not_logged_in`, `offline`.
    pub async fn devices(&self) -> Result<Vec<DeviceInfo>, Error> {
        self.command(Command::Devices).await.and_then(call::devices)
    }

    /// Ends another session of the account (S-7.7).
    ///
    /// # Errors
    /// `not_logged_in`, `offline`, `session_not_found`.
    pub async fn kick_device(&self, session: SessionId) -> Result<(), Error> {
        self.command(Command::KickDevices(vec![session])).await.and_then(call::done)
    }

    /// Whether these users are online, in the order of the question.
    ///
    /// # Errors
    /// `not_logged_in`, `offline`, `invalid_argument` for too many users.
    pub async fn presence(&self, users: Vec<UserId>) -> Result<Vec<(UserId, bool)>, Error> {
        self.command(Command::Presence(users)).await.and_then(call::presence)
    }

    /// Tells what the device knows: network, sleep, whether the app is seen (S-6.3).
    ///
    /// # Errors
    /// `not_initialized` when the client is closed.
    pub async fn hint(&self, hint: Hint) -> Result<(), Error> {
        self.calls.put(Call::Hint(hint))
    }

    /// Lets go of every file and connection, so that another process can use the data directory
    /// (S-9.4). The account stays signed in.
    ///
    /// # Errors
    /// `superseded` when the client was resumed meanwhile.
    pub async fn suspend(&self) -> Result<(), Error> {
        self.command(Command::Suspend).await.and_then(call::done)
    }

    /// Goes on after [`suspend`](Self::suspend), with what another process may have changed.
    ///
    /// # Errors
    /// `store_in_use` while another process has the data directory.
    pub async fn resume(&self) -> Result<(), Error> {
        self.command(Command::Resume).await.and_then(call::done)
    }

    /// Finishes what was begun, frees everything and waits for it (S-9.4). Later calls give
    /// `not_initialized`; the same data directory can be opened again.
    pub async fn close(&self) {
        self.board.begin_closing();
        // The sender lives on the board, so the wait cannot fail.
        let _ = self.board.phase.subscribe().wait_for(|phase| *phase == Phase::Closed).await;
    }

    async fn queue(
        &self,
        conversation: &ConversationId,
        content: Content,
        client_id: Option<ClientMsgId>,
    ) -> Result<ClientMsgId, Error> {
        let conversation = conversation.clone();
        self.command(Command::Send { conversation, content, client_id })
            .await
            .and_then(call::queued)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("status", &*self.board.status.borrow()).finish()
    }
}
