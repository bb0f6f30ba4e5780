//! Who may use a data directory, and what a disk that refuses gives (S-9.4, S-9.5, I12).

use std::path::Path;
use std::process::{Command, Output};

use homing::{Client, Code, Config, Event, Logged};
use tempfile::TempDir;

fn config(dir: &Path) -> Config {
    Config::new(1, "ws://127.0.0.1:9").unwrap().data_dir(dir)
}

/// S-9.5.
#[tokio::test]
async fn a_second_client_on_one_directory_gets_store_in_use_until_the_first_is_closed() {
    let dir = TempDir::new().unwrap();
    let first = Client::open(config(dir.path())).await.unwrap();
    assert_eq!(Client::open(config(dir.path())).await.unwrap_err().code, Code::STORE_IN_USE);
    assert_eq!(verdict_of_a_second_process(dir.path()), "store_in_use");

    first.close().await;
    assert_eq!(verdict_of_a_second_process(dir.path()), "ok");
    let again = Client::open(config(dir.path())).await.unwrap();
    again.close().await;
}

/// S-9.5: no globals; any number of clients live in one process, each on a directory of its own.
#[tokio::test]
async fn many_clients_live_in_one_process() {
    let dir = TempDir::new().unwrap();
    let path = |number: u32| dir.path().join(number.to_string());
    let mut clients = Vec::new();
    for number in 0..20 {
        clients.push(Client::open(config(&path(number))).await.unwrap());
    }
    for (number, client) in (0..).zip(&clients) {
        assert_eq!(Client::open(config(&path(number))).await.unwrap_err().code, Code::STORE_IN_USE);
        assert_eq!(client.status().now().user(), None);
    }
    for client in clients {
        client.close().await;
    }
    for number in 0..20 {
        Client::open(config(&path(number))).await.unwrap().close().await;
    }
}

#[tokio::test]
async fn dropping_the_last_handle_frees_the_directory() {
    let dir = TempDir::new().unwrap();
    let client = Client::open(config(dir.path())).await.unwrap();
    let mut events = client.events();
    let other_handle = client.clone();
    drop(client);
    assert_eq!(Client::open(config(dir.path())).await.unwrap_err().code, Code::STORE_IN_USE);
    drop(other_handle);
    assert_eq!(events.next().await, None, "the stream ends when everything is let go of");
    Client::open(config(dir.path())).await.unwrap().close().await;
}

/// S-9.4.
#[tokio::test]
async fn a_suspended_client_holds_no_lock_and_takes_it_back() {
    let dir = TempDir::new().unwrap();
    let client = Client::open(config(dir.path())).await.unwrap();
    client.suspend().await.unwrap();
    assert_eq!(verdict_of_a_second_process(dir.path()), "ok");

    let other = Client::open(config(dir.path())).await.unwrap();
    assert_eq!(client.resume().await.unwrap_err().code, Code::STORE_IN_USE);
    other.close().await;
    client.resume().await.unwrap();
    assert_eq!(verdict_of_a_second_process(dir.path()), "store_in_use");
    client.close().await;
}

#[tokio::test]
async fn calls_to_suspend_and_resume_at_once_end_in_the_state_of_the_last() {
    let dir = TempDir::new().unwrap();
    let client = Client::open(config(dir.path())).await.unwrap();
    for _ in 0..20 {
        let (one, two, three, four) =
            tokio::join!(client.suspend(), client.resume(), client.suspend(), client.resume());
        for result in [one, two, three, four] {
            let code = result.err().map(|error| error.code);
            assert!(matches!(code, None | Some(Code::SUPERSEDED)), "{code:?}");
        }
        let other = Client::open(config(dir.path())).await;
        assert_eq!(other.unwrap_err().code, Code::STORE_IN_USE);

        let (_, _, last) = tokio::join!(client.suspend(), client.resume(), client.suspend());
        last.unwrap();
        Client::open(config(dir.path())).await.unwrap().close().await;
        client.resume().await.unwrap();
    }
}

#[tokio::test]
async fn a_client_keeps_its_device_and_a_damaged_account_record_is_told_of() {
    let dir = TempDir::new().unwrap();
    Client::open(config(dir.path())).await.unwrap().close().await;
    let device = std::fs::read(dir.path().join("device")).unwrap();
    std::fs::write(dir.path().join("account-1"), [0; 300]).unwrap();

    let client = Client::open(config(dir.path())).await.unwrap();
    let Some(Logged::Entry(Event::StoreReset(error))) = client.events().next().await else {
        panic!("nothing was told")
    };
    assert_eq!(error.code, Code::STORE_CORRUPT);
    assert_eq!(client.resume_last().await.unwrap_err().code, Code::NEEDS_EXPLICIT_LOGIN);
    client.close().await;
    assert!(dir.path().join("account-1.damaged-1").exists());
    assert_eq!(std::fs::read(dir.path().join("device")).unwrap(), device);
}

#[tokio::test]
async fn a_path_that_cannot_be_a_directory_is_refused_with_a_typed_error() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = Client::open(config(&file.join("below"))).await.unwrap_err();
    assert_eq!(error.code, Code::STORE_OPEN_FAILED);
}

#[cfg(unix)]
#[test]
fn a_read_only_directory_is_told_as_a_disk_that_takes_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = TempDir::new().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    for path in [data.as_path(), dir.path()] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o555)).unwrap();
    }
    assert_eq!(verdict_of_a_second_process(&data), "store_full");
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Opens a client on the directory in another process and gives how that ended. A process that may
/// write everywhere becomes one that may not.
fn verdict_of_a_second_process(dir: &Path) -> String {
    let place = TempDir::new().unwrap();
    let program = place.path().join("it");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    let mut command = Command::new(&program);
    command.args(["--exact", "data_dir::child_that_opens", "--ignored", "--nocapture"]);
    #[cfg(unix)]
    if rustix::process::geteuid().is_root() && is_read_only(dir) {
        use std::os::unix::fs::PermissionsExt as _;
        use std::os::unix::process::CommandExt as _;
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(place.path(), open).unwrap();
        command.uid(NOBODY).gid(NOBODY);
    }
    let Output { stdout, stderr, .. } = command.env(DIR, dir).output().unwrap();
    let stdout = String::from_utf8(stdout).unwrap();
    let verdict = stdout.lines().find_map(|line| line.split_once("verdict "));
    let Some((_, verdict)) = verdict else {
        panic!("no verdict: {stdout} {}", String::from_utf8_lossy(&stderr))
    };
    verdict.to_owned()
}

#[cfg(unix)]
fn is_read_only(dir: &Path) -> bool {
    std::fs::metadata(dir).unwrap().permissions().readonly()
}

#[cfg(unix)]
const NOBODY: u32 = 65_534;

#[tokio::test]
#[ignore = "the child process of the tests above"]
async fn child_that_opens() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    match Client::open(config(dir.as_ref())).await {
        Ok(client) => {
            client.close().await;
            println!("verdict ok");
        }
        Err(error) => println!("verdict {}", error.code.name()),
    }
}

const DIR: &str = "HOMING_TEST_DATA_DIR";
