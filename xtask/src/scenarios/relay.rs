//! The way between a device and the server, which a scenario can spoil.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::step::WireAct;

/// Listens where the device dials, and passes on to the server.
pub(super) struct Relay {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    server: u16,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    mode: WireAct,
    dials: u64,
    /// Both ends of what is open; a severed one is shut and soon forgotten.
    open: Vec<[TcpStream; 2]>,
    closed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToServer,
    ToDevice,
}

impl Relay {
    pub(super) fn start(server: u16) -> Result<Self, String> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|e| e.to_string())?;
        let port = listener.local_addr().map_err(|e| e.to_string())?.port();
        let state = State { mode: WireAct::Pass, dials: 0, open: Vec::new(), closed: false };
        let shared = Arc::new(Shared { server, state: Mutex::new(state), changed: Condvar::new() });
        let accepting = shared.clone();
        std::thread::spawn(move || accept(&listener, &accepting));
        Ok(Self { port, shared })
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// Connections that the device made so far.
    pub(super) fn dials(&self) -> u64 {
        self.shared.state().dials
    }

    pub(super) fn set(&self, act: WireAct) {
        let mut state = self.shared.state();
        match act {
            WireAct::Cut => state.sever(),
            mode => {
                // Bytes are missing on what was open: nothing good comes of it any more.
                if state.mode == WireAct::LoseAnswers && mode != WireAct::LoseAnswers {
                    state.sever();
                }
                state.mode = mode;
            }
        }
        drop(state);
        self.shared.changed.notify_all();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.closed = true;
        state.sever();
        drop(state);
        self.shared.changed.notify_all();
        // Wakes the thread that accepts, which ends.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl State {
    fn sever(&mut self) {
        for stream in self.open.drain(..).flatten() {
            // It may be shut already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    while let Ok((device, _)) = listener.accept() {
        let mode = {
            let mut state = shared.state();
            if state.closed {
                return;
            }
            state.dials += 1;
            state.mode
        };
        match mode {
            WireAct::Refuse => drop(device),
            WireAct::BadGateway => {
                std::thread::spawn(move || bad_gateway(device));
            }
            WireAct::Pass | WireAct::Hold | WireAct::LoseAnswers | WireAct::Cut => {
                // What cannot be set up is closed, as by a server that is not there.
                let _ = connect(device, shared);
            }
        }
    }
}

fn connect(device: TcpStream, shared: &Arc<Shared>) -> std::io::Result<()> {
    let server = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, shared.server)))?;
    device.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ends = [device.try_clone()?, server.try_clone()?];
    let ways = [
        (device.try_clone()?, server.try_clone()?, Direction::ToServer),
        (server, device, Direction::ToDevice),
    ];
    shared.state().open.push(ends);
    for (from, to, direction) in ways {
        let shared = shared.clone();
        std::thread::spawn(move || pass_on(from, to, direction, &shared));
    }
    Ok(())
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, direction: Direction, shared: &Shared) {
    let mut bytes = [0; 16 * 1024];
    loop {
        let count = from.read(&mut bytes).unwrap_or(0);
        let mut state = shared.state();
        while state.mode == WireAct::Hold && !state.closed {
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let is_lost = state.mode == WireAct::LoseAnswers && direction == Direction::ToDevice;
        drop(state);
        if count == 0 {
            break;
        }
        if !is_lost && to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// What a proxy says whose server is down.
fn bad_gateway(mut device: TcpStream) {
    let mut head = Vec::new();
    let mut bytes = [0; 1024];
    let _ = device.set_read_timeout(Some(Duration::from_secs(5)));
    while !head.ends_with(b"\r\n\r\n") {
        match device.read(&mut bytes) {
            Ok(count) if count > 0 && head.len() < 16 * 1024 => {
                head.extend_from_slice(&bytes[..count]);
            }
            _ => return,
        }
    }
    let body = "<html>502 Bad Gateway</html>";
    let _ = write!(
        device,
        "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
}
