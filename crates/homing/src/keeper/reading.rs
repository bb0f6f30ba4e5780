//! The thread that answers the app's questions about local data, beside the one that writes.

use std::thread::{self, JoinHandle};

use homing_core::client::Generation;
use homing_proto::{Code, Error};
use tokio::sync::{mpsc, oneshot};

use crate::store::Read;

/// Asks one open store. Clones ask the same one.
#[derive(Clone)]
pub(crate) struct Reading {
    questions: mpsc::Sender<Question>,
    /// Of which opening.
    pub(crate) generation: Generation,
}

enum Question {
    Ask(Ask),
    Stop,
}

/// Asks and hands the answer over.
type Ask = Box<dyn FnOnce(&mut dyn Read) + Send>;

impl Reading {
    /// Asks; the answer comes from the last committed state.
    ///
    /// # Errors
    /// `not_ready` when the store was closed meanwhile, else what the store says.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut dyn Read) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (answer_out, answer) = oneshot::channel();
        let ask = Question::Ask(Box::new(move |store| {
            // Whoever asked may be gone.
            let _ = answer_out.send(question(store));
        }));
        self.questions.send(ask).await.map_err(|_| Code::NOT_READY)?;
        answer.await.unwrap_or_else(|_| Err(Code::NOT_READY.into()))
    }
}

/// The thread of one open store.
pub(super) struct ReadingThread {
    reading: Reading,
    thread: JoinHandle<()>,
}

impl ReadingThread {
    pub(super) fn start(generation: Generation, mut store: Box<dyn Read>) -> Result<Self, Error> {
        let (questions, mut asked) = mpsc::channel(QUESTIONS);
        let run = move || {
            while let Some(Question::Ask(ask)) = asked.blocking_recv() {
                ask(store.as_mut());
            }
        };
        let thread = thread::Builder::new()
            .name("homing-read".to_owned())
            .spawn(run)
            .map_err(|error| super::no_thread(&error))?;
        Ok(Self { reading: Reading { questions, generation }, thread })
    }

    pub(super) fn reading(&self) -> Reading {
        self.reading.clone()
    }

    /// Lets go of the store; questions still waiting get `not_ready`.
    pub(super) fn stop(self) {
        // An error means that the thread is gone already.
        let _ = self.reading.questions.blocking_send(Question::Stop);
        let _ = self.thread.join();
    }
}

/// Questions that may wait; who asks more waits to ask.
const QUESTIONS: usize = 64;
