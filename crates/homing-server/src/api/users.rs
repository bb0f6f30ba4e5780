//! `/v1/apps/{app}/users`: an app's users, what operators do to them, and their sessions (V-3).

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use homing_core::server::registry::Standing;
use homing_proto::device::DeviceInfo;
use homing_proto::id::{AppId, SessionId, UserId};
use homing_proto::time::WallTime;
use homing_proto::{Code, Error, limits};
use serde::Deserialize;
use serde_json::{Value, json};

use super::form::Form;
use super::path::{OfApp, OfUser};
use super::problem::{Problem, invalid};
use super::{Admin, Api};
use crate::audit;
use crate::store::{Act, Chosen, Credentials, Made, NewUser, UserPage, UserView};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/v1/apps/{app}/users", get(list).post(create))
        .route("/v1/apps/{app}/users:online", post(online))
        .route("/v1/apps/{app}/users/{user}", get(show).patch(change).delete(delete))
        .route("/v1/apps/{app}/users/{user}/ban", post(ban))
        .route("/v1/apps/{app}/users/{user}/unban", post(unban))
        .route("/v1/apps/{app}/users/{user}/revoke", post(revoke))
        .route("/v1/apps/{app}/users/{user}/kick", post(kick))
        .route("/v1/apps/{app}/users/{user}/sessions", get(sessions))
}

type Answer = Result<Json<Value>, Problem>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    #[serde(default)]
    prefix: String,
    cursor: Option<String>,
    limit: Option<usize>,
}

/// `GET …/users?prefix=&cursor=&limit=`: `next` is the cursor of the next page, or null.
async fn list(
    _: Admin,
    State(api): State<Api>,
    OfApp(app): OfApp,
    page: Result<Query<Page>, QueryRejection>,
) -> Answer {
    let Query(page) = page?;
    let limit = page.limit.unwrap_or(limits::USERS_PER_PAGE);
    if !(1..=limits::USERS_PER_PAGE).contains(&limit) {
        return Err(invalid("limit is 1 to 100").into());
    }
    if page.prefix.len() > limits::USER_ID_BYTES {
        return Err(Code::INVALID_USER_ID.into());
    }
    let after = page.cursor.as_deref().map(UserId::parse).transpose()?;
    let users =
        api.gateway.store.users(app, UserPage { prefix: page.prefix, after, limit }).await?;
    let next = users.last().filter(|_| users.len() == limit).map(|user| user.id.as_str());
    Ok(Json(json!({ "users": users.iter().map(summary).collect::<Vec<_>>(), "next": next })))
}

/// One user, or several in `users`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Creations {
    id: Option<String>,
    #[serde(default)]
    name: String,
    users: Option<Vec<Creation>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Creation {
    id: String,
    #[serde(default)]
    name: String,
}

/// `POST …/users` with one user, or with `users`: up to 100 of them.
async fn create(
    who: Admin,
    State(api): State<Api>,
    OfApp(app): OfApp,
    Form(body): Form<Creations>,
) -> Result<Response, Problem> {
    match (body.id, body.users) {
        (Some(id), None) => {
            let user = new_user(Creation { id, name: body.name })?;
            let id = user.id.clone();
            let [made] = create_all(&who, &api, app, vec![user]).await?[..] else {
                return Err(Code::SERVER_INTERNAL.into());
            };
            let status = match made {
                Made::Created => StatusCode::CREATED,
                Made::Known => StatusCode::OK,
                Made::Deleted => return Err(Code::ACCOUNT_DELETED.into()),
            };
            let mut body = whole(&look(&api, app, &id).await?);
            body["created"] = (made == Made::Created).into();
            Ok((status, Json(body)).into_response())
        }
        (None, Some(users)) => {
            let users = users.into_iter().map(new_user).collect::<Result<Vec<_>, _>>()?;
            let ids: Vec<_> = users.iter().map(|user| user.id.clone()).collect();
            let made = create_all(&who, &api, app, users).await?;
            let line = |(id, made): (&UserId, &Made)| {
                let result = match made {
                    Made::Created => "created",
                    Made::Known => "known",
                    Made::Deleted => Code::ACCOUNT_DELETED.name(),
                };
                json!({ "id": id.as_str(), "result": result })
            };
            let lines: Vec<_> = ids.iter().zip(&made).map(line).collect();
            Ok(Json(json!({ "users": lines })).into_response())
        }
        _ => Err(invalid("either id or users").into()),
    }
}

fn new_user(creation: Creation) -> Result<NewUser, Error> {
    Ok(NewUser { id: UserId::parse(&creation.id)?, name: creation.name })
}

async fn create_all(
    who: &Admin,
    api: &Api,
    app: AppId,
    users: Vec<NewUser>,
) -> Result<Vec<Made>, Problem> {
    let ids: Vec<_> = users.iter().map(|user| user.id.clone()).collect();
    let made = api.gateway.store.create_users(app, users).await?;
    for (id, _) in ids.iter().zip(&made).filter(|(_, made)| **made == Made::Created) {
        audit::user(who, "create", app, id, 0);
    }
    Ok(made)
}

/// `GET …/users/{user}`.
async fn show(_: Admin, State(api): State<Api>, OfUser(app, user): OfUser) -> Answer {
    Ok(Json(whole(&look(&api, app, &user).await?)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    name: String,
}

/// `PATCH …/users/{user}`: another name.
async fn change(
    _: Admin,
    State(api): State<Api>,
    OfUser(app, user): OfUser,
    Form(body): Form<Change>,
) -> Answer {
    api.gateway.store.rename_user(app, user.clone(), body.name).await?;
    Ok(Json(whole(&look(&api, app, &user).await?)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    #[serde(default)]
    text: String,
}

/// `DELETE …/users/{user}`: for good; its id is not given out again.
async fn delete(
    who: Admin,
    State(api): State<Api>,
    user: OfUser,
    Form(body): Form<Words>,
) -> Answer {
    let act = Act::Delete { text: checked_text(body.text)? };
    govern(&who, &api, user, "delete", act).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ban {
    /// When it ends, in milliseconds since 1970.
    until_ms: Option<u64>,
    /// How long it lasts, in seconds; without either it lasts until it is lifted.
    for_s: Option<u64>,
    #[serde(default)]
    text: String,
}

/// `POST …/ban`: bars the user and ends its sessions.
async fn ban(who: Admin, State(api): State<Api>, user: OfUser, Form(body): Form<Ban>) -> Answer {
    let now = api.gateway.clock.wall();
    let until = match (body.until_ms, body.for_s) {
        (Some(_), Some(_)) => return Err(invalid("either until_ms or for_s").into()),
        (Some(ms), None) => Some(WallTime(ms)),
        (None, Some(s)) => Some(WallTime(now.0.saturating_add(s.saturating_mul(1_000)))),
        (None, None) => None,
    };
    if until.is_some_and(|until| until <= now) {
        return Err(invalid("a ban ends in the future").into());
    }
    let act = Act::Ban { until, text: checked_text(body.text)? };
    govern(&who, &api, user, "ban", act).await
}

/// `POST …/unban`.
async fn unban(who: Admin, State(api): State<Api>, user: OfUser) -> Answer {
    govern(&who, &api, user, "unban", Act::Unban).await
}

/// `POST …/revoke`: every credential issued before now is dead; sessions live on.
async fn revoke(who: Admin, State(api): State<Api>, user: OfUser) -> Answer {
    govern(&who, &api, user, "revoke", Act::RevokeCredentials).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Kick {
    /// These and no others.
    sessions: Option<Vec<String>>,
    /// All but these.
    except: Option<Vec<String>>,
    #[serde(default)]
    text: String,
    #[serde(default)]
    revoke_credentials: bool,
}

/// `POST …/kick`: all sessions, those in `sessions`, or all but those in `except` (S-7.8).
async fn kick(who: Admin, State(api): State<Api>, user: OfUser, Form(body): Form<Kick>) -> Answer {
    let sessions = match (body.sessions, body.except) {
        (Some(_), Some(_)) => return Err(invalid("either sessions or except").into()),
        (Some(listed), None) => Chosen::Listed(session_ids(&listed)?),
        (None, Some(spared)) => Chosen::AllBut(session_ids(&spared)?),
        (None, None) => Chosen::All,
    };
    let credentials = if body.revoke_credentials { Credentials::Revoke } else { Credentials::Keep };
    let act = Act::Kick { sessions, text: checked_text(body.text)?, credentials };
    govern(&who, &api, user, "kick", act).await
}

/// `GET …/sessions`.
async fn sessions(_: Admin, State(api): State<Api>, OfUser(app, user): OfUser) -> Answer {
    let devices = api.gateway.store.devices(app, user).await?;
    Ok(Json(json!({ "sessions": devices.iter().map(session).collect::<Vec<_>>() })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Online {
    users: Vec<String>,
}

/// `POST …/users:online` with up to 500 users: which there are, and who of them is online where.
async fn online(
    _: Admin,
    State(api): State<Api>,
    OfApp(app): OfApp,
    Form(body): Form<Online>,
) -> Answer {
    let users = body.users;
    let ids = users.iter().map(|id| UserId::parse(id)).collect::<Result<Vec<_>, _>>()?;
    let views = api.gateway.store.look_up(app, ids).await?;
    let line = |(id, view): (&String, &Option<UserView>)| {
        let devices = view.iter().flat_map(|view| &view.devices).filter(|device| device.online);
        let platforms: Vec<_> = devices.map(|device| device.device.platform.name()).collect();
        json!({
            "id": id,
            "known": view.is_some(),
            "online": !platforms.is_empty(),
            "platforms": platforms,
        })
    };
    Ok(Json(json!({ "users": users.iter().zip(&views).map(line).collect::<Vec<_>>() })))
}

/// Does it, takes it down, and answers with how many sessions it ended and the user as it is now.
async fn govern(who: &Admin, api: &Api, user: OfUser, name: &str, act: Act) -> Answer {
    let OfUser(app, user) = user;
    let ended = api.gateway.store.govern(app, user.clone(), act).await?;
    audit::user(who, name, app, &user, ended);
    let user = whole(&look(api, app, &user).await?);
    Ok(Json(json!({ "ended": ended, "user": user })))
}

async fn look(api: &Api, app: AppId, user: &UserId) -> Result<UserView, Error> {
    let mut views = api.gateway.store.look_up(app, vec![user.clone()]).await?;
    views.pop().flatten().ok_or_else(|| Code::USER_NOT_FOUND.into())
}

/// A user in a list.
fn summary(user: &UserView) -> Value {
    let (standing, until) = match &user.standing {
        Standing::Good => ("good", None),
        Standing::Banned { until, .. } => ("banned", *until),
        Standing::Deleted => ("deleted", None),
    };
    let ban_text = match &user.standing {
        Standing::Banned { text, .. } if !text.is_empty() => Some(text),
        _ => None,
    };
    let revoked = Some(user.revoked_before).filter(|moment| moment.0 > 0);
    json!({
        "id": user.id.as_str(),
        "name": user.name,
        "created_ms": user.created.0,
        "standing": standing,
        "erasing": user.erasing,
        "banned_until_ms": until.map(|until| until.0),
        "ban_text": ban_text,
        "revoked_before_ms": revoked.map(|moment| moment.0),
        "online": user.devices.iter().any(|device| device.online),
        "session_count": user.devices.len(),
    })
}

/// A user by itself, with its sessions.
fn whole(user: &UserView) -> Value {
    let mut view = summary(user);
    view["sessions"] = user.devices.iter().map(session).collect();
    view
}

pub(super) fn session(info: &DeviceInfo) -> Value {
    json!({
        "session": info.session.to_string(),
        "device_id": info.device.id.to_string(),
        "platform": info.device.platform.name(),
        "os": info.device.os,
        "tag": info.device.tag,
        "custom_type": info.device.custom_type,
        "login_time_ms": info.login_time.0,
        "online": info.online,
    })
}

fn session_ids(names: &[String]) -> Result<Vec<SessionId>, Error> {
    names.iter().map(|name| name.parse()).collect()
}

fn checked_text(text: String) -> Result<String, Error> {
    if text.len() <= limits::TEXT_BYTES {
        return Ok(text);
    }
    Err(invalid("a text has at most 256 bytes"))
}
