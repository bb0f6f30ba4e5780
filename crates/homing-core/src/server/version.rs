//! Which versions an app lets in.

use std::collections::BTreeMap;
use std::fmt;

use homing_proto::Error;
use homing_proto::code::Code;
use homing_proto::device::Platform;

/// The oldest versions that an app lets in. `Default` lets in all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Minimum {
    /// Of the protocol; 0: any that the server speaks.
    pub proto: u32,
    /// Of the SDK, on platforms that have no minimum of their own.
    pub sdk: Option<Version>,
    /// Of the SDK on a platform.
    pub sdk_on: BTreeMap<Platform, Version>,
}

/// Up to three numbers, the most significant first; a missing one is 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Version([u32; 3]);

impl Minimum {
    /// Looks at what a Hello says of itself. `sdk` is `name/version`; one that cannot be read counts
    /// as the oldest of all.
    ///
    /// # Errors
    /// `version_too_old`, with a text that names the oldest version that is let in.
    pub fn check(&self, proto: u32, sdk: &str, platform: Platform) -> Result<(), Error> {
        let refused = |what: &str, least: &dyn fmt::Display| {
            let text = format!("the oldest {what} that this app lets in is {least}");
            Err(Error::new(Code::VERSION_TOO_OLD).with_text(text))
        };
        if proto < self.proto {
            return refused("protocol version", &self.proto);
        }
        let Some(least) = self.sdk_on.get(&platform).or(self.sdk.as_ref()) else {
            return Ok(());
        };
        let version = sdk.rsplit_once('/').and_then(|(_, version)| Version::parse(version));
        if version.is_none_or(|version| version < *least) {
            return refused("SDK version", least);
        }
        Ok(())
    }
}

impl Version {
    /// Reads `1`, `1.2` or `1.2.3`. What follows a `-` or `+` (a pre-release, a build) is passed
    /// over: whoever tries 2.0.0-rc1 is not kept out by a minimum of 2.0.0.
    ///
    /// ```
    /// use homing_core::server::version::Version;
    /// assert!(Version::parse("1.10") > Version::parse("1.9.9"));
    /// assert_eq!(Version::parse("one"), None);
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        let numbers = text.split(['-', '+']).next()?;
        let mut version = Self([0; 3]);
        let mut places = version.0.iter_mut();
        for number in numbers.split('.') {
            if !number.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            *places.next()? = number.parse().ok()?;
        }
        Some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}
