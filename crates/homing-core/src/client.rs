//! The client machine: session, link and sync as one value (S-2.5).
pub mod account;
pub mod io;
pub mod status;

pub use account::Account;
pub use io::*;
pub use status::Status;

use homing_proto::device::Device;
use homing_proto::frame::Window;
use homing_proto::id::AppId;
use homing_proto::time::{Now, Time};

/// What a client is told once.
#[derive(Clone, Debug)]
pub struct Config {
    /// The app.
    pub app: AppId,
    /// The device.
    pub device: Device,
    /// The SDK's name and version, at most 64 bytes.
    pub sdk: String,
    /// The size of a fresh window.
    pub window: Window,
    /// Offline login is refused when the last online login is older (S-4.2), in milliseconds.
    pub max_offline_age_ms: Option<u64>,
    /// Feeds jitter and message ids. Two clients never share one.
    pub seed: u64,
}

/// The client machine.
#[derive(Debug)]
pub struct Client {
    status: Status,
}

impl Client {
    /// A client that nobody is signed in to, with what was kept from earlier runs.
    pub fn new(config: Config, account: Account) -> Self {
        let _ = (config, account);
        unimplemented!()
    }

    /// Takes in one thing that happened and appends what is to be done, in order.
    ///
    /// Total: any input in any state is legal; what is late or unknown changes nothing.
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Vec<Output>) {
        let _ = (now, input, out);
        unimplemented!()
    }

    /// When [`Input::Timeout`] is due, if ever. Ask again after every `handle`.
    pub fn next_timeout(&self) -> Option<Time> {
        unimplemented!()
    }

    /// The present picture.
    pub const fn status(&self) -> &Status {
        &self.status
    }
}
