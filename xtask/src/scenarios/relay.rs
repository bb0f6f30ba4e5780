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
    // The server's answer to the upgrade has gone through.
    let mut is_open = direction == Direction::ToServer;
    loop {
        let count = from.read(&mut bytes).unwrap_or(0);
        let mut state = shared.state();
        while state.mode == WireAct::Hold && !state.closed {
            state = shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let loses = state.mode == WireAct::LoseAnswers && direction == Direction::ToDevice;
        drop(state);
        if count == 0 {
            break;
        }
        let head = if is_open { 0 } else { head_length(&bytes[..count]) };
        is_open |= head > 0;
        let passes = match (loses, is_open) {
            (true, true) => head,
            _ => count,
        };
        if to.write_all(&bytes[..passes]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// How much of it is the head of an HTTP answer, whole; 0 when that has no end here.
fn head_length(bytes: &[u8]) -> usize {
    const END: &[u8] = b"\r\n\r\n";
    bytes.windows(END.len()).position(|window| window == END).map_or(0, |at| at + END.len())
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

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    /// A server that answers a request with a head and what it was asked, and a relay before it.
    fn relay() -> Relay {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                std::thread::spawn(move || {
                    let mut bytes = [0; 64];
                    let count = stream.read(&mut bytes).unwrap_or(0);
                    let _ = stream.write_all(b"HTTP/1.1 101\r\n\r\n");
                    let _ = stream.write_all(&bytes[..count]);
                    let _ = stream.read(&mut bytes);
                });
            }
        });
        Relay::start(port).unwrap()
    }

    fn dial(relay: &Relay) -> TcpStream {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, relay.port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        stream
    }

    fn read(stream: &mut TcpStream, length: usize) -> String {
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Nothing comes for a moment.
    fn is_silent(stream: &mut TcpStream) -> bool {
        stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let result = stream.read(&mut [0; 64]);
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        result
            .is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
    }

    fn is_severed(stream: &mut TcpStream) -> bool {
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).is_ok_and(|count| count == 0)
    }

    #[test]
    fn what_is_held_goes_through_later_and_what_is_cut_is_severed() {
        let relay = relay();
        relay.set(WireAct::Hold);
        let mut stream = dial(&relay);
        stream.write_all(b"hello").unwrap();
        assert!(is_silent(&mut stream));
        relay.set(WireAct::Pass);
        assert_eq!(read(&mut stream, 21), "HTTP/1.1 101\r\n\r\nhello");
        relay.set(WireAct::Cut);
        assert!(is_severed(&mut stream));
        assert_eq!(relay.dials(), 1);
    }

    #[test]
    fn where_answers_are_lost_a_connection_is_opened_all_the_same() {
        let relay = relay();
        relay.set(WireAct::LoseAnswers);
        let mut stream = dial(&relay);
        stream.write_all(b"hello").unwrap();
        assert_eq!(read(&mut stream, 16), "HTTP/1.1 101\r\n\r\n");
        assert!(is_silent(&mut stream));
        // Bytes are missing on it.
        relay.set(WireAct::Pass);
        assert!(is_severed(&mut stream));
    }

    #[test]
    fn connections_are_refused_or_answered_by_a_proxy() {
        let relay = relay();
        relay.set(WireAct::Refuse);
        assert!(is_severed(&mut dial(&relay)));
        relay.set(WireAct::BadGateway);
        let mut stream = dial(&relay);
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        assert_eq!(read(&mut stream, 12), "HTTP/1.1 502");
        assert_eq!(relay.dials(), 2);
    }
}
