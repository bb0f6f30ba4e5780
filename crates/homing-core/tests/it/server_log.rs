//! Conversations, user logs and pages (D-1, D-2, D-3, I20, I22).

use homing_core::server::log::{
    Direct, LogExtent, NewMessage, Page, PageBudget, Pair, Placed, ReadMark, Side, message_entry,
    page, read_entry,
};
use homing_proto::id::{ClientMsgId, ConversationId, Cursor, UserId};
use homing_proto::limits;
use homing_proto::message::{Content, LogEntry, unread};
use homing_proto::time::WallTime;
use proptest::prelude::*;

proptest! {
    /// Each step is a message of a member, or a member reading some part of what is there.
    #[test]
    fn counts_agree_with_counting_the_messages(
        steps in proptest::collection::vec((any::<bool>(), proptest::option::of(0..=30_u64)), 0..60),
    ) {
        let mut direct = Direct::default();
        let mut rows: Vec<(Side, Placed)> = Vec::new();
        let mut read = [0_u64; 2];
        for (low, reads) in steps {
            let who = if low { Side::Low } else { Side::High };
            let Some(seq) = reads else {
                let placed = direct.append(who);
                rows.push((who, placed));
                prop_assert_eq!(placed.seq, rows.len() as u64);
                continue;
            };
            let seq = seq.min(direct.head);
            let Some(row) = rows.get((seq as usize).wrapping_sub(1)) else { continue };
            let moved = direct.mark_read(who, row.1).is_some();
            prop_assert_eq!(moved, seq > read[who as usize]);
            read[who as usize] = read[who as usize].max(seq);
        }
        for (who, read) in [(Side::Low, read[0]), (Side::High, read[1])] {
            let mark = direct.read(who);
            let after = &rows[read as usize..];
            let strangers = after.iter().filter(|row| row.0 != who).count() as u64;
            prop_assert_eq!(mark.seq, read);
            let last = direct.last();
            let counted = unread(last.seq, last.own_count(who), mark.seq, mark.own_count);
            prop_assert_eq!(counted, strangers);
        }
    }

    #[test]
    fn a_page_begins_right_after_the_cursor_and_never_passes_the_head(
        offset in 0..12_000_u64,
        head in 0..12_000_u64,
        first in 1..4_000_u64,
        same_log in any::<bool>(),
    ) {
        let log = LogExtent { log_epoch: 7, first, head };
        let cursor = Cursor { log_epoch: if same_log { 7 } else { 8 }, offset };
        match page(Some(cursor), log) {
            Page::Entries { first: from, last } => {
                prop_assert!(same_log && offset <= head && head - offset <= limits::SYNC_BEHIND);
                prop_assert_eq!(from, offset + 1);
                prop_assert!(from >= first);
                prop_assert!(last <= head && last - offset <= limits::SYNC_ENTRIES as u64);
                prop_assert_eq!(from > last, offset == head);
            }
            Page::TooLong => prop_assert!(
                !same_log || offset > head || head - offset > limits::SYNC_BEHIND || offset + 1 < first
            ),
        }
    }
}

#[test]
fn a_cursor_that_was_never_given_out_gets_a_window() {
    let log = LogExtent { log_epoch: 7, first: 1, head: 10 };
    let at = |log_epoch, offset| Some(Cursor { log_epoch, offset });
    assert_eq!(page(None, log), Page::TooLong);
    assert_eq!(page(at(6, 3), log), Page::TooLong);
    assert_eq!(page(at(7, 11), log), Page::TooLong);
    assert_eq!(page(at(7, u64::MAX), log), Page::TooLong);
    assert_eq!(page(at(7, 3), log), Page::Entries { first: 4, last: 10 });
    assert_eq!(page(at(7, 10), log), Page::Entries { first: 11, last: 10 });
}

#[test]
fn a_cursor_whose_next_entry_was_dropped_gets_a_window() {
    let log = LogExtent { log_epoch: 7, first: 5, head: 10 };
    let at = |offset| page(Some(Cursor { log_epoch: 7, offset }), log);
    assert_eq!(at(3), Page::TooLong);
    assert_eq!(at(4), Page::Entries { first: 5, last: 10 });
}

#[test]
fn a_page_holds_half_a_frame_of_entries_and_the_first_one_whatever_its_size() {
    let mut budget = PageBudget::default();
    assert!(budget.take(limits::SYNC_BYTES * 2));
    assert!(!budget.take(1));
    let mut budget = PageBudget::default();
    assert!(budget.take(limits::SYNC_BYTES - 1));
    assert!(budget.take(1));
    assert!(!budget.take(1));
}

#[test]
fn each_member_sees_the_conversation_under_the_name_of_the_other() {
    let pair = Pair::of(user("bob"), user("alice"));
    assert_eq!(pair, Pair::of(user("alice"), user("bob")));
    let (alice, bob) = (pair.side(&user("alice")).unwrap(), pair.side(&user("bob")).unwrap());
    assert_eq!(pair.side(&user("carol")), None);
    let content = Content::text("hi");
    let new = NewMessage {
        from: bob,
        client_id: ClientMsgId([1; 16]),
        time: WallTime(5),
        content: &content,
    };
    let placed = Direct::default().append(bob);
    let read = ReadMark { seq: 1, own_count: 0 };
    let seen = |owner| match message_entry(&pair, owner, placed, read, new) {
        LogEntry::Message { message, own_count, read: told } if told == read => {
            (message, own_count)
        }
        other => panic!("{other:?}"),
    };
    let (at_alice, at_bob) = (seen(alice), seen(bob));
    assert_eq!(at_alice.0.conversation, ConversationId::Direct(user("bob")));
    assert_eq!(at_bob.0.conversation, ConversationId::Direct(user("alice")));
    assert_eq!((at_alice.0.seq, at_alice.1, at_bob.1), (1, 0, 1));
    assert_eq!((&at_alice.0.from, &at_bob.0.from), (&user("bob"), &user("bob")));
}

#[test]
fn a_conversation_with_oneself_has_one_side_and_nothing_unread() {
    let pair = Pair::of(user("alice"), user("alice"));
    assert_eq!(pair.sides(), [Side::Low]);
    assert_eq!(pair.side(&user("alice")), Some(Side::Low));
    assert_eq!(pair.conversation(Side::Low), ConversationId::Direct(user("alice")));
    let mut direct = Direct::default();
    direct.append(Side::Low);
    let last = direct.append(Side::Low);
    assert_eq!(unread(direct.head, last.own_count(Side::Low), 0, 0), 0);
}

#[test]
fn a_read_cursor_goes_forward_only_and_its_entry_is_for_its_owner() {
    let mut direct = Direct::default();
    let first = direct.append(Side::Low);
    let second = direct.append(Side::High);
    let mark = direct.mark_read(Side::High, second).unwrap();
    assert_eq!((mark.seq, mark.own_count), (2, 1));
    assert_eq!(direct.mark_read(Side::High, second), None);
    assert_eq!(direct.mark_read(Side::High, first), None);
    assert_eq!(direct.mark_read(Side::High, Placed { seq: 3, low_count: 1 }), None);
    let pair = Pair::of(user("alice"), user("bob"));
    assert_eq!(
        read_entry(&pair, Side::High, mark),
        LogEntry::Read {
            conversation: ConversationId::Direct(user("alice")),
            seq: 2,
            own_count: 1
        }
    );
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}
