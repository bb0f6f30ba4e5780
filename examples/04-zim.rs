//! The session of ZIM, on Homing: online login, offline login, the network back, a kick.
//!
//! ```sh
//! cargo run --release -- serve --dev > dev.json &
//! cargo run --release -p homing-compat --example zim -- dev.json
//! ```

#![allow(clippy::print_stdout, reason = "this is what an example is for")]

mod dev;

use std::error::Error;
use std::sync::Arc;

use homing::{NetworkSwitch, Platform};
use homing_compat::Deployment;
use homing_compat::zim::{
    Zim, ZimAppConfig, ZimConnectionEvent, ZimConnectionState, ZimConversationSyncState, ZimError,
    ZimEventHandler, ZimLoginConfig,
};
use tokio::sync::mpsc;

use crate::dev::Dev;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let dev = Dev::read()?;
    let data = tempfile::tempdir()?;
    let (folder, network) = (data.path().join("phone"), NetworkSwitch::default());
    let switch = network.clone();
    let phone = dev
        .device(Platform::Android)
        .configure(move |config| config.data_dir(&folder).network_switch(switch.clone()));
    let config = || ZimLoginConfig::new().token(dev.token("alice"));

    // Online: the first login registers the user and remembers who it was.
    let (zim, mut told) = create("phone", phone.clone(), &dev).await?;
    let named = config().user_name("Alice");
    show(
        "phone: offline login before any other",
        zim.login("alice", named.clone().offline_login()).await,
    );
    show("phone: login", zim.login("alice", named).await);
    wait_for("conversationSyncStateChanged 1", &mut told).await;
    show("phone: login as bob without logout", zim.login("bob", config()).await);
    zim.destroy().await;

    // The app was cleared from memory and there is no network: sign in offline, read, wait.
    network.cut();
    let (zim, mut told) = create("phone", phone, &dev).await?;
    show("phone: offline login as bob", zim.login("bob", config().offline_login()).await);
    show("phone: offline login", zim.login("alice", config().offline_login()).await);
    show("phone: queryConversationList", zim.query_conversation_list(None, 20).await);
    show("phone: queryUsersStatus", zim.query_users_status(&["bob"]).await);

    // The network is there: the SDK connects by itself and brings local data up to date.
    network.restore();
    wait_for("conversationSyncStateChanged 1", &mut told).await;
    show("phone: queryUsersStatus", zim.query_users_status(&["bob"]).await);

    // The network breaks and comes back; the app does nothing.
    network.cut();
    wait_for("connectionStateChanged 3 Reconnecting, 3 LoginInterrupted", &mut told).await;
    network.restore();
    wait_for("conversationSyncStateChanged 1", &mut told).await;

    // The same user on another phone: this one is displaced and stays out.
    let (other, mut told_other) = create("other", dev.device(Platform::Android), &dev).await?;
    show("other: login", other.login("alice", config()).await);
    wait_for("conversationSyncStateChanged 1", &mut told_other).await;
    wait_for("connectionStateChanged 0 Disconnected, 4 KickedOut", &mut told).await;
    show("phone: sendMessage", zim.send_text_message("hello", "bob").await);

    show("other: logout", other.logout().await);
    wait_for("connectionStateChanged 0 Disconnected, 0 Success", &mut told_other).await;
    Ok(())
}

/// The demo server mints UserSigs; ZIM's own tokens need no `token_format`.
async fn create(
    name: &'static str,
    deployment: Deployment,
    dev: &Dev,
) -> Result<(Zim, mpsc::UnboundedReceiver<String>), ZimError> {
    let (told, receiver) = mpsc::unbounded_channel();
    let app = ZimAppConfig::new(dev.app_id()).token_format("usersig");
    let zim = Zim::create(deployment, app, Arc::new(Screen { name, told })).await?;
    Ok((zim, receiver))
}

/// Prints each callback under its original name, with its numbers.
struct Screen {
    name: &'static str,
    told: mpsc::UnboundedSender<String>,
}

impl Screen {
    fn show(&self, callback: String) {
        println!("{}: {callback}", self.name);
        // Nobody may wait for it any more.
        let _ = self.told.send(callback);
    }
}

impl ZimEventHandler for Screen {
    fn on_connection_state_changed(
        &self,
        state: ZimConnectionState,
        event: ZimConnectionEvent,
        _extended_data: &str,
    ) {
        let (state_name, event_name) = (state.name(), event.name());
        let (state, event) = (state.number(), event.number());
        self.show(format!("connectionStateChanged {state} {state_name}, {event} {event_name}"));
    }
    fn on_conversation_sync_state_changed(&self, state: ZimConversationSyncState) {
        self.show(format!("conversationSyncStateChanged {}", state.number()));
    }
}

/// `ZIMError` of the original: a code, 0 for success.
fn show<T>(what: &str, result: Result<T, ZimError>) {
    println!("{what}: code {}", result.map_or_else(|error| error.code, |_| 0));
}

async fn wait_for(callback: &str, told: &mut mpsc::UnboundedReceiver<String>) {
    while told.recv().await.is_some_and(|told| told != callback) {}
}
