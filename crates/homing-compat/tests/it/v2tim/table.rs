//! Every status, event and code of Homing, and what it is in the original.

use homing::{Code, Error, Fact, REFUSED_BEFORE};
use homing_compat::v2tim::{
    LinkCallback, V2TimAdapter, V2TimCallback, V2TimElem, V2TimLogLevel, code, is_kicked_offline,
    link_callback, login_status,
};

use crate::every::{
    Story, assert_codes, assert_table, connected, event_name, events, link_name, links,
    login_story, session_name, sessions, signed_in, syncs, why_name, whys,
};

/// S-10, as `V2TIMErrorCode` has it.
#[test]
fn every_code_has_its_number() {
    assert_codes(
        code::number,
        &[
            ("invalid_argument", 6017),
            ("invalid_user_id", 7003),
            ("not_initialized", 6013),
            ("not_logged_in", 6014),
            ("not_ready", 6014),
            ("too_frequent", 7008),
            ("superseded", 6023),
            ("unknown_operation", 6017),
            ("version_too_old", 6207),
            ("credential_expired", 70001),
            ("credential_malformed", 70003),
            ("credential_bad_signature", 70009),
            ("credential_wrong_user", 70013),
            ("credential_wrong_app", 70014),
            ("credential_not_yet_valid", 70003),
            ("credential_revoked", 70052),
            ("credential_type_disabled", 70016),
            ("third_party_refused", 6207),
            ("credential_required", 70002),
            ("user_not_found", 70107),
            ("user_banned", 70051),
            ("account_deleted", 70107),
            ("kicked", 6208),
            ("device_limit", 6208),
            ("device_conflict", 6208),
            ("needs_explicit_login", 6026),
            ("offline_not_last_user", 6026),
            ("session_unknown", 6020),
            ("unknown_app", 70020),
            ("session_ended", 6014),
            ("hello_replayed", 6205),
            ("timeout", 6012),
            ("network", 6200),
            ("offline", 6200),
            ("connection_superseded", 9508),
            ("slow_reader", 6201),
            ("liveness", 6201),
            ("store_open_failed", 6005),
            ("store_corrupt", 6019),
            ("store_in_use", 6018),
            ("store_full", 6022),
            ("server_busy", 70169),
            ("server_internal", 70500),
            ("quota_exceeded", 70398),
            ("frame_too_large", 9522),
            ("rate_limited", 9506),
            ("protocol_error", 6001),
            ("server_stopping", 9508),
            ("hello_timeout", 6012),
            ("conversation_unknown", 6004),
            ("content_too_large", 6017),
            ("outbox_full", 9507),
            ("peer_not_found", 70107),
            ("session_not_found", 6017),
        ],
    );
}

#[test]
fn an_unknown_code_goes_by_its_family() {
    let families = [(199, 6017), (299, 6207), (399, 6014), (499, 6200), (599, 6005), (699, 70500)];
    for (unknown, number) in families {
        assert_eq!(code::number(Code(unknown)), number, "{unknown}");
    }
    for unknown in [0, 799, 999, u16::MAX] {
        assert_eq!(code::number(Code(unknown)), 6017, "{unknown}");
    }
}

#[test]
fn an_expired_sig_has_one_number_for_the_device_and_one_for_the_server() {
    let server = Error::new(Code::CREDENTIAL_EXPIRED);
    let device = server.clone().with_text(REFUSED_BEFORE);
    assert_eq!(code::error_number(&server), 70001);
    assert_eq!(code::error_number(&device), 6206);
    let revoked = Error::new(Code::CREDENTIAL_REVOKED).with_text(REFUSED_BEFORE);
    assert_eq!(code::error_number(&revoked), 70052);
}

/// S-2.2, as `getLoginStatus` tells it.
#[test]
fn every_session_has_its_login_status() {
    let out = sessions()
        .iter()
        .map(session_name)
        .filter(|name| name.starts_with("out "))
        .map(|name| (name, 3))
        .collect::<Vec<_>>();
    let mut expected: Vec<_> = out.iter().map(|(name, number)| (name.as_str(), *number)).collect();
    expected.extend([
        ("signing in", 2),
        ("in local valid", 2),
        ("in local expiring", 2),
        ("in local needed", 3),
        ("in verified valid", 1),
        ("in verified expiring", 1),
        ("in verified needed", 3),
    ]);
    assert_table(&sessions(), session_name, |session| login_status(session).number(), &expected);
}

/// S-2.3, as the listener's connection callbacks tell it.
#[test]
fn every_link_has_its_callback() {
    let name = |link: &_| match link_callback(link) {
        None => "-".to_owned(),
        Some(LinkCallback::Connecting) => "onConnecting".to_owned(),
        Some(LinkCallback::Success) => "onConnectSuccess".to_owned(),
        Some(LinkCallback::Failed { code, .. }) => format!("onConnectFailed {code}"),
    };
    assert_table(
        &links(),
        link_name,
        name,
        &[
            ("idle", "-".to_owned()),
            ("no network", "onConnectFailed 6200".to_owned()),
            ("connecting", "onConnecting".to_owned()),
            ("handshaking", "onConnecting".to_owned()),
            ("connected", "onConnectSuccess".to_owned()),
            ("waiting", "onConnectFailed 6200".to_owned()),
            ("paused", "-".to_owned()),
        ],
    );
}

#[test]
fn every_end_of_a_session_is_a_kick_or_the_users_own_act() {
    assert_table(
        &whys(),
        why_name,
        is_kicked_offline,
        &[
            ("never", false),
            ("logout", false),
            ("switched", false),
            ("banned", true),
            ("account deleted", true),
            ("version too old", true),
            ("failed network", true),
            ("failed timeout", true),
            ("failed credential_expired", true),
            ("failed credential_bad_signature", true),
            ("failed user_not_found", true),
            ("failed unknown_app", true),
            ("failed user_banned", true),
            ("failed account_deleted", true),
            ("failed version_too_old", true),
            ("failed device_limit", true),
            ("failed kicked", true),
            ("kicked policy", true),
            ("kicked own_device", true),
            ("kicked server", true),
            ("kicked device_conflict", true),
            ("kicked banned", true),
            ("kicked account_deleted", true),
            ("kicked session_expired", true),
            ("kicked unknown", true),
        ],
    );
}

#[test]
fn every_event_has_its_callback_or_none() {
    let callback = |event: &homing::Event| {
        let mut adapter = V2TimAdapter::new();
        login_story(&mut Story::default()).iter().for_each(|fact| drop(adapter.told(fact)));
        let told = adapter.told(&Fact::Event(event.clone()));
        told.iter().map(V2TimCallback::original_name).collect::<Vec<_>>().join(" ")
    };
    let expected = [
        ("message", "onRecvNewMessage"),
        ("send state", ""),
        ("read", ""),
        ("window changed", ""),
        ("kicked", ""),
        ("devices changed", ""),
        ("credential expiring", ""),
        ("credential needed", ""),
        ("sync started", "onSyncServerStart"),
        ("sync finished", "onSyncServerFinish"),
        ("sync failed", "onSyncServerFailed"),
        ("store reset", ""),
    ];
    let expected: Vec<_> = expected.iter().map(|(e, c)| (*e, (*c).to_owned())).collect();
    assert_table(&events(), event_name, callback, &expected);
}

#[test]
fn a_status_that_differs_in_sync_alone_brings_no_callback() {
    let (mut adapter, mut story) = (V2TimAdapter::new(), Story::default());
    let here = || signed_in(homing::status::Trust::Verified);
    adapter.told(&story.status(here(), connected()));
    for sync in syncs() {
        assert_eq!(adapter.told(&story.with_sync(here(), connected(), sync)), []);
    }
}

/// F-01: the numbers of `V2TIMLogLevel`, and what each lets through.
#[test]
fn every_log_level_outputs_what_its_documentation_says() {
    use V2TimLogLevel::{Debug, Error, Info, None, Warn};
    let rows: [(_, _, &[_], _); 5] = [
        (None, 0, &[], "off"),
        (Debug, 3, &[Debug, Info, Warn, Error], "debug"),
        (Info, 4, &[Info, Warn, Error], "info"),
        (Warn, 5, &[Warn, Error], "warn"),
        (Error, 6, &[Error], "error"),
    ];
    assert_eq!(rows.map(|(level, ..)| level), V2TimLogLevel::ALL);
    for (level, number, outputs, filter) in rows {
        assert_eq!(level.number(), number);
        assert_eq!(level.outputs(), outputs, "{level:?}");
        assert_eq!(level.filter().to_string(), filter);
    }
    assert_eq!(V2TimLogLevel::default(), Debug);
}

#[test]
fn element_types_have_their_numbers() {
    assert_eq!(V2TimElem::None.number(), 0);
    assert_eq!(V2TimElem::Text(String::new()).number(), 1);
    assert_eq!(V2TimElem::Custom { data: vec![], desc: String::new() }.number(), 2);
}
