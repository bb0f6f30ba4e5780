//! The server's certificate and key: readable, and made for each other.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::Finding;

pub(super) fn look(cert: &Path, key: &Path) -> Vec<Finding> {
    let mut findings = vec![match pair(cert, key) {
        Ok(count) => Finding::ok("TLS", format!("{count} certificates, and the key fits")),
        Err(why) => Finding::fail(
            "TLS",
            why,
            "give PEM files: --tls-cert with the server's certificate first, --tls-key with its key",
        ),
    }];
    if let Ok(metadata) = fs::metadata(key)
        && metadata.mode() & 0o007 != 0
    {
        let seen = format!("{} can be read by everybody", key.display());
        findings.push(Finding::warn("TLS key", seen, format!("chmod 600 {}", key.display())));
    }
    findings
}

fn pair(cert: &Path, key: &Path) -> Result<usize, String> {
    let of = |file: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| of(cert, &error))?;
    if chain.is_empty() {
        return Err(of(cert, &"it holds no certificate"));
    }
    let count = chain.len();
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| of(key, &error))?;
    let signer = ring::sign::any_supported_type(&secret).map_err(|error| of(key, &error))?;
    match CertifiedKey::new(chain, signer).keys_match() {
        Ok(()) => Ok(count),
        Err(error) => Err(of(key, &error)),
    }
}
