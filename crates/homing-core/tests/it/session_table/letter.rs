//! The alphabet of the walk: what may happen to a client, each with its name in the tables.

use homing_core::client::{Command, Hint, Input, LocalData};
use homing_proto::device::{KickReason, KickRecord};
use homing_proto::frame::{
    Close, Refuse, Request, Response, ServerFrame, SyncBody, SyncPage, Welcome,
};
use homing_proto::id::{Cursor, SessionId};
use homing_proto::time::WallTime;
use homing_proto::{Code, Error};

use crate::client_desk::{Desk, Disk, entry, resumed, token, user, welcome};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Letter {
    Login,
    LoginOther,
    LoginOffline,
    ResumeLast,
    Renew,
    Logout,
    Suspend,
    Resume,
    Restart,
    NetworkDown,
    NetworkUp,
    Timeout,
    Opened,
    Lost,
    DiskFull,
    DiskGood,
    Welcome,
    WelcomeBehind,
    RefuseExpired,
    RefuseLimit,
    RefuseBusy,
    RefuseKicked,
    RefuseBanned,
    RefuseDeleted,
    RefuseOld,
    CloseKicked,
    CloseStopping,
    CloseExpired,
    Expiring,
    News,
    Page,
    PageFails,
}

impl Letter {
    pub(super) const ALL: [Self; 32] = [
        Self::Login,
        Self::LoginOther,
        Self::LoginOffline,
        Self::ResumeLast,
        Self::Renew,
        Self::Logout,
        Self::Suspend,
        Self::Resume,
        Self::Restart,
        Self::NetworkDown,
        Self::NetworkUp,
        Self::Timeout,
        Self::Opened,
        Self::Lost,
        Self::DiskFull,
        Self::DiskGood,
        Self::Welcome,
        Self::WelcomeBehind,
        Self::RefuseExpired,
        Self::RefuseLimit,
        Self::RefuseBusy,
        Self::RefuseKicked,
        Self::RefuseBanned,
        Self::RefuseDeleted,
        Self::RefuseOld,
        Self::CloseKicked,
        Self::CloseStopping,
        Self::CloseExpired,
        Self::Expiring,
        Self::News,
        Self::Page,
        Self::PageFails,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Login => "call `login`",
            Self::LoginOther => "call `login` of another user",
            Self::LoginOffline => "call `login_offline`",
            Self::ResumeLast => "call `resume_last`",
            Self::Renew => "call `renew`",
            Self::Logout => "call `logout`",
            Self::Suspend => "call `suspend`",
            Self::Resume => "call `resume`",
            Self::Restart => "new process",
            Self::NetworkDown => "network down",
            Self::NetworkUp => "network up",
            Self::Timeout => "time",
            Self::Opened => "connection made",
            Self::Lost => "connection lost",
            Self::DiskFull => "disk full",
            Self::DiskGood => "disk good",
            Self::Welcome => "`Welcome`",
            Self::WelcomeBehind => "`Welcome` with more to come",
            Self::RefuseExpired => "`Refuse` credential_expired",
            Self::RefuseLimit => "`Refuse` device_limit",
            Self::RefuseBusy => "`Refuse` server_busy",
            Self::RefuseKicked => "`Refuse` kicked",
            Self::RefuseBanned => "`Refuse` user_banned",
            Self::RefuseDeleted => "`Refuse` account_deleted",
            Self::RefuseOld => "`Refuse` version_too_old",
            Self::CloseKicked => "`Close` kicked",
            Self::CloseStopping => "`Close` server_stopping",
            Self::CloseExpired => "`Close` credential_expired",
            Self::Expiring => "`CredentialExpiring`",
            Self::News => "`Push` beyond a gap",
            Self::Page => "page of sync",
            Self::PageFails => "page refused",
        }
    }

    pub(super) fn put(self, desk: &mut Desk) {
        match self {
            Self::Login => {
                desk.login("alice");
            }
            Self::LoginOther => {
                desk.login("bob");
            }
            Self::LoginOffline => {
                call(desk, Command::LoginOffline { user: user("alice"), credential: None });
            }
            Self::ResumeLast => call(desk, Command::ResumeLast),
            Self::Renew => {
                let another = token(&format!("new {}", desk.out.len()));
                call(desk, Command::Renew(another));
            }
            Self::Logout => call(desk, Command::Logout(LocalData::Keep)),
            Self::Suspend => call(desk, Command::Suspend),
            Self::Resume => call(desk, Command::Resume),
            Self::Restart => *desk = Desk::with(desk.client.account().clone()),
            Self::NetworkDown => desk.put(Input::Hint(Hint::NetworkDown)),
            Self::NetworkUp => desk.put(Input::Hint(Hint::NetworkUp)),
            Self::Timeout if desk.client.next_timeout().is_some() => desk.wait(),
            Self::Timeout => {}
            Self::Opened if desk.is_dialing() => {
                desk.connect();
            }
            Self::Opened => {}
            Self::Lost => {
                if let Some(attempt) = desk.last_attempt() {
                    desk.put(Input::Lost(attempt, Code::NETWORK.into()));
                }
            }
            Self::DiskFull => desk.disk = Disk::Full,
            Self::DiskGood => desk.disk = Disk::Quick,
            Self::Welcome => welcomed(desk, 0),
            Self::WelcomeBehind => welcomed(desk, 5),
            Self::RefuseExpired => refused(desk, Code::CREDENTIAL_EXPIRED),
            Self::RefuseLimit => refused(desk, Code::DEVICE_LIMIT),
            Self::RefuseBusy => refused(desk, Code::SERVER_BUSY),
            Self::RefuseKicked => refused(desk, Code::KICKED),
            Self::RefuseBanned => refused(desk, Code::USER_BANNED),
            Self::RefuseDeleted => refused(desk, Code::ACCOUNT_DELETED),
            Self::RefuseOld => refused(desk, Code::VERSION_TOO_OLD),
            Self::CloseKicked => closed(desk, Code::KICKED),
            Self::CloseStopping => closed(desk, Code::SERVER_STOPPING),
            Self::CloseExpired => closed(desk, Code::CREDENTIAL_EXPIRED),
            Self::Expiring => hear(desk, ServerFrame::CredentialExpiring { seconds: 20 }),
            Self::News => {
                let offset = asked_from(desk).map_or(0, |cursor| cursor.offset) + 5;
                hear(desk, ServerFrame::Push { offset, entry: entry("bob", 5) });
            }
            Self::Page => answer(desk, Ok(())),
            Self::PageFails => answer(desk, Err(Code::SERVER_BUSY.into())),
        }
    }
}

fn call(desk: &mut Desk, command: Command) {
    desk.call(command);
}

fn hear(desk: &mut Desk, frame: ServerFrame) {
    if desk.last_attempt().is_some() {
        desk.receive(frame);
    }
}

/// What the last Hello said that the device has.
fn asked_from(desk: &Desk) -> Option<Cursor> {
    desk.hellos().last().and_then(|hello| hello.cursor)
}

/// Answers the last Hello, with so many entries missing after it.
fn welcomed(desk: &mut Desk, missing: u64) {
    let Some(hello) = desk.hellos().pop() else { return };
    let offset = hello.cursor.map_or(0, |cursor| cursor.offset);
    let head = offset + missing;
    let base = match &hello.resume {
        Some(resume) => resumed(resume.session.0[0], head),
        None => welcome(1, head),
    };
    let body = match hello.cursor {
        Some(cursor) if missing > 0 => {
            SyncBody::Entries { first_offset: cursor.offset + 1, entries: vec![entry("bob", 1)] }
        }
        Some(cursor) => SyncBody::Entries { first_offset: cursor.offset + 1, entries: Vec::new() },
        None => SyncBody::TooLong(Vec::new()),
    };
    let sync = SyncPage { log_epoch: 9, head, body };
    hear(desk, ServerFrame::Welcome(Box::new(Welcome { sync, head, ..base })));
}

fn refused(desk: &mut Desk, code: Code) {
    let terminal = !matches!(code, Code::CREDENTIAL_EXPIRED | Code::SERVER_BUSY);
    let mut error = Error::new(code);
    if code == Code::SERVER_BUSY {
        error = error.retry_after(1_000);
    }
    let kick = (code == Code::KICKED).then(kick);
    let refuse = Refuse { error, terminal, kick, holders: Vec::new() };
    hear(desk, ServerFrame::Refuse(Box::new(refuse)));
}

fn closed(desk: &mut Desk, code: Code) {
    let is_kick = code == Code::KICKED;
    let close = Close {
        error: code.into(),
        terminal: is_kick,
        retry_window_ms: (code == Code::SERVER_STOPPING).then_some(1_000),
        resume_ok: !is_kick,
        kick: is_kick.then(kick),
    };
    hear(desk, ServerFrame::Close(Box::new(close)));
}

fn kick() -> KickRecord {
    KickRecord {
        session: SessionId([1; 16]),
        reason: KickReason::Policy,
        by: None,
        text: String::new(),
        time: WallTime(0),
    }
}

/// Answers the last question for a page.
fn answer(desk: &mut Desk, result: Result<(), Error>) {
    let asked = desk.requests().into_iter().rev().find_map(|(id, body)| match body {
        Request::SyncFrom { cursor, .. } => Some((id, cursor.map_or(0, |cursor| cursor.offset))),
        _ => None,
    });
    let Some((id, offset)) = asked else { return };
    let body = result.map(|()| {
        let entries = (1..=5).map(|seq| entry("bob", seq)).collect();
        let body = SyncBody::Entries { first_offset: offset + 1, entries };
        Response::Sync(SyncPage { log_epoch: 9, head: offset + 5, body })
    });
    hear(desk, ServerFrame::Response { id, body });
}
