//! Which ends of sessions the server may be told: those that are on the disk (S-9.2).
//!
//! A device that told an end and then forgot it would take the session for a living one after its
//! next start. The server has nothing left to say of that one by then, not even that it was kicked,
//! and the device would be back in without anybody having signed in (I5, I17).

use std::collections::{BTreeMap, BTreeSet};

use homing_proto::frame::EndSession;
use homing_proto::id::SessionId;

use super::BatchId;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct DurableJobs {
    durable: BTreeSet<SessionId>,
    /// What the writes hold that are on their way.
    saving: BTreeMap<BatchId, Vec<SessionId>>,
}

impl DurableJobs {
    /// What was read from the disk is on it.
    pub(super) fn new(jobs: &[EndSession]) -> Self {
        Self { durable: sessions(jobs).collect(), saving: BTreeMap::new() }
    }

    /// These are being stored.
    pub(super) fn saving(&mut self, batch: BatchId, jobs: &[EndSession]) {
        self.saving.insert(batch, sessions(jobs).collect());
    }

    /// A write is durable. Gives those of `jobs` that were not before.
    pub(super) fn saved(&mut self, batch: BatchId, jobs: &[EndSession]) -> Vec<EndSession> {
        let Some(saved) = self.saving.remove(&batch) else { return Vec::new() };
        let before = std::mem::take(&mut self.durable);
        let is_durable =
            |job: &&EndSession| before.contains(&job.session) || saved.contains(&job.session);
        self.durable = jobs.iter().filter(is_durable).map(|job| job.session).collect();
        self.of(jobs).filter(|job| !before.contains(&job.session)).cloned().collect()
    }

    /// A write failed.
    pub(super) fn failed(&mut self, batch: BatchId) {
        self.saving.remove(&batch);
    }

    /// Those of `jobs` that are durable.
    pub(super) fn of<'a>(
        &'a self,
        jobs: &'a [EndSession],
    ) -> impl Iterator<Item = &'a EndSession> + 'a {
        jobs.iter().filter(|job| self.durable.contains(&job.session))
    }
}

fn sessions(jobs: &[EndSession]) -> impl Iterator<Item = SessionId> + '_ {
    jobs.iter().map(|job| job.session)
}
