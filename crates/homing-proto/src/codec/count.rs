//! Counts the listed items of a frame before anything is built from it (W-7).
//!
//! An empty item takes two bytes on the wire and up to 150 in memory, so a frame of nothing else
//! would grow a hundredfold before a later check could refuse it. This walk allocates nothing.

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

use super::malformed;
use crate::code::Error;
use crate::limits::FRAME_ITEMS;

/// The fields of a message on the way to a repeated one; the rest is skipped over.
pub(super) type Shape = &'static [(u32, Part)];

/// What stands in such a field.
pub(super) enum Part {
    /// A message that holds a repeated field, itself or deeper.
    Within(Shape),
    /// A repeated field of messages, strings or bytes: each counts.
    Items(Shape),
}

use Part::{Items, Within};

pub(super) const CLIENT_FRAME: Shape = &[(1, Within(HELLO)), (3, Within(REQUEST))];
pub(super) const SERVER_FRAME: Shape = &[
    (1, Within(WELCOME)),
    (2, Within(REFUSE)),
    (4, Within(RESPONSE)),
    (10, Within(LIST)), // devices
];

/// A message whose field 1 is its list: KickDevices, Presence, Devices, HistoryPage, PresenceList.
const LIST: Shape = &[(1, Items(&[]))];
const HELLO: Shape = &[(11, Items(&[]))]; // outbox_heads
const REQUEST: Shape = &[
    (7, Within(LIST)), // kick_devices
    (8, Within(LIST)), // presence
];
const WELCOME: Shape = &[
    (8, Within(SYNC_PAGE)),
    (9, Items(&[])),  // outbox_acks
    (10, Items(&[])), // devices
];
const REFUSE: Shape = &[(6, Items(&[]))]; // holders
const RESPONSE: Shape = &[
    (5, Within(SYNC_PAGE)),
    (6, Within(LIST)), // history
    (7, Within(LIST)), // devices
    (8, Within(LIST)), // presence
];
const SYNC_PAGE: Shape = &[
    (4, Items(&[])),                          // entries
    (5, Within(&[(1, Items(CONVERSATION))])), // too_long
];
const CONVERSATION: Shape = &[(6, Items(&[]))]; // messages

/// Refuses a frame with more than [`FRAME_ITEMS`] listed items, all its lists together.
///
/// # Errors
/// `protocol_error`, also where the bytes are no message at all.
pub(super) fn check(frame: &[u8], shape: Shape) -> Result<(), Error> {
    // An item takes two bytes at least, so the usual small frame cannot hold too many.
    if frame.len() / 2 <= FRAME_ITEMS {
        return Ok(());
    }
    let mut left = FRAME_ITEMS;
    walk(frame, shape, &mut left)
}

/// Goes as deep as `shape` does and no deeper, whatever the bytes say.
fn walk(mut rest: &[u8], shape: Shape, left: &mut usize) -> Result<(), Error> {
    let broken = |_| malformed("frame");
    while !rest.is_empty() {
        let (number, wire_type) = decode_key(&mut rest).map_err(broken)?;
        let part = shape.iter().find(|(n, _)| *n == number).map(|(_, part)| part);
        let (Some(part), WireType::LengthDelimited) = (part, wire_type) else {
            skip_field(wire_type, number, &mut rest, DecodeContext::default()).map_err(broken)?;
            continue;
        };
        let len = decode_varint(&mut rest).map_err(broken)?;
        let body = usize::try_from(len).ok().and_then(|len| rest.split_off(..len));
        let body = body.ok_or_else(|| malformed("frame"))?;
        match part {
            Within(inner) => walk(body, inner, left)?,
            Items(inner) => {
                *left = left.checked_sub(1).ok_or_else(too_many)?;
                // An item without lists of its own may be a string: it is not walked.
                if !inner.is_empty() {
                    walk(body, inner, left)?;
                }
            }
        }
    }
    Ok(())
}

fn too_many() -> Error {
    malformed(&format!("frame: more than {FRAME_ITEMS} items in its lists"))
}
