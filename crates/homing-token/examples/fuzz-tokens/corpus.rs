//! Good credentials of every form, and what they are held against.

use homing_proto::Error;
use homing_proto::id::{AppId, UserId};
use homing_proto::time::WallTime;
use homing_token::{Cbc, Expected, Format, Grant, Key, Rules, mint};

use crate::mutate::Random;

/// A form with good tokens for alice and the keys that made them.
pub(crate) struct Form {
    pub(crate) name: &'static str,
    pub(crate) format: Format,
    pub(crate) tokens: Vec<String>,
    keys: Vec<Key>,
    alice: UserId,
    bob: UserId,
    app: AppId,
    rules: Rules,
}

impl Form {
    /// Alice's tokens held against alice, and of the mutated ones every fourth against somebody else
    /// where the form tells users apart.
    pub(crate) fn expected(&self, random: &mut Random, n: u64) -> Expected<'_> {
        let user = if n > 0 && !self.is_a_text() && random.below(4) == 0 {
            &self.bob
        } else {
            &self.alice
        };
        Expected { app: self.app, user, keys: &self.keys, now: NOW, rules: self.rules }
    }

    /// Whether the credential is one of the keys itself and says nothing.
    pub(crate) const fn is_a_text(&self) -> bool {
        matches!(self.format, Format::NimStatic | Format::AppSign)
    }
}

/// Every form that a token alone can prove.
pub(crate) fn all() -> Result<Vec<Form>, Error> {
    let text = |text: &str| Key::new(text);
    let app_key = text("app secret")?.named("ak")?;
    let named = |key: &str| text(key)?.named("2026");
    Ok(vec![
        minted("usersig", Format::Usersig, &text("a key")?, vec![text("a key")?, text("b")?])?,
        // Not minted: their nonces would differ from run to run.
        form("token04", Format::Token04, vec![text(SECRET)?], GCM)?,
        form("token04-cbc", Format::Token04Cbc, vec![text(SECRET)?], CBC)?,
        minted("nim-dynamic", Format::NimDynamic, &app_key, vec![app_key.clone()])?,
        form("nim-static", Format::NimStatic, vec![text("a static token")?], &["a static token"])?,
        form("app-sign", Format::AppSign, vec![text(SECRET)?], &[SECRET])?,
        minted("jwt-hs256", Format::Jwt, &text(SECRET)?, vec![text(P256_PUBLIC)?, text(SECRET)?])?,
        minted("jwt-es256", Format::Jwt, &named(P256)?, vec![named(P256_PUBLIC)?, text(SECRET)?])?,
        minted("jwt-eddsa", Format::Jwt, &text(ED25519)?, vec![text(ED25519_PUBLIC)?])?,
    ])
}

fn minted(name: &'static str, format: Format, with: &Key, keys: Vec<Key>) -> Result<Form, Error> {
    let mut form = form(name, format, keys, &[])?;
    for (age_s, ttl_s) in [(1, 60), (1_000, 86_400), (100, 3_600)] {
        let issued_at = WallTime(NOW.0 - age_s * 1000);
        let userbuf = (format == Format::Usersig && ttl_s > 60).then_some(&b"bytes"[..]);
        let grant = Grant { app: form.app, user: &form.alice, issued_at, ttl_s, userbuf };
        form.tokens.push(mint(format, with, &grant)?.expose().to_owned());
    }
    Ok(form)
}

fn form(
    name: &'static str,
    format: Format,
    keys: Vec<Key>,
    tokens: &[&str],
) -> Result<Form, Error> {
    Ok(Form {
        name,
        format,
        tokens: tokens.iter().map(|&token| token.to_owned()).collect(),
        keys,
        alice: UserId::parse("alice")?,
        bob: UserId::parse("bob")?,
        app: AppId::new(1_400_000_000)?,
        rules: Rules { cbc: Cbc::Accepted, ..Rules::default() },
    })
}

const NOW: WallTime = WallTime(1_700_001_000_000);
const SECRET: &str = "0123456789abcdef0123456789abcdef";
// Keys of nobody.
const P256: &str = include_str!("../../tests/it/keys/p256.private.pem");
const P256_PUBLIC: &str = include_str!("../../tests/it/keys/p256.public.pem");
const ED25519: &str = include_str!("../../tests/it/keys/ed25519.private.pem");
const ED25519_PUBLIC: &str = include_str!("../../tests/it/keys/ed25519.public.pem");
const GCM: &[&str] = &[
    "04AAAAAGVVQoAADEFBQUFBQUFBQUFBQQB40NxzFpBaRPtcVgUBvcwpB2ntfqaIjX1pX4DCncQI5WwjyC83oz4KxsrKhlbxu52vjla33l/KD+oxttr+wD9GL8/baBqmtuaTn9yQxrpyt3QWvXaxm5V+Fo62TOEDposeZzELo/Ugehw6kV8Z3qc0dmdRATWO+7svAQ==",
    "04AAAAAGVT9twADEJCQkJCQkJCQkJCQgB1LGQqLtihgV9jYUWu4m5MZzWdqrn3AvCm9HrVFpcuirS77/dEmrN3aS8lwYkerHEG79KMvf2M4r3GaFCOQDhHpRbrFHC72dIGa7ro7V0IGkxOvzZhrjCL1SmIZ+xb2wT/shalCl+0WsGPaCBdZkZBhOmXPFXWAQ==",
    "04AAAAAGVVRmcADENDQ0NDQ0NDQ0NDQwB3MPF42SajNdCKt5rMWbzV4DbCqxAdTClhkyoV1zkPPHPP3Fcj7/PXOKWPWdW/SfUb8rgwmXZneM4PDvic5hHOaIAmWh9MJbdlBCMTjYXbW7zEvg9htjdlvXWOMVveg6UECEzF4cg18gQCg8U5o2RMdwnlQp+RjlMB",
];
const CBC: &[&str] = &[
    "04AAAAAGVVQoAAEEFBQUFBQUFBQUFBQUFBQUEAcJi9Xema+dBwL3HTY49jaA4wiN6M5alas9FpIdPOOCDSysARQIyMrNS7YwGEn6OJmFSpZ0kBxitgaYuIaos8dBlYG0lxdWOCE+mWliPSnQUpxnjGxomx7nJNg+OWk2s4U5Y7y0i0wzIh7W0FUXiPHkM=",
    "04AAAAAGVT9twAEEJCQkJCQkJCQkJCQkJCQkIAcF4sOS6jryNDBJOXHXDCpoF0ToOkT3t0BCKMdlb7JPqKdUPtfxTYccr/38miNG6JriGzq/iO769hDu7j0DBdaP/eBxwSKolxyg7zZA1grCL0R5kykqSlzvM/YiSZhq9chLFlC/o8Kl94BwyaQA5Gxzc=",
    "04AAAAAGVVRmcAEENDQ0NDQ0NDQ0NDQ0NDQ0MAcHzk/v3a4Ct3dM9Vt8rNJDalnN/FaULaWDO3cu+wL2KFVyK6rJIjVI4ELXkETdOW+S6SQ2EsC/ZUzUtw6BVBQCRLWK1XI5p4ACFILGlnNT7j4zz/K/L0AVn/CLJwTgTCgjn05YlzzH3PpslPHkyxRf4=",
];
