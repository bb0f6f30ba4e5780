//! The status as a value that can be read at any time and waited on (S-2.1).

use homing_core::client::status::Status;
use tokio::sync::watch;

/// The present status and its changes. Clones have places of their own.
///
/// A watch shows the latest status: several changes in a row may be seen as one. Whoever needs each
/// of them reads the [`journal`](crate::Client::journal).
#[derive(Clone, Debug)]
pub struct StatusWatch(watch::Receiver<Status>);

impl StatusWatch {
    pub(super) fn new(mut status: watch::Receiver<Status>) -> Self {
        status.mark_unchanged();
        Self(status)
    }

    /// The status as it is.
    pub fn now(&self) -> Status {
        self.0.borrow().clone()
    }

    /// Waits for a status that this watch has not given yet; `None` when the client is closed.
    ///
    /// Dropping the future loses nothing.
    pub async fn changed(&mut self) -> Option<Status> {
        self.0.changed().await.ok()?;
        Some(self.0.borrow_and_update().clone())
    }

    /// Waits until the status is as wanted, which it may be already; `None` when the client is
    /// closed before.
    ///
    /// ```no_run
    /// # async fn example(client: homing::Client) {
    /// client.status().wait_for(|status| status.is_connected()).await;
    /// # }
    /// ```
    pub async fn wait_for(&mut self, wanted: impl FnMut(&Status) -> bool) -> Option<Status> {
        self.0.wait_for(wanted).await.ok().map(|status| status.clone())
    }
}
