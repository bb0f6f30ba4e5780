//! Questions to an app's own server over TLS, and what `/metrics` tells of them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use homing_proto::code::Code;
use homing_proto::secret::Token;
use homing_server::config::Config;
use homing_server::server::{Server, StartError};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::credentials::{ADMIN, AppServer, read_request, say};
use super::world::World;

/// Makes a certificate for `localhost` from an authority whose own is put into that file.
fn certificate(ca: &Path) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let (own_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(ca, authority.self_signed(&own_key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(authority, own_key);
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    (certificate.der().clone(), PrivateKeyDer::Pkcs8(key.serialize_der().into()))
}

/// An app's own server that allows every login, over TLS with such a certificate; its port.
async fn secure_app_server(ca: &Path) -> u16 {
    let (certificate, key) = certificate(ca);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            // Whoever does not believe the certificate breaks it off.
            if let Ok(tls) = acceptor.accept(tcp).await {
                let (_, _, tls) = read_request(tls).await;
                say(tls, 200, r#"{"allow":true}"#).await;
            }
        }
    });
    port
}

async fn world(change: impl FnOnce(&mut Config)) -> World {
    World::with(|config| {
        config.admin_token = Some(Token::new(ADMIN));
        change(config);
    })
    .await
}

async fn calls(world: &World, outcome: &str) -> Option<u64> {
    world.metric(&format!("homing_third_party_calls_total{{outcome=\"{outcome}\"}}")).await
}

/// S-8.1: over TLS, believed by the authority that the server's configuration names.
#[tokio::test]
async fn an_apps_own_server_with_a_private_certificate_is_asked_where_its_authority_is_believed() {
    let dir = tempfile::tempdir().unwrap();
    let (ca, other) = (dir.path().join("ca.pem"), dir.path().join("other.pem"));
    let port = secure_app_server(&ca).await;
    certificate(&other);
    let world_of = async |ca: Option<&Path>, host: &str| {
        let world = world(|config| config.webhook_ca = ca.map(Path::to_owned)).await;
        world.set(json!({"third_party_url": format!("https://{host}:{port}/login")})).await;
        world
    };
    let world = world_of(Some(&ca), "localhost").await;
    world.login_with(world.shows("alice", "third-party", "x")).await;
    assert_eq!(calls(&world, "allowed").await, Some(1));
    // Nobody's authority, another's, and a certificate for another name.
    for (ca, host) in [(None, "localhost"), (Some(&*other), "localhost"), (Some(&*ca), "127.0.0.1")]
    {
        let world = world_of(ca, host).await;
        let refuse = world.refused(world.shows("alice", "third-party", "x")).await;
        assert_eq!(refuse.error.code, Code::SERVER_BUSY, "{ca:?} {host}");
        assert_eq!(calls(&world, "untrusted").await, Some(1), "{ca:?} {host}");
    }
}

#[tokio::test]
async fn an_unusable_file_of_authorities_is_named_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let (missing, empty) = (dir.path().join("missing.pem"), dir.path().join("empty.pem"));
    std::fs::write(&empty, "nothing").unwrap();
    for file in [missing, empty] {
        let mut config = Config::new(dir.path());
        config.listen.set_port(0);
        config.webhook_ca = Some(file.clone());
        let refused = Server::start(config).await.unwrap_err();
        assert!(matches!(refused, StartError::WebhookCa(_)), "{refused}");
        assert!(refused.to_string().contains(file.to_str().unwrap()), "{refused}");
    }
}

#[tokio::test]
async fn the_metrics_count_what_came_of_the_questions_and_how_long_they_took() {
    let world = world(|config| config.bounds.third_party = Duration::from_secs(1)).await;
    let mut server = AppServer::start().await;
    world.set(json!({"third_party_url": server.url})).await;
    for (status, body) in [
        (200, r#"{"allow":true,"valid_s":60}"#),
        (200, r#"{"allow":false}"#),
        (503, ""),
        (200, "yes"),
    ] {
        let mut client = world.connect().await;
        let hello = world.shows("alice", "third-party", &format!("{status} {body}"));
        let (_, ()) = tokio::join!(client.greet(hello), async {
            let (_, _, tcp) = server.question().await;
            say(tcp, status, body).await;
        });
    }
    // The first one's answer still holds.
    let first = r#"200 {"allow":true,"valid_s":60}"#;
    world.login_with(world.shows("alice", "third-party", first)).await;
    let mut client = world.connect().await;
    let (refuse, _unanswered) =
        tokio::join!(client.greet(world.shows("alice", "third-party", "slow")), server.question());
    refuse.unwrap_err();
    drop(server);
    world.refused(world.shows("alice", "third-party", "nobody is there")).await;
    for outcome in ["allowed", "refused", "status", "unreadable", "slow", "unreachable"] {
        assert_eq!(calls(&world, outcome).await, Some(1), "{outcome}");
    }
    assert_eq!(world.metric("homing_third_party_remembered_total").await, Some(1));
    assert_eq!(world.metric("homing_third_party_seconds_count").await, Some(6));
    let slow = world.metric(r#"homing_third_party_seconds_bucket{le="0.500000"}"#).await;
    assert!(slow <= Some(5), "the one that was waited for took a second: {slow:?}");
}
