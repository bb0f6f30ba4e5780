//! Each oracle sees a story in which its invariant breaks, and says nothing about the same story
//! told right.

use bytes::Bytes;
use homing_core::client::status::{
    Cause, CredentialStatus, LinkStatus, SessionStatus, SyncStatus, Trust, Why,
};
use homing_core::client::{
    Account, Attempt, Command, CommandId, Event, LocalData, LoginOptions, Reply, Row, SendState,
    Status,
};
use homing_core::policy::{Policy, Preset};
use homing_proto::device::{Device, KickReason, KickRecord, Platform};
use homing_proto::frame::{
    Binding, ClientFrame, Credential, EndSession, Hello, Intent, Limits, Refuse, Resume,
    ServerFrame, SyncBody, SyncPage, Welcome, Window,
};
use homing_proto::id::{
    AppId, ClientMsgId, ConversationId, Cursor, DeviceId, LoginId, SessionId, UserId,
};
use homing_proto::message::{Content, LogEntry, Message, ReadMark};
use homing_proto::secret::SessionSecret;
use homing_proto::time::{Now, Time, WallTime};
use homing_proto::{Code, Error};
use homing_sim::fact::{Bound, DeviceAtRest, DeviceNo, Fact};
use homing_sim::oracle::judge;
use homing_sim::store::Store;

const D0: DeviceNo = DeviceNo(0);
const EPOCH: u64 = 7;

/// A story of two devices, told fact by fact. What a fact refers to is leaked: these are tests.
struct Story {
    facts: Vec<(u64, Fact<'static>)>,
    now: u64,
}

impl Story {
    fn new() -> Self {
        let devices = keep(vec![device(0, Platform::Ios), device(1, Platform::Android)]);
        let policy = keep(Policy::preset(Preset::Single));
        let mut story = Self { facts: Vec::new(), now: 0 };
        story.fact(Fact::World { devices, policy, window: 1 });
        for no in [D0, DeviceNo(1)] {
            story.fact(Fact::Started(no, keep(Account::default())));
        }
        story
    }

    /// Alice is signed in on the first device and connected.
    fn signed_in() -> Self {
        let mut story = Self::new();
        story.call(
            1,
            Command::Login {
                user: user("alice"),
                credential: credential("a"),
                options: LoginOptions::default(),
            },
        );
        story.shows(SessionStatus::SigningIn { user: user("alice") }, LinkStatus::Handshaking);
        story.fact(Fact::Bound(keep(bound(0, 1, Intent::Explicit))));
        story.hears(ServerFrame::Welcome(Box::new(welcome(1))));
        story.completes(1, Ok(Reply::LoggedIn { already: false, registered: false }));
        story.shows(in_as("alice"), connected());
        story
    }

    fn fact(&mut self, fact: Fact<'static>) -> &mut Self {
        self.facts.push((self.now, fact));
        self
    }

    fn after(&mut self, ms: u64) -> &mut Self {
        self.now += ms;
        self
    }

    fn call(&mut self, id: u64, command: Command) -> &mut Self {
        self.fact(Fact::Called(D0, CommandId(id), keep(command)))
    }

    fn completes(&mut self, id: u64, result: Result<Reply, Error>) -> &mut Self {
        self.fact(Fact::Completed(D0, CommandId(id), keep(result)))
    }

    fn hears(&mut self, frame: ServerFrame) -> &mut Self {
        self.fact(Fact::Heard(D0, Attempt(1), keep(frame)))
    }

    fn sends(&mut self, frame: ClientFrame) -> &mut Self {
        self.fact(Fact::Sent(D0, Attempt(1), keep(frame)))
    }

    fn event(&mut self, event: Event) -> &mut Self {
        self.fact(Fact::Event(D0, keep(event)))
    }

    fn shows(&mut self, session: SessionStatus, link: LinkStatus) -> &mut Self {
        let seq = self.facts.len() as u64;
        self.fact(Fact::Status(D0, keep(status(seq, session, link))))
    }

    fn appends(&mut self, owner: &str, offset: u64, entry: LogEntry) -> &mut Self {
        let cursor = Cursor { log_epoch: EPOCH, offset };
        self.fact(Fact::Appended(keep(user(owner)), cursor, keep(entry)))
    }

    fn stores(&mut self, owner: &str, rows: Vec<Row>) -> &mut Self {
        self.fact(Fact::RowsStored(D0, keep(user(owner)), keep(rows)))
    }

    fn handles(
        &mut self,
        session: SessionStatus,
        link: LinkStatus,
        armed: Option<u64>,
    ) -> &mut Self {
        // The picture that was shown, or the app would not know it.
        self.shows(session.clone(), link.clone());
        let seq = self.facts.len() as u64 - 1;
        let now = Now { time: Time(self.now), wall: WallTime(0) };
        let status = keep(status(seq, session, link));
        let armed = armed.map(Time);
        self.fact(Fact::Handled { device: D0, now, status, armed, storage: 0 })
    }

    fn rests(&mut self, at_rest: DeviceAtRest) -> &mut Self {
        let sessions: &'static [(UserId, SessionId, bool)] = if at_rest.account.last.is_some() {
            keep(vec![(user("alice"), session(1), true)])
        } else {
            &[]
        };
        self.fact(Fact::Calm);
        self.fact(Fact::Rest { devices: keep(vec![at_rest]), sessions })
    }

    /// The oracles that saw something.
    fn seen_by(&self) -> Vec<&'static str> {
        let mut oracles: Vec<_> =
            judge(self.facts.clone()).iter().map(|violation| violation.oracle).collect();
        oracles.dedup();
        oracles
    }
}

#[test]
fn a_good_story_is_seen_by_none() {
    let mut story = Story::signed_in();
    story.appends("alice", 1, entry(1, "alice"));
    story.stores("alice", vec![Row::Entry(entry(1, "alice")), Row::Cursor(at(1))]);
    story.event(Event::Message(message(1, "alice")));
    assert_eq!(story.seen_by(), [""; 0]);
}

#[test]
fn i1_a_sign_out_that_nobody_asked_for() {
    let mut story = Story::signed_in();
    story.shows(out(Why::LoginFailed(Code::NETWORK.into())), LinkStatus::Idle);
    assert_eq!(story.seen_by(), ["I1 signed out"]);
}

#[test]
fn i1_a_verdict_about_a_session_that_is_alive() {
    let mut story = Story::signed_in();
    story.hears(ServerFrame::Refuse(Box::new(Refuse {
        error: Code::SESSION_UNKNOWN.into(),
        terminal: true,
        kick: None,
        holders: Vec::new(),
    })));
    story.shows(out(Why::LoginFailed(Code::SESSION_UNKNOWN.into())), LinkStatus::Idle);
    assert_eq!(story.seen_by(), ["I1 signed out"]);
}

#[test]
fn i3_no_wake_up_while_something_is_strived_for() {
    let mut story = Story::signed_in();
    story.handles(in_as("alice"), connected(), Some(25_000));
    assert_eq!(story.seen_by(), [""; 0]);
    story.handles(in_as("alice"), LinkStatus::Connecting { attempt: 1 }, None);
    assert_eq!(story.seen_by(), ["I3 wake-up"]);
}

#[test]
fn i3_not_connected_long_after_the_faults() {
    let mut story = Story::signed_in();
    let offline = status(99, in_as("alice"), LinkStatus::Idle);
    story.rests(DeviceAtRest { status: offline, ..at_rest() });
    assert!(story.seen_by().contains(&"I3 wake-up"));
}

#[test]
fn i4_connected_and_nothing_heard() {
    let mut story = Story::signed_in();
    story.after(32_000).handles(in_as("alice"), connected(), Some(33_000));
    assert_eq!(story.seen_by(), ["I4 liveness"]);
}

#[test]
fn i5_an_automatic_login_that_displaces() {
    let mut story = Story::signed_in();
    let displacing = Bound {
        displaced: vec![session(1)],
        epoch: 1,
        login_id: None,
        ..bound(1, 2, Intent::Automatic)
    };
    story.fact(Fact::Bound(keep(displacing)));
    assert_eq!(story.seen_by(), ["I5 displacement"]);
}

#[test]
fn i5_a_login_that_displaces_nobody_where_the_policy_names_one() {
    let mut story = Story::signed_in();
    story.fact(Fact::Bound(keep(Bound { epoch: 2, ..bound(1, 2, Intent::Explicit) })));
    assert_eq!(story.seen_by(), ["I5 displacement"]);
}

#[test]
fn i5_a_kicked_device_that_comes_back_by_itself() {
    let mut story = Story::signed_in();
    story.event(Event::Kicked(KickRecord {
        session: session(1),
        reason: KickReason::Policy,
        by: None,
        text: String::new(),
        time: WallTime(0),
    }));
    story.sends(hello("alice", None, None));
    assert_eq!(story.seen_by(), ["I5 displacement"]);
}

#[test]
fn i6_a_hole_in_the_stored_log() {
    let mut story = Story::signed_in();
    story.appends("alice", 1, entry(1, "alice")).appends("alice", 2, entry(2, "alice"));
    story.stores("alice", vec![Row::Entry(entry(2, "alice")), Row::Cursor(at(2))]);
    assert!(story.seen_by().contains(&"I6 log prefix"));
}

#[test]
fn i6_entries_without_their_cursor() {
    let mut story = Story::signed_in();
    story.appends("alice", 1, entry(1, "alice"));
    story.stores("alice", vec![Row::Entry(entry(1, "alice"))]);
    assert_eq!(story.seen_by(), ["I6 log prefix"]);
}

#[test]
fn i6_a_message_that_is_announced_twice() {
    let mut story = Story::signed_in();
    story.appends("alice", 1, entry(1, "alice"));
    story.event(Event::Message(message(1, "alice"))).event(Event::Message(message(1, "alice")));
    assert_eq!(story.seen_by(), ["I6 delivery"]);
}

#[test]
fn i6_a_message_that_never_came() {
    let mut story = Story::signed_in();
    story.appends("alice", 1, entry(1, "alice"));
    story.rests(at_rest());
    assert!(story.seen_by().contains(&"I6 delivery"));
}

#[test]
fn i7_a_sync_that_starts_twice() {
    let mut story = Story::signed_in();
    story.event(Event::SyncStarted).event(Event::SyncFinished).event(Event::SyncStarted);
    assert_eq!(story.seen_by(), [""; 0]);
    story.event(Event::SyncStarted);
    assert_eq!(story.seen_by(), ["I7 sync end"]);
}

#[test]
fn i8_a_message_of_the_old_account_after_a_switch() {
    let mut story = Story::signed_in();
    story.appends("alice", 1, entry(1, "alice"));
    story.shows(SessionStatus::SigningIn { user: user("bob") }, LinkStatus::Handshaking);
    story.event(Event::Message(message(1, "alice")));
    assert_eq!(story.seen_by(), ["I8 account wall"]);
}

#[test]
fn i8_reads_that_go_to_another_account() {
    let mut story = Story::signed_in();
    story.fact(Fact::Readable(D0, Some(keep(user("bob")))));
    story.handles(in_as("alice"), connected(), Some(25_000));
    assert_eq!(story.seen_by(), ["I8 account wall"]);
}

#[test]
fn i9_a_store_that_was_set_aside_in_silence() {
    let mut story = Story::signed_in();
    story.fact(Fact::StoreReset(D0, keep(user("alice"))));
    story.handles(in_as("alice"), connected(), Some(25_000));
    assert_eq!(story.seen_by(), ["I9 damaged store"]);
}

#[test]
fn i9_a_store_that_is_deleted_without_a_logout() {
    let mut story = Story::signed_in();
    story.fact(Fact::StoreWiped(D0, keep(user("alice"))));
    assert_eq!(story.seen_by(), ["I9 damaged store"]);
}

#[test]
fn i10_a_message_that_arrives_twice() {
    let mut story = Story::signed_in();
    story.call(2, send(1)).stores("alice", vec![queue(1)]);
    story.fact(Fact::Stored(keep(message(1, "alice"))));
    assert_eq!(story.seen_by(), [""; 0]);
    story.fact(Fact::Stored(keep(Message { seq: 2, ..message(1, "alice") })));
    assert_eq!(story.seen_by(), ["I10 once"]);
}

#[test]
fn i10_a_message_that_is_sent_before_it_is_durable() {
    let mut story = Story::signed_in();
    story.call(2, send(1)).fact(Fact::Stored(keep(message(1, "alice"))));
    assert_eq!(story.seen_by(), ["I10 once"]);
}

#[test]
fn i10_a_message_that_overtakes_another() {
    let mut story = Story::signed_in();
    story.call(2, send(1)).call(3, send(2)).stores("alice", vec![queue(1), queue(2)]);
    story.fact(Fact::Stored(keep(Message { seq: 1, ..message(2, "alice") })));
    story.fact(Fact::Stored(keep(Message { seq: 2, ..message(1, "alice") })));
    assert_eq!(story.seen_by(), ["I10 once"]);
}

#[test]
fn i10_a_durable_message_that_is_nowhere() {
    let mut story = Story::signed_in();
    story.call(2, send(1)).stores("alice", vec![queue(1)]).completes(2, Ok(Reply::Queued(name(1))));
    story.rests(at_rest());
    assert!(story.seen_by().contains(&"I10 once"));
}

#[test]
fn i10_a_message_that_failed_and_is_there() {
    let mut story = Story::signed_in();
    story.call(2, send(1)).stores("alice", vec![queue(1)]);
    story.fact(Fact::Stored(keep(message(1, "alice"))));
    story.stores("alice", vec![Row::Refused { client_id: name(1) }]);
    story.event(Event::SendState {
        client_id: name(1),
        conversation: with("bob"),
        state: SendState::Refused(Code::TIMEOUT),
    });
    assert_eq!(story.seen_by(), ["I10 once"]);
}

#[test]
fn i11_a_refused_credential_that_is_shown_again() {
    let mut story = Story::new();
    story.shows(SessionStatus::SigningIn { user: user("alice") }, LinkStatus::Handshaking);
    story.sends(hello("alice", Some(credential("a")), None));
    story.hears(ServerFrame::Refuse(Box::new(Refuse {
        error: Code::CREDENTIAL_EXPIRED.into(),
        terminal: false,
        kick: None,
        holders: Vec::new(),
    })));
    story.sends(hello("alice", Some(credential("b")), None));
    assert_eq!(story.seen_by(), [""; 0]);
    story.sends(hello("alice", Some(credential("a")), None));
    assert_eq!(story.seen_by(), ["I11 refused credential"]);
}

#[test]
fn i11_a_hello_while_a_credential_is_needed() {
    let mut story = Story::signed_in();
    let needed = CredentialStatus::Needed { why: Code::CREDENTIAL_EXPIRED.into() };
    let session =
        SessionStatus::SignedIn { user: user("alice"), trust: Trust::Verified, credential: needed };
    story.shows(session, LinkStatus::Idle).sends(hello("alice", None, None));
    assert_eq!(story.seen_by(), ["I11 refused credential"]);
}

#[test]
fn i13_an_automatic_login_that_waits_for_the_network() {
    let mut story = Story::new();
    story.call(1, Command::ResumeLast).after(20_000);
    story.completes(1, Err(Code::NETWORK.into()));
    assert_eq!(story.seen_by(), ["I13 open path"]);
    let mut right = Story::new();
    right.call(1, Command::ResumeLast).after(900);
    right.completes(1, Err(Code::NEEDS_EXPLICIT_LOGIN.into()));
    assert_eq!(right.seen_by(), [""; 0]);
}

#[test]
fn i18_two_stores_at_once_or_one_that_another_process_has() {
    for wrong in
        [vec![Fact::StoresOpen(D0, 2)], vec![Fact::HeldByOther(D0, true), Fact::StoresOpen(D0, 1)]]
    {
        let mut story = Story::new();
        for fact in wrong {
            story.fact(fact);
        }
        assert!(story.seen_by().contains(&"I18 one leader"));
    }
    let mut right = Story::new();
    right.fact(Fact::HeldByOther(D0, true)).fact(Fact::HeldByOther(D0, false));
    right.fact(Fact::StoresOpen(D0, 1));
    assert_eq!(right.seen_by(), [""; 0]);
}

#[test]
fn i12_a_suspend_that_leaves_a_store_open() {
    let mut story = Story::signed_in();
    story.fact(Fact::StoresOpen(D0, 1)).call(2, Command::Suspend).completes(2, Ok(Reply::Done));
    assert_eq!(story.seen_by(), ["I12 suspend"]);
}

#[test]
fn i14_a_call_with_two_answers() {
    let mut story = Story::signed_in();
    story.call(2, Command::Devices).completes(2, Err(Code::OFFLINE.into()));
    assert_eq!(story.seen_by(), [""; 0]);
    story.completes(2, Err(Code::OFFLINE.into()));
    assert_eq!(story.seen_by(), ["I14 any call, any state"]);
}

#[test]
fn i14_a_call_without_an_answer() {
    let mut story = Story::signed_in();
    story.call(2, Command::Devices).rests(at_rest());
    assert!(story.seen_by().contains(&"I14 any call, any state"));
}

#[test]
fn i16_thirteen_attempts_in_a_minute() {
    let mut story = Story::signed_in();
    for attempt in 2..14 {
        story.after(4_000).fact(Fact::Dialed(D0, Attempt(attempt)));
    }
    assert_eq!(story.seen_by(), [""; 0]);
    story.after(4_000).fact(Fact::Dialed(D0, Attempt(14)));
    assert_eq!(story.seen_by(), ["I16 attempts"]);
}

#[test]
fn i17_a_hello_after_a_logout() {
    let mut story = Story::signed_in();
    story.call(2, Command::Logout(LocalData::Keep));
    story.shows(out(Why::Logout), LinkStatus::Idle);
    story.completes(2, Ok(Reply::Done));
    assert_eq!(story.seen_by(), [""; 0]);
    story.sends(hello("alice", None, None));
    assert!(story.seen_by().contains(&"I17 logout"));
}

#[test]
fn i17_an_end_that_is_told_before_it_is_durable() {
    let end = EndSession {
        app: AppId::new(1).unwrap(),
        user: user("alice"),
        session: session(1),
        secret: SessionSecret::new([7; 32]),
    };
    let account = Account { jobs: vec![end.clone()], ..Account::default() };
    let mut story = Story::signed_in();
    story.fact(Fact::AccountStored(D0, keep(account.clone())));
    story.sends(ClientFrame::EndSession(end.clone()));
    story.fact(Fact::Started(D0, keep(account))).sends(ClientFrame::EndSession(end.clone()));
    assert!(!story.seen_by().contains(&"I17 logout"));
    let mut story = Story::signed_in();
    story.sends(ClientFrame::EndSession(end));
    assert!(story.seen_by().contains(&"I17 logout"));
}

#[test]
fn i20_an_unread_count_that_is_off() {
    let mut story = Story::signed_in();
    story.appends("alice", 1, entry(1, "bob"));
    let LogEntry::Message { message, read, .. } = entry(1, "bob") else { unreachable!() };
    let wrong = LogEntry::Message { message, own_count: 1, read };
    story.stores("alice", vec![Row::Entry(wrong), Row::Cursor(at(1))]);
    assert!(story.seen_by().contains(&"I20 unread"));
}

#[test]
fn i2_a_secret_that_is_forgotten_before_its_successor_was_seen() {
    let mut story = Story::signed_in();
    story.sends(resuming(1, 7));
    story.hears(ServerFrame::Welcome(Box::new(Welcome {
        binding: Binding::FreshSessionUnknown,
        ..welcome(2)
    })));
    assert!(story.seen_by().contains(&"I2 replaced secret"));
}

#[test]
fn i2_a_secret_whose_successor_was_seen_may_be_forgotten() {
    let mut story = Story::signed_in();
    let resumed = Welcome { binding: Binding::Resumed, ..welcome(1) };
    story.sends(resuming(1, 8)).hears(ServerFrame::Welcome(Box::new(resumed)));
    story.sends(resuming(1, 7));
    story.hears(ServerFrame::Welcome(Box::new(Welcome {
        binding: Binding::FreshSessionUnknown,
        ..welcome(2)
    })));
    assert!(!story.seen_by().contains(&"I2 replaced secret"));
}

#[test]
fn i22_a_cursor_that_was_never_stored() {
    let mut story = Story::signed_in();
    story.appends("alice", 1, entry(1, "alice"));
    story.sends(hello("alice", None, Some(at(1))));
    assert_eq!(story.seen_by(), ["I22 cursor"]);
}

#[test]
fn i22_entries_for_a_cursor_that_was_never_given_out() {
    let mut story = Story::signed_in();
    let strange = Cursor { log_epoch: EPOCH + 1, offset: 0 };
    story.appends("alice", 1, entry(1, "alice"));
    story.fact(Fact::CursorForged(D0, keep(user("alice")), strange));
    story.sends(hello("alice", None, Some(strange)));
    story.hears(ServerFrame::Welcome(Box::new(welcome(1))));
    assert_eq!(story.seen_by(), ["I22 cursor"]);
}

#[test]
fn i23_a_picture_that_comes_after_a_later_one() {
    let mut story = Story::signed_in();
    story.fact(Fact::Status(D0, keep(status(1, in_as("alice"), connected()))));
    assert_eq!(story.seen_by(), ["I23 status"]);
}

fn keep<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

fn user(name: &str) -> UserId {
    UserId::parse(name).expect("a legal user id")
}

fn with(peer: &str) -> ConversationId {
    ConversationId::Direct(user(peer))
}

fn session(number: u8) -> SessionId {
    SessionId([number; 16])
}

fn name(number: u8) -> ClientMsgId {
    ClientMsgId([number; 16])
}

const fn at(offset: u64) -> Cursor {
    Cursor { log_epoch: EPOCH, offset }
}

fn credential(text: &str) -> Credential {
    Credential::usersig(text)
}

fn device(number: u8, platform: Platform) -> Device {
    Device {
        id: DeviceId([number; 16]),
        platform,
        os: String::new(),
        tag: format!("d{number}"),
        custom_type: 0,
    }
}

fn status(seq: u64, session: SessionStatus, link: LinkStatus) -> Status {
    Status {
        seq,
        session,
        link,
        sync: SyncStatus::Live,
        first_screen: true,
        readable: true,
        cause: Cause::Server,
    }
}

fn in_as(name: &str) -> SessionStatus {
    let credential = CredentialStatus::Valid;
    SessionStatus::SignedIn { user: user(name), trust: Trust::Verified, credential }
}

const fn out(why: Why) -> SessionStatus {
    SessionStatus::SignedOut { why }
}

const fn connected() -> LinkStatus {
    LinkStatus::Connected { since: Time(0), rtt_ms: None }
}

fn at_rest() -> DeviceAtRest {
    DeviceAtRest {
        device: D0,
        status: status(99, in_as("alice"), connected()),
        account: Account::default(),
        store: Some(Store::default()),
        outbox: Vec::new(),
    }
}

fn bound(device_no: u8, session_no: u8, intent: Intent) -> Bound {
    Bound {
        user: user("alice"),
        device: device(device_no, Platform::Ios),
        intent,
        login_id: Some(LoginId([session_no; 16])),
        binding: Binding::Fresh,
        session: session(session_no),
        epoch: 1,
        displaced: Vec::new(),
    }
}

fn welcome(session_no: u8) -> Welcome {
    Welcome {
        session: session(session_no),
        secret: None,
        epoch: 1,
        binding: Binding::Fresh,
        server_time: WallTime(0),
        credential_expires_in_ms: None,
        head: 0,
        sync: SyncPage {
            log_epoch: EPOCH,
            head: 0,
            body: SyncBody::Entries { first_offset: 1, entries: Vec::new() },
        },
        outbox_acks: Vec::new(),
        devices: Vec::new(),
        limits: Limits { ping_ms: 0, liveness_ms: 0, max_frame: 0, reconnect_window_ms: 0 },
        registered: false,
    }
}

fn hello(name: &str, credential: Option<Credential>, cursor: Option<Cursor>) -> ClientFrame {
    ClientFrame::Hello(Box::new(Hello {
        proto: 1,
        sdk: String::new(),
        app: AppId::new(1).expect("a legal app id"),
        user: user(name),
        device: device(0, Platform::Ios),
        intent: Intent::Automatic,
        credential,
        resume: None,
        counter: 1,
        cursor,
        outbox_heads: Vec::new(),
        window: Window { conversations: 20, per_conversation: 20 },
        user_name: String::new(),
        login_extension: Bytes::new(),
        caps: 0,
        login_id: None,
    }))
}

/// Goes on with alice's session under that secret.
fn resuming(session_no: u8, secret: u8) -> ClientFrame {
    let ClientFrame::Hello(hello) = hello("alice", None, None) else { unreachable!() };
    let secret = SessionSecret::new([secret; 32]);
    let resume = Some(Resume { session: session(session_no), secret, epoch: 1 });
    ClientFrame::Hello(Box::new(Hello { resume, ..*hello }))
}

fn content(number: u8) -> Content {
    Content::text(format!("message {number}"))
}

/// A message between alice and bob, as alice sees it.
fn message(number: u8, from: &str) -> Message {
    Message {
        conversation: with("bob"),
        seq: u64::from(number),
        from: user(from),
        client_id: name(number),
        time: WallTime(0),
        content: content(number),
    }
}

fn entry(number: u8, from: &str) -> LogEntry {
    let own_count = if from == "alice" { u64::from(number) } else { 0 };
    LogEntry::Message { message: message(number, from), own_count, read: ReadMark::default() }
}

fn send(number: u8) -> Command {
    Command::Send {
        conversation: with("bob"),
        content: content(number),
        client_id: Some(name(number)),
    }
}

fn queue(number: u8) -> Row {
    Row::Queue(homing_core::client::Pending {
        client_id: name(number),
        conversation: with("bob"),
        content: content(number),
        queued_at: WallTime(0),
    })
}
