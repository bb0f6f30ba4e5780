//! A device's disk: what is durable, what is on its way there, and what a crash makes of it.

use std::collections::{BTreeMap, VecDeque};

use homing_core::client::{Account, BatchId, Generation, Input, LocalData, Missing, Opened, Row};
use homing_proto::id::{Cursor, UserId};
use homing_proto::{Code, Error};

use crate::fact::{DeviceNo, Fact};
use crate::store::Store;
use crate::watch::Watch;

/// Jobs of one lane are done in order; the two lanes know nothing of each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lane {
    Account,
    Stores,
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
    /// The most a job takes, in milliseconds.
    pub(super) latency_ms: u64,
    open: BTreeMap<Generation, UserId>,
    account_lane: VecDeque<Job>,
    store_lane: VecDeque<Job>,
}

impl Disk {
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
                self.account = *account;
                watch.see(&Fact::AccountStored(device, &self.account));
                Input::Persisted(batch)
            }
            Job::Rows(batch, generation, rows) => {
                match self.write(device, generation, &rows, watch) {
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

    /// The process is gone: of what was on its way, the first job of each lane may be there whole,
    /// as `is_kept` says; of the rest, nothing is.
    pub(super) fn crash(
        &mut self,
        device: DeviceNo,
        mut is_kept: impl FnMut(Lane) -> bool,
        watch: &mut Watch,
    ) {
        for lane in [Lane::Account, Lane::Stores] {
            if self.is_busy(lane) && is_kept(lane) {
                self.finish(device, lane, watch);
            }
            self.lane(lane).clear();
        }
        self.open.clear();
    }

    fn write(
        &mut self,
        device: DeviceNo,
        generation: Generation,
        rows: &[Row],
        watch: &mut Watch,
    ) -> Result<(), Error> {
        let Some(user) = self.open.get(&generation) else {
            return Err(Error::new(Code::STORE_OPEN_FAILED).with_text("the store is closed"));
        };
        if self.full {
            return Err(Code::STORE_FULL.into());
        }
        let store = self.stores.get_mut(user).expect("an open store exists");
        store.apply(user, rows);
        watch.see(&Fact::RowsStored(device, user, rows));
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
        let opened =
            Opened { absent: false, cursor: store.cursor, outbox: store.outbox.clone(), reset };
        self.open.insert(generation, user);
        watch.see(&Fact::StoresOpen(device, self.open.len()));
        Input::StoreOpened(generation, opened)
    }

    const fn lane(&mut self, lane: Lane) -> &mut VecDeque<Job> {
        match lane {
            Lane::Account => &mut self.account_lane,
            Lane::Stores => &mut self.store_lane,
        }
    }
}
