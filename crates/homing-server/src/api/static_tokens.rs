//! `/v1/apps/{app}/users/{user}/static-token`: a user's static token, made, refreshed or taken away (S-8.1).

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use homing_core::server::registry::SecretHash;
use homing_proto::secret::Token;
use homing_proto::{Code, Error, limits};
use serde::Deserialize;
use serde_json::{Value, json};

use super::form::Form;
use super::path::OfUser;
use super::problem::{Problem, invalid};
use super::{Admin, Api};
use crate::audit;
use crate::store::Act;

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/v1/apps/{app}/users/{user}/static-token", post(set).delete(clear))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    /// Left out: one is drawn.
    token: Option<String>,
}

/// `POST`: the one answer that shows the token: the server keeps its hash. The token before it is dead from
/// here on; sessions live on.
async fn set(
    who: Admin,
    State(api): State<Api>,
    OfUser(app, user): OfUser,
    Form(choice): Form<Choice>,
) -> Result<Json<Value>, Problem> {
    let token = Token::new(match choice.token {
        Some(token) => checked(token)?,
        None => draw()?,
    });
    let act = Act::SetStaticToken(SecretHash::of_token(&token));
    api.gateway.store.govern(app, user.clone(), act).await?;
    audit::user(&who, "set_static_token", app, &user, 0);
    Ok(Json(json!({ "user": user.as_str(), "token": token.expose() })))
}

/// `DELETE`: no static token is the user's any more, also if none was. Sessions live on.
async fn clear(
    who: Admin,
    State(api): State<Api>,
    OfUser(app, user): OfUser,
) -> Result<Json<Value>, Problem> {
    api.gateway.store.govern(app, user.clone(), Act::ClearStaticToken).await?;
    audit::user(&who, "clear_static_token", app, &user, 0);
    Ok(Json(json!({ "user": user.as_str() })))
}

fn checked(token: String) -> Result<String, Error> {
    if (limits::STATIC_TOKEN_MIN_BYTES..=limits::STATIC_TOKEN_BYTES).contains(&token.len()) {
        return Ok(token);
    }
    Err(invalid("a static token has 16 to 128 bytes"))
}

/// 64 hexadecimal digits, 256 random bits.
fn draw() -> Result<String, Error> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|_| Error::from(Code::SERVER_INTERNAL))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
