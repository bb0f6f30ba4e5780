//! Messages, read cursors, pages and windows through the whole store.

use homing_core::policy::Preset;
use homing_proto::frame::{Intent, Response, SyncBody};
use homing_proto::id::{ConversationId, Cursor};
use homing_proto::message::{Content, LogEntry};
use homing_proto::{Code, limits};
use homing_server::store::{Ask, Command};

use super::desk::{Desk, News, WINDOW, client_id, send, sync_from, user_id};

#[test]
fn a_message_is_taken_once_whatever_is_asked_again_and_when() {
    let dir = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(dir.path());
    let app = desk.app(Preset::Multi);
    let bob = desk.sign_in(app, "bob", 1);
    let alice = desk.sign_in(app, "alice", 2);
    assert_eq!(desk.send(alice, "bob", 1), Ok(1));
    assert_eq!(desk.send(alice, "bob", 2), Ok(2));
    assert_eq!(desk.send(alice, "bob", 1), Ok(1));
    // The key is the sender's own: bob may use the same.
    assert_eq!(desk.send(bob, "alice", 1), Ok(3));
    drop(desk);
    let mut desk = Desk::open(dir.path());
    let mut hello = desk.hello(app, "alice", 2, Intent::Explicit);
    hello.outbox_heads = vec![client_id(2), client_id(77), client_id(1)];
    let (alice, welcome) = desk.bind(hello).unwrap();
    let acks: Vec<_> = welcome.outbox_acks.iter().map(|ack| (ack.client_id, ack.seq)).collect();
    assert_eq!(acks, [(client_id(2), 2), (client_id(1), 1)]);
    assert_eq!(desk.send(alice, "bob", 2), Ok(2));
    assert_eq!(desk.send(alice, "bob", 3), Ok(4));
    assert_eq!(welcome.head, 3);
}

#[test]
fn both_members_are_told_in_the_order_of_their_logs_after_the_welcome() {
    let dir = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(dir.path());
    let app = desk.app(Preset::Multi);
    let alice = desk.sign_in(app, "alice", 1);
    let bob = desk.sign_in(app, "bob", 2);
    desk.seen.clear();
    desk.send(alice, "bob", 1).unwrap();
    desk.send(bob, "alice", 2).unwrap();
    let ask = Ask::MarkRead { conversation: ConversationId::Direct(user_id("bob")), seq: 99 };
    assert_eq!(desk.ask(alice, ask), Ok(Response::Done));
    desk.send(alice, "alice", 3).unwrap();
    let offsets = |user| -> Vec<u64> {
        let entry = |news: &News| match news {
            News::Entry(key, offset, _) if *key == user => Some(*offset),
            _ => None,
        };
        desk.seen.iter().filter_map(entry).collect()
    };
    assert_eq!(offsets(alice.user), [1, 2, 3, 4]);
    assert_eq!(offsets(bob.user), [1, 2]);
    let read = desk.seen.iter().find_map(|news| match news {
        News::Entry(_, 3, entry) => match &**entry {
            LogEntry::Read { seq, own_count, .. } => Some((*seq, *own_count)),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(read, Some((2, 1)), "cut to the head; one of the two is alice's own");
}

#[test]
fn a_log_is_read_in_pages_and_a_cursor_out_of_reach_gets_a_window() {
    let dir = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(dir.path());
    let app = desk.app(Preset::Multi);
    desk.sign_in(app, "bob", 1);
    let alice = desk.sign_in(app, "alice", 2);
    let total = limits::SYNC_BEHIND + 30;
    for id in 0..total {
        let ask = send("bob", id);
        desk.store.submit(Command::Request { from: alice, id: 1_000_000, ask }).unwrap();
    }
    for _ in 0..total {
        desk.wait(|news| match news {
            News::Answer(_, body) => Ok(body.unwrap()),
            other => Err(other),
        });
    }
    let mut held = 30;
    while held < total {
        let ask = sync_from(&desk.store, held);
        let Ok(Response::Sync(page)) = desk.ask(alice, ask) else { panic!("no page") };
        assert_eq!(page.head, total);
        let SyncBody::Entries { first_offset, entries } = page.body else { panic!("a window") };
        assert_eq!(first_offset, held + 1);
        assert_eq!(entries.len() as u64, (total - held).min(limits::SYNC_ENTRIES as u64));
        for (seq, entry) in (first_offset..).zip(&entries) {
            let LogEntry::Message { message, own_count, .. } = entry else { panic!("{entry:?}") };
            assert_eq!((message.seq, *own_count), (seq, seq));
            assert_eq!(message.client_id, client_id(seq - 1));
        }
        held += entries.len() as u64;
    }
    let log_epoch = desk.store.log_epoch();
    for cursor in [
        None,
        Some(Cursor { log_epoch, offset: 29 }),
        Some(Cursor { log_epoch, offset: total + 1 }),
        Some(Cursor { log_epoch: log_epoch ^ 1, offset: total }),
    ] {
        let ask = Ask::SyncFrom { cursor, window: WINDOW };
        let Ok(Response::Sync(page)) = desk.ask(alice, ask) else { panic!("no page") };
        let SyncBody::TooLong(window) = page.body else { panic!("{cursor:?} gave entries") };
        assert_eq!((page.head, page.log_epoch), (total, log_epoch));
        assert_eq!(window[0].head, total);
        let seqs: Vec<_> = window[0].messages.iter().map(|message| message.seq).collect();
        assert_eq!(seqs, (total - 4..=total).collect::<Vec<_>>());
    }
}

#[test]
fn a_window_and_a_page_of_the_largest_messages_fit_a_frame() {
    let dir = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(dir.path());
    let app = desk.app(Preset::Multi);
    let alice = desk.sign_in(app, "alice", 1);
    let mut id = 0;
    for peer in 0..20 {
        let peer = format!("peer{peer}");
        desk.sign_in(app, &peer, 2);
        for _ in 0..6 {
            id += 1;
            let content = Content(vec![b'x'; limits::CONTENT_BYTES].into());
            let conversation = ConversationId::Direct(user_id(&peer));
            let ask = Ask::Send { conversation, client_id: client_id(id), content };
            desk.ask(alice, ask).unwrap();
        }
    }
    let window = homing_proto::frame::Window { conversations: 20, per_conversation: 20 };
    let Ok(Response::Sync(page)) = desk.ask(alice, Ask::SyncFrom { cursor: None, window }) else {
        panic!("no page")
    };
    let SyncBody::TooLong(conversations) = &page.body else { panic!("entries") };
    assert_eq!(conversations.len(), 20);
    assert!(conversations.iter().all(|conversation| !conversation.messages.is_empty()));
    assert_eq!(conversations[0].id, ConversationId::Direct(user_id("peer19")));
    let small_enough = |body: Response| {
        let frame = homing_proto::frame::ServerFrame::Response { id: 1, body: Ok(body) };
        homing_proto::codec::encode_server(&frame).len() <= limits::FRAME_MAX
    };
    assert!(small_enough(Response::Sync(page)));
    let ask = sync_from(&desk.store, 0);
    assert!(small_enough(desk.ask(alice, ask).unwrap()));
    let conversation = ConversationId::Direct(user_id("peer3"));
    let ask = Ask::History { conversation, before: 0, limit: 100 };
    assert!(small_enough(desk.ask(alice, ask).unwrap()));
}

#[test]
fn what_cannot_be_written_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(dir.path());
    let app = desk.app(Preset::Multi);
    let alice = desk.sign_in(app, "alice", 1);
    let code = |answer: Result<Response, homing_proto::Error>| answer.unwrap_err().code;
    assert_eq!(code(desk.ask(alice, send("nobody", 1))), Code::PEER_NOT_FOUND);
    let conversation = ConversationId::Direct(user_id("alice"));
    let content = Content(vec![0; limits::CONTENT_BYTES + 1].into());
    let ask = Ask::Send { conversation: conversation.clone(), client_id: client_id(1), content };
    assert_eq!(code(desk.ask(alice, ask)), Code::CONTENT_TOO_LARGE);
    let ask = Ask::MarkRead { conversation: conversation.clone(), seq: 1 };
    assert_eq!(code(desk.ask(alice, ask)), Code::CONVERSATION_UNKNOWN);
    let ask = Ask::History { conversation, before: 0, limit: 10 };
    assert_eq!(desk.ask(alice, ask), Ok(Response::History(Vec::new())));
}

#[test]
fn users_of_another_app_are_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(dir.path());
    let (one, other) = (desk.app(Preset::Multi), desk.app(Preset::Multi));
    desk.sign_in(other, "bob", 1);
    let alice = desk.sign_in(one, "alice", 1);
    assert_eq!(desk.send(alice, "bob", 1).unwrap_err().code, Code::PEER_NOT_FOUND);
    let ask = Ask::Presence(vec![user_id("bob"), user_id("alice")]);
    let presence = vec![(user_id("bob"), false), (user_id("alice"), true)];
    assert_eq!(desk.ask(alice, ask), Ok(Response::Presence(presence)));
}
