//! Recorded journals, and the sequences of states and events they bring.

use homing::status::{LinkStatus, Trust, Why};
use homing::{Code, Event, Fact, KickReason};
use homing_compat::zim::{ZimAdapter, ZimCallback};

use crate::every::{
    Story, break_story, connected, connecting, error, login_story, needs_credential, out, record,
    signed_in, signing_in, waiting,
};

/// States and events by number, sync states as `sync n`, an expiring token as `expires n`.
fn told(adapter: &mut ZimAdapter, facts: &[Fact]) -> Vec<String> {
    let callbacks = facts.iter().flat_map(|fact| adapter.told(fact));
    callbacks
        .map(|callback| match callback {
            ZimCallback::ConnectionStateChanged { state, event, .. } => {
                format!("{}+{}", state.number(), event.number())
            }
            ZimCallback::ConversationSyncStateChanged(state) => format!("sync {}", state.number()),
            ZimCallback::TokenWillExpire { second } => format!("expires {second}"),
            other => other.name().to_owned(),
        })
        .collect()
}

fn signed_in_here() -> (Story, ZimAdapter) {
    let (mut story, mut adapter) = (Story::default(), ZimAdapter::new());
    told(&mut adapter, &login_story(&mut story));
    (story, adapter)
}

#[test]
fn an_online_login_is_connecting_and_then_connected() {
    let facts = login_story(&mut Story::default());
    assert_eq!(told(&mut ZimAdapter::new(), &facts), ["1+1", "2+0", "sync 0", "sync 1"]);
}

#[test]
fn an_offline_login_is_connecting_until_there_is_a_network() {
    let (mut story, mut adapter) = (Story::default(), ZimAdapter::new());
    let local = || signed_in(Trust::Local);
    let facts = [
        story.status(local(), LinkStatus::NoNetwork),
        story.status(local(), connecting()),
        story.status(local(), waiting()),
        story.status(local(), LinkStatus::Handshaking),
        story.status(signed_in(Trust::Verified), connected()),
    ];
    assert_eq!(told(&mut adapter, &facts), ["1+1", "2+0"]);
}

#[test]
fn a_lost_link_is_reconnecting_and_then_connected() {
    let (mut story, mut adapter) = signed_in_here();
    let facts = break_story(&mut story);
    assert_eq!(told(&mut adapter, &facts), ["3+3", "2+0", "sync 0", "sync 1"]);
}

/// S-7.6: with who did it in the extended data.
#[test]
fn a_kick_is_disconnected_with_who_did_it() {
    let (mut story, mut adapter) = signed_in_here();
    let kicked = record(KickReason::Policy);
    // The verdict is on its way to the disk.
    assert_eq!(adapter.told(&story.status(signed_in(Trust::Verified), LinkStatus::Idle)), []);
    assert_eq!(adapter.told(&Fact::Event(Event::Kicked(kicked.clone()))), []);
    let callbacks = adapter.told(&story.status(out(Why::Kicked(kicked)), LinkStatus::Idle));
    let [ZimCallback::ConnectionStateChanged { state, event, extended_data }] = &callbacks[..]
    else {
        panic!("{callbacks:?}")
    };
    assert_eq!((state.number(), event.number()), (0, 4));
    let data: serde_json::Value = serde_json::from_str(extended_data).unwrap();
    assert_eq!(data["reason"], "policy");
    assert_eq!(data["by"]["platform"], "ios");
}

/// S-8.3, S-8.5: warned, then disconnected; another login connects again.
#[test]
fn a_token_that_runs_out_is_told_ahead_and_then_disconnected() {
    let (mut story, mut adapter) = signed_in_here();
    let facts = [
        Fact::Event(Event::CredentialExpiring { seconds: 30 }),
        story.status(needs_credential(), LinkStatus::Idle),
        Fact::Event(Event::CredentialNeeded(error(Code::CREDENTIAL_EXPIRED))),
        story.status(signed_in(Trust::Verified), connecting()),
        story.status(signed_in(Trust::Verified), connected()),
    ];
    assert_eq!(told(&mut adapter, &facts), ["expires 30", "0+5", "1+1", "2+0"]);
}

/// At once after the login, when less than 30 s are left.
#[test]
fn a_short_token_is_told_after_connected() {
    let (mut story, mut adapter) = (Story::default(), ZimAdapter::new());
    let facts = [
        story.status(signing_in(), LinkStatus::Handshaking),
        Fact::Event(Event::CredentialExpiring { seconds: 9 }),
        story.status(signed_in(Trust::Verified), connected()),
    ];
    assert_eq!(told(&mut adapter, &facts), ["1+1", "2+0", "expires 9"]);
}

#[test]
fn a_login_that_fails_is_disconnected_with_its_reason() {
    for (code, last) in [
        (Code::TIMEOUT, "0+2"),
        (Code::NETWORK, "0+2"),
        (Code::CREDENTIAL_EXPIRED, "0+5"),
        (Code::USER_NOT_FOUND, "0+6"),
    ] {
        let (mut story, mut adapter) = (Story::default(), ZimAdapter::new());
        let facts = [
            story.status(signing_in(), connecting()),
            story.status(out(Why::LoginFailed(error(code))), LinkStatus::Idle),
        ];
        assert_eq!(told(&mut adapter, &facts), ["1+1", last]);
    }
}

#[test]
fn a_logout_is_disconnected_with_success_and_told_once() {
    let (mut story, mut adapter) = signed_in_here();
    let facts = [
        story.status(out(Why::Logout), LinkStatus::Idle),
        story.status(out(Why::Logout), LinkStatus::Paused),
    ];
    assert_eq!(told(&mut adapter, &facts), ["0+0"]);
}

#[test]
fn what_ended_in_an_earlier_run_is_not_told() {
    let (mut story, mut adapter) = (Story::default(), ZimAdapter::new());
    let facts = [story.status(out(Why::Banned(Code::USER_BANNED.into())), LinkStatus::Idle)];
    assert_eq!(told(&mut adapter, &facts), [""; 0]);
}
