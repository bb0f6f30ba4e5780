//! The install's own id: drawn at first use, kept with the local data (S-1.3).

use homing_proto::id::DeviceId;
use homing_proto::{Code, Error};

use crate::data_dir::DataDir;

/// Reads the device id, or draws one and stores it.
///
/// A file that cannot be read as an id is set aside: the install becomes a new device.
pub(crate) fn load(dir: &DataDir) -> Result<DeviceId, Error> {
    if let Some(bytes) = dir.read(FILE)? {
        let id = std::str::from_utf8(&bytes).ok().and_then(|text| text.trim_end().parse().ok());
        if let Some(id) = id {
            return Ok(id);
        }
        let aside = dir.set_aside(FILE, &[])?;
        tracing::warn!(aside, "the device id cannot be read; this install is a new device");
    }
    let id = draw()?;
    dir.replace(FILE, format!("{id}\n").as_bytes())?;
    Ok(id)
}

/// A random id (UUID version 4).
pub(crate) fn draw() -> Result<DeviceId, Error> {
    let mut bytes: [u8; 16] = random()?;
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    Ok(DeviceId(bytes))
}

/// Random bytes from the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::new(Code::STORE_OPEN_FAILED).with_text(format!("no random numbers: {error}"))
    })?;
    Ok(bytes)
}

const FILE: &str = "device";
