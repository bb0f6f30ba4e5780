//! Which versions an app lets in (S-5.2: a version that was refused does not come back by itself).

use homing_core::server::version::{Minimum, Version};
use homing_proto::Code;
use homing_proto::device::Platform;

fn minimum(sdk: &str, on_ios: &str) -> Minimum {
    let mut minimum = Minimum { proto: 0, sdk: Version::parse(sdk), ..Minimum::default() };
    minimum.sdk_on.insert(Platform::Ios, Version::parse(on_ios).unwrap());
    minimum
}

#[test]
fn an_app_without_a_minimum_lets_in_every_version() {
    for sdk in ["homing-rust/0.1.0", "", "/", "x/not a version"] {
        assert!(Minimum::default().check(1, sdk, Platform::Web).is_ok(), "{sdk}");
    }
}

#[test]
fn an_older_sdk_is_refused_with_the_oldest_that_is_let_in() {
    let minimum = minimum("1.2.0", "1.10");
    let refused = |sdk, platform| minimum.check(1, sdk, platform).err();
    for (sdk, platform) in [
        ("homing-rust/1.1.9", Platform::Web),
        ("homing-rust/1.2.0", Platform::Ios),
        ("homing-rust/1.9.9", Platform::Ios),
        ("homing-rust/", Platform::Web),
        ("homing-rust", Platform::Web),
        ("1.2.0", Platform::Web),
        ("homing/1.2.3.4", Platform::Web),
        ("homing/-1", Platform::Web),
        ("homing/99999999999", Platform::Web),
    ] {
        let error = refused(sdk, platform).expect(sdk);
        assert_eq!(error.code, Code::VERSION_TOO_OLD, "{sdk}");
        let least = if platform == Platform::Ios { "1.10.0" } else { "1.2.0" };
        assert!(error.sentence().ends_with(least), "{error}");
    }
    for (sdk, platform) in [
        ("homing-rust/1.2", Platform::Web),
        ("homing-rust/1.2.0-rc1", Platform::Web),
        ("a/b/2", Platform::Linux),
        ("homing-rust/1.10.0", Platform::Ios),
    ] {
        assert_eq!(refused(sdk, platform), None, "{sdk}");
    }
}

#[test]
fn a_lower_protocol_version_is_refused() {
    let minimum = Minimum { proto: 2, ..Minimum::default() };
    assert_eq!(minimum.check(1, "", Platform::Web).unwrap_err().code, Code::VERSION_TOO_OLD);
    assert!(minimum.check(2, "", Platform::Web).is_ok());
}
