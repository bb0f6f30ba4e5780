//! The account file: what it keeps, and what becomes of a damaged one.

use homing_core::client::account::{LastLogin, RefusedCredential};
use homing_core::client::status::Why;
use homing_proto::device::{Device, DeviceInfo, KickReason, KickRecord, Platform};
use homing_proto::frame::{Credential, EndSession, Resume};
use homing_proto::id::{DeviceId, SessionId, UserId};
use homing_proto::secret::SessionSecret;
use homing_proto::time::WallTime;
use tempfile::TempDir;

use super::*;
use crate::clock::ClockShift;

const TOKEN: &str = "a-token-nobody-may-see";

fn clock() -> Clock {
    Clock::new(ClockShift::default())
}

fn file(dir: &TempDir) -> AccountFile {
    AccountFile::new(DataDir::open(dir.path()).unwrap(), AppId::new(7).unwrap())
}

fn kick() -> KickRecord {
    let device = Device {
        id: DeviceId([3; 16]),
        platform: Platform::Ios,
        os: "iOS".to_owned(),
        tag: "phone".to_owned(),
        custom_type: 9,
    };
    KickRecord {
        session: SessionId([1; 16]),
        reason: KickReason::Policy,
        by: Some(DeviceInfo {
            session: SessionId([2; 16]),
            device,
            login_time: WallTime(5),
            online: true,
        }),
        text: "signed in elsewhere".to_owned(),
        time: WallTime(6),
    }
}

fn account(ended: Option<Why>) -> Account {
    let user = UserId::parse("alice").unwrap();
    let secret = SessionSecret::new([7; 32]);
    let session = SessionId([8; 16]);
    Account {
        last: Some(LastLogin {
            user: user.clone(),
            ended,
            session: Some(Resume { session, secret: secret.clone(), epoch: 4 }),
            credential: Some(Credential::usersig(TOKEN)),
            credential_expires: Some(WallTime(u64::MAX)),
            server_offset_ms: -12,
            verified_at: WallTime(99),
            tag: Some("kiosk".to_owned()),
            custom_type: Some(7),
        }),
        counter: u64::MAX,
        refused: vec![RefusedCredential { hash: [5; 32], code: Code::CREDENTIAL_EXPIRED }],
        jobs: vec![EndSession { app: AppId::new(7).unwrap(), user, session, secret }],
    }
}

#[test]
fn every_record_comes_back_as_it_was() {
    let dir = TempDir::new().unwrap();
    let failed = Error::new(Code::TIMEOUT).with_text("no answer").retry_after(3);
    let ends = [
        Why::Never,
        Why::Logout,
        Why::Switched,
        Why::LoginFailed(failed),
        Why::LoginFailed(Code::NETWORK.into()),
        Why::Kicked(kick()),
        Why::Banned(Code::USER_BANNED.into()),
        Why::Banned(Error::new(Code::USER_BANNED).with_text("spam").until(Some(WallTime(7)))),
        Why::AccountDeleted,
        Why::VersionTooOld,
    ];
    let accounts =
        ends.map(Some).into_iter().chain([None]).map(account).chain([Account::default()]);
    for account in accounts {
        file(&dir).save(&account).unwrap();
        let loaded = file(&dir).load(&clock()).unwrap();
        assert_eq!((loaded.account, loaded.reset), (account, None));
    }
}

#[test]
fn there_is_no_record_before_the_first_login() {
    let dir = TempDir::new().unwrap();
    let loaded = file(&dir).load(&clock()).unwrap();
    assert_eq!((loaded.account, loaded.reset), (Account::default(), None));
}

#[test]
fn a_record_with_any_bit_changed_or_any_end_missing_is_set_aside() {
    let dir = TempDir::new().unwrap();
    file(&dir).save(&account(None)).unwrap();
    let path = dir.path().join("account-7");
    let intact = std::fs::read(&path).unwrap();
    let flipped = (0..intact.len()).map(|at| {
        let mut bytes = intact.clone();
        bytes[at] ^= 0x10;
        bytes
    });
    let cut = (0..intact.len()).map(|len| intact[..len].to_vec());
    for damaged in flipped.chain(cut) {
        assert_eq!(unpack(&damaged), None);
    }
    for damaged in [vec![0; intact.len()], Vec::new(), intact[..40].to_vec()] {
        std::fs::write(&path, damaged).unwrap();
        let loaded = file(&dir).load(&clock()).unwrap();
        assert_eq!(loaded.reset.unwrap().code, Code::STORE_CORRUPT);
        assert_eq!(loaded.account.last, None);
        assert!(loaded.account.counter > 1_000_000, "ahead of every hello that was counted");
        assert!(!path.exists());
    }
}

#[test]
fn a_record_that_somebody_else_wrote_is_noticed() {
    let dir = TempDir::new().unwrap();
    let (mut mine, mut other) = (file(&dir), file(&dir));
    mine.load(&clock()).unwrap();
    assert!(!mine.is_foreign().unwrap());
    other.save(&account(None)).unwrap();
    assert!(mine.is_foreign().unwrap());
    mine.load(&clock()).unwrap();
    assert!(!mine.is_foreign().unwrap());
}

#[test]
fn a_crash_before_the_rename_leaves_the_old_record() {
    let dir = TempDir::new().unwrap();
    file(&dir).save(&account(None)).unwrap();
    std::fs::write(dir.path().join("account-7.new"), b"half a rec").unwrap();
    assert_eq!(file(&dir).load(&clock()).unwrap().account, account(None));
    file(&dir).save(&Account::default()).unwrap();
    assert_eq!(file(&dir).load(&clock()).unwrap().account, Account::default());
}
