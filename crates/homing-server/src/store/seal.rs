//! Secrets of apps at rest: sealed with the key in `master.key`, so that a copy of `homing.db`
//! alone gives nothing away.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use zeroize::{Zeroize as _, Zeroizing};

use super::error::OpenError;

/// The key of `master.key`. It never leaves this value.
pub(super) struct MasterKey(XChaCha20Poly1305);

/// The file with 32 random bytes, mode 0600.
pub(super) const FILE: &str = "master.key";

impl MasterKey {
    /// Reads the key of that directory.
    pub(super) fn read(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join(FILE);
        let mut file = File::open(&path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => OpenError::MasterKey("master.key is missing"),
            _ => OpenError::io(path.display().to_string(), &error),
        })?;
        let mut bytes = Zeroizing::new(Vec::with_capacity(BYTES + 1));
        (&mut file)
            .take(BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| OpenError::io(path.display().to_string(), &error))?;
        if bytes.len() != BYTES || bytes.iter().all(|byte| *byte == 0) {
            return Err(OpenError::MasterKey("master.key does not hold 32 random bytes"));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
            .map_err(|error| OpenError::io(path.display().to_string(), &error))?;
        Ok(Self::from_bytes(&bytes))
    }

    /// Makes the key of a new directory and returns only when it is durable.
    pub(super) fn create(
        dir: &Path,
        random: &mut (dyn FnMut(&mut [u8]) + Send),
    ) -> Result<Self, OpenError> {
        let failed = |error| OpenError::io(dir.join(FILE).display().to_string(), &error);
        let mut bytes = Zeroizing::new([0; BYTES]);
        random(&mut *bytes);
        let unfinished = dir.join("master.key.new");
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)
            .map_err(failed)?;
        file.write_all(&*bytes).and_then(|()| file.sync_all()).map_err(failed)?;
        fs::rename(&unfinished, dir.join(FILE)).map_err(failed)?;
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed)?;
        Ok(Self::from_bytes(&*bytes))
    }

    /// Seals `plain` for one `place`: what is sealed for one row opens in no other.
    pub(super) fn seal(
        &self,
        place: &str,
        plain: &[u8],
        random: &mut (dyn FnMut(&mut [u8]) + Send),
    ) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        random(&mut nonce);
        let sealed = self
            .0
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: place.as_bytes() })
            .expect("the sealed text is far below the cipher's bound");
        [&nonce[..], &sealed].concat()
    }

    /// Opens what [`seal`](Self::seal) made for this `place`; `None` for anything else.
    pub(super) fn open(&self, place: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE_BYTES>()?;
        self.0
            .decrypt(&XNonce::from(*nonce), Payload { msg: text, aad: place.as_bytes() })
            .ok()
            .map(Zeroizing::new)
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let mut key = Key::try_from(bytes).expect("the key has 32 bytes");
        let cipher = XChaCha20Poly1305::new(&key);
        key.as_mut_slice().zeroize();
        Self(cipher)
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

const BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
