//! `spec/homing.proto` as a descriptor, compiled anew: an independent reader of the same bytes.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MessageDescriptor};

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let spec = spec();
    let files = protox::compile([spec.join("homing.proto")], [spec]).unwrap();
    DescriptorPool::from_file_descriptor_set(files).unwrap()
});

/// The folder `spec/` of the checkout.
pub(crate) fn spec() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spec")
}

/// A message of the schema by its short name.
pub(crate) fn message(name: &str) -> MessageDescriptor {
    POOL.get_message_by_name(&format!("homing.v1.{name}")).unwrap()
}

/// The names of an enum's values.
#[allow(dead_code, reason = "the allocation tests share this file and read no document")]
pub(crate) fn enum_values(name: &str) -> Vec<String> {
    let of = POOL.get_enum_by_name(&format!("homing.v1.{name}")).unwrap();
    of.values().map(|value| value.name().to_owned()).collect()
}

/// Reads bytes by the schema alone.
#[allow(dead_code, reason = "the allocation tests share this file and do not read by the schema")]
pub(crate) fn decode(name: &str, bytes: &[u8]) -> DynamicMessage {
    DynamicMessage::decode(message(name), bytes).unwrap()
}

/// The field numbers that lead from `name` to each of its repeated fields, however deep.
pub(crate) fn lists(name: &str) -> Vec<Vec<u32>> {
    let mut found = Vec::new();
    descend(&message(name), &mut Vec::new(), &mut found);
    found
}

fn descend(message: &MessageDescriptor, path: &mut Vec<u32>, found: &mut Vec<Vec<u32>>) {
    for field in message.fields() {
        path.push(field.number());
        if field.is_list() {
            assert!(!field.is_packed(), "{}: packed lists are not counted", field.full_name());
            found.push(path.clone());
        }
        if let Kind::Message(inner) = field.kind() {
            descend(&inner, path, found);
        }
        path.pop();
    }
}

/// One field of length-delimited bytes, as it lies on the wire.
pub(crate) fn field(number: u32, body: &[u8]) -> Vec<u8> {
    use prost::encoding::{WireType, encode_key, encode_varint};
    let mut out = Vec::with_capacity(body.len() + 8);
    encode_key(number, WireType::LengthDelimited, &mut out);
    encode_varint(body.len() as u64, &mut out);
    out.extend_from_slice(body);
    out
}

/// A frame whose list at `path` has `count` items of `item`.
pub(crate) fn list_frame(path: &[u32], item: &[u8], count: usize) -> Vec<u8> {
    let (last, outer) = path.split_last().unwrap();
    let items = field(*last, item).repeat(count);
    outer.iter().rev().fold(items, |body, number| field(*number, &body))
}
