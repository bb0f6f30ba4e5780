//! The one table of errors (S-10).

use std::collections::BTreeSet;

use homing_proto::code::{Advice, Code, Error, TABLE};

#[test]
fn numbers_are_unique_and_ascending_and_belong_to_a_family() {
    assert!(TABLE.is_sorted_by(|a, b| a.code < b.code));
    let families: BTreeSet<u16> = TABLE.iter().map(|row| row.code.0 / 100).collect();
    assert_eq!(families, (1..=7).collect(), "1xx usage to 7xx domain, none empty");
}

#[test]
fn names_are_unique_and_snake_case_and_lead_back_to_their_number() {
    let names: BTreeSet<&str> = TABLE.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), TABLE.len());
    for row in TABLE {
        let legal = |c: char| c.is_ascii_lowercase() || c == '_';
        assert!(row.name.chars().all(legal), "{}", row.name);
        assert!(row.name.split('_').all(|word| !word.is_empty()), "{}", row.name);
        assert_eq!(Code::from_name(row.name), Some(row.code));
        assert_eq!(row.code.row(), Some(row));
        assert_eq!(row.code.name(), row.name);
    }
    assert_eq!(Code::from_name("unknown"), None);
}

#[test]
fn every_sentence_is_one_for_people() {
    for row in TABLE {
        let text = row.sentence;
        assert!(text.ends_with('.') && text.starts_with(|c: char| c.is_uppercase()), "{text}");
    }
}

#[test]
fn the_credential_family_and_only_it_condemns_the_credential() {
    for row in TABLE {
        assert_eq!(
            row.code.is_credential(),
            row.name.starts_with("credential_") || row.name == "third_party_refused",
            "{}",
            row.name
        );
    }
}

#[test]
fn every_name_the_design_promises_is_there() {
    for name in PROMISED.split_whitespace() {
        assert!(Code::from_name(name).is_some(), "{name} is missing");
    }
}

#[test]
fn an_unknown_number_survives_prints_and_has_advice_by_its_family() {
    assert_eq!(
        Error::new(Code(299)).to_string(),
        "unknown (299): An error that this version does not know."
    );
    assert_eq!(Code(199).advice(), Advice::FixCall);
    assert_eq!(Code(299).advice(), Advice::ReAuthenticate);
    assert_eq!(Code(399).advice(), Advice::LogIn);
    assert_eq!(Code(499).advice(), Advice::Retry);
    assert_eq!(Code(599).advice(), Advice::Report);
    assert_eq!(Code(699).advice(), Advice::Retry);
    assert_eq!(Code(799).advice(), Advice::Report);
    assert_eq!(Code(0).advice(), Advice::Report);
    assert_eq!(Code(u16::MAX).advice(), Advice::Report);
}

/// The names of S-10, as it lists them.
const PROMISED: &str = "
    invalid_argument invalid_user_id not_initialized not_logged_in not_ready offline too_frequent
    superseded timeout network version_too_old
    credential_malformed credential_bad_signature credential_wrong_user credential_wrong_app
    credential_expired credential_not_yet_valid credential_revoked credential_type_disabled
    third_party_refused
    user_not_found user_banned account_deleted kicked device_limit device_conflict
    needs_explicit_login offline_not_last_user session_unknown
    store_open_failed store_corrupt store_in_use store_full
    server_busy server_internal quota_exceeded frame_too_large rate_limited
";
