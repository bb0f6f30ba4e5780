//! A progress bar on stderr for long reads, where stderr is a terminal.

use std::io::{self, IsTerminal as _, Read, Write as _};
use std::time::{Duration, Instant};

/// A reader that shows how much of it was read.
pub(super) struct Metered<R> {
    inner: R,
    read: u64,
    /// The whole, where it is known.
    bytes: Option<u64>,
    began: Instant,
    drawn: Option<Instant>,
    shown: bool,
}

impl<R: Read> Metered<R> {
    pub(super) fn new(inner: R, bytes: Option<u64>) -> Self {
        let shown = io::stderr().is_terminal();
        Self { inner, read: 0, bytes, began: Instant::now(), drawn: None, shown }
    }

    /// Ends the bar with the sum of the work.
    pub(super) fn finish(self, sum: &str) {
        if self.shown {
            let seconds = self.began.elapsed().as_secs_f64();
            eprintln!("\r\x1b[K{sum} in {seconds:.1} s");
        }
    }

    fn draw(&mut self) {
        let due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW);
        // Short work needs no bar.
        if !self.shown || !due || self.began.elapsed() < REDRAW {
            return;
        }
        self.drawn = Some(Instant::now());
        let bar = match self.bytes {
            Some(bytes) if bytes > 0 => {
                let share = self.read as f64 / bytes as f64;
                let full = ((share * WIDTH as f64) as usize).min(WIDTH);
                let (full, empty) = ("█".repeat(full), "░".repeat(WIDTH - full));
                format!("{full}{empty} {:3.0} %", share * 100.0)
            }
            _ => format!("{} MiB read", self.read >> 20),
        };
        // A terminal that went away is no reason to stop the work.
        let _ = write!(io::stderr(), "\r\x1b[K{bar}");
    }
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read += read as u64;
        self.draw();
        Ok(read)
    }
}

const REDRAW: Duration = Duration::from_millis(100);
const WIDTH: usize = 40;
