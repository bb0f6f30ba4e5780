//! `/v1/apps`: create, list, show, change and delete apps (V-3).

mod credentials;

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use homing_core::server::version::{Minimum, Version};
use homing_proto::Error;
use homing_proto::code::Code;
use homing_proto::id::AppId;
use serde::Deserialize;
use serde_json::{Value, json};

use self::credentials::NewKey;
use super::path::OfApp;
use super::policy;
use super::problem::{Problem, invalid};
use super::{Admin, Api};
use crate::apps::{App, AppChange, DeletedApp, Erased, NewApp, Registration};
use crate::audit;

/// `GET /v1/apps`. `deleting` are those that are being erased.
pub(super) async fn list(_: Admin, State(api): State<Api>) -> Json<Value> {
    let apps: Vec<_> = api.gateway.store.apps().values().map(|app| view(app)).collect();
    let deleted = api.gateway.store.deleted_apps();
    let deleting = deleted.iter().filter(|(_, app)| app.done.is_none());
    let deleting: Vec<_> = deleting.map(|(id, app)| view_deleted(*id, app)).collect();
    Json(json!({ "apps": apps, "deleting": deleting }))
}

/// `GET /v1/apps/{id}`. One that was deleted is shown until all it had is erased; then it is unknown.
pub(super) async fn show(
    _: Admin,
    State(api): State<Api>,
    OfApp(id): OfApp,
) -> Result<Json<Value>, Problem> {
    if let Some(app) = api.gateway.store.app(id) {
        return Ok(Json(view(&app)));
    }
    let deleted = api.gateway.store.deleted_apps();
    let app = deleted.get(&id).filter(|app| app.done.is_none()).ok_or(Code::UNKNOWN_APP)?;
    Ok(Json(view_deleted(id, app)))
}

/// `DELETE /v1/apps/{id}`: from the answer on nobody gets in, and all it had is being erased. Asked
/// again it says how far that is, also when it is done.
pub(super) async fn delete(
    who: Admin,
    State(api): State<Api>,
    OfApp(id): OfApp,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let is_news = api.gateway.store.app(id).is_some();
    let app = api.gateway.store.delete_app(id).await?;
    if is_news {
        audit::app(&who, "delete", id);
    }
    let status = if app.done.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(view_deleted(id, &app))))
}

/// What `POST /v1/apps` takes. Only the name is needed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Creation {
    name: String,
    id: Option<u32>,
    /// A preset's name (S-7.1).
    policy: Option<String>,
    auto_register: Option<bool>,
}

/// `POST /v1/apps`: the one answer that shows a key.
pub(super) async fn create(
    who: Admin,
    State(api): State<Api>,
    body: Result<Json<Creation>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let Json(creation) = body?;
    let mut new = NewApp::named(creation.name);
    new.id = creation.id.map(AppId::new).transpose()?;
    if let Some(name) = creation.policy {
        new.policy = policy::named(&name)?;
    }
    new.registration = registration(creation.auto_register.unwrap_or(true));
    let app = api.gateway.store.create_app(new).await?;
    audit::app(&who, "create", app.id);
    let mut body = view(&app);
    let key = app.keys.first().map(|key| String::from_utf8_lossy(key.key.expose()).into_owned());
    body["key"] = key.into();
    Ok((StatusCode::CREATED, Json(body)))
}

/// What `PATCH /v1/apps/{id}` takes: what is there is changed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    name: Option<String>,
    /// A preset's name (S-7.1).
    policy: Option<String>,
    auto_register: Option<bool>,
    add_key: Option<NewKey>,
    /// A key's number.
    remove_key: Option<u32>,
    allow_cbc: Option<bool>,
    nim_ttl_max_s: Option<u64>,
    nim_static: Option<bool>,
    /// Empty: there is none any more.
    third_party_url: Option<String>,
    third_party_fail_open: Option<bool>,
    /// The lowest protocol version let in; 0: any.
    min_proto: Option<u32>,
    /// The oldest SDK let in, such as `1.2.0`; empty: any.
    min_sdk: Option<String>,
    /// The same by platform, instead of `min_sdk`; empty: as everywhere.
    min_sdk_on: Option<BTreeMap<String, String>>,
    /// How long a session lives without a connection, in seconds: an hour to a year (S-1.6).
    session_age_s: Option<u64>,
}

/// `PATCH /v1/apps/{id}`. What is wrong in the form is found before anything is changed.
pub(super) async fn change(
    who: Admin,
    State(api): State<Api>,
    OfApp(id): OfApp,
    body: Result<Json<Change>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let Json(body) = body?;
    let mut app = App::clone(&*api.gateway.store.app(id).ok_or(Code::UNKNOWN_APP)?);
    for change in changes(body, &app)? {
        app = api.gateway.store.change_app(id, change).await?;
    }
    audit::app(&who, "change", id);
    Ok(Json(view(&app)))
}

fn changes(body: Change, app: &App) -> Result<Vec<AppChange>, Error> {
    let mut changes = credentials::changes(&body)?;
    changes.extend(minimum(&body, app)?.map(AppChange::Minimum));
    changes.extend(body.session_age_s.map(|s| AppChange::SessionAge(s.saturating_mul(1_000))));
    changes.extend(body.name.map(AppChange::Name));
    if let Some(name) = body.policy {
        changes.push(AppChange::Policy(policy::named(&name)?));
    }
    changes.extend(body.auto_register.map(registration).map(AppChange::Registration));
    changes.extend(body.add_key.map(NewKey::checked).transpose()?);
    changes.extend(body.remove_key.map(AppChange::RemoveKey));
    Ok(changes)
}

/// The oldest versions as they are to be; `None`: as they are.
fn minimum(body: &Change, app: &App) -> Result<Option<Minimum>, Error> {
    let version = |text: &str| match text {
        "" => Ok(None),
        text => Version::parse(text)
            .map(Some)
            .ok_or_else(|| invalid(&format!("`{text}` is no version; write one such as 1.2.0"))),
    };
    let mut minimum = app.minimum.clone();
    if let Some(proto) = body.min_proto {
        minimum.proto = proto;
    }
    if let Some(text) = &body.min_sdk {
        minimum.sdk = version(text)?;
    }
    for (name, text) in body.min_sdk_on.iter().flatten() {
        let platform = policy::platform(name)?;
        match version(text)? {
            Some(version) => minimum.sdk_on.insert(platform, version),
            None => minimum.sdk_on.remove(&platform),
        };
    }
    Ok(Some(minimum).filter(|minimum| *minimum != app.minimum))
}

const fn registration(at_login: bool) -> Registration {
    if at_login { Registration::AtLogin } else { Registration::Beforehand }
}

/// An app that was deleted.
fn view_deleted(id: AppId, app: &DeletedApp) -> Value {
    let Erased { users, conversations, messages } = app.erased;
    json!({
        "id": id.get(),
        "state": if app.done.is_some() { "erased" } else { "deleting" },
        "deleted_ms": app.deleted.0,
        "erased_ms": app.done.map(|done| done.0),
        "erased": { "users": users, "conversations": conversations, "messages": messages },
    })
}

/// An app as it is shown: everything but the secrets of its keys.
fn view(app: &App) -> Value {
    let on = app.minimum.sdk_on.iter();
    let sdk_on: serde_json::Map<_, _> = on
        .map(|(platform, version)| (platform.name().to_owned(), version.to_string().into()))
        .collect();
    let keys: Vec<_> = app.keys.iter().map(credentials::key_view).collect();
    json!({
        "id": app.id.get(),
        "name": app.name,
        "state": "active",
        "created_ms": app.created.0,
        "auto_register": app.registration == Registration::AtLogin,
        "policy": policy::view(&app.policy),
        "min_proto": app.minimum.proto,
        "min_sdk": app.minimum.sdk.map(|version| version.to_string()),
        "min_sdk_on": sdk_on,
        "session_age_s": app.session_age_ms / 1_000,
        "keys": keys,
        "credentials": credentials::view(app),
    })
}
