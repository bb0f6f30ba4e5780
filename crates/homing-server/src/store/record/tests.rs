//! The bytes of stored values are promises.

use homing_core::policy::Preset;

use super::*;

/// A value with everything in it.
fn everything() -> UserSessions {
    let device = |n| Device {
        id: DeviceId([n; 16]),
        platform: Platform::Web,
        os: "os".to_owned(),
        tag: "tag".to_owned(),
        custom_type: 7,
    };
    let session = Session {
        id: SessionId([1; 16]),
        device: device(2),
        secrets: Secrets { latest: SecretHash([3; 32]), former: vec![SecretHash([24; 32])] },
        epoch: 4,
        counter: 5,
        login_time: WallTime(6),
        credential_expires: Some(WallTime(7)),
        place: Place::Online(ConnId { incarnation: 8, number: 9 }),
        login_id: Some(LoginId([10; 16])),
        suspicion: Suspicion { replayed: Some(WallTime(11)), swapped: Some(WallTime(12)) },
    };
    let by = DeviceInfo {
        session: SessionId([13; 16]),
        device: device(14),
        login_time: WallTime(15),
        online: true,
    };
    let kick = KickRecord {
        session: SessionId([16; 16]),
        reason: KickReason::DeviceConflict,
        by: Some(by),
        text: "bye".to_owned(),
        time: WallTime(17),
    };
    let ended = Ended {
        session: SessionId([16; 16]),
        secrets: Secrets {
            latest: SecretHash([18; 32]),
            former: vec![SecretHash([25; 32]), SecretHash([26; 32])],
        },
        login_id: None,
        kick: Some(kick),
        at: WallTime(19),
    };
    let away = Session {
        place: Place::Detached { since: WallTime(20) },
        login_id: None,
        secrets: Secrets::new(SecretHash([3; 32])),
        credential_expires: None,
        suspicion: Suspicion::default(),
        ..session.clone()
    };
    UserSessions {
        epoch: 21,
        sessions: vec![session, away],
        ended: vec![ended],
        revoked_before: WallTime(22),
        standing: Standing::Banned { until: Some(WallTime(23)), text: "spam".to_owned() },
        static_token: Some(StaticToken { hash: SecretHash([24; 32]), set: WallTime(25) }),
    }
}

#[test]
fn a_registry_value_comes_back_as_it_was() {
    let value = everything();
    assert_eq!(decode_sessions(encode_sessions(&value).into()).unwrap(), value);
    for standing in
        [Standing::Good, Standing::Deleted, Standing::Banned { until: None, text: String::new() }]
    {
        let value = UserSessions { standing, ..UserSessions::default() };
        assert_eq!(decode_sessions(encode_sessions(&value).into()).unwrap(), value);
    }
}

#[test]
fn the_bytes_of_a_registry_value_are_a_promise() {
    assert_eq!(hex(&encode_sessions(&everything())), SESSIONS);
    assert!(encode_sessions(&UserSessions::default()).is_empty());
}

/// I2: values of before former secrets were kept.
#[test]
fn a_registry_value_without_former_secrets_is_read() {
    let mut value = everything();
    value.sessions.iter_mut().for_each(|session| session.secrets.former.clear());
    value.ended.iter_mut().for_each(|ended| ended.secrets.former.clear());
    assert_eq!(decode_sessions(unhex(WITHOUT_FORMER_SECRETS)).unwrap(), value);
    assert_eq!(hex(&encode_sessions(&value)), WITHOUT_FORMER_SECRETS);
}

#[test]
fn the_bytes_of_journal_records_are_a_promise() {
    let conversation = Some(ConversationValue {
        key: 1,
        low: 2,
        high: 3,
        head: 4,
        low_count: 5,
        low_read: 6,
        low_read_own: 7,
        high_read: 8,
        high_read_own: 9,
        low_recent: 10,
        high_recent: 11,
    });
    let records = [
        Change::User(UserChange {
            user: 1,
            app: 2,
            id: "alice".to_owned(),
            name: "Alice".to_owned(),
            created_ms: 3,
        }),
        Change::Sessions(SessionsChange { user: 1, sessions: Bytes::from_static(b"s") }),
        Change::Sent(SentChange {
            conversation,
            from_high: true,
            client_id: bytes(&[12; 16]),
            time_ms: 13,
            content: Bytes::from_static(b"c"),
        }),
        Change::Read(ReadChange { conversation, by_high: true, offset: 14 }),
        Change::Left(LeftChange { conversation }),
    ];
    let written: Vec<_> =
        records.iter().map(|change| hex(&Record::encode(change.clone()))).collect();
    assert_eq!(written, RECORDS);
}

#[test]
fn every_preset_comes_back_as_it_was() {
    for preset in Preset::ALL {
        let written = Policy::preset(preset);
        let read = PolicyValue::decode(&policy(&written).encode_to_vec()[..]).unwrap();
        assert_eq!(read_policy(&read).unwrap(), written, "{preset:?}");
    }
}

#[test]
fn damaged_bytes_are_an_error() {
    for damaged in [&[0xff; 9][..], &[0x12, 0], &[0x28, 9]] {
        assert!(decode_sessions(Bytes::copy_from_slice(damaged)).is_err(), "{damaged:?}");
    }
}

fn unhex(text: &str) -> Bytes {
    let pairs = (0..text.len()).step_by(2);
    pairs.map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

const SESSIONS: &str = "0815129b010a1001010101010101010101010101010101121f0a100202020202020202020202\
    020202020210081a026f73220374616728071a20030303030303030303030303030303030303\
    03030303030303030303030303032004280530063807420408081009500b580c62100a0a0a0a\
    0a0a0a0a0a0a0a0a0a0a0a0a6a20181818181818181818181818181818181818181818181818\
    1818181818181818125d0a1001010101010101010101010101010101121f0a10020202020202\
    0202020202020202020210081a026f73220374616728071a2003030303030303030303030303\
    0303030303030303030303030303030303030320042805300648141abe010a10101010101010\
    1010101010101010101012201212121212121212121212121212121212121212121212121212\
    1212121212121a42080412370a100d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d121f0a100e0e0e0e\
    0e0e0e0e0e0e0e0e0e0e0e0e10081a026f7322037461672807180f20011a0362796520112013\
    3220191919191919191919191919191919191919191919191919191919191919191932201a1a\
    1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a2016280130173a24\
    0a201818181818181818181818181818181818181818181818181818181818181818101942047370\
    616d";
const WITHOUT_FORMER_SECRETS: &str = "081512790a1001010101010101010101010101010101121f0a10020202020202020202020202\
    0202020210081a026f73220374616728071a2003030303030303030303030303030303030303\
    030303030303030303030303032004280530063807420408081009500b580c62100a0a0a0a0a\
    0a0a0a0a0a0a0a0a0a0a0a125d0a1001010101010101010101010101010101121f0a10020202\
    0202020202020202020202020210081a026f73220374616728071a2003030303030303030303\
    0303030303030303030303030303030303030303030320042805300648141a7a0a1010101010\
    1010101010101010101010101220121212121212121212121212121212121212121212121212\
    12121212121212121a42080412370a100d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d121f0a100e0e\
    0e0e0e0e0e0e0e0e0e0e0e0e0e0e10081a026f7322037461672807180f20011a036279652011\
    20132016280130173a240a2018181818181818181818181818181818\
    18181818181818181818181818181818101942047370616d";
const RECORDS: [&str; 5] = [
    "0a14080110021a05616c6963652205416c6963652803",
    "12050801120173",
    "1a310a16080110021803200428053006380740084809500a580b10011a100c0c0c0c0c0c0c0c\
        0c0c0c0c0c0c0c0c200d2a0163",
    "221c0a16080110021803200428053006380740084809500a580b1001180e",
    "2a180a16080110021803200428053006380740084809500a580b",
];
