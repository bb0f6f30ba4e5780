//! One sender, one receiver, an idle server: from writing a message to reading it, and how much of
//! that is the disk (B-5).

use std::time::{Duration, Instant};

use homing_proto::frame::{Response, ServerFrame};
use homing_proto::message::Content;
use serde_json::{Value, json};

use super::{PATIENCE, TEXT_BYTES, message, name};
use crate::Failure;
use crate::disk::Probe;
use crate::figures::{Spans, round};
use crate::link::{Link, source};
use crate::report::{Bound, Verdict};
use crate::server::Server;

/// The verdicts and all figures.
///
/// # Errors
/// What went wrong on the way.
pub(super) async fn measure(
    server: &Server,
    messages: u32,
) -> Result<(Vec<Verdict>, Value), Failure> {
    let (target, crowd) = (server.target(), server.crowd()?);
    let mut sender = Link::connect(&target, source(0)).await?;
    sender.greet(crowd.hello(0, crowd.token(0), 1)).await?;
    let mut receiver = Link::connect(&target, source(1)).await?;
    receiver.greet(crowd.hello(1, crowd.token(1), 1)).await?;
    eprintln!("bench: {messages} messages, one after the other");
    let text = Content::text("x".repeat(TEXT_BYTES));
    let mut probe = Probe::new(server.dir())?;
    let (mut delivered, mut acknowledged) = (Spans::default(), Spans::default());
    let mut flushed = Spans::default();
    // The first few bring everything into memory.
    for number in 1..=messages + WARM_UP {
        let began = Instant::now();
        sender.put(&message(number, 1, name(0, number), &text));
        let both =
            async { tokio::try_join!(sent(&mut sender, began), pushed(&mut receiver, began)) };
        let (ack, push) =
            tokio::time::timeout(PATIENCE, both).await.map_err(|_| "a message was lost")??;
        // With the server at rest again, so that the two do not wait for each other.
        tokio::time::sleep(PAUSE).await;
        let flush = probe.once()?;
        if number > WARM_UP {
            delivered.add(push);
            acknowledged.add(ack);
            flushed.add(flush);
        }
    }
    let [delivered, acknowledged, flushed] = [delivered, acknowledged, flushed].map(Spans::summary);
    let over = |ms: f64, disk: f64| round(ms - disk, 3);
    let (p50, p99) =
        (over(delivered.p50_ms, flushed.p50_ms), over(delivered.p99_ms, flushed.p50_ms));
    let budgets = vec![
        Verdict::new("B-5", "p50 of the delivery over one fdatasync, ms", p50, Bound::AtMost(3.0)),
        Verdict::new("B-5", "p99 of the delivery over one fdatasync, ms", p99, Bound::AtMost(15.0)),
    ];
    let figures = json!({
        "messages": messages,
        "text_bytes": TEXT_BYTES,
        "send_to_delivered": delivered,
        "send_to_acknowledged": acknowledged,
        "fdatasync_of_4_kib_in_between": flushed,
        "delivered_p50_over_fdatasync_p50_ms": p50,
        "delivered_p99_over_fdatasync_p50_ms": p99,
    });
    Ok((budgets, figures))
}

async fn sent(link: &mut Link, began: Instant) -> Result<Duration, Failure> {
    loop {
        if let ServerFrame::Response { body, .. } = link.next().await? {
            return match body? {
                Response::Sent { .. } => Ok(began.elapsed()),
                other => Err(format!("no answer to a message: {other:?}").into()),
            };
        }
    }
}

async fn pushed(link: &mut Link, began: Instant) -> Result<Duration, Failure> {
    loop {
        if let ServerFrame::Push { .. } = link.next().await? {
            return Ok(began.elapsed());
        }
    }
}

const WARM_UP: u32 = 50;
/// Between two messages.
const PAUSE: Duration = Duration::from_millis(2);
