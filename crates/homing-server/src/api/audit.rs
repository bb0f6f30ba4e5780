//! Who did what through the API, as lines of the log with the target `homing::audit` (V-3).

use homing_proto::id::{AppId, UserId};

use super::Admin;

/// An operator did something to a user; `ended`: how many sessions it ended.
pub(super) fn user(who: &Admin, act: &str, app: AppId, user: &UserId, ended: usize) {
    tracing::info!(target: TARGET, by = who.name(), act, %app, %user, ended);
}

/// An operator did something to an app.
pub(super) fn app(who: &Admin, act: &str, app: AppId) {
    tracing::info!(target: TARGET, by = who.name(), act, %app);
}

const TARGET: &str = "homing::audit";
