//! Whom the client believes to be the server.

use std::path::PathBuf;
use std::sync::Arc;

use homing_proto::{Code, Error};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// The certificate authorities a server's certificate may come from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum TlsRoots {
    /// Those that browsers trust, as of the build.
    #[default]
    Public,
    /// Those, and the ones in this PEM file: for servers with certificates of their own.
    PublicAnd(PathBuf),
    /// Only the ones in this PEM file.
    Only(PathBuf),
}

/// Builds what makes TLS connections.
///
/// # Errors
/// `invalid_argument` when the file cannot be read or holds no certificate.
pub(super) fn connector(roots: &TlsRoots) -> Result<TlsConnector, Error> {
    let mut store = RootCertStore::empty();
    if matches!(roots, TlsRoots::Public | TlsRoots::PublicAnd(_)) {
        store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    if let TlsRoots::PublicAnd(file) | TlsRoots::Only(file) = roots {
        let before = store.len();
        let certificates = CertificateDer::pem_file_iter(file).map_err(|error| wrong(&error))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| wrong(&error))?;
            store.add(certificate).map_err(|error| wrong(&error))?;
        }
        if store.len() == before {
            return Err(wrong(&"it holds no certificate"));
        }
    }
    // Named, not the process's default: the SDK shares its process with others.
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&error))?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn wrong(why: &dyn std::fmt::Display) -> Error {
    Error::new(Code::INVALID_ARGUMENT)
        .with_text(format!("the file of TLS roots cannot be used: {why}"))
}
