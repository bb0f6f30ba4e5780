//! The examples, as the README runs them, against a real server: what they print, line by line.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::server::World;

/// Runs an example and gives what it printed.
async fn run(name: &'static str) -> String {
    let world = World::start().await;
    let file = world.dev_file();
    let test = std::env::current_exe().unwrap();
    let example = test.parent().and_then(Path::parent).unwrap().join("examples").join(name);
    assert!(
        example.exists(),
        "`cargo test -p homing-compat` builds the examples, `--test` does not"
    );
    let example =
        tokio::task::spawn_blocking(move || Command::new(example).arg(file).output().unwrap());
    let output = example.await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    world.stop().await;
    String::from_utf8(output.stdout).unwrap()
}

/// Compares the lines of each device, which stand in its own order; between devices there is none.
fn assert_lines(printed: &str, expected: &[(&str, &[&str])]) {
    let mut devices: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in printed.lines() {
        let (device, line) = line.split_once(": ").unwrap();
        devices.entry(device).or_default().push(line);
    }
    for (device, lines) in expected {
        assert_eq!(devices.remove(device).as_deref(), Some(*lines), "{device}\n{printed}");
    }
    assert!(devices.is_empty(), "{devices:?}");
}

#[tokio::test]
async fn nim_prints_the_events_of_nim_in_the_order_of_its_diagram() {
    assert_lines(
        &run("nim").await,
        &[
            (
                "phone",
                &[
                    "NIMAuthStatusEvent unLogin",
                    "NIMAuthStatusEvent connecting",
                    "NIMAuthStatusEvent logging",
                    "NIMAuthStatusEvent pwdError",
                    "login with a bad token: code 302",
                    "NIMAuthStatusEvent connecting",
                    "NIMAuthStatusEvent logging",
                    "NIMAuthStatusEvent loggedIn",
                    "NIMDataSyncStatusEvent dataSyncStart",
                    "NIMDataSyncStatusEvent dataSyncFinish",
                    "login: code 200",
                    "online client, type 4, Some(\"desk\")",
                    "kickOutOtherOnlineClient: code 200",
                    "NIMAuthStatusEvent unLogin",
                    "NIMAuthStatusEvent connecting",
                    "NIMAuthStatusEvent logging",
                    "NIMAuthStatusEvent loggedIn",
                    "NIMDataSyncStatusEvent dataSyncStart",
                    "NIMDataSyncStatusEvent dataSyncFinish",
                    "NIMKickOutByOtherClientEvent kickOut by client type Some(2)",
                    "NIMAuthStatusEvent unLogin",
                    "NIMKickOutByOtherClientEvent kickOut by client type Some(2)",
                ],
            ),
            (
                "pc",
                &[
                    "NIMAuthStatusEvent unLogin",
                    "NIMAuthStatusEvent connecting",
                    "NIMAuthStatusEvent logging",
                    "NIMAuthStatusEvent loggedIn",
                    "NIMDataSyncStatusEvent dataSyncStart",
                    "NIMDataSyncStatusEvent dataSyncFinish",
                    "login: code 200",
                    "NIMKickOutByOtherClientEvent kickOutByOtherClient by client type Some(2)",
                ],
            ),
            (
                "other",
                &[
                    "NIMAuthStatusEvent unLogin",
                    "NIMAuthStatusEvent connecting",
                    "NIMAuthStatusEvent logging",
                    "NIMAuthStatusEvent loggedIn",
                    "NIMDataSyncStatusEvent dataSyncStart",
                    "NIMDataSyncStatusEvent dataSyncFinish",
                    "login: code 200",
                    "NIMAuthStatusEvent unLogin",
                    "logout: code 200",
                ],
            ),
        ],
    );
}

#[tokio::test]
async fn v2tim_prints_the_callbacks_of_tencent_chat() {
    assert_lines(
        &run("v2tim").await,
        &[
            (
                "phone",
                &[
                    "login status 3",
                    "onConnecting",
                    "login with a bad sig: code 70003",
                    "onConnecting",
                    "onConnectSuccess",
                    "onSyncServerStart",
                    "onSyncServerFinish",
                    "login: code 0",
                    "login status 1",
                    "login user \"alice\"",
                    "onKickedOffline",
                    "send: code 6014",
                    "onConnecting",
                    "onConnectSuccess",
                    "onSyncServerStart",
                    "onSyncServerFinish",
                    "login: code 0",
                    "send: code 0",
                    "conversation list: code 0",
                    "onConnecting",
                    "onConnectSuccess",
                    "onSyncServerStart",
                    "onSyncServerFinish",
                    "login as bob: code 0",
                    "login user \"bob\"",
                    "logout: code 0",
                    "login status 3",
                    "login after unInitSDK: code 6013",
                ],
            ),
            (
                "tablet",
                &[
                    "onConnecting",
                    "onConnectSuccess",
                    "onSyncServerStart",
                    "onSyncServerFinish",
                    "login: code 0",
                    "onKickedOffline",
                ],
            ),
        ],
    );
}

#[tokio::test]
async fn zim_prints_the_states_and_events_of_zim() {
    assert_lines(
        &run("zim").await,
        &[
            (
                "phone",
                &[
                    "offline login before any other: code 6000124",
                    "connectionStateChanged 1 Connecting, 1 ActiveLogin",
                    "connectionStateChanged 2 Connected, 0 Success",
                    "conversationSyncStateChanged 0",
                    "conversationSyncStateChanged 1",
                    "login: code 0",
                    "login as bob without logout: code 6000111",
                    "offline login as bob: code 6000124",
                    "connectionStateChanged 1 Connecting, 1 ActiveLogin",
                    "offline login: code 0",
                    "queryConversationList: code 0",
                    "queryUsersStatus: code 6000104",
                    "connectionStateChanged 2 Connected, 0 Success",
                    "conversationSyncStateChanged 0",
                    "conversationSyncStateChanged 1",
                    "queryUsersStatus: code 0",
                    "connectionStateChanged 3 Reconnecting, 3 LoginInterrupted",
                    "connectionStateChanged 2 Connected, 0 Success",
                    "conversationSyncStateChanged 0",
                    "conversationSyncStateChanged 1",
                    "connectionStateChanged 0 Disconnected, 4 KickedOut",
                    "sendMessage: code 6000121",
                ],
            ),
            (
                "other",
                &[
                    "connectionStateChanged 1 Connecting, 1 ActiveLogin",
                    "connectionStateChanged 2 Connected, 0 Success",
                    "conversationSyncStateChanged 0",
                    "conversationSyncStateChanged 1",
                    "login: code 0",
                    "connectionStateChanged 0 Disconnected, 0 Success",
                    "logout: code 0",
                ],
            ),
        ],
    );
}
