//! The users of a measurement: one device each, and a credential from the app's key.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use homing_proto::device::{Device, Platform};
use homing_proto::frame::{Credential, Hello, Intent, Window};
use homing_proto::id::{AppId, DeviceId, LoginId, UserId};
use homing_proto::limits;
use homing_proto::secret::Token;
use homing_proto::time::WallTime;
use homing_token::{Format, Grant, Key, mint};

/// Users of one app, by number.
#[derive(Clone)]
pub(crate) struct Crowd {
    app: AppId,
    key: Key,
}

impl Crowd {
    pub(crate) const fn new(app: AppId, key: Key) -> Self {
        Self { app, key }
    }

    /// A token that is good for a day.
    pub(crate) fn token(&self, number: usize) -> Token {
        let user = &user(number);
        let grant =
            Grant { app: self.app, user, issued_at: wall(), ttl_s: 24 * 60 * 60, userbuf: None };
        mint(Format::Usersig, &self.key, &grant).expect("a grant without a user buffer fits")
    }

    /// The Hello of an explicit login, as an SDK says it. `attempt` is to grow with each Hello of
    /// the same user.
    pub(crate) fn hello(&self, number: usize, token: Token, attempt: u64) -> Hello {
        let login = ((number as u128) << 64) | u128::from(attempt);
        let mut hello = hello(self.app, user(number), token);
        hello.device.id = DeviceId((number as u128 | 1 << 127).to_be_bytes());
        hello.counter = attempt;
        hello.login_id = Some(LoginId(login.to_be_bytes()));
        hello
    }
}

/// The Hello of an explicit login without a name, on a device without one.
pub(crate) fn hello(app: AppId, user: UserId, token: Token) -> Hello {
    Hello {
        proto: limits::PROTO,
        sdk: concat!("homing-bench/", env!("CARGO_PKG_VERSION")).to_owned(),
        app,
        user,
        device: Device {
            id: DeviceId([0; 16]),
            platform: Platform::Android,
            os: "Android 16".to_owned(),
            tag: String::new(),
            custom_type: 0,
        },
        intent: Intent::Explicit,
        credential: Some(Credential { format: Format::Usersig.to_string(), token }),
        resume: None,
        counter: 1,
        cursor: None,
        outbox_heads: Vec::new(),
        window: Window {
            conversations: limits::WINDOW_CONVERSATIONS,
            per_conversation: limits::WINDOW_MESSAGES,
        },
        user_name: String::new(),
        login_extension: Bytes::new(),
        caps: 0,
        login_id: None,
    }
}

/// The user of that number.
pub(crate) fn user(number: usize) -> UserId {
    UserId::parse(&format!("bench-{number:07}")).expect("a legal id")
}

/// The number of a user of the crowd.
pub(crate) fn number(user: &UserId) -> Option<usize> {
    user.as_str().strip_prefix("bench-")?.parse().ok()
}

fn wall() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    WallTime(since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_its_name() {
        assert_eq!(number(&user(12_345)), Some(12_345));
        assert_eq!(number(&UserId::parse("alice").unwrap()), None);
    }
}
