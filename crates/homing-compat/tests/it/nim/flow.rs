//! The flows of the original's document against a real server.

use homing::{NetworkSwitch, Platform};
use homing_compat::Deployment;
use homing_compat::nim::{
    NimAuthEvent, NimAuthStatus, NimAuthType, NimClientType, NimCore, NimError, NimEvents,
    NimKickOutByOtherClientEvent, NimLoginInfo, NimOnlineClient, NimSdkOptions,
};

use homing_token::{Format, Key};

use crate::server::{World, soon};

const LOGIN: [&str; 5] = ["connecting", "logging", "loggedIn", "dataSyncStart", "dataSyncFinish"];

struct Device {
    core: NimCore,
    events: NimEvents<NimAuthEvent>,
    clients: NimEvents<Vec<NimOnlineClient>>,
}

impl Device {
    async fn start(deployment: Deployment, world: &World) -> Self {
        Self::with(deployment, options(world)).await
    }

    async fn with(deployment: Deployment, options: NimSdkOptions) -> Self {
        let core = NimCore::new(deployment);
        let auth = core.auth_service();
        let (mut events, clients) = (auth.auth_status(), auth.online_clients());
        soon(core.initialize(options)).await.unwrap();
        assert_eq!(soon(events.next()).await.unwrap().status(), NimAuthStatus::UnLogin);
        Self { core, events, clients }
    }

    async fn login(&mut self, world: &World, user: &str) {
        let info = NimLoginInfo::new(user, &world.token(&user.to_ascii_lowercase(), 600));
        soon(self.core.auth_service().login(info)).await.unwrap();
        let told = self.until(NimAuthStatus::DataSyncFinish).await;
        assert!(told.ends_with(&LOGIN), "{told:?}");
    }

    /// The names up to the first such status.
    async fn until(&mut self, last: NimAuthStatus) -> Vec<&'static str> {
        let mut names = Vec::new();
        loop {
            let status = soon(self.events.next()).await.unwrap().status();
            names.push(status.name());
            if status == last {
                return names;
            }
        }
    }

    async fn kicked(&mut self) -> NimKickOutByOtherClientEvent {
        loop {
            if let NimAuthEvent::KickOutByOtherClient(event) =
                soon(self.events.next()).await.unwrap()
            {
                return event;
            }
        }
    }

    async fn clients(&mut self, count: usize) -> Vec<NimOnlineClient> {
        loop {
            let clients = soon(self.clients.next()).await.unwrap();
            if clients.len() == count {
                return clients;
            }
        }
    }
}

/// The test server mints UserSigs.
fn options(world: &World) -> NimSdkOptions {
    NimSdkOptions::new(&world.app().to_string()).credential_format("usersig")
}

fn number(result: Result<(), NimError>) -> i32 {
    result.map_or_else(|error| error.code, |()| 200)
}

/// The sequence of seed 001; accounts are lower-cased.
#[tokio::test]
async fn first_login_and_logout() {
    let world = World::start().await;
    let core = NimCore::new(world.device("phone", Platform::Android));
    let info = || NimLoginInfo::new("Alice", &world.token("alice", 600));
    assert_eq!(number(core.auth_service().login(info()).await), 20000);
    assert_eq!(number(core.initialize(NimSdkOptions::new("a key")).await), 414);

    let mut device = Device::start(world.device("phone", Platform::Android), &world).await;
    device.login(&world, "Alice").await;
    let auth = device.core.auth_service();
    assert_eq!(number(auth.login(info()).await), 20002);
    assert_eq!(number(soon(auth.logout()).await), 200);
    assert_eq!(device.until(NimAuthStatus::UnLogin).await, ["unLogin"]);
    let messages = device.core.message_service();
    assert_eq!(messages.send_text_message("bob", "hi").await.unwrap_err().code, 20001);
    assert_eq!(messages.query_session_list(20).await.unwrap_err().code, 1000);
    device.login(&world, "alice").await;
    soon(device.core.uninitialize()).await;
    assert_eq!(number(auth.logout().await), 20000);
}

/// 302, and `pwdError`: nothing signs in by itself then.
#[tokio::test]
async fn a_wrong_or_expired_token_at_login() {
    let world = World::start().await;
    let mut device = Device::start(world.device("phone", Platform::Android), &world).await;
    let auth = device.core.auth_service();
    for token in [world.token("alice", 0), world.token("bob", 600), "no token".to_owned()] {
        let login = auth.login(NimLoginInfo::new("alice", &token));
        assert_eq!(number(soon(login).await), 302);
        let told = device.until(NimAuthStatus::PwdError).await;
        assert!(told.ends_with(&["logging", "pwdError"]), "{told:?}");
    }
    // The form of the tokens is not switched on.
    let other = NimSdkOptions::new(&world.app().to_string());
    let device = Device::with(world.device("other", Platform::Android), other).await;
    let auth = device.core.auth_service();
    assert_eq!(number(soon(auth.login(NimLoginInfo::new("alice", "t"))).await), 403);
}

#[tokio::test]
async fn a_token_that_runs_out_online() {
    let world = World::start().await;
    let mut device = Device::start(world.device("phone", Platform::Android), &world).await;
    let login = NimLoginInfo::new("alice", &world.token("alice", 3));
    soon(device.core.auth_service().login(login)).await.unwrap();
    let told = device.until(NimAuthStatus::PwdError).await;
    assert!(told.starts_with(&LOGIN), "{told:?}");
    device.login(&world, "alice").await;
}

/// S-7.6: by a login elsewhere, with who it was; S-5.2: no automatic login after it.
#[tokio::test]
async fn a_kick_by_policy_and_no_automatic_login_after_it() {
    let world = World::start().await;
    let mut old = Device::start(world.device("old", Platform::Android), &world).await;
    old.login(&world, "alice").await;
    let new = world.device("new", Platform::Android).configure(|config| config.custom_type(9));
    let mut new = Device::with(new, options(&world).custom_client_type(9)).await;
    new.login(&world, "alice").await;
    let kick = old.kicked().await;
    assert_eq!(kick.status, NimAuthStatus::KickOut);
    assert_eq!(kick.client_type, Some(NimClientType::Android));
    assert_eq!(kick.custom_client_type, Some(9));
    soon(old.core.uninitialize()).await;

    let info = NimLoginInfo::new("alice", &world.token("alice", 600));
    let options = options(&world).auto_login_info(info);
    let mut old = Device::with(world.device("old", Platform::Android), options).await;
    assert_eq!(old.kicked().await, kick);
    assert!(old.core.client().unwrap().status().now().user().is_none());
    // By hand it goes.
    old.login(&world, "alice").await;
    new.kicked().await;
}

/// S-7.7: `onlineClients`, `kickOutOtherOnlineClient`.
#[tokio::test]
async fn a_kick_by_an_own_device() {
    let world = World::start().await;
    let mut phone = Device::start(world.device("phone", Platform::Ios), &world).await;
    phone.login(&world, "alice").await;
    let desk = options(&world).custom_tag("desk");
    let mut desk = Device::with(world.device("desk", Platform::Windows), desk).await;
    desk.login(&world, "alice").await;

    let [client] = &phone.clients(1).await[..] else { panic!("one other device") };
    assert_eq!(client.client_type, NimClientType::Windows);
    assert_eq!(client.custom_tag.as_deref(), Some("desk"));
    let auth = phone.core.auth_service();
    assert_eq!(number(soon(auth.kick_out_other_online_client(client)).await), 200);
    let kicked = desk.kicked().await;
    assert_eq!(kicked.status, NimAuthStatus::KickOutByOtherClient);
    assert_eq!(kicked.client_type, Some(NimClientType::Ios));
    phone.clients(0).await;
}

/// 417: without force nobody is displaced.
#[tokio::test]
async fn a_login_without_force_displaces_nobody() {
    let world = World::start().await;
    let mut holder = Device::start(world.device("holder", Platform::Ios), &world).await;
    holder.login(&world, "alice").await;
    let mut polite = Device::start(world.device("polite", Platform::Ios), &world).await;
    let info = NimLoginInfo::new("alice", &world.token("alice", 600)).without_force();
    assert_eq!(number(soon(polite.core.auth_service().login(info)).await), 417);
    assert_eq!(polite.until(NimAuthStatus::UnLogin).await, ["connecting", "logging", "unLogin"]);
}

/// Seed 001: after a restart, without network, local data opens at once; then it connects.
#[tokio::test]
async fn an_automatic_login_after_a_restart() {
    let world = World::start().await;
    let mut device = Device::start(world.device("phone", Platform::Android), &world).await;
    device.login(&world, "alice").await;
    soon(device.core.uninitialize()).await;

    let network = NetworkSwitch::default();
    network.cut();
    let info = NimLoginInfo::new("alice", &world.token("alice", 600));
    let phone = world.device_on("phone", Platform::Android, network.clone());
    let auto = options(&world).auto_login_info(info.clone());
    let mut device = Device::with(phone, auto).await;
    assert_eq!(device.core.message_service().query_session_list(20).await.unwrap(), []);
    network.restore();
    assert_eq!(device.until(NimAuthStatus::DataSyncFinish).await, LOGIN);
    soon(device.core.auth_service().logout()).await.unwrap();
    soon(device.core.uninitialize()).await;

    // After a logout it is not signed in by itself.
    let auto = options(&world).auto_login_info(info);
    let mut device = Device::with(world.device("phone", Platform::Android), auto).await;
    assert_eq!(device.until(NimAuthStatus::UnLogin).await, ["unLogin"]);
    assert!(device.core.client().unwrap().status().now().user().is_none());
}

/// The place was taken while this device was away: its automatic login stays out (S-7.4).
#[tokio::test]
async fn a_kick_while_away() {
    let world = World::start().await;
    let mut away = Device::start(world.device("away", Platform::Android), &world).await;
    away.login(&world, "alice").await;
    soon(away.core.uninitialize()).await;
    let mut other = Device::start(world.device("other", Platform::Android), &world).await;
    other.login(&world, "alice").await;

    let info = NimLoginInfo::new("alice", &world.token("alice", 600));
    let auto = options(&world).auto_login_info(info);
    let mut away = Device::with(world.device("away", Platform::Android), auto).await;
    let kick = away.kicked().await;
    assert_eq!(
        (kick.status, kick.client_type),
        (NimAuthStatus::KickOut, Some(NimClientType::Android))
    );
    assert_eq!(number(soon(other.core.auth_service().logout()).await), 200);
}

#[tokio::test]
async fn a_network_that_goes_and_returns_and_a_ban() {
    let world = World::start().await;
    let network = NetworkSwitch::default();
    let phone = world.device_on("phone", Platform::Android, network.clone());
    let mut device = Device::start(phone, &world).await;
    device.login(&world, "alice").await;
    network.cut();
    assert_eq!(device.until(NimAuthStatus::Connecting).await, ["connecting"]);
    network.restore();
    let told = device.until(NimAuthStatus::DataSyncFinish).await;
    assert_eq!(told, LOGIN[1..]);

    world.ban("alice").await;
    assert_eq!(device.until(NimAuthStatus::Forbidden).await, ["forbidden"]);
    let info = NimLoginInfo::new("alice", &world.token("alice", 600));
    assert_eq!(number(soon(device.core.auth_service().login(info)).await), 422);
}

#[tokio::test]
async fn messages_reach_the_stream() {
    let world = World::start().await;
    let mut alice = Device::start(world.device("alice", Platform::Android), &world).await;
    alice.login(&world, "alice").await;
    let mut bob = Device::start(world.device("bob", Platform::Android), &world).await;
    bob.login(&world, "bob").await;
    let (to_bob, of_bob) = (alice.core.message_service(), bob.core.message_service());
    let (mut at_alice, mut at_bob) = (to_bob.on_message(), of_bob.on_message());
    let id = to_bob.send_text_message("Bob", "hello").await.unwrap();
    let message = soon(at_bob.next()).await.unwrap();
    assert_eq!((message.uuid, message.content.as_deref()), (id, Some("hello")));
    assert_eq!(of_bob.query_session_list(20).await.unwrap()[0].unread_count, 1);
    of_bob.clear_session_unread_count("alice").await.unwrap();
    of_bob.send_text_message("alice", "hi").await.unwrap();
    // Alice is told of bob's message, not of her own.
    assert_eq!(soon(at_alice.next()).await.unwrap().from_account, "bob");
    let list = to_bob.query_message_list_ex("bob", None, 20).await.unwrap();
    assert_eq!(list.iter().map(|m| m.from_account.as_str()).collect::<Vec<_>>(), ["alice", "bob"]);
}

/// S-8.1: the original's own dynamic tokens; and a client type given at the login.
#[tokio::test]
async fn a_dynamic_token_signs_in() {
    let world = World::start().await;
    let pair = Key::new("an app secret of some length").unwrap().named("an-app-key").unwrap();
    world.accept(Format::NimDynamic, &pair).await;
    let options = NimSdkOptions::new(&world.app().to_string());
    let mut device = Device::with(world.device("phone", Platform::Ios), options).await;
    let token = world.made_as(Format::NimDynamic, &pair, "alice");
    let info = NimLoginInfo::new("alice", &token).auth_type(NimAuthType::Dynamic);
    let login = device.core.auth_service();
    soon(login.login(info.custom_client_type(5))).await.unwrap();
    assert_eq!(device.until(NimAuthStatus::DataSyncFinish).await, LOGIN);
    let devices = device.core.client().unwrap().devices().await.unwrap();
    assert_eq!(devices[0].device.custom_type, 5);
}
