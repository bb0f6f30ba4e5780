//! The golden vectors in `spec/vectors/frames/`, checked both ways and by two readers.
//!
//! They are made from the catalogue: `HOMING_BLESS=1 cargo test -p homing-proto vectors` writes them
//! anew. Bytes that change for a frame that is already there break every SDK in the field.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Once;

use bytes::Bytes;
use homing_proto::codec;
use homing_proto::message::Content;
use prost::Message as _;
use prost_reflect::DynamicMessage;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::unknown::Seen;
use crate::{catalogue, schema, unknown};

/// One golden vector, as it stands in the files.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Vector {
    name: String,
    /// `client` or `server`: who sends the frame; `entry` and `content` are parts of frames.
    direction: String,
    hex: String,
    /// Canonical proto3 JSON, which does not hold unknown fields.
    json: Value,
    /// What in it is unknown to this version, if anything is; then `hex` cannot be made from `json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unknown: Option<String>,
}

impl Vector {
    fn new(direction: &str, name: &str, bytes: &[u8], unknown: Option<&str>) -> Self {
        Self {
            name: name.to_owned(),
            direction: direction.to_owned(),
            hex: hex(bytes),
            json: serde_json::to_value(schema::decode(schema_name(direction), bytes)).unwrap(),
            unknown: unknown.map(str::to_owned),
        }
    }
}

#[test]
fn the_files_hold_what_the_catalogue_makes() {
    for (file, made) in made() {
        let kept = read(file);
        for (kept, made) in kept.iter().zip(&made) {
            assert_eq!(kept, made, "{file}");
        }
        assert_eq!(kept.len(), made.len(), "{file}");
    }
}

#[test]
fn known_bytes_become_the_values_they_were_made_from_and_the_same_bytes_again() {
    let client = read("client.json");
    for ((name, frame), vector) in catalogue::client_frames().into_iter().zip(&client) {
        let seen = codec::decode_client(bytes(vector)).unwrap();
        assert_same(vector, name, &seen, &frame, &codec::encode_client(&seen));
    }
    let server = read("server.json");
    for ((name, frame), vector) in catalogue::server_frames().into_iter().zip(&server) {
        let seen = codec::decode_server(bytes(vector)).unwrap();
        assert_same(vector, name, &seen, &frame, &codec::encode_server(&seen));
    }
    let parts = read("parts.json");
    let (entries, contents) = parts.split_at(catalogue::entries().len());
    for ((name, entry), vector) in catalogue::entries().into_iter().zip(entries) {
        let seen = codec::decode_entry(bytes(vector)).unwrap();
        assert_same(vector, name, &seen, &entry, &codec::encode_entry(&seen));
    }
    for ((name, view), vector) in catalogue::contents().into_iter().zip(contents) {
        let seen = Content(bytes(vector)).view();
        assert_same(vector, name, &seen, &view, &Content::new(&seen).0);
    }
}

#[test]
fn bytes_of_a_later_version_are_read_as_far_as_they_are_known() {
    for ((name, _, _, expected), vector) in unknown::all().into_iter().zip(read("unknown.json")) {
        assert_eq!(vector.name, name);
        let bytes = bytes(&vector);
        match expected {
            Seen::Client(frame) => assert_eq!(codec::decode_client(bytes), Ok(frame), "{name}"),
            Seen::Server(frame) => assert_eq!(codec::decode_server(bytes), Ok(frame), "{name}"),
            Seen::Entry(entry) => assert_eq!(codec::decode_entry(bytes), Ok(entry), "{name}"),
            Seen::Content(view) => {
                let content = Content(bytes.clone());
                assert_eq!(content.view(), view, "{name}");
                assert_eq!(content.0, bytes, "{name}: content travels untouched");
            }
        }
    }
}

#[test]
fn a_reader_made_from_the_schema_alone_sees_the_json_in_the_bytes() {
    for vector in FILES.into_iter().flat_map(read) {
        let message = schema::decode(schema_name(&vector.direction), &bytes(&vector));
        assert_eq!(serde_json::to_value(&message).unwrap(), vector.json, "{}", vector.name);
        assert_eq!(hex(&message.encode_to_vec()), vector.hex, "{}", vector.name);
    }
}

#[test]
fn a_writer_made_from_the_schema_alone_makes_the_bytes_from_the_json() {
    for vector in FILES.into_iter().flat_map(read).filter(|v| v.unknown.is_none()) {
        let of = schema::message(schema_name(&vector.direction));
        let message = DynamicMessage::deserialize(of, &vector.json).unwrap();
        assert_eq!(hex(&message.encode_to_vec()), vector.hex, "{}", vector.name);
    }
}

#[test]
fn every_kind_of_frame_request_answer_entry_and_content_has_a_vector() {
    let mut seen = BTreeSet::new();
    for vector in FILES.into_iter().flat_map(read) {
        collect(&schema::decode(schema_name(&vector.direction), &bytes(&vector)), &mut seen);
    }
    for name in ["ClientFrame", "ServerFrame", "Request", "Response", "LogEntry", "Content"] {
        for field in schema::message(name).oneofs().flat_map(|o| o.fields().collect::<Vec<_>>()) {
            assert!(seen.contains(field.full_name()), "no vector has {}", field.full_name());
        }
    }
    let mut names: Vec<_> =
        FILES.into_iter().flat_map(read).map(|v| (v.direction, v.name)).collect();
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all, "two vectors have one name");
}

const FILES: [&str; 4] = ["client.json", "server.json", "parts.json", "unknown.json"];

fn made() -> Vec<(&'static str, Vec<Vector>)> {
    let client = catalogue::client_frames()
        .iter()
        .map(|(name, frame)| Vector::new("client", name, &codec::encode_client(frame), None))
        .collect();
    let server = catalogue::server_frames()
        .iter()
        .map(|(name, frame)| Vector::new("server", name, &codec::encode_server(frame), None))
        .collect();
    let entries = catalogue::entries();
    let entries = entries
        .iter()
        .map(|(name, entry)| Vector::new("entry", name, &codec::encode_entry(entry), None));
    let contents = catalogue::contents();
    let contents = contents
        .iter()
        .map(|(name, view)| Vector::new("content", name, &Content::new(view).0, None));
    let unknown = unknown::all()
        .iter()
        .map(|(name, what, bytes, seen)| {
            let direction = match seen {
                Seen::Client(_) => "client",
                Seen::Server(_) => "server",
                Seen::Entry(_) => "entry",
                Seen::Content(_) => "content",
            };
            Vector::new(direction, name, bytes, Some(what))
        })
        .collect();
    FILES.into_iter().zip([client, server, entries.chain(contents).collect(), unknown]).collect()
}

fn read(file: &str) -> Vec<Vector> {
    static BLESSED: Once = Once::new();
    let folder = schema::spec().join("vectors/frames");
    if std::env::var_os("HOMING_BLESS").is_some() {
        BLESSED.call_once(|| {
            for (file, made) in made() {
                let text = serde_json::to_string_pretty(&made).unwrap();
                std::fs::write(folder.join(file), text + "\n").unwrap();
            }
        });
    }
    serde_json::from_str(&std::fs::read_to_string(folder.join(file)).unwrap()).unwrap()
}

fn assert_same<T: PartialEq + Debug>(
    vector: &Vector,
    name: &str,
    seen: &T,
    expected: &T,
    again: &[u8],
) {
    assert_eq!(vector.name, name);
    assert_eq!(seen, expected, "{name}");
    assert_eq!(hex(again), vector.hex, "{name}");
}

/// Notes every field of a oneof that is set, however deep.
fn collect(message: &DynamicMessage, seen: &mut BTreeSet<String>) {
    for (field, value) in message.fields() {
        if field.containing_oneof().is_some() {
            seen.insert(field.full_name().to_owned());
        }
        let inner = value.as_message().into_iter();
        let items = value.as_list().unwrap_or_default().iter().filter_map(|item| item.as_message());
        inner.chain(items).for_each(|message| collect(message, seen));
    }
}

fn schema_name(direction: &str) -> &'static str {
    match direction {
        "client" => "ClientFrame",
        "server" => "ServerFrame",
        "entry" => "LogEntry",
        "content" => "Content",
        other => panic!("no such direction: {other}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn bytes(vector: &Vector) -> Bytes {
    let digit = |i: usize| u8::from_str_radix(&vector.hex[i..i + 2], 16).unwrap();
    (0..vector.hex.len()).step_by(2).map(digit).collect()
}
