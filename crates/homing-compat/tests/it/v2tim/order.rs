//! Recorded journals, and the callbacks they bring in the original's order.

use homing::status::{LinkStatus, Trust, Why};
use homing::{Code, Event, Fact, KickReason, SendState};
use homing_compat::v2tim::{V2TimAdapter, V2TimCallback};

use crate::every::{
    Story, break_story, connected, connecting, error, login_story, message, needs_credential, out,
    record, signed_in, signing_in, waiting, with_bob,
};

fn callbacks(adapter: &mut V2TimAdapter, facts: &[Fact]) -> Vec<String> {
    let told = facts.iter().flat_map(|fact| adapter.told(fact));
    told.map(|callback| match &callback {
        V2TimCallback::OnConnectFailed { code, .. } => format!("onConnectFailed {code}"),
        other => other.original_name().to_owned(),
    })
    .collect()
}

const LOGIN: [&str; 4] =
    ["onConnecting", "onConnectSuccess", "onSyncServerStart", "onSyncServerFinish"];

#[test]
fn a_login_connects_and_then_syncs() {
    let facts = login_story(&mut Story::default());
    assert_eq!(callbacks(&mut V2TimAdapter::new(), &facts), LOGIN);
}

#[test]
fn a_lost_link_is_told_and_comes_back() {
    let (mut story, mut adapter) = (Story::default(), V2TimAdapter::new());
    callbacks(&mut adapter, &login_story(&mut story));
    assert_eq!(
        callbacks(&mut adapter, &break_story(&mut story)),
        [
            "onConnectFailed 6200",
            "onConnecting",
            "onConnectFailed 6200",
            // The same number for another reason: the text differs.
            "onConnectFailed 6200",
            "onConnecting",
            "onConnectSuccess",
            "onSyncServerStart",
            "onSyncServerFinish",
        ]
    );
}

/// S-7.6: told once, whether the loser is connected or comes back to find out.
#[test]
fn a_kick_is_told_once() {
    for link in [connected(), waiting()] {
        let (mut story, mut adapter) = (Story::default(), V2TimAdapter::new());
        callbacks(&mut adapter, &login_story(&mut story));
        adapter.told(&story.status(signed_in(Trust::Verified), link));
        let kicked = record(KickReason::Policy);
        let facts = [
            // The verdict is on its way to the disk.
            story.status(signed_in(Trust::Verified), LinkStatus::Idle),
            Fact::Event(Event::Kicked(kicked.clone())),
            story.status(out(Why::Kicked(kicked.clone())), LinkStatus::Idle),
            story.status(out(Why::Kicked(kicked)), LinkStatus::Idle),
        ];
        assert_eq!(callbacks(&mut adapter, &facts), ["onKickedOffline"]);
    }
}

/// S-8.5: one event per refused credential, and no loop.
#[test]
fn an_expired_sig_is_told_once_for_each_sig() {
    let (mut story, mut adapter) = (Story::default(), V2TimAdapter::new());
    callbacks(&mut adapter, &login_story(&mut story));
    let expired = [
        story.status(needs_credential(), LinkStatus::Idle),
        Fact::Event(Event::CredentialNeeded(error(Code::CREDENTIAL_EXPIRED))),
        story.status(needs_credential(), LinkStatus::Idle),
    ];
    assert_eq!(callbacks(&mut adapter, &expired), ["onUserSigExpired"]);
    let another = [
        story.status(signed_in(Trust::Verified), connecting()),
        story.status(needs_credential(), LinkStatus::Idle),
    ];
    assert_eq!(callbacks(&mut adapter, &another), ["onConnecting", "onUserSigExpired"]);
}

#[test]
fn a_login_that_fails_is_told_by_its_answer_alone() {
    let (mut story, mut adapter) = (Story::default(), V2TimAdapter::new());
    let facts = [
        story.status(signing_in(), connecting()),
        story.status(out(Why::LoginFailed(error(Code::CREDENTIAL_EXPIRED))), LinkStatus::Idle),
    ];
    assert_eq!(callbacks(&mut adapter, &facts), ["onConnecting"]);
}

#[test]
fn logout_and_switch_are_no_kicks() {
    for why in [Why::Logout, Why::Switched] {
        let (mut story, mut adapter) = (Story::default(), V2TimAdapter::new());
        callbacks(&mut adapter, &login_story(&mut story));
        let facts = [story.status(out(why), LinkStatus::Idle)];
        assert_eq!(callbacks(&mut adapter, &facts), [""; 0]);
        assert_eq!(callbacks(&mut adapter, &login_story(&mut story)), LOGIN);
    }
}

#[test]
fn a_sync_that_fails_before_the_link_was_told_is_not_told() {
    let (mut story, mut adapter) = (Story::default(), V2TimAdapter::new());
    let facts = [
        story.status(signing_in(), LinkStatus::Handshaking),
        Fact::Event(Event::SyncStarted),
        Fact::Event(Event::SyncFailed(error(Code::SUPERSEDED))),
        story.status(signing_in(), waiting()),
    ];
    assert_eq!(callbacks(&mut adapter, &facts), ["onConnecting", "onConnectFailed 6200"]);
    assert_eq!(callbacks(&mut adapter, &login_story(&mut story))[..], LOGIN);
}

#[test]
fn what_this_device_sent_is_not_received_but_what_another_one_sent_is() {
    let (mut story, mut adapter) = (Story::default(), V2TimAdapter::new());
    callbacks(&mut adapter, &login_story(&mut story));
    let sent = message("alice", 4);
    let facts = [
        Fact::Event(Event::SendState {
            client_id: sent.client_id,
            conversation: with_bob(),
            state: SendState::Queued,
        }),
        Fact::Event(Event::SendState {
            client_id: sent.client_id,
            conversation: with_bob(),
            state: SendState::Accepted { seq: 4 },
        }),
        Fact::Event(Event::Message(sent)),
    ];
    assert_eq!(callbacks(&mut adapter, &facts), [""; 0]);
    let told = adapter.told(&Fact::Event(Event::Message(message("alice", 5))));
    let [V2TimCallback::OnRecvNewMessage(told)] = &told[..] else { panic!("{told:?}") };
    assert!(told.is_self && told.user_id == "bob" && told.seq == 5);
}
