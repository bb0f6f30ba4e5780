//! Whom a client believes to be its server.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use homing::{Client, Code, Config, TlsRoots};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::server::FakeServer;
use super::{soon, token};

/// A server whose certificate comes from an authority of its own, and that authority's file.
async fn server(host: &str, dir: &TempDir) -> (FakeServer, PathBuf) {
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = names.signed_by(&key, &authority).unwrap();

    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let file = dir.path().join("authority.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    (FakeServer::start_tls(host, TlsAcceptor::from(Arc::new(config))).await, file)
}

fn config(server: &FakeServer, roots: TlsRoots) -> Config {
    Config::new(1, &server.url).unwrap().tls_roots(roots)
}

#[tokio::test]
async fn a_server_with_a_certificate_of_its_own_is_believed_when_its_authority_is() {
    let dir = TempDir::new().unwrap();
    let (server, file) = server("localhost", &dir).await;
    for roots in [TlsRoots::Only(file.clone()), TlsRoots::PublicAnd(file)] {
        let client = Client::open(config(&server, roots)).await.unwrap();
        let login = client.login("alice", token()).start();
        let (_peer, _) = server.welcome().await;
        soon(login).await.unwrap();
        soon(client.close()).await;
    }
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_or_that_has_another_name_never_sees_a_token() {
    let dir = TempDir::new().unwrap();
    for (host, public) in [("localhost", true), ("127.0.0.1", false)] {
        let (server, file) = server(host, &dir).await;
        let roots = if public { TlsRoots::Public } else { TlsRoots::Only(file) };
        let client = Client::open(config(&server, roots)).await.unwrap();
        let login = client.login("alice", token()).timeout(Duration::from_millis(600));
        let (error, ()) = tokio::join!(soon(login), server.refuse_tls());
        assert_eq!(error.unwrap_err().code, Code::NETWORK);
    }
}

#[tokio::test]
async fn a_file_without_certificates_is_refused_when_the_client_is_opened() {
    let dir = TempDir::new().unwrap();
    let (server, file) = server("localhost", &dir).await;
    std::fs::write(&file, "nothing").unwrap();
    for roots in [TlsRoots::Only(file), TlsRoots::PublicAnd(dir.path().join("missing"))] {
        let error = Client::open(config(&server, roots)).await.unwrap_err();
        assert_eq!(error.code, Code::INVALID_ARGUMENT);
    }
}
