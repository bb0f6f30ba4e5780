//! Any bytes are a frame or a typed error, and a frame that was read survives being written.

#![no_main]

use bytes::Bytes;
use homing_proto::codec::{decode_client, decode_server, encode_client, encode_server};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let bytes = Bytes::copy_from_slice(bytes);
    if let Ok(frame) = decode_client(bytes.clone()) {
        let again = decode_client(encode_client(&frame));
        assert!(again.is_ok_and(|again| again == frame), "a client's frame changes when written");
    }
    if let Ok(frame) = decode_server(bytes) {
        let again = decode_server(encode_server(&frame));
        assert!(again.is_ok_and(|again| again == frame), "a server's frame changes when written");
    }
});
