//! The upgrade (RFC 6455 §4.2): an HTTP/1.1 request head in, a 101 or a typed refusal out.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use homing_proto::limits;
use sha1::{Digest, Sha1};

/// The sub-protocol of Homing: binary messages, one frame a message (W-1).
pub const SUB_PROTOCOL: &str = "homing.1";

/// The head of a request, borrowed from the bytes it was read from.
///
/// `Debug` shows method and path only: a browser sends its secret among the sub-protocols (W-2).
pub struct Head<'a> {
    /// The method as sent, such as `GET`.
    pub method: &'a str,
    /// The request target up to the `?`, not decoded.
    pub path: &'a str,
    /// The request target behind the `?`, not decoded.
    pub query: Option<&'a str>,
    /// Where the page comes from that a browser asks for.
    pub origin: Option<&'a str>,
    /// The sub-protocols offered, in the client's order, as sent.
    pub sub_protocols: Vec<&'a str>,
    /// Bytes of the head, with the empty line: what follows belongs to the body or to the frames.
    pub len: usize,
    upgrade: Upgrade<'a>,
}

impl<'a> Head<'a> {
    /// Reads a head from the start of `bytes`; `None` if it goes on behind them.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] if it is not HTTP/1.x; [`Refusal::TooLarge`] if it has over
    /// [`limits::HTTP_HEAD_BYTES`] or over [`limits::HTTP_HEADERS`] headers.
    pub fn parse(bytes: &'a [u8]) -> Result<Option<Self>, Refusal> {
        let mut headers = [httparse::EMPTY_HEADER; limits::HTTP_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let bounded = &bytes[..bytes.len().min(limits::HTTP_HEAD_BYTES)];
        let len = match request.parse(bounded) {
            Ok(httparse::Status::Complete(len)) => len,
            Ok(httparse::Status::Partial) if bytes.len() < limits::HTTP_HEAD_BYTES => {
                return Ok(None);
            }
            Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
                return Err(Refusal::TooLarge);
            }
            Err(_) => return Err(Refusal::Malformed("The request is not HTTP/1.1.")),
        };
        Self::from_request(&request, len).map(Some)
    }

    /// Whether the client asks for a WebSocket, rightly or not; else the request is for the API.
    pub fn wants_websocket(&self) -> bool {
        self.upgrade.is_asked
    }

    /// The bytes of the answer that makes the connection a WebSocket speaking [`SUB_PROTOCOL`].
    ///
    /// # Errors
    /// What stands against it; [`Refusal::to_bytes`] says so to the client.
    pub fn accept(&self) -> Result<Vec<u8>, Refusal> {
        let key = self.upgrade.check(self.method)?;
        if !self.sub_protocols.contains(&SUB_PROTOCOL) {
            return Err(Refusal::SubProtocol);
        }
        Ok(format!(
            "HTTP/1.1 101 Switching Protocols\r\n\
             Upgrade: websocket\r\n\
             Connection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n\
             Sec-WebSocket-Protocol: {SUB_PROTOCOL}\r\n\r\n",
            accept_key(key)
        )
        .into_bytes())
    }

    fn from_request(request: &httparse::Request<'_, 'a>, len: usize) -> Result<Self, Refusal> {
        let complete = "a complete request has a request line";
        let target = request.path.expect(complete);
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let mut head = Self {
            method: request.method.expect(complete),
            path,
            query,
            origin: None,
            sub_protocols: Vec::new(),
            len,
            upgrade: Upgrade { minor: request.version.expect(complete), ..Upgrade::default() },
        };
        for header in request.headers.iter() {
            head.take_header(header)?;
        }
        Ok(head)
    }

    fn take_header(&mut self, header: &httparse::Header<'a>) -> Result<(), Refusal> {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        let upgrade = &mut self.upgrade;
        if is("Host") {
            once(&mut upgrade.host, text(header)?)
        } else if is("Origin") {
            once(&mut self.origin, text(header)?)
        } else if is("Upgrade") {
            upgrade.is_asked |= has_token(text(header)?, "websocket");
            Ok(())
        } else if is("Connection") {
            upgrade.is_connection_upgrade |= has_token(text(header)?, "upgrade");
            Ok(())
        } else if is("Sec-WebSocket-Key") {
            once(&mut upgrade.key, text(header)?)
        } else if is("Sec-WebSocket-Version") {
            once(&mut upgrade.version, text(header)?)
        } else if is("Sec-WebSocket-Protocol") {
            self.sub_protocols.extend(tokens(text(header)?));
            Ok(())
        } else {
            let is_empty = is("Content-Length") && header.value == b"0";
            upgrade.has_body |= (is("Content-Length") || is("Transfer-Encoding")) && !is_empty;
            Ok(())
        }
    }
}

impl fmt::Debug for Head<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("method", &self.method)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Why a request becomes no WebSocket. After its answer the connection is to be closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// The head breaks HTTP/1.1 or RFC 6455; the text says where.
    #[error("{0}")]
    Malformed(&'static str),
    /// The head is over its bounds.
    #[error("The head of the request is too large.")]
    TooLarge,
    /// The request is sound but asks for no WebSocket.
    #[error("This path speaks WebSocket only.")]
    NotAnUpgrade,
    /// A version of WebSocket other than 13.
    #[error("This server speaks WebSocket version 13 only.")]
    Version,
    /// [`SUB_PROTOCOL`] is not among those offered.
    #[error(
        "This server speaks the sub-protocol homing.1 only: offer it in Sec-WebSocket-Protocol."
    )]
    SubProtocol,
}

impl Refusal {
    /// The HTTP status: 400, 426 or 431.
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed(_) | Self::SubProtocol => 400,
            Self::NotAnUpgrade | Self::Version => 426,
            Self::TooLarge => 431,
        }
    }

    /// The bytes of the answer: status, what to do instead, and the reason as text.
    pub fn to_bytes(self) -> Vec<u8> {
        let (reason, extra) = match self {
            Self::Malformed(_) | Self::SubProtocol => ("Bad Request", "Connection: close\r\n"),
            Self::TooLarge => ("Request Header Fields Too Large", "Connection: close\r\n"),
            // A 426 names the way up (RFC 9110 §15.5.22, RFC 6455 §4.4).
            Self::NotAnUpgrade | Self::Version => (
                "Upgrade Required",
                "Connection: Upgrade, close\r\n\
                 Upgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\n",
            ),
        };
        let body = format!("{self}\n");
        format!(
            "HTTP/1.1 {} {reason}\r\n{extra}\
             Content-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.status(),
            body.len()
        )
        .into_bytes()
    }
}

/// The proof that a server understood the key: SHA-1 over the key and a fixed text, in base64.
pub(super) fn accept_key(key: &str) -> String {
    // The text is RFC 6455's own (§1.3); SHA-1 protects nothing here.
    let digest = Sha1::new()
        .chain_update(key)
        .chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
        .finalize();
    STANDARD.encode(digest)
}

/// Whether a comma-separated header value has the token, in any case.
pub(super) fn has_token(value: &str, token: &str) -> bool {
    tokens(value).any(|t| t.eq_ignore_ascii_case(token))
}

/// What the headers say about the upgrade, before it is judged.
#[derive(Default)]
struct Upgrade<'a> {
    /// The `x` of HTTP/1.x.
    minor: u8,
    is_asked: bool,
    is_connection_upgrade: bool,
    has_body: bool,
    host: Option<&'a str>,
    key: Option<&'a str>,
    version: Option<&'a str>,
}

impl<'a> Upgrade<'a> {
    /// The client's key, if everything about the upgrade is as RFC 6455 §4.2.1 has it.
    fn check(&self, method: &str) -> Result<&'a str, Refusal> {
        if method != "GET" || self.minor != 1 || !self.is_asked || !self.is_connection_upgrade {
            return Err(Refusal::NotAnUpgrade);
        }
        if self.host.is_none() {
            return Err(Refusal::Malformed("The request has no Host."));
        }
        // Its end would be read as frames, or as another request by something in between.
        if self.has_body {
            return Err(Refusal::Malformed("An upgrade has no body."));
        }
        if self.version != Some("13") {
            return Err(Refusal::Version);
        }
        let key = self.key.ok_or(Refusal::Malformed("There is no Sec-WebSocket-Key."))?;
        let mut nonce = [0; 18];
        match STANDARD.decode_slice(key, &mut nonce) {
            Ok(16) => Ok(key),
            _ => Err(Refusal::Malformed("The Sec-WebSocket-Key is not 16 bytes in base64.")),
        }
    }
}

fn text<'a>(header: &httparse::Header<'a>) -> Result<&'a str, Refusal> {
    std::str::from_utf8(header.value)
        .map_err(|_| Refusal::Malformed("A header is not UTF-8."))
        .map(str::trim)
}

fn once<'a>(place: &mut Option<&'a str>, value: &'a str) -> Result<(), Refusal> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(Refusal::Malformed("A header that may stand once stands twice.")),
    }
}

fn tokens(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(|token| token.trim_matches([' ', '\t'])).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [&str; 7] = [
        "GET /v1/connect?region=eu HTTP/1.1",
        "Host: chat.example.com",
        "Upgrade: websocket",
        "Connection: keep-alive, Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: other, homing.1",
    ];

    fn request(lines: &[&str]) -> Vec<u8> {
        lines.iter().flat_map(|line| [line, "\r\n"]).chain(["\r\n"]).collect::<String>().into()
    }

    /// The good request with the line that begins with `name` replaced, or one line more.
    fn with(name: &str, line: &str) -> Vec<u8> {
        let mut lines: Vec<&str> = GOOD.into_iter().filter(|l| !l.starts_with(name)).collect();
        if !line.is_empty() {
            lines.insert(usize::from(!GOOD[0].starts_with(name)), line);
        }
        request(&lines)
    }

    fn refusal(request: &[u8]) -> Refusal {
        match Head::parse(request) {
            Err(refusal) => refusal,
            Ok(head) => head.expect("a complete head").accept().expect_err("a refusal"),
        }
    }

    #[test]
    fn a_good_upgrade_is_answered_with_the_key_of_the_rfc() {
        let request = request(&GOOD);
        let head = Head::parse(&request).unwrap().unwrap();
        assert!(head.wants_websocket());
        assert_eq!((head.method, head.path, head.query), ("GET", "/v1/connect", Some("region=eu")));
        assert_eq!(head.sub_protocols, ["other", "homing.1"]);
        assert_eq!(head.len, request.len());
        assert_eq!(
            String::from_utf8(head.accept().unwrap()).unwrap(),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
             Sec-WebSocket-Protocol: homing.1\r\n\r\n"
        );
    }

    #[test]
    fn a_head_is_waited_for_at_every_cut_and_leaves_what_follows_it() {
        let mut bytes = request(&GOOD);
        let len = bytes.len();
        bytes.extend_from_slice(b"\x82\x80....");
        for cut in 0..len {
            assert!(Head::parse(&bytes[..cut]).unwrap().is_none(), "cut at {cut}");
        }
        assert_eq!(Head::parse(&bytes).unwrap().unwrap().len, len);
    }

    #[test]
    fn what_is_no_upgrade_is_told_the_way_up() {
        let cases = [
            with("GET", "POST /v1/connect HTTP/1.1"),
            with("GET", "GET /v1/connect HTTP/1.0"),
            with("Upgrade", ""),
            with("Upgrade", "Upgrade: h2c"),
            with("Connection", ""),
            with("Connection", "Connection: keep-alive"),
        ];
        for case in cases {
            assert_eq!(refusal(&case), Refusal::NotAnUpgrade, "{}", case.escape_ascii());
        }
        let answer = String::from_utf8(Refusal::NotAnUpgrade.to_bytes()).unwrap();
        assert!(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"));
        assert!(answer.contains("\r\nUpgrade: websocket\r\n"));
    }

    #[test]
    fn another_version_is_told_the_right_one() {
        for line in ["Sec-WebSocket-Version: 8", "Sec-WebSocket-Version: 13, 8", ""] {
            assert_eq!(refusal(&with("Sec-WebSocket-Version", line)), Refusal::Version, "{line}");
        }
        let answer = String::from_utf8(Refusal::Version.to_bytes()).unwrap();
        assert!(answer.starts_with("HTTP/1.1 426 "));
        assert!(answer.contains("\r\nSec-WebSocket-Version: 13\r\n"));
    }

    #[test]
    fn a_client_that_does_not_offer_homing_is_told_to() {
        for line in ["Sec-WebSocket-Protocol: homing.2", "Sec-WebSocket-Protocol: HOMING.1", ""] {
            let refusal = refusal(&with("Sec-WebSocket-Protocol", line));
            assert_eq!(refusal, Refusal::SubProtocol, "{line}");
        }
        let answer = String::from_utf8(Refusal::SubProtocol.to_bytes()).unwrap();
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"));
        assert!(answer.ends_with("offer it in Sec-WebSocket-Protocol.\n"));
    }

    #[test]
    fn what_breaks_the_rules_is_malformed() {
        let cases = [
            b"\x16\x03\x01\x02\x00\x01".to_vec(),
            request(&["GET /v1/connect HTTP/2.0"]),
            with("Host", ""),
            with("none", "Host: other.example.com"),
            with("Sec-WebSocket-Key", ""),
            with("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25j"),
            with("Sec-WebSocket-Key", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZS4="),
            with("Sec-WebSocket-Key", "Sec-WebSocket-Key: not base64 at all!!!!"),
            with("none", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
            with("none", "Sec-WebSocket-Version: 13"),
            with("none", "Content-Length: 5"),
            with("none", "Transfer-Encoding: chunked"),
        ];
        for case in cases {
            assert_eq!(refusal(&case).status(), 400, "{}", case.escape_ascii());
        }
    }

    #[test]
    fn a_head_over_its_bounds_is_too_large_however_it_goes_on() {
        let filler = format!("X: {}", "x".repeat(limits::HTTP_HEAD_BYTES));
        let complete = with("none", &filler);
        assert_eq!(refusal(&complete), Refusal::TooLarge);
        assert_eq!(refusal(&complete[..limits::HTTP_HEAD_BYTES]), Refusal::TooLarge);
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(limits::HTTP_HEADERS + 1));
        assert_eq!(refusal(many.as_bytes()), Refusal::TooLarge);
    }

    #[test]
    fn the_largest_head_is_taken() {
        let room = limits::HTTP_HEAD_BYTES - request(&GOOD).len() - "X: \r\n".len();
        let request = with("none", &format!("X: {}", "x".repeat(room)));
        assert_eq!(request.len(), limits::HTTP_HEAD_BYTES);
        assert!(Head::parse(&request).unwrap().unwrap().accept().is_ok());
    }

    #[test]
    fn an_empty_body_is_no_body() {
        let request = with("none", "Content-Length: 0");
        assert!(Head::parse(&request).unwrap().unwrap().accept().is_ok());
    }

    #[test]
    fn a_secret_among_the_sub_protocols_is_not_shown() {
        let request = with("none", "Sec-WebSocket-Protocol: secret.5ca1ab1e");
        let head = Head::parse(&request).unwrap().unwrap();
        assert!(head.sub_protocols.contains(&"secret.5ca1ab1e"));
        assert!(!format!("{head:?}").contains("5ca1ab1e"));
    }
}
