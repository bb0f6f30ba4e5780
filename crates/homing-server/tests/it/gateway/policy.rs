//! An app's policy through the admin API, and what it does to real connections.

use homing_core::policy::Preset;
use homing_proto::Code;
use homing_proto::device::{KickReason, Platform};
use homing_proto::frame::{Binding, Intent};
use serde_json::{Value, json};

use super::world::{ADMIN, World, resume};

const POLICY: &str = "/v1/apps/1/policy";
const TRY: &str = "/v1/apps/1/policy:try";

/// S-7.1: groups over platforms, caps per platform, group and in total, a rule for client types.
#[tokio::test]
async fn a_custom_policy_is_put_and_read_back_part_by_part() {
    let world = World::administered().await;
    let (_, first) = world.admin("GET", POLICY, Value::Null).await;
    assert_eq!(first["preset"], "triple", "what a new app starts with");
    let parts = json!({
        "groups": [
            {"platforms": ["ios", "android"], "one_platform_at_a_time": true, "cap": 2},
            {"platforms": ["windows", "web"], "cap": 3},
        ],
        "platform_caps": {"web": 2},
        "total_cap": 5,
        "custom_type_cap": 1,
    });
    let (status, put) = world.admin("PUT", POLICY, parts).await;
    assert_eq!(status, 200, "{put}");
    let (_, got) = world.admin("GET", POLICY, Value::Null).await;
    assert_eq!(put, got);
    assert_eq!((&got["preset"], &got["total_cap"]), (&Value::Null, &json!(5)));
    assert_eq!(
        (&got["platform_caps"]["web"], &got["platform_caps"]["ios"]),
        (&json!(2), &json!(10))
    );
    assert_eq!(
        (&got["groups"][0]["one_platform_at_a_time"], &got["custom_type_cap"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(got["groups"][1]["platforms"], json!(["windows", "web"]));
    // What was read can be written, and a restart keeps it.
    assert_eq!(world.admin("PUT", POLICY, got.clone()).await.1, got);
    let World { running, dir, .. } = world;
    running.shutdown().await;
    let admin = homing_proto::secret::Token::new(ADMIN);
    let world = World::in_dir(dir, |config| config.admin_token = Some(admin)).await;
    assert_eq!(world.admin("GET", POLICY, Value::Null).await.1, got);
}

#[tokio::test]
async fn every_preset_is_listed_and_can_be_set_by_name_or_by_its_parts() {
    let world = World::administered().await;
    let (_, list) = world.admin("GET", "/v1/presets", Value::Null).await;
    let list = list["presets"].as_array().unwrap();
    assert_eq!(list.len(), Preset::ALL.len());
    for view in list {
        let (status, put) = world.admin("PUT", POLICY, view.clone()).await;
        assert_eq!(status, 200, "{put}");
        let (_, by_name) = world.admin("PUT", POLICY, json!({"preset": view["preset"]})).await;
        assert_eq!(put, by_name);
        assert_eq!(put["groups"], view["groups"]);
    }
}

/// S-7.1: the bounds of every policy.
#[tokio::test]
async fn a_policy_beyond_the_bounds_is_refused_and_changes_nothing() {
    let world = World::administered().await;
    let wrong = [
        json!({}),
        json!({"preset": "best"}),
        json!({"preset": "dual", "total_cap": 9}),
        json!({"total_cap": 0}),
        json!({"total_cap": 21}),
        json!({"platform_caps": {"web": 11}}),
        json!({"platform_caps": {"ios": 0}}),
        json!({"platform_caps": {"amiga": 1}}),
        json!({"platform_caps": {"ios": "one"}}),
        json!({"custom_type_cap": 11}),
        json!({"groups": [{"platforms": [], "cap": 1}]}),
        json!({"groups": [{"platforms": ["ios"], "cap": 11}]}),
        json!({"groups": [{"platforms": ["ios"], "cap": 1}, {"platforms": ["ios"], "cap": 1}]}),
    ];
    for parts in wrong {
        let (status, refused) = world.admin("PUT", POLICY, parts.clone()).await;
        assert_eq!((status, &refused["name"]), (400, &json!("invalid_argument")), "{parts}");
    }
    assert_eq!(world.admin("PUT", POLICY, json!({"totl_cap": 1})).await.0, 422);
    assert_eq!(world.admin("PUT", "/v1/apps/7/policy", json!({"preset": "dual"})).await.0, 404);
    assert_eq!(world.http("PUT", POLICY, None, "{}").await.0, 401);
    assert_eq!(world.admin("GET", POLICY, Value::Null).await.1["preset"], "triple");
}

/// S-7.9: live sessions stay, also across a lost link; the next login is judged by the new policy.
#[tokio::test]
async fn a_change_of_policy_applies_to_new_logins_only() {
    let world = World::administered().await;
    world.admin("PUT", POLICY, json!({"preset": "multi"})).await;
    let (phone, one) = world.login("alice", 1, Platform::Ios).await;
    let (mut desk, _) = world.login("alice", 2, Platform::Linux).await;
    world.admin("PUT", POLICY, json!({"preset": "single"})).await;
    desk.ping().await;
    drop(phone);
    let back = resume(world.hello("alice", 1, Platform::Ios), &one, 2);
    let (mut phone, again) = world.login_with(back).await;
    assert_eq!(again.binding, Binding::Resumed);
    desk.ping().await;
    assert_eq!(again.devices.len(), 2, "more than the new policy has room for");

    let (_web, _) = world.login("alice", 3, Platform::Web).await;
    for loser in [&mut phone, &mut desk] {
        let record = loser.closed().await.kick.expect("a record");
        assert_eq!(record.reason, KickReason::Policy);
    }
}

/// S-7.2 by word of the admin API: what is told is what then happens.
#[tokio::test]
async fn a_dry_run_names_those_whom_the_login_would_displace() {
    let world = World::administered().await;
    let (mut phone, one) = world.login("alice", 1, Platform::Ios).await;
    let (mut desk, _) = world.login("alice", 2, Platform::Linux).await;
    let ask = |fields: Value| {
        let mut login = json!({"user": "alice", "platform": "android"});
        login.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        login
    };
    let (status, told) = world.admin("POST", TRY, ask(json!({}))).await;
    assert_eq!((status, &told["accepted"]), (200, &json!(true)), "{told}");
    assert_eq!(told["displaced"].as_array().unwrap().len(), 1);
    assert_eq!(told["displaced"][0]["session"], one.session.to_string());
    let (_, polite) = world.admin("POST", TRY, ask(json!({"force": false}))).await;
    assert_eq!(
        (&polite["accepted"], &polite["holders"][0]["platform"]),
        (&json!(false), &json!("ios"))
    );
    let single = json!({"policy": {"preset": "single"}});
    let (_, other) = world.admin("POST", TRY, ask(single)).await;
    assert_eq!(other["displaced"].as_array().unwrap().len(), 2);
    for untouched in [&mut phone, &mut desk] {
        untouched.ping().await;
    }
    let (_newcomer, _) = world.login("alice", 3, Platform::Android).await;
    assert_eq!(phone.closed().await.kick.unwrap().session, one.session);
    desk.ping().await;
    for (wrong, status) in [
        (json!({"user": "nobody", "platform": "ios"}), 404),
        (json!({"user": "alice", "platform": "amiga"}), 400),
        (json!({"user": "alice"}), 422),
    ] {
        assert_eq!(world.admin("POST", TRY, wrong).await.0, status);
    }
}

/// S-7.5: `force: false` is answered with who holds the place, and nothing changes.
#[tokio::test]
async fn a_polite_login_at_the_limit_is_told_who_holds_the_place() {
    let world = World::administered().await;
    world.admin("PUT", POLICY, json!({"preset": "single"})).await;
    let (mut phone, one) = world.login("alice", 1, Platform::Ios).await;
    let mut polite = world.hello("alice", 2, Platform::Linux);
    polite.intent = Intent::ExplicitPolite;
    let refuse = world.refused(polite).await;
    assert_eq!((refuse.error.code, refuse.terminal), (Code::DEVICE_LIMIT, true));
    let holders: Vec<_> = refuse.holders.iter().map(|holder| holder.session).collect();
    assert_eq!(holders, [one.session]);
    phone.ping().await;
}
