//! `/v1/apps/{app}/policy`: which of a user's devices may be signed in together (S-7.1, V-3).
//!
//! What `GET` gives can be changed and `PUT`. A change applies to new logins only (S-7.9).

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use homing_core::policy::{
    CustomRule, Group, Mix, Newcomer, PlatformCaps, PlatformSet, Policy, Preset,
};
use homing_proto::device::Platform;
use homing_proto::frame::Intent;
use homing_proto::id::UserId;
use homing_proto::{Code, Error, limits};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::form::Form;
use super::path::OfApp;
use super::problem::{Problem, invalid};
use super::users;
use super::{Admin, Api};
use crate::apps::AppChange;
use crate::audit;
use crate::store::{Outlook, Trial};

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/v1/presets", get(presets))
        .route("/v1/apps/{app}/policy", get(show).put(put))
        .route("/v1/apps/{app}/policy:try", post(try_login))
}

type Answer = Result<Json<Value>, Problem>;

/// `GET /v1/presets`: every named policy and what it is.
async fn presets(_: Admin) -> Json<Value> {
    let one = |preset: Preset| {
        let mut view = view(&preset.policy());
        view["preset"] = preset.name().into();
        view
    };
    Json(json!({ "presets": Preset::ALL.map(one) }))
}

/// `GET …/policy`.
async fn show(_: Admin, State(api): State<Api>, OfApp(id): OfApp) -> Answer {
    let app = api.gateway.store.app(id).ok_or(Code::UNKNOWN_APP)?;
    Ok(Json(view(&app.policy)))
}

/// `PUT …/policy`: a preset, or the parts of a policy.
async fn put(
    who: Admin,
    State(api): State<Api>,
    OfApp(id): OfApp,
    Form(parts): Form<Parts>,
) -> Answer {
    let policy = parts.read()?;
    let app = api.gateway.store.change_app(id, AppChange::Policy(policy)).await?;
    audit::app(&who, "policy", id);
    Ok(Json(view(&app.policy)))
}

/// A login that is only thought of.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    user: String,
    platform: String,
    #[serde(default)]
    custom_type: u32,
    /// Whether it may displace others (S-7.5).
    force: Option<bool>,
    /// Instead of the app's.
    policy: Option<Parts>,
}

/// `POST …/policy:try`: who would be displaced if that user signed in on such a device now.
async fn try_login(
    _: Admin,
    State(api): State<Api>,
    OfApp(app): OfApp,
    Form(login): Form<Login>,
) -> Answer {
    let user = UserId::parse(&login.user)?;
    let newcomer =
        Newcomer { platform: platform(&login.platform)?, custom_type: login.custom_type };
    let intent =
        if login.force.unwrap_or(true) { Intent::Explicit } else { Intent::ExplicitPolite };
    let policy = login.policy.map(Parts::read).transpose()?;
    let trial = Trial { policy, newcomer, intent };
    let (accepted, displaced, holders) =
        match api.gateway.store.try_policy(app, user, trial).await? {
            Outlook::Accepted(displaced) => (true, displaced, Vec::new()),
            Outlook::Refused(holders) => (false, Vec::new(), holders),
        };
    Ok(Json(json!({
        "accepted": accepted,
        "displaced": displaced.iter().map(users::session).collect::<Vec<_>>(),
        "holders": holders.iter().map(users::session).collect::<Vec<_>>(),
    })))
}

/// A policy as it is written. What is not said is not bounded beyond what every policy is: 10 on a
/// platform, 20 in total, no groups.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    preset: Option<String>,
    total_cap: Option<u32>,
    platform_caps: Option<Map<String, Value>>,
    groups: Option<Vec<GroupParts>>,
    custom_type_cap: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupParts {
    platforms: Vec<String>,
    #[serde(default)]
    one_platform_at_a_time: bool,
    cap: u32,
}

impl Parts {
    fn read(self) -> Result<Policy, Error> {
        let preset = self.preset.as_deref().map(named).transpose()?;
        let has_parts = self.total_cap.is_some()
            || self.platform_caps.is_some()
            || self.groups.is_some()
            || self.custom_type_cap.is_some();
        match preset {
            Some(preset) if !has_parts => return Ok(preset),
            None if !has_parts => return Err(invalid("a policy is a preset or has parts")),
            _ => {}
        }
        let mut caps = PlatformCaps::all(limits::SESSIONS_PER_PLATFORM);
        for (name, cap) in self.platform_caps.unwrap_or_default() {
            let cap = cap.as_u64().and_then(|cap| u32::try_from(cap).ok());
            let cap = cap.ok_or_else(|| invalid("a cap is a whole number"))?;
            caps = caps.with(platform(&name)?, cap);
        }
        let groups = self.groups.unwrap_or_default().into_iter().map(GroupParts::read);
        let total = self.total_cap.unwrap_or(limits::SESSIONS_PER_USER);
        let custom = self.custom_type_cap.map_or(CustomRule::Ignore, CustomRule::OwnPlaces);
        let policy = Policy::new(groups.collect::<Result<_, _>>()?, caps, total, custom)?;
        if preset.is_some_and(|preset| preset != policy) {
            return Err(invalid("the preset and the parts differ; leave one of them out"));
        }
        Ok(policy)
    }
}

impl GroupParts {
    fn read(self) -> Result<Group, Error> {
        let platforms = self.platforms.iter().map(|name| platform(name));
        let mix = if self.one_platform_at_a_time { Mix::OnePlatform } else { Mix::AnyPlatforms };
        Ok(Group { platforms: platforms.collect::<Result<PlatformSet, _>>()?, mix, cap: self.cap })
    }
}

/// The preset of that name.
pub(super) fn named(name: &str) -> Result<Policy, Error> {
    Preset::from_name(name).map(Preset::policy).ok_or_else(|| {
        let names = Preset::ALL.map(Preset::name).join(", ");
        invalid(&format!("a policy is one of: {names}"))
    })
}

/// `preset` is the first of that effect, or null: several presets have one effect.
pub(super) fn view(policy: &Policy) -> Value {
    let preset = Preset::ALL.into_iter().find(|preset| preset.policy() == *policy);
    let groups: Vec<_> = policy
        .groups()
        .iter()
        .map(|group| {
            json!({
                "platforms": group.platforms.iter().map(Platform::name).collect::<Vec<_>>(),
                "one_platform_at_a_time": group.mix == Mix::OnePlatform,
                "cap": group.cap,
            })
        })
        .collect();
    let caps: Map<_, _> = Platform::ALL
        .into_iter()
        .map(|platform| (platform.name().to_owned(), policy.platform_caps().of(platform).into()))
        .collect();
    let custom_type_cap = match policy.custom() {
        CustomRule::Ignore => None,
        CustomRule::OwnPlaces(cap) => Some(cap),
    };
    json!({
        "preset": preset.map(Preset::name),
        "total_cap": policy.total_cap(),
        "platform_caps": caps,
        "groups": groups,
        "custom_type_cap": custom_type_cap,
    })
}

pub(super) fn platform(name: &str) -> Result<Platform, Error> {
    Platform::from_name(name).ok_or_else(|| {
        let names = Platform::ALL.map(Platform::name).join(", ");
        invalid(&format!("a platform is one of: {names}"))
    })
}
