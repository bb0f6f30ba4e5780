//! The conformance suite: the same for every backend.

use std::collections::BTreeMap;

use homing::store::{Gap, PageEnd};
use homing::{ConversationId, Message, PendingMessage, UserId, WallTime};
use homing_core::client::{Missing, Row};
use homing_proto::id::Cursor;
use homing_proto::message::{Conversation, LogEntry, ReadMark, unread};
use proptest::prelude::*;

use super::{Backend, Open, alice, client_id, entry, entry_after, message, pending, with};

#[test]
fn a_store_is_made_only_when_that_is_wanted() {
    for mut backend in Backend::all() {
        let opening = backend.try_open(&alice(), Missing::Leave);
        assert!(opening.opened.absent && opening.store.is_none());
        drop(backend.open());
        let opening = backend.try_open(&alice(), Missing::Leave);
        assert!(!opening.opened.absent && opening.store.is_some());
    }
}

#[test]
fn what_was_written_is_there_after_reopening() {
    for mut backend in Backend::all() {
        let Open { mut writer, .. } = backend.open();
        let cursor = Cursor { log_epoch: u64::MAX - 1, offset: 3 };
        writer
            .write(&[
                entry(message("bob", 1, "bob"), 0),
                Row::Cursor(cursor),
                Row::Queue(pending(9, "bob")),
            ])
            .unwrap();
        drop(writer);

        let Open { opened, mut reader, .. } = backend.open();
        assert_eq!(opened.cursor, Some(cursor));
        assert_eq!(opened.outbox, [pending(9, "bob")]);
        assert_eq!(
            reader.history(&with("bob"), 0, 10).unwrap().messages,
            [message("bob", 1, "bob")]
        );
    }
}

#[test]
fn a_reader_sees_each_commit_at_once() {
    for mut backend in Backend::all() {
        let Open { mut writer, mut reader, .. } = backend.open();
        for seq in 1..=3 {
            writer.write(&[entry(message("bob", seq, "bob"), 0)]).unwrap();
            assert_eq!(reader.conversation(&with("bob")).unwrap().unwrap().head, seq);
        }
    }
}

#[test]
fn users_do_not_see_each_others_data() {
    for mut backend in Backend::all() {
        backend.open().writer.write(&[entry(message("bob", 1, "bob"), 0)]).unwrap();
        let bob = UserId::parse("bob").unwrap();
        let opening = backend.try_open(&bob, Missing::Create);
        let mut reader = opening.store.unwrap().reader().unwrap();
        assert!(reader.conversations(None, 10).unwrap().is_empty());
    }
}

#[test]
fn user_ids_that_differ_in_case_or_hold_odd_signs_have_stores_of_their_own() {
    let ids = ["A", "a", "..", ".", "%41", "!#$%&()+-:;<=.>?@[]^_{}|~", "con"];
    for mut backend in Backend::all() {
        for (n, id) in (1..).zip(ids) {
            let user = UserId::parse(id).unwrap();
            let mut store = backend.try_open(&user, Missing::Create).store.unwrap();
            store.write(&[Row::Cursor(Cursor { log_epoch: 1, offset: n })]).unwrap();
        }
        for (n, id) in (1..).zip(ids) {
            let user = UserId::parse(id).unwrap();
            let opening = backend.try_open(&user, Missing::Leave);
            assert_eq!(opening.opened.cursor.unwrap().offset, n, "{id}");
        }
    }
}

#[test]
fn a_wiped_store_is_gone_and_others_stay() {
    for mut backend in Backend::all() {
        let bob = UserId::parse("bob").unwrap();
        drop(backend.open());
        drop(backend.try_open(&bob, Missing::Create));
        backend.wipe(&alice());
        assert!(backend.try_open(&alice(), Missing::Leave).opened.absent);
        assert!(!backend.try_open(&bob, Missing::Leave).opened.absent);
    }
}

#[test]
fn conversations_come_newest_first_and_page_without_gap_or_overlap() {
    for mut backend in Backend::all() {
        let Open { mut writer, mut reader, .. } = backend.open();
        let peers: Vec<String> = (0..25).map(|n| format!("peer{n:02}")).collect();
        for (n, peer) in (1..).zip(&peers) {
            let mut last = message(peer, 1, peer);
            // Several share a moment: then the id decides.
            last.time = WallTime(1_000 * (n / 3));
            writer.write(&[entry(last, 0)]).unwrap();
        }
        let mut seen = Vec::new();
        let mut end: Option<PageEnd> = None;
        loop {
            let page = reader.conversations(end.as_ref(), 4).unwrap();
            let Some(last) = page.last() else { break };
            end = Some(last.page_end());
            seen.extend(page.into_iter().map(|view| (view.time, view.id)));
        }
        assert_eq!(seen.len(), peers.len());
        assert!(seen.is_sorted_by(|a, b| (b.0, &a.1) < (a.0, &b.1)));
    }
}

#[test]
fn history_says_when_something_is_missing() {
    for mut backend in Backend::all() {
        let Open { mut writer, mut reader, .. } = backend.open();
        let gap = |reader: &mut Box<dyn homing::store::Read>, before, limit| {
            reader.history(&with("bob"), before, limit).unwrap().gap
        };
        assert_eq!(gap(&mut reader, 0, 5), Gap::Missing, "an unknown conversation");
        let window = Conversation {
            id: with("bob"),
            head: 10,
            own_count: 0,
            read_seq: 10,
            read_own_count: 0,
            messages: (8..=10).map(|seq| message("bob", seq, "bob")).collect(),
        };
        writer.write(&[Row::Window(vec![window])]).unwrap();
        assert_eq!(gap(&mut reader, 0, 3), Gap::None);
        assert_eq!(gap(&mut reader, 0, 4), Gap::Missing);
        assert_eq!(gap(&mut reader, 8, 3), Gap::Missing);
        writer
            .write(&[Row::Messages((1..=3).map(|s| message("bob", s, "bob")).collect())])
            .unwrap();
        assert_eq!(gap(&mut reader, 4, 100), Gap::None, "down to the first message");
        assert_eq!(gap(&mut reader, 5, 2), Gap::Missing);
        assert_eq!(gap(&mut reader, 1, 5), Gap::None, "nothing lies before the first");
    }
}

#[test]
fn an_own_message_leaves_the_outbox_when_the_log_brings_it() {
    for mut backend in Backend::all() {
        let Open { mut writer, mut reader, .. } = backend.open();
        let rows: Vec<_> = (1..=3).map(|n| Row::Queue(pending(n, "bob"))).collect();
        writer.write(&rows).unwrap();
        writer.write(&[entry(message("bob", 1, "alice"), 1)]).unwrap();
        // Another's message under the same name is not ours.
        writer.write(&[entry(message("bob", 2, "bob"), 1)]).unwrap();
        writer.write(&[Row::Refused { client_id: client_id(3) }]).unwrap();
        assert_eq!(reader.outbox().unwrap(), [pending(2, "bob")]);
    }
}

#[test]
fn a_conversation_that_a_window_left_out_counts_its_unread_from_its_first_entry_on() {
    // I20: of ten messages eight were read elsewhere, one of them an own one.
    for mut backend in Backend::all() {
        let Open { mut writer, mut reader, .. } = backend.open();
        let mark = |seq, own_count| ReadMark { seq, own_count };
        writer.write(&[entry_after(message("bob", 10, "bob"), 1, mark(8, 1))]).unwrap();
        let view = reader.conversation(&with("bob")).unwrap().unwrap();
        assert_eq!((view.unread(), view.read_seq), (2, 8));
        // An older mark, from an entry that was placed before a read was told, takes nothing back.
        writer.write(&[entry_after(message("bob", 9, "bob"), 1, mark(3, 0))]).unwrap();
        assert_eq!(reader.conversation(&with("bob")).unwrap().unwrap().unread(), 2);
    }
}

#[test]
fn an_accepted_message_stands_in_history_before_the_log_brings_it() {
    for mut backend in Backend::all() {
        let Open { mut writer, mut reader, .. } = backend.open();
        writer.write(&[Row::Queue(pending(1, "bob"))]).unwrap();
        let accepted = Row::Accepted { client_id: client_id(1), seq: 4, time: WallTime(77) };
        writer.write(&[accepted.clone(), accepted]).unwrap();
        let history = reader.history(&with("bob"), 0, 1).unwrap();
        assert_eq!(history.messages.len(), 1);
        assert_eq!((history.messages[0].seq, &history.messages[0].from), (4, &alice()));
        assert!(reader.outbox().unwrap().is_empty());
        assert_eq!(reader.conversation(&with("bob")).unwrap(), None, "the counts are the log's");
    }
}

#[test]
fn the_largest_numbers_break_nothing() {
    for mut backend in Backend::all() {
        let Open { mut writer, mut reader, .. } = backend.open();
        let mut last = message("bob", u64::MAX, "bob");
        last.time = WallTime(u64::MAX);
        writer.write(&[entry(last, u64::MAX)]).unwrap();
        assert!(reader.conversation(&with("bob")).unwrap().is_some());
        reader.history(&with("bob"), u64::MAX, u32::MAX).unwrap();
        reader.history(&with("bob"), 0, 0).unwrap();
        assert_eq!(reader.conversations(None, u32::MAX).unwrap().len(), 1);
    }
}

/// What the rows mean, written down as plainly as possible.
#[derive(Default)]
struct Model {
    messages: BTreeMap<(ConversationId, u64), Message>,
    head: BTreeMap<ConversationId, (u64, u64)>,
    read: BTreeMap<ConversationId, (u64, u64)>,
    time: BTreeMap<ConversationId, WallTime>,
    outbox: Vec<PendingMessage>,
    cursor: Option<Cursor>,
}

impl Model {
    fn apply(&mut self, row: &Row) {
        match row {
            Row::Entry(LogEntry::Message { message, own_count, read }) => {
                self.put(message);
                self.grow(&message.conversation, message.seq, *own_count);
                forward(&mut self.read, &message.conversation, read.seq, read.own_count);
            }
            Row::Entry(LogEntry::Read { conversation, seq, own_count }) => {
                forward(&mut self.read, conversation, *seq, *own_count);
            }
            Row::Entry(LogEntry::Unknown) => {}
            Row::Window(window) => {
                for fresh in window {
                    fresh.messages.iter().for_each(|message| self.put(message));
                    self.grow(&fresh.id, fresh.head, fresh.own_count);
                    forward(&mut self.read, &fresh.id, fresh.read_seq, fresh.read_own_count);
                }
            }
            Row::Messages(messages) => {
                for message in messages {
                    self.keep(message.clone());
                }
            }
            Row::Cursor(cursor) => self.cursor = Some(*cursor),
            Row::Queue(pending) => {
                self.outbox.retain(|other| other.client_id != pending.client_id);
                self.outbox.push(pending.clone());
            }
            Row::Accepted { client_id, seq, time } => {
                let at = self.outbox.iter().position(|p| p.client_id == *client_id);
                if let Some(at) = at {
                    let PendingMessage { client_id, conversation, content, .. } =
                        self.outbox.remove(at);
                    let (seq, time, from) = (*seq, *time, alice());
                    self.keep(Message { conversation, seq, from, client_id, time, content });
                }
            }
            Row::Refused { client_id } => self.outbox.retain(|p| p.client_id != *client_id),
        }
    }

    fn put(&mut self, message: &Message) {
        if message.from == alice() {
            self.outbox.retain(|pending| pending.client_id != message.client_id);
        }
        self.messages.insert((message.conversation.clone(), message.seq), message.clone());
    }

    fn keep(&mut self, message: Message) {
        let conversation = message.conversation.clone();
        self.messages.entry((conversation.clone(), message.seq)).or_insert(message);
        self.date(&conversation);
    }

    fn grow(&mut self, conversation: &ConversationId, head: u64, own_count: u64) {
        forward(&mut self.head, conversation, head, own_count);
        self.date(conversation);
    }

    fn date(&mut self, conversation: &ConversationId) {
        let head = self.head.get(conversation).map_or(0, |(head, _)| *head);
        if let Some(last) = self.messages.get(&(conversation.clone(), head)) {
            self.time.insert(conversation.clone(), last.time);
        }
    }

    fn check(&self, store: &mut Open) {
        let reader = &mut store.reader;
        assert_eq!(reader.outbox().unwrap(), self.outbox);
        let mut expected: Vec<_> = self
            .head
            .iter()
            .filter(|(_, (head, _))| *head > 0)
            .map(|(id, _)| (self.time.get(id).copied().unwrap_or_default(), id.clone()))
            .collect();
        expected.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let views = reader.conversations(None, 100).unwrap();
        assert_eq!(views.iter().map(|v| (v.time, v.id.clone())).collect::<Vec<_>>(), expected);
        for view in views {
            let (head, own_count) = self.head[&view.id];
            let (read_seq, read_own) = self.read.get(&view.id).copied().unwrap_or_default();
            assert_eq!((view.head, view.own_count), (head, own_count));
            assert_eq!((view.read_seq, view.read_own_count), (read_seq, read_own));
            assert_eq!(view.unread(), unread(head, own_count, read_seq, read_own));
            assert_eq!(view.last.as_ref(), self.messages.get(&(view.id.clone(), head)));
            assert_eq!(reader.conversation(&view.id).unwrap().as_ref(), Some(&view));
        }
        for peer in PEERS {
            for (before, limit) in [(0, 100), (0, 3), (5, 2), (9, 100), (1, 1), (3, 0)] {
                self.check_history(store, &with(peer), before, limit);
            }
        }
    }

    fn check_history(&self, store: &mut Open, id: &ConversationId, before: u64, limit: u32) {
        let history = store.reader.history(id, before, limit).unwrap();
        let below = self
            .messages
            .range((id.clone(), 0)..(id.clone(), if before == 0 { u64::MAX } else { before }));
        let mut expected: Vec<_> =
            below.rev().take(limit as usize).map(|(_, m)| m.clone()).collect();
        expected.reverse();
        assert_eq!(history.messages, expected);
        let head = self.head.get(id).map_or(0, |(head, _)| *head);
        let top = if before == 0 {
            head.max(expected.last().map_or(0, |message| message.seq))
        } else {
            before - 1
        };
        let mut piece = (1..=top).rev().take(limit as usize);
        let whole = piece.all(|seq| self.messages.contains_key(&(id.clone(), seq)));
        let known = self.head.contains_key(id)
            || self.read.contains_key(id)
            || self.messages.keys().any(|(conversation, _)| conversation == id);
        assert_eq!(history.gap == Gap::None, whole && known, "{id} {before} {limit}");
    }
}

fn forward(
    counts: &mut BTreeMap<ConversationId, (u64, u64)>,
    id: &ConversationId,
    at: u64,
    own_count: u64,
) {
    let count = counts.entry(id.clone()).or_default();
    if at >= count.0 {
        *count = (at, own_count);
    }
}

const PEERS: [&str; 3] = ["bob", "carol", "dave"];

fn peers() -> impl Strategy<Value = &'static str> {
    prop::sample::select(PEERS.as_slice())
}

fn messages() -> impl Strategy<Value = Message> {
    (peers(), 1_u64..10, any::<bool>(), 0_u64..6, 0_u64..4).prop_map(
        |(peer, seq, own, id, time)| {
            let mut message = message(peer, seq, if own { "alice" } else { peer });
            message.client_id = client_id(id);
            message.time = WallTime(time);
            message
        },
    )
}

fn rows() -> impl Strategy<Value = Row> {
    let window = (
        peers(),
        0_u64..12,
        0_u64..5,
        0_u64..12,
        0_u64..5,
        prop::collection::vec(messages(), 0..3),
    )
        .prop_map(|(peer, head, own_count, read_seq, read_own_count, mut messages)| {
            messages.iter_mut().for_each(|message| message.conversation = with(peer));
            Conversation { id: with(peer), head, own_count, read_seq, read_own_count, messages }
        });
    prop_oneof![
        4 => (messages(), 0_u64..5, 0_u64..10, 0_u64..5).prop_map(|(message, own, seq, read)| {
            entry_after(message, own, ReadMark { seq, own_count: read })
        }),
        2 => (peers(), 0_u64..12, 0_u64..5).prop_map(|(peer, seq, own_count)| {
            Row::Entry(LogEntry::Read { conversation: with(peer), seq, own_count })
        }),
        1 => Just(Row::Entry(LogEntry::Unknown)),
        2 => prop::collection::vec(window, 0..3).prop_map(Row::Window),
        2 => prop::collection::vec(messages(), 0..4).prop_map(Row::Messages),
        1 => (any::<u64>(), any::<u64>())
            .prop_map(|(log_epoch, offset)| Row::Cursor(Cursor { log_epoch, offset })),
        3 => (0_u64..6, peers()).prop_map(|(number, peer)| Row::Queue(pending(number, peer))),
        2 => (0_u64..6, 1_u64..12, 0_u64..4).prop_map(|(id, seq, time)| {
            Row::Accepted { client_id: client_id(id), seq, time: WallTime(time) }
        }),
        1 => (0_u64..6).prop_map(|id| Row::Refused { client_id: client_id(id) }),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<Row>),
    WriteTogether(Vec<Vec<Row>>),
    Reopen,
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(rows(), 0..6).prop_map(Step::Write),
        1 => prop::collection::vec(prop::collection::vec(rows(), 0..3), 0..4)
            .prop_map(Step::WriteTogether),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_backend_does_what_the_rows_mean(steps in prop::collection::vec(steps(), 1..12)) {
        for mut backend in Backend::all() {
            let mut model = Model::default();
            let mut store = backend.open();
            for step in &steps {
                match step {
                    Step::Write(rows) => {
                        store.writer.write(rows).unwrap();
                        rows.iter().for_each(|row| model.apply(row));
                    }
                    Step::WriteTogether(batches) => {
                        let all: Vec<&[Row]> = batches.iter().map(Vec::as_slice).collect();
                        store.writer.write_all(&all).unwrap();
                        batches.iter().flatten().for_each(|row| model.apply(row));
                    }
                    Step::Reopen => {
                        drop(store);
                        store = backend.open();
                        assert_eq!(store.opened.cursor, model.cursor);
                        assert_eq!(store.opened.outbox, model.outbox);
                        assert_eq!(store.opened.reset, None);
                    }
                }
                model.check(&mut store);
            }
        }
    }
}
