//! How a client ends: what was begun is finished, what can wait is left, everything is let go of.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::Driver;
use crate::keeper::Job;

impl Driver {
    /// Waits for the disk, gives open sign-outs a moment to reach the server, and lets go (S-9.4).
    pub(super) async fn close(mut self) {
        tracing::debug!("closing");
        // Calls that are still queued find the client closed.
        self.calls.close();
        self.drain().await;
        self.question = None;
        self.board.set_readable(None);
        self.reading = None;
        self.connections.clear();
        self.waiting.clear();
        let Self { jobs, mut answers, .. } = self;
        drop::<tokio::sync::mpsc::Sender<Job>>(jobs);
        // The disk's thread ends when it has let go of everything.
        let end = async { while answers.recv().await.is_some() {} };
        tokio::select! {
            () = end => {}
            () = sleep(LET_GO) => tracing::warn!("the disk is slow to let go of the local store"),
        }
    }

    async fn drain(&mut self) {
        let patience = Instant::now() + DRAIN;
        loop {
            self.work().await;
            let has_errands = !self.core.account().jobs.is_empty() && !self.connections.is_empty();
            if self.writing == 0 && !has_errands {
                return;
            }
            let (now, due) = self.next();
            tokio::select! {
                Some(answer) = self.answers.recv() => self.answered(answer),
                Some((id, news)) = self.news.recv() => self.heard(id, news),
                () = self.alarm.ring(now, due) => {}
                () = sleep_until(patience) => {
                    tracing::debug!(writing = self.writing, "closing with work left");
                    return;
                }
            }
        }
    }
}

/// A server that is there answers a sign-out in a round trip; without one it waits for the next
/// start.
const DRAIN: Duration = Duration::from_secs(1);
/// Closing a store copies its log into the file and flushes it.
const LET_GO: Duration = Duration::from_secs(10);
