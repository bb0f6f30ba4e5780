//! The one writer of stdout: whole lines, each one out before the program waits again.

use std::io::{self, Write as _};

use serde_json::Value;
use tokio::sync::{mpsc, watch};

/// Where lines go. Clones write to the same stdout.
#[derive(Clone)]
pub(super) struct Output {
    lines: mpsc::Sender<Value>,
    ended: watch::Receiver<bool>,
}

impl Output {
    /// Starts the thread that writes.
    pub(super) fn start() -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        let (end, ended) = watch::channel(false);
        std::thread::spawn(move || {
            // An error means that nobody reads any more.
            let _ = write(receiver);
            end.send_replace(true);
        });
        Self { lines: sender, ended }
    }

    /// Queues a line; waits while stdout is not read.
    pub(super) async fn put(&self, line: Value) {
        // It fails when nobody reads any more; the program is about to end then.
        let _ = self.lines.send(line).await;
    }

    /// Queues a line if there is room for it.
    pub(super) fn try_put(&self, line: Value) -> bool {
        self.lines.try_send(line).is_ok()
    }

    /// Waits until nobody reads any more.
    pub(super) async fn closed(&self) {
        self.lines.closed().await;
    }

    /// Waits until everything queued is out. No other clone may be left.
    pub(super) async fn end(self) {
        let Self { lines, mut ended } = self;
        drop(lines);
        let _ = ended.wait_for(|ended| *ended).await;
    }
}

fn write(mut lines: mpsc::Receiver<Value>) -> io::Result<()> {
    let mut stdout = io::BufWriter::new(io::stdout().lock());
    while let Some(line) = lines.blocking_recv() {
        put(&mut stdout, &line)?;
        // What is there already goes out in one piece.
        while let Ok(line) = lines.try_recv() {
            put(&mut stdout, &line)?;
        }
        stdout.flush()?;
    }
    Ok(())
}

/// What a line is about stands first, for eyes that follow along.
fn put(stdout: &mut impl io::Write, line: &Value) -> io::Result<()> {
    let Value::Object(fields) = line else {
        serde_json::to_writer(&mut *stdout, line)?;
        return stdout.write_all(b"\n");
    };
    let is_first = |name: &str| FIRST.contains(&name);
    let first = fields.iter().filter(|(name, _)| is_first(name));
    let rest = fields.iter().filter(|(name, _)| !is_first(name));
    let mut separator = "{";
    for (name, value) in first.chain(rest) {
        write!(stdout, "{separator}\"{name}\":")?;
        serde_json::to_writer(&mut *stdout, value)?;
        separator = ",";
    }
    stdout.write_all(b"}\n")
}

/// The names of a line's fields are our own and need no escaping.
const FIRST: &[&str] = &["id", "event"];

/// Lines that wait for stdout; beyond this the client's own log holds them.
const WAITING: usize = 1024;
