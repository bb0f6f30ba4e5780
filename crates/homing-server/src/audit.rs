//! Who did what: lines of the log with the target `homing::audit` (V-3). Ids and names of reasons, no
//! secrets and nothing that people wrote.

use homing_proto::device::KickRecord;
use homing_proto::id::{AppId, UserId};

use crate::api::Admin;
use crate::apps::Erased;

/// An operator did something to a user; `ended`: how many sessions it ended.
pub(crate) fn user(who: &Admin, act: &str, app: AppId, user: &UserId, ended: usize) {
    tracing::info!(target: TARGET, by = who.name(), act, %app, %user, ended);
}

/// An operator did something to an app.
pub(crate) fn app(who: &Admin, act: &str, app: AppId) {
    tracing::info!(target: TARGET, by = who.name(), act, %app);
}

/// All that a deleted app had is erased (D-7).
pub(crate) fn app_erased(app: AppId, erased: Erased) {
    let Erased { users, conversations, messages } = erased;
    tracing::info!(
        target: TARGET, by = "server", act = "app_erased", %app, users, conversations, messages
    );
}

/// All that a deleted user had is erased (D-7).
pub(crate) fn user_erased(app: AppId, user: &UserId, erased: Erased) {
    let Erased { users: _, conversations, messages } = erased;
    tracing::info!(
        target: TARGET, by = "server", act = "user_erased", %app, %user, conversations, messages
    );
}

/// A session lost its place, connected or not: to another session of the account, or to what the server
/// or an operator did, whose own line says who (S-7.6).
pub(crate) fn lost(app: AppId, user: &UserId, record: &KickRecord) {
    let (session, reason) = (record.session, record.reason.name());
    match &record.by {
        Some(winner) => {
            let (by, platform) = (winner.session, winner.device.platform.name());
            tracing::info!(
                target: TARGET, %by, act = "lost", %app, %user, %session, reason, platform
            );
        }
        None => {
            tracing::info!(target: TARGET, by = "server", act = "lost", %app, %user, %session, reason);
        }
    }
}

const TARGET: &str = "homing::audit";
