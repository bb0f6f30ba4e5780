//! The server's certificate and key, from PEM files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Why there can be no TLS with these files.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or holds something else.
    #[error("{file}: {why}")]
    File {
        /// Which.
        file: PathBuf,
        /// What is wrong; never what it holds.
        why: String,
    },
    /// Certificate and key do not belong together, or are of a kind that cannot be used.
    #[error("the certificate and the key cannot be used: {0}")]
    Unusable(rustls::Error),
}

/// TLS 1.3 with this certificate chain and key.
///
/// # Errors
/// [`TlsError`] says which file is wrong and how.
pub(crate) fn load(cert: &Path, key: &Path) -> Result<Arc<rustls::ServerConfig>, TlsError> {
    let file = |file: &Path, why: String| TlsError::File { file: file.to_owned(), why };
    let chain: Vec<_> = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect)
        .map_err(|error| file(cert, error.to_string()))?;
    if chain.is_empty() {
        return Err(file(cert, "it holds no certificate in PEM form".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| file(key, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
        .map_err(TlsError::Unusable)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Tickets that hold all they stand for: none of them costs the server memory. One is enough
    // for the next connection.
    config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(TlsError::Unusable)?;
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}
