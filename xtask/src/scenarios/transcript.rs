//! Everything that was said, with its time, for whoever looks into a failure.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The record of one scenario. Secrets stand in it under the names of their variables.
pub(super) struct Transcript {
    path: PathBuf,
    began: Instant,
    state: Mutex<State>,
}

struct State {
    file: BufWriter<File>,
    /// Text and name.
    secrets: Vec<(String, String)>,
}

impl Transcript {
    pub(super) fn create(path: &Path) -> Result<Self, String> {
        let file = File::create(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let state = State { file: BufWriter::new(file), secrets: Vec::new() };
        Ok(Self { path: path.to_owned(), began: Instant::now(), state: Mutex::new(state) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// From now on this text is shown as `${name}`.
    pub(super) fn hide(&self, name: &str, secret: &str) {
        if !secret.is_empty() {
            self.state().secrets.push((secret.to_owned(), format!("${{{name}}}")));
        }
    }

    /// Records a line.
    pub(super) fn put(&self, who: &str, what: &str) {
        let text = self.shown(what);
        let at = self.began.elapsed().as_secs_f64();
        // A record that cannot be written fails nothing.
        let _ = writeln!(self.state().file, "{at:8.3}  {who:10} {text}");
    }

    /// A text with its secrets replaced.
    pub(super) fn shown(&self, text: &str) -> String {
        let state = self.state();
        state
            .secrets
            .iter()
            .fold(text.to_owned(), |text, (secret, name)| text.replace(secret, name))
    }

    pub(super) fn flush(&self) {
        let _ = self.state().file.flush();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
