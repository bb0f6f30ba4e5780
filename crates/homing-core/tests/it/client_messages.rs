//! Messages and data sync: what is sent once, stored first, told in order (D-3, D-4).

use homing_core::client::status::SyncStatus;
use homing_core::client::{Event, Input, Opened, Pending, Reply, Row, SendState};
use homing_proto::frame::{OutboxAck, Request, Response, ServerFrame, SyncBody, SyncPage};
use homing_proto::id::{ClientMsgId, Cursor};
use homing_proto::message::Content;
use homing_proto::time::WallTime;
use homing_proto::{Code, Error};

use crate::client_desk::{Desk, Disk, Stores, entry, resumed, send, welcome, with};

#[test]
fn a_message_is_sent_only_when_it_is_durable_and_accepted_once() {
    let mut desk = Desk::signed_in("alice");
    desk.disk = Disk::Stuck;
    let call = desk.call(send("bob", "hi"));
    assert!(desk.requests().is_empty());
    let (batch, ..) = desk.rows().remove(0);
    desk.disk = Disk::Quick;
    desk.put(Input::Persisted(batch));
    let Some(Ok(Reply::Queued(client_id))) = desk.result(call) else { panic!("not queued") };
    let (id, _) = desk.requests().remove(0);
    let sent = Response::Sent { seq: 1, time: WallTime(2) };
    desk.receive(ServerFrame::Response { id, body: Ok(sent) });
    let accepted = Event::SendState {
        client_id,
        conversation: with("bob"),
        state: SendState::Accepted { seq: 1 },
    };
    assert_eq!(desk.events().iter().filter(|event| **event == accepted).count(), 1);
    assert!(desk.rows().iter().any(|(_, _, rows)| matches!(rows[0], Row::Accepted { .. })));
}

#[test]
fn a_message_that_a_full_disk_refuses_is_refused_to_the_caller_and_not_sent() {
    let mut desk = Desk::signed_in("alice");
    desk.disk = Disk::Full;
    let call = desk.call(send("bob", "hi"));
    assert_eq!(desk.result(call).unwrap().unwrap_err().code, Code::STORE_FULL);
    assert!(desk.requests().is_empty());
    assert!(desk.client.status().is_connected());
}

#[test]
fn messages_of_one_conversation_go_one_after_the_other() {
    let mut desk = Desk::signed_in("alice");
    desk.call(send("bob", "1"));
    desk.call(send("bob", "2"));
    desk.call(send("carol", "3"));
    assert_eq!(desk.requests().len(), 2, "one to bob and one to carol");
    let (id, _) = desk.requests().remove(0);
    let busy = Error::new(Code::SERVER_BUSY).retry_after(1_000);
    desk.receive(ServerFrame::Response { id, body: Err(busy) });
    assert_eq!(desk.requests().len(), 2, "the second must not overtake the first");
    desk.pass(1_000);
    desk.put(Input::Timeout);
    let (id, Request::Send { content, .. }) = desk.requests().remove(2) else { panic!() };
    assert_eq!(content, Content::text("1"));
    let sent = Response::Sent { seq: 1, time: WallTime(2) };
    desk.receive(ServerFrame::Response { id, body: Ok(sent) });
    let (_, Request::Send { content, .. }) = desk.requests().remove(3) else { panic!() };
    assert_eq!(content, Content::text("2"));
}

#[test]
fn what_was_in_doubt_is_settled_by_welcome_or_sent_again() {
    let mut desk = Desk::new();
    desk.opened = Opened {
        cursor: Some(Cursor { log_epoch: 9, offset: 0 }),
        outbox: vec![pending("bob", 1), pending("carol", 2)],
        ..Opened::default()
    };
    desk.login("alice");
    desk.connect();
    assert_eq!(desk.hellos()[0].outbox_heads, [ClientMsgId([1; 16]), ClientMsgId([2; 16])]);
    let ack = OutboxAck { client_id: ClientMsgId([1; 16]), seq: 4, time: WallTime(3) };
    let w = homing_proto::frame::Welcome { outbox_acks: vec![ack], ..welcome(1, 0) };
    desk.receive(ServerFrame::Welcome(Box::new(w)));
    let sent: Vec<_> = desk.requests();
    assert_eq!(sent.len(), 1);
    assert!(matches!(
        &sent[0].1,
        Request::Send { client_id, .. } if *client_id == ClientMsgId([2; 16])
    ));
}

#[test]
fn pushes_are_stored_with_their_cursor_before_the_app_hears_of_them() {
    let mut desk = Desk::signed_in("alice");
    desk.disk = Disk::Stuck;
    desk.receive(ServerFrame::Push { offset: 1, entry: entry("bob", 1) });
    desk.receive(ServerFrame::Push { offset: 2, entry: entry("bob", 2) });
    let (batch, _, rows) = desk.rows().remove(0);
    assert_eq!(rows.last(), Some(&Row::Cursor(Cursor { log_epoch: 9, offset: 1 })));
    assert_eq!(desk.rows().len(), 1, "one batch at a time");
    assert!(desk.events().is_empty());
    desk.put(Input::Persisted(batch));
    assert!(matches!(desk.events()[0], Event::Message(_)));
    assert_eq!(desk.rows().len(), 2);
}

#[test]
fn a_hole_before_a_push_is_asked_for_after_a_moment() {
    let mut desk = Desk::signed_in("alice");
    desk.receive(ServerFrame::Push { offset: 2, entry: entry("bob", 2) });
    assert!(desk.events().is_empty());
    desk.wait();
    let (id, body) = desk.requests().remove(0);
    let Request::SyncFrom { cursor, .. } = body else { panic!("{body:?}") };
    assert_eq!(cursor, Some(Cursor { log_epoch: 9, offset: 0 }));
    let body = SyncBody::Entries { first_offset: 1, entries: vec![entry("bob", 1)] };
    let page = SyncPage { log_epoch: 9, head: 2, body };
    desk.receive(ServerFrame::Response { id, body: Ok(Response::Sync(page)) });
    let told: Vec<_> = desk
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Message(message) => Some(message.seq),
            _ => None,
        })
        .collect();
    assert_eq!(told, [1, 2]);
}

#[test]
fn a_batch_that_cannot_be_written_stalls_sync_and_loses_nothing() {
    let mut desk = Desk::signed_in("alice");
    desk.disk = Disk::Full;
    desk.receive(ServerFrame::Push { offset: 1, entry: entry("bob", 1) });
    assert!(matches!(desk.client.status().sync, SyncStatus::Stalled { .. }));
    desk.disk = Disk::Quick;
    desk.wait();
    let (id, body) = desk.requests().remove(0);
    assert!(matches!(body, Request::SyncFrom { cursor: Some(Cursor { offset: 0, .. }), .. }));
    let body = SyncBody::Entries { first_offset: 1, entries: vec![entry("bob", 1)] };
    let page = SyncPage { log_epoch: 9, head: 1, body };
    desk.receive(ServerFrame::Response { id, body: Ok(Response::Sync(page)) });
    assert_eq!(desk.client.status().sync, SyncStatus::Live);
    assert!(desk.events().iter().any(|event| matches!(event, Event::Message(_))));
}

/// S-2.4.
#[test]
fn every_data_sync_that_starts_ends_once() {
    let mut desk = Desk::new();
    desk.login("alice");
    desk.welcome(1, 0);
    for round in 1..4_u64 {
        let attempt = desk.attempt();
        desk.put(Input::Lost(attempt, Error::new(Code::NETWORK)));
        desk.connect();
        let behind = homing_proto::frame::Welcome { head: round * 10, ..resumed(1, 0) };
        let page = SyncPage { head: round * 10, ..behind.sync.clone() };
        let behind = homing_proto::frame::Welcome { sync: page, ..behind };
        desk.receive(ServerFrame::Welcome(Box::new(behind)));
    }
    let attempt = desk.attempt();
    desk.put(Input::Lost(attempt, Error::new(Code::NETWORK)));
    let events = desk.events();
    let starts = events.iter().filter(|event| **event == Event::SyncStarted).count();
    let ends = events
        .iter()
        .filter(|event| matches!(event, Event::SyncFinished | Event::SyncFailed(_)))
        .count();
    assert_eq!((starts, ends), (4, 4));
}

#[test]
fn that_a_store_was_damaged_is_told_even_when_it_is_no_longer_wanted() {
    let account = Desk::signed_in("alice").client.account().clone();
    let mut desk = Desk::with(account);
    let damage = Error::new(Code::STORE_CORRUPT);
    desk.stores = Stores::Slow;
    desk.login("alice");
    let generation = desk.opening();
    desk.login("bob");
    let opened = Opened { reset: Some(damage.clone()), ..Opened::default() };
    desk.put(Input::StoreOpened(generation, opened));
    assert_eq!(desk.events(), [Event::StoreReset(damage)]);
}

#[test]
fn a_refused_message_is_told_when_it_cannot_come_back() {
    let mut desk = Desk::signed_in("alice");
    desk.call(send("nobody", "hi"));
    let (id, _) = desk.requests().remove(0);
    desk.disk = Disk::Full;
    desk.receive(ServerFrame::Response { id, body: Err(Code::PEER_NOT_FOUND.into()) });
    let told = |desk: &Desk| {
        desk.events()
            .iter()
            .any(|e| matches!(e, Event::SendState { state: SendState::Refused(_), .. }))
    };
    assert!(!told(&desk));
    desk.disk = Disk::Quick;
    desk.wait();
    assert!(told(&desk));
}

#[test]
fn what_is_pushed_while_the_first_store_opens_is_not_lost() {
    let mut desk = Desk::new();
    desk.stores = Stores::Slow;
    desk.login("alice");
    let absent = Opened { absent: true, ..Opened::default() };
    desk.put(Input::StoreOpened(desk.opening(), absent));
    desk.connect();
    desk.receive(ServerFrame::Welcome(Box::new(welcome(1, 4))));
    desk.receive(ServerFrame::Push { offset: 5, entry: entry("bob", 5) });
    assert!(!desk.client.status().is_connected());
    desk.put(Input::StoreOpened(desk.opening(), Opened::default()));
    assert!(desk.client.status().is_connected());
    assert!(desk.events().iter().any(|e| matches!(e, Event::Message(m) if m.seq == 5)));
    assert_eq!(desk.client.status().sync, SyncStatus::Live);
}

fn pending(to: &str, number: u8) -> Pending {
    Pending {
        client_id: ClientMsgId([number; 16]),
        conversation: with(to),
        content: Content::text("waiting"),
        queued_at: WallTime(1),
    }
}
