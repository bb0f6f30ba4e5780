//! Who made it, for whom and when: the checks after the form, and their order (S-8.2).

use homing_proto::id::{AppId, UserId};
use homing_proto::limits::ISSUE_LEEWAY_S;
use homing_proto::time::WallTime;
use homing_token::{Format, Grant, Key, mint};

use crate::craft::{
    APP, Craft, EXPIRE_S, SECRET, TIME_S, USER, judge, judge_at, judge_for, name, token,
};

const NOW: WallTime = WallTime((TIME_S + 1) * 1000);

#[test]
fn the_claims_say_what_the_token_says() {
    let claims = judge(&Craft { userbuf: Some("YWJj".to_owned()), ..Craft::default() }.token());
    let claims = claims.unwrap();
    assert_eq!((claims.app.get(), claims.user.as_str()), (APP, USER));
    assert_eq!(claims.issued_at, Some(WallTime(TIME_S * 1000)));
    assert_eq!(claims.expires_at, Some(WallTime((TIME_S + EXPIRE_S) * 1000)));
    assert_eq!(claims.userbuf.as_deref(), Some(&b"abc"[..]));
}

#[test]
fn an_empty_user_buffer_is_not_the_same_as_none() {
    let some = Craft { userbuf: Some(String::new()), ..Craft::default() };
    assert_eq!(judge(&some.token()).unwrap().userbuf.as_deref(), Some(&b""[..]));
    assert_eq!(judge(&Craft::default().token()).unwrap().userbuf, None);
}

#[test]
fn a_token_signed_with_any_key_of_the_ring_is_good() {
    let token = Craft::default().token();
    for ring in [&[SECRET][..], &[SECRET, "b"], &["a", SECRET], &["a", "b", SECRET, "c"]] {
        assert_eq!(name(judge_for(&token, APP, USER, ring, NOW)), "ok");
    }
    for ring in [&["a"][..], &["a", "b"], &[&SECRET[1..]]] {
        assert_eq!(name(judge_for(&token, APP, USER, ring, NOW)), "credential_bad_signature");
    }
}

#[test]
fn an_app_without_a_key_has_the_format_switched_off() {
    let verdict = judge_for(&Craft::default().token(), APP, USER, &[], NOW);
    assert_eq!(name(verdict), "credential_type_disabled");
}

#[test]
fn every_field_is_under_the_signature() {
    let signed = Craft { userbuf: Some("AAAA".to_owned()), ..Craft::default() };
    for (field, value) in [
        ("TLS.identifier", "\"bob\""),
        ("TLS.time", "1700000001"),
        ("TLS.expire", "86401"),
        ("TLS.userbuf", "\"AAAB\""),
        ("TLS.sig", "\"\""),
        ("TLS.sig", "\"not base64\""),
    ] {
        let mut fields = signed.fields();
        fields.iter_mut().find(|(name, _)| *name == field).unwrap().1 = value.to_owned();
        let forged = token(crate::craft::json(&fields).as_bytes());
        for user in [USER, "bob"] {
            let verdict = judge_for(&forged, APP, user, &[SECRET], NOW);
            assert_eq!(name(verdict), "credential_bad_signature", "{field}");
        }
    }
    let mut fields = signed.fields();
    fields.retain(|(name, _)| *name != "TLS.userbuf");
    let without = token(crate::craft::json(&fields).as_bytes());
    assert_eq!(name(judge(&without)), "credential_bad_signature");
}

#[test]
fn a_signature_in_another_spelling_is_bad() {
    let sig = Craft::default().signature();
    for other in [
        sig.trim_end_matches('=').to_owned(),
        sig.clone() + "=",
        sig.to_ascii_lowercase(),
        // The same 32 bytes, with one of the unused bits of the last digit set.
        {
            let mut digits = sig.into_bytes();
            digits[42] += 1;
            String::from_utf8(digits).unwrap()
        },
    ] {
        let mut fields = Craft::default().fields();
        fields.last_mut().unwrap().1 = format!("\"{other}\"");
        let verdict = judge(&token(crate::craft::json(&fields).as_bytes()));
        assert_eq!(name(verdict), "credential_bad_signature", "{other}");
    }
}

#[test]
fn a_token_for_another_app_says_so_whoever_signed_it() {
    for secret in [SECRET, "the other app's key"] {
        let other = Craft { app: 7, secret: secret.to_owned(), ..Craft::default() };
        let error = judge(&other.token()).unwrap_err();
        assert_eq!(error.code.name(), "credential_wrong_app");
        assert!(error.sentence().contains("app 7"), "{error}");
    }
}

#[test]
fn a_token_for_another_user_says_so_only_when_it_is_genuine() {
    let bobs = Craft { user: "bob".to_owned(), ..Craft::default() };
    assert_eq!(name(judge(&bobs.token())), "credential_wrong_user");
    let forged = Craft { secret: "guess".to_owned(), ..bobs };
    assert_eq!(name(judge(&forged.token())), "credential_bad_signature");
    let upper = Craft { user: "Alice".to_owned(), ..Craft::default() };
    assert_eq!(name(judge(&upper.token())), "credential_wrong_user");
}

#[test]
fn a_forged_token_learns_nothing_about_times() {
    let forged = Craft { secret: "guess".to_owned(), ..Craft::default() };
    let past = Craft { time_s: 1, ..forged.clone() };
    let future = Craft { time_s: TIME_S * 2, ..forged };
    for craft in [past, future] {
        assert_eq!(name(judge(&craft.token())), "credential_bad_signature");
    }
}

#[test]
fn another_users_expired_token_is_first_of_all_another_users() {
    let craft = Craft { user: "bob".to_owned(), time_s: 1, ..Craft::default() };
    assert_eq!(name(judge(&craft.token())), "credential_wrong_user");
}

#[test]
fn a_token_is_good_up_to_and_including_its_expiry() {
    let token = Craft::default().token();
    let expiry = WallTime((TIME_S + EXPIRE_S) * 1000);
    assert_eq!(name(judge_at(&token, expiry)), "ok");
    assert_eq!(name(judge_at(&token, WallTime(expiry.0 + 1))), "credential_expired");
    assert_eq!(name(judge_at(&token, WallTime(u64::MAX))), "credential_expired");

    let momentary = Craft { expire_s: 0, ..Craft::default() }.token();
    assert_eq!(name(judge_at(&momentary, WallTime(TIME_S * 1000))), "ok");
    assert_eq!(name(judge_at(&momentary, WallTime((TIME_S + 1) * 1000))), "credential_expired");
}

#[test]
fn an_issue_time_may_lie_as_far_ahead_as_the_leeway_and_no_further() {
    let token = Craft::default().token();
    let earliest = WallTime((TIME_S - ISSUE_LEEWAY_S) * 1000);
    assert_eq!(name(judge_at(&token, earliest)), "ok");
    assert_eq!(name(judge_at(&token, WallTime(earliest.0 - 1))), "credential_not_yet_valid");
    assert_eq!(name(judge_at(&token, WallTime(0))), "credential_not_yet_valid");
}

#[test]
fn a_minted_token_carries_the_published_signature() {
    let user = UserId::parse(USER).unwrap();
    let grant = Grant {
        app: AppId::new(APP).unwrap(),
        user: &user,
        issued_at: WallTime(TIME_S * 1000 + 999),
        ttl_s: EXPIRE_S,
        userbuf: None,
    };
    let token = mint(Format::Usersig, &Key::new(SECRET).unwrap(), &grant).unwrap();
    assert_eq!(judge(&token), judge(&Craft::default().token()));
    assert_eq!(
        Craft::default().signature(),
        "C78cR74h3kkb5ZIN2XIXoqDT14tpVlkxMQ2brG+aA0c=",
        "the published signature of these fields"
    );
}

#[test]
fn what_verify_would_refuse_is_not_minted() {
    let (key, user) = (Key::new(SECRET).unwrap(), UserId::parse(USER).unwrap());
    let grant = Grant {
        app: AppId::new(APP).unwrap(),
        user: &user,
        issued_at: WallTime(TIME_S * 1000),
        ttl_s: EXPIRE_S,
        userbuf: None,
    };
    let refused = |grant: &Grant<'_>| mint(Format::Usersig, &key, grant).unwrap_err().code.name();
    assert_eq!(refused(&Grant { ttl_s: u64::MAX, ..grant }), "invalid_argument");
    assert_eq!(refused(&Grant { ttl_s: u64::MAX / 1000, ..grant }), "invalid_argument");
    for bytes in [12 * 1024, 1024 * 1024] {
        let zeros = vec![0; bytes];
        assert_eq!(refused(&Grant { userbuf: Some(&zeros), ..grant }), "invalid_argument");
    }
    assert_eq!(Key::new("").unwrap_err().code.name(), "invalid_argument");
}
