//! The token of the admin API: 256 random bits in a file that only its owner can read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use homing_proto::secret::Token;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::config::ADMIN_TOKEN_FILE;

/// What a request's token is compared with: a hash, so that lengths tell nothing either.
#[derive(Clone, Copy)]
pub(crate) struct AdminKey([u8; 32]);

impl AdminKey {
    pub(crate) fn of(token: &Token) -> Self {
        Self(Sha256::digest(token.expose()).into())
    }

    pub(crate) fn opens_with(&self, token: &[u8]) -> bool {
        let given: [u8; 32] = Sha256::digest(token).into();
        self.0.ct_eq(&given).into()
    }
}

/// The token of that data directory, drawn when there is none.
pub(crate) fn read_or_create(data: &Path) -> io::Result<Token> {
    let path = data.join(ADMIN_TOKEN_FILE);
    match File::open(&path) {
        Ok(file) => {
            let mut text = String::new();
            file.take(TOKEN_BYTES).read_to_string(&mut text)?;
            let text = text.trim();
            if text.len() < SHORTEST {
                let why = format!("{} holds fewer than {SHORTEST} characters", path.display());
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
            Ok(Token::new(text))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(data, &path),
        Err(error) => Err(error),
    }
}

fn create(data: &Path, path: &Path) -> io::Result<Token> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    let text = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let unfinished = data.join("admin.token.new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(unfinished, path)?;
    Ok(Token::new(text))
}

const TOKEN_BYTES: u64 = 4_096;
/// A token that somebody writes into the file by hand has at least this.
const SHORTEST: usize = 16;
