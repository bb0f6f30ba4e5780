//! The flows of the original's documents against a real server.

use std::sync::Arc;

use homing::{NetworkSwitch, Platform};
use homing_compat::Deployment;
use homing_compat::zim::{
    Zim, ZimAppConfig, ZimConnectionEvent, ZimConnectionState, ZimConversationSyncState, ZimError,
    ZimEventHandler, ZimLoginConfig, ZimMessage,
};

use homing_token::{Format, Key};

use crate::server::{Record, World, soon};

/// States and events by number, sync states as `sync n`, an expiring token as `expires`.
impl ZimEventHandler for Record {
    fn on_connection_state_changed(
        &self,
        state: ZimConnectionState,
        event: ZimConnectionEvent,
        _extended_data: &str,
    ) {
        self.put(format!("{}+{}", state.number(), event.number()));
    }
    fn on_token_will_expire(&self, _second: u32) {
        self.put("expires");
    }
    fn on_conversation_sync_state_changed(&self, state: ZimConversationSyncState) {
        self.put(format!("sync {}", state.number()));
    }
    fn on_peer_message_received(&self, messages: &[ZimMessage], from_user_id: &str) {
        let text = messages[0].message.as_deref().unwrap_or_default();
        self.put(format!("{from_user_id}: {text}"));
    }
}

const LOGIN: [&str; 4] = ["1+1", "2+0", "sync 0", "sync 1"];

struct Device {
    zim: Zim,
    told: Record,
}

impl Device {
    async fn start(deployment: Deployment, world: &World) -> Self {
        Self::with(deployment, app(world)).await
    }

    async fn with(deployment: Deployment, app: ZimAppConfig) -> Self {
        let told = Record::default();
        let zim = soon(Zim::create(deployment, app, Arc::new(told.clone()))).await.unwrap();
        Self { zim, told }
    }

    async fn login(&self, world: &World, user: &str) {
        soon(self.zim.login(user, online(world, user))).await.unwrap();
        assert_eq!(self.told.until("sync 1").await, LOGIN);
    }
}

/// The test server mints UserSigs.
fn app(world: &World) -> ZimAppConfig {
    ZimAppConfig::new(world.app()).token_format("usersig")
}

fn online(world: &World, user: &str) -> ZimLoginConfig {
    ZimLoginConfig::new().token(&world.token(user, 600))
}

fn number(result: Result<(), ZimError>) -> i32 {
    result.map_or_else(|error| error.code, |()| 0)
}

#[tokio::test]
async fn first_login_and_logout() {
    let world = World::start().await;
    let device = Device::start(world.device("phone", Platform::Android), &world).await;
    assert_eq!(number(device.zim.login("zego", ZimLoginConfig::new()).await), 6000103);
    let named = online(&world, "zego").user_name("Zego");
    assert_eq!(number(soon(device.zim.login("zego", named)).await), 0);
    assert_eq!(device.told.until("sync 1").await, LOGIN);
    // One account on one device: log out first.
    for user in ["zego", "bob"] {
        assert_eq!(number(device.zim.login(user, online(&world, user)).await), 6000111);
    }
    let status = device.zim.query_users_status(&["zego", "bob"]).await.unwrap();
    assert_eq!(status, [("zego".to_owned(), 0), ("bob".to_owned(), 1)]);
    assert_eq!(number(soon(device.zim.logout()).await), 0);
    assert_eq!(device.told.take(), ["0+0"]);
    assert_eq!(device.zim.query_conversation_list(None, 20).await.unwrap_err().code, 6000121);
    device.login(&world, "bob").await;
    soon(device.zim.destroy()).await;
    assert_eq!(number(device.zim.login("bob", online(&world, "bob")).await), 6000002);
}

#[tokio::test]
async fn an_expired_or_wrong_token_at_login() {
    let world = World::start().await;
    let device = Device::start(world.device("phone", Platform::Android), &world).await;
    let expired = ZimLoginConfig::new().token(&world.token("alice", 0));
    assert_eq!(number(soon(device.zim.login("alice", expired)).await), 6000106);
    assert_eq!(device.told.take(), ["1+1", "0+5"]);
    let wrong = ZimLoginConfig::new().token("no token");
    assert_eq!(number(soon(device.zim.login("alice", wrong)).await), 6000103);
    assert_eq!(device.told.take(), ["1+1", "0+2"]);
}

/// S-8.3, S-8.4: warned ahead; renewed in time nothing happens; not renewed it is disconnected.
#[tokio::test]
async fn a_token_that_runs_out_online() {
    let world = World::start().await;
    let device = Device::start(world.device("phone", Platform::Android), &world).await;
    let short = || ZimLoginConfig::new().token(&world.token("alice", 3));
    soon(device.zim.login("alice", short())).await.unwrap();
    let told = device.told.until("0+5").await;
    assert!(told.contains(&"expires".to_owned()), "{told:?}");
    assert_eq!(told.iter().filter(|line| *line == "2+0").count(), 1);
    device.login(&world, "alice").await;
    soon(device.zim.logout()).await.unwrap();
    device.told.take();

    soon(device.zim.login("alice", short())).await.unwrap();
    device.told.until("expires").await;
    assert_eq!(number(soon(device.zim.renew_token(&world.token("alice", 600))).await), 0);
    assert!(device.told.take().iter().all(|line| line.starts_with("sync")));
}

/// Seed 000: the same user as last time, with or without network.
#[tokio::test]
async fn an_offline_login_and_its_refusals() {
    let world = World::start().await;
    let offline = |user: &str| online(&world, user).offline_login();
    let device = Device::start(world.device("phone", Platform::Android), &world).await;
    // Nobody ever signed in online here.
    assert_eq!(number(soon(device.zim.login("alice", offline("alice"))).await), 6000124);
    device.login(&world, "alice").await;
    let bob = Device::start(world.device("bob", Platform::Android), &world).await;
    bob.login(&world, "bob").await;
    bob.zim.send_text_message("hello", "alice").await.unwrap();
    device.told.until("bob: hello").await;
    soon(device.zim.destroy()).await;

    let network = NetworkSwitch::default();
    network.cut();
    let phone = world.device_on("phone", Platform::Android, network.clone());
    let device = Device::start(phone, &world).await;
    assert_eq!(number(soon(device.zim.login("bob", offline("bob"))).await), 6000124);
    let expired = ZimLoginConfig::new().token(&world.token("alice", 0)).offline_login();
    assert_eq!(number(soon(device.zim.login("alice", expired)).await), 6000106);
    assert_eq!(device.told.take(), [""; 0]);

    assert_eq!(number(soon(device.zim.login("alice", offline("alice"))).await), 0);
    assert_eq!(device.told.take(), ["1+1"]);
    let list = device.zim.query_conversation_list(None, 20).await.unwrap();
    assert_eq!((list[0].conversation_id.as_str(), list[0].unread_message_count), ("bob", 1));
    assert_eq!(device.zim.query_conversation_list(Some(&list[0]), 20).await.unwrap(), []);
    assert_eq!(device.zim.query_conversation("bob").await.unwrap(), list[0]);
    let history = device.zim.query_history_message("bob", None, 20).await.unwrap();
    assert_eq!(history[0].message.as_deref(), Some("hello"));
    // What needs the server fails until it is connected.
    assert_eq!(device.zim.query_users_status(&["bob"]).await.unwrap_err().code, 6000104);
    network.restore();
    assert_eq!(device.told.until("sync 1").await, ["2+0", "sync 0", "sync 1"]);
    device.zim.query_users_status(&["bob"]).await.unwrap();
    device.zim.clear_conversation_unread_message_count("bob").await.unwrap();

    // After a logout only an online login goes.
    soon(device.zim.logout()).await.unwrap();
    assert_eq!(number(soon(device.zim.login("alice", offline("alice"))).await), 6000124);
}

#[tokio::test]
async fn a_kick_by_policy_and_one_while_away() {
    let world = World::start().await;
    let old = Device::start(world.device("old", Platform::Android), &world).await;
    old.login(&world, "alice").await;
    let new = Device::start(world.device("new", Platform::Android), &world).await;
    new.login(&world, "alice").await;
    assert_eq!(old.told.until("0+4").await, ["0+4"]);
    let sent = old.zim.send_text_message("hi", "bob").await.unwrap_err();
    assert_eq!(sent.code, 6000121);
    let offline = online(&world, "alice").offline_login();
    assert_eq!(number(soon(old.zim.login("alice", offline.clone())).await), 6000124);

    // The place is taken back while the other is away: its offline login opens, then it is told.
    soon(new.zim.destroy()).await;
    old.login(&world, "alice").await;
    let new = Device::start(world.device("new", Platform::Android), &world).await;
    assert_eq!(number(soon(new.zim.login("alice", offline)).await), 0);
    assert_eq!(new.told.until("0+4").await, ["1+1", "0+4"]);
    assert_eq!(old.told.take(), [""; 0]);
}

#[tokio::test]
async fn a_network_that_goes_and_returns_and_a_ban() {
    let world = World::start().await;
    let network = NetworkSwitch::default();
    let phone = world.device_on("phone", Platform::Android, network.clone());
    let device = Device::start(phone, &world).await;
    device.login(&world, "alice").await;
    network.cut();
    assert_eq!(device.told.until("3+3").await, ["3+3"]);
    network.restore();
    assert_eq!(device.told.until("sync 1").await, LOGIN[1..]);
    world.ban("alice").await;
    assert_eq!(device.told.until("0+4").await, ["0+4"]);
    assert_eq!(number(soon(device.zim.login("alice", online(&world, "alice"))).await), 6000102);
}

/// The AppSign first, then the token; the first refusal is not told.
#[tokio::test]
async fn an_app_sign_that_is_refused_gives_way_to_the_token() {
    let world = World::start().await;
    let app = app(&world).app_sign("0123456789abcdef0123456789abcdef");
    let device = Device::with(world.device("phone", Platform::Android), app).await;
    // The app's settings do not allow AppSigns.
    assert_eq!(number(soon(device.zim.login("alice", ZimLoginConfig::new())).await), 6000107);
    assert_eq!(device.told.take(), ["1+1", "0+2"]);
    device.login(&world, "alice").await;
}

/// S-8.1: the original's own forms, a token04 and an AppSign.
#[tokio::test]
async fn a_token04_and_an_app_sign_sign_in() {
    let world = World::start().await;
    let secret = Key::new("0123456789abcdef0123456789abcdef").unwrap();
    world.accept(Format::Token04, &secret).await;
    let app = ZimAppConfig::new(world.app());
    let device = Device::with(world.device("phone", Platform::Android), app.clone()).await;
    let token = world.made_as(Format::Token04, &secret, "alice");
    soon(device.zim.login("alice", ZimLoginConfig::new().token(&token))).await.unwrap();
    assert_eq!(device.told.until("sync 1").await, LOGIN);
    let renewed = world.made_as(Format::Token04, &secret, "alice");
    soon(device.zim.renew_token(&renewed)).await.unwrap();

    let app_sign = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
    world.accept(Format::AppSign, &Key::new(app_sign).unwrap()).await;
    let signed = Device::with(world.device("other", Platform::Ios), app.app_sign(app_sign)).await;
    // The AppSign is good, so the token is not looked at.
    let config = ZimLoginConfig::new().token("no token");
    soon(signed.zim.login("bob", config)).await.unwrap();
    assert_eq!(signed.told.until("sync 1").await, LOGIN);
}
