//! From a login to the word to the device that loses its place to it (B-6).

use std::time::{Duration, Instant};

use clap::Args;
use homing_proto::code::Code;
use homing_proto::device::Platform;
use homing_proto::frame::ServerFrame;
use homing_proto::id::DeviceId;
use serde_json::json;

use crate::Failure;
use crate::crowd::Crowd;
use crate::facts::Facts;
use crate::figures::Spans;
use crate::link::{Link, Lost, Target, source};
use crate::report::{Bound, Measured, Verdict};
use crate::server::{self, Server, Transport};

#[derive(Args)]
pub(crate) struct Arguments {
    /// Logins that displace somebody, one after the other.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    kicks: u32,
    #[command(flatten)]
    server: server::Arguments,
}

pub(crate) fn run(arguments: &Arguments) -> Result<Measured, Failure> {
    let facts = Facts::gather();
    let server = Server::start(&arguments.server, Transport::Plain)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (target, crowd) = (server.target(), server.crowd()?);
    let (mut from_hello, mut from_welcome) = (Spans::default(), Spans::default());
    runtime.block_on(async {
        for number in 0..arguments.kicks as usize {
            let kick = one(&target, &crowd, number).await.map_err(|lost| lost.to_string())?;
            from_hello.add(kick.from_hello);
            from_welcome.add(kick.from_welcome);
        }
        Ok::<(), Failure>(())
    })?;
    let (from_hello, from_welcome) = (from_hello.summary(), from_welcome.summary());
    let verdict = Verdict::new(
        "B-6",
        "ms from the winner's Hello on the wire to the loser's last frame, p99",
        from_hello.p99_ms,
        Bound::AtMost(10.0),
    );
    Ok(Measured {
        name: "kick".to_owned(),
        facts: facts.finish(),
        budgets: vec![verdict],
        figures: json!({
            "kicks": arguments.kicks,
            "from_hello_to_told": from_hello,
            "from_welcome_to_told": from_welcome,
        }),
    })
}

struct Kick {
    from_hello: Duration,
    /// 0 when the loser is told before the winner, as the server means it.
    from_welcome: Duration,
}

/// A user signs in on one phone and then on another one.
async fn one(target: &Target, crowd: &Crowd, number: usize) -> Result<Kick, Lost> {
    let token = crowd.token(number);
    let mut loser = Link::connect(target, source(number % ADDRESSES)).await?;
    loser.greet(crowd.hello(number, token.clone(), 1)).await?;
    let mut winner = Link::connect(target, source(number % ADDRESSES)).await?;
    let mut hello = crowd.hello(number, token, 2);
    hello.device.id = DeviceId((number as u128 | 3 << 126).to_be_bytes());
    hello.device.platform = Platform::Ios;
    let began = Instant::now();
    let (told, welcomed) = tokio::join!(last_frame(&mut loser), async {
        winner.greet(hello).await.map(|_| Instant::now())
    });
    let (told, welcomed) = (told?, welcomed?);
    Ok(Kick {
        from_hello: told.duration_since(began),
        from_welcome: told.saturating_duration_since(welcomed),
    })
}

async fn last_frame(link: &mut Link) -> Result<Instant, Lost> {
    loop {
        if let ServerFrame::Close(close) = link.next_or_last().await? {
            let is_kick = close.error.code == Code::KICKED && close.kick.is_some();
            return if is_kick { Ok(Instant::now()) } else { Err(Lost::Said(close.error.code)) };
        }
    }
}

/// Addresses of this machine that the clients come from.
const ADDRESSES: usize = 64;
