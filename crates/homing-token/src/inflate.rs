//! Unpacks zlib data of strangers into a buffer of fixed size (S-8.2).

use flate2::{Decompress, FlushDecompress, Status};
use homing_proto::limits::TOKEN_INFLATED_BYTES;
use zeroize::Zeroize;

/// Unpacked bytes, zeroed on drop.
pub(crate) struct Inflated {
    buffer: Vec<u8>,
    used: usize,
}

impl Inflated {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buffer[..self.used]
    }
}

impl Drop for Inflated {
    fn drop(&mut self) {
        // Only what was written: volatile stores over all 16 KiB would cost more than the rest of
        // a verification.
        self.buffer[..self.used].zeroize();
    }
}

/// Unpacks exactly one zlib stream (RFC 1950) that fills `packed` to its end.
///
/// The output buffer is allocated once at its bound, so no input makes this allocate more.
pub(crate) fn inflate(packed: &[u8]) -> Result<Inflated, &'static str> {
    let mut zlib = Decompress::new(true);
    let mut buffer = vec![0; TOKEN_INFLATED_BYTES];
    let outcome = zlib.decompress(packed, &mut buffer, FlushDecompress::Finish);
    let used = usize::try_from(zlib.total_out()).expect("it counts bytes of `buffer`");
    let inflated = Inflated { buffer, used };
    match outcome {
        Err(_) => Err("its zlib data is damaged"),
        Ok(Status::StreamEnd) if zlib.total_in() == packed.len() as u64 => Ok(inflated),
        Ok(Status::StreamEnd) => Err("something follows its zlib data"),
        Ok(_) if used == TOKEN_INFLATED_BYTES => Err("it unpacks to more than 16 KiB"),
        Ok(_) => Err("its zlib data is cut short"),
    }
}
