//! The HTTP side of the port: health, metrics, and the admin API (V-3, V-7).
//!
//! Every answer that is no success is a problem document ([`problem`]) with a code of the one table.

mod apps;
mod form;
mod path;
mod policy;
mod problem;
mod static_tokens;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use homing_proto::Error;
use homing_proto::code::Code;
use homing_proto::secret::Token;

use self::problem::Problem;
use crate::admin_token::AdminKey;
use crate::gateway::{Gateway, Stage};

/// What the handlers share.
#[derive(Clone)]
struct Api {
    gateway: Arc<Gateway>,
    admin: AdminKey,
}

/// Everything but `/v1/connect`.
pub(crate) fn router(gateway: Arc<Gateway>, admin: &Token) -> Router {
    let api = Api { gateway, admin: AdminKey::of(admin) };
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/v1/apps", get(apps::list).post(apps::create))
        .route("/v1/apps/{app}", get(apps::show).patch(apps::change).delete(apps::delete))
        .merge(policy::routes())
        .merge(users::routes())
        .merge(static_tokens::routes())
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(api)
}

/// The process lives.
async fn healthz() -> &'static str {
    "ok\n"
}

/// It takes connections.
async fn readyz(State(api): State<Api>) -> Response {
    if *api.gateway.stage().borrow() == Stage::Serving {
        "ready\n".into_response()
    } else {
        Problem::from(Error::from(Code::SERVER_STOPPING)).into_response()
    }
}

async fn metrics(State(api): State<Api>) -> Response {
    let page = api.gateway.metrics.page(api.gateway.hub.users(), &api.gateway.store);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page).into_response()
}

async fn no_such_path(uri: Uri) -> Problem {
    let text = format!("there is no {}", uri.path());
    Problem::new(StatusCode::NOT_FOUND, Error::new(Code::UNKNOWN_OPERATION).with_text(text))
}

async fn no_such_method(method: Method, uri: Uri) -> Problem {
    let text = format!("{} does not take {method}", uri.path());
    let error = Error::new(Code::UNKNOWN_OPERATION).with_text(text);
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, error)
}

/// Somebody who showed the admin token. A handler that takes it can be called by nobody else.
pub(crate) struct Admin;

impl Admin {
    /// Who it is, for the log.
    pub(crate) const fn name(&self) -> &'static str {
        "admin_token"
    }
}

impl FromRequestParts<Api> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let refused = |text: &str| {
            let error = Error::new(Code::CREDENTIAL_REQUIRED).with_text(text);
            Problem::new(StatusCode::UNAUTHORIZED, error)
        };
        let header = parts.headers.get(AUTHORIZATION).map(|value| value.as_bytes());
        let Some((scheme, token)) = header.and_then(|value| value.split_at_checked(SCHEME.len()))
        else {
            return Err(refused("this needs the header `Authorization: Bearer <admin token>`"));
        };
        if !scheme.eq_ignore_ascii_case(SCHEME) || !api.admin.opens_with(token.trim_ascii()) {
            return Err(refused("the admin token is not the server's"));
        }
        Ok(Self)
    }
}

const SCHEME: &[u8] = b"Bearer ";
/// Bytes of a request's body: settings are small.
const BODY_BYTES: usize = 64 * 1024;
