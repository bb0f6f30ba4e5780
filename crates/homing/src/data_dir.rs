//! The directory that holds what a client keeps: who may use it, and how files in it are replaced.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use homing_proto::{Code, Error};

/// A data directory. One client at a time holds its lock (S-9.5).
#[derive(Clone, Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
}

/// Holding it keeps every other client and process out; dropping it lets them in.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing alone would not do: a child process that is just being started holds a copy of
        // the file for a moment, and the lock with it. An error leaves it to the closing.
        let _ = self.0.unlock();
    }
}

impl DataDir {
    /// Makes the directory if it is missing, readable by its owner only.
    pub(crate) fn open(path: &Path) -> Result<Self, Error> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(path).map_err(|error| disk_error("make the data directory", &error))?;
        Ok(Self { path: path.to_owned() })
    }

    /// Takes the lock.
    ///
    /// # Errors
    /// `store_in_use` when another client or process holds it.
    pub(crate) fn lock(&self) -> Result<Lock, Error> {
        let file = private(OpenOptions::new().write(true).create(true))
            .open(self.file("lock"))
            .map_err(|error| disk_error("make the lock file", &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Lock(file)),
            Err(TryLockError::WouldBlock) => Err(Code::STORE_IN_USE.into()),
            Err(TryLockError::Error(error)) => Err(disk_error("take the lock", &error)),
        }
    }

    /// The path of a file in the directory.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The names in the directory that begin with `prefix`.
    pub(crate) fn names(&self, prefix: &str) -> Vec<String> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name.starts_with(prefix))
            .collect()
    }

    /// The whole of a small file; `None` when there is none.
    pub(crate) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let file = match File::open(self.file(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(disk_error("read a file", &error)),
        };
        let mut bytes = Vec::new();
        file.take(SMALL_FILE_BYTES)
            .read_to_end(&mut bytes)
            .map_err(|error| disk_error("read a file", &error))?;
        Ok(Some(bytes))
    }

    /// Puts `bytes` in place of a file: after a crash there is the old one or the new one, whole.
    pub(crate) fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let fresh = self.file(&format!("{name}.new"));
        let write = || -> io::Result<()> {
            let mut file =
                private(OpenOptions::new().write(true).create(true).truncate(true)).open(&fresh)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&fresh, self.file(name))?;
            self.sync()
        };
        write().map_err(|error| disk_error("replace a file", &error))
    }

    /// Makes an empty file that only its owner can read, unless there is one.
    pub(crate) fn touch(&self, name: &str) -> Result<(), Error> {
        private(OpenOptions::new().write(true).create(true))
            .open(self.file(name))
            .map_err(|error| disk_error("make a file", &error))?;
        self.sync().map_err(|error| disk_error("make a file", &error))
    }

    /// Renames a damaged file to `<name>.damaged-<n>`, with the side files whose endings are given,
    /// and gives the new name. Only the newest [`DAMAGED_KEPT`] are kept.
    pub(crate) fn set_aside(&self, name: &str, endings: &[&str]) -> Result<String, Error> {
        let mut numbers = self.damaged(name);
        let next = numbers.last().map_or(1, |last| last.saturating_add(1));
        let aside = damaged_name(name, next);
        for ending in endings.iter().chain([&""]) {
            let from = self.file(&format!("{name}{ending}"));
            match fs::rename(&from, self.file(&format!("{aside}{ending}"))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(disk_error("set a damaged file aside", &error));
                }
                _ => {}
            }
        }
        self.sync().map_err(|error| disk_error("set a damaged file aside", &error))?;
        numbers.push(next);
        for old in &numbers[..numbers.len().saturating_sub(DAMAGED_KEPT)] {
            self.remove(&damaged_name(name, *old), endings)?;
        }
        Ok(aside)
    }

    /// Removes a file, its side files and what was set aside of it.
    pub(crate) fn wipe(&self, name: &str, endings: &[&str]) -> Result<(), Error> {
        for number in self.damaged(name) {
            self.remove(&damaged_name(name, number), endings)?;
        }
        self.remove(name, endings)?;
        self.sync().map_err(|error| disk_error("remove a file", &error))
    }

    fn remove(&self, name: &str, endings: &[&str]) -> Result<(), Error> {
        for ending in endings.iter().chain([&""]) {
            match fs::remove_file(self.file(&format!("{name}{ending}"))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(disk_error("remove a file", &error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The numbers of the damaged files of that name, ascending.
    fn damaged(&self, name: &str) -> Vec<u32> {
        let prefix = format!("{name}.damaged-");
        let names = self.names(&prefix);
        let mut numbers: Vec<u32> =
            names.iter().filter_map(|name| name[prefix.len()..].parse().ok()).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Makes renames and new files durable.
    fn sync(&self) -> io::Result<()> {
        #[cfg(unix)]
        File::open(&self.path)?.sync_all()?;
        Ok(())
    }
}

/// What the disk said, as an error of the table.
pub(crate) fn disk_error(what: &str, error: &io::Error) -> Error {
    use io::ErrorKind as Kind;
    let code = match error.kind() {
        Kind::StorageFull
        | Kind::QuotaExceeded
        | Kind::ReadOnlyFilesystem
        | Kind::PermissionDenied => Code::STORE_FULL,
        _ => Code::STORE_OPEN_FAILED,
    };
    Error::new(code).with_text(format!("cannot {what}: {error}"))
}

fn damaged_name(name: &str, number: u32) -> String {
    format!("{name}.damaged-{number}")
}

/// Readable and writable by its owner only, whatever the umask says.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Of each file, this many damaged copies are kept for whoever wants to look into them.
const DAMAGED_KEPT: usize = 3;

/// The account record, the largest small file, stays far below.
const SMALL_FILE_BYTES: u64 = 1024 * 1024;
