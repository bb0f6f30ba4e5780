//! `/v1/apps`: create, list, show and change apps (V-3).

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use homing_proto::Error;
use homing_proto::code::Code;
use homing_proto::id::AppId;
use homing_token::{Format, Key};
use serde::Deserialize;
use serde_json::{Value, json};

use super::policy;
use super::problem::Problem;
use super::{Admin, Api, audit};
use crate::apps::{App, AppChange, AppKey, NewApp, Registration};

/// `GET /v1/apps`.
pub(super) async fn list(_: Admin, State(api): State<Api>) -> Json<Value> {
    let apps: Vec<_> = api.gateway.store.apps().values().map(|app| view(app)).collect();
    Json(json!({ "apps": apps }))
}

/// `GET /v1/apps/{id}`.
pub(super) async fn show(
    _: Admin,
    State(api): State<Api>,
    id: Result<Path<u32>, PathRejection>,
) -> Result<Json<Value>, Problem> {
    let app = api.gateway.store.app(app_id(id)?).ok_or(Code::UNKNOWN_APP)?;
    Ok(Json(view(&app)))
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
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewKey {
    format: String,
    key: String,
    /// The public name that belongs to it: the key id of a `jwt` key.
    key_id: Option<String>,
    /// The same for `nim-dynamic`, where it is needed.
    app_key: Option<String>,
}

impl NewKey {
    /// A key for a form whose credentials are verified with keys of the app.
    fn checked(self) -> Result<AppChange, Error> {
        let invalid = |text: &str| Error::new(Code::INVALID_ARGUMENT).with_text(text);
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

/// `PATCH /v1/apps/{id}`. What is wrong in the form is found before anything is changed.
pub(super) async fn change(
    who: Admin,
    State(api): State<Api>,
    id: Result<Path<u32>, PathRejection>,
    body: Result<Json<Change>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let id = app_id(id)?;
    let Json(body) = body?;
    let mut app = App::clone(&*api.gateway.store.app(id).ok_or(Code::UNKNOWN_APP)?);
    for change in changes(body)? {
        app = api.gateway.store.change_app(id, change).await?;
    }
    audit::app(&who, "change", id);
    Ok(Json(view(&app)))
}

fn changes(body: Change) -> Result<Vec<AppChange>, Error> {
    let mut changes = Vec::new();
    changes.extend(body.name.map(AppChange::Name));
    if let Some(name) = body.policy {
        changes.push(AppChange::Policy(policy::named(&name)?));
    }
    changes.extend(body.auto_register.map(registration).map(AppChange::Registration));
    changes.extend(body.add_key.map(NewKey::checked).transpose()?);
    changes.extend(body.remove_key.map(AppChange::RemoveKey));
    Ok(changes)
}

fn app_id(id: Result<Path<u32>, PathRejection>) -> Result<AppId, Problem> {
    let Path(id) = id?;
    Ok(AppId::new(id)?)
}

const fn registration(at_login: bool) -> Registration {
    if at_login { Registration::AtLogin } else { Registration::Beforehand }
}

/// A key without its secret. `name` is its key id or app key, or null.
fn key_view(key: &AppKey) -> Value {
    json!({
        "id": key.id,
        "format": key.format.name(),
        "name": key.key.name(),
        "created_ms": key.created.0,
    })
}

/// An app as it is shown: everything but the secrets of its keys.
fn view(app: &App) -> Value {
    let keys: Vec<_> = app.keys.iter().map(key_view).collect();
    json!({
        "id": app.id.get(),
        "name": app.name,
        "created_ms": app.created.0,
        "auto_register": app.registration == Registration::AtLogin,
        "policy": policy::view(&app.policy),
        "keys": keys,
    })
}
