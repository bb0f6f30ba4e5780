//! Reading an expiry without a key.

use homing_proto::id::{AppId, UserId};
use homing_proto::secret::Token;
use homing_proto::time::WallTime;
use homing_token::{Format, Grant, Key, mint, peek_expiry};

#[test]
fn an_expiry_can_be_read_without_the_key_and_nothing_else_is_believed() {
    let user = UserId::parse("alice").unwrap();
    let grant = Grant {
        app: AppId::new(1).unwrap(),
        user: &user,
        issued_at: WallTime(1_700_000_000_000),
        ttl_s: 60,
        userbuf: None,
    };
    let token = mint(Format::Usersig, &Key::new("a key").unwrap(), &grant).unwrap();
    assert_eq!(peek_expiry("usersig", &token), Some(WallTime(1_700_000_060_000)));
    assert_eq!(peek_expiry("another", &token), None);
    assert_eq!(peek_expiry("usersig", &Token::new("cut short")), None);
}
