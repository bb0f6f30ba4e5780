//! Form: what is not exactly a usersig is malformed (S-8.2).

use flate2::{Compress, Compression, FlushCompress};
use homing_proto::limits::{TOKEN_BYTES, TOKEN_INFLATED_BYTES};
use homing_proto::secret::Token;

use crate::craft::{self, Craft, judge, name};

#[test]
fn a_token_is_good_in_any_field_order_spacing_and_escaping() {
    let craft = Craft { userbuf: Some("AB/+".to_owned()), ..Craft::default() };
    let mut fields = craft.fields();
    fields.reverse();
    let json = craft::json(&fields);
    for json in [
        json.clone(),
        json.replace(',', " ,\r\n\t").replace(':', " : ") + "\n",
        json.replace('/', "\\/"),
        json.replace("alice", "\\u0061lice"),
        json.replace("TLS.ver", "TLS\\u002ever"),
    ] {
        let claims = judge(&craft::token(json.as_bytes())).unwrap();
        assert_eq!(claims.userbuf.as_deref(), Some(&[0, 0x1f, 0xfe][..]), "{json}");
    }
}

#[test]
fn a_token_is_good_at_every_zlib_level() {
    for level in 0..=9 {
        let packed = craft::zlib(Craft::default().json().as_bytes(), Compression::new(level));
        assert_eq!(name(judge(&craft::text(&packed))), "ok", "level {level}");
    }
}

#[test]
fn a_missing_field_is_malformed() {
    let fields = Craft::default().fields();
    for missing in 0..fields.len() {
        let mut fields = fields.clone();
        let (field, _) = fields.remove(missing);
        let error = judge(&craft::token(craft::json(&fields).as_bytes())).unwrap_err();
        assert_eq!(error.code.name(), "credential_malformed");
        assert!(error.sentence().contains(&format!("`{field}` is missing")), "{error}");
    }
}

#[test]
fn a_field_that_stands_twice_is_malformed() {
    let craft = Craft { userbuf: Some("AAAA".to_owned()), ..Craft::default() };
    let fields = craft.fields();
    for (field, value) in fields.clone() {
        let mut fields = fields.clone();
        fields.push((field, value));
        let error = judge(&craft::token(craft::json(&fields).as_bytes())).unwrap_err();
        assert_eq!(error.code.name(), "credential_malformed");
        assert!(error.sentence().contains(&format!("`{field}` stands there twice")), "{error}");
    }
}

#[test]
fn a_field_that_does_not_belong_there_is_malformed() {
    for (field, value) in [("TLS.extra", "1"), ("", "null"), ("tls.ver", "\"2.0\"")] {
        let mut fields = Craft::default().fields();
        fields.push((field, value.to_owned()));
        assert_malformed(craft::json(&fields).as_bytes());
    }
}

#[test]
fn a_value_of_another_type_or_range_is_malformed() {
    for field in ["TLS.sdkappid", "TLS.time", "TLS.expire"] {
        let valid = value_of(field);
        for value in [
            format!("\"{valid}\""),
            format!("{valid}.0"),
            format!("{valid}.5"),
            format!("{valid}e0"),
            format!("-{valid}"),
            format!("+{valid}"),
            format!("0{valid}"),
            "-0".to_owned(),
            "-1".to_owned(),
            "18446744073709551615".to_owned(),
            "18446744073709551616".to_owned(),
            "1e400".to_owned(),
            "9".repeat(400),
            "null".to_owned(),
            "true".to_owned(),
            "[1]".to_owned(),
            "{}".to_owned(),
            "NaN".to_owned(),
        ] {
            assert_malformed_with(field, &value);
        }
    }
    assert_malformed_with("TLS.sdkappid", "0");
    assert_malformed_with("TLS.sdkappid", "4294967296");
    for field in ["TLS.ver", "TLS.identifier", "TLS.sig", "TLS.userbuf"] {
        for value in ["2", "null", "[\"2.0\"]", "\"\\ud800\""] {
            assert_malformed_with(field, value);
        }
    }
    for value in ["\"2\"", "\"2.00\"", "\"1.0\"", "\"\""] {
        assert_malformed_with("TLS.ver", value);
    }
}

#[test]
fn times_whose_sum_overflows_are_malformed_even_when_signed() {
    for (time_s, expire_s) in
        [(u64::MAX, 1), (1, u64::MAX), (u64::MAX / 1000, 1), (u64::MAX / 2, u64::MAX / 2 + 2)]
    {
        let craft = Craft { time_s, expire_s, ..Craft::default() };
        assert_eq!(name(judge(&craft.token())), "credential_malformed", "{time_s} + {expire_s}");
    }
    let longest = Craft { expire_s: u64::MAX / 1000 - craft::TIME_S, ..Craft::default() };
    assert_eq!(name(judge(&longest.token())), "ok");
}

#[test]
fn a_user_id_that_no_user_can_have_is_malformed_even_when_signed() {
    for user in ["", "a b", "a/b", "alice\nTLS.sdkappid:1", "ü", &"a".repeat(33)] {
        let craft = Craft { user: user.to_owned(), ..Craft::default() };
        assert_eq!(name(judge(&craft.token())), "credential_malformed", "{user:?}");
    }
}

#[test]
fn a_user_buffer_that_is_not_base64_is_malformed_even_when_signed() {
    for userbuf in ["A", "AAA", "AB==", "A*==", "AAAA\n", "AA==AAAA", " AAAA"] {
        let craft = Craft { userbuf: Some(userbuf.to_owned()), ..Craft::default() };
        assert_eq!(name(judge(&craft.token())), "credential_malformed", "{userbuf:?}");
    }
}

#[test]
fn what_is_not_one_json_object_is_malformed() {
    let good = Craft::default().json();
    let full = Craft { userbuf: Some("AAAA".to_owned()), ..Craft::default() };
    let values: Vec<_> = full.fields().into_iter().map(|(_, value)| value).collect();
    for json in [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        // A derived reader would take the fields in order from an array.
        format!("[{}]", values.join(",")),
        format!("[{good}]"),
        format!("{good}{good}"),
        format!("{good}x"),
        format!("{good}\0"),
        format!("\u{feff}{good}"),
        good.replace('"', "'"),
        good.replace('}', ",}"),
        good[..good.len() - 1].to_owned(),
        "{".repeat(16_000),
        format!("{{\"TLS.ver\":{}", "[".repeat(16_000)),
    ] {
        assert_malformed(json.as_bytes());
    }
    assert_malformed(b"{\"TLS.ver\":\"\xff\"}");
}

#[test]
fn a_token_that_was_cut_short_anywhere_is_malformed() {
    for level in [0, 6] {
        let packed = craft::zlib(Craft::default().json().as_bytes(), Compression::new(level));
        for length in 0..packed.len() {
            assert_eq!(name(judge(&craft::text(&packed[..length]))), "credential_malformed");
        }
        let token = craft::text(&packed);
        for length in 0..token.expose().len() {
            let cut = Token::new(&token.expose()[..length]);
            assert_eq!(name(judge(&cut)), "credential_malformed", "{length}");
        }
    }
}

#[test]
fn something_after_the_packed_data_is_malformed() {
    let packed = craft::zlib(Craft::default().json().as_bytes(), Compression::default());
    for garbage in [&b"\0"[..], b"xyz", &packed] {
        let error = judge(&craft::text(&[&packed, garbage].concat())).unwrap_err();
        assert_eq!(error.code.name(), "credential_malformed");
        assert!(error.sentence().contains("something follows"), "{error}");
    }
}

#[test]
fn a_wrong_checksum_or_header_is_malformed() {
    let packed = craft::zlib(Craft::default().json().as_bytes(), Compression::default());
    for at in [0, 1, packed.len() - 4, packed.len() - 1] {
        let mut packed = packed.clone();
        packed[at] ^= 1;
        assert_eq!(name(judge(&craft::text(&packed))), "credential_malformed", "byte {at}");
    }
    // The same stream without the zlib wrapping, and one that asks for a preset dictionary.
    assert_eq!(name(judge(&craft::text(&packed[2..packed.len() - 4]))), "credential_malformed");
    let with_dictionary = [&[0x78, 0xbb, 0, 0, 0, 1], &packed[2..]].concat();
    assert_eq!(name(judge(&craft::text(&with_dictionary))), "credential_malformed");
}

#[test]
fn a_stream_in_several_flushed_blocks_is_good() {
    let mut zlib = Compress::new(Compression::default(), true);
    let mut packed = Vec::with_capacity(4096);
    for chunk in Craft::default().json().as_bytes().chunks(7) {
        zlib.compress_vec(chunk, &mut packed, FlushCompress::Sync).unwrap();
    }
    zlib.compress_vec(b"", &mut packed, FlushCompress::Finish).unwrap();
    assert_eq!(name(judge(&craft::text(&packed))), "ok");
}

#[test]
fn another_base64_is_malformed() {
    let good = token_with(&['*', '-', '_']);
    let good = good.expose();
    let unpadded = good.trim_end_matches('_');
    for text in [
        good.replace('*', "+").replace('-', "/").replace('_', "="),
        good.replace('*', "+"),
        good.replace('-', "/"),
        good.replace('_', "="),
        unpadded.to_owned(),
        format!("{good}_"),
        format!("{good}____"),
        format!("_{good}"),
        format!(" {good}"),
        format!("{good}\n"),
        format!("{}\r\n{}", &good[..76], &good[76..]),
        good.replacen(char::is_alphanumeric, "é", 1),
    ] {
        assert_eq!(name(judge(&Token::new(text))), "credential_malformed");
    }
}

#[test]
fn the_unused_bits_of_the_last_base64_digit_must_be_zero() {
    let good = token_with(&['_']);
    let digits = good.expose().trim_end_matches('_');
    let padding = &good.expose()[digits.len()..];
    let (start, last) = digits.split_at(digits.len() - 1);
    let next = char::from(last.as_bytes()[0] + 1);
    let error = judge(&Token::new(format!("{start}{next}{padding}"))).unwrap_err();
    assert!(error.sentence().contains("not base64"), "{error}");
}

#[test]
fn a_token_of_8_kib_is_read_and_a_longer_one_is_not() {
    let sized = |bytes: usize| {
        let json = Craft::default().json();
        // Stored, not compressed: the size of the token follows from the size of the text.
        let blank = " ".repeat(bytes / 4 * 3 - json.len() - 11);
        craft::text(&craft::zlib((json + &blank).as_bytes(), Compression::none()))
    };
    let full = sized(TOKEN_BYTES);
    assert_eq!(full.expose().len(), TOKEN_BYTES);
    assert_eq!(name(judge(&full)), "ok");
    let over = sized(TOKEN_BYTES + 4);
    assert_eq!(over.expose().len(), TOKEN_BYTES + 4);
    assert!(judge(&over).unwrap_err().sentence().contains("longer than 8 KiB"));
}

#[test]
fn a_token_that_unpacks_to_16_kib_is_read_and_a_larger_one_is_not() {
    let sized = |bytes: usize| {
        let json = Craft::default().json();
        let blank = " ".repeat(bytes - json.len());
        craft::token((json + &blank).as_bytes())
    };
    assert_eq!(name(judge(&sized(TOKEN_INFLATED_BYTES))), "ok");
    for bytes in [TOKEN_INFLATED_BYTES + 1, 1024 * 1024, 5 * 1024 * 1024] {
        let error = judge(&sized(bytes)).unwrap_err();
        assert_eq!(error.code.name(), "credential_malformed");
        assert!(error.sentence().contains("more than 16 KiB"), "{error}");
    }
}

/// A good token in whose text every one of the signs stands.
fn token_with(signs: &[char]) -> Token {
    (0..1000)
        .map(|blanks| craft::token((Craft::default().json() + &" ".repeat(blanks)).as_bytes()))
        .find(|token| signs.iter().all(|sign| token.expose().contains(*sign)))
        .unwrap()
}

fn value_of(field: &str) -> String {
    Craft::default().fields().into_iter().find(|(name, _)| *name == field).unwrap().1
}

#[track_caller]
fn assert_malformed_with(field: &'static str, value: &str) {
    let mut fields = Craft::default().fields();
    match fields.iter_mut().find(|(name, _)| *name == field) {
        Some(found) => found.1 = value.to_owned(),
        None => fields.push((field, value.to_owned())),
    }
    let json = craft::json(&fields);
    assert_eq!(name(judge(&craft::token(json.as_bytes()))), "credential_malformed", "{json}");
}

#[track_caller]
fn assert_malformed(json: &[u8]) {
    let verdict = name(judge(&craft::token(json)));
    assert_eq!(verdict, "credential_malformed", "{}", String::from_utf8_lossy(json));
}
