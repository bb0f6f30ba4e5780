//! What an app's own server is asked, and what it may answer.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use homing_proto::device::Device;
use homing_proto::id::{AppId, UserId};
use homing_proto::limits;
use homing_proto::secret::Token;
use homing_proto::time::WallTime;
use homing_token::{Format, Key};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::apps::{App, ThirdParty};
use crate::webhook;

/// One credential to be judged.
pub(in crate::gateway) struct Question {
    pub(super) app: AppId,
    pub(super) third_party: ThirdParty,
    /// The latest secret to sign with.
    key: Option<Key>,
    user: UserId,
    token: Token,
    device: Option<Device>,
    sdk: String,
    extension: Bytes,
}

impl Question {
    /// About a credential that is shown over a connection which already has a session.
    pub(in crate::gateway) fn new(
        app: &App,
        third_party: &ThirdParty,
        user: &UserId,
        token: &Token,
    ) -> Self {
        let keys = app.keys.iter().filter(|key| key.format == Format::ThirdParty);
        Self {
            app: app.id,
            third_party: third_party.clone(),
            key: keys.max_by_key(|key| key.id).map(|key| key.key.clone()),
            user: user.clone(),
            token: token.clone(),
            device: None,
            sdk: String::new(),
            extension: Bytes::new(),
        }
    }

    /// Adds what a Hello tells.
    pub(in crate::gateway) fn on(self, device: &Device, sdk: &str, extension: &Bytes) -> Self {
        let (device, extension) = (Some(device.clone()), extension.clone());
        Self { device, sdk: sdk.to_owned(), extension, ..self }
    }

    /// What an answer is remembered under. The token is in it as a hash alone.
    pub(super) fn key(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        for part in [
            self.third_party.url.to_string().as_bytes(),
            &self.app.get().to_be_bytes(),
            self.user.as_str().as_bytes(),
            self.token.expose().as_bytes(),
        ] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.finalize().into()
    }

    pub(super) fn signature(&self, now: WallTime) -> Option<String> {
        let key = self.key.as_ref()?;
        Some(webhook::signature(key, now.seconds(), &self.body()))
    }

    /// The JSON that is sent. A login extension is any bytes, so it goes in base64, and as text too
    /// where it is text.
    pub(super) fn body(&self) -> Bytes {
        let device = self.device.as_ref().map(|device| {
            json!({
                "id": device.id.to_string(),
                "platform": device.platform.name(),
                "os": device.os,
                "tag": device.tag,
                "custom_type": device.custom_type,
                "sdk": self.sdk,
            })
        });
        let body = json!({
            "event": "login",
            "app_id": self.app.get(),
            "user": self.user.as_str(),
            "token": self.token.expose(),
            "login_extension": std::str::from_utf8(&self.extension).ok(),
            "login_extension_base64": STANDARD.encode(&self.extension),
            "device": device,
        });
        Bytes::from(body.to_string())
    }
}

/// What was answered.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Answer {
    /// The login is allowed; for so many seconds nobody need ask again.
    Allow { valid_s: Option<NonZeroU32> },
    /// It is not; words for the user.
    Refuse { text: String },
}

/// Reads an answer; `None` when it is none. Fields that mean nothing here are passed over.
pub(super) fn read(body: &[u8]) -> Option<Answer> {
    #[derive(Deserialize)]
    struct Document {
        allow: bool,
        valid_s: Option<NonZeroU32>,
        text: Option<String>,
    }
    // A derived reader takes an array for an object.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return None;
    }
    let Document { allow, valid_s, text } = serde_json::from_slice(body).ok()?;
    if allow {
        return Some(Answer::Allow { valid_s });
    }
    let mut text = text.unwrap_or_default();
    let end = text.floor_char_boundary(limits::TEXT_BYTES);
    text.truncate(end);
    Some(Answer::Refuse { text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_a_yes() {
        let valid_s = NonZeroU32::new(60);
        assert_eq!(read(br#"{"allow":true}"#), Some(Answer::Allow { valid_s: None }));
        assert_eq!(read(br#"{"allow":true,"valid_s":60,"x":1}"#), Some(Answer::Allow { valid_s }));
        assert_eq!(read(br#"{"allow":false}"#), Some(Answer::Refuse { text: String::new() }));
        for no_answer in [
            &b""[..],
            b"{}",
            b"true",
            b"[true,null,null]",
            b"{\"allow\":\"true\"}",
            b"{\"allow\":1}",
            b"{\"allow\":null}",
            b"{\"allow\":true,\"allow\":false}",
            b"{\"allow\":true,\"valid_s\":0}",
            b"{\"allow\":true,\"valid_s\":-1}",
            b"{\"allow\":true}{}",
        ] {
            assert_eq!(read(no_answer), None);
        }
    }

    #[test]
    fn words_for_the_user_are_cut_between_letters() {
        let body = serde_json::json!({"allow": false, "text": "é".repeat(200)}).to_string();
        let Some(Answer::Refuse { text }) = read(body.as_bytes()) else { panic!() };
        assert_eq!(text, "é".repeat(128));
    }
}
