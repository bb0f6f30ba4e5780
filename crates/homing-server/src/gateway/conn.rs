//! A connection as the rest of the server sees it: a mailbox with a bound.
//!
//! The writer's thread puts in, the connection's task takes out. An empty mailbox has nothing on the
//! heap.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::Bytes;
use homing_core::server::session::Input;
use homing_proto::frame::{Response, SyncBody};
use homing_proto::id::AppId;
use homing_proto::limits;
use homing_proto::message::{LogEntry, Message};
use homing_proto::time::WallTime;

use crate::store::UserKey;

/// One connection.
pub(super) struct Conn {
    /// Its number within this run of the server.
    pub(super) number: u32,
    /// The app that its Hello named; 0 before.
    app: AtomicU32,
    /// The head of the user's log as far as it was put into the mailbox.
    head: AtomicU64,
    mailbox: Mutex<Mailbox>,
}

/// What the task takes out.
pub(super) enum Mail {
    /// A whole WebSocket frame, ready to be written.
    Frame(Bytes),
    /// Something for the session machine.
    Input(Input),
    /// The app was deleted at that moment.
    AppDeleted(WallTime),
}

/// What holds for the connection besides its mail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Order {
    /// Go on.
    GoOn,
    /// The mailbox was full; what was in it is gone (W-7).
    CutOff,
    /// End at once: the server's time to stop is up.
    Die,
}

struct Mailbox {
    queue: VecDeque<Mail>,
    /// What lies in the queue, in bytes of the wire, roughly.
    bytes: usize,
    waker: Option<Waker>,
    user: Option<UserKey>,
    order: Order,
    is_woken: bool,
    is_gone: bool,
}

impl Conn {
    pub(super) fn new(number: u32) -> Self {
        let mailbox = Mailbox {
            queue: VecDeque::new(),
            bytes: 0,
            waker: None,
            user: None,
            order: Order::GoOn,
            is_woken: false,
            is_gone: false,
        };
        let (app, head) = (AtomicU32::new(0), AtomicU64::new(0));
        Self { number, app, head, mailbox: Mutex::new(mailbox) }
    }

    /// Its Hello names that app. Called before anything is asked of the store for it, so that whoever
    /// deletes the app later finds it.
    pub(super) fn enter_app(&self, app: AppId) {
        self.app.store(app.get(), Ordering::Release);
    }

    /// Whether its Hello named that app.
    pub(super) fn is_of_app(&self, app: AppId) -> bool {
        self.app.load(Ordering::Acquire) == app.get()
    }

    /// The head of the user's log, for pings (W-4).
    pub(super) fn head(&self) -> u64 {
        self.head.load(Ordering::Relaxed)
    }

    /// Takes note of an entry that is put into the mailbox.
    pub(super) fn move_head(&self, offset: u64) {
        self.head.store(offset, Ordering::Relaxed);
    }

    /// Puts something in and wakes the task. What does not fit cuts the connection off: it is not
    /// told less than it thinks, it is told nothing more (W-7).
    pub(super) fn put(&self, mail: Mail) {
        let mut mailbox = self.lock();
        if mailbox.is_gone || mailbox.order != Order::GoOn {
            return;
        }
        let bytes = mail.weight();
        if mailbox.bytes + bytes > limits::OUTBOUND_BYTES {
            mailbox.queue = VecDeque::new();
            mailbox.bytes = 0;
            mailbox.order = Order::CutOff;
        } else {
            mailbox.bytes += bytes;
            mailbox.queue.push_back(mail);
        }
        mailbox.wake();
    }

    /// Takes the next thing out, oldest first.
    pub(super) fn take(&self) -> Option<Mail> {
        let mut mailbox = self.lock();
        let mail = mailbox.queue.pop_front()?;
        mailbox.bytes -= mail.weight();
        if mailbox.queue.is_empty() {
            mailbox.queue = VecDeque::new();
        }
        Some(mail)
    }

    /// The task looks: what comes from here on wakes it.
    pub(super) fn listen(&self, waker: &Waker) -> Order {
        let mut mailbox = self.lock();
        mailbox.is_woken = false;
        if !mailbox.waker.as_ref().is_some_and(|known| known.will_wake(waker)) {
            mailbox.waker = Some(waker.clone());
        }
        mailbox.order
    }

    /// Has the task look at the clock and its mailbox.
    pub(super) fn wake(&self) {
        self.lock().wake();
    }

    /// Has the task end.
    pub(super) fn kill(&self) {
        let mut mailbox = self.lock();
        mailbox.order = Order::Die;
        mailbox.wake();
    }

    /// The store has put a session of this user on it; `false` when the connection is gone.
    pub(super) fn bind(&self, user: UserKey) -> bool {
        let mut mailbox = self.lock();
        if mailbox.is_gone {
            return false;
        }
        mailbox.user = Some(user);
        true
    }

    /// Whether it is gone: nobody is there to be signed in.
    pub(super) fn is_gone(&self) -> bool {
        self.lock().is_gone
    }

    /// Whose session is on it.
    pub(super) fn user(&self) -> Option<UserKey> {
        self.lock().user
    }

    /// The connection is gone: whose session was on it. From here on nothing is put in.
    pub(super) fn leave(&self) -> Option<UserKey> {
        let mut mailbox = self.lock();
        mailbox.is_gone = true;
        mailbox.queue = VecDeque::new();
        mailbox.bytes = 0;
        mailbox.user.take()
    }

    fn lock(&self) -> MutexGuard<'_, Mailbox> {
        self.mailbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mailbox {
    fn wake(&mut self) {
        if !self.is_woken
            && let Some(waker) = &self.waker
        {
            self.is_woken = true;
            waker.wake_by_ref();
        }
    }
}

impl Mail {
    fn weight(&self) -> usize {
        match self {
            Self::Frame(frame) => frame.len(),
            Self::Input(Input::Answered { body: Ok(response), .. }) => weight(response),
            Self::Input(Input::Bound(welcome)) => {
                ITEM_BYTES + page(&welcome.sync.body) + welcome.devices.len() * ITEM_BYTES
            }
            Self::Input(_) | Self::AppDeleted(_) => ITEM_BYTES,
        }
    }
}

fn weight(response: &Response) -> usize {
    ITEM_BYTES
        + match response {
            Response::Sync(sync) => page(&sync.body),
            Response::History(messages) => messages.iter().map(message).sum(),
            Response::Devices(devices) => devices.len() * ITEM_BYTES,
            Response::Presence(users) => users.len() * ITEM_BYTES,
            Response::Done
            | Response::Sent { .. }
            | Response::Renewed { .. }
            | Response::Unknown => 0,
        }
}

fn page(body: &SyncBody) -> usize {
    match body {
        SyncBody::Entries { entries, .. } => entries.iter().map(entry).sum(),
        SyncBody::TooLong(conversations) => conversations
            .iter()
            .map(|conversation| {
                ITEM_BYTES + conversation.messages.iter().map(message).sum::<usize>()
            })
            .sum(),
    }
}

fn entry(entry: &LogEntry) -> usize {
    match entry {
        LogEntry::Message { message: sent, .. } => message(sent),
        LogEntry::Read { .. } | LogEntry::Unknown => ITEM_BYTES,
    }
}

fn message(message: &Message) -> usize {
    ITEM_BYTES + message.content.0.len()
}

/// What a small thing takes, in the mailbox as on the wire.
const ITEM_BYTES: usize = 128;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn frame(bytes: usize) -> Mail {
        Mail::Frame(vec![0; bytes].into())
    }

    #[test]
    fn an_empty_mailbox_has_nothing_on_the_heap() {
        let conn = Conn::new(1);
        conn.put(frame(10));
        conn.put(frame(10));
        while conn.take().is_some() {}
        let mailbox = conn.lock();
        assert_eq!((mailbox.bytes, mailbox.queue.capacity()), (0, 0));
    }

    #[test]
    fn any_amount_of_mail_wakes_once_until_it_is_looked_at() {
        let conn = Conn::new(1);
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        for expected in 1..3 {
            conn.listen(&waker);
            conn.put(frame(1));
            conn.put(frame(1));
            conn.wake();
            assert_eq!(wakes.0.load(Ordering::Relaxed), expected);
        }
    }

    #[test]
    fn mail_over_the_bound_cuts_off_and_frees_what_waited() {
        let conn = Conn::new(1);
        conn.put(frame(limits::OUTBOUND_BYTES));
        assert_eq!(conn.listen(Waker::noop()), Order::GoOn);
        conn.put(frame(1));
        assert_eq!(conn.listen(Waker::noop()), Order::CutOff);
        assert!(conn.take().is_none());
        conn.put(frame(1));
        assert!(conn.take().is_none());
    }

    #[test]
    fn a_connection_that_is_gone_takes_no_session_and_no_mail() {
        let conn = Conn::new(1);
        assert!(conn.bind(UserKey(5)));
        assert_eq!(conn.leave(), Some(UserKey(5)));
        assert_eq!(conn.leave(), None);
        assert!(!conn.bind(UserKey(5)));
        conn.put(frame(1));
        assert!(conn.take().is_none());
    }
}
