//! What the paths of the API name: an app, or a user of one.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use homing_proto::id::{AppId, UserId};

use super::problem::Problem;

/// `/v1/apps/{app}…`.
pub(super) struct OfApp(pub(super) AppId);

/// `/v1/apps/{app}/users/{user}…`.
pub(super) struct OfUser(pub(super) AppId, pub(super) UserId);

impl<S: Send + Sync> FromRequestParts<S> for OfApp {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(app) = Path::<u32>::from_request_parts(parts, state).await?;
        Ok(Self(AppId::new(app)?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for OfUser {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path((app, user)) = Path::<(u32, String)>::from_request_parts(parts, state).await?;
        Ok(Self(AppId::new(app)?, UserId::parse(&user)?))
    }
}
