//! The other end, for measurements and tests: ask for the upgrade, write masked frames.
//!
//! What the server sends is read by a [`Decoder`](super::Decoder) with
//! [`Role::Client`](super::Role::Client).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use homing_proto::limits;

use super::frame::{CloseCode, MASKED, Opcode, apply_mask, close_payload, encode_header};
use super::handshake::{SUB_PROTOCOL, accept_key, has_token};

/// The request for an upgrade. `host` and `path` must be what an HTTP header may hold; the nonce
/// should be random.
pub fn upgrade_request(host: &str, path: &str, nonce: &[u8; 16]) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\n\
         Host: {host}\r\n\
         Upgrade: websocket\r\n\
         Connection: Upgrade\r\n\
         Sec-WebSocket-Key: {}\r\n\
         Sec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: {SUB_PROTOCOL}\r\n\r\n",
        STANDARD.encode(nonce)
    )
    .into_bytes()
}

/// Reads the answer to [`upgrade_request`]; returns its length, behind which the frames begin, or
/// `None` if it goes on behind `bytes`.
///
/// # Errors
/// [`NotUpgraded`] if the server refused, or answered as no WebSocket server does.
pub fn read_upgrade_response(bytes: &[u8], nonce: &[u8; 16]) -> Result<Option<usize>, NotUpgraded> {
    let mut headers = [httparse::EMPTY_HEADER; limits::HTTP_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let len = match response.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) if bytes.len() < limits::HTTP_HEAD_BYTES => return Ok(None),
        Ok(httparse::Status::Partial) | Err(_) => return Err(NotUpgraded { status: None }),
    };
    let value = |name: &str| {
        let header = response.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(header.value).ok()
    };
    let is_upgraded = response.code == Some(101)
        && value("Upgrade").is_some_and(|v| has_token(v, "websocket"))
        && value("Connection").is_some_and(|v| has_token(v, "upgrade"))
        && value("Sec-WebSocket-Accept") == Some(&accept_key(&STANDARD.encode(nonce)))
        && value("Sec-WebSocket-Protocol") == Some(SUB_PROTOCOL)
        && value("Sec-WebSocket-Extensions").is_none();
    if is_upgraded { Ok(Some(len)) } else { Err(NotUpgraded { status: response.code }) }
}

/// The server did not switch to WebSocket and [`SUB_PROTOCOL`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the server did not upgrade (status {status:?})")]
pub struct NotUpgraded {
    /// The HTTP status, if the answer was HTTP; 101 if only its headers are wrong.
    pub status: Option<u16>,
}

/// Appends a whole masked frame: `mask` should be random, `payload` at most 125 bytes for a
/// control frame.
pub fn put_frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], mask: [u8; 4]) {
    let (mut header, used) = encode_header(opcode, payload.len());
    header[1] |= MASKED;
    out.extend_from_slice(&header[..used]);
    out.extend_from_slice(&mask);
    let start = out.len();
    out.extend_from_slice(payload);
    apply_mask(&mut out[start..], mask, 0);
}

/// Appends a masked close, under the rules of [`close`](super::frame::close).
pub fn put_close(out: &mut Vec<u8>, code: CloseCode, reason: &str, mask: [u8; 4]) {
    put_frame(out, Opcode::Close, &close_payload(code, reason), mask);
}

#[cfg(test)]
mod tests {
    use super::super::handshake::{Head, Refusal};
    use super::*;

    #[test]
    fn client_and_server_agree_on_the_upgrade() {
        let nonce = *b"sixteen bytes ok";
        let request = upgrade_request("localhost:8080", "/v1/connect", &nonce);
        let answer = Head::parse(&request).unwrap().unwrap().accept().unwrap();
        for cut in 0..answer.len() {
            assert_eq!(read_upgrade_response(&answer[..cut], &nonce), Ok(None));
        }
        assert_eq!(read_upgrade_response(&answer, &nonce), Ok(Some(answer.len())));
        assert_eq!(
            read_upgrade_response(&answer, b"another nonce 16"),
            Err(NotUpgraded { status: Some(101) })
        );
    }

    #[test]
    fn an_answer_that_departs_from_what_was_asked_is_not_taken() {
        let nonce = *b"sixteen bytes ok";
        let request = upgrade_request("localhost:8080", "/v1/connect", &nonce);
        let answer = Head::parse(&request).unwrap().unwrap().accept().unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let extended = answer.replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: x\r\n\r\n");
        let cases = [
            extended,
            answer.replace("homing.1", "homing.2"),
            answer.replace("Upgrade: websocket", "Upgrade: h2c"),
            answer.replace("Connection: Upgrade", "Connection: close"),
        ];
        for case in cases {
            let read = read_upgrade_response(case.as_bytes(), &nonce);
            assert_eq!(read, Err(NotUpgraded { status: Some(101) }), "{case}");
        }
    }

    #[test]
    fn a_refusal_is_read_with_its_status() {
        let answer = Refusal::Version.to_bytes();
        assert_eq!(
            read_upgrade_response(&answer, &[0; 16]),
            Err(NotUpgraded { status: Some(426) })
        );
    }
}
