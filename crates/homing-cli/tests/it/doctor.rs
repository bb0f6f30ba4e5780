//! `homing doctor`.

use std::collections::BTreeSet;
use std::net::TcpListener;

use serde_json::Value;

use crate::program::{Server, run, silent_port, stdout};

#[test]
fn a_healthy_server_gets_no_complaint_while_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data);
    let listen = format!("127.0.0.1:{}", server.port());
    let output = run([
        "doctor",
        "--data",
        data.to_str().unwrap(),
        "--listen",
        &listen,
        "--server",
        server.url(),
    ]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for seen in [
        "a server is running on this directory",
        "whole",
        "a server answers (ok)",
        "answered a Hello",
    ] {
        assert!(text.contains(seen), "{text}");
    }
    assert!(!text.contains("fail"), "{text}");
    server.stop();
    let names =
        || data.read_dir().unwrap().map(|e| e.unwrap().file_name()).collect::<BTreeSet<_>>();
    let before = names();
    let output = run(["doctor", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    assert!(stdout(&output).contains("whole"), "{}", stdout(&output));
    assert_eq!(names(), before, "it leaves nothing behind");
}

#[test]
fn each_thing_that_fails_comes_with_its_cure() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("homing.db"), [0; 8192]).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let output = run([
        "doctor",
        "--json",
        "--data",
        folder.path().to_str().unwrap(),
        "--listen",
        &listen,
        "--server",
        "ws://127.0.0.1:1",
        "--tls-cert",
        "/no/cert",
        "--tls-key",
        "/no/key",
    ]);
    assert_eq!(output.status.code(), Some(1));
    let findings: Vec<Value> =
        stdout(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for check in ["database", "secrets", "port", "TLS", "server"] {
        let finding = findings
            .iter()
            .find(|finding| finding["check"] == check && finding["state"] == "fail")
            .unwrap_or_else(|| panic!("{check}: {findings:#?}"));
        assert!(finding["cure"].is_string(), "{finding}");
    }
}

#[test]
fn a_place_for_a_first_start_is_found_good() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("not/there/yet");
    let output = run(["doctor", "--data", data.to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(stdout(&output).contains("`serve` will make it"));
    assert!(!data.exists(), "it only looks");
}

#[test]
fn a_server_that_never_answers_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (_silent, url) = silent_port();
    let output = run([
        "doctor",
        "--data",
        folder.path().to_str().unwrap(),
        "--listen",
        "127.0.0.1:0",
        "--server",
        &url,
    ]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("the firewall"), "{}", stdout(&output));
}
