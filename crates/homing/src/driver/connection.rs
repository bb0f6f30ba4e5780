//! One attempt to reach the server, as a task: it connects, carries frames both ways, and ends.

use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{SinkExt as _, StreamExt as _};
use homing_proto::frame::{ClientFrame, ServerFrame};
use homing_proto::{Code, Error, codec};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::transport::{Link, NetworkSwitch};

/// What an attempt tells.
#[derive(Debug)]
pub(super) enum News {
    /// It can carry frames.
    Opened,
    Received(Box<ServerFrame>),
    /// Its last news.
    Lost(Error),
}

/// The driver's end of an attempt. Dropping it sends what was handed over, says goodbye and ends;
/// what still comes in is not heard.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    frames: mpsc::Sender<ClientFrame>,
}

/// Names a connection for the life of the driver; attempts begin anew with each machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct ConnectionId(pub(super) u64);

impl Connection {
    pub(super) fn start(
        id: ConnectionId,
        connecting: BoxFuture<'static, Result<Link, Error>>,
        network: NetworkSwitch,
        news: mpsc::Sender<(ConnectionId, News)>,
    ) -> Self {
        let (frames, frames_in) = mpsc::channel(FRAMES);
        tokio::spawn(async move {
            let tell = Tell { id, news };
            let error = tokio::select! {
                biased;
                error = network.severed() => error,
                error = live(connecting, frames_in, &tell) => error,
            };
            tell.say(News::Lost(error)).await;
        });
        Self { id, frames }
    }

    /// Hands a frame over.
    ///
    /// # Errors
    /// `network` when the connection does not take what it is given: it is as good as lost. A
    /// connection that has ended says so itself.
    pub(super) fn transmit(&self, frame: ClientFrame) -> Result<(), Error> {
        match self.frames.try_send(frame) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => {
                Err(Error::new(Code::NETWORK).with_text("the connection takes nothing any more"))
            }
        }
    }
}

struct Tell {
    id: ConnectionId,
    news: mpsc::Sender<(ConnectionId, News)>,
}

impl Tell {
    async fn say(&self, news: News) {
        // The driver has ended: then nobody needs it.
        let _ = self.news.send((self.id, news)).await;
    }
}

/// Connects and carries frames until something ends it; says what.
async fn live(
    connecting: BoxFuture<'static, Result<Link, Error>>,
    mut frames: mpsc::Receiver<ClientFrame>,
    tell: &Tell,
) -> Error {
    let connected = tokio::select! {
        connected = connecting => connected,
        // Nothing is sent before the connection is there, so this is the driver letting go.
        _ = frames.recv() => return gone(),
    };
    let Link { mut incoming, mut outgoing } = match connected {
        Ok(link) => link,
        Err(error) => return error,
    };
    tell.say(News::Opened).await;
    let read = async {
        loop {
            match incoming.next().await {
                Some(Ok(bytes)) => match codec::decode_server(bytes) {
                    Ok(frame) => tell.say(News::Received(Box::new(frame))).await,
                    Err(error) => return error,
                },
                Some(Err(error)) => return error,
                None => return gone(),
            }
        }
    };
    let write = async {
        while let Some(frame) = frames.recv().await {
            outgoing.feed(codec::encode_client(&frame)).await?;
            // What waits behind goes out with it.
            while let Ok(frame) = frames.try_recv() {
                outgoing.feed(codec::encode_client(&frame)).await?;
            }
            outgoing.flush().await?;
        }
        // The driver let go; the server is told, if it still listens.
        let _ = timeout(GOODBYE, outgoing.close()).await;
        Ok(gone())
    };
    tokio::select! {
        error = read => error,
        end = write => end.unwrap_or_else(|error: Error| error),
    }
}

fn gone() -> Error {
    Error::new(Code::NETWORK).with_text("the connection was closed")
}

/// Requests in flight, outbox heads, acknowledgements and pongs of a healthy link fit many times.
const FRAMES: usize = 256;
/// A goodbye may take this long.
const GOODBYE: Duration = Duration::from_secs(1);
