//! The app and the person in front of it: calls at any time, sensible ones and others.

use homing_core::client::status::{SessionStatus, Why};
use homing_core::client::{
    Command, CredentialAnswer, Depth, Event, Force, LocalData, LoginOptions, Reply, Status,
};
use homing_proto::Error;
use homing_proto::frame::Credential;
use homing_proto::id::{ClientMsgId, ConversationId, SessionId, UserId};
use homing_proto::message::Content;
use homing_proto::time::WallTime;

use super::queue::{Due, Queue};
use super::token::{self, Flaw};
use crate::fact::DeviceNo;
use crate::rng::Rng;

/// What an app knows and remembers.
#[derive(Clone, Debug)]
pub(super) struct App {
    /// Everybody there is; the first is the device's usual user.
    users: Vec<UserId>,
    commands: u64,
    session: SessionStatus,
    /// The credential used last, whatever became of it.
    token: Option<(UserId, Credential)>,
    sessions: Vec<SessionId>,
    /// Messages of before, that the app may send again under the same name.
    sent: Vec<(UserId, ConversationId, ClientMsgId)>,
    pub(super) suspended: bool,
    /// How long a credential lasts, in milliseconds; `None`: for ever.
    ttl_ms: Option<u64>,
    /// Faults are over; the app behaves.
    pub(super) calm: bool,
}

impl App {
    pub(super) fn new(users: Vec<UserId>, ttl_ms: Option<u64>) -> Self {
        Self {
            users,
            commands: 0,
            session: SessionStatus::SignedOut { why: Why::Never },
            token: None,
            sessions: Vec::new(),
            sent: Vec::new(),
            suspended: false,
            ttl_ms,
            calm: false,
        }
    }

    pub(super) fn started(&mut self) {
        self.session = SessionStatus::SignedOut { why: Why::Never };
        self.suspended = false;
    }

    pub(super) const fn next_command(&mut self) -> u64 {
        self.commands += 1;
        self.commands
    }

    pub(super) fn saw_status(&mut self, status: &Status) {
        self.session = status.session.clone();
    }

    pub(super) fn saw_event(
        &mut self,
        event: &Event,
        device: DeviceNo,
        now: u64,
        rng: &mut Rng,
        queue: &mut Queue,
    ) {
        match event {
            Event::DevicesChanged(devices) => {
                self.sessions = devices.iter().map(|device| device.session).collect();
            }
            Event::CredentialNeeded(_) => self.ask_app_server(device, now, rng, queue),
            Event::CredentialExpiring { .. } if rng.percent(70) => {
                self.ask_app_server(device, now, rng, queue);
            }
            _ => {}
        }
    }

    pub(super) fn saw_completion(
        &mut self,
        result: &Result<Reply, Error>,
        device: DeviceNo,
        now: u64,
        rng: &mut Rng,
        queue: &mut Queue,
    ) {
        match result {
            Ok(Reply::Devices(devices)) => {
                self.sessions = devices.iter().map(|device| device.session).collect();
            }
            // A good app does not give up on renewing.
            Err(error) if self.calm && self.is_signed_in() && error.code.is_credential() => {
                self.ask_app_server(device, now, rng, queue);
            }
            _ => {}
        }
    }

    pub(super) const fn is_signed_in(&self) -> bool {
        matches!(self.session, SessionStatus::SignedIn { .. })
    }

    /// A renewal with a good credential.
    pub(super) fn renewal(&mut self, wall: WallTime, rng: &mut Rng) -> Option<Command> {
        let SessionStatus::SignedIn { user, .. } = &self.session else { return None };
        let user = user.clone();
        Some(Command::Renew(self.good(&user, wall, rng)))
    }

    /// What the app's provider says: mostly something good, sometimes what does not help.
    pub(super) fn provides(&mut self, wall: WallTime, rng: &mut Rng) -> CredentialAnswer {
        let user = self.user();
        let at_most = if self.calm { 100 } else { 60 };
        match rng.below(100) {
            n if n < at_most => {
                let credential = self.good(&user, wall, rng);
                let expires = token::expiry(&credential);
                CredentialAnswer::Given(credential, expires)
            }
            60..80 => CredentialAnswer::Given(self.credential(&user, wall, rng), None),
            80..90 => CredentialAnswer::NotNow { retry_after_ms: None },
            90..95 => CredentialAnswer::NotNow { retry_after_ms: Some(rng.below(60_000)) },
            95..98 => CredentialAnswer::NeedsUser,
            _ => CredentialAnswer::SignedOut,
        }
    }

    /// A message to somebody.
    pub(super) fn message(&mut self, rng: &mut Rng) -> Command {
        let conversation = self.conversation(rng);
        self.message_to(conversation, rng)
    }

    pub(super) fn message_to(&mut self, conversation: ConversationId, rng: &mut Rng) -> Command {
        let user = self.user();
        if rng.percent(4) && !self.sent.is_empty() {
            let (author, conversation, id) = rng.pick(&self.sent).clone();
            if author == user {
                return Command::Send { conversation, content: content(id), client_id: Some(id) };
            }
        }
        let id = ClientMsgId(rng.bytes());
        if self.is_signed_in() && self.sent.len() < 8 {
            self.sent.push((user, conversation.clone(), id));
        }
        Command::Send { conversation, content: content(id), client_id: Some(id) }
    }

    /// What the person does next.
    pub(super) fn next_act(&mut self, wall: WallTime, rng: &mut Rng) -> Command {
        if self.suspended && rng.percent(60) {
            self.suspended = false;
            return Command::Resume;
        }
        match &self.session {
            SessionStatus::SignedIn { .. } => self.act_signed_in(wall, rng),
            SessionStatus::SigningIn { .. } | SessionStatus::SignedOut { .. } => {
                match rng.below(100) {
                    0..55 => self.login(wall, rng),
                    55..67 => self.login_offline(wall, rng),
                    67..82 => Command::ResumeLast,
                    _ => self.act_signed_in(wall, rng),
                }
            }
        }
    }

    fn act_signed_in(&mut self, wall: WallTime, rng: &mut Rng) -> Command {
        match rng.below(100) {
            0..48 => self.message(rng),
            48..62 => {
                Command::MarkRead { conversation: self.conversation(rng), seq: rng.between(1, 12) }
            }
            62..68 => Command::FetchHistory {
                conversation: self.conversation(rng),
                before: rng.below(10),
                limit: rng.between(1, 20) as u32,
            },
            68..71 => Command::Devices,
            71..74 => self.kick(rng),
            74..76 => Command::Presence(self.users.clone()),
            76..80 => {
                let user = self.user();
                Command::Renew(self.credential(&user, wall, rng))
            }
            80..84 => {
                Command::Logout(if rng.percent(25) { LocalData::Wipe } else { LocalData::Keep })
            }
            84..92 => self.login(wall, rng),
            92..94 => self.login_offline(wall, rng),
            94..96 => Command::ResumeLast,
            _ => {
                self.suspended = true;
                Command::Suspend
            }
        }
    }

    fn login(&mut self, wall: WallTime, rng: &mut Rng) -> Command {
        let user = match rng.below(10) {
            0..7 => self.users[0].clone(),
            _ => rng.pick(&self.users).clone(),
        };
        let credential = self.credential(&user, wall, rng);
        let options = LoginOptions {
            force: if rng.percent(80) { Force::Displace } else { Force::Refuse },
            timeout_ms: if rng.percent(30) { 5_000 } else { 30_000 },
            depth: *rng.pick(&[
                Depth::Local,
                Depth::Verified,
                Depth::Verified,
                Depth::FirstScreen,
                Depth::Live,
            ]),
            ..LoginOptions::default()
        };
        Command::Login { user, credential, options }
    }

    fn login_offline(&mut self, wall: WallTime, rng: &mut Rng) -> Command {
        let user = if rng.percent(85) { self.user() } else { rng.pick(&self.users).clone() };
        let credential = rng.percent(30).then(|| {
            let credential = self.credential(&user, wall, rng);
            let expires = token::expiry(&credential);
            (credential, expires)
        });
        Command::LoginOffline { user, credential }
    }

    fn kick(&self, rng: &mut Rng) -> Command {
        if self.sessions.is_empty() || rng.percent(10) {
            return Command::KickDevices(vec![SessionId(rng.bytes())]);
        }
        Command::KickDevices(vec![*rng.pick(&self.sessions)])
    }

    /// The user who is signed in, else the device's usual one.
    fn user(&self) -> UserId {
        match &self.session {
            SessionStatus::SignedIn { user, .. } | SessionStatus::SigningIn { user } => {
                user.clone()
            }
            SessionStatus::SignedOut { .. } => self.users[0].clone(),
        }
    }

    fn conversation(&self, rng: &mut Rng) -> ConversationId {
        ConversationId::Direct(rng.pick(&self.users).clone())
    }

    /// A credential as apps come by them: mostly good, sometimes the one from before, sometimes bad.
    fn credential(&mut self, user: &UserId, wall: WallTime, rng: &mut Rng) -> Credential {
        if let Some((owner, token)) = &self.token
            && owner == user
            && rng.percent(35)
        {
            return token.clone();
        }
        let nonce = rng.next();
        let end = self.ttl_ms.map_or(0, |ttl_ms| wall.0 + ttl_ms);
        let made = |issued: u64, expires, flaw| {
            token::mint(user, WallTime(issued), WallTime(expires), nonce, flaw)
        };
        let credential = match rng.below(100) {
            0..4 => made(wall.0 - 90_000, wall.0 - 60_000, Flaw::None),
            4..6 => made(wall.0, end, Flaw::Signature),
            6..7 => made(wall.0, end, Flaw::Garbage),
            7..8 => made(wall.0 + 3_600_000, wall.0 + 7_200_000, Flaw::None),
            8..9 => {
                let other = self.users.iter().find(|other| *other != user).unwrap_or(user);
                token::mint(other, wall, WallTime(end), nonce, Flaw::None)
            }
            _ => made(wall.0, end, Flaw::None),
        };
        self.token = Some((user.clone(), credential.clone()));
        credential
    }

    fn good(&mut self, user: &UserId, wall: WallTime, rng: &mut Rng) -> Credential {
        let ttl_ms = if self.calm { Some(CALM_TTL_MS) } else { self.ttl_ms };
        let expires = WallTime(ttl_ms.map_or(0, |ttl_ms| wall.0 + ttl_ms));
        let credential = token::mint(user, wall, expires, rng.next(), Flaw::None);
        self.token = Some((user.clone(), credential.clone()));
        credential
    }

    fn ask_app_server(&self, device: DeviceNo, now: u64, rng: &mut Rng, queue: &mut Queue) {
        if self.calm || rng.percent(60) {
            queue.push(now + rng.between(500, 5_000), Due::FreshCredential(device));
        }
    }
}

/// What a message says follows from its name, so that any mix-up shows.
fn content(id: ClientMsgId) -> Content {
    Content::text(format!("content of {id}"))
}

/// Long enough for every world to end first.
const CALM_TTL_MS: u64 = 7 * 24 * 3_600_000;
