//! The session machine of one connection, rule by rule, in virtual time.

use homing_core::server::session::{Connection, Input, Output};
use homing_proto::codec::BadFrame;
use homing_proto::device::{Device, KickReason, KickRecord, Platform};
use homing_proto::frame::{
    Binding, ClientFrame, Close, EndSession, Hello, Intent, Limits, Refuse, Request, Response,
    ServerFrame, SyncBody, SyncPage, Welcome, Window,
};
use homing_proto::id::{AppId, Cursor, DeviceId, SessionId, UserId};
use homing_proto::secret::SessionSecret;
use homing_proto::time::{Time, WallTime};
use homing_proto::{Code, Error, limits};
use proptest::prelude::*;

#[test]
fn the_machine_of_a_connection_fits_in_64_bytes() {
    assert!(size_of::<Connection>() <= 64, "{}", size_of::<Connection>());
}

#[test]
fn a_hello_is_bound_and_then_requests_are_carried_out() {
    let mut line = Line::accepted();
    assert_eq!(line.connection.max_frame(), limits::FRAME_MAX_UNBOUND);
    assert_eq!(line.frame(ClientFrame::Hello(hello())), [Output::Bind(hello())]);
    let welcome = Output::Transmit(ServerFrame::Welcome(welcome(None)));
    assert_eq!(line.input(Input::Bound(self::welcome(None))), [welcome]);
    assert_eq!(line.connection.max_frame(), limits::FRAME_MAX);
    let body = Request::ListDevices;
    assert_eq!(line.request(5, body.clone()), [Output::Submit { id: 5, body }]);
    let answer = Input::Answered { id: 5, body: Ok(Response::Devices(vec![])) };
    let response = ServerFrame::Response { id: 5, body: Ok(Response::Devices(vec![])) };
    assert_eq!(line.input(answer), [Output::Transmit(response)]);
    let cursor = Cursor { log_epoch: 1, offset: 2 };
    assert_eq!(line.frame(ClientFrame::Ack(cursor)), [Output::Ack(cursor)]);
}

#[test]
fn a_second_hello_closes() {
    let mut line = Line::accepted();
    line.frame(ClientFrame::Hello(hello()));
    line.frame_closes(ClientFrame::Hello(hello()), Code::PROTOCOL_ERROR);
    Line::live(None).frame_closes(ClientFrame::Hello(hello()), Code::PROTOCOL_ERROR);
}

#[test]
fn a_request_before_the_welcome_closes() {
    let early = [
        ClientFrame::Request { id: 1, body: Request::ListDevices },
        ClientFrame::Ack(Cursor::default()),
    ];
    for frame in early {
        Line::accepted().frame_closes(frame.clone(), Code::PROTOCOL_ERROR);
        let mut line = Line::accepted();
        line.frame(ClientFrame::Hello(hello()));
        line.frame_closes(frame, Code::PROTOCOL_ERROR);
    }
}

#[test]
fn a_client_too_old_is_refused_for_good() {
    let mut line = Line::accepted();
    let old = Hello { proto: limits::PROTO_MIN - 1, ..*hello() };
    let refuse = last_refuse(&line.frame(ClientFrame::Hello(Box::new(old))));
    assert_eq!((refuse.error.code, refuse.terminal), (Code::VERSION_TOO_OLD, true));
}

#[test]
fn a_hello_that_cannot_be_read_is_refused_and_a_later_bad_frame_closes() {
    let error = Error::new(Code::INVALID_USER_ID);
    let refuse = last_refuse(&Line::accepted().input(Input::BadFrame(error.clone().into())));
    assert_eq!(refuse.error, error);
    let close = last_close(&Line::live(None).input(Input::BadFrame(error.clone().into())));
    assert_eq!((close.error, close.resume_ok), (error, true));
}

#[test]
fn a_refused_hello_is_told_and_closed() {
    let mut line = Line::accepted();
    line.frame(ClientFrame::Hello(hello()));
    let refuse = Refuse {
        error: Code::CREDENTIAL_EXPIRED.into(),
        terminal: false,
        kick: None,
        holders: vec![],
    };
    let out = line.input(Input::Refused(Box::new(refuse.clone())));
    assert_eq!(last_refuse(&out), refuse);
    assert_eq!(line.connection.next_timeout(), None);
}

#[test]
fn sessions_can_be_ended_before_the_hello_up_to_a_bound() {
    let mut line = Line::accepted();
    for _ in 0..limits::END_SESSIONS_PER_CONNECTION {
        let out = line.frame(ClientFrame::EndSession(end_session()));
        assert_eq!(out, [Output::EndSession(Box::new(end_session()))]);
    }
    let ended = SessionId([1; 16]);
    let told = Output::Transmit(ServerFrame::Ended(ended));
    assert_eq!(line.input(Input::SessionEnded(ended)), [told]);
    line.frame_closes(ClientFrame::EndSession(end_session()), Code::RATE_LIMITED);
}

#[test]
fn a_stranger_who_says_no_hello_is_cut_off_after_10_s_whatever_else_it_sends() {
    let mut line = Line::accepted();
    line.pass(limits::HELLO_TIMEOUT_MS - 1);
    line.frame(ClientFrame::Ping { nonce: 1 });
    line.input(Input::Heard);
    assert_eq!(line.input(Input::Timeout), []);
    line.pass(1);
    line.times_out_with(Code::HELLO_TIMEOUT);
}

#[test]
fn a_ping_with_the_head_goes_out_every_25_s() {
    let mut line = Line::live(None);
    for _ in 0..5 {
        assert_eq!(line.connection.next_timeout(), Some(line.now + limits::PING_MS));
        line.pass(limits::PING_MS);
        let out = line.input(Input::Timeout);
        let [Output::Transmit(ServerFrame::Ping { head, .. })] = out[..] else {
            panic!("{out:?}");
        };
        assert_eq!(head, HEAD);
        assert_eq!(line.frame(ClientFrame::Pong { nonce: 0 }), []);
    }
    let pong = Output::Transmit(ServerFrame::Pong { nonce: 9, head: HEAD });
    assert_eq!(line.frame(ClientFrame::Ping { nonce: 9 }), [pong]);
}

#[test]
fn silence_of_60_s_is_death_and_any_byte_is_life() {
    let mut line = Line::live(None);
    line.pass(limits::SERVER_LIVENESS_MS - 1);
    line.input(Input::Heard);
    line.pass(1);
    line.input(Input::Timeout);
    assert!(!line.connection.is_closed());
    line.pass(limits::SERVER_LIVENESS_MS - 1);
    line.times_out_with(Code::LIVENESS);

    let mut binding = Line::accepted();
    binding.frame(ClientFrame::Hello(hello()));
    binding.pass(limits::SERVER_LIVENESS_MS);
    binding.times_out_with(Code::LIVENESS);
}

#[test]
fn the_client_is_warned_30_s_before_its_credential_expires_and_closed_when_it_does() {
    let mut line = Line::live(Some(45_000));
    line.pass(14_999);
    assert_eq!(line.input(Input::Timeout), []);
    assert_eq!(line.connection.next_timeout(), Some(line.now + 1));
    line.pass(1);
    let warning = Output::Transmit(ServerFrame::CredentialExpiring { seconds: 30 });
    assert_eq!(line.input(Input::Timeout), [warning]);
    assert_eq!(line.input(Input::Timeout), [], "once");
    line.frame(ClientFrame::Ping { nonce: 1 });
    line.pass(29_999);
    line.input(Input::Timeout);
    assert!(!line.connection.is_closed());
    line.pass(1);
    let close = line.times_out_with(Code::CREDENTIAL_EXPIRED);
    assert_eq!((close.terminal, close.resume_ok), (false, true));
}

#[test]
fn with_less_than_30_s_left_the_warning_comes_at_once() {
    let mut line = Line::accepted();
    line.frame(ClientFrame::Hello(hello()));
    let out = line.input(Input::Bound(welcome(Some(10_001))));
    let warning = Output::Transmit(ServerFrame::CredentialExpiring { seconds: 11 });
    assert_eq!(out[1..], [warning]);
}

#[test]
fn a_renewal_moves_the_expiry_and_arms_the_warning_anew() {
    let mut line = Line::live(Some(20_000));
    let renew = |credential_expires_in_ms| Input::Answered {
        id: 1,
        body: Ok(Response::Renewed { credential_expires_in_ms }),
    };
    assert_eq!(line.input(renew(Some(40_000))).len(), 1);
    line.pass(10_000);
    let warning = Output::Transmit(ServerFrame::CredentialExpiring { seconds: 30 });
    assert_eq!(line.input(Input::Timeout), [warning]);
    line.input(renew(None));
    line.frame(ClientFrame::Ping { nonce: 1 });
    line.pass(50_000);
    line.input(Input::Timeout);
    assert!(!line.connection.is_closed());
}

#[test]
fn requests_over_the_bound_are_answered_rate_limited_and_then_close() {
    let mut line = Line::live(None);
    for id in 0..64 {
        assert!(matches!(line.request(id, Request::ListDevices)[..], [Output::Submit { .. }]));
    }
    let fault = |out: &[Output]| match out {
        [Output::Transmit(ServerFrame::Response { id, body: Err(error) })] => (*id, error.code),
        other => panic!("{other:?}"),
    };
    let out = line.request(100, Request::ListDevices);
    assert_eq!(fault(&out), (100, Code::RATE_LIMITED));
    line.input(Input::Answered { id: 3, body: Ok(Response::Done) });
    assert!(matches!(line.request(101, Request::ListDevices)[..], [Output::Submit { .. }]));
    for id in 0..limits::IN_FLIGHT_EXCESS as u32 {
        assert_eq!(fault(&line.request(id, Request::ListDevices)).1, Code::RATE_LIMITED);
    }
    let request = ClientFrame::Request { id: 1, body: Request::ListDevices };
    line.frame_closes(request, Code::RATE_LIMITED);
}

#[test]
fn a_request_over_a_bound_is_answered_and_the_connection_lives_on() {
    // W-7: a typed answer with the request's id, and a close only when it goes on and on.
    let too_large = |id| BadFrame { request: Some(id), error: Code::CONTENT_TOO_LARGE.into() };
    let mut line = Line::live(None);
    let fault = |id| ServerFrame::Response { id, body: Err(Code::CONTENT_TOO_LARGE.into()) };
    assert_eq!(line.input(Input::BadFrame(too_large(7))), [Output::Transmit(fault(7))]);
    assert!(matches!(line.request(8, Request::ListDevices)[..], [Output::Submit { .. }]));
    for id in 0..limits::IN_FLIGHT_EXCESS as u32 {
        assert_eq!(line.input(Input::BadFrame(too_large(id))), [Output::Transmit(fault(id))]);
    }
    let close = last_close(&line.input(Input::BadFrame(too_large(9))));
    assert_eq!((close.error.code, close.resume_ok), (Code::RATE_LIMITED, true));
    // Before the welcome there is nothing to answer.
    let early = last_close(&Line::accepted().input(Input::BadFrame(too_large(1))));
    assert_eq!(early.error.code, Code::PROTOCOL_ERROR);
}

#[test]
fn what_this_version_does_not_know_is_ignored_or_answered_but_never_closes() {
    let mut line = Line::live(None);
    assert_eq!(line.frame(ClientFrame::Unknown), []);
    let fault = ServerFrame::Response { id: 4, body: Err(Code::UNKNOWN_OPERATION.into()) };
    assert_eq!(line.request(4, Request::Unknown), [Output::Transmit(fault)]);
    assert_eq!(Line::accepted().frame(ClientFrame::Unknown), []);
}

#[test]
fn a_logout_is_answered_and_then_closed_and_a_failed_one_changes_nothing() {
    let mut line = Line::live(None);
    line.request(7, Request::Logout);
    let busy = Err(Error::new(Code::SERVER_BUSY));
    line.input(Input::Answered { id: 7, body: busy });
    assert!(!line.connection.is_closed());
    line.request(8, Request::Logout);
    let done = ServerFrame::Response { id: 8, body: Ok(Response::Done) };
    let out = line.input(Input::Answered { id: 8, body: Ok(Response::Done) });
    assert_eq!(out, [Output::Transmit(done), Output::Close]);
}

#[test]
fn a_displaced_session_is_told_by_whom_and_for_good() {
    let record = |reason| KickRecord {
        session: SessionId([1; 16]),
        reason,
        by: None,
        text: "moved".to_owned(),
        time: WallTime(5),
    };
    for (reason, code) in [
        (KickReason::Policy, Code::KICKED),
        (KickReason::OwnDevice, Code::KICKED),
        (KickReason::Server, Code::KICKED),
        (KickReason::DeviceConflict, Code::DEVICE_CONFLICT),
        (KickReason::Banned, Code::USER_BANNED),
        (KickReason::AccountDeleted, Code::ACCOUNT_DELETED),
    ] {
        let out = Line::live(None)
            .input(Input::Displaced { kick: Box::new(record(reason)), until: None });
        let close = last_close(&out);
        assert_eq!((close.error.code, close.terminal, close.resume_ok), (code, true, false));
        assert_eq!(close.kick, Some(record(reason)));
    }
}

#[test]
fn other_ends_of_a_connection_say_whether_the_session_goes_on() {
    let mut ends = vec![];
    for input in
        [Input::Superseded, Input::SlowReader, Input::Drain { window_ms: 5_000 }, Input::LoggedOut]
    {
        let close = last_close(&Line::live(None).input(input));
        ends.push((close.error.code, close.terminal, close.resume_ok, close.retry_window_ms));
    }
    assert_eq!(
        ends,
        [
            (Code::CONNECTION_SUPERSEDED, false, true, None),
            (Code::SLOW_READER, false, true, None),
            (Code::SERVER_STOPPING, false, true, Some(5_000)),
            (Code::SESSION_ENDED, true, false, None),
        ]
    );
    let close = last_close(&Line::accepted().input(Input::Drain { window_ms: 5_000 }));
    assert_eq!(close.retry_window_ms, Some(5_000), "before the hello too");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_inputs_in_any_order_leave_a_legal_machine(
        steps in proptest::collection::vec((0..40_000_u64, any_input()), 0..120),
    ) {
        let mut line = Line::accepted();
        let (mut closed, mut binds, mut welcomes, mut in_flight) = (false, 0, 0, 0_i32);
        for (pass, input) in steps {
            line.now = line.now + pass;
            let answered = matches!(input, Input::Answered { .. });
            let timeout = input == Input::Timeout;
            let out = line.input(input);
            prop_assert!(!closed || out.is_empty(), "a closed machine is silent");
            for (index, output) in out.iter().enumerate() {
                let last = index + 1 == out.len();
                match output {
                    Output::Bind(_) => binds += 1,
                    Output::Transmit(ServerFrame::Welcome(_)) => welcomes += 1,
                    Output::Submit { .. } => in_flight += 1,
                    Output::Close => prop_assert!(last),
                    Output::Transmit(ServerFrame::Close(_) | ServerFrame::Refuse(_)) => {
                        prop_assert_eq!(&out[index + 1..], &[Output::Close][..]);
                    }
                    _ => {}
                }
                closed |= *output == Output::Close;
            }
            if answered && !closed {
                in_flight = (in_flight - 1).max(0);
            }
            prop_assert!(binds <= 1 && welcomes <= binds);
            prop_assert!(in_flight <= limits::IN_FLIGHT as i32);
            prop_assert_eq!(line.connection.is_closed(), closed);
            prop_assert_eq!(line.connection.next_timeout().is_none(), closed);
            if timeout && let Some(next) = line.connection.next_timeout() {
                prop_assert!(next > line.now, "a timeout that was served is not due again");
            }
        }
    }
}

fn any_input() -> impl Strategy<Value = Input> {
    let request =
        prop_oneof![Just(Request::ListDevices), Just(Request::Logout), Just(Request::Unknown),];
    let left = || proptest::option::of(0..100_000_u64);
    let body = prop_oneof![
        Just(Ok(Response::Done)),
        Just(Err(Error::new(Code::SERVER_BUSY))),
        left().prop_map(|credential_expires_in_ms| Ok(Response::Renewed {
            credential_expires_in_ms
        })),
    ];
    let refuse = Refuse { error: Code::KICKED.into(), terminal: true, kick: None, holders: vec![] };
    let frame = |frame: ClientFrame| Just(Input::Frame(frame));
    prop_oneof![
        3 => frame(ClientFrame::Hello(hello())),
        1 => frame(ClientFrame::EndSession(end_session())),
        20 => (0..3_u32, request)
            .prop_map(|(id, body)| Input::Frame(ClientFrame::Request { id, body })),
        2 => frame(ClientFrame::Ack(Cursor::default())),
        3 => frame(ClientFrame::Ping { nonce: 1 }),
        1 => frame(ClientFrame::Unknown),
        3 => left().prop_map(|left| Input::Bound(welcome(left))),
        1 => Just(Input::Refused(Box::new(refuse))),
        1 => Just(Input::SessionEnded(SessionId([1; 16]))),
        6 => (0..3_u32, body).prop_map(|(id, body)| Input::Answered { id, body }),
        10 => Just(Input::Timeout),
        5 => Just(Input::Heard),
        1 => prop_oneof![
            Just(Input::Superseded),
            Just(Input::SlowReader),
            Just(Input::LoggedOut),
            Just(Input::Drain { window_ms: 1 }),
            proptest::option::of(0_u32..3).prop_map(|request| Input::BadFrame(BadFrame { request, error: Error::new(Code::PROTOCOL_ERROR) })),
        ],
    ]
}

const HEAD: u64 = 42;

/// A connection and a clock.
struct Line {
    connection: Connection,
    now: Time,
}

impl Line {
    fn accepted() -> Self {
        let now = Time(1_000_000);
        Self { connection: Connection::new(now), now }
    }

    fn live(credential_expires_in_ms: Option<u64>) -> Self {
        let mut line = Self::accepted();
        line.frame(ClientFrame::Hello(hello()));
        line.input(Input::Bound(welcome(credential_expires_in_ms)));
        line
    }

    fn pass(&mut self, ms: u64) {
        self.now = self.now + ms;
    }

    fn input(&mut self, input: Input) -> Vec<Output> {
        let mut out = Vec::new();
        self.connection.handle(self.now, HEAD, input, &mut out);
        out
    }

    fn frame(&mut self, frame: ClientFrame) -> Vec<Output> {
        self.input(Input::Frame(frame))
    }

    fn request(&mut self, id: u32, body: Request) -> Vec<Output> {
        self.frame(ClientFrame::Request { id, body })
    }

    #[track_caller]
    fn frame_closes(&mut self, frame: ClientFrame, code: Code) {
        assert_eq!(last_close(&self.frame(frame)).error.code, code);
        assert!(self.connection.is_closed());
    }

    #[track_caller]
    fn times_out_with(&mut self, code: Code) -> Close {
        assert!(self.connection.next_timeout().unwrap() <= self.now);
        let close = last_close(&self.input(Input::Timeout));
        assert_eq!(close.error.code, code);
        close
    }
}

#[track_caller]
fn last_close(out: &[Output]) -> Close {
    match out {
        [Output::Transmit(ServerFrame::Close(close)), Output::Close] => (**close).clone(),
        other => panic!("no close: {other:?}"),
    }
}

#[track_caller]
fn last_refuse(out: &[Output]) -> Refuse {
    match out {
        [Output::Transmit(ServerFrame::Refuse(refuse)), Output::Close] => (**refuse).clone(),
        other => panic!("no refusal: {other:?}"),
    }
}

fn hello() -> Box<Hello> {
    Box::new(Hello {
        proto: limits::PROTO,
        sdk: "test".to_owned(),
        app: AppId::new(1).unwrap(),
        user: UserId::parse("alice").unwrap(),
        device: Device {
            id: DeviceId([1; 16]),
            platform: Platform::Ios,
            os: String::new(),
            tag: String::new(),
            custom_type: 0,
        },
        intent: Intent::Explicit,
        credential: None,
        resume: None,
        counter: 1,
        cursor: None,
        outbox_heads: vec![],
        window: Window { conversations: 20, per_conversation: 1 },
        user_name: String::new(),
        login_extension: bytes::Bytes::new(),
        caps: 0,
        login_id: None,
    })
}

fn welcome(credential_expires_in_ms: Option<u64>) -> Box<Welcome> {
    let body = SyncBody::Entries { first_offset: 1, entries: vec![] };
    Box::new(Welcome {
        session: SessionId([1; 16]),
        secret: None,
        epoch: 1,
        binding: Binding::Resumed,
        server_time: WallTime(1),
        credential_expires_in_ms,
        head: HEAD,
        sync: SyncPage { log_epoch: 1, head: HEAD, body },
        outbox_acks: vec![],
        devices: vec![],
        limits: Limits { ping_ms: 1, liveness_ms: 1, max_frame: 1, reconnect_window_ms: 1 },
        registered: false,
    })
}

fn end_session() -> EndSession {
    EndSession {
        app: AppId::new(1).unwrap(),
        user: UserId::parse("alice").unwrap(),
        session: SessionId([1; 16]),
        secret: SessionSecret::new([1; 32]),
    }
}
