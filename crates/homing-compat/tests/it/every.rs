//! Every status, reason, event and code of Homing, by name: what the table tests walk.
//!
//! The names come from matches without a wildcard. A new variant does not compile before it has a name
//! here, and a name that is in no table fails the table's test.

use std::collections::BTreeMap;

use homing::status::{
    Cause, CredentialStatus, LinkStatus, SessionStatus, Status, SyncStatus, Trust, Why,
};
use homing::{
    ClientMsgId, Code, Content, ConversationId, DeviceId, DeviceInfo, Error, Event, Fact,
    KickReason, KickRecord, Message, Platform, SendState, SessionId, Time, UserId, WallTime,
};
use homing_proto::code::TABLE;
use homing_proto::device::Device;

/// Compares a table with everything there is: no name may be missing, none may be too many.
pub(crate) fn assert_table<T, V: PartialEq + std::fmt::Debug>(
    all: &[T],
    name: impl Fn(&T) -> String,
    value: impl Fn(&T) -> V,
    expected: &[(&str, V)],
) {
    let mut left: BTreeMap<_, _> = expected.iter().map(|(name, value)| (*name, value)).collect();
    assert_eq!(left.len(), expected.len(), "a name stands twice in the table");
    for item in all {
        let name = name(item);
        let wanted = left.remove(name.as_str());
        assert_eq!(Some(&value(item)), wanted, "{name}");
    }
    assert!(left.is_empty(), "not in Homing: {left:?}");
}

/// Compares a table of numbers with the whole table of codes.
pub(crate) fn assert_codes(number: impl Fn(Code) -> i32, expected: &[(&str, i32)]) {
    let codes: Vec<_> = TABLE.iter().map(|row| row.code).collect();
    assert_table(&codes, |code| code.name().to_owned(), |code| number(*code), expected);
}

pub(crate) fn user() -> UserId {
    UserId::parse("alice").unwrap()
}

pub(crate) fn error(code: Code) -> Error {
    Error::new(code)
}

/// Every credential status.
pub(crate) fn credentials() -> [CredentialStatus; 3] {
    [
        CredentialStatus::Valid,
        CredentialStatus::Expiring { at: Time(1) },
        CredentialStatus::Needed { why: error(Code::CREDENTIAL_EXPIRED) },
    ]
}

/// Every session, signed out ones with every reason.
pub(crate) fn sessions() -> Vec<SessionStatus> {
    let mut all: Vec<_> = whys().into_iter().map(|why| SessionStatus::SignedOut { why }).collect();
    all.push(SessionStatus::SigningIn { user: user() });
    for trust in [Trust::Local, Trust::Verified] {
        for credential in credentials() {
            all.push(SessionStatus::SignedIn { user: user(), trust, credential });
        }
    }
    all
}

pub(crate) fn session_name(session: &SessionStatus) -> String {
    match session {
        SessionStatus::SignedOut { why } => format!("out {}", why_name(why)),
        SessionStatus::SigningIn { .. } => "signing in".to_owned(),
        SessionStatus::SignedIn { trust, credential, .. } => {
            let trust = match trust {
                Trust::Local => "local",
                Trust::Verified => "verified",
            };
            let credential = match credential {
                CredentialStatus::Valid => "valid",
                CredentialStatus::Expiring { .. } => "expiring",
                CredentialStatus::Needed { .. } => "needed",
            };
            format!("in {trust} {credential}")
        }
    }
}

/// Every reason, kicks with every reason of their own, failed logins with one of each kind.
pub(crate) fn whys() -> Vec<Why> {
    let mut all = vec![
        Why::Never,
        Why::Logout,
        Why::Switched,
        Why::Banned(Code::USER_BANNED.into()),
        Why::AccountDeleted,
        Why::VersionTooOld,
    ];
    let failures = [
        Code::NETWORK,
        Code::TIMEOUT,
        Code::CREDENTIAL_EXPIRED,
        Code::CREDENTIAL_BAD_SIGNATURE,
        Code::USER_NOT_FOUND,
        Code::UNKNOWN_APP,
        Code::USER_BANNED,
        Code::ACCOUNT_DELETED,
        Code::VERSION_TOO_OLD,
        Code::DEVICE_LIMIT,
        Code::KICKED,
    ];
    all.extend(failures.map(|code| Why::LoginFailed(error(code))));
    all.extend(reasons().map(|reason| Why::Kicked(record(reason))));
    all
}

pub(crate) fn why_name(why: &Why) -> String {
    match why {
        Why::Never => "never".to_owned(),
        Why::Logout => "logout".to_owned(),
        Why::Switched => "switched".to_owned(),
        Why::LoginFailed(error) => format!("failed {}", error.code.name()),
        Why::Kicked(record) => format!("kicked {}", reason_name(&record.reason)),
        Why::Banned(_) => "banned".to_owned(),
        Why::AccountDeleted => "account deleted".to_owned(),
        Why::VersionTooOld => "version too old".to_owned(),
    }
}

/// Every reason of a kick.
pub(crate) fn reasons() -> [KickReason; 8] {
    [
        KickReason::Policy,
        KickReason::OwnDevice,
        KickReason::Server,
        KickReason::DeviceConflict,
        KickReason::Banned,
        KickReason::AccountDeleted,
        KickReason::SessionExpired,
        KickReason::Unknown(77),
    ]
}

pub(crate) fn reason_name(reason: &KickReason) -> String {
    match reason {
        KickReason::Policy
        | KickReason::OwnDevice
        | KickReason::Server
        | KickReason::DeviceConflict
        | KickReason::Banned
        | KickReason::AccountDeleted
        | KickReason::SessionExpired
        | KickReason::Unknown(_) => reason.name().to_owned(),
    }
}

/// Every link.
pub(crate) fn links() -> [LinkStatus; 7] {
    [
        LinkStatus::Idle,
        LinkStatus::NoNetwork,
        LinkStatus::Connecting { attempt: 1 },
        LinkStatus::Handshaking,
        LinkStatus::Connected { since: Time(1), rtt_ms: Some(3) },
        LinkStatus::Waiting { until: Time(2), attempt: 1, cause: error(Code::NETWORK) },
        LinkStatus::Paused,
    ]
}

pub(crate) fn link_name(link: &LinkStatus) -> String {
    match link {
        LinkStatus::Idle => "idle",
        LinkStatus::NoNetwork => "no network",
        LinkStatus::Connecting { .. } => "connecting",
        LinkStatus::Handshaking => "handshaking",
        LinkStatus::Connected { .. } => "connected",
        LinkStatus::Waiting { .. } => "waiting",
        LinkStatus::Paused => "paused",
    }
    .to_owned()
}

/// Every sync status.
pub(crate) fn syncs() -> [SyncStatus; 4] {
    let all = [
        SyncStatus::Idle,
        SyncStatus::CatchingUp { done: 1, of: 2 },
        SyncStatus::Live,
        SyncStatus::Stalled { cause: error(Code::STORE_FULL), retry_at: Time(9) },
    ];
    for sync in &all {
        match sync {
            SyncStatus::Idle
            | SyncStatus::CatchingUp { .. }
            | SyncStatus::Live
            | SyncStatus::Stalled { .. } => {}
        }
    }
    all
}

/// Every event.
pub(crate) fn events() -> Vec<Event> {
    vec![
        Event::Message(message("bob", 3)),
        Event::SendState {
            client_id: ClientMsgId([8; 16]),
            conversation: with_bob(),
            state: SendState::Queued,
        },
        Event::Read { conversation: with_bob(), seq: 3 },
        Event::WindowChanged,
        Event::Kicked(record(KickReason::Policy)),
        Event::DevicesChanged(vec![device(Platform::Ios)]),
        Event::CredentialExpiring { seconds: 30 },
        Event::CredentialNeeded(error(Code::CREDENTIAL_EXPIRED)),
        Event::SyncStarted,
        Event::SyncFinished,
        Event::SyncFailed(error(Code::STORE_FULL)),
        Event::StoreReset(error(Code::STORE_CORRUPT)),
    ]
}

pub(crate) fn event_name(event: &Event) -> String {
    match event {
        Event::Message(_) => "message",
        Event::SendState { .. } => "send state",
        Event::Read { .. } => "read",
        Event::WindowChanged => "window changed",
        Event::Kicked(_) => "kicked",
        Event::DevicesChanged(_) => "devices changed",
        Event::CredentialExpiring { .. } => "credential expiring",
        Event::CredentialNeeded(_) => "credential needed",
        Event::SyncStarted => "sync started",
        Event::SyncFinished => "sync finished",
        Event::SyncFailed(_) => "sync failed",
        Event::StoreReset(_) => "store reset",
    }
    .to_owned()
}

pub(crate) fn with_bob() -> ConversationId {
    ConversationId::Direct(UserId::parse("bob").unwrap())
}

pub(crate) fn message(from: &str, seq: u64) -> Message {
    Message {
        conversation: with_bob(),
        seq,
        from: UserId::parse(from).unwrap(),
        client_id: ClientMsgId([u8::try_from(seq).unwrap(); 16]),
        time: WallTime(1_700_000_000_000),
        content: Content::text("hello"),
    }
}

/// A kick by an iPhone of custom type 7.
pub(crate) fn record(reason: KickReason) -> KickRecord {
    KickRecord {
        session: SessionId([1; 16]),
        reason,
        by: Some(device(Platform::Ios)),
        text: "another phone".to_owned(),
        time: WallTime(1),
    }
}

pub(crate) fn device(platform: Platform) -> DeviceInfo {
    DeviceInfo {
        session: SessionId([2; 16]),
        device: Device {
            id: DeviceId([3; 16]),
            platform,
            os: "iOS 18".to_owned(),
            tag: "phone".to_owned(),
            custom_type: 7,
        },
        login_time: WallTime(1_700_000_000_000),
        online: true,
    }
}

/// Statuses one after the other, as a journal has them.
#[derive(Default)]
pub(crate) struct Story(u64);

impl Story {
    pub(crate) fn status(&mut self, session: SessionStatus, link: LinkStatus) -> Fact {
        self.with_sync(session, link, SyncStatus::Idle)
    }

    pub(crate) fn with_sync(
        &mut self,
        session: SessionStatus,
        link: LinkStatus,
        sync: SyncStatus,
    ) -> Fact {
        self.0 += 1;
        Fact::Status(Box::new(Status {
            seq: self.0,
            session,
            link,
            sync,
            first_screen: false,
            readable: true,
            cause: Cause::Server,
        }))
    }
}

pub(crate) fn signing_in() -> SessionStatus {
    SessionStatus::SigningIn { user: user() }
}

pub(crate) fn signed_in(trust: Trust) -> SessionStatus {
    SessionStatus::SignedIn { user: user(), trust, credential: CredentialStatus::Valid }
}

pub(crate) fn needs_credential() -> SessionStatus {
    SessionStatus::SignedIn {
        user: user(),
        trust: Trust::Verified,
        credential: CredentialStatus::Needed { why: error(Code::CREDENTIAL_EXPIRED) },
    }
}

pub(crate) fn out(why: Why) -> SessionStatus {
    SessionStatus::SignedOut { why }
}

pub(crate) fn connecting() -> LinkStatus {
    LinkStatus::Connecting { attempt: 1 }
}

pub(crate) fn connected() -> LinkStatus {
    LinkStatus::Connected { since: Time(1), rtt_ms: Some(3) }
}

pub(crate) fn waiting() -> LinkStatus {
    LinkStatus::Waiting { until: Time(2), attempt: 1, cause: error(Code::NETWORK) }
}

/// An explicit login from the call to live data, as the SDK's journal has it: what Welcome brings
/// comes a moment before the status that shows the link.
pub(crate) fn login_story(story: &mut Story) -> Vec<Fact> {
    vec![
        story.status(signing_in(), connecting()),
        story.status(signing_in(), LinkStatus::Handshaking),
        Fact::Event(Event::DevicesChanged(vec![device(Platform::Ios)])),
        Fact::Event(Event::SyncStarted),
        story.with_sync(
            signing_in(),
            LinkStatus::Handshaking,
            SyncStatus::CatchingUp { done: 0, of: 1 },
        ),
        Fact::Event(Event::SyncFinished),
        story.with_sync(signed_in(Trust::Verified), connected(), SyncStatus::Live),
    ]
}

/// The link breaks and comes back.
pub(crate) fn break_story(story: &mut Story) -> Vec<Fact> {
    let here = || signed_in(Trust::Verified);
    vec![
        story.status(here(), waiting()),
        story.status(here(), connecting()),
        story.status(here(), waiting()),
        story.status(here(), LinkStatus::NoNetwork),
        story.status(here(), connecting()),
        story.status(here(), LinkStatus::Handshaking),
        Fact::Event(Event::SyncStarted),
        story.with_sync(here(), LinkStatus::Handshaking, SyncStatus::CatchingUp { done: 0, of: 1 }),
        Fact::Event(Event::SyncFinished),
        story.with_sync(here(), connected(), SyncStatus::Live),
    ]
}
