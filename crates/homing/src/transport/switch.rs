//! A switch that really takes a client's network away and gives it back, for tests and shows.

use homing_proto::{Code, Error};
use tokio::sync::watch;

/// Takes one client's network away: existing connections are severed without a goodbye, new ones
/// are refused. Clones are the same switch.
///
/// This is not a hint: the client learns of it as it learns of any lost connection.
///
/// ```
/// let switch = homing::NetworkSwitch::default();
/// let config = homing::Config::new(1, "ws://127.0.0.1:7700")?.network_switch(switch.clone());
/// switch.cut();
/// switch.restore();
/// # Ok::<(), homing::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct NetworkSwitch(watch::Sender<Network>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Network {
    There,
    Cut,
}

impl Default for NetworkSwitch {
    fn default() -> Self {
        Self(watch::Sender::new(Network::There))
    }
}

impl NetworkSwitch {
    /// Severs what there is and refuses what comes.
    pub fn cut(&self) {
        self.0.send_replace(Network::Cut);
    }

    /// Lets connections through again.
    pub fn restore(&self) {
        self.0.send_replace(Network::There);
    }

    /// Waits until the network is cut; never ends while it is there. The error says that it is this
    /// device's own network that is gone.
    pub(crate) async fn severed(&self) -> Error {
        // The sender lives in `self`, so the wait cannot fail.
        let _ = self.0.subscribe().wait_for(|network| *network == Network::Cut).await;
        Error::new(Code::OFFLINE).with_text("the network is cut off")
    }
}
