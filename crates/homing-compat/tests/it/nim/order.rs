//! Recorded journals, and the events they bring in the order of the original's status diagram.

use homing::status::{LinkStatus, Trust, Why};
use homing::{Code, Event, Fact, KickReason};
use homing_compat::nim::{NimAdapter, NimAuthEvent, NimAuthStatus, NimClientType};

use crate::every::{
    Story, break_story, connecting, error, login_story, needs_credential, out, record, signed_in,
    signing_in, waiting,
};

fn names(adapter: &mut NimAdapter, facts: &[Fact]) -> Vec<&'static str> {
    facts.iter().flat_map(|fact| adapter.told(fact)).map(|event| event.status().name()).collect()
}

/// Signed in, and everything told that goes with it.
fn signed_in_here() -> (Story, NimAdapter) {
    let (mut story, (mut adapter, _)) = (Story::default(), NimAdapter::start());
    names(&mut adapter, &login_story(&mut story));
    (story, adapter)
}

#[test]
fn a_login_goes_through_the_diagram() {
    let (mut adapter, first) = NimAdapter::start();
    assert_eq!(first.status().name(), "unLogin");
    assert_eq!(
        names(&mut adapter, &login_story(&mut Story::default())),
        ["connecting", "logging", "loggedIn", "dataSyncStart", "dataSyncFinish"]
    );
}

/// No link: connecting again; no physical network: netBroken until it is back.
#[test]
fn a_lost_link_goes_round_the_diagram() {
    let (mut story, mut adapter) = signed_in_here();
    assert_eq!(
        names(&mut adapter, &break_story(&mut story)),
        [
            "connecting",
            "netBroken",
            "connecting",
            "logging",
            "loggedIn",
            "dataSyncStart",
            "dataSyncFinish",
        ]
    );
}

#[test]
fn an_automatic_login_without_network_is_net_broken_until_it_is_there() {
    let (mut story, (mut adapter, _)) = (Story::default(), NimAdapter::start());
    let local = || signed_in(Trust::Local);
    let facts = [
        story.status(local(), LinkStatus::NoNetwork),
        story.status(local(), connecting()),
        story.status(local(), waiting()),
        story.status(local(), LinkStatus::Handshaking),
        story.status(signed_in(Trust::Verified), crate::every::connected()),
    ];
    assert_eq!(names(&mut adapter, &facts), ["netBroken", "connecting", "logging", "loggedIn"]);
}

/// S-7.6, S-7.7: who did it, and which of the two it was.
#[test]
fn a_kick_says_who_did_it() {
    for (reason, status) in [
        (KickReason::Policy, NimAuthStatus::KickOut),
        (KickReason::OwnDevice, NimAuthStatus::KickOutByOtherClient),
    ] {
        let (mut story, mut adapter) = signed_in_here();
        let kicked = record(reason);
        // The verdict is on its way to the disk.
        assert_eq!(adapter.told(&story.status(signed_in(Trust::Verified), LinkStatus::Idle)), []);
        assert_eq!(adapter.told(&Fact::Event(Event::Kicked(kicked.clone()))), []);
        let told = adapter.told(&story.status(out(Why::Kicked(kicked)), LinkStatus::Idle));
        let [NimAuthEvent::KickOutByOtherClient(event)] = told[..] else { panic!("{told:?}") };
        assert_eq!(event.status, status);
        assert_eq!(event.client_type, Some(NimClientType::Ios));
        assert_eq!(event.custom_client_type, Some(7));
    }
}

/// 417: the automatic login of a device whose place another one holds.
#[test]
fn an_automatic_login_without_a_place_is_a_kick_by_nobody_known() {
    let (mut story, (mut adapter, _)) = (Story::default(), NimAdapter::start());
    adapter.told(&story.status(signed_in(Trust::Local), connecting()));
    let limit = Why::LoginFailed(error(Code::DEVICE_LIMIT));
    let told = adapter.told(&story.status(out(limit.clone()), LinkStatus::Idle));
    let [NimAuthEvent::KickOutByOtherClient(event)] = told[..] else { panic!("{told:?}") };
    assert_eq!((event.status, event.client_type), (NimAuthStatus::KickOut, None));

    // A manual login without force did not work, that is all.
    let (mut story, (mut adapter, _)) = (Story::default(), NimAdapter::start());
    let facts =
        [story.status(signing_in(), connecting()), story.status(out(limit), LinkStatus::Idle)];
    assert_eq!(names(&mut adapter, &facts), ["connecting", "unLogin"]);
}

#[test]
fn terminal_states_are_told_apart() {
    for (why, name) in [
        (Why::Banned(Code::USER_BANNED.into()), "forbidden"),
        (Why::AccountDeleted, "forbidden"),
        (Why::VersionTooOld, "versionError"),
        (Why::LoginFailed(error(Code::CREDENTIAL_BAD_SIGNATURE)), "pwdError"),
        (Why::LoginFailed(error(Code::TIMEOUT)), "unLogin"),
        (Why::Logout, "unLogin"),
    ] {
        let (mut story, mut adapter) = signed_in_here();
        let facts = [story.status(out(why), LinkStatus::Idle)];
        assert_eq!(names(&mut adapter, &facts), [name]);
    }
    let (mut story, mut adapter) = signed_in_here();
    let facts = [story.status(needs_credential(), LinkStatus::Idle)];
    assert_eq!(names(&mut adapter, &facts), ["pwdError"]);
}

/// S-5.2: what ended in an earlier run is not told as if it happened now.
#[test]
fn an_end_of_an_earlier_run_is_not_told_again() {
    let (mut story, (mut adapter, _)) = (Story::default(), NimAdapter::start());
    let kicked = out(Why::Kicked(record(KickReason::Policy)));
    assert_eq!(adapter.told(&story.status(kicked, LinkStatus::Idle)), []);
    assert_eq!(
        names(&mut adapter, &login_story(&mut story)),
        ["connecting", "logging", "loggedIn", "dataSyncStart", "dataSyncFinish"]
    );
}

#[test]
fn after_a_kick_a_manual_login_goes_through_the_diagram() {
    let (mut story, mut adapter) = signed_in_here();
    let kicked = out(Why::Kicked(record(KickReason::Policy)));
    assert_eq!(names(&mut adapter, &[story.status(kicked, LinkStatus::Idle)]), ["kickOut"]);
    assert_eq!(
        names(&mut adapter, &login_story(&mut story)),
        ["connecting", "logging", "loggedIn", "dataSyncStart", "dataSyncFinish"]
    );
}
