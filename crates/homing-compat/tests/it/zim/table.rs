//! Every status, event and code of Homing, and what it is in the original.

use homing::status::{LinkStatus, SessionStatus, Trust};
use homing::{Code, Fact};
use homing_compat::zim::{
    ZimAdapter, ZimCallback, ZimConnectionEvent, ZimConnectionState, ZimConversationSyncState,
    code, signed_out_event,
};

use crate::every::{
    Story, assert_codes, assert_table, connected, event_name, events, link_name, links,
    login_story, session_name, sessions, signed_in, syncs, why_name, whys,
};

/// S-10, as `ZIMErrorCode` has it.
#[test]
fn every_code_has_its_number() {
    assert_codes(
        code::number,
        &[
            ("invalid_argument", 6000001),
            ("invalid_user_id", 6000001),
            ("not_initialized", 6000002),
            ("not_logged_in", 6000121),
            ("not_ready", 6000121),
            ("too_frequent", 6000004),
            ("superseded", 6000122),
            ("unknown_operation", 6000001),
            ("version_too_old", 6000102),
            ("credential_expired", 6000106),
            ("credential_malformed", 6000103),
            ("credential_bad_signature", 6000103),
            ("credential_wrong_user", 6000103),
            ("credential_wrong_app", 6000101),
            ("credential_not_yet_valid", 6000103),
            ("credential_revoked", 6000103),
            ("credential_type_disabled", 6000107),
            ("third_party_refused", 6000101),
            ("credential_required", 6000103),
            ("user_not_found", 6000011),
            ("user_banned", 6000102),
            ("account_deleted", 6000011),
            ("kicked", 6000121),
            ("device_limit", 6000121),
            ("device_conflict", 6000121),
            ("needs_explicit_login", 6000124),
            ("offline_not_last_user", 6000124),
            ("session_unknown", 6000121),
            ("unknown_app", 6000003),
            ("session_ended", 6000122),
            ("hello_replayed", 6000007),
            ("timeout", 6000105),
            ("network", 6000104),
            ("offline", 6000104),
            ("connection_superseded", 6000009),
            ("slow_reader", 6000009),
            ("liveness", 6000009),
            ("store_open_failed", 6000701),
            ("store_corrupt", 6000008),
            ("store_in_use", 6000701),
            ("store_full", 6000702),
            ("server_busy", 6000005),
            ("server_internal", 6000007),
            ("quota_exceeded", 6000016),
            ("frame_too_large", 6000001),
            ("rate_limited", 6000005),
            ("protocol_error", 6000109),
            ("server_stopping", 6000006),
            ("hello_timeout", 6000105),
            ("conversation_unknown", 6000001),
            ("content_too_large", 6000001),
            ("outbox_full", 6000004),
            ("peer_not_found", 6000011),
            ("session_not_found", 6000001),
        ],
    );
}

#[test]
fn an_unknown_code_goes_by_its_family() {
    let families = [
        (199, 6000001),
        (299, 6000103),
        (399, 6000121),
        (499, 6000104),
        (599, 6000008),
        (699, 6000007),
        (799, 1),
        (0, 1),
        (u16::MAX, 1),
    ];
    for (unknown, number) in families {
        assert_eq!(code::number(Code(unknown)), number, "{unknown}");
    }
}

#[test]
fn states_and_events_have_their_numbers() {
    let states = ZimConnectionState::ALL.map(|state| (state.number(), state.name()));
    assert_eq!(
        states,
        [(0, "Disconnected"), (1, "Connecting"), (2, "Connected"), (3, "Reconnecting")]
    );
    let events = [
        (ZimConnectionEvent::Success, 0, "Success"),
        (ZimConnectionEvent::ActiveLogin, 1, "ActiveLogin"),
        (ZimConnectionEvent::LoginTimeout, 2, "LoginTimeout"),
        (ZimConnectionEvent::LoginInterrupted, 3, "LoginInterrupted"),
        (ZimConnectionEvent::KickedOut, 4, "KickedOut"),
        (ZimConnectionEvent::TokenExpired, 5, "TokenExpired"),
        (ZimConnectionEvent::Unregistered, 6, "Unregistered"),
    ];
    for (event, number, name) in events {
        assert_eq!((event.number(), event.name()), (number, name));
    }
    let syncs = [
        ZimConversationSyncState::Started,
        ZimConversationSyncState::Finished,
        ZimConversationSyncState::Failed,
    ];
    assert_eq!(syncs.map(ZimConversationSyncState::number), [0, 1, 2]);
}

/// S-2.2: why nobody is signed in.
#[test]
fn every_reason_has_its_event() {
    assert_table(
        &whys(),
        why_name,
        |why| signed_out_event(why).number(),
        &[
            ("never", 0),
            ("logout", 0),
            ("switched", 0),
            ("banned", 4),
            ("account deleted", 6),
            ("version too old", 4),
            ("failed network", 2),
            ("failed timeout", 2),
            ("failed credential_expired", 5),
            ("failed credential_bad_signature", 2),
            ("failed user_not_found", 6),
            ("failed unknown_app", 2),
            ("failed user_banned", 2),
            ("failed account_deleted", 6),
            ("failed version_too_old", 2),
            ("failed device_limit", 2),
            ("failed kicked", 2),
            ("kicked policy", 4),
            ("kicked own_device", 4),
            ("kicked server", 4),
            ("kicked device_conflict", 4),
            ("kicked banned", 4),
            ("kicked account_deleted", 6),
            ("kicked session_expired", 4),
            ("kicked unknown", 4),
        ],
    );
}

/// S-2.2 and S-2.3: every session with every link, after every state.
#[test]
fn every_session_and_link_has_its_state_and_event() {
    let next = |shown: ZimConnectionState, session: &SessionStatus, link: &LinkStatus| {
        let Fact::Status(status) = Story::default().status(session.clone(), link.clone()) else {
            panic!("a status")
        };
        shown.next(&status).map(|(state, event)| (state.number(), event.number()))
    };
    for shown in ZimConnectionState::ALL {
        // Somebody is signed in and was not connected before, or was.
        let away = match shown {
            ZimConnectionState::Disconnected | ZimConnectionState::Connecting => (1, 1),
            ZimConnectionState::Connected | ZimConnectionState::Reconnecting => (3, 3),
        };
        for session in sessions() {
            let name = session_name(&session);
            for link in links() {
                let expected = match (name.as_str(), link_name(&link).as_str()) {
                    ("signing in", _) => Some((1, 1)),
                    ("in local needed" | "in verified needed", _) => Some((0, 5)),
                    (name, "idle") if name.starts_with("in ") => None,
                    (name, "connected") if name.starts_with("in ") => Some((2, 0)),
                    (name, _) if name.starts_with("in ") => Some(away),
                    _ => {
                        let SessionStatus::SignedOut { why } = &session else { panic!("{name}") };
                        // The event is the reason's, see above.
                        Some((0, signed_out_event(why).number()))
                    }
                };
                assert_eq!(next(shown, &session, &link), expected, "{name}, {link:?}");
            }
        }
    }
}

#[test]
fn every_event_has_its_callback_or_none() {
    let told = |event: &homing::Event| {
        let mut adapter = ZimAdapter::new();
        login_story(&mut Story::default()).iter().for_each(|fact| drop(adapter.told(fact)));
        let told = adapter.told(&Fact::Event(event.clone()));
        told.iter().map(shape).collect::<Vec<_>>().join(" ")
    };
    let expected = [
        ("message", "on_peer_message_received hello"),
        ("send state", ""),
        ("read", ""),
        ("window changed", ""),
        ("kicked", ""),
        ("devices changed", ""),
        ("credential expiring", "on_token_will_expire 30"),
        ("credential needed", ""),
        ("sync started", "on_conversation_sync_state_changed 0"),
        ("sync finished", "on_conversation_sync_state_changed 1"),
        ("sync failed", "on_conversation_sync_state_changed 2"),
        ("store reset", "on_error 6000008"),
    ];
    let expected: Vec<_> = expected.iter().map(|(e, c)| (*e, (*c).to_owned())).collect();
    assert_table(&events(), event_name, told, &expected);
}

fn shape(callback: &ZimCallback) -> String {
    let detail = match callback {
        ZimCallback::ConnectionStateChanged { state, event, .. } => {
            format!("{}/{}", state.number(), event.number())
        }
        ZimCallback::TokenWillExpire { second } => second.to_string(),
        ZimCallback::Error(error) => error.code.to_string(),
        ZimCallback::ConversationSyncStateChanged(state) => state.number().to_string(),
        ZimCallback::PeerMessageReceived(message) => message.message.clone().unwrap(),
    };
    format!("{} {detail}", callback.name())
}

#[test]
fn a_status_that_differs_in_sync_alone_brings_no_callback() {
    let (mut adapter, mut story) = (ZimAdapter::new(), Story::default());
    let here = || signed_in(Trust::Verified);
    adapter.told(&story.status(here(), connected()));
    for sync in syncs() {
        assert_eq!(adapter.told(&story.with_sync(here(), connected(), sync)), []);
    }
}
