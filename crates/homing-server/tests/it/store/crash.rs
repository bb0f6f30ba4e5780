//! A process killed while it serves: what it acknowledged is there, once and in order.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};

use homing_core::policy::Preset;
use homing_proto::frame::{Response, SyncBody};
use homing_proto::id::AppId;
use homing_proto::message::LogEntry;
use homing_server::store::{Command, Origin};

use super::desk::{Desk, News, client_id, send, sync_from};

/// Set for the child: the data directory that it serves until it is killed.
const DIR: &str = "HOMING_TEST_CRASH_DIR";
const ROUNDS: u64 = 5;
/// Acknowledged sends of a round before the child is killed: different each time, so that it is hit
/// while batches, merges and idle gaps are under way.
const SENDS: [usize; ROUNDS as usize] = [10, 700, 40, 2_000, 300];

#[test]
fn what_was_acknowledged_before_a_kill_is_there_once_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    // By sender, in the order of acknowledgement: (client id, seq).
    let mut acknowledged: [Vec<(u64, u64)>; 2] = Default::default();
    for (round, sends) in SENDS.into_iter().enumerate() {
        let mut child = start(dir.path(), round);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        while seen < sends {
            let line = lines.next().expect("the child talks until it is killed").unwrap();
            seen += usize::from(note(&line, &mut acknowledged));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it had written before it died was acknowledged as well.
        for line in lines.map_while(Result::ok) {
            note(&line, &mut acknowledged);
        }
        check(dir.path(), &acknowledged);
    }
}

/// Not a test: the process that is killed. It does nothing unless the test above started it.
#[test]
#[ignore = "the child of the test above"]
fn serve_until_killed() {
    let Some(dir) = std::env::var_os(DIR).map(PathBuf::from) else { return };
    let round: u64 = std::env::var("HOMING_TEST_CRASH_ROUND").unwrap().parse().unwrap();
    let mut desk = Desk::open(&dir);
    let app = if round == 0 { desk.app(Preset::Multi) } else { AppId::new(1).unwrap() };
    let senders = [desk.sign_in(app, "alice", 1), desk.sign_in(app, "bob", 2)];
    let mut next = round << 32;
    let mut submit = |desk: &Desk, sender: usize| {
        next += 1;
        let ask = send(["bob", "alice"][sender], next);
        let id = (next as u32) << 1 | sender as u32;
        desk.store.submit(Command::Request { from: senders[sender], id, ask }).unwrap();
    };
    for n in 0..64 {
        submit(&desk, n % 2);
    }
    let mut out = std::io::stdout().lock();
    loop {
        let (id, body) = desk.wait(|news| match news {
            News::Answer(id, body) => Ok((id, body)),
            other => Err(other),
        });
        desk.seen.clear();
        let Ok(Response::Sent { seq, .. }) = body else { panic!("{body:?}") };
        writeln!(out, "acknowledged {} {} {seq}", id & 1, round << 32 | u64::from(id >> 1))
            .unwrap();
        submit(&desk, (id & 1) as usize);
    }
}

fn start(dir: &Path, round: usize) -> Child {
    Process::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::crash::serve_until_killed", "--ignored", "--nocapture"])
        .env(DIR, dir)
        .env("HOMING_TEST_CRASH_ROUND", round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Takes down an acknowledgement; the last line of a killed process may be half of one.
fn note(line: &str, acknowledged: &mut [Vec<(u64, u64)>; 2]) -> bool {
    // The test runner writes its own words in front of the first.
    let Some((_, rest)) = line.split_once("acknowledged ") else { return false };
    let fields: Vec<u64> = rest.split(' ').filter_map(|field| field.parse().ok()).collect();
    let [sender, id, seq] = fields[..] else { return false };
    acknowledged[sender as usize].push((id, seq));
    true
}

fn check(dir: &Path, acknowledged: &[Vec<(u64, u64)>; 2]) {
    let mut desk = Desk::open(dir);
    let app = AppId::new(1).unwrap();
    let readers = [desk.sign_in(app, "alice", 1), desk.sign_in(app, "bob", 2)];
    let logs = readers.map(|reader| read_log(&mut desk, reader));
    assert_eq!(logs[0], logs[1], "both members hold the same conversation");
    let seqs: Vec<_> = logs[0].iter().map(|(_, seq)| *seq).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>(), "no gap, nothing twice");
    for mine in acknowledged {
        assert!(mine.is_sorted_by_key(|(_, seq)| *seq), "acknowledged in order");
        for (id, seq) in mine {
            assert_eq!(logs[0][*seq as usize - 1], (client_id(*id), *seq));
        }
    }
    // And the idempotency keys survived too.
    for (sender, to) in [(0, "bob"), (1, "alice")] {
        if let Some((id, seq)) = acknowledged[sender].last() {
            assert_eq!(desk.send(readers[sender], to, *id), Ok(*seq));
        }
    }
}

fn read_log(desk: &mut Desk, reader: Origin) -> Vec<(homing_proto::id::ClientMsgId, u64)> {
    let conversation = |desk: &mut Desk, before| {
        let peer = if reader.conn.number == 1 { "bob" } else { "alice" };
        let conversation = homing_proto::id::ConversationId::Direct(super::desk::user_id(peer));
        let ask = homing_server::store::Ask::History { conversation, before, limit: 100 };
        match desk.ask(reader, ask) {
            Ok(Response::History(page)) => page,
            other => panic!("{other:?}"),
        }
    };
    let mut log = Vec::new();
    let mut before = 0;
    loop {
        let page = conversation(desk, before);
        let Some(first) = page.first() else { break };
        before = first.seq;
        log.splice(0..0, page.iter().map(|message| (message.client_id, message.seq)));
    }
    // The user's log says the same about its newest entries.
    let head = log.len() as u64;
    let ask = sync_from(&desk.store, head.saturating_sub(100));
    let Ok(Response::Sync(page)) = desk.ask(reader, ask) else { panic!("no page") };
    assert_eq!(page.head, head, "one entry for each message");
    let SyncBody::Entries { entries, .. } = page.body else { panic!("a window") };
    for (entry, (id, seq)) in entries.iter().zip(&log[head.saturating_sub(100) as usize..]) {
        let LogEntry::Message { message, .. } = entry else { panic!("{entry:?}") };
        assert_eq!((message.client_id, message.seq), (*id, *seq));
    }
    log
}
