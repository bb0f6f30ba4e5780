//! Every status, event and code of Homing, and what it is in the original.

use homing::status::{CredentialStatus, LinkStatus, SessionStatus, Trust};
use homing::{Code, Fact, Platform};
use homing_compat::nim::{
    NimAdapter, NimAuthEvent, NimAuthStatus, NimAuthType, NimClientType, auth_status, code,
    kicked_status, signed_out_status,
};

use crate::every::{
    Story, assert_codes, assert_table, connected, event_name, events, link_name, links,
    login_story, reason_name, reasons, sessions, signed_in, syncs, why_name, whys,
};

/// S-10, as `NIMResult.code` has it.
#[test]
fn every_code_has_its_number() {
    assert_codes(
        code::number,
        &[
            ("invalid_argument", 414),
            ("invalid_user_id", 414),
            ("not_initialized", 20000),
            ("not_logged_in", 20001),
            ("not_ready", 1000),
            ("too_frequent", 416),
            ("superseded", 191002),
            ("unknown_operation", 414),
            ("version_too_old", 201),
            ("credential_expired", 302),
            ("credential_malformed", 302),
            ("credential_bad_signature", 302),
            ("credential_wrong_user", 302),
            ("credential_wrong_app", 302),
            ("credential_not_yet_valid", 302),
            ("credential_revoked", 302),
            ("credential_type_disabled", 403),
            ("third_party_refused", 403),
            ("credential_required", 302),
            ("user_not_found", 404),
            ("user_banned", 422),
            ("account_deleted", 404),
            ("kicked", 417),
            ("device_limit", 417),
            ("device_conflict", 417),
            ("needs_explicit_login", 20001),
            ("offline_not_last_user", 1000),
            ("session_unknown", 20001),
            ("unknown_app", 302),
            ("session_ended", 20001),
            ("hello_replayed", 509),
            ("timeout", 408),
            ("network", 415),
            ("offline", 415),
            ("connection_superseded", 415),
            ("slow_reader", 415),
            ("liveness", 415),
            ("store_open_failed", 1000),
            ("store_corrupt", 1000),
            ("store_in_use", 1000),
            ("store_full", 1000),
            ("server_busy", 503),
            ("server_internal", 500),
            ("quota_exceeded", 419),
            ("frame_too_large", 414),
            ("rate_limited", 416),
            ("protocol_error", 998),
            ("server_stopping", 503),
            ("hello_timeout", 408),
            ("conversation_unknown", 404),
            ("content_too_large", 414),
            ("outbox_full", 419),
            ("peer_not_found", 404),
            ("session_not_found", 404),
        ],
    );
}

#[test]
fn an_unknown_code_goes_by_its_family() {
    let families = [(199, 414), (299, 302), (399, 403), (499, 415), (599, 1000), (699, 500)];
    for (unknown, number) in families {
        assert_eq!(code::number(Code(unknown)), number, "{unknown}");
    }
    for unknown in [0, 799, u16::MAX] {
        assert_eq!(code::number(Code(unknown)), 414, "{unknown}");
    }
}

/// S-2.3 while a login runs and while somebody is signed in.
#[test]
fn every_link_has_its_status() {
    let expected = [
        ("idle", None),
        ("no network", Some("netBroken")),
        ("connecting", Some("connecting")),
        ("handshaking", Some("logging")),
        ("connected", Some("loggedIn")),
        ("waiting", Some("connecting")),
        ("paused", Some("netBroken")),
    ];
    for session in sessions() {
        let status = |link: &LinkStatus| auth_status(&session, link).map(NimAuthStatus::name);
        match &session {
            SessionStatus::SignedOut { .. } => {}
            SessionStatus::SignedIn { credential: CredentialStatus::Needed { .. }, .. } => {
                assert!(links().iter().all(|link| status(link) == Some("pwdError")));
            }
            SessionStatus::SignedIn { .. } | SessionStatus::SigningIn { .. } => {
                assert_table(&links(), link_name, status, &expected);
            }
        }
    }
}

/// S-2.2: why nobody is signed in.
#[test]
fn every_reason_has_its_status() {
    let expected = [
        ("never", "unLogin"),
        ("logout", "unLogin"),
        ("switched", "unLogin"),
        ("banned", "forbidden"),
        ("account deleted", "forbidden"),
        ("version too old", "versionError"),
        ("failed network", "unLogin"),
        ("failed timeout", "unLogin"),
        ("failed credential_expired", "pwdError"),
        ("failed credential_bad_signature", "pwdError"),
        ("failed user_not_found", "pwdError"),
        ("failed unknown_app", "pwdError"),
        ("failed user_banned", "forbidden"),
        ("failed account_deleted", "forbidden"),
        ("failed version_too_old", "versionError"),
        ("failed device_limit", "unLogin"),
        ("failed kicked", "kickOut"),
        ("kicked policy", "kickOut"),
        ("kicked own_device", "kickOutByOtherClient"),
        ("kicked server", "kickOut"),
        ("kicked device_conflict", "kickOut"),
        ("kicked banned", "forbidden"),
        ("kicked account_deleted", "forbidden"),
        ("kicked session_expired", "kickOut"),
        ("kicked unknown", "kickOut"),
    ];
    assert_table(&whys(), why_name, |why| signed_out_status(why).name(), &expected);
    // Whatever the link: nobody is signed in.
    for (why, link) in whys().into_iter().flat_map(|why| links().map(|link| (why.clone(), link))) {
        let status = auth_status(&SessionStatus::SignedOut { why: why.clone() }, &link);
        assert_eq!(status, Some(signed_out_status(&why)));
    }
}

#[test]
fn every_reason_of_a_kick_has_its_status() {
    assert_table(
        &reasons(),
        reason_name,
        |reason| kicked_status(*reason).name(),
        &[
            ("policy", "kickOut"),
            ("own_device", "kickOutByOtherClient"),
            ("server", "kickOut"),
            ("device_conflict", "kickOut"),
            ("banned", "forbidden"),
            ("account_deleted", "forbidden"),
            ("session_expired", "kickOut"),
            ("unknown", "kickOut"),
        ],
    );
}

/// The table of the original's login page: five states after which nothing signs in by itself.
#[test]
fn five_statuses_are_final() {
    let all = [
        (NimAuthStatus::Unknown, "unknown", false),
        (NimAuthStatus::UnLogin, "unLogin", false),
        (NimAuthStatus::Connecting, "connecting", false),
        (NimAuthStatus::Logging, "logging", false),
        (NimAuthStatus::LoggedIn, "loggedIn", false),
        (NimAuthStatus::Forbidden, "forbidden", true),
        (NimAuthStatus::NetBroken, "netBroken", false),
        (NimAuthStatus::VersionError, "versionError", true),
        (NimAuthStatus::PwdError, "pwdError", true),
        (NimAuthStatus::KickOut, "kickOut", true),
        (NimAuthStatus::KickOutByOtherClient, "kickOutByOtherClient", true),
        (NimAuthStatus::DataSyncStart, "dataSyncStart", false),
        (NimAuthStatus::DataSyncFinish, "dataSyncFinish", false),
    ];
    for (index, (status, name, is_final)) in all.into_iter().enumerate() {
        assert_eq!((status as usize, status.name(), status.is_final()), (index, name, is_final));
    }
}

#[test]
fn every_event_has_its_class_or_none() {
    let told = |event: &homing::Event| {
        let (mut adapter, _) = NimAdapter::start();
        login_story(&mut Story::default()).iter().for_each(|fact| drop(adapter.told(fact)));
        let told = adapter.told(&Fact::Event(event.clone()));
        let told = told.iter().map(|e: &NimAuthEvent| (e.original_name(), e.status().name()));
        told.collect::<Vec<_>>()
    };
    assert_table(
        &events(),
        event_name,
        told,
        &[
            ("message", vec![]),
            ("send state", vec![]),
            ("read", vec![]),
            ("window changed", vec![]),
            ("kicked", vec![]),
            ("devices changed", vec![]),
            ("credential expiring", vec![]),
            ("credential needed", vec![]),
            ("sync started", vec![("NIMDataSyncStatusEvent", "dataSyncStart")]),
            ("sync finished", vec![("NIMDataSyncStatusEvent", "dataSyncFinish")]),
            ("sync failed", vec![]),
            ("store reset", vec![]),
        ],
    );
}

#[test]
fn a_status_that_differs_in_sync_alone_brings_no_event() {
    let ((mut adapter, _), mut story) = (NimAdapter::start(), Story::default());
    let here = || signed_in(Trust::Verified);
    adapter.told(&story.status(here(), connected()));
    for sync in syncs() {
        assert_eq!(adapter.told(&story.with_sync(here(), connected(), sync)), []);
    }
}

/// `V2NIMLoginClientType`.
#[test]
fn every_platform_has_its_client_type() {
    let number = |platform: &Platform| NimClientType::of(*platform).number();
    assert_table(
        &Platform::ALL,
        |platform| platform.name().to_owned(),
        number,
        &[
            ("android", 1),
            ("ios", 2),
            ("ipad", 2),
            ("harmony", 65),
            ("windows", 4),
            ("macos", 64),
            ("linux", 4),
            ("web", 16),
            ("mini_program", 16),
            ("other", 0),
        ],
    );
    assert_eq!(NimClientType::Wp.number(), 8);
    assert_eq!(NimClientType::RestApi.number(), 32);
}

#[test]
fn every_auth_type_has_its_number_and_its_form_of_credential() {
    let rows = NimAuthType::ALL.map(|kind| (kind.number(), kind.credential_format()));
    assert_eq!(rows, [(0, "nim-static"), (1, "nim-dynamic"), (2, "third-party")]);
}
