//! The thread that owns what is on disk: the lock, the account record, the open store's writer.
//!
//! Jobs come in order and are done in order; each is answered. Waiting for the disk happens here and
//! never on the app's runtime. Rows that queue up while the disk is busy are written together, with
//! one flush for all of them.

mod reading;

use std::thread;

use homing_core::client::{Account, BatchId, Generation, Input, LocalData, Missing, Opened, Row};
use homing_proto::id::{AppId, DeviceId, UserId};
use homing_proto::{Code, Error};
use tokio::sync::{mpsc, oneshot};

pub(crate) use self::reading::Reading;
use self::reading::ReadingThread;
use crate::account_file::{AccountFile, Loaded};
use crate::clock::Clock;
use crate::config::Data;
use crate::data_dir::{DataDir, Lock};
use crate::device;
use crate::store::memory::MemoryShelf;
use crate::store::sqlite::SqliteShelf;
use crate::store::{Shelf, Write};

/// Something to do.
#[derive(Debug)]
pub(crate) enum Job {
    SaveAccount(BatchId, Box<Account>),
    SaveRows(BatchId, Generation, Vec<Row>),
    OpenStore {
        generation: Generation,
        user: UserId,
        missing: Missing,
    },
    CloseStore(Generation, LocalData),
    /// Let others use the data directory.
    Unlock,
    /// Take it back.
    Lock,
}

/// What came of it.
pub(crate) enum Answer {
    /// For the client machine.
    Input(Input),
    /// Questions about a store's data go here. Comes before its `StoreOpened`.
    Reading(Reading),
    Unlocked,
    /// With the account record, if somebody else changed it meanwhile.
    Locked(Result<Option<Box<Loaded>>, Error>),
}

/// What a start gives.
pub(crate) struct Started {
    pub(crate) device: DeviceId,
    pub(crate) loaded: Loaded,
    pub(crate) jobs: mpsc::Sender<Job>,
    /// Never holds more than the jobs that are under way. Ends when the thread has let go of
    /// everything, after `jobs` was dropped.
    pub(crate) answers: mpsc::UnboundedReceiver<Answer>,
}

/// Starts the thread and waits until it holds the data directory.
///
/// # Errors
/// `store_in_use` when somebody else holds it, `store_full` or `store_open_failed` when the disk
/// stands in the way.
pub(crate) async fn start(data: Data, app: AppId, clock: Clock) -> Result<Started, Error> {
    let (jobs, jobs_in) = mpsc::channel(JOBS);
    let (answers_out, answers) = mpsc::unbounded_channel();
    let (opened_out, opened) = oneshot::channel();
    let run = move || match Keeper::open(data, app, clock, answers_out) {
        Ok((mut keeper, device, loaded)) => {
            if opened_out.send(Ok((device, loaded))).is_ok() {
                keeper.run(jobs_in);
            }
        }
        Err(error) => {
            // Whoever asked may be gone.
            let _ = opened_out.send(Err(error));
        }
    };
    let spawned = thread::Builder::new().name("homing-store".to_owned()).spawn(run);
    spawned.map_err(|error| no_thread(&error))?;
    let (device, loaded) = opened
        .await
        .unwrap_or_else(|_| Err(Error::new(Code::STORE_OPEN_FAILED).with_text("it ended early")))?;
    Ok(Started { device, loaded, jobs, answers })
}

struct Keeper {
    place: Place,
    shelf: Box<dyn Shelf>,
    open: Option<OpenStore>,
    clock: Clock,
    answers: mpsc::UnboundedSender<Answer>,
    /// Whose store was opened last, for wiping one that did not stay open.
    last: Option<(Generation, UserId)>,
}

enum Place {
    Memory,
    Disk { dir: DataDir, account: AccountFile, lock: Option<Lock> },
}

struct OpenStore {
    generation: Generation,
    writer: Box<dyn Write>,
    reading: ReadingThread,
}

impl Keeper {
    fn open(
        data: Data,
        app: AppId,
        clock: Clock,
        answers: mpsc::UnboundedSender<Answer>,
    ) -> Result<(Self, DeviceId, Loaded), Error> {
        let path = match data {
            Data::Memory => {
                let shelf = Box::<MemoryShelf>::default();
                let loaded = Loaded { account: Account::default(), reset: None };
                let keeper =
                    Self { place: Place::Memory, shelf, open: None, clock, answers, last: None };
                return Ok((keeper, device::draw()?, loaded));
            }
            Data::Directory(path) => path,
        };
        let dir = DataDir::open(&path)?;
        let lock = Some(dir.lock()?);
        let device = device::load(&dir)?;
        let mut account = AccountFile::new(dir.clone(), app);
        let loaded = account.load(&clock)?;
        let shelf = Box::new(SqliteShelf::in_dir(dir.clone(), app));
        let place = Place::Disk { dir, account, lock };
        Ok((Self { place, shelf, open: None, clock, answers, last: None }, device, loaded))
    }

    fn run(&mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut ahead = None;
        while let Some(job) = ahead.take().or_else(|| jobs.blocking_recv()) {
            match job {
                Job::SaveRows(batch, generation, rows) => {
                    let mut batches = vec![(batch, rows)];
                    // What waits behind goes into the same commit.
                    while batches.len() < GROUP {
                        match jobs.try_recv() {
                            Ok(Job::SaveRows(batch, of, rows)) if of == generation => {
                                batches.push((batch, rows));
                            }
                            Ok(other) => {
                                ahead = Some(other);
                                break;
                            }
                            Err(_) => break,
                        }
                    }
                    self.save_rows(generation, &batches);
                }
                job => self.one(job),
            }
        }
        self.close();
    }

    fn one(&mut self, job: Job) {
        match job {
            Job::SaveAccount(batch, account) => {
                let saved = self.save_account(&account);
                self.saved(batch, saved);
            }
            Job::SaveRows(batch, generation, rows) => {
                self.save_rows(generation, &[(batch, rows)]);
            }
            Job::OpenStore { generation, user, missing } => {
                let input = match self.open_store(generation, user, missing) {
                    Ok(opened) => Input::StoreOpened(generation, opened),
                    Err(error) => Input::StoreFailed(generation, error),
                };
                self.answer(Answer::Input(input));
            }
            Job::CloseStore(generation, data) => {
                self.close_store(generation, data);
                self.answer(Answer::Input(Input::StoreClosed(generation)));
            }
            Job::Unlock => {
                self.close();
                if let Place::Disk { lock, .. } = &mut self.place {
                    *lock = None;
                }
                self.answer(Answer::Unlocked);
            }
            Job::Lock => {
                let locked = self.lock();
                self.answer(Answer::Locked(locked));
            }
        }
    }

    fn save_account(&mut self, record: &Account) -> Result<(), Error> {
        match &mut self.place {
            Place::Memory => Ok(()),
            Place::Disk { account, lock: Some(_), .. } => account.save(record),
            Place::Disk { lock: None, .. } => Err(suspended()),
        }
    }

    fn save_rows(&mut self, generation: Generation, batches: &[(BatchId, Vec<Row>)]) {
        let Some(open) = self.open.as_mut().filter(|open| open.generation == generation) else {
            for (batch, _) in batches {
                let error = Error::new(Code::NOT_READY).with_text("the local store is closed");
                self.saved(*batch, Err(error));
            }
            return;
        };
        let rows: Vec<&[Row]> = batches.iter().map(|(_, rows)| rows.as_slice()).collect();
        let together = open.writer.write_all(&rows);
        // What one of them cannot do must not cost the others.
        let results: Vec<_> = match together {
            Err(_) if batches.len() > 1 => {
                rows.into_iter().map(|rows| open.writer.write(rows)).collect()
            }
            together => vec![together; batches.len()],
        };
        for ((batch, _), result) in batches.iter().zip(results) {
            self.saved(*batch, result);
        }
    }

    fn saved(&self, batch: BatchId, result: Result<(), Error>) {
        self.answer(Answer::Input(match result {
            Ok(()) => Input::Persisted(batch),
            Err(error) => {
                tracing::warn!(batch = batch.0, %error, "a write failed");
                Input::PersistFailed(batch, error)
            }
        }));
    }

    fn open_store(
        &mut self,
        generation: Generation,
        user: UserId,
        missing: Missing,
    ) -> Result<Opened, Error> {
        self.close();
        if matches!(&self.place, Place::Disk { lock: None, .. }) {
            return Err(suspended());
        }
        self.last = Some((generation, user.clone()));
        let opening = self.shelf.open(&user, missing)?;
        if let Some(writer) = opening.store {
            let reading = ReadingThread::start(generation, writer.reader()?)?;
            self.answer(Answer::Reading(reading.reading()));
            self.open = Some(OpenStore { generation, writer, reading });
        }
        Ok(opening.opened)
    }

    fn close_store(&mut self, generation: Generation, data: LocalData) {
        if self.open.as_ref().is_some_and(|open| open.generation == generation) {
            self.close();
        }
        if data == LocalData::Keep {
            return;
        }
        if let Some((_, user)) = self.last.as_ref().filter(|(last, _)| *last == generation)
            && let Err(error) = self.shelf.wipe(user)
        {
            tracing::error!(%error, "local data could not be deleted");
        }
    }

    /// Lets go of the open store: when this returns, no file of it is open.
    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            open.reading.stop();
            drop(open.writer);
        }
    }

    fn lock(&mut self) -> Result<Option<Box<Loaded>>, Error> {
        let Place::Disk { dir, account, lock } = &mut self.place else { return Ok(None) };
        if lock.is_some() {
            return Ok(None);
        }
        let taken = dir.lock()?;
        let changed = account.is_foreign()?.then(|| account.load(&self.clock)).transpose()?;
        *lock = Some(taken);
        Ok(changed.map(Box::new))
    }

    fn answer(&self, answer: Answer) {
        // Nobody listens any more: then nobody needs it.
        let _ = self.answers.send(answer);
    }
}

fn suspended() -> Error {
    Error::new(Code::NOT_READY).with_text("the client is suspended")
}

fn no_thread(error: &std::io::Error) -> Error {
    Error::new(Code::STORE_OPEN_FAILED).with_text(format!("no thread for the local store: {error}"))
}

/// Jobs that may wait; the driver waits when there are more.
const JOBS: usize = 64;
/// Batches in one commit.
const GROUP: usize = 64;
