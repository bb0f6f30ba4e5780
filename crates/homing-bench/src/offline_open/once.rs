//! One opening, as an app's start does it: this process does nothing else.

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use homing::{Client, Config};
use serde::{Deserialize, Serialize};

use super::USER;
use crate::{Failure, crowd};

#[derive(Args)]
pub(crate) struct Arguments {
    #[arg(long)]
    data: PathBuf,
    #[arg(long)]
    app: u32,
}

/// Microseconds from the beginning to: the client is open, signed in, shows 20 conversations, shows 20
/// messages of the first.
#[derive(Serialize, Deserialize)]
pub(crate) struct Steps(pub(crate) [u64; 4]);

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    // What the app has anyway does not count.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let steps = runtime.block_on(open(arguments))?;
    println!("{}", serde_json::to_string(&steps)?);
    Ok(())
}

async fn open(arguments: &Arguments) -> Result<Steps, Failure> {
    let began = Instant::now();
    let mut steps = [0; 4];
    let mut step = |number: usize| steps[number] = began.elapsed().as_micros() as u64;
    let config = Config::new(arguments.app, NOBODY)?.data_dir(&arguments.data);
    let client = Client::open(config).await?;
    step(0);
    client.login_offline(crowd::user(USER).as_str(), None).await?;
    step(1);
    let screen = client.conversations(20).await?;
    step(2);
    let first = screen.first().ok_or("the store is empty")?;
    let history = client.history(&first.id, 0, 20).await?;
    step(3);
    if screen.len() != 20 || history.messages.is_empty() {
        return Err("the first screen is not full".into());
    }
    client.close().await;
    Ok(Steps(steps))
}

/// The discard port: nobody answers there.
const NOBODY: &str = "ws://127.0.0.1:9";
