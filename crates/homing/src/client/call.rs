//! A call on its way to the driver and back.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use homing_core::client::{Command, Reply};
use homing_proto::device::DeviceInfo;
use homing_proto::id::{ClientMsgId, UserId};
use homing_proto::message::Message;
use homing_proto::{Code, Error};
use tokio::sync::oneshot;

use super::{Client, LoggedIn};
use crate::driver::Call;

/// The result of a call that was begun; goes on when this is dropped.
#[must_use = "the result says whether it worked"]
pub struct Pending<T>(BoxFuture<'static, Result<T, Error>>);

impl<T> Future for Pending<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T, Error>> {
        self.0.poll_unpin(context)
    }
}

impl<T> std::fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pending")
    }
}

impl<T: Send + 'static> Pending<T> {
    pub(super) fn failed(error: Error) -> Self {
        Self(std::future::ready(Err(error)).boxed())
    }
}

impl Client {
    /// Begins when it is first polled: calls keep the order in which that happens.
    pub(super) async fn command(&self, command: Command) -> Result<Reply, Error> {
        let (caller, reply) = oneshot::channel();
        self.calls.put(self.call(command, caller))?;
        reply.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Begins now.
    pub(super) fn begin<T: Send + 'static>(
        &self,
        command: Command,
        read: fn(Reply) -> Result<T, Error>,
    ) -> Pending<T> {
        let (caller, reply) = oneshot::channel();
        if let Err(error) = self.calls.put(self.call(command, caller)) {
            return Pending::failed(error);
        }
        let wait = async move { reply.await.unwrap_or_else(|_| Err(closed())).and_then(read) };
        Pending(wait.boxed())
    }

    fn call(&self, command: Command, caller: oneshot::Sender<Result<Reply, Error>>) -> Call {
        let moves = matches!(
            command,
            Command::Login { .. }
                | Command::LoginOffline { .. }
                | Command::ResumeLast
                | Command::Logout(_)
        );
        let held = moves.then(|| self.board.begin_move());
        Call::Command(Box::new(command), caller, held)
    }
}

pub(super) fn closed() -> Error {
    Code::NOT_INITIALIZED.into()
}

pub(super) fn done(reply: Reply) -> Result<(), Error> {
    match reply {
        Reply::Done => Ok(()),
        other => Err(unexpected(&other)),
    }
}

pub(super) fn logged_in(reply: Reply) -> Result<LoggedIn, Error> {
    match reply {
        Reply::LoggedIn { already, registered } => Ok(LoggedIn { already, registered }),
        other => Err(unexpected(&other)),
    }
}

pub(super) fn queued(reply: Reply) -> Result<ClientMsgId, Error> {
    match reply {
        Reply::Queued(client_id) => Ok(client_id),
        other => Err(unexpected(&other)),
    }
}

pub(super) fn messages(reply: Reply) -> Result<Vec<Message>, Error> {
    match reply {
        Reply::Messages(messages) => Ok(messages),
        other => Err(unexpected(&other)),
    }
}

pub(super) fn devices(reply: Reply) -> Result<Vec<DeviceInfo>, Error> {
    match reply {
        Reply::Devices(devices) => Ok(devices),
        other => Err(unexpected(&other)),
    }
}

pub(super) fn presence(reply: Reply) -> Result<Vec<(UserId, bool)>, Error> {
    match reply {
        Reply::Presence(users) => Ok(users),
        other => Err(unexpected(&other)),
    }
}

/// The machine answered another question: a bug of ours, told without a panic.
fn unexpected(reply: &Reply) -> Error {
    tracing::error!(?reply, "an answer of the wrong kind");
    Error::new(Code::PROTOCOL_ERROR).with_text("the SDK answered another question")
}
