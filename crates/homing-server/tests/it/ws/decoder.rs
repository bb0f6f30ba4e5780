//! The decoder gives the same for a stream however it is cut, and never keeps more than its bound.

use homing_server::ws::{Decoder, Role};
use proptest::prelude::*;

use super::stream::{End, MESSAGE_MAX, Owned, broken_stream, chunks, decode, valid_stream};

/// What the decoder's own state and a control frame may cost beside the message.
const OVERHEAD_MAX: usize = 300;

fn bounded(decoder: &Decoder, arrived: usize) {
    let most = (2 * arrived).min(MESSAGE_MAX) + OVERHEAD_MAX;
    assert!(decoder.heap_bytes() <= most, "{decoder:?} after {arrived} bytes");
}

fn roles() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Server), Just(Role::Client)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_valid_stream_gives_its_messages_however_it_is_cut(
        (role, stream) in roles().prop_flat_map(|role| (Just(role), valid_stream(role))),
        chunks in chunks(),
    ) {
        let bytes = stream.bytes();
        let (messages, end) = decode(role, &bytes, &chunks, |decoder, arrived| {
            bounded(decoder, arrived);
            if arrived == bytes.len() {
                assert_eq!(decoder.heap_bytes(), 0, "nothing is kept at rest");
            }
        });
        let closed = matches!(messages.last(), Some(Owned::Close(_)));
        prop_assert_eq!(end, if closed { End::Closed } else { End::Open });
        prop_assert!(messages == stream.messages);
    }

    #[test]
    fn a_short_valid_stream_gives_its_messages_at_every_single_cut(
        stream in valid_stream(Role::Server)
            .prop_filter("short", |stream| stream.bytes().len() < 1000),
    ) {
        let bytes = stream.bytes();
        for cut in 1..bytes.len() {
            let (messages, _) = decode(Role::Server, &bytes, &[cut, bytes.len()], bounded);
            prop_assert!(messages == stream.messages, "cut at {}", cut);
        }
    }

    #[test]
    fn a_broken_stream_gives_the_same_however_it_is_cut(
        (role, bytes) in roles().prop_flat_map(|role| (Just(role), broken_stream(role))),
        chunks in chunks(),
    ) {
        let whole = decode(role, &bytes, &[], bounded);
        let cut = decode(role, &bytes, &chunks, bounded);
        prop_assert!(whole == cut, "{:?} against {:?}", whole.1, cut.1);
    }

    #[test]
    fn any_bytes_give_the_same_however_they_are_cut(
        role in roles(),
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        chunks in chunks(),
    ) {
        let whole = decode(role, &bytes, &[], bounded);
        let cut = decode(role, &bytes, &chunks, bounded);
        prop_assert_eq!(whole, cut);
    }
}
