//! The session of Tencent Chat, on Homing: initialise, sign in, be displaced, sign in again, switch.
//!
//! ```sh
//! cargo run --release -- serve --dev > dev.json &
//! cargo run --release -p homing-compat --example v2tim -- dev.json
//! ```

#![allow(clippy::print_stdout, reason = "this is what an example is for")]

mod dev;

use std::error::Error;
use std::sync::Arc;

use homing::Platform;
use homing_compat::v2tim::{
    V2TimConversationListener, V2TimError, V2TimLogLevel, V2TimManager, V2TimSdkListener,
};
use tokio::sync::mpsc;

use crate::dev::Dev;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let dev = Dev::read()?;

    // Initialise: app id, log level, listener.
    let (listener, mut told) = Screen::new("phone");
    let phone = V2TimManager::new(dev.device(Platform::Android));
    phone.set_conversation_listener(listener.clone());
    phone.init_sdk(dev.app_id(), V2TimLogLevel::Error, listener).await?;
    println!("phone: login status {}", phone.get_login_status().number());

    // A sig that cannot be read is refused; the right one signs in.
    show("phone: login with a bad sig", phone.login("alice", "no sig").await);
    show("phone: login", phone.login("alice", dev.token("alice")).await);
    println!("phone: login status {}", phone.get_login_status().number());
    println!("phone: login user {:?}", phone.get_login_user());
    wait_for("onSyncServerFinish", &mut told).await;

    // The same user on another phone: the earlier login loses its place and is told, once.
    let (listener, mut told_tablet) = Screen::new("tablet");
    let tablet = V2TimManager::new(dev.device(Platform::Android));
    tablet.set_conversation_listener(listener.clone());
    tablet.init_sdk(dev.app_id(), V2TimLogLevel::Error, listener).await?;
    show("tablet: login", tablet.login("alice", dev.token("alice")).await);
    wait_for("onSyncServerFinish", &mut told_tablet).await;
    wait_for("onKickedOffline", &mut told).await;
    let messages = phone.get_message_manager();
    show("phone: send", messages.send_c2c_text_message("hello", "bob").await);

    // "Sign in again?" – "Yes": it takes the place back.
    show("phone: login", phone.login("alice", dev.token("alice")).await);
    wait_for("onSyncServerFinish", &mut told).await;
    wait_for("onKickedOffline", &mut told_tablet).await;
    tablet.un_init_sdk().await;

    // Conversations may be asked for at any time after login was called.
    show("phone: send", messages.send_c2c_text_message("hello", "bob").await);
    let list = phone.get_conversation_manager().get_conversation_list(0, 20).await;
    show("phone: conversation list", list);

    // Switch: no logout is needed.
    show("phone: login as bob", phone.login("bob", dev.token("bob")).await);
    println!("phone: login user {:?}", phone.get_login_user());
    wait_for("onSyncServerFinish", &mut told).await;

    show("phone: logout", phone.logout().await);
    println!("phone: login status {}", phone.get_login_status().number());
    phone.un_init_sdk().await;
    show("phone: login after unInitSDK", phone.login("bob", dev.token("bob")).await);
    Ok(())
}

/// Prints each callback under its original name.
struct Screen {
    device: &'static str,
    told: mpsc::UnboundedSender<&'static str>,
}

impl Screen {
    fn new(device: &'static str) -> (Arc<Self>, mpsc::UnboundedReceiver<&'static str>) {
        let (told, receiver) = mpsc::unbounded_channel();
        (Arc::new(Self { device, told }), receiver)
    }

    fn show(&self, callback: &'static str) {
        println!("{}: {callback}", self.device);
        // Nobody may wait for it any more.
        let _ = self.told.send(callback);
    }
}

impl V2TimSdkListener for Screen {
    fn on_connecting(&self) {
        self.show("onConnecting");
    }
    fn on_connect_success(&self) {
        self.show("onConnectSuccess");
    }
    fn on_connect_failed(&self, _code: i32, _error: &str) {
        self.show("onConnectFailed");
    }
    fn on_kicked_offline(&self) {
        self.show("onKickedOffline");
    }
    fn on_user_sig_expired(&self) {
        self.show("onUserSigExpired");
    }
}

impl V2TimConversationListener for Screen {
    fn on_sync_server_start(&self) {
        self.show("onSyncServerStart");
    }
    fn on_sync_server_finish(&self) {
        self.show("onSyncServerFinish");
    }
}

/// `V2TimCallback` of the original: a code, 0 for success.
fn show<T>(what: &str, result: Result<T, V2TimError>) {
    println!("{what}: code {}", result.map_or_else(|error| error.code, |_| 0));
}

async fn wait_for(callback: &str, told: &mut mpsc::UnboundedReceiver<&'static str>) {
    while told.recv().await.is_some_and(|told| told != callback) {}
}
