//! The named policies (S-7.1), three of them as the vendors' consoles offer them.

use homing_proto::device::Platform;

use super::{CustomRule, Group, Mix, PlatformCaps, PlatformSet, Policy};

/// A named policy.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Preset {
    /// One session.
    Single,
    /// One non-web session and one on the web.
    Dual,
    /// One mobile, one desktop and one web session.
    Triple,
    /// One session per platform.
    Multi,
    /// One session.
    NimOne,
    /// One session on desktop or web, one on mobile.
    NimDesktopMobile,
    /// Ten sessions, whatever they run on.
    NimAll,
    /// One session.
    ZimSingle,
    /// One session outside the web, mini programs included, and one on the web.
    ZimDual,
    /// Ten sessions outside the web, mini programs included, and ten on the web.
    ZimMulti,
}

impl Preset {
    /// Every preset.
    pub const ALL: [Self; 10] = [
        Self::Single,
        Self::Dual,
        Self::Triple,
        Self::Multi,
        Self::NimOne,
        Self::NimDesktopMobile,
        Self::NimAll,
        Self::ZimSingle,
        Self::ZimDual,
        Self::ZimMulti,
    ];

    /// The name as written in settings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Dual => "dual",
            Self::Triple => "triple",
            Self::Multi => "multi",
            Self::NimOne => "nim-one",
            Self::NimDesktopMobile => "nim-desktop-mobile",
            Self::NimAll => "nim-all",
            Self::ZimSingle => "zim-single",
            Self::ZimDual => "zim-dual",
            Self::ZimMulti => "zim-multi",
        }
    }

    /// The preset of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.name() == name)
    }

    /// What it allows.
    pub fn policy(self) -> Policy {
        let (groups, cap, total) = match self {
            Self::Single | Self::NimOne | Self::ZimSingle => {
                (vec![exclusive(PlatformSet::ALL)], 1, 1)
            }
            Self::Dual => (vec![exclusive(PlatformSet::ALL.without(WEB)), together(WEB, 1)], 1, 2),
            Self::Triple => (vec![exclusive(MOBILE), exclusive(DESKTOP), together(WEB, 1)], 1, 3),
            Self::Multi => (vec![together(WEB, 1)], 1, 9),
            Self::NimDesktopMobile => {
                (vec![exclusive(DESKTOP.union(WEB)), exclusive(MOBILE)], 1, 2)
            }
            Self::NimAll => (vec![], 10, 10),
            Self::ZimDual => (vec![exclusive(NOT_BROWSER)], 1, 2),
            Self::ZimMulti => (vec![together(NOT_BROWSER, 10)], 10, 20),
        };
        Policy::new(groups, PlatformCaps::all(cap), total, CustomRule::Ignore)
            .expect("every preset is within the bounds")
    }
}

const MOBILE: PlatformSet =
    PlatformSet::of(&[Platform::Android, Platform::Ios, Platform::Ipad, Platform::Harmony]);
// A platform nobody named is counted among the desktops, so that no preset has a place more than
// its name says.
const DESKTOP: PlatformSet =
    PlatformSet::of(&[Platform::Windows, Platform::Macos, Platform::Linux, Platform::Other]);
// Mini programs count as web (Tencent, NIM) ...
const WEB: PlatformSet = PlatformSet::of(&[Platform::Web, Platform::MiniProgram]);
// ... but not in ZIM, where they share the place of the other platforms.
const NOT_BROWSER: PlatformSet = PlatformSet::ALL.without(PlatformSet::of(&[Platform::Web]));

const fn exclusive(platforms: PlatformSet) -> Group {
    Group { platforms, mix: Mix::OnePlatform, cap: 1 }
}

const fn together(platforms: PlatformSet, cap: u32) -> Group {
    Group { platforms, mix: Mix::AnyPlatforms, cap }
}
