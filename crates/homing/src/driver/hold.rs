//! Letting others use the data directory while the client is suspended, and taking it back (S-9.4).
//!
//! The machine only goes quiet; the lock is the shell's. What another process did meanwhile is seen
//! by the account record, and then a new machine goes on from what is stored.

use homing_core::client::{self as core, Command, Event, Input, Reply};
use homing_proto::{Code, Error};
use tokio::sync::oneshot;

use super::Driver;
use crate::account_file::Loaded;
use crate::device;
use crate::keeper::Job;

/// Whether this client holds its data directory (S-9.4).
pub(super) enum Hold {
    Held,
    /// The machine is suspended; these calls wait until everything is let go of.
    LettingGo(Vec<Caller>),
    Free,
    /// These calls of `resume` wait for it, and these of `suspend` came after them.
    TakingBack {
        resuming: Vec<Caller>,
        suspending: Vec<Caller>,
    },
}

type Caller = oneshot::Sender<Result<Reply, Error>>;

impl Driver {
    /// The machine is quiet: others may use the data directory (I12).
    pub(super) async fn let_go(&mut self, caller: Caller) {
        match &mut self.hold {
            Hold::Held => {
                self.hold = Hold::LettingGo(vec![caller]);
                self.job(Job::Unlock).await;
            }
            Hold::LettingGo(callers) => callers.push(caller),
            Hold::TakingBack { suspending, .. } => suspending.push(caller),
            Hold::Free => {
                let _ = caller.send(Ok(Reply::Done));
            }
        }
    }

    /// Everything is let go of.
    pub(super) fn gone(&mut self) {
        if let Hold::LettingGo(callers) = &mut self.hold {
            for caller in std::mem::take(callers) {
                let _ = caller.send(Ok(Reply::Done));
            }
            self.hold = Hold::Free;
        }
    }

    /// Takes the data directory back before the machine goes on.
    pub(super) async fn resume(&mut self, caller: Caller) {
        match &mut self.hold {
            Hold::Held => self.command(Command::Resume, caller),
            Hold::TakingBack { resuming, suspending } => {
                resuming.push(caller);
                for caller in suspending.drain(..) {
                    let _ = caller.send(Err(Code::SUPERSEDED.into()));
                }
            }
            Hold::LettingGo(callers) => {
                for caller in std::mem::take(callers) {
                    let _ = caller.send(Err(Code::SUPERSEDED.into()));
                }
                self.take_back(caller).await;
            }
            Hold::Free => self.take_back(caller).await,
        }
    }

    async fn take_back(&mut self, caller: Caller) {
        self.hold = Hold::TakingBack { resuming: vec![caller], suspending: Vec::new() };
        self.job(Job::Lock).await;
    }

    /// The data directory was taken back, or could not be.
    pub(super) fn taken_back(&mut self, taken: Result<Option<Box<Loaded>>, Error>) {
        let hold = std::mem::replace(&mut self.hold, Hold::Held);
        let Hold::TakingBack { resuming, suspending } = hold else {
            self.hold = hold;
            return;
        };
        match taken {
            Ok(changed) => {
                if let Some(loaded) = changed {
                    self.start_over(*loaded);
                }
                for caller in resuming {
                    self.command(Command::Resume, caller);
                }
                for caller in suspending {
                    self.command(Command::Suspend, caller);
                }
            }
            Err(error) => {
                self.hold = Hold::Free;
                for caller in resuming {
                    let _ = caller.send(Err(error.clone()));
                }
                for caller in suspending {
                    let _ = caller.send(Ok(Reply::Done));
                }
            }
        }
    }

    /// Somebody else used the data directory meanwhile: what this machine knows is no longer true.
    /// A new one goes on from what is stored, with the same account if it is still signed in.
    fn start_over(&mut self, loaded: Loaded) {
        tracing::info!("the account record was changed while the client was suspended");
        for (_, caller) in std::mem::take(&mut self.waiting) {
            let _ = caller.send(Err(Code::SUPERSEDED.into()));
        }
        if let Ok(seed) = device::random() {
            self.config.seed = u64::from_le_bytes(seed);
        }
        self.question = None;
        let before = self.core.status().clone();
        let still_in = loaded.account.live().map(|last| &last.user) == before.user();
        self.seq_base += before.seq;
        self.core = core::Client::new(self.config.clone(), loaded.account);
        self.publish(self.core.status().clone());
        if let Some(error) = loaded.reset {
            self.board.event(Event::StoreReset(error));
        }
        if still_in && before.user().is_some() {
            let id = self.next_command();
            self.inputs.push_back(Input::Command(id, Command::ResumeLast));
        }
    }
}
