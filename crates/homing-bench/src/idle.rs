//! What an idle connection costs the server in memory (B-1, B-2).
//!
//! The cost is a slope, not a quotient: what the server needs for itself stands in every point of
//! the line and in none of its slope. Nobody is known to the server before, so the slope also holds what
//! its store caches of these users until the caches' bounds are reached. To fill them beforehand
//! would flatter: what that leaves behind in the heap is then filled by connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use homing_proto::frame::{ClientFrame, ServerFrame};
use serde::Serialize;
use serde_json::json;
use tokio::sync::{Semaphore, mpsc, watch};

use crate::crowd::Crowd;
use crate::facts::Facts;
use crate::figures::{round, slope};
use crate::kernel::{Kernel, kernel};
use crate::link::{Link, Lost, Target, source};
use crate::process::Memory;
use crate::report::{Bound, Measured, Verdict};
use crate::server::{self, Server, Transport};
use crate::{Failure, process};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Connections in the end; memory is read at a fifteenth, a third, two thirds and all of them.
    #[arg(long, default_value_t = 15_000, value_parser = clap::value_parser!(u32).range(15..19_000))]
    connections: u32,
    /// Over TLS 1.3, with a certificate made for this run.
    #[arg(long)]
    tls: bool,
    /// Seconds of rest before memory is read.
    #[arg(long, default_value_t = 60)]
    settle_s: u64,
    /// Bytes of the frame that each connection carries once, before memory is read again.
    #[arg(long, default_value_t = 60_000, value_parser = clap::value_parser!(u32).range(16..1_000_000))]
    frame: u32,
    #[command(flatten)]
    server: server::Arguments,
}

/// Memory with so many connections.
#[derive(Serialize, Clone, Copy, Debug)]
struct Point {
    connections: usize,
    memory: Memory,
    kernel: Kernel,
}

/// What the connections are told to do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Rest,
    CarryFrame,
}

/// What a connection tells of itself.
enum News {
    SignedIn,
    FrameWasRead,
    Lost(usize, Lost),
}

/// What all connections share.
struct Field {
    target: Target,
    crowd: Crowd,
    frame: Vec<u8>,
    pings: AtomicUsize,
    at_once: Semaphore,
    news: mpsc::UnboundedSender<News>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Measured, Failure> {
    let facts = Facts::gather();
    let transport = if arguments.tls { Transport::Tls } else { Transport::Plain };
    let server = Server::start(&arguments.server, transport)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let figures = runtime.block_on(measure(arguments, &server))?;
    let budget = if arguments.tls { ("B-2", 8.0) } else { ("B-1", 2.0) };
    let verdict = |what: &str, bytes: f64| {
        Verdict::new(budget.0, what, round(bytes / 1024.0, 2), Bound::AtMost(budget.1))
    };
    let name = if arguments.tls { "idle-tls" } else { "idle" };
    Ok(Measured {
        name: name.to_owned(),
        facts: facts.finish(),
        budgets: vec![
            verdict("KiB of RSS per idle connection", figures.slope_rss),
            verdict("KiB of RSS after a frame of 60 KB each", figures.after_frame),
        ],
        figures: figures.json,
    })
}

struct Figures {
    slope_rss: f64,
    after_frame: f64,
    json: serde_json::Value,
}

async fn measure(arguments: &Arguments, server: &Server) -> Result<Figures, Failure> {
    let (news, mut told) = mpsc::unbounded_channel();
    let field = Arc::new(Field {
        target: server.target(),
        crowd: server.crowd()?,
        frame: unknown_frame(arguments.frame as usize),
        pings: AtomicUsize::new(0),
        at_once: Semaphore::new(AT_ONCE),
        news,
    });
    let all = arguments.connections as usize;
    let settle = Duration::from_secs(arguments.settle_s);
    let before = look(server, 0, settle, &mut told).await?;
    let (orders, _) = watch::channel(Order::Rest);
    let began_cpu = server.used()?;
    let mut points = vec![before];
    let mut connected = 0;
    for goal in [all / 15, all / 3, all * 2 / 3, all] {
        let began = Instant::now();
        for number in connected..goal {
            tokio::spawn(live(Arc::clone(&field), number, orders.subscribe()));
        }
        expect(goal - connected, &mut told, |news| matches!(news, News::SignedIn)).await?;
        connected = goal;
        eprintln!(
            "bench: {goal} connections after {:.1} s, at rest now",
            began.elapsed().as_secs_f64()
        );
        points.push(look(server, goal, settle, &mut told).await?);
    }
    let cpu_connect = server.used()?.since(began_cpu);
    eprintln!("bench: each connection carries a frame of {} bytes", arguments.frame);
    orders.send_replace(Order::CarryFrame);
    expect(all, &mut told, |news| matches!(news, News::FrameWasRead)).await?;
    let right_after = process::memory(server.pid())?;
    let after = look(server, all, settle, &mut told).await?;
    let rest_cpu = server.used()?;
    look(server, all, REST, &mut told).await?;
    let cpu_rest = server.used()?.since(rest_cpu);
    Ok(figures(arguments, server, &points, &after, right_after, &field, [cpu_connect, cpu_rest]))
}

fn figures(
    arguments: &Arguments,
    server: &Server,
    points: &[Point],
    after: &Point,
    right_after: Memory,
    field: &Field,
    [cpu_connect, cpu_rest]: [server::Used; 2],
) -> Figures {
    let line = |of: fn(&Memory) -> u64| -> Vec<(f64, f64)> {
        points[1..].iter().map(|p| (p.connections as f64, of(&p.memory) as f64)).collect()
    };
    let rss = line(|memory| memory.rss);
    let (first, last) = (rss[0], rss[rss.len() - 1]);
    let least_squares = slope(&rss);
    let end_to_end = (last.1 - first.1) / (last.0 - first.0);
    // What the frames left behind is added to the line's slope as if it were all the connections'.
    let left_behind = (after.memory.rss as f64 - last.1) / last.0;
    let slope_rss = least_squares.max(end_to_end);
    let [empty, .., full] = points else { unreachable!("there are points at both ends") };
    let kernel = full.kernel.per_end(&empty.kernel, full.connections);
    let json = json!({
        "connections": arguments.connections,
        "transport": if arguments.tls { "TLS 1.3" } else { "plain" },
        "settle_s": arguments.settle_s,
        "bytes_per_connection": {
            "rss_least_squares": round(least_squares, 0),
            "rss_first_to_last": round(end_to_end, 0),
            "pss_least_squares": round(slope(&line(|memory| memory.pss)), 0),
            "anonymous_least_squares": round(slope(&line(|memory| memory.anonymous)), 0),
            "rss_from_point_to_point": segments(&rss),
            "left_by_frame": round(left_behind, 0),
            "rss_after_frame": round(slope_rss + left_behind, 0),
            "kernel_of_one_end": kernel,
        },
        "frame_bytes": arguments.frame,
        "rss_right_after_frames": right_after.rss,
        "points": points,
        "point_after_frames": after,
        "pings_answered": field.pings.load(Ordering::Relaxed),
        "connections_lost": 0,
        "cpu_while_connecting_and_resting": cpu_connect,
        "cpu_of_60_s_rest_with_all": cpu_rest,
        "server_ready_ms": round(server.started_in().as_secs_f64() * 1e3, 1),
    });
    Figures { slope_rss, after_frame: slope_rss + left_behind, json }
}

/// The slope between each point and the next: what has a bound shows in the first ones only.
fn segments(line: &[(f64, f64)]) -> Vec<f64> {
    let slope = |pair: &[(f64, f64)]| (pair[1].1 - pair[0].1) / (pair[1].0 - pair[0].0);
    line.windows(2).map(|pair| round(slope(pair), 0)).collect()
}

/// One connection, to the end of the run.
async fn live(field: Arc<Field>, number: usize, orders: watch::Receiver<Order>) {
    if let Err(lost) = Box::pin(try_live(&field, number, orders)).await {
        let _ = field.news.send(News::Lost(number, lost));
    }
}

async fn try_live(
    field: &Field,
    number: usize,
    mut orders: watch::Receiver<Order>,
) -> Result<(), Lost> {
    let mut link = {
        let _turn = field.at_once.acquire().await.expect("never closed");
        sign_in(field, number).await?
    };
    let _ = field.news.send(News::SignedIn);
    loop {
        let pings = link.pings;
        tokio::select! {
            frame = link.next() => {
                frame?;
            }
            changed = orders.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                if *orders.borrow_and_update() == Order::CarryFrame {
                    let _turn = field.at_once.acquire().await.expect("never closed");
                    carry_frame(field, &mut link).await?;
                }
            }
        }
        field.pings.fetch_add((link.pings - pings) as usize, Ordering::Relaxed);
    }
}

/// Sends a large frame that the server does not know and has to ignore (W-6). That it was read is
/// shown by the answer to a question behind it.
async fn carry_frame(field: &Field, link: &mut Link) -> Result<(), Lost> {
    link.put_bytes(&field.frame);
    link.put(&ClientFrame::Ping { nonce: 7 });
    loop {
        if let ServerFrame::Pong { nonce: 7, .. } = link.next().await? {
            let _ = field.news.send(News::FrameWasRead);
            return Ok(());
        }
    }
}

async fn sign_in(field: &Field, number: usize) -> Result<Link, Lost> {
    let mut link = Link::connect(&field.target, source(number / PER_ADDRESS)).await?;
    link.greet(field.crowd.hello(number, field.crowd.token(number), 1)).await?;
    Ok(link)
}

/// Waits for so many news of one kind.
async fn expect(
    count: usize,
    told: &mut mpsc::UnboundedReceiver<News>,
    is_it: impl Fn(&News) -> bool,
) -> Result<(), Failure> {
    let all = async {
        let mut left = count;
        while left > 0 {
            match told.recv().await.expect("the field holds a sender") {
                News::Lost(number, lost) => {
                    return Err(format!("connection {number}: {lost}").into());
                }
                news if is_it(&news) => left -= 1,
                _ => {}
            }
        }
        Ok(())
    };
    tokio::time::timeout(PATIENCE, all).await.map_err(|_| "the server is too slow")?
}

/// Lets everything rest, then reads the memory. A connection that is lost meanwhile ends the run.
async fn look(
    server: &Server,
    connections: usize,
    rest: Duration,
    told: &mut mpsc::UnboundedReceiver<News>,
) -> Result<Point, Failure> {
    let rested = tokio::time::sleep(rest);
    tokio::select! {
        () = rested => {}
        news = told.recv() => if let Some(News::Lost(number, lost)) = news {
            return Err(format!("connection {number} was lost at rest: {lost}").into());
        },
    }
    let memory = process::memory(server.pid())?;
    eprintln!("bench: {connections} connections: {} KiB resident", memory.rss / 1024);
    Ok(Point { connections, memory, kernel: kernel() })
}

/// A frame of so many bytes whose kind does not exist: field 2047 of the outermost message.
fn unknown_frame(bytes: usize) -> Vec<u8> {
    // The length in three bytes, however short it is: legal, and the header's size is known.
    let len = bytes - 5;
    let mut frame = vec![0xfa, 0x7f];
    frame.extend([len as u8 | 0x80, (len >> 7) as u8 | 0x80, (len >> 14) as u8]);
    frame.resize(bytes, 0x5a);
    frame
}

/// Connections from one address of this machine.
const PER_ADDRESS: usize = 1_000;
/// Handshakes, or large frames, on their way at the same time.
const AT_ONCE: usize = 64;
/// For a rest whose processor time is told.
const REST: Duration = Duration::from_secs(60);
/// For whatever all connections are to do.
const PATIENCE: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use homing_proto::codec;

    use super::*;

    #[test]
    fn the_large_frame_has_its_size_and_is_unknown() {
        for bytes in [16, 60_000, 999_999] {
            let frame = unknown_frame(bytes);
            assert_eq!(frame.len(), bytes);
            assert_eq!(codec::decode_client(Bytes::from(frame)), Ok(ClientFrame::Unknown));
        }
    }
}
