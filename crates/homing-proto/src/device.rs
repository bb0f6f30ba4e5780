//! Devices, platforms and the record of who displaced whom (S-1, S-7).

use crate::id::{DeviceId, SessionId};
use crate::time::WallTime;

/// What an app runs on (S-1.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Platform {
    Android,
    Ios,
    Ipad,
    Harmony,
    Windows,
    Macos,
    Linux,
    Web,
    MiniProgram,
    Other,
}

/// The broad kinds of platform that policies speak of (S-1.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[allow(missing_docs, reason = "the names say it")]
pub enum PlatformClass {
    Mobile,
    Desktop,
    Web,
    Other,
}

impl Platform {
    /// Every platform, in the order of the schema.
    pub const ALL: [Self; 10] = [
        Self::Android,
        Self::Ios,
        Self::Ipad,
        Self::Harmony,
        Self::Windows,
        Self::Macos,
        Self::Linux,
        Self::Web,
        Self::MiniProgram,
        Self::Other,
    ];

    /// The name as written in settings and shown to people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Android => "android",
            Self::Ios => "ios",
            Self::Ipad => "ipad",
            Self::Harmony => "harmony",
            Self::Windows => "windows",
            Self::Macos => "macos",
            Self::Linux => "linux",
            Self::Web => "web",
            Self::MiniProgram => "mini_program",
            Self::Other => "other",
        }
    }

    /// The platform of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.name() == name)
    }

    /// The broad kind.
    pub const fn class(self) -> PlatformClass {
        match self {
            Self::Android | Self::Ios | Self::Ipad | Self::Harmony => PlatformClass::Mobile,
            Self::Windows | Self::Macos | Self::Linux => PlatformClass::Desktop,
            Self::Web | Self::MiniProgram => PlatformClass::Web,
            Self::Other => PlatformClass::Other,
        }
    }
}

/// What a device says of itself (S-1.3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Device {
    /// The install.
    pub id: DeviceId,
    /// What it runs on.
    pub platform: Platform,
    /// The operating system in its own words, at most 32 bytes.
    pub os: String,
    /// The app's own mark, at most 32 bytes.
    pub tag: String,
    /// The app's own client type; 0 when it has none.
    pub custom_type: u32,
}

/// A device as the account's other devices see it (S-7.7).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceInfo {
    /// The login it holds.
    pub session: SessionId,
    /// The device.
    pub device: Device,
    /// When it logged in, by the server's clock.
    pub login_time: WallTime,
    /// Connected, or cut off less than 60 s ago (S-1.6).
    pub online: bool,
}

/// Why a session lost its place (S-7.6).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum KickReason {
    /// Another device's explicit login, by the app's policy.
    Policy,
    /// The user ended it from an own device.
    OwnDevice,
    /// An operator ended it.
    Server,
    /// The device's data was copied to another machine (S-7.10).
    DeviceConflict,
    /// The user was banned.
    Banned,
    /// The account was deleted.
    AccountDeleted,
    /// Nobody was there for too long.
    SessionExpired,
    /// A reason this version does not know.
    Unknown(i32),
}

impl KickReason {
    /// The name as it is written in JSON and settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Policy => "policy",
            Self::OwnDevice => "own_device",
            Self::Server => "server",
            Self::DeviceConflict => "device_conflict",
            Self::Banned => "banned",
            Self::AccountDeleted => "account_deleted",
            Self::SessionExpired => "session_expired",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// Who lost a place, to whom, why and when (S-7.6).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KickRecord {
    /// The session that ended.
    pub session: SessionId,
    /// Why.
    pub reason: KickReason,
    /// The device that did it; `None` when the server did.
    pub by: Option<DeviceInfo>,
    /// Words for a person, at most 256 bytes.
    pub text: String,
    /// When, by the server's clock.
    pub time: WallTime,
}
