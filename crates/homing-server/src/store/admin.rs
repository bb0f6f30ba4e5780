//! What operators ask for: apps, users, and ends of sessions.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use homing_core::server::version::Minimum;
use homing_proto::id::AppId;
use homing_proto::time::WallTime;
use homing_proto::{Code, Error, limits};
use homing_token::{Format, Key};

use super::app_rows;
use super::command::{Admin, Reply};
use super::effect::{Effect, Effects};
use super::error::Failure;
use super::state::State;
use crate::apps::{Acceptance, App, AppChange, AppKey, NewApp};

impl State {
    pub(super) fn admin(
        &mut self,
        admin: &mut Admin,
        now: WallTime,
        out: &mut Effects,
    ) -> Result<(), Failure> {
        match admin {
            Admin::CreateApp(new, reply) => {
                let answer = self.create_app(new, now)?;
                answer_to(reply, answer, out);
            }
            Admin::ChangeApp(app, change, reply) => {
                let answer = self.change_app(*app, change, now)?;
                answer_to(reply, answer, out);
            }
            Admin::DeleteApp(app, reply) => {
                let answer = self.delete_app(*app, now, out)?;
                answer_to(reply, answer, out);
            }
            Admin::CreateUsers { app, users, reply } => {
                let answer = self.create_users(*app, users, now)?;
                answer_to(reply, answer, out);
            }
            Admin::RenameUser { app, user, name, reply } => {
                let answer = self.rename(*app, user, name)?;
                answer_to(reply, answer, out);
            }
            Admin::Govern { app, user, act, reply } => {
                let answer = match self.known_user(*app, user)? {
                    Ok(key) => self.govern(key, act, now, out)?,
                    Err(error) => Err(error),
                };
                answer_to(reply, answer, out);
            }
            Admin::Devices { app, user, reply } => {
                let answer = match self.known_user(*app, user)? {
                    Ok(key) => Ok(self.glance(key, |user| user.sessions.devices(now))?),
                    Err(error) => Err(error),
                };
                answer_to(reply, answer, out);
            }
            Admin::LookUp { app, users, reply } => {
                let answer = self.look_up(*app, users, now)?;
                answer_to(reply, answer, out);
            }
            Admin::TryPolicy { app, user, trial, reply } => {
                let answer = self.try_policy(*app, user, trial, now)?;
                answer_to(reply, answer, out);
            }
            Admin::ListUsers { app, page, reply } => {
                let answer = self.list_users(*app, page, now)?;
                answer_to(reply, answer, out);
            }
        }
        Ok(())
    }

    fn create_app(&mut self, new: &NewApp, now: WallTime) -> Result<Result<App, Error>, Failure> {
        let id = match new.id {
            Some(id) if self.apps.contains_key(&id) => {
                return Ok(Err(invalid("there is an app with this id")));
            }
            Some(id) if self.deletions.apps.contains_key(&id) => {
                return Ok(Err(invalid("an app with this id was deleted; ids are not used again")));
            }
            Some(id) => id,
            None => match self.next_app_id() {
                Some(id) => id,
                None => return Ok(Err(invalid("all app ids are used"))),
            },
        };
        if let Err(error) = checked_name(&new.name) {
            return Ok(Err(error));
        }
        let (format, key) = new.key.clone().unwrap_or_else(|| (Format::Usersig, self.draw_key()));
        let app = App {
            id,
            name: new.name.clone(),
            created: now,
            policy: new.policy.clone(),
            registration: new.registration,
            acceptance: Acceptance::default(),
            minimum: Minimum::default(),
            session_age_ms: limits::SESSION_AGE_MS,
            keys: vec![AppKey { id: 1, format, key, created: now }],
        };
        self.write_app(app).map(Ok)
    }

    /// The one after the highest that ever was.
    fn next_app_id(&self) -> Option<AppId> {
        let last = self.apps.keys().last().max(self.deletions.apps.keys().last());
        let next = last.map_or(Some(FIRST_APP), |last| last.get().checked_add(1))?;
        AppId::new(next).ok()
    }

    fn change_app(
        &mut self,
        id: AppId,
        change: &AppChange,
        now: WallTime,
    ) -> Result<Result<App, Error>, Failure> {
        let Some(app) = self.apps.get(&id) else { return Ok(Err(Code::UNKNOWN_APP.into())) };
        let mut app = App::clone(app);
        let changed = match change {
            AppChange::Name(name) => checked_name(name).map(|()| name.clone_into(&mut app.name)),
            AppChange::Policy(policy) => {
                app.policy = policy.clone();
                Ok(())
            }
            AppChange::Registration(registration) => {
                app.registration = *registration;
                Ok(())
            }
            AppChange::Acceptance(change) => app.acceptance.apply(change),
            AppChange::Minimum(minimum) => {
                app.minimum = minimum.clone();
                Ok(())
            }
            AppChange::SessionAge(ms) if !SESSION_AGES_MS.contains(ms) => {
                Err(invalid("a session lives for an hour to a year without a connection"))
            }
            AppChange::SessionAge(ms) => {
                app.session_age_ms = *ms;
                Ok(())
            }
            AppChange::AddKey { .. } if app.keys.len() >= KEYS => {
                Err(invalid("an app has at most 16 keys; remove one first"))
            }
            AppChange::AddKey { format, key } if key.check(*format).is_err() => key.check(*format),
            AppChange::AddKey { format, key } => {
                let id = app.keys.iter().map(|key| key.id).max().unwrap_or(0) + 1;
                app.keys.push(AppKey { id, format: *format, key: key.clone(), created: now });
                Ok(())
            }
            AppChange::RemoveKey(id) => {
                let before = app.keys.len();
                app.keys.retain(|key| key.id != *id);
                if app.keys.len() < before { Ok(()) } else { Err(invalid("there is no such key")) }
            }
        };
        match changed {
            Ok(()) => self.write_app(app).map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }

    /// Into the table at once: apps change rarely and are no part of the journal.
    fn write_app(&mut self, app: App) -> Result<App, Failure> {
        self.tables.put_app(&app_rows::write(&app, &self.run.master, &mut *self.run.random))?;
        let mut apps = BTreeMap::clone(&self.apps);
        apps.insert(app.id, Arc::new(app.clone()));
        self.apps = Arc::new(apps);
        Ok(app)
    }

    /// 64 hexadecimal digits, 256 random bits: what vendors' consoles show and people can copy.
    fn draw_key(&mut self) -> Key {
        let mut bytes = zeroize::Zeroizing::new([0_u8; 32]);
        (self.run.random)(&mut *bytes);
        let mut text = Vec::with_capacity(64);
        for byte in bytes.iter() {
            text.extend_from_slice(format!("{byte:02x}").as_bytes());
        }
        Key::new(text).expect("64 bytes are not empty")
    }
}

fn answer_to<T: Send + 'static>(reply: &mut Reply<T>, answer: Result<T, Error>, out: &mut Effects) {
    if let Some(reply) = reply.take() {
        // Whoever asked may have gone.
        out.push(Effect::Reply(Box::new(move || drop(reply.send(answer)))));
    }
}

fn checked_name(name: &str) -> Result<(), Error> {
    if name.len() <= limits::USER_NAME_BYTES {
        return Ok(());
    }
    Err(invalid("an app's name has at most 256 bytes"))
}

pub(super) fn invalid(text: &str) -> Error {
    Error::new(Code::INVALID_ARGUMENT).with_text(text)
}

/// The first app of a server.
const FIRST_APP: u32 = 1;
/// What a session's age may be set to: not so short that a weekend in the mountains signs a user
/// out by mistake of a unit, not so long that nothing is ever forgotten.
const SESSION_AGES_MS: RangeInclusive<u64> = HOUR_MS..=366 * 24 * HOUR_MS;
const HOUR_MS: u64 = 60 * 60 * 1_000;
/// Keys of one app: enough for any rotation, few enough to try them all.
const KEYS: usize = 16;
