//! Decoding allocates no more than the codec promises, whatever the bytes say (W-7).
//!
//! A binary of its own, because it counts what its allocator is asked for. Counted is every byte
//! asked for while a frame is read, also what is given back before the end: the memory held at any
//! moment is less.
#![allow(unsafe_code, reason = "an allocator cannot be written without")]
#![allow(clippy::unwrap_used, reason = "a test that unwraps says where it broke")]

#[path = "it/schema.rs"]
mod schema;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bytes::Bytes;
use homing_proto::message::Content;
use homing_proto::{codec, limits};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Bytes allocated per byte of the frame.
const PER_BYTE: usize = 3;
/// Bytes allocated besides, for the lists of a client's frame.
const CLIENT_LISTS: usize = 192 * 1024;
/// Bytes allocated besides, for the lists of a server's frame.
const SERVER_LISTS: usize = 768 * 1024;
/// Bytes allocated besides where there are no lists: the texts of an error, the frame's own box.
const NO_LISTS: usize = 1024;

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

thread_local! {
    static ASKED_FOR: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(place, layout, size) }
    }
}

fn count(bytes: usize) {
    ASKED_FOR.set(ASKED_FOR.get() + bytes);
}

/// Bytes asked for while `read` runs, its result dropped inside.
fn asked_for<T>(read: impl FnOnce() -> T) -> usize {
    let before = ASKED_FOR.get();
    drop(read());
    ASKED_FOR.get() - before
}

/// Reads the bytes as everything they could be and gives what that asked for, per reader.
fn measure(frame: &[u8]) -> [(usize, usize); 4] {
    let bytes = Bytes::copy_from_slice(frame);
    let per_byte = PER_BYTE * frame.len();
    [
        (asked_for(|| codec::decode_client(bytes.clone())), per_byte + CLIENT_LISTS),
        (asked_for(|| codec::decode_server(bytes.clone())), per_byte + SERVER_LISTS),
        (asked_for(|| codec::decode_entry(bytes.clone())), per_byte + NO_LISTS),
        (asked_for(|| Content(bytes.clone()).view()), per_byte + NO_LISTS),
    ]
}

#[track_caller]
fn assert_bounded(frame: &[u8]) {
    for (asked, bound) in measure(frame) {
        assert!(asked <= bound, "{asked} bytes for a frame of {}: over {bound}", frame.len());
    }
}

/// The golden vectors are the seeds of what is mutated.
fn golden() -> Vec<Vec<u8>> {
    let byte = |hex: &str, i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
    let mut frames = Vec::new();
    for file in ["client.json", "server.json", "parts.json", "unknown.json"] {
        let path = schema::spec().join("vectors/frames").join(file);
        let vectors: Vec<serde_json::Value> =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for vector in vectors {
            let hex = vector["hex"].as_str().unwrap();
            frames.push((0..hex.len()).step_by(2).map(|i| byte(hex, i)).collect());
        }
    }
    frames
}

#[test]
fn the_allocator_counts() {
    assert_eq!(asked_for(|| vec![0_u8; 1000]), 1000);
    assert_eq!(asked_for(|| ()), 0);
}

#[test]
fn a_frame_of_nothing_but_empty_items_is_bounded_in_every_list_of_the_schema() {
    let mut worst = [0; 2];
    for (side, name) in ["ClientFrame", "ServerFrame"].into_iter().enumerate() {
        for path in schema::lists(name) {
            for count in [4, 100, limits::FRAME_ITEMS, limits::FRAME_ITEMS + 1, 500_000] {
                for item in [&[][..], &[0x0a, 0x00], &[0x0a, 0x02, 0x0a, 0x00]] {
                    let mut frame = schema::list_frame(&path, item, count);
                    frame.truncate(limits::FRAME_MAX);
                    assert_bounded(&frame);
                    worst[side] = worst[side].max(measure(&frame)[side].0);
                }
            }
        }
    }
    println!("lists, worst: {} bytes in a client's frame, {} in a server's", worst[0], worst[1]);
}

/// Each list is begun anew a thousand times: frames of a oneof replace each other.
#[test]
fn a_frame_that_begins_its_lists_again_and_again_is_bounded() {
    let mut worst = [0; 2];
    for (side, name) in ["ClientFrame", "ServerFrame"].into_iter().enumerate() {
        let between = schema::field(6, &[]); // a ping or pong
        for path in schema::lists(name) {
            let one = [schema::list_frame(&path, &[], 1), between.clone()].concat();
            for times in [limits::FRAME_ITEMS, 50_000] {
                let frame = one.repeat(times);
                assert_bounded(&frame);
                worst[side] = worst[side].max(measure(&frame)[side].0);
            }
        }
    }
    println!(
        "begun anew, worst: {} bytes in a client's frame, {} in a server's",
        worst[0], worst[1]
    );
}

/// What a stranger can make the server allocate with one frame before it has signed in.
#[test]
fn a_stranger_cannot_make_a_small_frame_large() {
    let mut worst = 0;
    for path in schema::lists("ClientFrame") {
        for item in [&[][..], b"a"] {
            let count = limits::FRAME_MAX_UNBOUND / (item.len() + 2) - 8;
            let frame = schema::list_frame(&path, item, count);
            assert!(frame.len() <= limits::FRAME_MAX_UNBOUND);
            worst = worst.max(measure(&frame)[0].0);
        }
        let frame = schema::list_frame(&path, &[], limits::FRAME_ITEMS);
        worst = worst.max(measure(&frame)[0].0);
    }
    println!("before login, worst: {worst} bytes");
    assert!(worst <= 128 * 1024, "{worst}");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1024,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn arbitrary_bytes_are_bounded(bytes in vec(any::<u8>(), 0..2000)) {
        assert_bounded(&bytes);
    }

    #[test]
    fn frames_with_damage_are_bounded(
        frame in select(golden()), damage in vec((any::<Index>(), any::<u8>()), 1..6)
    ) {
        let mut frame = frame;
        for (at, byte) in damage {
            if !frame.is_empty() {
                let at = at.index(frame.len());
                frame[at] = byte;
            }
        }
        assert_bounded(&frame);
    }

    #[test]
    fn a_length_that_lies_allocates_nothing(
        frame in select(golden()), at in any::<Index>(), length in any::<u64>()
    ) {
        let at = at.index(frame.len() + 1);
        let mut lie = frame[..at].to_vec();
        prost::encoding::encode_varint(length, &mut lie);
        lie.extend_from_slice(&frame[at..]);
        assert_bounded(&lie);
    }
}
