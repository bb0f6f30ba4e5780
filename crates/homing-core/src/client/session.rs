//! Who is signed in: explicit, offline and automatic login, renewal, switch, logout, and the
//! verdicts that end a session (S-3, S-4, S-5, S-8, S-9).

use homing_proto::device::KickRecord;
use homing_proto::frame::{Credential, Intent};
use homing_proto::id::{LoginId, UserId};
use homing_proto::limits::{LOGIN_TIMEOUT_MS, LOGINS_PER_WINDOW, TOKEN_BYTES};
use homing_proto::time::{Time, WallTime};
use homing_proto::{Code, Error};

use super::checks::{check_login, refused_before};
use super::link::Link;
use super::requests::Asked;
use super::status::{CredentialStatus, Trust, Why};
use super::{
    Client, Command, CommandId, Depth, Event, Force, LocalData, LoginOptions, Missing, Reply, Turn,
    Write,
};

/// Who is signed in.
#[derive(Clone, Debug)]
pub(super) enum Session {
    /// Nobody.
    SignedOut(Why),
    /// An explicit login is running.
    SigningIn(Box<Login>),
    /// Somebody.
    SignedIn(SignedIn),
    /// A verdict ended the session or the login and is on its way to the disk (S-5.2).
    Ending(Ending),
}

/// A running explicit login.
#[derive(Clone, Debug)]
pub(super) struct Login {
    /// Names this login in all its attempts, so that the server takes them for one.
    pub(super) id: LoginId,
    pub(super) user: UserId,
    pub(super) credential: Credential,
    pub(super) options: LoginOptions,
    pub(super) callers: Vec<Caller>,
    pub(super) deadline: Time,
    /// Attempts that began.
    pub(super) dials: u32,
    pub(super) last_error: Option<Error>,
    /// The account may be read while the login runs (S-3.7).
    pub(super) may_read: bool,
    /// The server accepted; what it brought is being stored.
    pub(super) granted: Option<Granted>,
    /// How often the store was tried again after it failed.
    pub(super) store_tries: u32,
}

/// What an accepted login must hand over once it is durable.
#[derive(Debug, Clone, Copy)]
pub(super) struct Granted {
    pub(super) registered: bool,
}

/// A call that waits for the login to get so far.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    id: CommandId,
    depth: Depth,
    already: bool,
    /// The call is told `timeout` here, whatever becomes of the login.
    deadline: Time,
}

/// Somebody is signed in.
#[derive(Clone, Debug)]
pub(super) struct SignedIn {
    pub(super) user: UserId,
    pub(super) trust: Trust,
    pub(super) credential: CredentialStatus,
    /// When the server's patience with the credential ends, on the clock of deadlines; `None`:
    /// never, or nobody knows.
    pub(super) expires: Option<Time>,
    callers: Vec<Caller>,
    registered: bool,
    opening: Opening,
}

/// Whether somebody who signs in from the device's own data has it yet (S-4.1).
#[derive(Clone, Debug)]
enum Opening {
    /// The store is being opened. It is not announced before: should even a fresh store fail to
    /// open, the state is again what it was.
    Awaited {
        /// What it was.
        before: Why,
    },
    /// It was opened, or the server vouches.
    Done,
}

/// See [`Session::Ending`].
#[derive(Clone, Debug)]
pub(super) struct Ending {
    why: Why,
    error: Error,
    callers: Vec<Caller>,
    /// Calls made meanwhile; they find the state after it.
    pub(super) parked: Vec<(CommandId, Command)>,
}

impl Session {
    pub(super) fn next_timeout(&self) -> Option<Time> {
        match self {
            Self::SigningIn(login) => {
                login.callers.iter().map(|caller| caller.deadline).chain([login.deadline]).min()
            }
            Self::SignedIn(account) => account.callers.iter().map(|caller| caller.deadline).min(),
            Self::SignedOut(_) | Self::Ending(_) => None,
        }
    }

    /// The app may read the account's data as soon as the store is open.
    pub(super) fn may_read(&self) -> bool {
        match self {
            Self::SigningIn(login) => login.may_read,
            Self::SignedIn(_) => true,
            Self::SignedOut(_) | Self::Ending(_) => false,
        }
    }
}

impl SignedIn {
    /// Its data was opened or the server vouched: it may be shown, and it wants a link.
    pub(super) const fn is_announced(&self) -> bool {
        matches!(self.opening, Opening::Done)
    }

    /// It may say Hello.
    pub(super) const fn wants_link(&self) -> bool {
        self.is_announced() && !matches!(self.credential, CredentialStatus::Needed { .. })
    }
}

impl Caller {
    /// A call that wants local data, of a login that may be somebody else's.
    fn local(id: CommandId, now: Time) -> Self {
        Self { id, depth: Depth::Local, already: false, deadline: now + LOGIN_TIMEOUT_MS }
    }
}

impl Login {
    pub(super) const fn intent(&self) -> Intent {
        match self.options.force {
            Force::Displace => Intent::Explicit,
            Force::Refuse => Intent::ExplicitPolite,
        }
    }

    /// The server accepted and the store failed while nobody was verified: once more.
    pub(super) const fn wants_store_again(&self) -> bool {
        self.granted.is_some() && self.store_tries == 0
    }
}

impl Client {
    /// S-3.
    pub(super) fn login(
        &mut self,
        turn: &mut Turn<'_>,
        id: CommandId,
        user: UserId,
        credential: Credential,
        options: LoginOptions,
    ) {
        if let Err(error) = check_login(&credential, &options) {
            return turn.complete(id, Err(error));
        }
        let deadline = turn.now.time + options.timeout_ms;
        let caller = Caller { id, depth: options.depth, already: false, deadline };
        match &mut self.session {
            Session::SignedIn(account) if account.user == user => {
                return self.login_again(turn, caller, credential);
            }
            Session::SigningIn(login) if login.user == user => {
                login.deadline = login.deadline.max(deadline);
                login.callers.push(caller);
                return;
            }
            Session::SignedIn(_)
            | Session::SigningIn(_)
            | Session::SignedOut(_)
            | Session::Ending(_) => {}
        }
        if let Err(error) = self.may_log_in(turn.now.time, &credential) {
            return turn.complete(id, Err(error));
        }
        let error = Error::new(Code::SUPERSEDED).with_text("another account's login took over");
        match &self.session {
            Session::SignedIn(_) => {
                self.sign_out(turn, Why::Switched, LocalData::Keep, &error);
                self.persist_account(turn, Write::Account);
                self.drop_link(turn, &error);
            }
            Session::SigningIn(_) => self.abandon_login(turn, &error),
            Session::SignedOut(_) | Session::Ending(_) => {}
        }
        if self.store.user().is_some_and(|open| *open != user) {
            self.close_store(turn, LocalData::Keep, &error);
        }
        let may_read = self.passes_offline_checks(&user, turn.now.wall).is_ok();
        self.session = Session::SigningIn(Box::new(Login {
            id: LoginId(self.rng.uuid()),
            user,
            credential,
            deadline,
            options,
            callers: vec![caller],
            dials: 0,
            last_error: None,
            may_read,
            granted: None,
            store_tries: 0,
        }));
        if may_read {
            self.allow_reading(turn);
        }
        self.hurry(turn);
    }

    /// S-4.
    pub(super) fn login_offline(
        &mut self,
        turn: &mut Turn<'_>,
        id: CommandId,
        user: &UserId,
        credential: Option<(Credential, Option<WallTime>)>,
    ) {
        match &mut self.session {
            Session::SignedIn(account) if account.user == *user => {
                let reply = Reply::LoggedIn { already: true, registered: false };
                return turn.complete(id, Ok(reply));
            }
            Session::SigningIn(login) if login.user == *user => {
                login.callers.push(Caller::local(id, turn.now.time));
                return;
            }
            Session::SignedIn(_) | Session::SigningIn(_) => {
                return turn.complete(id, Err(Code::OFFLINE_NOT_LAST_USER.into()));
            }
            Session::SignedOut(_) | Session::Ending(_) => {}
        }
        let checked = match &credential {
            None => self.passes_offline_checks(user, turn.now.wall),
            Some((credential, expires)) => {
                self.passes_offline_checks_with(user, credential, *expires, turn.now.wall)
            }
        };
        if let Err(error) = checked {
            return turn.complete(id, Err(error));
        }
        if let (Some((credential, expires)), Some(last)) = (credential, &mut self.account.last)
            && last.credential.as_ref() != Some(&credential)
        {
            last.credential = Some(credential);
            last.credential_expires = expires;
            self.persist_account(turn, Write::Account);
        }
        self.sign_in_locally(turn, id, user.clone());
    }

    /// S-5.
    pub(super) fn resume_last(&mut self, turn: &mut Turn<'_>, id: CommandId) {
        match &mut self.session {
            Session::SignedIn(_) => {
                let reply = Reply::LoggedIn { already: true, registered: false };
                return turn.complete(id, Ok(reply));
            }
            Session::SigningIn(login) => {
                login.callers.push(Caller::local(id, turn.now.time));
                return;
            }
            Session::SignedOut(_) | Session::Ending(_) => {}
        }
        let Some(user) = self.account.live().map(|last| last.user.clone()) else {
            return turn.complete(id, Err(Code::NEEDS_EXPLICIT_LOGIN.into()));
        };
        match self.passes_offline_checks(&user, turn.now.wall) {
            Ok(()) => self.sign_in_locally(turn, id, user),
            Err(error) => turn.complete(id, Err(error)),
        }
    }

    /// S-8.4.
    pub(super) fn renew(
        &mut self,
        turn: &mut Turn<'_>,
        id: CommandId,
        credential: Credential,
        reply: Reply,
        deadline: Time,
    ) {
        if credential.token.expose().len() > TOKEN_BYTES {
            return turn.complete(id, Err(Code::CREDENTIAL_MALFORMED.into()));
        }
        if let Some(code) = self.account.refusal(&credential) {
            return turn.complete(id, Err(refused_before(code)));
        }
        if !matches!(self.session, Session::SignedIn(_)) {
            return turn.complete(id, Err(Code::NOT_LOGGED_IN.into()));
        }
        if self.is_connected() {
            let asked = Asked::Renew { call: id, credential: credential.clone(), reply, deadline };
            return self.ask(turn, asked, homing_proto::frame::Request::Renew(credential));
        }
        self.adopt(credential, None);
        self.persist_account(turn, Write::Account);
        turn.complete(id, Ok(reply));
        self.hurry(turn);
    }

    /// From here on the session stands on this credential, which the next Hello shows. The caller
    /// stores the account record.
    pub(super) fn adopt(&mut self, credential: Credential, expires: Option<WallTime>) {
        let (Session::SignedIn(account), Some(last)) = (&mut self.session, &mut self.account.last)
        else {
            return;
        };
        account.credential = CredentialStatus::Valid;
        account.expires = None;
        last.credential = Some(credential);
        last.credential_expires = expires;
        self.renewal_owed = matches!(self.link, Link::Handshaking { .. } | Link::Settling(_));
    }

    /// S-9.2.
    pub(super) fn logout(&mut self, turn: &mut Turn<'_>, id: CommandId, data: LocalData) {
        let error = Error::new(Code::SUPERSEDED).with_text("the user signed out");
        if matches!(self.session, Session::SigningIn(_)) {
            self.abandon_login(turn, &error);
        }
        if data == LocalData::Wipe
            && self.store.user().is_none()
            && let Some(last) = &self.account.last
        {
            // Nothing is open; what lies on the disk goes all the same.
            let user = last.user.clone();
            self.open_store(turn, user, Missing::Leave);
        }
        self.depart(turn, Why::Logout, data, Write::Calls(vec![id]));
    }

    /// Somebody signs out; what the server is to be told goes on the link that is there.
    pub(super) fn depart(&mut self, turn: &mut Turn<'_>, why: Why, data: LocalData, write: Write) {
        let error = Error::new(Code::SUPERSEDED).with_text("the user signed out");
        let live = self.live_attempt();
        self.sign_out(turn, why, data, &error);
        self.persist_account(turn, write);
        match live {
            Some(attempt) if !self.account.jobs.is_empty() => self.run_errand(turn, attempt),
            Some(_) | None => self.drop_link(turn, &error),
        }
    }

    /// The session ends by the user's act: at once, with or without network. The caller stores the
    /// account record and lets go of the link.
    fn sign_out(&mut self, turn: &mut Turn<'_>, why: Why, data: LocalData, error: &Error) {
        self.account.end_last(self.config.app, why.clone());
        if let Session::SignedIn(account) = &mut self.session {
            let callers = std::mem::take(&mut account.callers);
            fail_callers(turn, callers, error);
        }
        self.session = Session::SignedOut(why);
        self.devices.clear();
        self.link_ended(turn, error);
        self.close_store(turn, data, error);
    }

    /// A running login ends because something else takes its place.
    fn abandon_login(&mut self, turn: &mut Turn<'_>, error: &Error) {
        let Session::SigningIn(login) = &mut self.session else { return };
        let callers = std::mem::take(&mut login.callers);
        let granted = login.granted.is_some();
        fail_callers(turn, callers, error);
        if granted {
            self.account.end_last(self.config.app, Why::LoginFailed(error.clone()));
            self.persist_account(turn, Write::Account);
        }
        self.session = Session::SignedOut(Why::LoginFailed(error.clone()));
        self.drop_link(turn, error);
    }

    /// The running login failed for want of an answer (S-3.6). What was readable stays so (S-3.7).
    pub(super) fn login_failed(&mut self, turn: &mut Turn<'_>, error: &Error) {
        let Session::SigningIn(login) = &self.session else { return };
        let may_read = login.may_read;
        self.abandon_login(turn, error);
        if !may_read {
            self.close_store(turn, LocalData::Keep, error);
        }
    }

    /// A verdict ends the session or the login: stored first, then announced (S-5.2).
    pub(super) fn end(&mut self, turn: &mut Turn<'_>, why: Why, error: Error) {
        let (user, callers) = match &mut self.session {
            Session::SignedIn(account) => {
                (account.user.clone(), std::mem::take(&mut account.callers))
            }
            Session::SigningIn(login) => (login.user.clone(), std::mem::take(&mut login.callers)),
            Session::SignedOut(_) | Session::Ending(_) => return,
        };
        let ends_last = match &why {
            // A login that failed says nothing about the session that was there before.
            Why::LoginFailed(_) => matches!(self.session, Session::SignedIn(_)),
            _ => true,
        };
        if ends_last && self.account.last.as_ref().is_some_and(|last| last.user == user) {
            self.account.end_last(self.config.app, why.clone());
        }
        self.session =
            Session::Ending(Ending { why, error: error.clone(), callers, parked: vec![] });
        self.drop_link(turn, &error);
        self.persist_account(turn, Write::Ended);
    }

    /// The verdict is on the disk, or cannot be put there.
    pub(super) fn announce_end(&mut self, turn: &mut Turn<'_>) {
        let Session::Ending(Ending { why, error, callers, parked }) =
            std::mem::replace(&mut self.session, Session::SignedOut(Why::Never))
        else {
            return;
        };
        self.devices.clear();
        self.close_store(turn, LocalData::Keep, &error);
        if let Why::Kicked(record) = &why {
            turn.event(Event::Kicked(record.clone()));
        }
        self.session = Session::SignedOut(why);
        fail_callers(turn, callers, &error);
        for (id, command) in parked {
            self.command(turn, id, command);
        }
    }

    /// The server refused the present credential (S-8.5): no attempt until there is another one.
    pub(super) fn credential_refused(&mut self, turn: &mut Turn<'_>, error: Error) {
        let Session::SignedIn(account) = &mut self.session else { return };
        account.credential = CredentialStatus::Needed { why: error.clone() };
        account.expires = None;
        let callers = std::mem::take(&mut account.callers);
        fail_callers(turn, callers, &error);
        if let Some(last) = &mut self.account.last {
            if error.code == Code::SESSION_UNKNOWN {
                last.session = None;
            } else if let Some(credential) = last.credential.clone() {
                self.account.remember_refused(&credential, error.code);
            }
        }
        self.asking.stirred();
        self.drop_link(turn, &error);
        let is_needed = matches!(
            &self.session,
            Session::SignedIn(SignedIn { credential: CredentialStatus::Needed { .. }, .. })
        );
        // Another one was on its way to the server: it is the one that counts now.
        let write = if is_needed { Write::CredentialRefused(error) } else { Write::Account };
        self.persist_account(turn, write);
    }

    /// The refusal is on the disk, or cannot be put there. Whoever gave another credential meanwhile
    /// is not asked for one, and of two refusals the later one tells (S-8.5: exactly one event).
    pub(super) fn credential_needed(&self, turn: &mut Turn<'_>, error: Error) {
        let is_needed = matches!(
            &self.session,
            Session::SignedIn(SignedIn { credential: CredentialStatus::Needed { .. }, .. })
        );
        let is_told_later =
            self.writes.values().any(|write| matches!(write, Write::CredentialRefused(_)));
        if is_needed && !is_told_later {
            turn.event(Event::CredentialNeeded(error));
        }
    }

    /// The credential has run out while there was no link: an attempt with it would be refused
    /// (S-8.5). Judged by the server's word and the clock of deadlines, never by the wall (S-8.6).
    pub(super) fn credential_ran_out(&mut self, turn: &mut Turn<'_>) -> bool {
        let Session::SignedIn(account) = &mut self.session else { return false };
        if account.expires.take_if(|at| *at <= turn.now.time).is_none() {
            return false;
        }
        let error = Error::new(Code::CREDENTIAL_EXPIRED);
        account.credential = CredentialStatus::Needed { why: error.clone() };
        let callers = std::mem::take(&mut account.callers);
        fail_callers(turn, callers, &error);
        self.asking.stirred();
        self.drop_link(turn, &error);
        self.persist_account(turn, Write::CredentialRefused(error));
        true
    }

    /// The account's store is open.
    pub(super) fn session_with_store(&mut self) {
        if let Session::SignedIn(account) = &mut self.session {
            account.opening = Opening::Done;
        }
    }

    /// Everything the session waited for is durable: it is verified.
    pub(super) fn verified(&mut self, turn: &mut Turn<'_>, expires: Option<Time>) {
        match &mut self.session {
            Session::SigningIn(login) => {
                self.session = Session::SignedIn(SignedIn {
                    user: login.user.clone(),
                    trust: Trust::Verified,
                    credential: CredentialStatus::Valid,
                    expires,
                    callers: std::mem::take(&mut login.callers),
                    registered: login.granted.is_some_and(|granted| granted.registered),
                    opening: Opening::Done,
                });
            }
            Session::SignedIn(account) => {
                account.trust = Trust::Verified;
                account.credential = CredentialStatus::Valid;
                account.expires = expires;
            }
            Session::SignedOut(_) | Session::Ending(_) => return,
        }
        self.allow_reading(turn);
        self.asking.accepted();
        if std::mem::take(&mut self.renewal_owed)
            && let Some(credential) =
                self.account.last.as_ref().and_then(|last| last.credential.clone())
        {
            self.take_credential(turn, credential, None);
        }
    }

    /// Completes the calls that waited for what has been reached.
    pub(super) fn advance_callers(&mut self, turn: &mut Turn<'_>) {
        let readable = self.store.is_readable();
        let connected = self.is_connected();
        let (first_screen, live) = (self.sync.first_screen, self.sync.is_live());
        let (callers, registered) = match &mut self.session {
            Session::SigningIn(login) => (&mut login.callers, false),
            Session::SignedIn(account) => (&mut account.callers, account.registered),
            Session::SignedOut(_) | Session::Ending(_) => return,
        };
        let reached = |depth| match depth {
            Depth::Local => readable,
            Depth::Verified => connected,
            Depth::FirstScreen => connected && first_screen,
            Depth::Live => connected && live,
        };
        for caller in callers.extract_if(.., |caller| reached(caller.depth)) {
            let reply = Reply::LoggedIn { already: caller.already, registered };
            turn.complete(caller.id, Ok(reply));
        }
    }

    pub(super) fn session_timeout(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now.time;
        let timeout = Error::new(Code::TIMEOUT).with_text("the server did not answer in time");
        turn.complete_all(self.requests.expire(now), &Err(timeout.clone()));
        let callers = match &mut self.session {
            Session::SigningIn(login) if now >= login.deadline => {
                let error = login.last_error.clone().unwrap_or(timeout);
                return self.login_failed(turn, &error);
            }
            Session::SigningIn(login) => &mut login.callers,
            Session::SignedIn(account) => &mut account.callers,
            Session::SignedOut(_) | Session::Ending(_) => return,
        };
        let late = callers.extract_if(.., |caller| now >= caller.deadline).collect();
        fail_callers(turn, late, &timeout);
    }

    /// Not even a fresh store can be opened (I9: it never blocks what the network can do).
    pub(super) fn session_without_store(&mut self, turn: &mut Turn<'_>, error: Error) {
        match &mut self.session {
            Session::SigningIn(login) if login.granted.is_some() && login.store_tries > 0 => {
                self.login_failed(turn, &error);
            }
            Session::SignedIn(_) => self.opening_ends(turn, &error),
            Session::SigningIn(_) | Session::SignedOut(_) | Session::Ending(_) => {}
        }
    }

    /// Whoever was about to be signed in from the device's own data is not: all is as it was before,
    /// and the calls are over (S-4.1).
    pub(super) fn opening_ends(&mut self, turn: &mut Turn<'_>, error: &Error) {
        if let Session::SignedIn(SignedIn {
            opening: Opening::Awaited { before }, callers, ..
        }) = &mut self.session
        {
            let (before, callers) = (before.clone(), std::mem::take(callers));
            self.session = Session::SignedOut(before);
            fail_callers(turn, callers, error);
        }
    }

    /// Counts an attempt of the running login, and the login itself when it reaches the network.
    pub(super) fn login_dials(&mut self, now: Time) {
        let Session::SigningIn(login) = &mut self.session else { return };
        login.dials += 1;
        if login.dials == 1 {
            if self.logins.len() >= LOGINS_PER_WINDOW {
                self.logins.pop_front();
            }
            self.logins.push_back(now);
        }
    }

    /// The account is signed in already (S-3.4).
    fn login_again(&mut self, turn: &mut Turn<'_>, mut caller: Caller, credential: Credential) {
        let Session::SignedIn(account) = &mut self.session else { return };
        caller.already = true;
        let known = self.account.last.as_ref().and_then(|last| last.credential.as_ref());
        let reply = Reply::LoggedIn { already: true, registered: false };
        if known == Some(&credential) {
            return turn.complete(caller.id, Ok(reply));
        }
        if matches!(account.credential, CredentialStatus::Needed { .. })
            && self.account.refusal(&credential).is_none()
        {
            // What was wrong was the credential: the call is over when the server took this one.
            account.callers.push(caller);
            self.adopt(credential, None);
            self.persist_account(turn, Write::Account);
            self.hurry(turn);
            return;
        }
        self.renew(turn, caller.id, credential, reply, caller.deadline);
    }

    fn sign_in_locally(&mut self, turn: &mut Turn<'_>, id: CommandId, user: UserId) {
        if self.store.user().is_some_and(|open| *open != user) {
            let error = Code::SUPERSEDED.into();
            self.close_store(turn, LocalData::Keep, &error);
        }
        let before = match &self.session {
            Session::SignedOut(why) => why.clone(),
            Session::SigningIn(_) | Session::SignedIn(_) | Session::Ending(_) => Why::Never,
        };
        let opening = match self.store.open() {
            Some(_) => Opening::Done,
            None => Opening::Awaited { before },
        };
        self.session = Session::SignedIn(SignedIn {
            user,
            opening,
            trust: Trust::Local,
            credential: CredentialStatus::Valid,
            expires: None,
            callers: vec![Caller::local(id, turn.now.time)],
            registered: false,
        });
        self.allow_reading(turn);
        self.hurry(turn);
    }
}

/// What a verdict means for the session it names.
pub(super) fn why(error: &Error, kick: Option<&KickRecord>) -> Why {
    match (kick, error.code) {
        (Some(KickRecord { text, .. }), Code::USER_BANNED)
            if error.text.is_none() && !text.is_empty() =>
        {
            Why::Banned(error.clone().with_text(text.as_str()))
        }
        (_, Code::USER_BANNED) => Why::Banned(error.clone()),
        (_, Code::ACCOUNT_DELETED) => Why::AccountDeleted,
        (_, Code::VERSION_TOO_OLD) => Why::VersionTooOld,
        (_, Code::SESSION_ENDED) => Why::Logout,
        (Some(record), _) => Why::Kicked(record.clone()),
        (None, _) => Why::LoginFailed(error.clone()),
    }
}

fn fail_callers(turn: &mut Turn<'_>, callers: Vec<Caller>, error: &Error) {
    for caller in callers {
        turn.complete(caller.id, Err(error.clone()));
    }
}
