//! Who of one user's devices may be signed in together (S-7.1), and who goes when one more comes.
//!
//! A [`Policy`] is plain data: exclusion groups over platforms, caps, and a rule for the app's own
//! client types. [`admit`] is the whole decision, a pure function (S-7.2).
//!
//! The places of a policy lie inside one another: a *place* (a platform, or a client type that has
//! places of its own) lies in at most one group, and everything lies in the total. [`Policy::new`]
//! sees to that; it is what lets [`admit`] find the least displaced set without a search.

mod admit;
mod preset;

use homing_proto::device::Platform;
use homing_proto::{Code, Error, limits};

pub use admit::{Admission, Held, Newcomer, admit};
pub use preset::Preset;

/// What an app allows its users' devices (S-7.1). Always valid; see [`Policy::new`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    groups: Vec<Group>,
    platform_caps: PlatformCaps,
    total_cap: u32,
    custom: CustomRule,
}

/// Platforms that are counted together, and what they may hold together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Group {
    /// The platforms. A platform is in one group at most.
    pub platforms: PlatformSet,
    /// Whether sessions on different ones of them may live at the same time.
    pub mix: Mix,
    /// Sessions in the group, 1 to 10.
    pub cap: u32,
}

/// Whether different platforms of a group may be signed in at the same time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Mix {
    /// One platform at a time: an exclusion group.
    OnePlatform,
    /// Any of them together, up to the group's cap.
    AnyPlatforms,
}

/// What the app's own client type ([`Device::custom_type`](homing_proto::device::Device)) means.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum CustomRule {
    /// Nothing: the platform alone counts.
    Ignore,
    /// A session with a type other than 0 takes a place of that type instead of one of its
    /// platform: outside all groups, at most this many per type (1 to 10), within the total.
    OwnPlaces(u32),
}

impl Policy {
    /// A policy of these parts.
    ///
    /// # Errors
    /// `invalid_argument`, with a text that says which part, when a cap is 0, a cap of a platform,
    /// group or type is above 10, the total is above 20, a group is empty, or a platform is in two
    /// groups.
    pub fn new(
        groups: Vec<Group>,
        platform_caps: PlatformCaps,
        total_cap: u32,
        custom: CustomRule,
    ) -> Result<Self, Error> {
        let mut grouped = PlatformSet::EMPTY;
        for group in &groups {
            if group.platforms == PlatformSet::EMPTY {
                return Err(invalid("a group needs at least one platform"));
            }
            if grouped.meets(group.platforms) {
                return Err(invalid("a platform may be in one group only"));
            }
            grouped = grouped.union(group.platforms);
            checked_cap(group.cap, limits::SESSIONS_PER_PLATFORM, "group")?;
        }
        for platform in Platform::ALL {
            checked_cap(platform_caps.of(platform), limits::SESSIONS_PER_PLATFORM, "platform")?;
        }
        checked_cap(total_cap, limits::SESSIONS_PER_USER, "total")?;
        if let CustomRule::OwnPlaces(cap) = custom {
            checked_cap(cap, limits::SESSIONS_PER_PLATFORM, "custom type")?;
        }
        Ok(Self { groups, platform_caps, total_cap, custom })
    }

    /// The policy of that preset.
    pub fn preset(preset: Preset) -> Self {
        preset.policy()
    }

    /// The groups, without overlap.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Sessions per platform.
    pub const fn platform_caps(&self) -> PlatformCaps {
        self.platform_caps
    }

    /// Sessions in total, 1 to 20.
    pub const fn total_cap(&self) -> u32 {
        self.total_cap
    }

    /// The rule for the app's own client types.
    pub const fn custom(&self) -> CustomRule {
        self.custom
    }
}

impl Default for Policy {
    /// What a new app starts with: [`Preset::Triple`].
    fn default() -> Self {
        Self::preset(Preset::Triple)
    }
}

/// A set of platforms.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PlatformSet(u16);

impl PlatformSet {
    /// No platform.
    pub const EMPTY: Self = Self(0);
    /// Every platform.
    pub const ALL: Self = Self((1 << Platform::ALL.len()) - 1);

    /// These platforms.
    pub const fn of(platforms: &[Platform]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < platforms.len() {
            bits |= bit(platforms[i]);
            i += 1;
        }
        Self(bits)
    }

    /// Whether it is one of them.
    pub const fn contains(self, platform: Platform) -> bool {
        self.0 & bit(platform) != 0
    }

    /// Whether the two have a platform in common.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// All of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These without the others.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// In the order of the schema.
    pub fn iter(self) -> impl Iterator<Item = Platform> {
        Platform::ALL.into_iter().filter(move |platform| self.contains(*platform))
    }
}

impl FromIterator<Platform> for PlatformSet {
    fn from_iter<I: IntoIterator<Item = Platform>>(platforms: I) -> Self {
        Self(platforms.into_iter().fold(0, |bits, platform| bits | bit(platform)))
    }
}

impl std::fmt::Debug for PlatformSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Sessions allowed on each platform, 1 to 10.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlatformCaps([u32; Platform::ALL.len()]);

impl PlatformCaps {
    /// The same on every platform.
    pub const fn all(cap: u32) -> Self {
        Self([cap; Platform::ALL.len()])
    }

    /// This one changed.
    #[must_use]
    pub const fn with(mut self, platform: Platform, cap: u32) -> Self {
        self.0[platform as usize] = cap;
        self
    }

    /// The cap of this platform.
    pub const fn of(self, platform: Platform) -> u32 {
        self.0[platform as usize]
    }
}

const fn bit(platform: Platform) -> u16 {
    1 << platform as u16
}

fn checked_cap(cap: u32, most: u32, what: &str) -> Result<(), Error> {
    if (1..=most).contains(&cap) {
        return Ok(());
    }
    Err(invalid(&format!("the {what} cap must be 1 to {most}")))
}

fn invalid(text: &str) -> Error {
    Error::new(Code::INVALID_ARGUMENT).with_text(text)
}
