//! What the disk itself needs for a small durable write: what no server can be faster than.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::figures::{Spans, Summary};

/// A file beside the server's data.
pub(crate) struct Probe(File);

impl Probe {
    /// # Errors
    /// When the file cannot be made.
    pub(crate) fn new(dir: &Path) -> Result<Self, Failure> {
        let path = dir.join("probe");
        Ok(Self(OpenOptions::new().create(true).append(true).open(path)?))
    }

    /// Appends a page and waits until it is on the disk.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn once(&mut self) -> Result<Duration, Failure> {
        let began = Instant::now();
        self.0.write_all(&[0x5a; PAGE])?;
        self.0.sync_data()?;
        Ok(began.elapsed())
    }
}

/// What such a write costs now: of 200 in a row.
///
/// # Errors
/// The system's.
pub(crate) fn flushes(dir: &Path) -> Result<Summary, Failure> {
    let mut probe = Probe::new(dir)?;
    let mut spans = Spans::default();
    for _ in 0..200 {
        spans.add(probe.once()?);
    }
    Ok(spans.summary())
}

const PAGE: usize = 4096;
