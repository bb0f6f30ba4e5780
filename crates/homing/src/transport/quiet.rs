//! The WebSocket library traces whole frames, and frames hold secrets (S-8.7). What it logs while it
//! sends and receives reaches no subscriber of `tracing`, whatever an app's filter asks for.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::{Sink, Stream};
use tracing::dispatcher::{Dispatch, with_default};

/// A connection whose library is not listened to.
pub(super) struct Quiet<T>(pub(super) T);

impl<T: Stream + Unpin> Stream for Quiet<T> {
    type Item = T::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T::Item>> {
        quietly(|| Pin::new(&mut self.0).poll_next(cx))
    }
}

impl<T: Sink<Item> + Unpin, Item> Sink<Item> for Quiet<T> {
    type Error = T::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        quietly(|| Pin::new(&mut self.0).poll_ready(cx))
    }

    fn start_send(mut self: Pin<&mut Self>, item: Item) -> Result<(), T::Error> {
        quietly(|| Pin::new(&mut self.0).start_send(item))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        quietly(|| Pin::new(&mut self.0).poll_flush(cx))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), T::Error>> {
        quietly(|| Pin::new(&mut self.0).poll_close(cx))
    }
}

/// On this thread alone, and for this call alone.
fn quietly<T>(call: impl FnOnce() -> T) -> T {
    with_default(&Dispatch::none(), call)
}
