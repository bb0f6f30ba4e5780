//! What holds for every token and every run of bytes.

use homing_proto::id::{AppId, UserId};
use homing_proto::limits::TOKEN_BYTES;
use homing_proto::secret::Token;
use homing_proto::time::WallTime;
use homing_token::batch::verify_line;
use homing_token::{Claims, Expected, Format, Grant, Key, Rules, mint, verify};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::craft::{self, Craft, judge};

const USER_SIGNS: &str = "abczABCZ0189!#$%&()+-:;<=.>?@[]^_{}|~";

proptest! {
    #[test]
    fn what_is_minted_verifies_as_what_was_granted(
        secret in vec(any::<u8>(), 1..200),
        app in 1..=u32::MAX,
        user in user(),
        issued_at in 0..=1u64 << 50,
        ttl_s in 0..=1u64 << 40,
        userbuf in proptest::option::of(vec(any::<u8>(), 0..2000)),
        wait_ms in any::<prop::sample::Index>(),
    ) {
        let (key, app) = (Key::new(secret).unwrap(), AppId::new(app).unwrap());
        let user = UserId::parse(&user).unwrap();
        let issued_at = WallTime(issued_at / 1000 * 1000);
        let grant = Grant { app, user: &user, issued_at, ttl_s, userbuf: userbuf.as_deref() };
        let token = mint(Format::Usersig, &key, &grant).unwrap();
        let now = WallTime(issued_at.0 + wait_ms.index((ttl_s * 1000 + 1) as usize) as u64);
        let claims = verify(
            Format::Usersig,
            &token,
            &Expected {
                app,
                user: &user,
                keys: std::slice::from_ref(&key),
                now,
                rules: Rules::default(),
            },
        );
        let expires_at = Some(WallTime(issued_at.0 + ttl_s * 1000));
        let issued_at = Some(issued_at);
        let granted = Claims { format: Format::Usersig, app, user, issued_at, expires_at, userbuf };
        prop_assert_eq!(claims, Ok(granted));
    }

    #[test]
    fn a_user_buffer_of_any_size_is_either_refused_or_minted_so_that_it_verifies(
        userbuf in prop_oneof![
            vec(any::<u8>(), 0..9_000),
            (any::<u8>(), 0..9_000usize).prop_map(|(byte, length)| vec![byte; length]),
        ],
    ) {
        let user = UserId::parse(craft::USER).unwrap();
        let app = AppId::new(craft::APP).unwrap();
        let issued_at = WallTime(craft::TIME_S * 1000);
        let grant = Grant { app, user: &user, issued_at, ttl_s: 60, userbuf: Some(&userbuf) };
        match mint(Format::Usersig, &Key::new(craft::SECRET).unwrap(), &grant) {
            Ok(token) => {
                prop_assert!(token.expose().len() <= TOKEN_BYTES);
                prop_assert_eq!(judge(&token).unwrap().userbuf, Some(userbuf));
            }
            Err(error) => {
                prop_assert_eq!(error.code.name(), "invalid_argument");
                prop_assert!(userbuf.len() > 5_000, "{} bytes fit", userbuf.len());
            }
        }
    }

    #[test]
    fn a_token_with_one_byte_changed_never_says_something_else(
        at in any::<prop::sample::Index>(),
        byte in 0..128u8,
        stored in any::<bool>(),
    ) {
        let craft = Craft { userbuf: Some("YWJj".to_owned()), ..Craft::default() };
        let level = if stored { flate2::Compression::none() } else { flate2::Compression::default() };
        let token = craft::text(&craft::zlib(craft.json().as_bytes(), level));
        let truth = judge(&token).unwrap();
        let mut text = token.expose().as_bytes().to_vec();
        let at = at.index(text.len());
        text[at] = byte;
        let text = String::from_utf8(text).unwrap();
        if let Ok(claims) = judge(&Token::new(text)) {
            prop_assert_eq!(claims, truth);
        }
    }

    #[test]
    fn a_packed_byte_changed_never_says_something_else(
        at in any::<prop::sample::Index>(),
        bits in 1..=255u8,
        stored in any::<bool>(),
    ) {
        let craft = Craft::default();
        let level = if stored { flate2::Compression::none() } else { flate2::Compression::default() };
        let mut packed = craft::zlib(craft.json().as_bytes(), level);
        let at = at.index(packed.len());
        packed[at] ^= bits;
        if let Ok(claims) = judge(&craft::text(&packed)) {
            prop_assert_eq!(claims, judge(&craft.token()).unwrap());
        }
    }

    #[test]
    fn a_json_byte_changed_never_says_something_else(
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let craft = Craft { userbuf: Some("YWJj".to_owned()), ..Craft::default() };
        let mut json = craft.json().into_bytes();
        let at = at.index(json.len());
        json[at] = byte;
        if let Ok(claims) = judge(&craft::token(&json)) {
            prop_assert_eq!(claims, judge(&craft.token()).unwrap());
        }
    }

    #[test]
    fn arbitrary_texts_are_never_good_and_never_panic(text in any::<String>()) {
        prop_assert!(judge(&Token::new(text)).is_err());
    }

    #[test]
    fn arbitrary_packed_bytes_are_never_good_and_never_panic(bytes in vec(any::<u8>(), 0..7000)) {
        prop_assert!(judge(&craft::text(&bytes)).is_err());
        let with_header = [&[0x78, 0x9c], &bytes[..]].concat();
        prop_assert!(judge(&craft::text(&with_header)).is_err());
    }

    #[test]
    fn arbitrary_json_bytes_are_never_good_and_never_panic(bytes in vec(any::<u8>(), 0..3000)) {
        prop_assert!(judge(&craft::token(&bytes)).is_err());
    }

    #[test]
    fn arbitrary_lines_get_a_verdict_that_is_one_line_of_json(bytes in vec(any::<u8>(), 0..300)) {
        let json = verify_line(&bytes, WallTime(0)).to_json();
        prop_assert!(!json.contains('\n'));
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(&json["ok"], false);
    }
}

fn user() -> impl Strategy<Value = String> {
    vec(prop::sample::select(USER_SIGNS.chars().collect::<Vec<_>>()), 1..=32)
        .prop_map(String::from_iter)
}
