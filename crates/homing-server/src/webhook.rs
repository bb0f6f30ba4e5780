//! Questions to servers of apps over HTTP: one POST, one bounded answer, signed so that the other
//! side knows who asks (V-4).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use homing_token::Key;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{CONTENT_TYPE, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::apps::WebhookUrl;
use crate::gateway::TlsError;

/// A client with kept connections. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Webhooks(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// Why there is no answer, for the log: no address, no body.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("it took longer than the time limit")]
    Slow,
    #[error("it cannot be reached")]
    Unreachable,
    #[error("its certificate is not believed: {0} (webhook_ca names a file of more authorities)")]
    Untrusted(rustls::Error),
    #[error("it answered with status {0}")]
    Status(StatusCode),
    #[error("its answer broke off or is longer than 16 KiB")]
    Body,
}

impl Webhooks {
    /// `ca`: believe servers whose certificate comes from an authority in this PEM file, besides those
    /// that browsers trust.
    ///
    /// # Errors
    /// [`TlsError::File`] when it cannot be read or holds no certificate.
    pub(crate) fn new(ca: Option<&Path>) -> Result<Self, TlsError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has what TLS 1.2 and 1.3 need")
            .with_root_certificates(authorities(ca)?)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .build(connector);
        Ok(Self(client))
    }

    /// Asks once: what has been asked may have been done, so nothing is asked twice. An answer is a
    /// body with status 200; redirections are none.
    pub(crate) async fn ask(
        &self,
        url: &WebhookUrl,
        body: Bytes,
        signature: Option<String>,
        limit: Duration,
    ) -> Result<Bytes, NoAnswer> {
        let mut request = Request::post(url.uri().clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("homing/", env!("CARGO_PKG_VERSION")));
        if let Some(signature) = signature.and_then(|text| HeaderValue::try_from(text).ok()) {
            request = request.header(SIGNATURE, signature);
        }
        let request = request.body(Full::new(body)).map_err(|_| NoAnswer::Unreachable)?;
        let asking = async {
            let answer = self.0.request(request).await.map_err(|error| no_way(&error))?;
            if answer.status() != StatusCode::OK {
                return Err(NoAnswer::Status(answer.status()));
            }
            let body = Limited::new(answer.into_body(), ANSWER_BYTES).collect().await;
            Ok(body.map_err(|_| NoAnswer::Body)?.to_bytes())
        };
        tokio::time::timeout(limit, asking).await.unwrap_or(Err(NoAnswer::Slow))
    }
}

fn authorities(ca: Option<&Path>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    let Some(file) = ca else { return Ok(roots) };
    let wrong = |why: String| TlsError::File { file: file.to_owned(), why };
    let before = roots.len();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|e| wrong(e.to_string()))? {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.len() == before {
        return Err(wrong("it holds no certificate in PEM form".to_owned()));
    }
    Ok(roots)
}

/// Whether there is no way to the server, or it cannot be told from another one.
fn no_way(error: &(dyn std::error::Error + 'static)) -> NoAnswer {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(rustls::Error::InvalidCertificate(why)) = error.downcast_ref() {
            return NoAnswer::Untrusted(why.clone().into());
        }
        // An error of IO passes over what it holds when it is asked for its source.
        let held = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = match held {
            Some(held) => Some(held),
            None => error.source(),
        };
    }
    NoAnswer::Unreachable
}

/// `t=<seconds>,v1=<hex>`: HMAC-SHA256 over the seconds in decimal, a dot, and the body. The time is
/// under it so that a request cannot be played again later.
pub(crate) fn signature(key: &Key, seconds: u64, body: &[u8]) -> String {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key.expose()).expect("HMAC takes any key");
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    let mut text = format!("t={seconds},v1=");
    for byte in mac.finalize().into_bytes() {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

const SIGNATURE: &str = "homing-signature";
/// An answer says yes or no and a few words.
const ANSWER_BYTES: usize = 16 * 1024;
/// A kept connection that nobody used for so long is closed.
const IDLE: Duration = Duration::from_secs(30);
const IDLE_PER_HOST: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_covers_time_and_body() {
        let key = Key::new("key").unwrap();
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac key
        assert_eq!(signature(&key, 1_700_000_000, b"{}"), SIGNED);
        assert_ne!(signature(&key, 1_700_000_001, b"{}")[13..], SIGNED[13..]);
        assert_ne!(signature(&key, 1_700_000_000, b"{ }"), SIGNED);
    }

    const SIGNED: &str =
        "t=1700000000,v1=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae";
}
