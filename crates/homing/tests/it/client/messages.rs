//! Messages in and out, and who hears of them.

use futures_util::FutureExt as _;
use homing::{Client, Code, Content, Event, Fact, Gap, Logged, SendState};
use homing_core::client::Row;
use homing_proto::frame::{Request, Response};
use homing_proto::message::Conversation;
use tempfile::TempDir;

use super::server::{FakeServer, Peer, wall_now, with_bob};
use super::{client, config, event, journal_until, soon, token};
use crate::store::{message, open_sqlite};

async fn signed_in(client: &Client, server: &FakeServer) -> Peer {
    let login = client.login("alice", token()).start();
    let (peer, _) = server.welcome().await;
    soon(login).await.unwrap();
    peer
}

#[tokio::test]
async fn an_event_about_a_message_comes_when_the_message_can_be_read() {
    let server = FakeServer::start().await;
    let dir = TempDir::new().unwrap();
    let client = Client::open(config(&server).data_dir(dir.path())).await.unwrap();
    let mut events = client.events();
    let mut peer = signed_in(&client, &server).await;
    for seq in 1..=20 {
        peer.push(message("bob", seq, "bob")).await;
        let heard = event(&mut events, |event| match event {
            Event::Message(message) => Some(message),
            _ => None,
        })
        .await;
        assert_eq!(heard.seq, seq);
        let view = client.conversation(&with_bob()).await.unwrap().unwrap();
        assert_eq!((view.head, view.unread()), (seq, seq));
    }
    client.close().await;
    assert_eq!(open_sqlite(dir.path()).opened.cursor.unwrap().offset, 20);
}

#[tokio::test]
async fn a_message_is_durable_before_it_is_sent_and_accepted_once() {
    let server = FakeServer::start().await;
    let dir = TempDir::new().unwrap();
    let client = Client::open(config(&server).data_dir(dir.path())).await.unwrap();
    let mut events = client.events();
    let mut peer = signed_in(&client, &server).await;
    let id = soon(client.send(&with_bob(), Content::text("hi"))).await.unwrap();
    assert_eq!(client.outbox().await.unwrap()[0].client_id, id);

    let (request, body) = peer.request().await;
    let Request::Send { client_id, content, .. } = body else { panic!("{body:?}") };
    assert_eq!((client_id, content), (id, Content::text("hi")));
    peer.answer(request, Response::Sent { seq: 1, time: wall_now() }).await;
    let state = event(&mut events, |event| match event {
        Event::SendState { state: state @ SendState::Accepted { .. }, .. } => Some(state),
        _ => None,
    })
    .await;
    assert_eq!(state, SendState::Accepted { seq: 1 });
    assert!(client.outbox().await.unwrap().is_empty());
    let history = client.history(&with_bob(), 0, 10).await.unwrap();
    assert_eq!(history.messages[0].client_id, id);
}

#[tokio::test]
async fn a_message_queued_offline_waits_in_the_next_run_and_is_sent_once_under_its_name() {
    let server = FakeServer::start().await;
    let dir = TempDir::new().unwrap();
    let open = || Client::open(config(&server).data_dir(dir.path()));
    let client = open().await.unwrap();
    drop(signed_in(&client, &server).await);
    let id = soon(client.send(&with_bob(), Content::text("later"))).await.unwrap();
    client.close().await;

    let client = open().await.unwrap();
    client.resume_last().await.unwrap();
    let (mut peer, hello) = server.welcome().await;
    assert_eq!(hello.outbox_heads, [id], "the server is asked whether it has it");
    let (_, body) = peer.request().await;
    assert!(matches!(body, Request::Send { client_id, .. } if client_id == id));
}

#[tokio::test]
async fn history_asks_the_server_only_for_what_is_missing_here() {
    let server = FakeServer::start().await;
    let dir = TempDir::new().unwrap();
    let client = Client::open(config(&server).data_dir(dir.path())).await.unwrap();
    let mut peer = signed_in(&client, &server).await;
    client.close().await;
    peer.gone().await;
    let window = Conversation {
        id: with_bob(),
        head: 30,
        own_count: 0,
        read_seq: 0,
        read_own_count: 0,
        messages: (21..=30).map(|seq| message("bob", seq, "bob")).collect(),
    };
    open_sqlite(dir.path()).writer.write(&[Row::Window(vec![window])]).unwrap();

    let client = Client::open(config(&server).data_dir(dir.path())).await.unwrap();
    client.resume_last().await.unwrap();
    let local = client.history(&with_bob(), 0, 15).await.unwrap();
    assert_eq!((local.messages.len(), local.gap), (10, Gap::Missing), "without a connection");
    let (mut peer, _) = server.welcome().await;
    soon(client.status().wait_for(|status| status.is_connected())).await.unwrap();
    let complete = client.history(&with_bob(), 0, 10).await.unwrap();
    assert_eq!((complete.messages.len(), complete.gap), (10, Gap::None), "nothing is asked");

    let bob = with_bob();
    let (fetched, ()) = tokio::join!(client.history(&bob, 21, 10), async {
        let (id, body) = peer.request().await;
        assert!(matches!(body, Request::History { before: 21, limit: 10, .. }), "{body:?}");
        let older = (11..=20).map(|seq| message("bob", seq, "bob")).collect();
        peer.answer(id, Response::History(older)).await;
    });
    let fetched = fetched.unwrap();
    assert_eq!((fetched.messages.len(), fetched.gap), (10, Gap::None));
    client.close().await;
    let mut store = open_sqlite(dir.path());
    assert_eq!(store.reader.history(&with_bob(), 0, 20).unwrap().gap, Gap::None, "it was stored");
}

#[tokio::test]
async fn who_does_not_keep_up_is_told_and_the_others_miss_nothing() {
    let server = FakeServer::start().await;
    let client = Client::open(config(&server).event_capacity(8)).await.unwrap();
    let (mut quick, mut slow) = (client.events(), client.events());
    let mut peer = signed_in(&client, &server).await;
    for seq in 1..=40 {
        peer.push(message("bob", seq, "bob")).await;
        event(&mut quick, |event| matches!(event, Event::Message(_)).then_some(())).await;
    }
    let Some(Logged::Lagged(missed)) = soon(slow.next()).await else { panic!("nothing missed") };
    assert!(missed >= 32, "{missed}");
    let mut left = Vec::new();
    while left.last() != Some(&40) {
        if let Some(Logged::Entry(Event::Message(message))) = soon(slow.next()).await {
            left.push(message.seq);
        }
    }
    assert_eq!(left, (33..=40).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_journal_tells_statuses_and_events_in_their_order() {
    let server = FakeServer::start().await;
    let client = client(&server).await;
    let mut journal = client.journal();
    let mut peer = signed_in(&client, &server).await;
    peer.push(message("bob", 1, "bob")).await;
    let facts =
        journal_until(&mut journal, |fact| matches!(fact, Fact::Event(Event::Message(_)))).await;
    let seqs: Vec<u64> = facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::Status(status) => Some(status.seq),
            Fact::Event(_) => None,
        })
        .collect();
    assert!(seqs.is_sorted_by(|a, b| b == &(a + 1)), "{seqs:?}");
    let connected = facts.iter().position(|f| matches!(f, Fact::Status(s) if s.is_connected()));
    assert!(connected.unwrap() < facts.len() - 1);
}

/// S-2.6: dropping a future leaves a legal state.
#[tokio::test]
async fn dropped_futures_leave_a_client_that_works() {
    let server = FakeServer::start().await;
    let client = client(&server).await;
    let mut peer = signed_in(&client, &server).await;
    for _ in 0..15 {
        // Polled once, then dropped, wherever that leaves them.
        futures_util::FutureExt::now_or_never(client.devices());
        futures_util::FutureExt::now_or_never(client.conversations(20));
        futures_util::FutureExt::now_or_never(client.send(&with_bob(), Content::text("x")));
        futures_util::FutureExt::now_or_never(client.mark_read(&with_bob(), 1));
        drop(client.login("alice", token()).start());
        drop(client.send(&with_bob(), Content::text("never polled")));
    }
    let (list, ()) = tokio::join!(client.presence(vec![super::server::bob()]), async {
        loop {
            match peer.request().await {
                (id, Request::Presence(users)) => {
                    let online = users.into_iter().map(|user| (user, true)).collect();
                    return peer.answer(id, Response::Presence(online)).await;
                }
                (id, Request::Send { .. }) => {
                    peer.answer(id, Response::Sent { seq: 1, time: wall_now() }).await;
                }
                (id, Request::ListDevices) => peer.answer(id, Response::Devices(vec![])).await,
                (id, _) => peer.answer(id, Response::Done).await,
            }
        }
    });
    assert_eq!(list.unwrap(), [(super::server::bob(), true)]);
}

/// S-3.8.
#[tokio::test]
async fn calls_that_need_somebody_signed_in_say_so() {
    let server = FakeServer::start().await;
    let client = client(&server).await;
    let codes = [
        client.send(&with_bob(), Content::text("hi")).await.unwrap_err().code,
        client.devices().await.unwrap_err().code,
        client.mark_read(&with_bob(), 1).await.unwrap_err().code,
        client.renew(token()).await.unwrap_err().code,
        client.presence(vec![]).await.unwrap_err().code,
    ];
    assert_eq!(codes, [Code::NOT_LOGGED_IN; 5]);
    assert_eq!(client.outbox().await.unwrap_err().code, Code::NOT_READY);
}

#[tokio::test]
async fn damage_found_while_the_store_is_in_use_is_told_mended_and_filled_from_the_server() {
    let server = FakeServer::start().await;
    let dir = TempDir::new().unwrap();
    let open = || Client::open(config(&server).data_dir(dir.path()));
    let client = open().await.unwrap();
    drop(signed_in(&client, &server).await);
    let waiting = client.send(&with_bob(), Content::text("waits")).await.unwrap();
    client.close().await;
    damage_old_history(dir.path());

    let client = open().await.unwrap();
    let mut events = client.events();
    client.resume_last().await.unwrap();
    let (_peer, hello) = server.welcome().await;
    assert!(hello.cursor.is_some());
    soon(client.status().wait_for(|status| status.is_connected())).await.unwrap();
    let error = client.history(&with_bob(), 300, 100).await.unwrap_err();
    assert_eq!(error.code, Code::STORE_CORRUPT);

    let reset = event(&mut events, |event| match event {
        Event::StoreReset(error) => Some(error),
        _ => None,
    });
    assert_eq!(reset.await.code, Code::STORE_CORRUPT);
    let (_peer, hello) = server.welcome().await;
    assert!(hello.resume.is_some() && hello.cursor.is_none(), "all of it is asked for");
    assert_eq!(hello.outbox_heads, [waiting], "what waited still waits");
    soon(client.status().wait_for(|status| status.is_connected())).await.unwrap();
    client.send(&with_bob(), Content::text("goes on")).await.unwrap();
}

/// Gives the store a long history and breaks a page of it that opening the store does not touch.
fn damage_old_history(dir: &std::path::Path) {
    let mut store = open_sqlite(dir);
    let messages = (1..=1_000).map(|seq| message("bob", seq, "bob")).collect();
    store.writer.write(&[Row::Messages(messages)]).unwrap();
    drop(store);
    let file = crate::store::damage::file_in(dir);
    let intact = std::fs::read(&file).unwrap();
    for page in (1..intact.len() / 4096).rev() {
        let mut bytes = intact.clone();
        bytes[page * 4096..(page + 1) * 4096].fill(0);
        std::fs::write(&file, bytes).unwrap();
        let trial = TempDir::new().unwrap();
        let copy = trial.path().join(file.file_name().unwrap());
        std::fs::copy(&file, copy).unwrap();
        let mut store = open_sqlite(trial.path());
        if store.opened.reset.is_none()
            && store.reader.history(&with_bob(), 0, 20).is_ok()
            && store.reader.history(&with_bob(), 300, 100).is_err()
        {
            return;
        }
    }
    panic!("no such page");
}

/// D-4: the order of messages is the order in which they were handed over, however many at once and
/// in whatever order their results are asked for.
#[tokio::test]
async fn messages_handed_over_at_once_keep_their_order() {
    let server = FakeServer::start().await;
    let client = client(&server).await;
    let login = client.login("alice", token()).start();
    let (peer, _) = server.welcome().await;
    soon(login).await.unwrap();
    drop(peer);
    let conversation = with_bob();
    let texts: Vec<String> = (0..300).map(|number| format!("message {number}")).collect();
    let mut sends = Vec::new();
    for text in &texts {
        let mut send = Box::pin(client.send(&conversation, Content::text(text)));
        assert!((&mut send).now_or_never().is_none());
        sends.push(send);
    }
    while let Some(send) = sends.pop() {
        soon(send).await.unwrap();
    }
    let waiting = soon(client.outbox()).await.unwrap();
    let queued: Vec<Content> = waiting.into_iter().map(|pending| pending.content).collect();
    assert_eq!(queued, texts.iter().map(Content::text).collect::<Vec<_>>());
}
