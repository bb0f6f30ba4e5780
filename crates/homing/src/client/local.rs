//! Reads of local data: answered without the network, in well under a millisecond (D-6).

use homing_core::client::{Command, Pending as Waiting};
use homing_proto::id::ConversationId;
use homing_proto::limits::HISTORY_PAGE;
use homing_proto::{Code, Error};
use tokio::sync::oneshot;

use super::{Client, call};
use crate::board::Phase;
use crate::driver::Call;
use crate::keeper::Reading;
use crate::store::{ConversationView, Gap, History, Read};

impl Client {
    /// The first `limit` conversations, by the time of their last message, newest first. At most
    /// 500.
    ///
    /// Works as soon as a login was started, if its account is the last one that signed in here
    /// (S-3.7).
    ///
    /// # Errors
    /// `not_ready` when no account's data is open, `store_corrupt`.
    pub async fn conversations(&self, limit: u32) -> Result<Vec<ConversationView>, Error> {
        let limit = limit.min(CONVERSATIONS);
        self.read(move |store| store.conversations(None, limit)).await
    }

    /// The next `limit` conversations after this one.
    ///
    /// # Errors
    /// As [`conversations`](Self::conversations).
    pub async fn conversations_after(
        &self,
        last: &ConversationView,
        limit: u32,
    ) -> Result<Vec<ConversationView>, Error> {
        let (end, limit) = (last.page_end(), limit.min(CONVERSATIONS));
        self.read(move |store| store.conversations(Some(&end), limit)).await
    }

    /// One conversation; `None` when it is not known here.
    ///
    /// # Errors
    /// As [`conversations`](Self::conversations).
    pub async fn conversation(
        &self,
        id: &ConversationId,
    ) -> Result<Option<ConversationView>, Error> {
        let id = id.clone();
        self.read(move |store| store.conversation(&id)).await
    }

    /// The last `limit` messages below `before` (0: from the newest), ascending. At most 100.
    ///
    /// Local messages first: the server is asked only when something is missing here and there is a
    /// connection. What it gives is stored. [`History::gap`] says whether something is still
    /// missing.
    ///
    /// # Errors
    /// As [`conversations`](Self::conversations).
    pub async fn history(
        &self,
        conversation: &ConversationId,
        before: u64,
        limit: u32,
    ) -> Result<History, Error> {
        let limit = limit.min(HISTORY_PAGE);
        let local = self.local_history(conversation, before, limit).await?;
        if local.gap == Gap::None || !self.board.status.borrow().is_connected() {
            return Ok(local);
        }
        let conversation_id = conversation.clone();
        let fetch = Command::FetchHistory { conversation: conversation_id, before, limit };
        match self.command(fetch).await.and_then(call::messages) {
            Ok(fetched) => {
                // The newest few may have come in meanwhile: the store has all of it.
                let stored = self.local_history(conversation, before, limit).await?;
                if stored.messages.len() >= fetched.len() {
                    return Ok(stored);
                }
                // They could not be stored; the app gets them all the same.
                Ok(History { messages: fetched, gap: stored.gap })
            }
            Err(error) => {
                tracing::debug!(%error, "history is shown with a gap");
                Ok(local)
            }
        }
    }

    /// Messages that wait to be sent, oldest first.
    ///
    /// # Errors
    /// As [`conversations`](Self::conversations).
    pub async fn outbox(&self) -> Result<Vec<Waiting>, Error> {
        self.read(|store| store.outbox()).await
    }

    async fn local_history(
        &self,
        conversation: &ConversationId,
        before: u64,
        limit: u32,
    ) -> Result<History, Error> {
        let conversation = conversation.clone();
        self.read(move |store| store.history(&conversation, before, limit)).await
    }

    async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut dyn Read) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let reading = self.reading().await?;
        let answer = reading.ask(question).await;
        if answer.as_ref().is_err_and(|error| error.code == Code::STORE_CORRUPT) {
            // It is opened anew. With a full queue the next read or write says it again.
            let _ = self.calls.put(Call::Damaged(reading.generation));
        }
        answer
    }

    /// The open store. A call made before, a login or a logout, may be about to open or close one:
    /// the app must not be shown another account's data than the one it just named (I8).
    async fn reading(&self) -> Result<Reading, Error> {
        if *self.board.phase.borrow() != Phase::Open {
            return Err(call::closed());
        }
        if !self.board.is_moving()
            && let Some(reading) = self.board.readable()
        {
            return Ok(reading);
        }
        let (settle, settled) = oneshot::channel();
        self.calls.put(Call::Settle(settle))?;
        settled.await.map_err(|_| call::closed())?;
        self.board.readable().ok_or_else(|| Code::NOT_READY.into())
    }
}

/// A list that fills many screens.
const CONVERSATIONS: u32 = 500;
