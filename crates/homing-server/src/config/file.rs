//! The configuration file: TOML, every field optional, an unknown one an error.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use homing_proto::{Code, Error};
use serde::Deserialize;

use super::{Config, Plaintext, TlsFiles};
use crate::gateway::Loopback;

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data: Option<PathBuf>,
    listen: Option<SocketAddr>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    allow_plaintext: Option<bool>,
    drain_s: Option<u16>,
    reconnect_window_s: Option<u16>,
    returns_per_s: Option<NonZeroU32>,
    cached_users: Option<u32>,
    connections: Option<u32>,
    strangers_per_address: Option<u32>,
    bound_loopback: Option<bool>,
    webhook_ca: Option<PathBuf>,
}

impl Config {
    /// Reads a configuration file; relative paths in it are taken from its directory.
    ///
    /// # Errors
    /// `invalid_argument` with a text that names the file and the field.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| invalid(format!("{}: {error}", path.display())))?;
        let directory = path.parent().unwrap_or_else(|| Path::new(""));
        Self::from_toml(&text, directory)
            .map_err(|error| invalid(format!("{}: {}", path.display(), error.sentence())))
    }

    /// Reads the text of a configuration file.
    ///
    /// # Errors
    /// `invalid_argument` with a text that names the field.
    ///
    /// ```
    /// use homing_server::config::Config;
    /// let text = r#"
    ///     data = "data"
    ///     listen = "127.0.0.1:9000"
    ///     drain_s = 30
    /// "#;
    /// let config = Config::from_toml(text, "/srv/homing".as_ref())?;
    /// assert_eq!(config.data, std::path::Path::new("/srv/homing/data"));
    /// assert!(Config::from_toml("listne = 1", "".as_ref()).is_err());
    /// # Ok::<(), homing_proto::Error>(())
    /// ```
    pub fn from_toml(text: &str, directory: &Path) -> Result<Self, Error> {
        let file: File = toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
        let place = |path: PathBuf| directory.join(path);
        let data = file.data.unwrap_or_else(|| PathBuf::from(super::DATA));
        let mut config = Self::new(place(data));
        config.tls = match (file.tls_cert, file.tls_key) {
            (Some(cert), Some(key)) => Some(TlsFiles { cert: place(cert), key: place(key) }),
            (None, None) => None,
            _ => return Err(invalid("tls_cert and tls_key need each other".to_owned())),
        };
        if file.allow_plaintext == Some(true) {
            config.plaintext = Plaintext::Anywhere;
        }
        if file.bound_loopback == Some(true) {
            config.bounds.loopback = Loopback::Bounded;
        }
        config.webhook_ca = file.webhook_ca.map(place);
        let seconds = |s: u16| Duration::from_secs(s.into());
        set(&mut config.listen, file.listen);
        set(&mut config.drain, file.drain_s.map(seconds));
        set(&mut config.reconnect_window, file.reconnect_window_s.map(seconds));
        set(&mut config.return_rate, file.returns_per_s);
        set(&mut config.cached, file.cached_users.map(|n| n as usize));
        set(&mut config.bounds.connections, file.connections.map(|n| n as usize));
        set(&mut config.bounds.strangers_per_address, file.strangers_per_address);
        Ok(config)
    }
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

fn invalid(text: String) -> Error {
    Error::new(Code::INVALID_ARGUMENT).with_text(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_defaults() {
        let config = Config::from_toml("", Path::new("")).unwrap();
        assert_eq!(config.data, Path::new("homing-data"));
        assert_eq!(config.listen.to_string(), "127.0.0.1:7700");
        assert_eq!((config.tls, config.plaintext), (None, Plaintext::Loopback));
    }

    #[test]
    fn every_field_is_taken() {
        let text = r#"
            data = "/data"
            listen = "0.0.0.0:443"
            tls_cert = "cert.pem"
            tls_key = "/etc/key.pem"
            allow_plaintext = true
            drain_s = 3
            reconnect_window_s = 4
            returns_per_s = 8
            cached_users = 5
            connections = 6
            strangers_per_address = 7
            bound_loopback = true
            webhook_ca = "ca.pem"
        "#;
        let config = Config::from_toml(text, Path::new("/etc/homing")).unwrap();
        let files = TlsFiles { cert: "/etc/homing/cert.pem".into(), key: "/etc/key.pem".into() };
        assert_eq!((config.data, config.tls), ("/data".into(), Some(files)));
        assert_eq!(config.listen.to_string(), "0.0.0.0:443");
        assert_eq!(config.plaintext, Plaintext::Anywhere);
        assert_eq!((config.drain.as_secs(), config.reconnect_window.as_secs()), (3, 4));
        assert_eq!(config.return_rate.get(), 8);
        assert_eq!((config.cached, config.bounds.connections), (5, 6));
        assert_eq!(config.bounds.strangers_per_address, 7);
        assert_eq!(config.bounds.loopback, Loopback::Bounded);
        assert_eq!(config.webhook_ca, Some("/etc/homing/ca.pem".into()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, named) in [
            ("listen = \"x\"", "listen"),
            ("listen = \"nowhere\"", "listen"),
            ("tls_cert = \"a\"", "tls_key"),
            ("drain_s = -1", "drain_s"),
        ] {
            let error = Config::from_toml(text, Path::new("")).unwrap_err();
            assert_eq!(error.code, Code::INVALID_ARGUMENT);
            assert!(error.sentence().contains(named), "{error}");
        }
    }
}
