//! An app's users through the admin API, with real connections as witnesses.

use homing_proto::Code;
use homing_proto::device::{KickReason, Platform};
use homing_proto::frame::Credential;
use homing_proto::time::WallTime;
use serde_json::{Value, json};

use super::world::World;

const USERS: &str = "/v1/apps/1/users";

impl World {
    async fn act(&self, user: &str, act: &str, body: Value) -> Value {
        let (status, answer) = self.admin("POST", &format!("{USERS}/{user}/{act}"), body).await;
        assert_eq!(status, 200, "{act}: {answer}");
        answer
    }

    async fn page(&self, query: &str) -> (Vec<String>, Value) {
        let (status, page) = self.admin("GET", &format!("{USERS}?{query}"), Value::Null).await;
        assert_eq!(status, 200, "{page}");
        let ids = page["users"].as_array().unwrap().iter();
        (ids.map(|user| user["id"].as_str().unwrap().to_owned()).collect(), page["next"].clone())
    }
}

#[tokio::test]
async fn users_are_made_one_by_one_and_in_batches_and_never_twice() {
    let world = World::administered().await;
    let dave = json!({"id": "dave", "name": "Dave"});
    let (status, made) = world.admin("POST", USERS, dave.clone()).await;
    assert_eq!((status, &made["created"], &made["name"]), (201, &json!(true), &json!("Dave")));
    let (status, again) = world.admin("POST", USERS, dave).await;
    assert_eq!((status, &again["created"]), (200, &json!(false)));
    let batch = json!({"users": [{"id": "erin"}, {"id": "dave", "name": "other"}]});
    let (status, made) = world.admin("POST", USERS, batch).await;
    let lines = json!([{"id": "erin", "result": "created"}, {"id": "dave", "result": "known"}]);
    assert_eq!((status, &made["users"]), (200, &lines));
    let (_, shown) = world.admin("GET", &format!("{USERS}/dave"), Value::Null).await;
    assert_eq!(shown["name"], "Dave", "a batch changes nobody");
    let (_, renamed) =
        world.admin("PATCH", &format!("{USERS}/dave"), json!({"name": "David"})).await;
    assert_eq!(renamed["name"], "David");
    // All or none.
    let batch = json!({"users": [{"id": "frank"}, {"id": "no/body"}]});
    let (status, refused) = world.admin("POST", USERS, batch).await;
    assert_eq!((status, &refused["name"]), (400, &json!("invalid_user_id")));
    let long: Vec<_> = (0..101).map(|n| json!({"id": format!("u{n}")})).collect();
    assert_eq!(world.admin("POST", USERS, json!({"users": long})).await.0, 400);
    assert_eq!(world.page("").await.0, ["alice", "bob", "carol", "dave", "erin"]);
}

#[tokio::test]
async fn a_list_comes_in_pages_in_the_order_of_the_ids_and_is_searched_by_prefix() {
    let world = World::administered().await;
    let batch: Vec<_> = (0..30).map(|n| json!({"id": format!("user{n:02}")})).collect();
    world.admin("POST", USERS, json!({"users": batch})).await;
    let mut ids = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let after = cursor.as_str().map(|id| format!("&cursor={id}")).unwrap_or_default();
        let (page, next) = world.page(&format!("prefix=user&limit=8{after}")).await;
        ids.extend(page);
        if next.is_null() {
            break;
        }
        cursor = next;
    }
    assert_eq!(ids, (0..30).map(|n| format!("user{n:02}")).collect::<Vec<_>>());
    assert_eq!(world.page("prefix=user1&limit=3").await.0, ["user10", "user11", "user12"]);
    assert_eq!(world.page("prefix=nobody").await, (vec![], Value::Null));
    for wrong in ["limit=0", "limit=101", "cursor=a%2Fb", "prefx=a"] {
        assert_eq!(world.admin("GET", &format!("{USERS}?{wrong}"), Value::Null).await.0, 400);
    }
}

/// S-1.2: every legal character, as a client that encodes its paths writes it.
#[tokio::test]
async fn ids_of_any_legal_characters_are_reached_by_encoded_paths() {
    let world = World::administered().await;
    for id in ["!#$%&()+-:;<=.>?@[]^_{}|~", "%2F", "a b".replace(' ', "+").as_str(), "me?x=1#y"] {
        assert_eq!(world.admin("POST", USERS, json!({ "id": id })).await.0, 201);
        let encoded: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let (status, shown) = world.admin("GET", &format!("{USERS}/{encoded}"), Value::Null).await;
        assert_eq!((status, &shown["id"]), (200, &json!(id)));
        let query = format!("prefix={encoded}");
        assert_eq!(world.page(&query).await.0, [id]);
    }
    let (status, refused) = world.admin("GET", &format!("{USERS}/a%20b"), Value::Null).await;
    assert_eq!((status, &refused["name"]), (400, &json!("invalid_user_id")));
}

/// S-7.8: all, listed, all but listed; with a text that the losers read.
#[tokio::test]
async fn a_kick_ends_all_sessions_or_those_chosen() {
    let world = World::administered().await;
    let (mut phone, one) = world.login("alice", 1, Platform::Ios).await;
    let (mut desk, two) = world.login("alice", 2, Platform::Linux).await;
    let (mut web, _) = world.login("alice", 3, Platform::Web).await;
    let shown = world.admin("GET", &format!("{USERS}/alice/sessions"), Value::Null).await.1;
    let platforms: Vec<_> =
        shown["sessions"].as_array().unwrap().iter().map(|s| s["platform"].clone()).collect();
    assert_eq!(platforms, ["ios", "linux", "web"]);

    let listed = json!({"sessions": [one.session.to_string()], "text": "tidying up"});
    assert_eq!(world.act("alice", "kick", listed).await["ended"], 1);
    let record = phone.closed().await.kick.expect("a record");
    assert_eq!((record.reason, record.text.as_str()), (KickReason::Server, "tidying up"));
    assert!(record.by.is_none());

    let but = json!({"except": [two.session.to_string()]});
    assert_eq!(world.act("alice", "kick", but).await["ended"], 1);
    assert_eq!(web.closed().await.error.code, Code::KICKED);
    desk.ping().await;

    let all = world.act("alice", "kick", Value::Null).await;
    assert_eq!((&all["ended"], &all["user"]["session_count"]), (&json!(1), &json!(0)));
    assert_eq!(desk.closed().await.error.code, Code::KICKED);
    world.login("alice", 1, Platform::Ios).await;
    for wrong in [
        json!({"sessions": [], "except": []}),
        json!({"sessions": ["x"]}),
        json!({"text": "x".repeat(257)}),
    ] {
        let path = format!("{USERS}/alice/kick");
        assert_eq!(world.admin("POST", &path, wrong).await.0, 400);
    }
}

/// S-7.8: with the kick the credentials of before die, and a newer one works.
#[tokio::test]
async fn a_kick_can_take_the_credentials_with_it() {
    let world = World::administered().await;
    let mut hello = world.hello("alice", 1, Platform::Ios);
    hello.credential = Some(Credential::usersig(world.mint("alice", 5, 600).expose()));
    let (mut phone, _) = world.login_with(hello.clone()).await;
    let kicked = world.act("alice", "kick", json!({"revoke_credentials": true})).await;
    assert_eq!(kicked["ended"], 1);
    let moment = kicked["user"]["revoked_before_ms"].as_u64().unwrap();
    phone.closed().await;
    assert_eq!(world.refused(hello.clone()).await.error.code, Code::CREDENTIAL_REVOKED);
    // A UserSig counts whole seconds: the first that is surely newer is of the next one.
    let newer = world.mint_at("alice", WallTime(moment + 1_000), 600);
    hello.credential = Some(Credential::usersig(newer.expose()));
    world.login_with(hello).await;
    // By itself, a revocation leaves the sessions alone.
    let revoked = world.act("alice", "revoke", Value::Null).await;
    assert_eq!(revoked["user"]["session_count"], 1);
}

#[tokio::test]
async fn a_ban_ends_all_sessions_and_keeps_the_user_out_until_it_is_lifted() {
    let world = World::administered().await;
    let (mut phone, _) = world.login("alice", 1, Platform::Ios).await;
    let banned = world.act("alice", "ban", json!({"text": "spam"})).await;
    assert_eq!((&banned["ended"], &banned["user"]["standing"]), (&json!(1), &json!("banned")));
    let close = phone.closed().await;
    assert_eq!((close.error.code, close.terminal), (Code::USER_BANNED, true));
    assert_eq!(close.kick.unwrap().text, "spam");
    let refuse = world.refused(world.hello("alice", 1, Platform::Ios)).await;
    assert_eq!(refuse.error.code, Code::USER_BANNED);
    let lifted = world.act("alice", "unban", Value::Null).await;
    assert_eq!(lifted["user"]["standing"], "good");
    let (mut phone, _) = world.login("alice", 1, Platform::Ios).await;

    let until = world.running.wall().0 + 60_000;
    let ban = json!({"until_ms": until, "text": "more spam"});
    let banned = world.act("alice", "ban", ban).await;
    assert_eq!(banned["user"]["banned_until_ms"], until);
    assert_eq!(banned["user"]["ban_text"], "more spam");
    // Whoever is there and whoever comes later learns until when and what for.
    assert_eq!(phone.closed().await.error.until, Some(WallTime(until)));
    let refuse = world.refused(world.hello("alice", 1, Platform::Ios)).await;
    assert_eq!(refuse.error.until, Some(WallTime(until)));
    assert_eq!(refuse.error.sentence(), "more spam");
    for wrong in
        [json!({"until_ms": 1}), json!({"for_s": 0}), json!({"for_s": 1, "until_ms": until})]
    {
        let path = format!("{USERS}/alice/ban");
        assert_eq!(world.admin("POST", &path, wrong).await.0, 400);
    }
}

#[tokio::test]
async fn a_deleted_account_is_over_for_good() {
    let world = World::administered().await;
    let (mut phone, _) = world.login("alice", 1, Platform::Ios).await;
    let path = format!("{USERS}/alice");
    let (status, gone) = world.admin("DELETE", &path, json!({"text": "bye"})).await;
    assert_eq!((status, &gone["user"]["standing"]), (200, &json!("deleted")));
    let close = phone.closed().await;
    assert_eq!((close.error.code, close.terminal), (Code::ACCOUNT_DELETED, true));
    let refuse = world.refused(world.hello("alice", 1, Platform::Ios)).await;
    assert_eq!((refuse.error.code, refuse.terminal), (Code::ACCOUNT_DELETED, true));
    // Neither a ban nor a new creation brings it back.
    for (method, path, body) in [
        ("POST", format!("{path}/ban"), Value::Null),
        ("POST", format!("{path}/unban"), Value::Null),
        ("PATCH", path.clone(), json!({"name": "x"})),
        ("POST", USERS.to_owned(), json!({"id": "alice"})),
    ] {
        let (status, refused) = world.admin(method, &path, body).await;
        assert_eq!((status, &refused["name"]), (410, &json!("account_deleted")));
    }
    let refuse = world.refused(world.hello("alice", 1, Platform::Ios)).await;
    assert_eq!(refuse.error.code, Code::ACCOUNT_DELETED);
    assert_eq!(world.admin("DELETE", &path, Value::Null).await.0, 200, "again is no error");
}

#[tokio::test]
async fn many_users_are_asked_at_once_whether_they_are_online() {
    let world = World::administered().await;
    let (_phone, _) = world.login("alice", 1, Platform::Ios).await;
    let (_web, _) = world.login("alice", 2, Platform::Web).await;
    let path = format!("{USERS}:online");
    let (status, answer) =
        world.admin("POST", &path, json!({"users": ["bob", "alice", "nobody"]})).await;
    let expected = json!([
        {"id": "bob", "known": true, "online": false, "platforms": []},
        {"id": "alice", "known": true, "online": true, "platforms": ["ios", "web"]},
        {"id": "nobody", "known": false, "online": false, "platforms": []},
    ]);
    assert_eq!((status, &answer["users"]), (200, &expected));
    let many: Vec<_> = (0..501).map(|n| format!("u{n}")).collect();
    assert_eq!(world.admin("POST", &path, json!({ "users": many })).await.0, 400);
}

#[tokio::test]
async fn who_and_what_there_is_not_is_told() {
    let world = World::administered().await;
    let cases = [
        ("GET", "/v1/apps/7/users", 404, "unknown_app"),
        ("POST", "/v1/apps/7/users/alice/kick", 404, "unknown_app"),
        ("GET", "/v1/apps/1/users/nobody", 404, "user_not_found"),
        ("POST", "/v1/apps/1/users/nobody/ban", 404, "user_not_found"),
        ("GET", "/v1/apps/1/users/nobody/sessions", 404, "user_not_found"),
        ("POST", "/v1/apps/1/users/alice/praise", 404, "unknown_operation"),
        ("PUT", "/v1/apps/1/users/alice", 405, "unknown_operation"),
    ];
    for (method, path, expected, name) in cases {
        let (status, problem) = world.admin(method, path, Value::Null).await;
        assert_eq!((status, &problem["name"]), (expected, &json!(name)), "{method} {path}");
    }
    for (method, path) in [
        ("GET", USERS),
        ("POST", USERS),
        ("DELETE", "/v1/apps/1/users/alice"),
        ("POST", "/v1/apps/1/users/alice/kick"),
        ("POST", "/v1/apps/1/users:online"),
    ] {
        assert_eq!(world.http(method, path, None, "{}").await.0, 401, "{method} {path}");
    }
}
