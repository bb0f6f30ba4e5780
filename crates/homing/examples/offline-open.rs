//! Measures budget B-8: from opening a client to the first screen, without network.
//!
//! `cargo run --release -p homing --example offline-open -- [CONVERSATIONS] [MESSAGES] [ROUNDS]`
//!
//! Each round opens a client on the same directory, signs in offline, reads 20 conversations and the
//! last 20 messages of the first, and closes. Times are in milliseconds; the files are in the page
//! cache of the operating system, as they are on a device in use.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program that prints figures")]

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use homing::store::Shelf as _;
use homing::store::sqlite::SqliteShelf;
use homing::transport::{Link, Transport};
use homing::{
    AppId, Client, ClientMsgId, Code, Config, Content, ConversationId, Credential, Error, Message,
    SessionId, UserId, WallTime,
};
use homing_core::client::{Missing, Row};
use homing_proto::codec;
use homing_proto::frame::{Binding, ClientFrame, Limits, ServerFrame, SyncBody, SyncPage, Welcome};
use homing_proto::id::Cursor;
use homing_proto::message::{LogEntry, ReadMark};
use homing_proto::secret::SessionSecret;
use tokio::sync::mpsc;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut numbers = std::env::args().skip(1).map(|number| number.parse::<u64>().unwrap());
    let conversations = numbers.next().unwrap_or(10_000);
    let messages = numbers.next().unwrap_or(1_000_000);
    let rounds = numbers.next().unwrap_or(200);

    let dir = tempfile::TempDir::new().unwrap();
    sign_in_once(&dir).await?;
    fill(&dir, conversations, messages);

    let mut figures = vec![Vec::new(); 5];
    for _ in 0..rounds {
        let began = Instant::now();
        let client = Client::open(config(&dir)?.transport(Arc::new(Nobody))).await?;
        let opened = began.elapsed();
        client.login_offline("alice", None).await?;
        let signed_in = began.elapsed();
        let screen = client.conversations(20).await?;
        let first_screen = began.elapsed();
        let history = client.history(&screen[0].id, 0, 20).await?;
        let with_history = began.elapsed();
        assert_eq!((screen.len(), history.messages.is_empty()), (20, false));
        let warm = Instant::now();
        client.conversations(20).await?;
        let again = warm.elapsed();
        let steps = [opened, signed_in, first_screen, with_history, again];
        for (figure, step) in figures.iter_mut().zip(steps) {
            figure.push(step.as_secs_f64() * 1_000.0);
        }
        client.close().await;
    }
    println!("{conversations} conversations, {messages} messages, {rounds} rounds, ms");
    let names =
        ["open", "+ login_offline", "+ first 20", "+ history of 20", "first 20 again (alone)"];
    for (name, mut figure) in names.into_iter().zip(figures) {
        figure.sort_by(f64::total_cmp);
        let at = |share: f64| figure[((figure.len() - 1) as f64 * share) as usize];
        println!("{name:24} p50 {:7.3}  p99 {:7.3}  max {:7.3}", at(0.5), at(0.99), at(1.0));
    }
    Ok(())
}

fn config(dir: &tempfile::TempDir) -> Result<Config, Error> {
    Ok(Config::new(1, "ws://127.0.0.1:9")?.data_dir(dir.path()))
}

/// Alice signs in online once, so that she may sign in offline later.
async fn sign_in_once(dir: &tempfile::TempDir) -> Result<(), Error> {
    let client = Client::open(config(dir)?.transport(Arc::new(Welcoming))).await?;
    client.login("alice", Credential::usersig("token")).await?;
    client.close().await;
    Ok(())
}

fn fill(dir: &tempfile::TempDir, conversations: u64, messages: u64) {
    let mut shelf = SqliteShelf::new(dir.path(), AppId::new(1).unwrap()).unwrap();
    let alice = UserId::parse("alice").unwrap();
    let mut store = shelf.open(&alice, Missing::Create).unwrap().store.unwrap();
    let each = messages / conversations;
    let mut batch = Vec::new();
    for peer in 0..conversations {
        let user = UserId::parse(&format!("peer{peer}")).unwrap();
        batch.extend((1..=each).map(|seq| {
            let name = u128::from(peer) << 64 | u128::from(seq);
            Row::Entry(LogEntry::Message {
                message: Message {
                    conversation: ConversationId::Direct(user.clone()),
                    seq,
                    from: user.clone(),
                    client_id: ClientMsgId(name.to_be_bytes()),
                    time: WallTime(1_700_000_000_000 + seq * 60_000 + peer),
                    content: Content::text("words ".repeat(16)),
                },
                own_count: 0,
                read: ReadMark::default(),
            })
        }));
        if batch.len() >= 10_000 || peer + 1 == conversations {
            store.write(&batch).unwrap();
            batch.clear();
        }
    }
    store.write(&[Row::Cursor(Cursor { log_epoch: 1, offset: messages })]).unwrap();
}

/// No network.
struct Nobody;

impl Transport for Nobody {
    fn connect(&self) -> BoxFuture<'static, Result<Link, Error>> {
        async { Err(Code::NETWORK.into()) }.boxed()
    }
}

/// A server that welcomes everybody to an empty account.
struct Welcoming;

impl Transport for Welcoming {
    fn connect(&self) -> BoxFuture<'static, Result<Link, Error>> {
        let (answers, incoming) = mpsc::channel::<Result<Bytes, Error>>(8);
        let outgoing = futures_util::sink::unfold(answers, |answers, frame: Bytes| async move {
            if let Ok(ClientFrame::Hello(_)) = codec::decode_client(frame) {
                let _ = answers.send(Ok(codec::encode_server(&welcome()))).await;
            }
            Ok::<_, Error>(answers)
        });
        let incoming = futures_util::stream::unfold(incoming, |mut incoming| async move {
            incoming.recv().await.map(|frame| (frame, incoming))
        });
        let link = Link {
            incoming: incoming.boxed(),
            outgoing: Box::pin(outgoing.sink_map_err(|error: Error| error)),
        };
        async { Ok(link) }.boxed()
    }
}

fn welcome() -> ServerFrame {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    ServerFrame::Welcome(Box::new(Welcome {
        session: SessionId([1; 16]),
        secret: Some(SessionSecret::new([2; 32])),
        epoch: 1,
        binding: Binding::Fresh,
        server_time: WallTime(since.as_millis().try_into().unwrap()),
        credential_expires_in_ms: None,
        head: 0,
        sync: SyncPage { log_epoch: 1, head: 0, body: SyncBody::TooLong(Vec::new()) },
        outbox_acks: Vec::new(),
        devices: Vec::new(),
        limits: Limits {
            ping_ms: 25_000,
            liveness_ms: 30_000,
            max_frame: 1024 * 1024,
            reconnect_window_ms: 1_000,
        },
        registered: false,
    }))
}
