//! Mutations: of the text, of the bytes under its base64, and of what is packed in those.

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose};
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use homing_token::Format;

use crate::corpus::Form;

/// Numbers that follow from a seed (splitmix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`, which is not 0.
    pub(crate) const fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn of<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }
}

/// A mutation of one of the form's good tokens.
pub(crate) fn one(form: &Form, random: &mut Random) -> String {
    let token = &form.tokens[random.below(form.tokens.len())];
    let other = &form.tokens[random.below(form.tokens.len())];
    let mutated = match random.below(4) {
        0 => None,
        1 | 2 => under_base64(form.format, token, other, random),
        _ => structure(form.format, token, random),
    };
    let mut bytes = mutated
        .map_or_else(|| bytes(token.as_bytes(), other.as_bytes(), random), String::into_bytes);
    // Some of both.
    if random.below(8) == 0 {
        bytes = self::bytes(&bytes, other.as_bytes(), random);
    }
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

/// Changes a run of bytes in one to three places.
fn bytes(bytes: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.below(3) {
        if bytes.is_empty() {
            return other.to_vec();
        }
        let at = random.below(bytes.len());
        let end = at + random.below(bytes.len() - at + 1);
        match random.below(9) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => bytes[at] = SIGNS[random.below(SIGNS.len())],
            3 => bytes.truncate(at),
            4 => drop(bytes.drain(at..end)),
            5 => {
                let again = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, again));
            }
            6 => {
                // The end of another token, from a place of its own or from the same place.
                let from = if random.below(2) == 0 { at } else { random.below(other.len()) };
                bytes.truncate(at);
                bytes.extend_from_slice(other.get(from..).unwrap_or_default());
            }
            7 => bytes.insert(at, random.next() as u8),
            _ => {
                // What looks like a length or a time.
                let width = [2, 4, 8][random.below(3)];
                let number = [0, 1, 12, 16, 0x7fff, 0xffff, 0x7fff_ffff_ffff_ffff, u64::MAX]
                    [random.below(8)];
                let number = &number.to_be_bytes()[8 - width..];
                for (byte, new) in bytes[at..].iter_mut().zip(number) {
                    *byte = *new;
                }
            }
        }
        bytes.truncate(20_000);
    }
    bytes
}

/// Changes what the base64 says, and spells it rightly or in another way.
fn under_base64(format: Format, token: &str, other: &str, random: &mut Random) -> Option<String> {
    let spelling = Spelling::of(format)?;
    if format == Format::Jwt {
        let (mut parts, others) = (parts(token)?, parts(other)?);
        let at = random.below(3);
        let (part, other) = (spelling.read(parts[at])?, spelling.read(others[at])?);
        let changed = spelling.write(&bytes(&part, &other, random), random);
        parts[at] = &changed;
        return Some(parts.join("."));
    }
    let (part, other) = (spelling.read(token)?, spelling.read(other)?);
    let part = if format == Format::Usersig && random.below(2) == 0 {
        pack(&bytes(&unpack(&part)?, &unpack(&other)?, random), random)
    } else {
        bytes(&part, &other, random)
    };
    Some(spelling.write(&part, random))
}

/// Makes what no random change hits: other headers, other numbers, bombs.
fn structure(format: Format, token: &str, random: &mut Random) -> Option<String> {
    let spelling = Spelling::of(format)?;
    match format {
        Format::Jwt => {
            let mut parts = parts(token)?;
            let header = random.of::<str>(&[
                r#"{"alg":"none"}"#,
                r#"{"alg":"HS256"}"#,
                r#"{"alg":"ES256"}"#,
                r#"{"alg":"EdDSA"}"#,
                r#"{"alg":"HS256","kid":"2026"}"#,
                r#"{"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}}"#,
                r#"{"alg":"ES256","crit":["exp"]}"#,
                r#"{"alg":"HS256","alg":"none"}"#,
            ]);
            let header = spelling.write(header.as_bytes(), random);
            parts[0] = &header;
            if random.below(2) == 0 {
                parts[2] = "";
            }
            Some(parts.join("."))
        }
        Format::Usersig if random.below(4) == 0 => {
            let bytes = 1 << (10 + random.below(8));
            Some(spelling.write(&pack(&vec![b' '; bytes], random), random))
        }
        Format::Usersig => {
            let json = unpack(&spelling.read(token)?)?;
            Some(spelling.write(&pack(&field(json, random)?, random), random))
        }
        Format::NimDynamic => Some(spelling.write(&field(spelling.read(token)?, random)?, random)),
        _ => None,
    }
}

/// Another value, twice the same field, or one more field in a JSON object.
fn field(json: Vec<u8>, random: &mut Random) -> Option<Vec<u8>> {
    let json = String::from_utf8(json).ok()?;
    let name = random.of::<str>(&[
        "TLS.identifier",
        "TLS.sdkappid",
        "TLS.time",
        "TLS.expire",
        "TLS.sig",
        "TLS.userbuf",
        "TLS.ver",
        "signature",
        "curTime",
        "ttl",
        "x",
    ]);
    let value = random.of::<str>(&[
        "0",
        "1",
        "-1",
        "1e3",
        "null",
        "\"\"",
        "\"bob\"",
        "[]",
        "{}",
        "18446744073709551615",
        "1700000000",
        "\"1700000000\"",
        "1700000000000",
        "99999999999999999999999",
        "true",
    ]);
    let new = format!("\"{name}\":{value}");
    let old = format!("\"{name}\":");
    Some(
        match (json.find(&old), random.below(2)) {
            (Some(at), 0) => {
                let rest = &json[at + old.len()..];
                let end = rest.find([',', '}']).unwrap_or(rest.len());
                format!("{}{new}{}", &json[..at], &rest[end..])
            }
            _ => json.replacen('{', &format!("{{{new},"), 1),
        }
        .into_bytes(),
    )
}

fn parts(token: &str) -> Option<[&str; 3]> {
    token.split('.').collect::<Vec<_>>().try_into().ok()
}

fn unpack(packed: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    ZlibDecoder::new(packed).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn pack(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::new(random.below(10) as u32));
    zlib.write_all(bytes).and_then(|()| zlib.finish()).expect("a Vec takes any write")
}

/// How a form writes bytes as text.
struct Spelling {
    prefix: &'static str,
    engine: GeneralPurpose,
    /// `usersig` has signs of its own.
    signs: fn(String) -> String,
    usual: fn(&str) -> String,
}

impl Spelling {
    fn of(format: Format) -> Option<Self> {
        let plain = Self {
            prefix: "",
            engine: general_purpose::STANDARD,
            signs: |text| text,
            usual: str::to_owned,
        };
        Some(match format {
            Format::NimDynamic => plain,
            Format::Token04 | Format::Token04Cbc => Self { prefix: "04", ..plain },
            Format::Jwt => Self { engine: general_purpose::URL_SAFE_NO_PAD, ..plain },
            Format::Usersig => Self {
                signs: |text| text.replace('+', "*").replace('/', "-").replace('=', "_"),
                usual: |text| text.replace('*', "+").replace('-', "/").replace('_', "="),
                ..plain
            },
            Format::NimStatic | Format::ThirdParty | Format::AppSign => return None,
        })
    }

    fn read(&self, text: &str) -> Option<Vec<u8>> {
        self.engine.decode((self.usual)(text.strip_prefix(self.prefix)?)).ok()
    }

    fn write(&self, bytes: &[u8], random: &mut Random) -> String {
        let text = match random.below(12) {
            0 => GeneralPurpose::new(&alphabet::URL_SAFE, LOOSE).encode(bytes),
            1 => GeneralPurpose::new(&alphabet::STANDARD, LOOSE).encode(bytes),
            2 => format!("{}\n", self.engine.encode(bytes)),
            3 => format!("{}=", self.engine.encode(bytes)),
            _ => self.engine.encode(bytes),
        };
        format!("{}{}", self.prefix, (self.signs)(text))
    }
}

const LOOSE: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_encode_padding(false)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);
const SIGNS: &[u8] = b"+/=*-_.04AZaz\"{}[]:,\\ \n\0";
