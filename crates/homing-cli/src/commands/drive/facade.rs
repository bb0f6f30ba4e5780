//! `homing drive --facade`: the same lines with one of the facades behind them, so that scenarios can
//! replay the originals' flows under the originals' names and numbers.

mod nim;
mod v2tim;
mod zim;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use clap::ValueEnum;
use homing::{Client, ClockShift, Code, Error, Hint, NetworkSwitch};
use homing_compat::Deployment;
use serde::Deserialize;
use serde_json::{Value, json};

use super::output::Output;
use super::request::{Request, wrong};
use super::{Arguments, DeviceArguments, ServerArguments, shape};

/// Which of the facades.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Facade {
    /// Shaped like Tencent Chat.
    V2tim,
    /// Shaped like NIM.
    Nim,
    /// Shaped like ZIM.
    Zim,
}

/// An answer: what the operation gave, or the facade's error.
pub(super) type Answer = Result<Value, Value>;

/// A facade that lines drive.
#[derive(Clone)]
pub(super) enum Face {
    V2tim(v2tim::Driven),
    Nim(nim::Driven),
    Zim(zim::Driven),
}

/// What every facade is driven with.
#[derive(Clone)]
struct Stage {
    app: u32,
    deployment: Deployment,
    network: NetworkSwitch,
    clock: ClockShift,
    tell: Teller,
}

/// Where callbacks go. They come from a task that must not wait: what stdout cannot take is left out and
/// counted.
#[derive(Clone)]
struct Teller {
    output: Output,
    missed: Arc<AtomicU64>,
}

impl Face {
    /// A facade of which nothing is initialised yet.
    pub(super) fn new(facade: Facade, arguments: &Arguments, output: Output) -> Self {
        let (network, clock) = (NetworkSwitch::default(), ClockShift::default());
        let deployment = deployment(
            arguments.server.clone(),
            arguments.device.clone(),
            arguments.store.clone(),
            &network,
            &clock,
        );
        let tell = Teller { output, missed: Arc::default() };
        let stage = Stage { app: arguments.server.app_id, deployment, network, clock, tell };
        match facade {
            Facade::V2tim => Self::V2tim(v2tim::Driven::new(stage, arguments.report_offline_kick)),
            Facade::Nim => Self::Nim(nim::Driven::new(stage)),
            Facade::Zim => Self::Zim(zim::Driven::new(stage)),
        }
    }

    /// Does one operation.
    pub(super) async fn run(&self, request: Request) -> Answer {
        match self {
            Self::V2tim(driven) => driven.run(request).await,
            Self::Nim(driven) => driven.run(request).await,
            Self::Zim(driven) => driven.run(request).await,
        }
    }

    /// Finishes what was begun and frees everything.
    pub(super) async fn close(&self) {
        match self {
            Self::V2tim(driven) => driven.close().await,
            Self::Nim(driven) => driven.close().await,
            Self::Zim(driven) => driven.close().await,
        }
    }
}

impl Stage {
    /// The operations that are the same for all facades: what happens on the device itself.
    async fn run(&self, request: Request, client: Option<Client>) -> Answer {
        match request.name.as_str() {
            "network" => self.network(arguments(request)?, client).await,
            "clock" => {
                let Clock { shift_s } = arguments(request)?;
                self.clock.set_seconds(shift_s);
                Ok(json!({}))
            }
            name => Err(shape::error(&Error::new(Code::UNKNOWN_OPERATION).with_text(format!(
                "this facade has no operation `{name}`; see homing drive --help"
            )))),
        }
    }

    async fn network(&self, network: Network, client: Option<Client>) -> Answer {
        match network.cut {
            Some(true) => self.network.cut(),
            Some(false) => self.network.restore(),
            None => {}
        }
        if let (Some(up), Some(client)) = (network.up, client) {
            let hint = if up { Hint::NetworkUp } else { Hint::NetworkDown };
            client.hint(hint).await.map_err(|error| shape::error(&error))?;
        }
        Ok(json!({}))
    }
}

impl Teller {
    fn tell(&self, line: Value) {
        let missed = self.missed.swap(0, Ordering::Relaxed);
        if missed > 0 && !self.output.try_put(shape::lagged(missed)) {
            self.missed.fetch_add(missed + 1, Ordering::Relaxed);
            return;
        }
        if !self.output.try_put(line) {
            self.missed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[derive(Deserialize)]
struct Network {
    up: Option<bool>,
    cut: Option<bool>,
}

#[derive(Deserialize)]
struct Clock {
    shift_s: i64,
}

fn deployment(
    server: ServerArguments,
    device: DeviceArguments,
    store: PathBuf,
    network: &NetworkSwitch,
    clock: &ClockShift,
) -> Deployment {
    let (network, clock) = (network.clone(), clock.clone());
    Deployment::new(&server.server.clone()).configure(move |config| {
        device
            .apply(server.apply(config))
            .data_dir(&store)
            .network_switch(network.clone())
            .clock_shift(clock.clone())
    })
}

/// The arguments of an operation; what is wrong with them is Homing's own error.
fn arguments<T: serde::de::DeserializeOwned>(request: Request) -> Result<T, Value> {
    request.arguments().map_err(|error: Error| shape::error(&error))
}

/// An error of a facade.
fn refused(code: i32, text: &str) -> Value {
    json!({ "code": code, "text": text })
}

/// The operation needs something that a line before should have made.
fn missing(what: &str) -> Value {
    shape::error(&wrong(what))
}
