//! A disk without space: nothing is acknowledged that is not there, and reads go on.

use std::collections::HashMap;

use homing_core::policy::Preset;
use homing_proto::Code;
use homing_proto::frame::{Response, SyncBody};
use homing_proto::id::ConversationId;
use homing_proto::message::{Content, LogEntry};
use homing_server::store::{Ask, Command, Options};

use super::desk::{Desk, News, client_id, clock, sync_from, user_id};

#[test]
fn on_a_full_disk_nothing_is_acknowledged_and_everything_acknowledged_stays() {
    let dir = tempfile::tempdir().unwrap();
    // The tables take some 30 pages; the rest is soon full of the largest messages.
    let options = Options { clock, max_pages: Some(120), ..Options::default() };
    let mut desk = Desk::open_with(dir.path(), options).unwrap();
    let app = desk.app(Preset::Multi);
    desk.sign_in(app, "bob", 1);
    let alice = desk.sign_in(app, "alice", 2);
    let mut acknowledged = HashMap::new();
    let mut refused = 0;
    for id in 0..400 {
        let ask = Ask::Send {
            conversation: ConversationId::Direct(user_id("bob")),
            client_id: client_id(id),
            content: Content(vec![b'x'; 4000].into()),
        };
        desk.store.submit(Command::Request { from: alice, id: id as u32, ask }).unwrap();
    }
    for _ in 0..400 {
        let (id, body) = desk.wait(|news| match news {
            News::Answer(id, body) => Ok((id, body)),
            other => Err(other),
        });
        match body {
            Ok(Response::Sent { seq, .. }) => {
                acknowledged.insert(client_id(id.into()), seq);
            }
            Ok(other) => panic!("{other:?}"),
            Err(error) => {
                assert_eq!(error.code, Code::SERVER_BUSY);
                assert!(error.retry_after_ms.is_some());
                refused += 1;
            }
        }
    }
    assert!(refused > 0, "the disk was never full");
    let pushed = desk
        .seen
        .iter()
        .filter(|news| matches!(news, News::Entry(user, ..) if *user == alice.user));
    assert_eq!(pushed.count(), acknowledged.len(), "nobody heard of what did not happen");
    // Reads go on while nothing can be written.
    let ask = sync_from(&desk.store, 0);
    assert_eq!(log(desk.ask(alice, ask)), acknowledged);
    drop(desk);
    // With space again, all is as acknowledged and goes on where it was.
    let mut desk = Desk::open(dir.path());
    let alice = desk.sign_in(app, "alice", 2);
    let ask = sync_from(&desk.store, 0);
    assert_eq!(log(desk.ask(alice, ask)), acknowledged);
    assert_eq!(desk.send(alice, "bob", 1_000), Ok(acknowledged.len() as u64 + 1));
}

fn log(
    answer: Result<Response, homing_proto::Error>,
) -> HashMap<homing_proto::id::ClientMsgId, u64> {
    let Ok(Response::Sync(page)) = answer else { panic!("{answer:?}") };
    let SyncBody::Entries { entries, .. } = page.body else { panic!("a window") };
    let message = |entry: &LogEntry| match entry {
        LogEntry::Message { message, .. } => (message.client_id, message.seq),
        other => panic!("{other:?}"),
    };
    entries.iter().map(message).collect()
}
