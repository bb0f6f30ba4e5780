//! `homing serve`.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::Value;

use crate::program::{Lines, Server, assert_failed, homing, run};

#[test]
fn the_first_line_of_dev_is_the_json_that_scripts_rely_on_and_sigterm_exits_with_0() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let url = server.url().to_owned();
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    assert_eq!(server.text("console"), format!("{url}/console/"));
    assert!(server.ready["app_id"].as_u64().unwrap() >= 1);
    assert!(server.text("key").len() >= 32 && server.text("admin_token").len() >= 32);
    for user in ["alice", "bob", "carol"] {
        assert!(server.token(user).len() > 100);
    }
    assert!(healthz(server.port()).contains("200 OK"));
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn the_same_directory_has_the_same_app_and_key_again() {
    let folder = tempfile::tempdir().unwrap();
    let first = Server::start(folder.path());
    let (app, key) = (first.ready["app_id"].clone(), first.text("key").to_owned());
    first.stop();
    let second = Server::start(folder.path());
    assert_eq!(second.ready["app_id"], app);
    assert_eq!(second.text("key"), key);
}

#[test]
fn sigint_and_the_end_of_stdin_with_until_eof_exit_with_0() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    server.process.signal(Signal::INT);
    assert_eq!(server.process.wait().code(), Some(0));
    let data = folder.path().to_str().unwrap();
    let mut process = Lines::start(homing([
        "serve",
        "--dev",
        "--until-eof",
        "--data",
        data,
        "--listen",
        "127.0.0.1:0",
    ]));
    process.next().unwrap();
    process.end_stdin();
    assert_eq!(process.wait().code(), Some(0));
}

#[test]
fn a_port_that_is_taken_is_told_with_the_cure() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let output = run(["serve", "--data", folder.path().to_str().unwrap(), "--listen", &listen]);
    assert_failed(&output, &format!("{listen} is in use"));
    assert_failed(&output, "--listen 127.0.0.1:0");
}

#[test]
fn a_directory_that_another_server_runs_on_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let _server = Server::start(folder.path());
    let output =
        run(["serve", "--data", folder.path().to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    assert_failed(&output, "another server is running on the data directory");
}

#[test]
fn plaintext_to_other_machines_needs_to_be_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(["serve", "--data", folder.path().to_str().unwrap(), "--listen", "0.0.0.0:0"]);
    assert_failed(&output, "--allow-plaintext");
}

#[test]
fn a_database_of_zeros_is_told_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("homing.db");
    std::fs::write(&database, [0; 8192]).unwrap();
    let output =
        run(["serve", "--data", folder.path().to_str().unwrap(), "--listen", "127.0.0.1:0"]);
    assert_failed(&output, "damaged");
    assert_eq!(std::fs::read(&database).unwrap(), [0; 8192]);
}

#[test]
fn settings_come_from_a_file_and_arguments_count_more() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("homing.toml");
    let data = folder.path().join("data");
    let text = format!("data = {:?}\nlisten = \"127.0.0.1:1\"\n", data.display().to_string());
    std::fs::write(&file, text).unwrap();
    let config = file.to_str().unwrap();
    let mut process =
        Lines::start(homing(["serve", "--dev", "--config", config, "--listen", "127.0.0.1:0"]));
    let ready: Value = serde_json::from_str(&process.next().unwrap()).unwrap();
    assert_ne!(ready["url"], "http://127.0.0.1:1");
    assert!(data.join("homing.db").exists());

    std::fs::write(&file, "lissen = \"127.0.0.1:0\"").unwrap();
    assert_failed(&run(["serve", "--config", config]), "lissen");
    assert_failed(&run(["serve", "--config", "/no/such.toml"]), "No such file");
}

#[test]
fn what_is_secret_lies_in_files_that_only_the_owner_can_read() {
    use std::os::unix::fs::MetadataExt as _;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data);
    let mode = |path: &Path| path.metadata().unwrap().mode() & 0o777;
    assert_eq!(mode(&data), 0o700);
    for name in ["homing.db", "master.key", "admin.token"] {
        assert_eq!(mode(&data.join(name)), 0o600, "{name}");
    }
    drop(server);
}

#[test]
fn logs_hold_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let mut command = homing(["serve", "--dev", "--data", data, "--listen", "127.0.0.1:0"]);
    let log = folder.path().join("log");
    command.env("HOMING_LOG", "trace").stderr(std::fs::File::create(&log).unwrap());
    let mut process = Lines::start(command);
    let ready: Value = serde_json::from_str(&process.next().unwrap()).unwrap();
    let (url, token) = (ready["url"].as_str().unwrap(), ready["users"]["alice"].as_str().unwrap());
    let mut drive = crate::program::Drive::start(url, &folder.path().join("store"), "ios");
    drive.login("alice", token);
    drive.end();
    process.signal(Signal::TERM);
    process.wait();
    let log = std::fs::read_to_string(log).unwrap();
    assert!(log.contains("alice"), "the login is told: {log}");
    for secret in [token, ready["key"].as_str().unwrap(), ready["admin_token"].as_str().unwrap()] {
        assert!(!log.contains(secret));
    }
}

fn healthz(port: u16) -> String {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn nobody_reading_stdout_does_not_stop_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let mut command =
        homing(["serve", "--dev", "--until-eof", "--data", data, "--listen", "127.0.0.1:0"]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = command.stdin(Stdio::piped()).stdout(writer).spawn().unwrap();
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
