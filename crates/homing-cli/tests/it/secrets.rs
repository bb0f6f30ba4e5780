//! No secret in any log, error, metric, output or file but those that must hold it (I25, S-8.7).
//!
//! A real server and real devices at the most verbose log level, through logins, refusals, renewals,
//! a kick, an admin's calls, a crash and a logout. Then everything they wrote is searched for every
//! secret and its usual encodings.
//!
//! Where a secret may stand, and why:
//! - a device's `account-N`: the session's secret and the credential, while the session lives – an
//!   automatic login needs them (S-5.1); the file is its owner's alone. After the end no credential,
//!   and the session's secret only until the server has confirmed that end: it is what ends it (S-9.2);
//! - the server's `admin.token`: the operator reads it there on the first start;
//! - the first line of `serve --dev`: it is what that line is for (not searched).

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use homing_proto::limits::EXPIRY_WARNING_MS;
use serde_json::json;

use crate::program::{Drive, Server, run};

#[test]
fn no_secret_is_written_but_where_it_must_be() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let server = Server::start_logging(&at("server"), File::create(at("server.log")).unwrap());
    let mut marks = Marks::default();
    for name in ["key", "admin_token"] {
        marks.add(name, server.text(name).as_bytes());
    }
    let [first, second, stranger] = [("alice", 1), ("alice", 2), ("bob", 3)]
        .map(|(user, number)| server.mint(user, 600, number));
    let short = server.mint("alice", u32::try_from(EXPIRY_WARNING_MS / 1_000).unwrap() + 1, 4);
    for (name, token) in
        [("first", &first), ("second", &second), ("stranger", &stranger), ("short", &short)]
    {
        marks.add(name, token.as_bytes());
    }

    let mut phone = Drive::start_logging(server.url(), &at("phone"), "ios", &at("phone.log"));
    phone.refused("login", json!({"user": "alice", "token": stranger}));
    phone.refused("login", json!({"user": "alice", "token": format!("{first}x")}));
    phone.login("alice", &first);
    marks.add("phone's session", &session_secret(&at("phone")));
    phone.done("renew", json!({"token": second}));
    phone.refused("renew", json!({"token": stranger}));
    // The second phone takes the first one's place.
    let mut other = Drive::start_logging(server.url(), &at("other"), "android", &at("other.log"));
    other.login("alice", &short);
    marks.add("other's session", &session_secret(&at("other")));
    phone.event(0, "kicked");
    phone.refused("resume_last", json!({}));
    other.event(0, "credential_expiring");
    other.done("renew", json!({"token": first}));
    let operator = server.operate("user", ["sessions", "--app-id", "1", "alice"]);
    let wrong = run(["app", "list", "--url", server.url(), "--admin-token", "wrong"]);
    let metrics = http_get(server.port(), "/metrics");
    // While the session lives its device may hold its secrets, and nobody else. A device whose
    // session is over keeps that session's secret until the server has heard of it, and no credential.
    marks.search(dir.path(), &|path| is_account(path) || may_hold(path, "other"));
    marks.of_credentials().search(dir.path(), &|path| may_hold(path, "other"));
    other.done("logout", json!({}));
    for (name, drive) in [("phone.out", &phone), ("other.out", &other)] {
        fs::write(at(name), serde_json::to_vec(&drive.seen).unwrap()).unwrap();
    }
    other.end();
    phone.end();
    assert_eq!(server.stop(), Some(0));
    for (name, output) in [("operator", operator), ("wrong", wrong)] {
        fs::write(at(name), [output.stdout, output.stderr].concat()).unwrap();
    }
    fs::write(at("metrics"), metrics).unwrap();
    let searched = marks.search(dir.path(), &|path| is_account(path) || may_hold(path, "nobody"));
    // Whose sessions are over hold no credential any more.
    marks.of_credentials().search(dir.path(), &|path| may_hold(path, "nobody"));
    assert!(searched.iter().any(|path| path.ends_with("server.log")));
    let log = fs::read_to_string(at("server.log")).unwrap();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "the server logged little:\n{log}");
}

fn may_hold(path: &Path, device: &str) -> bool {
    path.ends_with("admin.token")
        || (is_account(path) && path.components().any(|part| part.as_os_str() == device))
}

fn is_account(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "account-1")
}

/// What must not be found, each in its usual encodings.
#[derive(Default)]
struct Marks(Vec<(String, Vec<u8>)>);

impl Marks {
    fn add(&mut self, name: &str, secret: &[u8]) {
        assert!(secret.len() >= 16, "{name} is too short to be told from chance");
        let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let forms = [
            ("itself", secret.to_vec()),
            ("hex", hex.clone().into_bytes()),
            ("HEX", hex.to_uppercase().into_bytes()),
            ("base64", base64(secret, b"+/").into_bytes()),
            ("base64 for URLs", base64(secret, b"-_").into_bytes()),
            ("a list of numbers", format!("{secret:?}").trim_matches(['[', ']']).into()),
            ("percent", percent(secret).into_bytes()),
        ];
        for (form, bytes) in forms {
            self.0.push((format!("{name} as {form}"), bytes));
        }
    }

    /// All but the secrets of sessions.
    fn of_credentials(&self) -> Self {
        Self(self.0.iter().filter(|(name, _)| !name.contains("session")).cloned().collect())
    }

    /// Searches every file below; gives those that were.
    fn search(&self, top: &Path, may_hold: &dyn Fn(&Path) -> bool) -> Vec<PathBuf> {
        let files = files(top);
        let wanted = files.iter().filter(|path| !may_hold(path));
        for path in wanted {
            let bytes = fs::read(path).unwrap();
            for (name, mark) in &self.0 {
                assert!(!holds(&bytes, mark), "{} holds {name}", path.display());
            }
        }
        files
    }
}

fn holds(bytes: &[u8], mark: &[u8]) -> bool {
    bytes.windows(mark.len()).any(|window| window == mark)
}

fn files(top: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(top).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if path.is_file() {
            files.push(path);
        }
    }
    files
}

/// The secret in a device's account record: a session is its id of 16 bytes and its secret of 32.
fn session_secret(store: &Path) -> Vec<u8> {
    let path = files(store).into_iter().find(|path| path.ends_with("account-1")).unwrap();
    let bytes = fs::read(path).unwrap();
    let at = bytes
        .windows(20)
        .position(|part| part[..2] == [0x0a, 0x10] && part[18..] == [0x12, 0x20])
        .expect("the record holds a session");
    bytes[at + 20..at + 52].to_vec()
}

fn base64(bytes: &[u8], last_two: &[u8; 2]) -> String {
    let mut alphabet: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain(b'0'..=b'9').collect();
    alphabet.extend(last_two);
    // Whole groups only: how the rest is padded differs.
    let groups = bytes.chunks_exact(3).flat_map(|group| {
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        [18, 12, 6, 0].map(|shift| char::from(alphabet[(bits >> shift) as usize & 63]))
    });
    groups.collect()
}

fn percent(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(*byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

fn http_get(port: u16, path: &str) -> Vec<u8> {
    use std::io::{Read as _, Write as _};
    let mut tcp = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(tcp, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).unwrap();
    answer
}
