//! Questions to servers of apps over HTTP: one POST, one bounded answer, signed so that the other
//! side knows who asks (V-4).

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

use crate::apps::WebhookUrl;

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
    #[error("it answered with status {0}")]
    Status(StatusCode),
    #[error("its answer broke off or is longer than 16 KiB")]
    Body,
}

impl Webhooks {
    pub(crate) fn new() -> Self {
        let provider = rustls::crypto::ring::default_provider();
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(provider)
            .expect("ring has what TLS 1.2 and 1.3 need")
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .build(connector);
        Self(client)
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
            let answer = self.0.request(request).await.map_err(|_| NoAnswer::Unreachable)?;
            if answer.status() != StatusCode::OK {
                return Err(NoAnswer::Status(answer.status()));
            }
            let body = Limited::new(answer.into_body(), ANSWER_BYTES).collect().await;
            Ok(body.map_err(|_| NoAnswer::Body)?.to_bytes())
        };
        tokio::time::timeout(limit, asking).await.unwrap_or(Err(NoAnswer::Slow))
    }
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
