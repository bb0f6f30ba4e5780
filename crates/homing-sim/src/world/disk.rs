//! A device's disk: what is durable, what is on its way there, and what a crash makes of it.

use std::collections::{BTreeMap, VecDeque};

use homing_core::client::status::Why;
use homing_core::client::{Account, BatchId, Generation, Input, LocalData, Missing, Opened, Row};
use homing_proto::id::{Cursor, UserId};
use homing_proto::message::LogEntry;
use homing_proto::{Code, Error};

use crate::Sabotage;
use crate::fact::{DeviceNo, Fact};
use crate::store::Store;
use crate::watch::Watch;

/// Jobs of one lane are done in order; the two lanes know nothing of each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lane {
    Account,
    Stores,
}

/// What a crash makes of the write that was going on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Fate {
    /// There is no trace of it.
    Lost,
    /// It is there, and nobody was told.
    Kept,
    /// Half of it is there.
    Torn,
}

#[derive(Clone, Debug)]
pub(super) enum Job {
    Account(BatchId, Box<Account>),
    Rows(BatchId, Generation, Vec<Row>),
    Open { generation: Generation, user: UserId, missing: Missing },
    Close(Generation, LocalData),
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    pub(super) account: Account,
    pub(super) stores: BTreeMap<UserId, Store>,
    /// Stores that will be found damaged when they are opened next.
    pub(super) damaged: Vec<UserId>,
    /// Stores that will come from elsewhere when they are opened next, with such a cursor.
    pub(super) forged: Vec<(UserId, Cursor)>,
    pub(super) full: bool,
    /// Another process holds the data directory.
    pub(super) held: bool,
    sabotage: Option<Sabotage>,
    /// Batches of rows, for a sabotage that spoils some of them.
    batches: u64,
    /// The most a job takes, in milliseconds.
    pub(super) latency_ms: u64,
    open: BTreeMap<Generation, UserId>,
    account_lane: VecDeque<Job>,
    store_lane: VecDeque<Job>,
}

impl Disk {
    pub(super) fn new(sabotage: Option<Sabotage>) -> Self {
        Self { sabotage, ..Self::default() }
    }

    /// Takes a job; `true` when its lane was idle and the job's end must be scheduled.
    pub(super) fn push(&mut self, job: Job) -> (Lane, bool) {
        let lane = match job {
            Job::Account(..) => Lane::Account,
            Job::Rows(..) | Job::Open { .. } | Job::Close(..) => Lane::Stores,
        };
        let jobs = self.lane(lane);
        jobs.push_back(job);
        (lane, jobs.len() == 1)
    }

    /// Jobs on their way, as far as the client waits for their answers.
    pub(super) fn pending(&self) -> usize {
        self.account_lane.len() + self.store_lane.len()
    }

    pub(super) fn is_busy(&mut self, lane: Lane) -> bool {
        !self.lane(lane).is_empty()
    }

    /// Ends the first job of a lane; the answer goes to the client.
    pub(super) fn finish(
        &mut self,
        device: DeviceNo,
        lane: Lane,
        watch: &mut Watch,
    ) -> Option<Input> {
        let job = self.lane(lane).pop_front()?;
        Some(match job {
            Job::Account(batch, account) => {
                if self.full {
                    watch.see(&Fact::WriteFailed(device));
                    return Some(Input::PersistFailed(batch, Code::STORE_FULL.into()));
                }
                if self.sabotage == Some(Sabotage::KickForgotten) && was_kicked(&account) {
                    return Some(Input::Persisted(batch));
                }
                self.account = *account;
                if self.sabotage == Some(Sabotage::LogoutForgetsJob) {
                    self.account.jobs.clear();
                }
                watch.see(&Fact::AccountStored(device, &self.account));
                Input::Persisted(batch)
            }
            Job::Rows(batch, generation, rows) => {
                match self.write(device, generation, rows, watch) {
                    Ok(()) => Input::Persisted(batch),
                    Err(error) => {
                        watch.see(&Fact::WriteFailed(device));
                        Input::PersistFailed(batch, error)
                    }
                }
            }
            Job::Open { generation, user, missing } => {
                self.open_store(device, generation, user, missing, watch)
            }
            Job::Close(generation, fate) => {
                if self.sabotage == Some(Sabotage::TwoStores) {
                    return Some(Input::StoreClosed(generation));
                }
                if let Some(user) = self.open.remove(&generation)
                    && fate == LocalData::Wipe
                {
                    self.stores.remove(&user);
                    watch.see(&Fact::StoreWiped(device, &user));
                }
                watch.see(&Fact::StoresOpen(device, self.open.len()));
                Input::StoreClosed(generation)
            }
        })
    }

    /// The process is gone: of what was on its way, `fate` says of each lane what became of its
    /// first job; of the rest, nothing is there.
    pub(super) fn crash(
        &mut self,
        device: DeviceNo,
        mut fate: impl FnMut(Lane) -> Fate,
        watch: &mut Watch,
    ) {
        for lane in [Lane::Account, Lane::Stores] {
            match fate(lane) {
                Fate::Kept if self.is_busy(lane) => {
                    self.finish(device, lane, watch);
                }
                Fate::Torn => self.tear(lane),
                Fate::Kept | Fate::Lost => {}
            }
            self.lane(lane).clear();
        }
        self.open.clear();
    }

    /// Rows that were half written leave a file that is found damaged; what waited in it can be
    /// read (I9). The account record is replaced whole, so that half a write is none.
    fn tear(&mut self, lane: Lane) {
        if let Some(Job::Rows(_, generation, _)) = self.lane(lane).front()
            && let generation = *generation
            && let Some(user) = self.open.get(&generation).cloned()
            && !self.damaged.contains(&user)
        {
            self.damaged.push(user);
        }
    }

    fn write(
        &mut self,
        device: DeviceNo,
        generation: Generation,
        mut rows: Vec<Row>,
        watch: &mut Watch,
    ) -> Result<(), Error> {
        let Some(user) = self.open.get(&generation) else {
            return Err(Error::new(Code::STORE_OPEN_FAILED).with_text("the store is closed"));
        };
        if self.full {
            return Err(Code::STORE_FULL.into());
        }
        let store = self.stores.get_mut(user).expect("an open store exists");
        self.batches += 1;
        match self.sabotage {
            Some(Sabotage::CursorAlone) if self.batches.is_multiple_of(8) => {
                rows.retain(|row| !matches!(row, Row::Entry(_)));
            }
            Some(Sabotage::UnreadCountedUp) => count_up(store, user, &mut rows),
            _ => {}
        }
        store.apply(user, &rows);
        watch.see(&Fact::RowsStored(device, user, &rows));
        Ok(())
    }

    fn open_store(
        &mut self,
        device: DeviceNo,
        generation: Generation,
        user: UserId,
        missing: Missing,
        watch: &mut Watch,
    ) -> Input {
        if self.held {
            return Input::StoreFailed(generation, Code::STORE_IN_USE.into());
        }
        if !self.stores.contains_key(&user) {
            if missing == Missing::Leave {
                return Input::StoreOpened(
                    generation,
                    Opened { absent: true, ..Opened::default() },
                );
            }
            if self.full {
                return Input::StoreFailed(generation, Code::STORE_OPEN_FAILED.into());
            }
            self.stores.insert(user.clone(), Store::default());
        }
        let store = self.stores.get_mut(&user).expect("it was just made");
        let mut reset = None;
        if let Some(at) = self.damaged.iter().position(|damaged| *damaged == user) {
            self.damaged.remove(at);
            *store = Store { outbox: std::mem::take(&mut store.outbox), ..Store::default() };
            reset = Some(Code::STORE_CORRUPT.into());
            watch.see(&Fact::StoreReset(device, &user));
        }
        if let Some(at) = self.forged.iter().position(|(forged, _)| *forged == user) {
            let (_, cursor) = self.forged.remove(at);
            store.cursor = Some(cursor);
            watch.see(&Fact::CursorForged(device, &user, cursor));
        }
        let mut outbox = store.outbox.clone();
        if self.sabotage == Some(Sabotage::OutboxReordered) {
            outbox.reverse();
        }
        let opened = Opened { absent: false, cursor: store.cursor, outbox, reset };
        self.open.insert(generation, user);
        watch.see(&Fact::StoresOpen(device, self.open.len()));
        Input::StoreOpened(generation, opened)
    }

    /// Whether a store is open: then nobody else can take the data directory.
    pub(super) fn is_in_use(&self) -> bool {
        !self.open.is_empty()
    }

    const fn lane(&mut self, lane: Lane) -> &mut VecDeque<Job> {
        match lane {
            Lane::Account => &mut self.account_lane,
            Lane::Stores => &mut self.store_lane,
        }
    }
}

fn was_kicked(account: &Account) -> bool {
    account.last.as_ref().is_some_and(|last| matches!(last.ended, Some(Why::Kicked(_))))
}

/// The sabotage: own messages are counted by the device, once when the server took one and once
/// when it comes back in the log.
fn count_up(store: &mut Store, user: &UserId, rows: &mut [Row]) {
    for row in rows {
        match row {
            Row::Accepted { client_id, .. } => {
                let pending = store.outbox.iter().find(|pending| pending.client_id == *client_id);
                if let Some(pending) = pending {
                    let conversation = pending.conversation.clone();
                    store.conversations.entry(conversation).or_default().own_count += 1;
                }
            }
            Row::Entry(LogEntry::Message { message, own_count, .. }) => {
                let thread = store.conversations.get(&message.conversation);
                let counted = thread.map_or(0, |thread| thread.own_count);
                *own_count = counted + u64::from(message.from == *user);
            }
            _ => {}
        }
    }
}
