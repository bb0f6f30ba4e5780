//! Deleting apps and users through the admin API, with real connections as witnesses (D-7).

use homing_proto::device::{KickReason, Platform};
use homing_proto::id::AppId;
use homing_proto::{Code, Error};
use homing_server::apps::NewApp;
use homing_token::{Format, Grant, mint};
use serde_json::{Value, json};

use super::world::{World, resume};

impl World {
    /// Waits until nothing of the app is left.
    async fn erased(&self, app: u32) {
        let app = AppId::new(app).unwrap();
        let mut deleted = self.running.store().watch_deleted_apps();
        deleted
            .wait_for(|apps| apps.get(&app).is_some_and(|app| app.done.is_some()))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_deleted_app_is_over_at_once_for_who_is_there_and_who_comes_and_for_nobody_else() {
    let world = World::administered().await;
    let other = world.running.store().create_app(NewApp::named("other")).await.unwrap();
    let mut hello = world.hello("alice", 1, Platform::Ios);
    hello.app = other.id;
    let grant = Grant {
        app: other.id,
        user: &hello.user,
        issued_at: world.running.wall(),
        ttl_s: 60,
        userbuf: None,
    };
    let token = mint(Format::Usersig, &other.keys[0].key, &grant).unwrap();
    hello.credential.as_mut().unwrap().token = token;
    let (mut elsewhere, _) = world.login_with(hello).await;
    let phone_hello = world.hello("alice", 1, Platform::Ios);
    let (mut phone, first) = world.login_with(phone_hello.clone()).await;
    let (mut desk, _) = world.login("bob", 2, Platform::Windows).await;
    phone.write_to("bob", "hi").await.unwrap();

    let (status, deleted) = world.admin("DELETE", "/v1/apps/1", Value::Null).await;
    assert_eq!((status, &deleted["state"]), (202, &json!("deleting")), "{deleted}");
    // S-7.6: each is told that its own session is over, and why.
    let close = phone.closed().await;
    assert_eq!((close.error.code, close.terminal), (Code::ACCOUNT_DELETED, true));
    let kick = close.kick.unwrap();
    assert_eq!((kick.session, kick.reason), (first.session, KickReason::AccountDeleted));
    assert_eq!(desk.closed().await.error.code, Code::ACCOUNT_DELETED);
    // S-10: who comes later is at an app that there is not; who comes back is told that there was one.
    let refuse = world.refused(phone_hello.clone()).await;
    assert_eq!((refuse.error.code, refuse.terminal), (Code::UNKNOWN_APP, true));
    assert_eq!(refuse.kick, None);
    let refuse = world.refused(resume(phone_hello, &first, 2)).await;
    assert_eq!((refuse.error.code, refuse.terminal), (Code::UNKNOWN_APP, true));
    let kick = refuse.kick.unwrap();
    assert_eq!((kick.session, kick.reason), (first.session, KickReason::AccountDeleted));
    // S-1.1: the other app's namesake does not notice.
    elsewhere.ping().await;
    assert!(elsewhere.write_to("alice", "still here").await.is_ok());
    assert_eq!(world.admin("GET", "/v1/apps/1/users", Value::Null).await.0, 404);
    assert_eq!(world.admin("PATCH", "/v1/apps/1", json!({"name": "x"})).await.0, 404);

    world.erased(1).await;
    let (status, gone) = world.admin("GET", "/v1/apps/1", Value::Null).await;
    assert_eq!((status, &gone["name"]), (404, &json!("unknown_app")));
    let (status, again) = world.admin("DELETE", "/v1/apps/1", Value::Null).await;
    assert_eq!((status, &again["state"]), (200, &json!("erased")), "{again}");
    let erased = json!({"users": 3, "conversations": 1, "messages": 1});
    assert_eq!(again["erased"], erased);
    assert!(again["erased_ms"].as_u64() >= again["deleted_ms"].as_u64());
    let (_, list) = world.admin("GET", "/v1/apps", Value::Null).await;
    let ids: Vec<_> = list["apps"].as_array().unwrap().iter().map(|app| &app["id"]).collect();
    assert_eq!((ids, &list["deleting"]), (vec![&json!(2)], &json!([])));
    let (status, _) = world.admin("POST", "/v1/apps", json!({"name": "again", "id": 1})).await;
    assert_eq!(status, 400, "its id is not given out again");
    assert_eq!(world.admin("DELETE", "/v1/apps/77", Value::Null).await.0, 404);
    assert_eq!(world.http("DELETE", "/v1/apps/2", None, "").await.0, 401);
    elsewhere.ping().await;
}

#[tokio::test]
async fn a_deleted_user_is_erased_and_cannot_be_written_to() {
    let world = World::administered().await;
    let (mut phone, _) = world.login("alice", 1, Platform::Ios).await;
    let (mut desk, _) = world.login("bob", 2, Platform::Windows).await;
    phone.write_to("bob", "keep this").await.unwrap();
    let path = "/v1/apps/1/users/alice";
    let (status, deleted) = world.admin("DELETE", path, Value::Null).await;
    assert_eq!((status, &deleted["user"]["standing"]), (200, &json!("deleted")));
    assert_eq!(phone.closed().await.error.code, Code::ACCOUNT_DELETED);
    let mut shown = deleted["user"].clone();
    // Each answer is a commit, after which a slice of erasing may come.
    for _ in 0..10_000 {
        if shown["erasing"] == false {
            break;
        }
        shown = world.admin("GET", path, Value::Null).await.1;
    }
    assert_eq!((&shown["erasing"], &shown["standing"]), (&json!(false), &json!("deleted")));
    let refused: Error = desk.write_to("alice", "are you there?").await.unwrap_err();
    assert_eq!(refused.code, Code::PEER_NOT_FOUND);
    let refuse = world.refused(world.hello("alice", 1, Platform::Ios)).await;
    assert_eq!(refuse.error.code, Code::ACCOUNT_DELETED);
}
