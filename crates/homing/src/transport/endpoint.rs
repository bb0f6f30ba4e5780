//! A server's address, checked once (W-1, W-2).

use std::net::IpAddr;

use homing_proto::{Code, Error};
use tokio_tungstenite::tungstenite::http::Uri;

/// Whether frames may travel unencrypted to hosts other than this one (W-1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Plaintext {
    /// Only to loopback addresses.
    #[default]
    LoopbackOnly,
    /// To any host: for networks that are protected otherwise.
    Anywhere,
}

/// Where a server listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Endpoint {
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) tls: Tls,
    /// The whole address, with the gateway's path.
    pub(crate) uri: Uri,
}

/// Whether the connection is encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tls {
    On,
    Off,
}

impl Endpoint {
    /// Reads `wss://`, `https://`, `ws://` or `http://` and a host, with port and path if they are
    /// not the usual ones.
    ///
    /// # Errors
    /// `invalid_argument` for anything else; for a query, a fragment or a user, since nothing secret
    /// travels in an address (W-2); for plaintext to another host unless it was allowed.
    pub(crate) fn parse(url: &str, plaintext: Plaintext) -> Result<Self, Error> {
        let uri: Uri = url.parse().map_err(|_| wrong("it is no address"))?;
        let (tls, scheme) = match uri.scheme_str() {
            Some("wss" | "https") => (Tls::On, "wss"),
            Some("ws" | "http") => (Tls::Off, "ws"),
            _ => return Err(wrong("it begins with neither wss:// nor ws://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("it has no host"))?;
        if authority.as_str().contains('@') || uri.query().is_some() || url.contains('#') {
            return Err(wrong("it has more than host, port and path"));
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err(wrong("it has no host"));
        }
        if tls == Tls::Off && plaintext == Plaintext::LoopbackOnly && !is_loopback(&host) {
            return Err(wrong("it is not encrypted and leads to another machine; use wss://"));
        }
        let port = authority.port_u16().unwrap_or(match tls {
            Tls::On => 443,
            Tls::Off => 80,
        });
        let path = uri.path().trim_end_matches('/');
        let path = path.strip_suffix(GATEWAY).unwrap_or(path);
        let uri = format!("{scheme}://{authority}{path}{GATEWAY}");
        let uri = uri.parse().map_err(|_| wrong("it is no address"))?;
        Ok(Self { host, port, tls, uri })
    }
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn wrong(why: &str) -> Error {
    Error::new(Code::INVALID_ARGUMENT)
        .with_text(format!("the server's address is not valid: {why}"))
}

/// The gateway's path.
const GATEWAY: &str = "/v1/connect";

#[cfg(test)]
mod tests;
