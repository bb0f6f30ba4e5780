//! Every way in which an app can take a credential, over real sockets (S-8.1, S-8.2).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use homing_proto::code::Code;
use homing_proto::device::Platform;
use homing_proto::frame::{Credential, Hello, Request, Response};
use homing_proto::id::UserId;
use homing_proto::secret::Token;
use homing_token::{Format, Grant, Key, mint};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::world::{World, resume, soon};

pub(super) const ADMIN: &str = "an admin token for tests";
const SECRET_32: &str = "0123456789abcdef0123456789abcdef";

async fn world() -> World {
    World::with(|config| config.admin_token = Some(Token::new(ADMIN))).await
}

impl World {
    /// Changes the demo app.
    pub(super) async fn set(&self, change: Value) -> Value {
        let (status, app) = self.patch(change).await;
        assert_eq!(status, 200, "{app}");
        app
    }

    async fn patch(&self, change: Value) -> (u16, Value) {
        let body = change.to_string();
        let (status, app) = self.http("PATCH", "/v1/apps/1", Some(ADMIN), &body).await;
        (status, serde_json::from_str(&app).unwrap())
    }

    async fn static_token(&self, user: &str, body: &str) -> (u16, Value) {
        let path = format!("/v1/apps/1/users/{user}/static-token");
        let (status, answer) = self.http("POST", &path, Some(ADMIN), body).await;
        (status, serde_json::from_str(&answer).unwrap())
    }

    /// The Hello of a device that never repeats itself.
    pub(super) fn shows(&self, user: &str, format: &str, token: &str) -> Hello {
        static COUNTER: AtomicU64 = AtomicU64::new(1);
        let mut hello = self.hello(user, 1, Platform::Ios);
        hello.counter = COUNTER.fetch_add(2, Ordering::Relaxed);
        hello.credential = Some(shown(format, token));
        hello
    }

    /// Mints for alice.
    fn make(&self, format: Format, key: &Key) -> String {
        let user = &UserId::parse("alice").unwrap();
        let issued_at = self.running.wall();
        let grant = Grant { app: self.demo.app, user, issued_at, ttl_s: 600, userbuf: None };
        mint(format, key, &grant).unwrap().expose().to_owned()
    }
}

fn shown(format: &str, token: &str) -> Credential {
    Credential { format: format.to_owned(), token: Token::new(token) }
}

#[tokio::test]
async fn a_form_without_a_key_is_switched_off_and_each_key_switches_its_form_on() {
    let world = world().await;
    let secret = Key::new(SECRET_32).unwrap();
    let pair = Key::new("app secret").unwrap().named("ak").unwrap();
    let named = Key::new("jwt secret of 2026").unwrap().named("2026").unwrap();
    for (format, token, key) in [
        ("token04", world.make(Format::Token04, &secret), json!({"key": SECRET_32})),
        (
            "nim-dynamic",
            world.make(Format::NimDynamic, &pair),
            json!({"key": "app secret", "app_key": "ak"}),
        ),
        (
            "jwt",
            world.make(Format::Jwt, &named),
            json!({"key": "jwt secret of 2026", "key_id": "2026"}),
        ),
        ("app-sign", "the sign".to_owned(), json!({"key": "the sign"})),
    ] {
        let hello = world.shows("alice", format, &token);
        let refuse = world.refused(hello.clone()).await;
        assert_eq!(refuse.error.code, Code::CREDENTIAL_TYPE_DISABLED, "{format}");
        assert!(!refuse.terminal);
        let mut key = key;
        key["format"] = format.into();
        let app = world.set(json!({ "add_key": key })).await;
        assert!(!app.to_string().contains(key["key"].as_str().unwrap()), "{app}");
        world.login_with(hello).await;
        let refuse = world.refused(world.shows("bob", format, "x")).await;
        assert!(refuse.error.code.is_credential(), "{format}");
    }
    for format in ["nim-static", "third-party", "no-such-form"] {
        let refuse = world.refused(world.shows("alice", format, "x")).await;
        assert_eq!(refuse.error.code, Code::CREDENTIAL_TYPE_DISABLED, "{format}");
    }
}

#[tokio::test]
async fn two_keys_of_a_form_are_good_at_once_until_one_is_taken_away() {
    let world = world().await;
    let [old, new] = ["2025", "2026"]
        .map(|id| Key::new(format!("jwt secret of {id}")).unwrap().named(id).unwrap());
    for id in ["2025", "2026"] {
        let key = format!("jwt secret of {id}");
        world.set(json!({"add_key": {"format": "jwt", "key": key, "key_id": id}})).await;
    }
    world.login_with(world.shows("alice", "jwt", &world.make(Format::Jwt, &old))).await;
    world.login_with(world.shows("alice", "jwt", &world.make(Format::Jwt, &new))).await;
    let (_, app) = world.http("GET", "/v1/apps/1", Some(ADMIN), "").await;
    let app: Value = serde_json::from_str(&app).unwrap();
    let keys = app["keys"].as_array().unwrap();
    let first = keys.iter().find(|key| key["name"] == "2025").unwrap();
    world.set(json!({"remove_key": first["id"]})).await;
    let refuse = world.refused(world.shows("alice", "jwt", &world.make(Format::Jwt, &old))).await;
    assert_eq!(refuse.error.code, Code::CREDENTIAL_BAD_SIGNATURE);
    world.login_with(world.shows("alice", "jwt", &world.make(Format::Jwt, &new))).await;
}

#[tokio::test]
async fn a_key_that_cannot_be_used_is_not_added() {
    let world = world().await;
    for key in [
        json!({"format": "token04", "key": "short"}),
        json!({"format": "token04-cbc", "key": SECRET_32}),
        json!({"format": "nim-dynamic", "key": "no app key"}),
        json!({"format": "nim-static", "key": "x"}),
        json!({"format": "jwt", "key": "-----BEGIN PUBLIC KEY-----"}),
        json!({"format": "jwt", "key": "x", "key_id": ""}),
        json!({"format": "jwt", "key": ""}),
        json!({"format": "no-such-form", "key": "x"}),
    ] {
        let (status, problem) = world.patch(json!({ "add_key": key })).await;
        assert_eq!((status, &problem["name"]), (400, &json!("invalid_argument")), "{key}");
    }
}

#[tokio::test]
async fn the_form_without_integrity_needs_the_setting_and_the_setting_warns() {
    let world = world().await;
    world.set(json!({"add_key": {"format": "token04", "key": SECRET_32}})).await;
    let token = world.make(Format::Token04Cbc, &Key::new(SECRET_32).unwrap());
    for format in ["token04", "token04-cbc"] {
        let refuse = world.refused(world.shows("alice", format, &token)).await;
        assert_eq!(refuse.error.code, Code::CREDENTIAL_TYPE_DISABLED);
    }
    let app = world.set(json!({"allow_cbc": true})).await;
    assert!(app["credentials"]["warnings"][0].as_str().unwrap().contains("no integrity check"));
    for format in ["token04", "token04-cbc"] {
        world.login_with(world.shows("alice", format, &token)).await;
    }
}

#[tokio::test]
async fn a_static_token_is_good_until_it_is_refreshed_revoked_or_taken_away() {
    let world = world().await;
    let (status, _) = world.static_token("nobody", "").await;
    assert_eq!(status, 404);
    let (_, drawn) = world.static_token("alice", "").await;
    let first = drawn["token"].as_str().unwrap().to_owned();
    assert_eq!(first.len(), 64);
    let refuse = world.refused(world.shows("alice", "nim-static", &first)).await;
    assert_eq!(refuse.error.code, Code::CREDENTIAL_TYPE_DISABLED);
    world.set(json!({"nim_static": true})).await;
    let (mut client, welcome) = world.login_with(world.shows("alice", "nim-static", &first)).await;
    assert_eq!(welcome.credential_expires_in_ms, None);
    // Another user's, nobody's, and one who never had any.
    for (user, token) in [("bob", &*first), ("alice", "guess"), ("erin", &*first)] {
        let refuse = world.refused(world.shows(user, "nim-static", token)).await;
        assert_eq!(refuse.error.code, Code::CREDENTIAL_BAD_SIGNATURE, "{user}");
    }

    let (status, problem) = world.static_token("alice", r#"{"token":"too short"}"#).await;
    assert_eq!((status, &problem["name"]), (400, &json!("invalid_argument")));
    let second = "chosen by the app";
    world.static_token("alice", &json!({ "token": second }).to_string()).await;
    // The session lives on; the token before opens nothing more.
    client.ping().await;
    let renewed = client.request(Request::Renew(shown("nim-static", &first))).await;
    assert_eq!(renewed.unwrap_err().code, Code::CREDENTIAL_BAD_SIGNATURE);
    let renewed = client.request(Request::Renew(shown("nim-static", second))).await;
    assert_eq!(renewed, Ok(Response::Renewed { credential_expires_in_ms: None }));
    let refuse = world.refused(world.shows("alice", "nim-static", &first)).await;
    assert_eq!(refuse.error.code, Code::CREDENTIAL_BAD_SIGNATURE);

    let path = "/v1/apps/1/users/alice/revoke";
    assert_eq!(world.http("POST", path, Some(ADMIN), "").await.0, 200);
    let refuse = world.refused(world.shows("alice", "nim-static", second)).await;
    assert_eq!(refuse.error.code, Code::CREDENTIAL_REVOKED);

    world.static_token("alice", &json!({ "token": second }).to_string()).await;
    let (mut client, _) = world.login_with(world.shows("alice", "nim-static", second)).await;
    let path = "/v1/apps/1/users/alice/static-token";
    assert_eq!(world.http("DELETE", path, Some(ADMIN), "").await.0, 200);
    client.ping().await;
    let refuse = world.refused(world.shows("alice", "nim-static", second)).await;
    assert_eq!(refuse.error.code, Code::CREDENTIAL_BAD_SIGNATURE);
    // There is nothing to take away any more, nobody may, or there is nobody to take it from.
    assert_eq!(world.http("DELETE", path, Some(ADMIN), "").await.0, 200);
    assert_eq!(world.http("DELETE", path, None, "").await.0, 401);
    let nobody = "/v1/apps/1/users/nobody/static-token";
    assert_eq!(world.http("DELETE", nobody, Some(ADMIN), "").await.0, 404);
}

#[tokio::test]
async fn a_static_token_is_kept_as_a_hash_and_over_a_restart() {
    let world = world().await;
    world.set(json!({"nim_static": true})).await;
    let token = "a static token with a marker";
    world.static_token("alice", &json!({ "token": token }).to_string()).await;
    let World { running, dir, .. } = world;
    running.shutdown().await;
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(token.len()).any(|window| window == token.as_bytes()));
    }
    let world = World::in_dir(dir, |_| {}).await;
    world.login_with(world.shows("alice", "nim-static", token)).await;
}

/// The app's own server: what it was asked, and how it answers.
pub(super) struct AppServer {
    pub(super) url: String,
    asked: mpsc::UnboundedReceiver<(String, Value, TcpStream)>,
}

impl AppServer {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/login?from=homing", listener.local_addr().unwrap());
        let (tell, asked) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                if tell.send(read_request(tcp).await).is_err() {
                    return;
                }
            }
        });
        Self { url, asked }
    }

    /// The next question: its head, its body, and the connection to answer on.
    pub(super) async fn question(&mut self) -> (String, Value, TcpStream) {
        soon(self.asked.recv()).await.unwrap()
    }

    pub(super) async fn answer(&mut self, body: &str) -> (String, Value) {
        let (head, question, tcp) = self.question().await;
        say(tcp, 200, body).await;
        (head, question)
    }

    fn was_not_asked(&mut self) {
        assert!(self.asked.try_recv().is_err());
    }
}

pub(super) async fn read_request<S: AsyncRead + Unpin>(mut tcp: S) -> (String, Value, S) {
    let mut bytes = Vec::new();
    loop {
        tcp.read_buf(&mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && let Ok(body) = serde_json::from_str(body)
        {
            return (head.to_owned(), body, tcp);
        }
    }
}

pub(super) async fn say(mut tcp: impl AsyncWrite + Unpin, status: u16, body: &str) {
    let answer = format!(
        "HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    tcp.write_all(answer.as_bytes()).await.unwrap();
}

async fn with_third_party() -> (World, AppServer) {
    let (world, server) = (world().await, AppServer::start().await);
    world.set(json!({"third_party_url": server.url})).await;
    (world, server)
}

#[tokio::test]
async fn the_apps_own_server_is_told_who_asks_on_what_and_decides() {
    let (world, mut server) = with_third_party().await;
    world.set(json!({"add_key": {"format": "third-party", "key": "webhook secret"}})).await;
    let mut hello = world.shows("frank", "third-party", "any text at all");
    hello.login_extension = bytes::Bytes::from_static(b"{\"ticket\":1}");
    hello.device.tag = "kitchen".to_owned();
    let mut client = world.connect().await;
    let (welcome, (head, question)) =
        tokio::join!(client.greet(hello), server.answer(r#"{"allow":true}"#));
    let welcome = welcome.unwrap();
    assert!(welcome.registered);
    assert_eq!(welcome.credential_expires_in_ms, None);
    assert!(head.starts_with("POST /login?from=homing HTTP/1.1"), "{head}");
    assert!(head.contains("\r\nhoming-signature: t="), "{head}");
    assert_eq!(question["user"], "frank");
    assert_eq!(question["token"], "any text at all");
    assert_eq!(question["app_id"], 1);
    assert_eq!(question["login_extension"], "{\"ticket\":1}");
    assert_eq!(question["device"]["platform"], "ios");
    assert_eq!(question["device"]["tag"], "kitchen");

    let mut client = world.connect().await;
    let (refuse, _) = tokio::join!(
        client.greet(world.shows("alice", "third-party", "bad")),
        server.answer(r#"{"allow":false,"text":"The shop is closed."}"#),
    );
    let refuse = refuse.unwrap_err();
    assert_eq!(refuse.error.code, Code::THIRD_PARTY_REFUSED);
    assert_eq!(refuse.error.sentence(), "The shop is closed.");
}

#[tokio::test]
async fn an_answer_with_a_validity_is_not_asked_for_again_until_it_is_over() {
    let (world, mut server) = with_third_party().await;
    let hello = world.shows("alice", "third-party", "good for a while");
    let mut client = world.connect().await;
    let (welcome, _) =
        tokio::join!(client.greet(hello.clone()), server.answer(r#"{"allow":true,"valid_s":600}"#));
    let welcome = welcome.unwrap();
    assert!((590_000..=600_000).contains(&welcome.credential_expires_in_ms.unwrap()));
    drop(client);
    let (mut client, _) =
        world.login_with(resume(hello.clone(), &welcome, hello.counter + 1)).await;
    let renewed = client.request(Request::Renew(hello.credential.clone().unwrap())).await;
    assert!(matches!(renewed, Ok(Response::Renewed { .. })), "{renewed:?}");
    server.was_not_asked();
    // What is remembered is that token of that user.
    for (user, token) in [("bob", "good for a while"), ("alice", "another")] {
        let mut client = world.connect().await;
        let (refuse, _) = tokio::join!(
            client.greet(world.shows(user, "third-party", token)),
            server.answer(r#"{"allow":false}"#),
        );
        assert_eq!(refuse.unwrap_err().error.code, Code::THIRD_PARTY_REFUSED);
    }
    let (renewed, _) = tokio::join!(
        client.request(Request::Renew(shown("third-party", "a new one"))),
        server.answer(r#"{"allow":true,"valid_s":60}"#),
    );
    assert!(matches!(
        renewed,
        Ok(Response::Renewed { credential_expires_in_ms: Some(1..=60_000) })
    ));
    let (renewed, _) = tokio::join!(
        client.request(Request::Renew(shown("third-party", "a bad one"))),
        server.answer(r#"{"allow":false}"#),
    );
    assert_eq!(renewed.unwrap_err().code, Code::THIRD_PARTY_REFUSED);
}

#[tokio::test]
async fn an_answer_that_is_none_refuses_for_now_unless_the_app_fails_open() {
    let (world, mut server) = with_third_party().await;
    for (status, body) in [(200, "yes"), (200, "{}"), (500, r#"{"allow":true}"#), (302, "")] {
        let mut client = world.connect().await;
        let hello = world.shows("alice", "third-party", "x");
        let (refuse, ()) = tokio::join!(client.greet(hello), async {
            let (_, _, tcp) = server.question().await;
            say(tcp, status, body).await;
        });
        let refuse = refuse.unwrap_err();
        assert_eq!(refuse.error.code, Code::SERVER_BUSY, "{status} {body}");
        assert!(refuse.error.retry_after_ms.is_some() && !refuse.terminal);
    }
    let app = world.set(json!({"third_party_fail_open": true})).await;
    let warnings = app["credentials"]["warnings"].to_string();
    assert!(warnings.contains("anybody can sign in as anybody"), "{warnings}");
    let mut client = world.connect().await;
    let (welcome, ()) =
        tokio::join!(client.greet(world.shows("alice", "third-party", "x")), async {
            let (_, _, tcp) = server.question().await;
            say(tcp, 500, "").await;
        });
    welcome.unwrap();
    // Nobody listens there.
    drop(server);
    world.login_with(world.shows("alice", "third-party", "y")).await;
    world.set(json!({"third_party_fail_open": false})).await;
    let refuse = world.refused(world.shows("alice", "third-party", "z")).await;
    assert_eq!(refuse.error.code, Code::SERVER_BUSY);
    world.set(json!({"third_party_url": ""})).await;
    let refuse = world.refused(world.shows("alice", "third-party", "z")).await;
    assert_eq!(refuse.error.code, Code::CREDENTIAL_TYPE_DISABLED);
}

#[tokio::test]
async fn a_server_that_hangs_is_waited_for_two_seconds() {
    let (world, mut server) = with_third_party().await;
    let began = std::time::Instant::now();
    let mut client = world.connect().await;
    let (refuse, question) =
        tokio::join!(client.greet(world.shows("alice", "third-party", "x")), server.question(),);
    assert_eq!(refuse.unwrap_err().error.code, Code::SERVER_BUSY);
    assert!(began.elapsed().as_millis() >= 2_000);
    drop(question);
}

#[tokio::test]
async fn a_server_that_takes_its_time_holds_up_nobody_else() {
    let world = World::with(|config| {
        config.admin_token = Some(Token::new(ADMIN));
        config.bounds.third_party = Duration::from_secs(3_600);
    })
    .await;
    let mut server = AppServer::start().await;
    world.set(json!({"third_party_url": server.url})).await;
    // 64 of one app are asked at once; the others wait for their turn.
    let (mut logins, mut asked) = (Vec::new(), Vec::new());
    for n in 0..80 {
        let mut client = world.connect().await;
        let hello = world.shows("alice", "third-party", &format!("token {n}"));
        logins.push(tokio::spawn(async move { client.greet(hello).await.unwrap_err() }));
        if n < 64 {
            asked.push(server.question().await);
        }
    }
    world.login("bob", 2, Platform::Ios).await;
    assert!(logins.iter().all(|login| !login.is_finished()));
    server.was_not_asked();
    for (_, _, tcp) in asked {
        say(tcp, 200, r#"{"allow":false}"#).await;
    }
    for _ in 64..80 {
        server.answer(r#"{"allow":false}"#).await;
    }
    for login in logins {
        assert_eq!(soon(login).await.unwrap().error.code, Code::THIRD_PARTY_REFUSED);
    }
}

#[tokio::test]
async fn who_went_away_meanwhile_is_not_signed_in() {
    let (world, mut server) = with_third_party().await;
    let mut client = world.connect().await;
    let hello = world.shows("alice", "third-party", "x");
    client.send(&homing_proto::frame::ClientFrame::Hello(Box::new(hello))).await;
    let (_, _, tcp) = server.question().await;
    drop(client);
    // The one that asks for the page is one of them.
    while world.metric("homing_connections").await != Some(1) {
        tokio::task::yield_now().await;
    }
    say(tcp, 200, r#"{"allow":true}"#).await;
    // The shutdown waits for the question and closes the store.
    let World { running, dir, .. } = world;
    running.shutdown().await;
    let world = World::in_dir(dir, |config| config.admin_token = Some(Token::new(ADMIN))).await;
    let (_, user) = world.http("GET", "/v1/apps/1/users/alice/sessions", Some(ADMIN), "").await;
    let sessions: Value = serde_json::from_str(&user).unwrap();
    assert_eq!(sessions["sessions"], json!([]), "{sessions}");
}
