//! What is written is what is read, for every value within its bounds.

use homing_proto::codec;
use homing_proto::message::Content;
use proptest::prelude::*;

use crate::strategies::{client_frame, content_view, entry, server_frame};

proptest! {
    #[test]
    fn a_client_frame_comes_back_as_it_was(frame in client_frame()) {
        let bytes = codec::encode_client(&frame);
        prop_assert_eq!(codec::decode_client(bytes), Ok(frame));
    }

    #[test]
    fn a_server_frame_comes_back_as_it_was(frame in server_frame()) {
        let bytes = codec::encode_server(&frame);
        prop_assert_eq!(codec::decode_server(bytes), Ok(frame));
    }

    #[test]
    fn a_log_entry_comes_back_as_it_was(entry in entry()) {
        let bytes = codec::encode_entry(&entry);
        prop_assert_eq!(codec::decode_entry(bytes), Ok(entry));
    }

    #[test]
    fn content_comes_back_as_it_was(view in content_view()) {
        prop_assert_eq!(Content::new(&view).view(), view);
    }
}
