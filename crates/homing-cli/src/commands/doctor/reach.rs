//! The way in: is the port free, and does a server answer?

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use homing::{Client, Code, Credential};

use super::Finding;
use crate::commands::drive::ServerArguments;

/// Whether a server can listen there.
pub(super) fn port(listen: SocketAddr, tls: bool) -> Finding {
    let name = "port";
    match TcpListener::bind(listen) {
        Ok(_) if !listen.ip().is_loopback() && !tls => Finding::warn(
            name,
            format!("{listen} is free, and open to other machines without encryption"),
            "give serve --tls-cert and --tls-key, or put a proxy with TLS in front",
        ),
        Ok(_) => Finding::ok(name, format!("{listen} is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => match healthy(listen) {
            Some(answer) => Finding::ok(name, format!("{listen}: a server answers ({answer})")),
            None => Finding::fail(
                name,
                format!("{listen} is taken by another program"),
                format!(
                    "find it with ss -ltnp 'sport = :{}', or --listen elsewhere",
                    listen.port()
                ),
            ),
        },
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Finding::fail(
            name,
            format!("{listen} may not be used by this user"),
            "use a port from 1024 up, or AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit",
        ),
        Err(error) => Finding::fail(
            name,
            format!("{listen}: {error}"),
            "listen on an address of this machine, such as 127.0.0.1:7700 or 0.0.0.0:7700",
        ),
    }
}

fn healthy(listen: SocketAddr) -> Option<String> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(PATIENCE)).build().into();
    let mut answer = agent.get(format!("http://{listen}/healthz")).call().ok()?;
    let text = answer.body_mut().with_config().limit(256).read_to_string().ok()?;
    Some(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// Says Hello with a token that is none: that it is refused proves the whole way.
pub(super) async fn server(server: &ServerArguments) -> Finding {
    let (name, url) = ("server", &server.server);
    let began = Instant::now();
    let greet = async {
        let client = Client::open(server.config()?).await?;
        let credential = Credential::usersig("homing-doctor");
        let answer = client.login("homing-doctor", credential).timeout(PATIENCE).await;
        client.close().await;
        answer.map(|_| ())
    };
    let answer = greet.await;
    let ms = began.elapsed().as_millis();
    let Err(error) = answer else {
        let cure = "its keys are not what they should be; rotate them";
        return Finding::fail(name, format!("{url} takes a token that is none"), cure);
    };
    match error.code {
        code if code.is_credential() => {
            let seen = format!("{url} answered a Hello for app {} in {ms} ms", server.app_id);
            Finding::ok(name, seen)
        }
        Code::UNKNOWN_APP => Finding::warn(
            name,
            format!("{url} answered in {ms} ms and has no app {}", server.app_id),
            "give --app-id of an app that it has: homing app list",
        ),
        Code::VERSION_TOO_OLD => {
            Finding::fail(name, format!("{url}: {}", error.sentence()), "use a newer `homing`")
        }
        Code::TIMEOUT | Code::NETWORK => Finding::fail(
            name,
            format!("{url}: {}", error.sentence()),
            "check the address, the firewall, the certificate (--ca), and that the server runs",
        ),
        Code::INVALID_ARGUMENT => {
            Finding::fail(name, error.sentence(), "write wss://HOST[:PORT] or ws://127.0.0.1:PORT")
        }
        _ => Finding::warn(
            name,
            format!("{url} answered in {ms} ms: {error}"),
            "the way there is open; look into the server's log for the rest",
        ),
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
