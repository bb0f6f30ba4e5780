//! When two states of a walk are the same: one number for each, from everything that can matter
//! later, with the names taken off.
//!
//! Everything is written down as `Debug` has it and then read once more: ids become numbers in the
//! order of their appearance, counters their rank, and what is only shown or only counts (reasons,
//! attempts, batches, pictures) goes. Of time nothing is left but whose wake-up comes next, and
//! whether a session has been away, or there, for long.
//! The two devices come in an order that does not depend on their names. So states that differ in
//! names alone are one state (symmetry), and so are states that differ in time alone while the same
//! wake-up comes next (time abstraction): of each, the first that was met stands for all. A secret shows nothing in `Debug`; whether it still
//! fits the server's is written beside it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use homing_core::client::Account;
use homing_core::server::registry::{SecretHash, UserSessions};
use homing_proto::codec;
use homing_proto::frame::ClientFrame;
use homing_proto::id::SessionId;
use homing_proto::limits::LINGER_MS;
use homing_proto::secret::SessionSecret;

use super::{Walk, peer, user};
use crate::world::device::Device;
use crate::world::queue::Due;
use crate::world::scene::TRUE_BASE_MS;

/// Makes keys; keeps its buffers.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    text: String,
    section: usize,
    counters: [BTreeSet<u64>; MOST_DEVICES],
    names: Vec<(Kind, u128)>,
}

/// What a name names; two kinds are never mixed up, nor two devices' names of a local kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Id,
    Log,
    Conn,
    Epoch,
    Local(&'static str, u8),
}

impl Keys {
    pub(crate) fn of(&mut self, walk: &Walk) -> u64 {
        self.text.clear();
        let world = &walk.world;
        let none = UserSessions::default();
        let sessions = world.server.book.user(&user()).unwrap_or(&none);
        let mut devices: Vec<&Device> = world.devices.iter().collect();
        devices.sort_by_key(|device| rough(walk, device));
        for (at, device) in devices.iter().enumerate() {
            self.section(at);
            self.counters[at].clear();
            self.device(walk, device, sessions);
        }
        for session in &sessions.sessions {
            let at = devices.iter().position(|device| device.about.id == session.device.id);
            self.section(at.unwrap_or(0));
            self.count(session.counter);
            self.put(format_args!("{session:?}"));
        }
        for user in [user(), peer()] {
            self.put(format_args!("{:?}", world.server.book.log(&user)));
        }
        self.wake_ups(walk, &devices);
        let base = Base {
            now_ms: world.now,
            incarnation: u64::from(world.server.incarnation),
            counters: &self.counters,
        };
        self.names.clear();
        let mut reader = Reader { base, section: 0, names: &mut self.names, hash: FNV_OFFSET };
        reader.read(self.text.as_bytes());
        // What ended matters as long as somebody may still ask for it.
        for ended in &sessions.ended {
            let login = ended.login_id.map(|login| login.0);
            if reader.knows(ended.session.0) || login.is_some_and(|login| reader.knows(login)) {
                reader.read(format!("{ended:?}").as_bytes());
            }
        }
        mixed(reader.hash)
    }

    fn device(&mut self, walk: &Walk, device: &Device, sessions: &UserSessions) {
        self.count(device.disk.account.counter);
        if let Some(process) = &device.process {
            self.count(process.client.account().counter);
            self.put(format_args!("{:?}", process.client));
            self.secrets(process.client.account(), sessions);
        }
        self.put(format_args!("{:?}{:?}", device.disk.account, device.disk.stores));
        self.secrets(&device.disk.account, sessions);
        for (id, link) in walk.world.network.links() {
            if link.device != device.no {
                continue;
            }
            let conn = walk.world.server.conns.get(&id);
            let on_it = |due: &&Due| match due {
                Due::Up(of, _) | Due::Down(of, _) | Due::ClientLost(of) | Due::ServerLost(of) => {
                    *of == id
                }
                _ => false,
            };
            let is_over = conn.is_none() && !link.shape()[0];
            if is_over && !walk.pending.iter().any(|due| on_it(&due)) {
                continue;
            }
            let (ours, shape) = (link.run == device.run, link.shape());
            self.put(format_args!("number: {} {ours} {:?} {shape:?}", id.0, link.attempt));
            if let Some(conn) = conn {
                self.put(format_args!("{:?}", conn.machine));
            }
            for due in walk.pending.iter().filter(on_it) {
                match due {
                    Due::Up(_, bytes) => {
                        let frame = codec::decode_client(bytes.clone());
                        if let Ok(ClientFrame::Hello(hello)) = &frame {
                            self.count(hello.counter);
                        }
                        self.put(format_args!("up {frame:?}"));
                    }
                    Due::Down(_, bytes) => {
                        self.put(format_args!("down {:?}", codec::decode_server(bytes.clone())));
                    }
                    Due::ClientLost(_) => self.put(format_args!("lost down")),
                    _ => self.put(format_args!("lost up")),
                }
            }
        }
    }

    /// Whose wake-up comes next, and who has one at all.
    fn wake_ups(&mut self, walk: &Walk, devices: &[&Device]) {
        let of_device = |device: &&Device| device.process.as_ref().and_then(|p| p.timer);
        let conns = walk.world.server.conns.iter();
        let due: Vec<(Option<u64>, u32)> = devices
            .iter()
            .map(|device| (of_device(device), 0))
            .chain(conns.map(|(link, conn)| (conn.timer, link.0)))
            .collect();
        let next = due.iter().filter_map(|(at, _)| *at).min();
        for (at, link) in due {
            let is_next = at.is_some() && at == next;
            self.put(format_args!("number: {link} {} {is_next}", at.is_some()));
        }
    }

    /// Whether each secret that the record holds is the one that the server knows.
    fn secrets(&mut self, account: &Account, sessions: &UserSessions) {
        let last = account.last.as_ref().and_then(|last| last.session.as_ref());
        if let Some(resume) = last {
            let fits = fits(resume.session, &resume.secret, sessions);
            self.put(format_args!("{fits:?}"));
        }
        for job in &account.jobs {
            let fits = fits(job.session, &job.secret, sessions);
            self.put(format_args!("{fits:?}"));
        }
    }

    /// A hello counter of the present device: counters are told apart by their order alone.
    fn count(&mut self, counter: u64) {
        self.counters[self.section].insert(counter);
    }

    fn section(&mut self, at: usize) {
        self.section = at;
        self.text.push(SECTION);
        self.text.push(if at == 0 { '0' } else { '1' });
    }

    fn put(&mut self, what: std::fmt::Arguments<'_>) {
        self.text.write_fmt(what).expect("a string takes everything");
        self.text.push('\n');
    }
}

/// Orders the devices by what they are about, not by name. Where two are alike, or only seem so,
/// their order does not matter much: at worst one state counts as two.
fn rough(walk: &Walk, device: &Device) -> (bool, u64, usize, usize, String) {
    let links = walk.world.network.links().filter(|(_, link)| link.device == device.no).count();
    let status = device.process.as_ref().map(|process| {
        let status = process.client.status();
        let session = std::mem::discriminant(&status.session);
        let link = std::mem::discriminant(&status.link);
        format!("{session:?}{link:?}")
    });
    let account = &device.disk.account;
    let lives = account.live().is_some();
    (lives, account.counter, account.jobs.len(), links, status.unwrap_or_default())
}

/// Where the secret stands among those of its session, the latest first; `None` when it is none of
/// them any more (I2).
fn fits(
    session: SessionId,
    secret: &SessionSecret,
    sessions: &UserSessions,
) -> Option<Option<usize>> {
    let living = sessions.sessions.iter().map(|s| (s.id, &s.secrets));
    let ended = sessions.ended.iter().map(|e| (e.session, &e.secrets));
    let (_, known) = living.chain(ended).find(|(id, _)| *id == session)?;
    let shown = SecretHash::of(secret);
    Some([known.latest].iter().chain(&known.former).position(|hash| *hash == shown))
}

/// What distances are measured from.
struct Base<'a> {
    now_ms: u64,
    incarnation: u64,
    counters: &'a [BTreeSet<u64>; MOST_DEVICES],
}

struct Reader<'a> {
    base: Base<'a>,
    section: u8,
    names: &'a mut Vec<(Kind, u128)>,
    hash: u64,
}

impl Reader<'_> {
    fn read(&mut self, text: &[u8]) {
        let mut at = 0;
        let (mut word, mut before): (&[u8], &[u8]) = (b"", b"");
        while at < text.len() {
            let byte = text[at];
            if byte == SECTION as u8 {
                self.section = text[at + 1] - b'0';
                at += 2;
            } else if let Some(id) = uuid(&text[at..]) {
                self.name(Kind::Id, id);
                at += UUID_BYTES;
            } else if byte.is_ascii_alphabetic() || byte == b'_' {
                let len = length(&text[at..], |b| b.is_ascii_alphanumeric() || b == b'_');
                (before, word) = (word, &text[at..at + len]);
                at += len;
                match word {
                    // A login that ended leaves its reason to be shown, and nothing else.
                    b"ended" if text[at..].starts_with(b": Some") => at += enclosed(&text[at..]),
                    b"attempts" | b"logins" => at += all_but_last(&text[at..]),
                    _ if SKIPPED.contains(&word) => at += enclosed(&text[at..]),
                    _ => self.eat(word),
                }
            } else if byte.is_ascii_digit() {
                let len = length(&text[at..], |b| b.is_ascii_digit());
                let number = digits(&text[at..at + len]);
                at += len;
                if is_moment(&text[at..]) {
                    at += 5;
                } else {
                    self.number(number, word, before);
                }
            } else {
                self.eat(&[byte]);
                at += 1;
            }
        }
    }

    /// Whether an id was read.
    fn knows(&self, id: [u8; 16]) -> bool {
        self.names.contains(&(Kind::Id, u128::from_be_bytes(id)))
    }

    fn number(&mut self, number: u128, word: &[u8], before: &[u8]) {
        match word {
            b"WallTime" if matches!(before, b"since" | b"login_time") => self.age(number as u64),
            b"WallTime" => {}
            b"Attempt" => self.name(Kind::Local("attempt", self.section), number),
            b"Generation" => self.name(Kind::Local("generation", self.section), number),
            b"BatchId" => self.name(Kind::Local("batch", self.section), number),
            b"CommandId" => self.name(Kind::Local("command", self.section), number),
            b"log_epoch" => self.name(Kind::Log, number),
            b"number" => self.name(Kind::Conn, number),
            b"counter" => {
                let above = self.base.counters[usize::from(self.section)].range(number as u64..);
                self.eat(&[above.count() as u8]);
            }
            b"epoch" => self.name(Kind::Epoch, number),
            b"id" | b"open" => self.name(Kind::Local("request", self.section), number),
            b"incarnation" => {
                self.eat(&[u8::from(number as u64 == self.base.incarnation)]);
            }
            b"last_attempt" | b"last_generation" | b"last_batch" | b"Rng" => {}
            // How often an attempt failed only says how long the next wait may be.
            b"failures" => {}
            b"last" | b"rtt_ms" => {}
            b"seq" if before == b"Status" => {}
            _ => self.eat(&number.to_le_bytes()),
        }
    }

    /// Whether a session has been so for long: a rule or two of the server ask that (S-1.6).
    fn age(&mut self, wall_ms: u64) {
        let age_ms = (TRUE_BASE_MS + self.base.now_ms).saturating_sub(wall_ms);
        self.eat(&[u8::from(age_ms >= LINGER_MS)]);
    }

    fn name(&mut self, kind: Kind, name: u128) {
        let known = self.names.iter().position(|known| *known == (kind, name));
        let number = known.unwrap_or_else(|| {
            self.names.push((kind, name));
            self.names.len() - 1
        });
        self.eat(&[b'@', number as u8]);
    }

    fn eat(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME);
        }
    }
}

fn length(text: &[u8], is_part: impl Fn(u8) -> bool) -> usize {
    text.iter().position(|b| !is_part(*b)).unwrap_or(text.len())
}

fn digits(text: &[u8]) -> u128 {
    text.iter().fold(0, |n, digit| n * 10 + u128::from(digit - b'0'))
}

/// The rest of a [`Time`](homing_proto::time::Time) after its seconds: `.123s`.
fn is_moment(text: &[u8]) -> bool {
    matches!(text, [b'.', a, b, c, b's', ..] if [a, b, c].iter().all(|d| d.is_ascii_digit()))
}

/// An id in its 8-4-4-4-12 form.
fn uuid(text: &[u8]) -> Option<u128> {
    let text = text.get(..UUID_BYTES)?;
    if [8, 13, 18, 23].iter().any(|at| text[*at] != b'-') {
        return None;
    }
    text.iter().filter(|b| **b != b'-').try_fold(0_u128, |id, b| {
        let digit = char::from(*b).to_digit(16)?;
        Some(id << 4 | u128::from(digit))
    })
}

/// The length of everything up to the end of the next braces, brackets or parentheses.
fn enclosed(text: &[u8]) -> usize {
    let mut depth = 0;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return at + 1;
        }
    }
    text.len()
}

/// The length of a list of plain values up to its last one.
fn all_but_last(text: &[u8]) -> usize {
    let list = &text[..enclosed(text)];
    list.iter().rposition(|b| *b == b',').unwrap_or(0)
}

/// Spreads what FNV leaves together.
const fn mixed(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

const MOST_DEVICES: usize = 2;
const SECTION: char = '\u{1}';
const UUID_BYTES: usize = 36;
const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;
/// What never changes, what is only shown, and lists that are only compared with the next.
const SKIPPED: [&[u8]; 10] = [
    b"config",
    b"status",
    b"SignedOut",
    b"Error",
    b"Device",
    b"DeviceInfo",
    b"devices",
    b"Devices",
    b"limits",
    b"callers",
];
