//! Users as operators ask for them: made, renamed, found and listed (V-3).

use homing_core::policy::Admission;
use homing_core::server::registry::{Standing, UserSessions};
use homing_proto::id::{AppId, SessionId, UserId};
use homing_proto::time::WallTime;
use homing_proto::{Code, Error, limits};

use super::UserKey;
use super::admin::invalid;
use super::command::{Made, NewUser, Outlook, Trial, UserPage, UserView};
use super::error::Failure;
use super::state::State;

type Answer<T> = Result<Result<T, Error>, Failure>;

impl State {
    /// The key of a user that there is or was.
    pub(super) fn known_user(&mut self, app: AppId, user: &UserId) -> Answer<UserKey> {
        if !self.apps.contains_key(&app) {
            return Ok(Err(Code::UNKNOWN_APP.into()));
        }
        Ok(self.user_key(app, user)?.ok_or_else(|| Code::USER_NOT_FOUND.into()))
    }

    /// All or none: what is wrong with one of them is found before any is made.
    pub(super) fn create_users(
        &mut self,
        app: AppId,
        users: &[NewUser],
        now: WallTime,
    ) -> Answer<Vec<Made>> {
        if !self.apps.contains_key(&app) {
            return Ok(Err(Code::UNKNOWN_APP.into()));
        }
        if let Err(error) = users.iter().try_for_each(|user| checked_name(&user.name)) {
            return Ok(Err(error));
        }
        let mut made = Vec::with_capacity(users.len());
        for NewUser { id, name } in users {
            made.push(match self.user_key(app, id)? {
                Some(key) if self.is_deleted(key)? => Made::Deleted,
                Some(_) => Made::Known,
                None => {
                    self.create_user(app, id, name, UserSessions::default(), now);
                    Made::Created
                }
            });
        }
        Ok(Ok(made))
    }

    pub(super) fn rename(&mut self, app: AppId, user: &UserId, name: &str) -> Answer<()> {
        let key = match self.known_user(app, user)? {
            Ok(key) => key,
            Err(error) => return Ok(Err(error)),
        };
        if self.is_deleted(key)? {
            return Ok(Err(Code::ACCOUNT_DELETED.into()));
        }
        match checked_name(name) {
            Ok(()) => self.rename_user(key, name).map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }

    pub(super) fn look_up(
        &mut self,
        app: AppId,
        users: &[UserId],
        now: WallTime,
    ) -> Answer<Vec<Option<UserView>>> {
        if !self.apps.contains_key(&app) {
            return Ok(Err(Code::UNKNOWN_APP.into()));
        }
        let mut views = Vec::with_capacity(users.len());
        for user in users {
            let key = self.user_key(app, user)?;
            views.push(key.map(|key| self.view(key, now)).transpose()?);
        }
        Ok(Ok(views))
    }

    /// Those in the table and those that are in memory only, in the order of their ids.
    pub(super) fn list_users(
        &mut self,
        app: AppId,
        page: &UserPage,
        now: WallTime,
    ) -> Answer<Vec<UserView>> {
        if !self.apps.contains_key(&app) {
            return Ok(Err(Code::UNKNOWN_APP.into()));
        }
        let after = page.after.as_ref().map_or("", UserId::as_str);
        let mut ids = self.tables.users_of(app, &page.prefix, after, page.limit)?;
        let wanted = |id: &UserId| id.as_str().starts_with(&page.prefix) && id.as_str() > after;
        ids.extend(self.unmerged_users(app).filter(wanted));
        ids.sort_unstable();
        ids.dedup();
        ids.truncate(page.limit);
        let mut views = Vec::with_capacity(ids.len());
        for id in ids {
            let key = self.user_key(app, &id)?.ok_or(Failure::Damaged("the list of users"))?;
            views.push(self.view(key, now)?);
        }
        Ok(Ok(views))
    }

    /// What would come of a login, by the app's policy or another one (S-7.2).
    pub(super) fn try_policy(
        &mut self,
        app: AppId,
        user: &UserId,
        trial: &Trial,
        now: WallTime,
    ) -> Answer<Outlook> {
        let key = match self.known_user(app, user)? {
            Ok(key) => key,
            Err(error) => return Ok(Err(error)),
        };
        let policy = trial.policy.as_ref().unwrap_or(&self.apps[&app].policy);
        self.glance(key, |user| {
            let sessions = &user.sessions;
            let devices = sessions.devices(now);
            let of = |ids: Vec<SessionId>| {
                let find = |id| devices.iter().find(|device| device.session == id).cloned();
                ids.into_iter().filter_map(find).collect()
            };
            Ok(match sessions.would_admit(policy, &trial.newcomer, None, trial.intent, now) {
                Admission::Accept { displaced } => Outlook::Accepted(of(displaced)),
                Admission::Refuse { holders } => Outlook::Refused(of(holders)),
            })
        })
    }

    pub(super) fn is_deleted(&self, key: UserKey) -> Result<bool, Failure> {
        self.glance(key, |user| user.sessions.standing == Standing::Deleted)
    }

    fn view(&self, key: UserKey, now: WallTime) -> Result<UserView, Failure> {
        self.glance(key, |user| UserView {
            id: user.id.clone(),
            name: user.name.clone(),
            created: user.created,
            standing: user.sessions.standing_at(now),
            erasing: self.is_being_erased(key),
            revoked_before: user.sessions.revoked_before,
            devices: user.sessions.devices(now),
        })
    }
}

fn checked_name(name: &str) -> Result<(), Error> {
    if name.len() <= limits::USER_NAME_BYTES {
        return Ok(());
    }
    Err(invalid("a user name has at most 256 bytes"))
}
