//! A certificate authority for one measurement, and a client that trusts it alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::Failure;

/// What the server needs, in files, and what its clients need.
pub(crate) struct Secure {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) connector: TlsConnector,
}

impl Secure {
    /// Makes an authority and a certificate for [`NAME`] in that directory. Both are ECDSA on P-256:
    /// an RSA certificate would cost ten times as much at every handshake.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub(crate) fn new(dir: &Path) -> Result<Self, Failure> {
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let key_pair = KeyPair::generate()?;
        let names = CertificateParams::new([NAME.to_owned()])?;
        let certificate = names.signed_by(&key_pair, &authority)?;
        let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
        fs::write(&cert, certificate.pem())?;
        fs::write(&key, key_pair.serialize_pem())?;

        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone())?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { cert, key, connector: TlsConnector::from(Arc::new(config)) })
    }
}

/// What the server is called in its certificate.
pub(crate) const NAME: &str = "localhost";
