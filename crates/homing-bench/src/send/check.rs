//! Nothing lost, nothing doubled, nothing out of order: what one user's entries must add up to.

use homing_proto::id::{ClientMsgId, ConversationId};
use homing_proto::message::LogEntry;

use crate::crowd;

/// What one user has got, and what was promised to it.
pub(super) struct Inbox {
    /// The last offset of the user's log.
    offset: u64,
    entries: usize,
    /// For each peer, the last seq of the conversation with it.
    seqs: Vec<u64>,
    /// The last own message that was pushed, and the last that was acknowledged: each must have the
    /// other.
    pushed: Option<Own>,
    acknowledged: Option<Own>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Own {
    peer: usize,
    client_id: ClientMsgId,
    seq: u64,
}

/// What must never be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// The log went on at another place than the next.
    Offset { user: usize, expected: u64, got: u64 },
    /// A conversation went on at another seq than the next.
    Seq { user: usize, peer: usize, expected: u64, got: u64 },
    /// An entry that nobody wrote.
    Stray { user: usize },
    /// An own message was pushed with another seq than it was acknowledged with, or not at all.
    Acknowledged { pushed: String, acknowledged: String },
    /// So many entries did not come.
    Lost { user: usize, count: usize },
}

impl Inbox {
    /// For a user among so many whose log has that head.
    pub(super) fn new(users: usize, head: u64) -> Self {
        Self { offset: head, entries: 0, seqs: vec![0; users], pushed: None, acknowledged: None }
    }

    /// Entries so far.
    pub(super) const fn entries(&self) -> usize {
        self.entries
    }

    /// An entry was pushed to `owner`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn entry(
        &mut self,
        owner: usize,
        offset: u64,
        entry: &LogEntry,
    ) -> Result<(), Wrong> {
        if offset != self.offset + 1 {
            return Err(Wrong::Offset { user: owner, expected: self.offset + 1, got: offset });
        }
        self.offset = offset;
        self.entries += 1;
        let LogEntry::Message { message, .. } = entry else {
            return Err(Wrong::Stray { user: owner });
        };
        let ConversationId::Direct(peer) = &message.conversation;
        let stray = Wrong::Stray { user: owner };
        let Some(peer) = crowd::number(peer).filter(|peer| *peer < self.seqs.len()) else {
            return Err(stray);
        };
        let last = &mut self.seqs[peer];
        if message.seq != *last + 1 {
            return Err(Wrong::Seq { user: owner, peer, expected: *last + 1, got: message.seq });
        }
        *last = message.seq;
        if crowd::number(&message.from) == Some(owner) {
            let own = Own { peer, client_id: message.client_id, seq: message.seq };
            let before = self.pushed.replace(own);
            return before
                .map_or_else(|| self.settle(), |before| Err(unpaired(Some(before), None)));
        }
        Ok(())
    }

    /// The server has taken an own message.
    ///
    /// # Errors
    /// When it was pushed otherwise, or the one before it not at all.
    pub(super) fn acknowledged(
        &mut self,
        peer: usize,
        client_id: ClientMsgId,
        seq: u64,
    ) -> Result<(), Wrong> {
        let before = self.acknowledged.replace(Own { peer, client_id, seq });
        before.map_or_else(|| self.settle(), |before| Err(unpaired(None, Some(before))))
    }

    /// All has come.
    ///
    /// # Errors
    /// When the last own message was pushed and not acknowledged, or the other way round.
    pub(super) fn finish(&self) -> Result<(), Wrong> {
        match (self.pushed, self.acknowledged) {
            (None, None) => Ok(()),
            (pushed, acknowledged) => Err(unpaired(pushed, acknowledged)),
        }
    }

    /// Compares a message as it was pushed and as it was acknowledged, whichever came first.
    fn settle(&mut self) -> Result<(), Wrong> {
        if self.pushed.is_none() || self.acknowledged.is_none() {
            return Ok(());
        }
        let (pushed, acknowledged) = (self.pushed.take(), self.acknowledged.take());
        if pushed == acknowledged { Ok(()) } else { Err(unpaired(pushed, acknowledged)) }
    }
}

fn unpaired(pushed: Option<Own>, acknowledged: Option<Own>) -> Wrong {
    Wrong::Acknowledged { pushed: format!("{pushed:?}"), acknowledged: format!("{acknowledged:?}") }
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WRONG: {self:?}")
    }
}

impl std::error::Error for Wrong {}

#[cfg(test)]
mod tests {
    use homing_proto::message::{Content, Message, ReadMark};
    use homing_proto::time::WallTime;

    use super::*;

    /// An entry of user 0's conversation with user 1.
    fn entry(from: usize, seq: u64) -> LogEntry {
        let message = Message {
            conversation: ConversationId::Direct(crowd::user(1)),
            seq,
            from: crowd::user(from),
            client_id: ClientMsgId([seq as u8; 16]),
            time: WallTime(0),
            content: Content::text("x"),
        };
        LogEntry::Message { message, own_count: 0, read: ReadMark::default() }
    }

    #[test]
    fn a_whole_log_is_right_whether_push_or_answer_comes_first() {
        let mut inbox = Inbox::new(2, 10);
        inbox.entry(0, 11, &entry(1, 1)).unwrap();
        inbox.entry(0, 12, &entry(0, 2)).unwrap();
        inbox.acknowledged(1, ClientMsgId([2; 16]), 2).unwrap();
        inbox.acknowledged(1, ClientMsgId([3; 16]), 3).unwrap();
        inbox.entry(0, 13, &entry(0, 3)).unwrap();
        assert_eq!((inbox.finish(), inbox.entries()), (Ok(()), 3));
    }

    #[test]
    fn a_hole_or_a_repetition_in_the_log_is_wrong() {
        for offset in [0, 2] {
            let wrong = Inbox::new(2, 0).entry(0, offset, &entry(1, 1));
            assert_eq!(wrong, Err(Wrong::Offset { user: 0, expected: 1, got: offset }));
        }
    }

    #[test]
    fn a_hole_or_a_repetition_in_a_conversation_is_wrong() {
        for seq in [1, 3] {
            let mut inbox = Inbox::new(2, 0);
            inbox.entry(0, 1, &entry(1, 1)).unwrap();
            let wrong = inbox.entry(0, 2, &entry(1, seq));
            assert_eq!(wrong, Err(Wrong::Seq { user: 0, peer: 1, expected: 2, got: seq }));
        }
    }

    #[test]
    fn a_message_that_is_acknowledged_and_not_pushed_is_wrong() {
        let mut inbox = Inbox::new(2, 0);
        inbox.acknowledged(1, ClientMsgId([1; 16]), 1).unwrap();
        assert!(inbox.finish().is_err());
        assert!(inbox.acknowledged(1, ClientMsgId([2; 16]), 2).is_err());
    }

    #[test]
    fn a_message_that_is_pushed_with_another_seq_than_acknowledged_is_wrong() {
        let mut inbox = Inbox::new(2, 0);
        inbox.entry(0, 1, &entry(0, 1)).unwrap();
        assert!(inbox.acknowledged(1, ClientMsgId([1; 16]), 2).is_err());
    }
}
