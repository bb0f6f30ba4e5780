//! The account's other devices (`NIMOnlineClient`).

use homing::{DeviceId, DeviceInfo, Platform, SessionId};

/// `NIMClientType`, with its numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NimClientType {
    /// `unknown`
    Unknown = 0,
    /// `android`
    Android = 1,
    /// `ios`
    Ios = 2,
    /// `windows`, the original's PC: Linux too.
    Windows = 4,
    /// `wp`: Windows Phone. Homing knows none.
    Wp = 8,
    /// `web`: browsers and mini programs.
    Web = 16,
    /// `restApi`: the server.
    RestApi = 32,
    /// `macos`
    Macos = 64,
    /// `harmony`
    Harmony = 65,
}

impl NimClientType {
    /// The original's number.
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The client type for a platform.
    pub const fn of(platform: Platform) -> Self {
        match platform {
            Platform::Android => Self::Android,
            Platform::Ios | Platform::Ipad => Self::Ios,
            Platform::Harmony => Self::Harmony,
            Platform::Windows | Platform::Linux => Self::Windows,
            Platform::Macos => Self::Macos,
            Platform::Web | Platform::MiniProgram => Self::Web,
            Platform::Other => Self::Unknown,
        }
    }
}

/// `NIMOnlineClient`: another device of the account that is online.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NimOnlineClient {
    /// `os`
    pub os: Option<String>,
    /// `clientType`
    pub client_type: NimClientType,
    /// `loginTime`, in milliseconds since 1970, by the server's clock.
    pub login_time: u64,
    /// `customTag`
    pub custom_tag: Option<String>,
    pub(super) session: SessionId,
}

/// The other devices of the list that are online.
pub(super) fn others(devices: &[DeviceInfo], own: DeviceId) -> Vec<NimOnlineClient> {
    let others = devices.iter().filter(|info| info.online && info.device.id != own);
    others
        .map(|info| NimOnlineClient {
            os: said(&info.device.os),
            client_type: NimClientType::of(info.device.platform),
            login_time: info.login_time.0,
            custom_tag: said(&info.device.tag),
            session: info.session,
        })
        .collect()
}

fn said(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
