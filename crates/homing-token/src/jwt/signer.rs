//! A `jwt` key as what it is: an HMAC secret, a P-256 key or an Ed25519 key.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};
use hmac::{Hmac, KeyInit, Mac};
use homing_proto::{Code, Error};
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use serde::Deserialize;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{Key, strict_json};

/// The algorithms of RFC 7518 and RFC 8037 that are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Algorithm {
    Hs256,
    Es256,
    EdDsa,
}

impl Algorithm {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        [Self::Hs256, Self::Es256, Self::EdDsa].into_iter().find(|known| known.name() == name)
    }
}

/// A key that was read.
pub(super) struct Signer<'a> {
    material: Material<'a>,
    kid: Option<String>,
}

enum Material<'a> {
    Text(&'a [u8]),
    Octets(Zeroizing<Vec<u8>>),
    P256Public(p256::ecdsa::VerifyingKey),
    P256Private(p256::ecdsa::SigningKey),
    Ed25519Public(ed25519_dalek::VerifyingKey),
    Ed25519Private(ed25519_dalek::SigningKey),
}

impl<'a> Signer<'a> {
    /// Reads PEM, a JWK, or takes the bytes as an HMAC secret. What looks like PEM or JSON is never
    /// taken for a secret: public keys are known to everybody.
    pub(super) fn read(key: &'a Key) -> Result<Self, Error> {
        let bytes = key.expose();
        let text = bytes.trim_ascii();
        let name = key.name().map(str::to_owned);
        if text.starts_with(b"-----BEGIN") {
            let pem = std::str::from_utf8(text).ok();
            let material = pem.and_then(from_pem).ok_or_else(|| unusable(PEM))?;
            return Ok(Self { material, kid: name });
        }
        if text.starts_with(b"{") {
            let jwk: Jwk = strict_json::object(text).map_err(|_| unusable(JWK))?;
            let material = jwk.material().ok_or_else(|| unusable(JWK))?;
            return Ok(Self { material, kid: name.or(jwk.kid) });
        }
        Ok(Self { material: Material::Text(bytes), kid: name })
    }

    pub(super) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    pub(super) const fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::Text(_) | Material::Octets(_) => Algorithm::Hs256,
            Material::P256Public(_) | Material::P256Private(_) => Algorithm::Es256,
            Material::Ed25519Public(_) | Material::Ed25519Private(_) => Algorithm::EdDsa,
        }
    }

    pub(super) fn sign(&self, text: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(match &self.material {
            Material::Text(secret) => mac(secret, text).finalize().into_bytes().to_vec(),
            Material::Octets(secret) => mac(secret, text).finalize().into_bytes().to_vec(),
            Material::P256Private(key) => {
                let signature: p256::ecdsa::Signature = key.sign(text);
                signature.to_bytes().to_vec()
            }
            Material::Ed25519Private(key) => key.sign(text).to_bytes().to_vec(),
            Material::P256Public(_) | Material::Ed25519Public(_) => {
                return Err(unusable("a public key can verify; to mint, give the private one"));
            }
        })
    }

    pub(super) fn signed(&self, text: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Text(secret) => mac(secret, text).verify_slice(signature).is_ok(),
            Material::Octets(secret) => mac(secret, text).verify_slice(signature).is_ok(),
            Material::P256Public(key) => p256_signed(key, text, signature),
            Material::P256Private(key) => p256_signed(key.verifying_key(), text, signature),
            Material::Ed25519Public(key) => ed25519_signed(key, text, signature),
            Material::Ed25519Private(key) => ed25519_signed(&key.verifying_key(), text, signature),
        }
    }
}

fn mac(secret: &[u8], text: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes any key");
    mac.update(text);
    mac
}

fn p256_signed(key: &p256::ecdsa::VerifyingKey, text: &[u8], signature: &[u8]) -> bool {
    p256::ecdsa::Signature::from_slice(signature)
        .is_ok_and(|signature| key.verify(text, &signature).is_ok())
}

fn ed25519_signed(key: &ed25519_dalek::VerifyingKey, text: &[u8], signature: &[u8]) -> bool {
    ed25519_dalek::Signature::from_slice(signature)
        .is_ok_and(|signature| key.verify_strict(text, &signature).is_ok())
}

fn from_pem(pem: &str) -> Option<Material<'static>> {
    if let Ok(key) = p256::ecdsa::VerifyingKey::from_public_key_pem(pem) {
        return Some(Material::P256Public(key));
    }
    if let Ok(key) = ed25519_dalek::VerifyingKey::from_public_key_pem(pem) {
        return Some(Material::Ed25519Public(key));
    }
    if let Ok(key) = p256::ecdsa::SigningKey::from_pkcs8_pem(pem) {
        return Some(Material::P256Private(key));
    }
    if let Ok(key) = p256::SecretKey::from_sec1_pem(pem) {
        return Some(Material::P256Private(key.into()));
    }
    ed25519_dalek::SigningKey::from_pkcs8_pem(pem).ok().map(Material::Ed25519Private)
}

/// RFC 7517. Fields that say nothing about the key's numbers are passed over.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<Zeroizing<String>>,
    k: Option<Zeroizing<String>>,
    kid: Option<String>,
}

impl Jwk {
    fn material(&self) -> Option<Material<'static>> {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("oct", None) => {
                let secret = octets(self.k.as_deref()?)?;
                (!secret.is_empty()).then_some(Material::Octets(secret))
            }
            ("EC", Some("P-256")) => {
                let mut point = Zeroizing::new(vec![UNCOMPRESSED]);
                for coordinate in [self.x.as_deref()?, self.y.as_deref()?] {
                    point.extend_from_slice(&octets(coordinate)?);
                }
                let public = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).ok()?;
                let Some(d) = self.d.as_deref() else { return Some(Material::P256Public(public)) };
                let private = p256::ecdsa::SigningKey::from_slice(&octets(d)?).ok()?;
                (*private.verifying_key() == public).then_some(Material::P256Private(private))
            }
            ("OKP", Some("Ed25519")) => {
                let public = octets(self.x.as_deref()?)?;
                let public = ed25519_dalek::VerifyingKey::try_from(&public[..]).ok()?;
                let Some(d) = self.d.as_deref() else {
                    return Some(Material::Ed25519Public(public));
                };
                let private = ed25519_dalek::SigningKey::try_from(&octets(d)?[..]).ok()?;
                (private.verifying_key() == public).then_some(Material::Ed25519Private(private))
            }
            _ => None,
        }
    }
}

fn octets(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    URL_SAFE_NO_PAD.decode(text).ok().map(Zeroizing::new)
}

fn unusable(text: &'static str) -> Error {
    Error::new(Code::INVALID_ARGUMENT).with_text(text)
}

/// The first byte of a point with both coordinates (SEC 1).
const UNCOMPRESSED: u8 = 4;
const PEM: &str = "a jwt key in PEM is a P-256 or Ed25519 key: PUBLIC KEY, PRIVATE KEY (PKCS #8) or EC PRIVATE KEY";
const JWK: &str = "a jwt key in JSON is a JWK: oct, EC with P-256, or OKP with Ed25519";
