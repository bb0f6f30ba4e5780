//! `cargo xtask browser`: the server's own WebSocket codec against a real Chromium.
//!
//! A page signs in, sends messages of every length at which a frame header changes its form, asks
//! for pongs, and reads what comes back. It tells its verdict to this program over HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use homing_proto::codec::encode_client;
use homing_proto::device::{Device, Platform};
use homing_proto::frame::{ClientFrame, Credential, Hello, Intent, Request, Window};
use homing_proto::id::{AppId, ClientMsgId, ConversationId, DeviceId, UserId};
use homing_proto::message::Content;

use crate::run::root;
use crate::{packages, run};

/// The browser, by the names it goes by.
pub(crate) const PROGRAMS: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

/// Content lengths whose frames use each form of the WebSocket length field.
const LENGTHS: [usize; 6] = [1, 50, 100, 200, 4_000, 12_000];
/// From the page's request to its verdict, on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the check.
pub(crate) fn run() -> Result<(), String> {
    let chromium = packages::need(PROGRAMS, "chromium", true)?;
    run::cargo(&["build", "--quiet", "--package", "homing-cli"])?;
    let folder = std::env::temp_dir().join(format!("homing-browser-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let verdict = check(&chromium, &folder);
    // What lies there is of no use after the run.
    let _ = std::fs::remove_dir_all(&folder);
    verdict
}

fn check(chromium: &Path, folder: &Path) -> Result<(), String> {
    let (_server, dev) = serve(&folder.join("server"))?;
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| format!("listen: {e}"))?;
    let address = listener.local_addr().map_err(|e| format!("listen: {e}"))?;
    let page = page(&dev)?;
    let mut browser = Ended(
        Command::new(chromium)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"])
            .args(["--no-first-run", "--disable-background-networking", "--disable-sync"])
            .args(["--disable-component-update", "--disable-dev-shm-usage"])
            .arg(format!("--user-data-dir={}", folder.join("profile").display()))
            .arg(format!("http://{address}/"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("{}: {e}", chromium.display()))?,
    );
    let verdict = verdict(&listener, &page, &mut browser)?;
    println!("chromium says: {verdict}");
    if verdict.starts_with("ok") { Ok(()) } else { Err(format!("the page says: {verdict}")) }
}

/// A child that ends with this value.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(data: &Path) -> Result<(Ended, serde_json::Value), String> {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let mut child = Command::new(target.join("debug/homing"))
        .args(["serve", "--dev", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("homing serve: {e}"))?;
    let output = child.stdout.take().expect("the output was asked for");
    let server = Ended(child);
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).map_err(|e| format!("homing serve: {e}"))?;
    let dev =
        serde_json::from_str(&line).map_err(|e| format!("homing serve said {line:?}: {e}"))?;
    Ok((server, dev))
}

fn page(dev: &serde_json::Value) -> Result<String, String> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let url = text(&dev["url"]).replacen("http", "ws", 1);
    let app = u32::try_from(dev["app_id"].as_u64().unwrap_or(0)).map_err(|e| e.to_string())?;
    let hello = hello(app, &text(&dev["users"]["alice"])).map_err(|e| e.to_string())?;
    let mut frames = vec![hello];
    for (number, length) in (1_u8..).zip(LENGTHS) {
        frames.push(send(number, length).map_err(|e| e.to_string())?);
    }
    let frames: Vec<String> = frames.iter().map(|frame| format!("\"{}\"", hex(frame))).collect();
    Ok(PAGE.replace("URL", &url).replace("FRAMES", &frames.join(",")))
}

fn hello(app: u32, token: &str) -> Result<Vec<u8>, homing_proto::Error> {
    let frame = ClientFrame::Hello(Box::new(Hello {
        proto: homing_proto::limits::PROTO,
        sdk: "browser check".to_owned(),
        app: AppId::new(app)?,
        user: UserId::parse("alice")?,
        device: Device {
            id: DeviceId([7; 16]),
            platform: Platform::Web,
            os: String::new(),
            tag: String::new(),
            custom_type: 0,
        },
        intent: Intent::Explicit,
        credential: Some(Credential::usersig(token)),
        resume: None,
        counter: 1,
        cursor: None,
        outbox_heads: Vec::new(),
        window: Window { conversations: 20, per_conversation: 20 },
        user_name: String::new(),
        login_extension: bytes::Bytes::new(),
        caps: 0,
        login_id: None,
    }));
    Ok(encode_client(&frame).to_vec())
}

fn send(number: u8, length: usize) -> Result<Vec<u8>, homing_proto::Error> {
    let frame = ClientFrame::Request {
        id: number.into(),
        body: Request::Send {
            // To oneself: what is pushed back proves that it arrived whole.
            conversation: ConversationId::parse("user/alice")?,
            client_id: ClientMsgId([number; 16]),
            content: Content::text("x".repeat(length)),
        },
    };
    Ok(encode_client(&frame).to_vec())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Serves the page and waits for what it says.
fn verdict(listener: &TcpListener, page: &str, browser: &mut Ended) -> Result<String, String> {
    listener.set_nonblocking(true).map_err(|e| e.to_string())?;
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        if let Ok(Some(status)) = browser.0.try_wait() {
            return Err(format!("chromium ended with {status}"));
        }
        match listener.accept() {
            Ok((stream, _)) => {
                // A browser also opens connections that it never uses.
                if let Ok(Some(verdict)) = answer(stream, page) {
                    return Ok(verdict);
                }
            }
            // Nothing yet; there is no other thing to wait for here.
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
    Err(format!("the page said nothing in {} s", PATIENCE.as_secs()))
}

/// Answers one HTTP request; `/verdict/<text>` is what is waited for.
fn answer(mut stream: TcpStream, page: &str) -> std::io::Result<Option<String>> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut head = [0; 4096];
    let length = stream.read(&mut head)?;
    let head = String::from_utf8_lossy(&head[..length]).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default();
    let body = if path == "/" { page } else { "" };
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )?;
    Ok(path.strip_prefix("/verdict/").map(|text| text.replace("%20", " ")))
}

/// First comes a Welcome (field 1 of the server's frame), then for each message an answer (4) and
/// a push (5), in whatever order.
const PAGE: &str = r#"<!doctype html><title>homing</title><script>
const frames = [FRAMES].map(h => Uint8Array.from(h.match(/../g), b => parseInt(b, 16)));
const say = text => fetch("/verdict/" + text);
const socket = new WebSocket("URL/v1/connect", "homing.1");
socket.binaryType = "arraybuffer";
let seen = {}, bytes = 0;
socket.onopen = () => {
  if (socket.protocol !== "homing.1") say("bad sub-protocol " + socket.protocol);
  socket.send(frames[0]);
};
socket.onmessage = event => {
  const data = new Uint8Array(event.data), field = data[0] >> 3;
  seen[field] = (seen[field] || 0) + 1;
  bytes += data.length;
  if (field === 1) for (const frame of frames.slice(1)) socket.send(frame);
  const n = frames.length - 1;
  if (seen[4] === n && seen[5] === n)
    say("ok " + n + " messages " + bytes + " bytes");
};
socket.onclose = event => say("closed " + event.code + " " + JSON.stringify(seen));
socket.onerror = () => say("error " + JSON.stringify(seen));
</script>"#;
