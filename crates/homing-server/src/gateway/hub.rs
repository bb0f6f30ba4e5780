//! Who is connected: from connection numbers and users to mailboxes. The store's answers come here.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use homing_core::server::registry::ConnId;
use homing_core::server::session::Input;
use homing_proto::Error;
use homing_proto::codec;
use homing_proto::device::{DeviceInfo, KickRecord};
use homing_proto::frame::{Refuse, Response, ServerFrame, Welcome};
use homing_proto::id::{AppId, SessionId};
use homing_proto::message::LogEntry;
use homing_proto::time::WallTime;

use super::conn::{Conn, Mail};
use crate::metrics::Metrics;
use crate::store::{Deliver, UserKey};
use crate::ws::frame;

/// All connections of this run.
pub(crate) struct Hub {
    conns: Shards<u32, Arc<Conn>>,
    users: Shards<UserKey, Peers>,
    next: AtomicU32,
    /// Sessions that the store put on connections that were gone by then.
    orphans: Mutex<Vec<(UserKey, ConnId)>>,
    metrics: Arc<Metrics>,
}

/// The connections of one user; nearly always one.
enum Peers {
    One(Arc<Conn>),
    Many(Box<[Arc<Conn>]>),
}

impl Hub {
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            conns: Shards::new(),
            users: Shards::new(),
            next: AtomicU32::new(1),
            orphans: Mutex::default(),
            metrics,
        }
    }

    pub(crate) const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// A new connection with a number that no other has.
    pub(super) fn enter(&self) -> Arc<Conn> {
        loop {
            // After four billion connections the numbers begin anew, and some are still in use.
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if let Entry::Vacant(place) = self.conns.of(&number).entry(number) {
                return Arc::clone(place.insert(Arc::new(Conn::new(number))));
            }
        }
    }

    /// A connection takes part no more, though its socket may still be open; whose session the
    /// store has to take off it.
    pub(super) fn leave(&self, conn: &Arc<Conn>) -> Option<UserKey> {
        let user = conn.leave()?;
        self.remove_peer(user, conn);
        self.metrics.sessions.add(-1);
        Some(user)
    }

    /// A connection that has left is gone altogether.
    pub(super) fn remove(&self, conn: &Conn) {
        self.conns.of(&conn.number).remove(&conn.number);
    }

    /// Wakes a connection whose time has come.
    pub(super) fn wake(&self, number: u32) {
        if let Some(conn) = self.conn(number) {
            conn.wake();
        }
    }

    /// Gives every connection the same input.
    pub(super) fn tell_all(&self, input: &Input) {
        self.each(|conn| conn.put(Mail::Input(input.clone())));
    }

    /// Ends every connection.
    pub(super) fn kill_all(&self) {
        self.each(Conn::kill);
    }

    /// The sessions to be detached that nobody else will detach.
    pub(super) fn take_orphans(&self) -> Vec<(UserKey, ConnId)> {
        std::mem::take(&mut *lock(&self.orphans))
    }

    /// Users with a connection.
    pub(crate) fn users(&self) -> usize {
        self.users.len()
    }

    fn each(&self, act: impl Fn(&Conn)) {
        self.each_of(|_| true, act);
    }

    fn each_of(&self, is_meant: impl Fn(&Conn) -> bool, act: impl Fn(&Conn)) {
        for shard in &self.conns.0 {
            let meant = |conn: &&Arc<Conn>| is_meant(conn);
            let conns: Vec<_> = lock(shard).values().filter(meant).cloned().collect();
            conns.iter().for_each(|conn| act(conn));
        }
    }

    fn conn(&self, number: u32) -> Option<Arc<Conn>> {
        self.conns.of(&number).get(&number).cloned()
    }

    fn input(&self, conn: ConnId, input: Input) {
        if let Some(conn) = self.conn(conn.number) {
            conn.put(Mail::Input(input));
        }
    }

    /// Puts one frame, encoded once, into the mailboxes of all connections of a user.
    fn fan_out(&self, user: UserKey, frame: &ServerFrame, and: impl Fn(&Conn)) {
        let mut shard = self.users.of(&user);
        let Some(peers) = shard.get_mut(&user) else { return };
        let frame = frame::binary(&codec::encode_server(frame));
        for conn in peers.iter() {
            and(conn);
            conn.put(Mail::Frame(frame.clone()));
        }
    }

    fn add_peer(&self, user: UserKey, conn: Arc<Conn>) {
        match self.users.of(&user).entry(user) {
            Entry::Vacant(place) => {
                place.insert(Peers::One(conn));
            }
            Entry::Occupied(mut place) => {
                let all = place.get().iter().cloned().chain([conn]).collect();
                place.insert(Peers::Many(all));
            }
        }
    }

    fn remove_peer(&self, user: UserKey, conn: &Arc<Conn>) {
        let mut shard = self.users.of(&user);
        let Some(peers) = shard.get_mut(&user) else { return };
        let mut rest: Vec<_> =
            peers.iter().filter(|peer| !Arc::ptr_eq(peer, conn)).cloned().collect();
        match (rest.pop(), rest.is_empty()) {
            (None, _) => {
                shard.remove(&user);
            }
            (Some(last), true) => *peers = Peers::One(last),
            (Some(last), false) => *peers = Peers::Many(rest.into_iter().chain([last]).collect()),
        }
    }
}

impl Deliver for Hub {
    fn bound(&self, id: ConnId, user: UserKey, welcome: Box<Welcome>) {
        let conn = self.conn(id.number);
        // First the user's list, then the mark: whoever leaves in between is taken out of the list
        // by one of the two.
        let Some(conn) = conn.filter(|conn| {
            self.add_peer(user, Arc::clone(conn));
            let is_there = conn.bind(user);
            if !is_there {
                self.remove_peer(user, conn);
            }
            is_there
        }) else {
            lock(&self.orphans).push((user, id));
            return;
        };
        self.metrics.sessions.add(1);
        conn.move_head(welcome.head);
        conn.put(Mail::Input(Input::Bound(welcome)));
    }

    fn refused(&self, conn: ConnId, refuse: Box<Refuse>) {
        self.input(conn, Input::Refused(refuse));
    }

    fn ended(&self, conn: ConnId, session: SessionId, result: Result<(), Error>) {
        // Silence makes the client ask again, which is what an error asks for.
        if result.is_ok() {
            self.input(conn, Input::SessionEnded(session));
        }
    }

    fn answer(&self, conn: ConnId, id: u32, body: Result<Response, Error>) {
        self.input(conn, Input::Answered { id, body });
    }

    fn entry(&self, user: UserKey, offset: u64, entry: &LogEntry) {
        let push = ServerFrame::Push { offset, entry: entry.clone() };
        self.fan_out(user, &push, |conn| {
            self.metrics.pushes.add(1);
            conn.move_head(offset);
        });
    }

    fn displaced(&self, conn: ConnId, kick: Box<KickRecord>, until: Option<WallTime>) {
        self.metrics.kicks.add(1);
        self.input(conn, Input::Displaced { kick, until });
    }

    fn superseded(&self, conn: ConnId) {
        self.input(conn, Input::Superseded);
    }

    fn logged_out(&self, conn: ConnId) {
        self.input(conn, Input::LoggedOut);
    }

    fn app_deleted(&self, app: AppId, at: WallTime) {
        self.each_of(|conn| conn.is_of_app(app), |conn| conn.put(Mail::AppDeleted(at)));
    }

    fn devices(&self, user: UserKey, devices: &[DeviceInfo]) {
        self.fan_out(user, &ServerFrame::Devices(devices.to_vec()), |_| {});
    }
}

impl Peers {
    fn iter(&self) -> std::slice::Iter<'_, Arc<Conn>> {
        match self {
            Self::One(conn) => std::slice::from_ref(conn).iter(),
            Self::Many(conns) => conns.iter(),
        }
    }
}

/// A map in parts that are locked one by one.
struct Shards<K, V>([Mutex<HashMap<K, V>>; SHARDS]);

impl<K: Hash + Eq + Copy + Into<u64>, V> Shards<K, V> {
    fn new() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }

    fn of(&self, key: &K) -> MutexGuard<'_, HashMap<K, V>> {
        lock(&self.0[(Into::<u64>::into(*key) % SHARDS as u64) as usize])
    }

    fn len(&self) -> usize {
        self.0.iter().map(|shard| lock(shard).len()).sum()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl From<UserKey> for u64 {
    fn from(key: UserKey) -> Self {
        key.0
    }
}

/// Enough that two cores seldom meet; few enough that the maps of a small server are small.
const SHARDS: usize = 32;
