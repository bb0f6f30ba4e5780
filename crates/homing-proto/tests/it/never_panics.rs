//! Decoding is total (W-7): any bytes give a value or a typed error.

use bytes::Bytes;
use homing_proto::Code;
use homing_proto::codec::{self, BadFrame};
use homing_proto::message::{Content, LogEntry};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::strategies::{client_frame, content_view, entry, server_frame};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn arbitrary_bytes_give_a_value_or_a_typed_error(bytes in vec(any::<u8>(), 0..400)) {
        read_as_everything(&bytes.into());
    }

    #[test]
    fn a_client_frame_with_damage_gives_a_value_or_a_typed_error(
        frame in client_frame(), damage in vec(damage(), 1..6)
    ) {
        read_as_everything(&damaged(&codec::encode_client(&frame), &damage));
    }

    #[test]
    fn a_server_frame_with_damage_gives_a_value_or_a_typed_error(
        frame in server_frame(), damage in vec(damage(), 1..6)
    ) {
        read_as_everything(&damaged(&codec::encode_server(&frame), &damage));
    }

    #[test]
    fn an_entry_with_damage_gives_a_value_or_a_typed_error(
        entry in entry(), damage in vec(damage(), 1..6)
    ) {
        read_as_everything(&damaged(&codec::encode_entry(&entry), &damage));
    }

    #[test]
    fn content_with_damage_has_a_view(view in content_view(), damage in vec(damage(), 1..6)) {
        read_as_everything(&damaged(&Content::new(&view).0, &damage));
    }
}

#[derive(Clone, Debug)]
enum Damage {
    Set(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Cut(Index),
    Repeat(Index, Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Insert(at, byte)),
        any::<Index>().prop_map(Damage::Remove),
        any::<Index>().prop_map(Damage::Cut),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Damage::Repeat(from, to)),
    ]
}

fn damaged(bytes: &[u8], damage: &[Damage]) -> Bytes {
    let mut bytes = bytes.to_vec();
    for damage in damage {
        // One past the end is a place too; where there is no byte, nothing is done to it.
        let place = |at: &Index| at.index(bytes.len() + 1);
        match damage {
            Damage::Set(at, byte) => {
                let at = place(at);
                if let Some(there) = bytes.get_mut(at) {
                    *there = *byte;
                }
            }
            Damage::Insert(at, byte) => bytes.insert(place(at), *byte),
            Damage::Remove(at) => {
                let at = place(at);
                bytes.drain(at..bytes.len().min(at + 1));
            }
            Damage::Cut(at) => bytes.truncate(place(at)),
            Damage::Repeat(from, to) => {
                let (from, to) = (place(from), place(to));
                bytes.extend_from_within(from.min(to)..from.max(to));
            }
        }
    }
    bytes.into()
}

/// Reads the bytes as everything they could be; what can be read can be written and read again.
fn read_as_everything(bytes: &Bytes) {
    match codec::decode_client(bytes.clone()) {
        Ok(frame) => {
            assert_eq!(codec::decode_client(codec::encode_client(&frame)), Ok(frame));
        }
        Err(BadFrame { error, .. }) => assert!(CLIENT_CODES.contains(&error.code), "{error}"),
    }
    match codec::decode_server(bytes.clone()) {
        Ok(frame) => {
            assert_eq!(codec::decode_server(codec::encode_server(&frame)), Ok(frame));
        }
        Err(error) => assert_eq!(error.code, Code::PROTOCOL_ERROR, "{error}"),
    }
    match codec::decode_entry(bytes.clone()) {
        Ok(entry) => {
            let again: LogEntry = codec::decode_entry(codec::encode_entry(&entry)).unwrap();
            assert_eq!(again, entry);
        }
        Err(error) => assert_eq!(error.code, Code::PROTOCOL_ERROR, "{error}"),
    }
    let _ = Content(bytes.clone()).view();
}

/// What a client's frame can be refused with, as long as it is not too large.
const CLIENT_CODES: [Code; 5] = [
    Code::PROTOCOL_ERROR,
    Code::INVALID_ARGUMENT,
    Code::INVALID_USER_ID,
    Code::CREDENTIAL_MALFORMED,
    Code::CONTENT_TOO_LARGE,
];
