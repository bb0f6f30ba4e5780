//! The HTTP side of the port.

use homing_proto::Code;
use homing_proto::device::Platform;
use homing_server::config::{Config, Plaintext};
use homing_server::server::{Server, StartError};
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::world::{ADMIN, World, resume};

#[tokio::test]
async fn health_and_readiness_need_no_token() {
    let world = World::administered().await;
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(world.http("GET", path, None, "").await.0, 200, "{path}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_with_a_code() {
    let world = World::administered().await;
    let (head, body) = world.http_whole("GET", "/nowhere", None, "").await;
    assert!(head.starts_with("HTTP/1.1 404 "), "{head}");
    assert!(head.contains("application/problem+json"), "{head}");
    let problem: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(problem["code"], Code::UNKNOWN_OPERATION.0);
    let (head, _) = world.http_whole("DELETE", "/healthz", None, "").await;
    assert!(head.starts_with("HTTP/1.1 405 "), "{head}");
    assert!(head.to_lowercase().contains("\r\nallow: get,head"), "{head}");
}

#[tokio::test]
async fn the_admin_api_asks_for_the_token() {
    let world = World::administered().await;
    for admin in [None, Some("another token"), Some("")] {
        for (method, path) in [("GET", "/v1/apps"), ("POST", "/v1/apps"), ("GET", "/v1/apps/1")] {
            let (status, body) = world.http(method, path, admin, "{\"name\":\"x\"}").await;
            assert_eq!(status, 401, "{method} {path}");
            assert!(body.contains("credential_required"));
        }
    }
    assert_eq!(world.running.store().apps().len(), 1);
    assert_eq!(world.http("GET", "/v1/apps", Some(ADMIN), "").await.0, 200);
}

#[tokio::test]
async fn an_app_is_created_shown_and_changed_and_its_key_is_shown_once() {
    let world = World::administered().await;
    let creation = r#"{"name":"shop","policy":"dual"}"#;
    let (status, body) = world.http("POST", "/v1/apps", Some(ADMIN), creation).await;
    assert_eq!(status, 201, "{body}");
    let created: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&created["id"], &created["policy"]["preset"]), (&2.into(), &"dual".into()));
    let key = created["key"].as_str().unwrap().to_owned();
    assert_eq!(key.len(), 64);

    let path = "/v1/apps/2";
    let change = r#"{"policy":"zim-multi","auto_register":false,"name":"shop 2"}"#;
    let (status, body) = world.http("PATCH", path, Some(ADMIN), change).await;
    assert_eq!(status, 200, "{body}");
    let (_, shown) = world.http("GET", path, Some(ADMIN), "").await;
    assert_eq!(body, shown);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["policy"]["preset"], "zim-multi");
    assert_eq!(shown["auto_register"], false);
    let (_, list) = world.http("GET", "/v1/apps", Some(ADMIN), "").await;
    for text in [&list, &body] {
        assert!(!text.contains(&key));
    }
    let add = r#"{"add_key":{"format":"usersig","key":"second"},"remove_key":1}"#;
    let (_, body) = world.http("PATCH", path, Some(ADMIN), add).await;
    let changed: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(changed["keys"].as_array().unwrap().len(), 1);
    assert_eq!(changed["keys"][0]["id"], 2);
}

/// S-1.6, S-10: settings that concern sessions, kept over a restart.
#[tokio::test]
async fn an_app_says_how_long_its_sessions_live_and_which_versions_it_lets_in() {
    let world = World::administered().await;
    let path = "/v1/apps/1";
    let shown = world.admin("GET", path, Value::Null).await.1;
    assert_eq!((&shown["session_age_s"], &shown["min_sdk"]), (&json!(2_592_000), &Value::Null));
    let change = json!({
        "session_age_s": 7_200,
        "min_sdk": "1.2",
        "min_sdk_on": {"ios": "2.0.1", "web": "3"},
    });
    assert_eq!(world.admin("PATCH", path, change).await.0, 200);
    let change = json!({"min_sdk_on": {"web": ""}});
    let changed = world.admin("PATCH", path, change).await.1;
    assert_eq!((&changed["min_sdk"], &changed["session_age_s"]), (&json!("1.2.0"), &json!(7_200)));
    assert_eq!(changed["min_sdk_on"], json!({"ios": "2.0.1"}));
    for wrong in [
        json!({"min_sdk": "new"}),
        json!({"min_sdk_on": {"amiga": "1"}}),
        json!({"session_age_s": 3_599}),
        json!({"session_age_s": 40_000_000}),
    ] {
        let (status, refused) = world.admin("PATCH", path, wrong.clone()).await;
        assert_eq!((status, &refused["name"]), (400, &json!("invalid_argument")), "{wrong}");
    }
    let World { running, dir, .. } = world;
    running.shutdown().await;
    let world = World::in_dir(dir, |config| {
        config.admin_token = Some(homing_proto::secret::Token::new(ADMIN));
    })
    .await;
    assert_eq!(world.admin("GET", path, Value::Null).await.1, changed);
}

/// S-5.2, S-10: too old is told for good, by platform, to whoever comes or comes back.
#[tokio::test]
async fn a_version_that_the_app_does_not_let_in_is_told_so() {
    let world = World::administered().await;
    let (mut phone, first) = world.login("alice", 1, Platform::Ios).await;
    let change = json!({"min_sdk_on": {"ios": "2"}});
    assert_eq!(world.admin("PATCH", "/v1/apps/1", change).await.0, 200);
    phone.ping().await;
    let mut old = world.hello("alice", 1, Platform::Ios);
    for hello in [old.clone(), resume(old.clone(), &first, 2)] {
        let refuse = world.refused(hello).await;
        assert_eq!((refuse.error.code, refuse.terminal), (Code::VERSION_TOO_OLD, true));
        assert!(refuse.error.sentence().contains("2.0.0"), "{}", refuse.error);
    }
    world.login("alice", 2, Platform::Linux).await;
    old.sdk = "test/2.1".to_owned();
    old.counter = 3;
    world.login_with(old).await;
}

#[tokio::test]
async fn what_cannot_be_done_is_told_and_changes_nothing() {
    let world = World::administered().await;
    let cases = [
        ("POST", "/v1/apps", "{", 400),
        ("POST", "/v1/apps", r#"{"nam":"x"}"#, 422),
        ("POST", "/v1/apps", r#"{"name":"x","policy":"best"}"#, 400),
        ("POST", "/v1/apps", r#"{"name":"x","id":1}"#, 400),
        ("POST", "/v1/apps", r#"{"name":"x","id":0}"#, 400),
        ("PATCH", "/v1/apps/1", r#"{"name":"y","policy":"best"}"#, 400),
        ("GET", "/v1/apps/7", "", 404),
        ("PATCH", "/v1/apps/7", "{}", 404),
        ("GET", "/v1/apps/one", "", 400),
        ("GET", "/v1/apps/0", "", 400),
    ];
    for (method, path, body, expected) in cases {
        let (status, answer) = world.http(method, path, Some(ADMIN), body).await;
        assert_eq!(status, expected, "{method} {path} {body}: {answer}");
        assert!(answer.contains("\"code\""), "{answer}");
    }
    let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(70_000));
    assert_eq!(world.http("POST", "/v1/apps", Some(ADMIN), &large).await.0, 413);
    let apps = world.running.store().apps();
    assert_eq!(apps.values().map(|app| app.name.as_str()).collect::<Vec<_>>(), ["demo"]);
}

#[tokio::test]
async fn the_drawn_admin_token_lies_in_a_file_for_the_owner_alone_and_stays() {
    let world = World::new().await;
    let token = world.running.admin_token().clone();
    let path = world.dir.path().join("admin.token");
    assert_eq!(std::fs::read_to_string(&path).unwrap().trim(), token.expose());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(world.http("GET", "/v1/apps", Some(token.expose()), "").await.0, 200);
    let World { running, dir, .. } = world;
    running.shutdown().await;
    let world = World::in_dir(dir, |_| {}).await;
    assert_eq!(*world.running.admin_token(), token);
}

#[tokio::test]
async fn the_line_for_scripts_names_what_they_need() {
    let world = World::new().await;
    let line = world.demo.to_json(&world.running);
    assert!(!line.contains('\n'));
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["url"], world.running.url());
    assert_eq!(line["app_id"], 1);
    for user in ["alice", "bob", "carol"] {
        let mut hello = world.hello(user, 1, Platform::Ios);
        let token = line["users"][user].as_str().unwrap();
        hello.credential = Some(homing_proto::frame::Credential::usersig(token));
        world.login_with(hello).await;
    }
}

#[tokio::test]
async fn plaintext_does_not_leave_the_machine_unless_it_is_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::new(dir.path());
    config.listen = "0.0.0.0:0".parse().unwrap();
    let refused = Server::start(config.clone()).await.unwrap_err();
    assert!(matches!(refused, StartError::PlaintextRefused(_)));
    config.plaintext = Plaintext::Anywhere;
    Server::start(config).await.unwrap().shutdown().await;
}

#[tokio::test]
async fn a_directory_or_a_port_in_use_is_told() {
    let world = World::new().await;
    let mut config = Config::new(world.dir.path());
    config.listen.set_port(0);
    let refused = Server::start(config.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::STORE_IN_USE);
    let other = tempfile::tempdir().unwrap();
    config.data = other.path().to_owned();
    config.listen = world.addr();
    let refused = Server::start(config).await.unwrap_err();
    assert!(matches!(refused, StartError::Listen { .. }));
}
