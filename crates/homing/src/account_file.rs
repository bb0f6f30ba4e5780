//! The account record on disk: one small file, replaced whole, readable by its owner only (D-5).
//!
//! Layout: 8 bytes of mark, 32 bytes of SHA-256 over what follows, the record in protobuf. A file
//! that does not hold together is set aside, and the client starts as if nobody had ever signed in
//! here: a damaged record never blocks a login (I9).

mod record;

use homing_core::client::Account;
use homing_proto::id::AppId;
use homing_proto::{Code, Error};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::data_dir::DataDir;

/// The account file of one app in one data directory.
#[derive(Debug)]
pub(crate) struct AccountFile {
    dir: DataDir,
    name: String,
    /// What it holds, as far as this client wrote or read it.
    digest: Option<[u8; 32]>,
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) account: Account,
    /// The file was damaged and set aside.
    pub(crate) reset: Option<Error>,
}

impl AccountFile {
    pub(crate) fn new(dir: DataDir, app: AppId) -> Self {
        Self { dir, name: format!("account-{app}"), digest: None }
    }

    /// Reads the record; there is none before the first login.
    pub(crate) fn load(&mut self, clock: &Clock) -> Result<Loaded, Error> {
        let Some(bytes) = self.read()? else {
            self.digest = None;
            return Ok(Loaded { account: Account::default(), reset: None });
        };
        if let Some(account) = unpack(&bytes) {
            self.digest = digest_of(&bytes);
            return Ok(Loaded { account, reset: None });
        }
        let aside = self.dir.set_aside(&self.name, &[])?;
        tracing::warn!(aside, "the account record was damaged and is set aside");
        self.digest = None;
        // The hello counter must not fall behind what the server saw (S-6.6). It counted hellos;
        // a clock is ahead of that.
        let account = Account { counter: clock.now().wall.0, ..Account::default() };
        let text = format!("the account record was damaged; it is kept as {aside}");
        Ok(Loaded { account, reset: Some(Error::new(Code::STORE_CORRUPT).with_text(text)) })
    }

    /// Replaces the record, durably.
    pub(crate) fn save(&mut self, account: &Account) -> Result<(), Error> {
        let bytes = pack(account);
        self.dir.replace(&self.name, &bytes)?;
        self.digest = digest_of(&bytes);
        Ok(())
    }

    /// Somebody else wrote the file since this client last read or wrote it.
    pub(crate) fn is_foreign(&self) -> Result<bool, Error> {
        let found = self.read()?.and_then(|bytes| digest_of(&bytes));
        Ok(found != self.digest)
    }

    fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
        Ok(self.dir.read(&self.name)?.map(Zeroizing::new))
    }
}

fn pack(account: &Account) -> Zeroizing<Vec<u8>> {
    let body = record::encode(account);
    let mut bytes = Zeroizing::new(Vec::with_capacity(HEAD_BYTES + body.len()));
    bytes.extend_from_slice(MARK);
    bytes.extend_from_slice(&Sha256::digest(&body));
    bytes.extend_from_slice(&body);
    bytes
}

fn unpack(bytes: &[u8]) -> Option<Account> {
    let (mark, rest) = bytes.split_first_chunk::<{ MARK.len() }>()?;
    let (digest, body) = rest.split_first_chunk::<32>()?;
    let intact = mark == MARK && Sha256::digest(body).as_slice() == digest;
    intact.then(|| record::decode(body)).flatten()
}

fn digest_of(bytes: &[u8]) -> Option<[u8; 32]> {
    bytes.get(MARK.len()..HEAD_BYTES)?.try_into().ok()
}

const MARK: &[u8; 8] = b"homing\0\x01";
const HEAD_BYTES: usize = MARK.len() + 32;

#[cfg(test)]
mod tests;
