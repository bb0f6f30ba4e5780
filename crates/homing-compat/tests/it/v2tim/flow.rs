//! The flows of the original's documents against a real server.

use std::sync::Arc;

use homing::{Event, Logged, NetworkSwitch, Platform};
use homing_compat::v2tim::{
    OfflineKick, V2TimConversationListener, V2TimLogLevel, V2TimManager, V2TimSdkListener,
};

use crate::server::{Record, World, soon};

impl V2TimSdkListener for Record {
    fn on_connecting(&self) {
        self.put("onConnecting");
    }
    fn on_connect_success(&self) {
        self.put("onConnectSuccess");
    }
    fn on_connect_failed(&self, code: i32, _error: &str) {
        self.put(format!("onConnectFailed {code}"));
    }
    fn on_kicked_offline(&self) {
        self.put("onKickedOffline");
    }
    fn on_user_sig_expired(&self) {
        self.put("onUserSigExpired");
    }
}

impl V2TimConversationListener for Record {
    fn on_sync_server_start(&self) {
        self.put("onSyncServerStart");
    }
    fn on_sync_server_finish(&self) {
        self.put("onSyncServerFinish");
    }
}

const LOGIN: [&str; 4] =
    ["onConnecting", "onConnectSuccess", "onSyncServerStart", "onSyncServerFinish"];

struct Device {
    manager: V2TimManager,
    told: Record,
}

impl Device {
    async fn start(world: &World, name: &str, platform: Platform) -> Self {
        Self::of(V2TimManager::new(world.device(name, platform)), world).await
    }

    async fn of(manager: V2TimManager, world: &World) -> Self {
        let told = Record::default();
        manager.set_conversation_listener(Arc::new(told.clone()));
        let listener = Arc::new(told.clone());
        soon(manager.init_sdk(world.app(), V2TimLogLevel::None, listener)).await.unwrap();
        Self { manager, told }
    }

    async fn login(&self, world: &World, user: &str) {
        soon(self.manager.login(user, &world.token(user, 600))).await.unwrap();
        assert_eq!(self.told.until("onSyncServerFinish").await, LOGIN);
    }

    /// The number of a login that fails.
    async fn refused(&self, user: &str, sig: &str) -> i32 {
        soon(self.manager.login(user, sig)).await.unwrap_err().code
    }

    fn status(&self) -> (i32, String) {
        (self.manager.get_login_status().number(), self.manager.get_login_user())
    }
}

/// Seeds 002 and 003: initialise, first login (which registers), status, user, logout, uninitialise.
#[tokio::test]
async fn first_login_and_logout() {
    let world = World::start().await;
    let manager = V2TimManager::new(world.device("phone", Platform::Android));
    assert_eq!(soon(manager.login("dave", "sig")).await.unwrap_err().code, 6013);
    assert_eq!(manager.get_login_status().number(), 3);

    let device = Device::of(manager, &world).await;
    let again = Arc::new(Record::default());
    let again = device.manager.init_sdk(world.app(), V2TimLogLevel::None, again).await;
    assert_eq!(again.unwrap_err().code, 6015);
    assert_eq!(device.status(), (3, String::new()));

    device.login(&world, "dave").await;
    assert_eq!(device.status(), (1, "dave".to_owned()));
    assert!(device.manager.get_server_time() > 1_700_000_000);
    assert_eq!(
        device.manager.get_user_status(&["dave", "bob"]).await.unwrap(),
        [("dave".to_owned(), 1), ("bob".to_owned(), 2)]
    );
    // The same user again: no second login.
    soon(device.manager.login("dave", &world.token("dave", 600))).await.unwrap();
    assert_eq!(device.told.take(), [""; 0]);

    soon(device.manager.logout()).await.unwrap();
    assert_eq!(device.status(), (3, String::new()));
    assert_eq!(device.told.take(), [""; 0]);
    let messages = device.manager.get_message_manager();
    assert_eq!(messages.send_c2c_text_message("hi", "bob").await.unwrap_err().code, 6014);
    soon(device.manager.un_init_sdk()).await;
    assert_eq!(soon(device.manager.logout()).await.unwrap_err().code, 6013);
    let device = Device::of(device.manager, &world).await;
    device.login(&world, "dave").await;
    world.stop().await;
}

/// Seeds 002 and 004: the server's verdict is 70001, what this device knows from it is 6206.
#[tokio::test]
async fn an_expired_sig_at_login() {
    let world = World::start().await;
    let device = Device::start(&world, "phone", Platform::Android).await;
    let expired = world.token("alice", 0);
    assert_eq!(device.refused("alice", &expired).await, 70001);
    assert_eq!(device.status(), (3, String::new()));
    assert_eq!(device.refused("alice", &expired).await, 6206);
    assert_eq!(device.refused("alice", &world.token("bob", 600)).await, 70013);
    assert_eq!(device.refused("alice", "no sig").await, 70003);
    assert_eq!(device.refused("a/b", "no sig").await, 7003);
    device.told.take();
    device.login(&world, "alice").await;
}

/// Seed 003: once, without the endless login loop that it warns of; another sig goes on (S-8.5).
#[tokio::test]
async fn a_sig_that_runs_out_online() {
    let world = World::start().await;
    let device = Device::start(&world, "phone", Platform::Android).await;
    let short = world.token("alice", 3);
    soon(device.manager.login("alice", &short)).await.unwrap();
    let told = device.told.until("onUserSigExpired").await;
    assert_eq!(told[..4], LOGIN);
    assert_eq!(told.iter().filter(|line| *line == "onUserSigExpired").count(), 1);
    assert_eq!(device.status(), (3, String::new()));
    assert_eq!(device.refused("alice", &short).await, 6206);
    assert_eq!(device.told.take(), [""; 0]);
    device.login(&world, "alice").await;
    assert_eq!(device.status(), (1, "alice".to_owned()));
}

/// Seeds 002–004: the earlier instance is told once and may sign in again, which displaces the later.
#[tokio::test]
async fn a_kick_by_policy() {
    let world = World::start().await;
    let old = Device::start(&world, "old", Platform::Android).await;
    old.login(&world, "alice").await;
    let new = Device::start(&world, "new", Platform::Android).await;
    new.login(&world, "alice").await;
    assert_eq!(old.told.until("onKickedOffline").await, ["onKickedOffline"]);
    assert_eq!(old.status(), (3, String::new()));
    let messages = old.manager.get_message_manager();
    assert_eq!(messages.send_c2c_text_message("hi", "bob").await.unwrap_err().code, 6014);

    old.login(&world, "alice").await;
    assert_eq!(new.told.until("onKickedOffline").await, ["onKickedOffline"]);
    assert_eq!(old.told.take(), [""; 0]);
}

/// Kicked while this terminal was not there: by default the login takes the place back, with the
/// setting it reports 6208 first.
#[tokio::test]
async fn a_kick_while_away() {
    let world = World::start().await;
    for (offline_kick, first) in [(OfflineKick::SignIn, None), (OfflineKick::Report, Some(6208))] {
        let away = world.device("away", Platform::Ios);
        let manager = V2TimManager::with_offline_kick(away.clone(), offline_kick);
        let device = Device::of(manager, &world).await;
        device.login(&world, "alice").await;
        soon(device.manager.un_init_sdk()).await;
        let other = Device::start(&world, "other", Platform::Ios).await;
        other.login(&world, "alice").await;

        let manager = V2TimManager::with_offline_kick(away, offline_kick);
        let device = Device::of(manager, &world).await;
        if let Some(code) = first {
            assert_eq!(device.refused("alice", &world.token("alice", 600)).await, code);
            assert_eq!(device.status(), (3, String::new()));
            assert!(!device.told.take().contains(&"onKickedOffline".to_owned()));
        }
        device.login(&world, "alice").await;
        assert_eq!(other.told.until("onKickedOffline").await, ["onKickedOffline"]);
        soon(device.manager.un_init_sdk()).await;
        soon(other.manager.un_init_sdk()).await;
    }
    // Nobody took the place: the session comes back, and the login succeeds at once.
    let manager =
        V2TimManager::with_offline_kick(world.device("away", Platform::Ios), OfflineKick::Report);
    let device = Device::of(manager, &world).await;
    device.login(&world, "alice").await;
    assert_eq!(device.status(), (1, "alice".to_owned()));
}

/// Seeds 002 and 004: log bob in, without logging alice out.
#[tokio::test]
async fn an_account_switch() {
    let world = World::start().await;
    let device = Device::start(&world, "phone", Platform::Android).await;
    device.login(&world, "alice").await;
    soon(device.manager.login("bob", &world.token("bob", 600))).await.unwrap();
    assert_eq!(device.told.until("onSyncServerFinish").await, LOGIN);
    assert_eq!(device.status(), (1, "bob".to_owned()));
}

/// Seeds 002–004: the SDK comes back by itself.
#[tokio::test]
async fn a_network_that_goes_and_returns() {
    let world = World::start().await;
    let network = NetworkSwitch::default();
    let phone = world.device_on("phone", Platform::Android, network.clone());
    let device = Device::of(V2TimManager::new(phone), &world).await;
    device.login(&world, "alice").await;
    network.cut();
    assert_eq!(device.told.until("onConnectFailed 6200").await.len(), 1);
    assert_eq!(device.status(), (1, "alice".to_owned()));
    network.restore();
    let told = device.told.until("onSyncServerFinish").await;
    assert!(told.ends_with(&LOGIN[1..].iter().map(|l| (*l).to_owned()).collect::<Vec<_>>()));
    assert!(!told.contains(&"onKickedOffline".to_owned()), "{told:?}");
}

#[tokio::test]
async fn a_ban() {
    let world = World::start().await;
    let device = Device::start(&world, "phone", Platform::Android).await;
    device.login(&world, "alice").await;
    world.ban("alice").await;
    assert_eq!(device.told.until("onKickedOffline").await, ["onKickedOffline"]);
    assert_eq!(device.refused("alice", &world.token("alice", 600)).await, 70051);
}

/// A login while a login runs is 7501, also one whose caller went away.
#[tokio::test]
async fn a_login_while_logging_in() {
    let world = World::start().await;
    let network = NetworkSwitch::default();
    network.cut();
    let phone = world.device_on("phone", Platform::Android, network.clone());
    let device = Device::of(V2TimManager::new(phone), &world).await;
    let sig = world.token("alice", 600);
    {
        let first = device.manager.login("alice", &sig);
        tokio::pin!(first);
        tokio::select! {
            biased;
            result = &mut first => panic!("{result:?}"),
            told = device.told.until("onConnecting") => assert_eq!(told.len(), 1),
        }
        assert_eq!(device.status(), (2, String::new()));
        assert_eq!(device.refused("alice", &sig).await, 7501);
    }
    assert_eq!(device.refused("bob", &sig).await, 7501);
    // A logout cuts it short.
    soon(device.manager.logout()).await.unwrap();
    network.restore();
    device.told.take();
    device.login(&world, "alice").await;
}

/// Seeds 002 and 004: the list at once after the call, also when that login then fails.
#[tokio::test]
async fn the_conversation_list_right_after_login_was_called() {
    let world = World::start().await;
    let device = Device::start(&world, "phone", Platform::Android).await;
    device.login(&world, "alice").await;
    let bob = Device::start(&world, "bob", Platform::Android).await;
    bob.login(&world, "bob").await;
    let messages = device.manager.get_message_manager();
    messages.send_c2c_text_message("hello", "bob").await.unwrap();
    let mut events = device.manager.client().unwrap().events();
    while !matches!(soon(events.next()).await, Some(Logged::Entry(Event::Message(_)))) {}
    soon(device.manager.un_init_sdk()).await;

    let network = NetworkSwitch::default();
    network.cut();
    let phone = world.device_on("phone", Platform::Android, network);
    let device = Device::of(V2TimManager::new(phone), &world).await;
    let list = device.manager.get_conversation_manager();
    assert_eq!(list.get_conversation_list(0, 20).await.unwrap_err().code, 6014);
    let sig = world.token("alice", 600);
    let login = device.manager.login("alice", &sig);
    tokio::pin!(login);
    tokio::select! {
        biased;
        result = &mut login => panic!("{result:?}"),
        _ = device.told.until("onConnecting") => {}
    }
    let page = list.get_conversation_list(0, 20).await.unwrap();
    assert!(page.is_finished && page.next_seq == 1, "{page:?}");
    assert_eq!(page.conversation_list[0].conversation_id, "c2c_bob");
    assert_eq!(list.get_conversation("c2c_bob").await.unwrap().show_name, "bob");
    assert_eq!(list.get_total_unread_message_count().await.unwrap(), 0);
    assert!(matches!(soon(login).await.unwrap_err().code, 6012 | 6200));
    assert_eq!(list.get_conversation_list(0, 20).await.unwrap(), page);
}

#[tokio::test]
async fn an_operators_kick_ends_it_and_a_login_goes_on() {
    let world = World::start().await;
    let device = Device::start(&world, "phone", Platform::Android).await;
    device.login(&world, "alice").await;
    world.kick("alice").await;
    assert_eq!(device.told.until("onKickedOffline").await, ["onKickedOffline"]);
    device.login(&world, "alice").await;
}
