//! The stored values: what a journal record and a user's sessions are as bytes.
//!
//! They are promises like the wire: tags are never used again and readers pass over what they do
//! not know. A test holds their bytes.

use bytes::Bytes;
use homing_core::policy::{CustomRule, Group, Mix, PlatformCaps, PlatformSet, Policy};
use homing_core::server::registry::{
    ConnId, Ended, Place, SecretHash, Secrets, Session, Standing, StaticToken, Suspicion,
    UserSessions,
};
use homing_core::server::version::{Minimum, Version};
use homing_proto::device::{Device, DeviceInfo, KickReason, KickRecord, Platform};
use homing_proto::id::{DeviceId, LoginId, SessionId};
use homing_proto::time::WallTime;
use prost::Message;

use super::error::Failure;

/// One journal row: what one command changed, as the state it left.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Record {
    #[prost(oneof = "Change", tags = "1, 2, 3, 4, 5")]
    pub(super) change: Option<Change>,
}

/// See [`Record`].
#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum Change {
    #[prost(message, tag = "1")]
    User(UserChange),
    #[prost(message, tag = "2")]
    Sessions(SessionsChange),
    #[prost(message, tag = "3")]
    Sent(SentChange),
    #[prost(message, tag = "4")]
    Read(ReadChange),
    #[prost(message, tag = "5")]
    Left(LeftChange),
}

/// A user was made or renamed.
#[derive(Clone, PartialEq, Message)]
pub(super) struct UserChange {
    #[prost(uint64, tag = "1")]
    pub(super) user: u64,
    #[prost(uint32, tag = "2")]
    pub(super) app: u32,
    #[prost(string, tag = "3")]
    pub(super) id: String,
    #[prost(string, tag = "4")]
    pub(super) name: String,
    #[prost(uint64, tag = "5")]
    pub(super) created_ms: u64,
}

/// A user's registry value is this one.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SessionsChange {
    #[prost(uint64, tag = "1")]
    pub(super) user: u64,
    #[prost(bytes = "bytes", tag = "2")]
    pub(super) sessions: Bytes,
}

/// A message was taken.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SentChange {
    #[prost(message, optional, tag = "1")]
    pub(super) conversation: Option<ConversationValue>,
    #[prost(bool, tag = "2")]
    pub(super) from_high: bool,
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) client_id: Bytes,
    #[prost(uint64, tag = "4")]
    pub(super) time_ms: u64,
    #[prost(bytes = "bytes", tag = "5")]
    pub(super) content: Bytes,
}

/// A read cursor moved.
#[derive(Clone, PartialEq, Message)]
pub(super) struct ReadChange {
    #[prost(message, optional, tag = "1")]
    pub(super) conversation: Option<ConversationValue>,
    #[prost(bool, tag = "2")]
    pub(super) by_high: bool,
    /// Its place in the reader's log.
    #[prost(uint64, tag = "3")]
    pub(super) offset: u64,
}

/// A member of a conversation is gone for good, and what was only its own with it.
#[derive(Clone, PartialEq, Message)]
pub(super) struct LeftChange {
    #[prost(message, optional, tag = "1")]
    pub(super) conversation: Option<ConversationValue>,
}

/// A conversation's whole state.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(super) struct ConversationValue {
    #[prost(uint64, tag = "1")]
    pub(super) key: u64,
    #[prost(uint64, tag = "2")]
    pub(super) low: u64,
    #[prost(uint64, tag = "3")]
    pub(super) high: u64,
    #[prost(uint64, tag = "4")]
    pub(super) head: u64,
    #[prost(uint64, tag = "5")]
    pub(super) low_count: u64,
    #[prost(uint64, tag = "6")]
    pub(super) low_read: u64,
    #[prost(uint64, tag = "7")]
    pub(super) low_read_own: u64,
    #[prost(uint64, tag = "8")]
    pub(super) high_read: u64,
    #[prost(uint64, tag = "9")]
    pub(super) high_read_own: u64,
    #[prost(uint64, tag = "10")]
    pub(super) low_recent: u64,
    #[prost(uint64, tag = "11")]
    pub(super) high_recent: u64,
}

/// What an app is set to.
#[derive(Clone, PartialEq, Message)]
pub(super) struct AppSettings {
    #[prost(bool, tag = "1")]
    pub(super) auto_register: bool,
    #[prost(message, optional, tag = "2")]
    pub(super) policy: Option<PolicyValue>,
    #[prost(message, optional, tag = "3")]
    pub(super) minimum: Option<MinimumValue>,
    /// 0: the default.
    #[prost(uint64, tag = "4")]
    pub(super) session_age_ms: u64,
    #[prost(message, optional, tag = "10")]
    pub(super) acceptance: Option<AcceptanceValue>,
}

/// What it takes as a credential besides what its keys sign.
#[derive(Clone, PartialEq, Message)]
pub(super) struct AcceptanceValue {
    #[prost(bool, tag = "1")]
    pub(super) allow_cbc: bool,
    #[prost(uint64, tag = "2")]
    pub(super) nim_ttl_max_s: u64,
    #[prost(bool, tag = "3")]
    pub(super) static_tokens: bool,
    /// Empty: there is no third party.
    #[prost(string, tag = "4")]
    pub(super) third_party_url: String,
    #[prost(bool, tag = "5")]
    pub(super) third_party_fail_open: bool,
}

/// The oldest versions that an app lets in, as they are written.
#[derive(Clone, PartialEq, Message)]
pub(super) struct MinimumValue {
    #[prost(uint32, tag = "1")]
    pub(super) proto: u32,
    /// Empty: any.
    #[prost(string, tag = "2")]
    pub(super) sdk: String,
    #[prost(message, repeated, tag = "3")]
    pub(super) on: Vec<MinimumOn>,
}

/// The oldest SDK on one platform.
#[derive(Clone, PartialEq, Message)]
pub(super) struct MinimumOn {
    /// The schema's number.
    #[prost(uint32, tag = "1")]
    platform: u32,
    #[prost(string, tag = "2")]
    sdk: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct PolicyValue {
    #[prost(message, repeated, tag = "1")]
    groups: Vec<GroupValue>,
    /// In the order of the schema's platforms.
    #[prost(uint32, repeated, tag = "2")]
    platform_caps: Vec<u32>,
    #[prost(uint32, tag = "3")]
    total_cap: u32,
    /// 0: custom types are ignored.
    #[prost(uint32, tag = "4")]
    per_custom_type: u32,
}

#[derive(Clone, PartialEq, Message)]
struct GroupValue {
    /// The schema's numbers of the platforms.
    #[prost(uint32, repeated, tag = "1")]
    platforms: Vec<u32>,
    #[prost(bool, tag = "2")]
    one_platform: bool,
    #[prost(uint32, tag = "3")]
    cap: u32,
}

/// An app's keys, sealed before they are stored.
#[derive(Clone, PartialEq, Message)]
pub(super) struct KeyRing {
    #[prost(message, repeated, tag = "1")]
    pub(super) keys: Vec<KeyValue>,
}

/// One key.
#[derive(Clone, PartialEq, Message)]
pub(super) struct KeyValue {
    #[prost(uint32, tag = "1")]
    pub(super) id: u32,
    #[prost(string, tag = "2")]
    pub(super) format: String,
    #[prost(bytes = "vec", tag = "3")]
    pub(super) secret: Vec<u8>,
    #[prost(uint64, tag = "4")]
    pub(super) created_ms: u64,
    /// Its key id or app key; empty: it has none.
    #[prost(string, tag = "5")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, Message)]
struct SessionsValue {
    #[prost(uint64, tag = "1")]
    epoch: u64,
    #[prost(message, repeated, tag = "2")]
    sessions: Vec<SessionValue>,
    #[prost(message, repeated, tag = "3")]
    ended: Vec<EndedValue>,
    #[prost(uint64, tag = "4")]
    revoked_before_ms: u64,
    /// 0 good, 1 banned, 2 deleted.
    #[prost(uint32, tag = "5")]
    standing: u32,
    #[prost(uint64, optional, tag = "6")]
    banned_until_ms: Option<u64>,
    #[prost(message, optional, tag = "7")]
    static_token: Option<StaticTokenValue>,
    #[prost(string, tag = "8")]
    ban_text: String,
}

#[derive(Clone, PartialEq, Message)]
struct StaticTokenValue {
    #[prost(bytes = "bytes", tag = "1")]
    hash: Bytes,
    #[prost(uint64, tag = "2")]
    set_ms: u64,
}

#[derive(Clone, PartialEq, Message)]
struct SessionValue {
    #[prost(bytes = "bytes", tag = "1")]
    id: Bytes,
    #[prost(message, optional, tag = "2")]
    device: Option<DeviceValue>,
    #[prost(bytes = "bytes", tag = "3")]
    secret_hash: Bytes,
    #[prost(uint64, tag = "4")]
    epoch: u64,
    #[prost(uint64, tag = "5")]
    counter: u64,
    #[prost(uint64, tag = "6")]
    login_time_ms: u64,
    #[prost(uint64, optional, tag = "7")]
    credential_expires_ms: Option<u64>,
    #[prost(message, optional, tag = "8")]
    online: Option<ConnValue>,
    /// Set when `online` is not.
    #[prost(uint64, tag = "9")]
    detached_since_ms: u64,
    #[prost(uint64, optional, tag = "10")]
    replayed_ms: Option<u64>,
    #[prost(uint64, optional, tag = "11")]
    swapped_ms: Option<u64>,
    #[prost(bytes = "bytes", optional, tag = "12")]
    login_id: Option<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "13")]
    former_secret_hashes: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct ConnValue {
    #[prost(uint32, tag = "1")]
    incarnation: u32,
    #[prost(uint32, tag = "2")]
    number: u32,
}

#[derive(Clone, PartialEq, Message)]
struct DeviceValue {
    #[prost(bytes = "bytes", tag = "1")]
    id: Bytes,
    #[prost(uint32, tag = "2")]
    platform: u32,
    #[prost(string, tag = "3")]
    os: String,
    #[prost(string, tag = "4")]
    tag: String,
    #[prost(uint32, tag = "5")]
    custom_type: u32,
}

#[derive(Clone, PartialEq, Message)]
struct EndedValue {
    #[prost(bytes = "bytes", tag = "1")]
    session: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    secret_hash: Bytes,
    #[prost(message, optional, tag = "3")]
    kick: Option<KickValue>,
    #[prost(uint64, tag = "4")]
    at_ms: u64,
    #[prost(bytes = "bytes", optional, tag = "5")]
    login_id: Option<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "6")]
    former_secret_hashes: Vec<Bytes>,
}

/// The loser is the ended session it stands with.
#[derive(Clone, PartialEq, Message)]
struct KickValue {
    #[prost(int32, tag = "1")]
    reason: i32,
    #[prost(message, optional, tag = "2")]
    by: Option<DeviceInfoValue>,
    #[prost(string, tag = "3")]
    text: String,
    #[prost(uint64, tag = "4")]
    time_ms: u64,
}

#[derive(Clone, PartialEq, Message)]
struct DeviceInfoValue {
    #[prost(bytes = "bytes", tag = "1")]
    session: Bytes,
    #[prost(message, optional, tag = "2")]
    device: Option<DeviceValue>,
    #[prost(uint64, tag = "3")]
    login_time_ms: u64,
    #[prost(bool, tag = "4")]
    online: bool,
}

impl Record {
    pub(super) fn encode(change: Change) -> Vec<u8> {
        Self { change: Some(change) }.encode_to_vec()
    }
}

/// Writes a user's registry value.
pub(super) fn encode_sessions(value: &UserSessions) -> Vec<u8> {
    let (standing, banned_until, ban_text) = match &value.standing {
        Standing::Good => (0, None, ""),
        Standing::Banned { until, text } => (1, *until, text.as_str()),
        Standing::Deleted => (2, None, ""),
    };
    SessionsValue {
        epoch: value.epoch,
        sessions: value.sessions.iter().map(session).collect(),
        ended: value.ended.iter().map(ended).collect(),
        revoked_before_ms: value.revoked_before.0,
        standing,
        banned_until_ms: ms(banned_until),
        static_token: value.static_token.map(|token| StaticTokenValue {
            hash: Bytes::copy_from_slice(&token.hash.0),
            set_ms: token.set.0,
        }),
        ban_text: ban_text.to_owned(),
    }
    .encode_to_vec()
}

/// Reads a user's registry value.
pub(super) fn decode_sessions(bytes: Bytes) -> Result<UserSessions, Failure> {
    let value = SessionsValue::decode(bytes).map_err(|_| Failure::Damaged("a user's sessions"))?;
    Ok(UserSessions {
        epoch: value.epoch,
        sessions: value.sessions.into_iter().map(read_session).collect::<Result<_, _>>()?,
        ended: value.ended.into_iter().map(read_ended).collect::<Result<_, _>>()?,
        revoked_before: WallTime(value.revoked_before_ms),
        standing: match value.standing {
            0 => Standing::Good,
            1 => Standing::Banned {
                until: value.banned_until_ms.map(WallTime),
                text: value.ban_text,
            },
            2 => Standing::Deleted,
            _ => return Err(Failure::Damaged("a user's standing")),
        },
        static_token: value.static_token.map(read_static_token).transpose()?,
    })
}

fn read_static_token(value: StaticTokenValue) -> Result<StaticToken, Failure> {
    let hash = value.hash[..].try_into().map_err(|_| Failure::Damaged("a static token"))?;
    Ok(StaticToken { hash: SecretHash(hash), set: WallTime(value.set_ms) })
}

/// A policy as it is stored.
pub(super) fn policy(policy: &Policy) -> PolicyValue {
    PolicyValue {
        groups: policy
            .groups()
            .iter()
            .map(|group| GroupValue {
                platforms: group.platforms.iter().map(platform_number).collect(),
                one_platform: group.mix == Mix::OnePlatform,
                cap: group.cap,
            })
            .collect(),
        platform_caps: Platform::ALL.iter().map(|p| policy.platform_caps().of(*p)).collect(),
        total_cap: policy.total_cap(),
        per_custom_type: match policy.custom() {
            CustomRule::Ignore => 0,
            CustomRule::OwnPlaces(cap) => cap,
        },
    }
}

/// Reads a stored policy.
pub(super) fn read_policy(value: &PolicyValue) -> Result<Policy, Failure> {
    let mut caps = PlatformCaps::all(1);
    for (platform, cap) in Platform::ALL.into_iter().zip(&value.platform_caps) {
        caps = caps.with(platform, *cap);
    }
    let groups = value
        .groups
        .iter()
        .map(|group| {
            Ok(Group {
                platforms: group
                    .platforms
                    .iter()
                    .map(|number| read_platform(*number))
                    .collect::<Result<PlatformSet, Failure>>()?,
                mix: if group.one_platform { Mix::OnePlatform } else { Mix::AnyPlatforms },
                cap: group.cap,
            })
        })
        .collect::<Result<_, Failure>>()?;
    let custom = match value.per_custom_type {
        0 => CustomRule::Ignore,
        cap => CustomRule::OwnPlaces(cap),
    };
    Policy::new(groups, caps, value.total_cap, custom)
        .map_err(|_| Failure::Damaged("an app's policy"))
}

/// The oldest versions as they are stored.
pub(super) fn minimum(minimum: &Minimum) -> MinimumValue {
    let written = |version: Version| version.to_string();
    MinimumValue {
        proto: minimum.proto,
        sdk: minimum.sdk.map(written).unwrap_or_default(),
        on: minimum
            .sdk_on
            .iter()
            .map(|(platform, sdk)| MinimumOn {
                platform: platform_number(*platform),
                sdk: sdk.to_string(),
            })
            .collect(),
    }
}

/// Reads stored oldest versions.
pub(super) fn read_minimum(value: MinimumValue) -> Result<Minimum, Failure> {
    let version = |text: &str| {
        Version::parse(text).ok_or(Failure::Damaged("the oldest version an app lets in"))
    };
    Ok(Minimum {
        proto: value.proto,
        sdk: if value.sdk.is_empty() { None } else { Some(version(&value.sdk)?) },
        sdk_on: value
            .on
            .iter()
            .map(|on| Ok((read_platform(on.platform)?, version(&on.sdk)?)))
            .collect::<Result<_, Failure>>()?,
    })
}

fn session(session: &Session) -> SessionValue {
    let (online, detached_since_ms) = match session.place {
        Place::Online(ConnId { incarnation, number }) => {
            (Some(ConnValue { incarnation, number }), 0)
        }
        Place::Detached { since } => (None, since.0),
    };
    SessionValue {
        id: bytes(&session.id.0),
        device: Some(device(&session.device)),
        secret_hash: bytes(&session.secrets.latest.0),
        epoch: session.epoch,
        counter: session.counter,
        login_time_ms: session.login_time.0,
        credential_expires_ms: ms(session.credential_expires),
        online,
        detached_since_ms,
        replayed_ms: ms(session.suspicion.replayed),
        swapped_ms: ms(session.suspicion.swapped),
        login_id: session.login_id.map(|id| bytes(&id.0)),
        former_secret_hashes: former(&session.secrets),
    }
}

fn read_session(value: SessionValue) -> Result<Session, Failure> {
    Ok(Session {
        id: session_id(&value.id)?,
        device: read_device(value.device)?,
        secrets: secrets(&value.secret_hash, &value.former_secret_hashes)?,
        epoch: value.epoch,
        counter: value.counter,
        login_time: WallTime(value.login_time_ms),
        credential_expires: value.credential_expires_ms.map(WallTime),
        place: match value.online {
            Some(ConnValue { incarnation, number }) => {
                Place::Online(ConnId { incarnation, number })
            }
            None => Place::Detached { since: WallTime(value.detached_since_ms) },
        },
        suspicion: Suspicion {
            replayed: value.replayed_ms.map(WallTime),
            swapped: value.swapped_ms.map(WallTime),
        },
        login_id: login_id(value.login_id)?,
    })
}

fn ended(ended: &Ended) -> EndedValue {
    EndedValue {
        session: bytes(&ended.session.0),
        secret_hash: bytes(&ended.secrets.latest.0),
        kick: ended.kick.as_ref().map(|kick| KickValue {
            reason: reason_number(kick.reason),
            by: kick.by.as_ref().map(|by| DeviceInfoValue {
                session: bytes(&by.session.0),
                device: Some(device(&by.device)),
                login_time_ms: by.login_time.0,
                online: by.online,
            }),
            text: kick.text.clone(),
            time_ms: kick.time.0,
        }),
        at_ms: ended.at.0,
        login_id: ended.login_id.map(|id| bytes(&id.0)),
        former_secret_hashes: former(&ended.secrets),
    }
}

fn read_ended(value: EndedValue) -> Result<Ended, Failure> {
    let session = session_id(&value.session)?;
    let kick = value.kick.map(|kick| {
        let by = kick.by.map(|by| {
            Ok::<_, Failure>(DeviceInfo {
                session: session_id(&by.session)?,
                device: read_device(by.device)?,
                login_time: WallTime(by.login_time_ms),
                online: by.online,
            })
        });
        Ok::<_, Failure>(KickRecord {
            session,
            reason: read_reason(kick.reason),
            by: by.transpose()?,
            text: kick.text,
            time: WallTime(kick.time_ms),
        })
    });
    Ok(Ended {
        session,
        secrets: secrets(&value.secret_hash, &value.former_secret_hashes)?,
        kick: kick.transpose()?,
        at: WallTime(value.at_ms),
        login_id: login_id(value.login_id)?,
    })
}

fn device(device: &Device) -> DeviceValue {
    DeviceValue {
        id: bytes(&device.id.0),
        platform: platform_number(device.platform),
        os: device.os.clone(),
        tag: device.tag.clone(),
        custom_type: device.custom_type,
    }
}

fn read_device(value: Option<DeviceValue>) -> Result<Device, Failure> {
    let value = value.ok_or(Failure::Damaged("a session without a device"))?;
    Ok(Device {
        id: DeviceId::from_slice(&value.id).ok_or(Failure::Damaged("a device id"))?,
        platform: read_platform(value.platform)?,
        os: value.os,
        tag: value.tag,
        custom_type: value.custom_type,
    })
}

/// The numbers of the schema: `ALL` has its order, and its zero means nothing.
fn platform_number(platform: Platform) -> u32 {
    platform as u32 + 1
}

fn read_platform(number: u32) -> Result<Platform, Failure> {
    (number as usize)
        .checked_sub(1)
        .and_then(|index| Platform::ALL.get(index).copied())
        .ok_or(Failure::Damaged("a platform"))
}

const fn reason_number(reason: KickReason) -> i32 {
    match reason {
        KickReason::Policy => 1,
        KickReason::OwnDevice => 2,
        KickReason::Server => 3,
        KickReason::DeviceConflict => 4,
        KickReason::Banned => 5,
        KickReason::AccountDeleted => 6,
        KickReason::SessionExpired => 7,
        KickReason::Unknown(number) => number,
    }
}

const fn read_reason(number: i32) -> KickReason {
    match number {
        1 => KickReason::Policy,
        2 => KickReason::OwnDevice,
        3 => KickReason::Server,
        4 => KickReason::DeviceConflict,
        5 => KickReason::Banned,
        6 => KickReason::AccountDeleted,
        7 => KickReason::SessionExpired,
        other => KickReason::Unknown(other),
    }
}

fn session_id(bytes: &Bytes) -> Result<SessionId, Failure> {
    SessionId::from_slice(bytes).ok_or(Failure::Damaged("a session id"))
}

fn login_id(bytes: Option<Bytes>) -> Result<Option<LoginId>, Failure> {
    let Some(bytes) = bytes else { return Ok(None) };
    LoginId::from_slice(&bytes).map(Some).ok_or(Failure::Damaged("a login id"))
}

fn secrets(latest: &Bytes, former: &[Bytes]) -> Result<Secrets, Failure> {
    let former = former.iter().map(secret_hash).collect::<Result<_, _>>()?;
    Ok(Secrets { latest: secret_hash(latest)?, former })
}

fn former(secrets: &Secrets) -> Vec<Bytes> {
    secrets.former.iter().map(|hash| bytes(&hash.0)).collect()
}

fn secret_hash(bytes: &Bytes) -> Result<SecretHash, Failure> {
    bytes[..].try_into().map(SecretHash).map_err(|_| Failure::Damaged("a secret's hash"))
}

fn bytes(slice: &[u8]) -> Bytes {
    Bytes::copy_from_slice(slice)
}

fn ms(time: Option<WallTime>) -> Option<u64> {
    time.map(|time| time.0)
}

#[cfg(test)]
mod tests;
