//! What an app takes as a credential, in the API's JSON: keys and rules (S-8.1).

use std::time::Duration;

use homing_proto::Error;
use homing_token::{Cbc, Format, Key};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Change;
use crate::api::problem::invalid;
use crate::apps::{AcceptanceChange, App, AppChange, AppKey, Silence, StaticTokens, WebhookUrl};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKey {
    format: String,
    key: String,
    /// The public name that belongs to it: the key id of a `jwt` key.
    key_id: Option<String>,
    /// The same for `nim-dynamic`, where it is needed.
    app_key: Option<String>,
}

impl NewKey {
    /// A key for a form whose credentials are verified with keys of the app.
    pub(super) fn checked(self) -> Result<AppChange, Error> {
        let format: Format = self.format.parse()?;
        let key = Key::new(self.key)?;
        let name = match format {
            Format::Token04Cbc => {
                return Err(invalid("both forms of token04 have one key: add it as token04"));
            }
            Format::NimStatic => {
                return Err(invalid("nim-static has no key of the app: each user has a token"));
            }
            Format::NimDynamic => self.app_key,
            Format::Jwt => self.key_id,
            Format::Usersig | Format::Token04 | Format::ThirdParty | Format::AppSign => None,
        };
        let key = match name {
            Some(name) => key.named(name)?,
            None => key,
        };
        key.check(format)?;
        Ok(AppChange::AddKey { format, key })
    }
}

/// The changes of rules in a request, in an order in which each can be made.
pub(super) fn changes(body: &Change) -> Result<Vec<AppChange>, Error> {
    let mut changes = Vec::new();
    changes.extend(body.allow_cbc.map(|allow| AcceptanceChange::Cbc(allow.into())));
    changes.extend(body.nim_ttl_max_s.map(|s| AcceptanceChange::NimTtlMax(Duration::from_secs(s))));
    changes.extend(body.nim_static.map(|accept| {
        let tokens = if accept { StaticTokens::Accepted } else { StaticTokens::Refused };
        AcceptanceChange::StaticTokens(tokens)
    }));
    changes.extend(match body.third_party_url.as_deref() {
        None => None,
        Some("") => Some(AcceptanceChange::ThirdPartyUrl(None)),
        Some(url) => Some(AcceptanceChange::ThirdPartyUrl(Some(WebhookUrl::parse(url)?))),
    });
    changes.extend(body.third_party_fail_open.map(|open| {
        AcceptanceChange::ThirdPartySilence(if open { Silence::Admit } else { Silence::Refuse })
    }));
    Ok(changes.into_iter().map(AppChange::Acceptance).collect())
}

/// A key without its secret. `name` is its key id or app key, or null.
pub(super) fn key_view(key: &AppKey) -> Value {
    json!({
        "id": key.id,
        "format": key.format.name(),
        "name": key.key.name(),
        "created_ms": key.created.0,
    })
}

/// The rules, and words on those that are dangerous.
pub(super) fn view(app: &App) -> Value {
    let acceptance = &app.acceptance;
    let third_party = acceptance.third_party.as_ref();
    let silence = third_party.map(|party| party.silence);
    let mut warnings = Vec::new();
    if acceptance.rules.cbc == Cbc::Accepted {
        warnings.push(CBC);
    }
    if acceptance.rules.nim_ttl_max_s > homing_proto::limits::NIM_TTL_S {
        warnings.push(NIM_TTL);
    }
    if silence == Some(Silence::Admit) {
        warnings.push(FAIL_OPEN);
    }
    if third_party.is_some() && !app.keys.iter().any(|key| key.format == Format::ThirdParty) {
        warnings.push(UNSIGNED);
    }
    if app.keys.iter().any(|key| key.format == Format::AppSign) {
        warnings.push(APP_SIGN);
    }
    json!({
        "allow_cbc": acceptance.rules.cbc == Cbc::Accepted,
        "nim_ttl_max_s": acceptance.rules.nim_ttl_max_s,
        "nim_static": acceptance.static_tokens == StaticTokens::Accepted,
        "third_party_url": third_party.map(|party| party.url.to_string()),
        "third_party_fail_open": silence == Some(Silence::Admit),
        "warnings": warnings,
    })
}

const CBC: &str = "allow_cbc: AES-CBC has no integrity check. Whoever sees a token can change what it \
    says, and with many tries forge one. Have the app server make the AES-GCM form and switch this off";
const NIM_TTL: &str = "nim_ttl_max_s: nim-dynamic signs user, time and ttl with nothing between them. \
    With more than a day, somebody who may choose a user id that ends in digits can at certain times be \
    taken for the user without them";
const FAIL_OPEN: &str = "third_party_fail_open: while your server does not answer, anybody can sign in as \
    anybody";
const UNSIGNED: &str = "third_party_url: the questions are not signed, so that your server cannot know who \
    asks. Add a key with the format third-party";
const APP_SIGN: &str = "app-sign: whoever has the app sign, and so whoever has the app, can be any user. \
    For development alone";
