//! Sends, handed to the client one after the other: messages keep the order of their lines.
//!
//! The client takes calls through a queue. A call that finds it full waits, and may be overtaken by
//! one that comes when there is room again. So no more sends are on their way to it at once than its
//! queue holds; the rest waits here, in order, while other operations go past.

use std::task::Poll;

use homing::{Client, ClientMsgId, Code, Content, ConversationId, Error};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, coop};

/// Where sends go. Clones lead to the same place.
#[derive(Clone)]
pub(super) struct Sending(mpsc::UnboundedSender<Send>);

struct Send {
    client_id: ClientMsgId,
    to: ConversationId,
    content: Content,
    done: oneshot::Sender<Result<ClientMsgId, Error>>,
}

impl Sending {
    /// Starts the task that hands over. It ends when the last clone is gone.
    pub(super) fn start(client: Client) -> Self {
        // As many as operations may be on their way, which is bounded where lines are read.
        let (sends, waiting) = mpsc::unbounded_channel();
        tokio::spawn(hand_over(client, waiting));
        Self(sends)
    }

    /// Sends a message, after all that were sent before; gives its id when it is durable.
    pub(super) fn send(
        &self,
        client_id: ClientMsgId,
        to: ConversationId,
        content: Content,
    ) -> impl Future<Output = Result<ClientMsgId, Error>> + use<> {
        let (done, result) = oneshot::channel();
        // If it fails so does the wait below.
        let _ = self.0.send(Send { client_id, to, content, done });
        async { result.await.map_err(|_| Code::NOT_INITIALIZED)? }
    }
}

async fn hand_over(client: Client, mut waiting: mpsc::UnboundedReceiver<Send>) {
    let mut under_way = JoinSet::new();
    while let Some(Send { client_id, to, content, done }) = waiting.recv().await {
        while under_way.len() >= UNDER_WAY {
            under_way.join_next().await;
        }
        while under_way.try_join_next().is_some() {}
        let client = client.clone();
        let mut call = Box::pin(async move {
            // Nobody may wait for the result any more.
            let _ = done.send(client.send_as(client_id, &to, content).await);
        });
        if !first_poll(&mut call).await {
            under_way.spawn(call);
        }
    }
    under_way.join_all().await;
}

/// Polls once, in any case; whether it is over. What a future does first is then done.
pub(super) async fn first_poll(future: &mut (impl Future<Output = ()> + Unpin)) -> bool {
    let poll = std::future::poll_fn(|context| {
        let poll = std::pin::Pin::new(&mut *future).poll(context);
        Poll::Ready(poll.is_ready())
    });
    coop::unconstrained(poll).await
}

/// Half of what the client's queue holds, so that there is room for other calls.
const UNDER_WAY: usize = 32;
