//! Apps to rows and back, with their keys sealed.

use homing_core::policy::Policy;
use homing_proto::limits;
use homing_proto::time::WallTime;
use homing_token::{Cbc, Key, Rules};
use prost::Message as _;
use zeroize::{Zeroize as _, Zeroizing};

use super::error::Failure;
use super::record::{self, AcceptanceValue, AppSettings, KeyRing, KeyValue};
use super::seal::MasterKey;
use super::tables::AppRow;
use crate::apps::{
    Acceptance, App, AppKey, Registration, Silence, StaticTokens, ThirdParty, WebhookUrl,
};

pub(super) fn read(row: &AppRow, master: &MasterKey) -> Result<App, Failure> {
    let settings = AppSettings::decode(&row.settings[..])
        .map_err(|_| Failure::Damaged("an app's settings"))?;
    let acceptance = settings.acceptance.map(read_acceptance).transpose()?.unwrap_or_default();
    let policy = settings.policy.as_ref().map(record::read_policy).transpose()?;
    let plain = master
        .open(&place(row.id.get()), &row.keys)
        .ok_or(Failure::Damaged("an app's keys, or they were sealed with another master.key"))?;
    let ring = KeyRing::decode(&plain[..]).map_err(|_| Failure::Damaged("an app's keys"))?;
    Ok(App {
        id: row.id,
        name: row.name.clone(),
        created: row.created,
        policy: policy.unwrap_or_else(Policy::default),
        minimum: settings.minimum.map(record::read_minimum).transpose()?.unwrap_or_default(),
        session_age_ms: match settings.session_age_ms {
            0 => limits::SESSION_AGE_MS,
            ms => ms,
        },
        registration: if settings.auto_register {
            Registration::AtLogin
        } else {
            Registration::Beforehand
        },
        acceptance,
        keys: ring.keys.into_iter().map(read_key).collect::<Result<_, _>>()?,
    })
}

pub(super) fn write(
    app: &App,
    master: &MasterKey,
    random: &mut (dyn FnMut(&mut [u8]) + Send),
) -> AppRow {
    let settings = AppSettings {
        auto_register: app.registration == Registration::AtLogin,
        policy: Some(record::policy(&app.policy)),
        acceptance: Some(acceptance(&app.acceptance)),
        minimum: Some(record::minimum(&app.minimum)),
        session_age_ms: app.session_age_ms,
    };
    let mut ring = KeyRing { keys: app.keys.iter().map(key).collect() };
    let plain = Zeroizing::new(ring.encode_to_vec());
    for key in &mut ring.keys {
        key.secret.zeroize();
    }
    AppRow {
        id: app.id,
        name: app.name.clone(),
        created: app.created,
        settings: settings.encode_to_vec(),
        keys: master.seal(&place(app.id.get()), &plain, random),
    }
}

fn acceptance(acceptance: &Acceptance) -> AcceptanceValue {
    let Acceptance { rules, static_tokens, third_party } = acceptance;
    AcceptanceValue {
        allow_cbc: rules.cbc == Cbc::Accepted,
        nim_ttl_max_s: rules.nim_ttl_max_s,
        static_tokens: *static_tokens == StaticTokens::Accepted,
        third_party_url: third_party.as_ref().map(|it| it.url.to_string()).unwrap_or_default(),
        third_party_fail_open: third_party.as_ref().is_some_and(|it| it.silence == Silence::Admit),
    }
}

fn read_acceptance(value: AcceptanceValue) -> Result<Acceptance, Failure> {
    let silence = if value.third_party_fail_open { Silence::Admit } else { Silence::Refuse };
    let third_party = match value.third_party_url.as_str() {
        "" => None,
        url => {
            let url = WebhookUrl::parse(url);
            let url = url.map_err(|_| Failure::Damaged("the address of a third party"))?;
            Some(ThirdParty { url, silence })
        }
    };
    let static_tokens =
        if value.static_tokens { StaticTokens::Accepted } else { StaticTokens::Refused };
    let rules = Rules { cbc: value.allow_cbc.into(), nim_ttl_max_s: value.nim_ttl_max_s };
    Ok(Acceptance { rules, static_tokens, third_party })
}

fn place(app: u32) -> String {
    format!("app/{app}/keys")
}

fn key(key: &AppKey) -> KeyValue {
    KeyValue {
        id: key.id,
        format: key.format.name().to_owned(),
        secret: key.key.expose().to_vec(),
        created_ms: key.created.0,
        name: key.key.name().unwrap_or_default().to_owned(),
    }
}

fn read_key(value: KeyValue) -> Result<AppKey, Failure> {
    let damaged = |_| Failure::Damaged("an app's key");
    let mut key = Key::new(value.secret).map_err(damaged)?;
    if !value.name.is_empty() {
        key = key.named(value.name).map_err(damaged)?;
    }
    Ok(AppKey {
        id: value.id,
        format: value.format.parse().map_err(|_| Failure::Damaged("the form of an app's key"))?,
        key,
        created: WallTime(value.created_ms),
    })
}
