//! The account record as protobuf. Numbers are never used again, unknown fields are skipped.

use bytes::Bytes;
use homing_core::client::Account;
use homing_core::client::account::{LastLogin, RefusedCredential};
use homing_core::client::status::Why;
use homing_proto::codec;
use homing_proto::frame::{ClientFrame, Credential, EndSession, Refuse, Resume, ServerFrame};
use homing_proto::id::{SessionId, UserId};
use homing_proto::secret::{SessionSecret, Token};
use homing_proto::time::WallTime;
use homing_proto::{Code, Error};
use prost::Message;
use zeroize::{Zeroize as _, Zeroizing};

pub(super) fn encode(account: &Account) -> Zeroizing<Vec<u8>> {
    let record = Record {
        counter: account.counter,
        last: account.last.as_ref().map(last_out),
        refused: account
            .refused
            .iter()
            .map(|r| Refused { hash: r.hash.to_vec(), code: r.code.0.into() })
            .collect(),
        jobs: account.jobs.iter().map(job_out).collect(),
    };
    Zeroizing::new(record.encode_to_vec())
}

/// `None` when it is not a record, or holds an illegal value.
pub(super) fn decode(bytes: &[u8]) -> Option<Account> {
    let record = Record::decode(bytes).ok()?;
    let last = match record.last {
        Some(last) => Some(last_in(last)?),
        None => None,
    };
    Some(Account {
        last,
        counter: record.counter,
        refused: record
            .refused
            .into_iter()
            .map(|r| {
                let hash = r.hash.try_into().ok()?;
                Some(RefusedCredential { hash, code: code_in(r.code) })
            })
            .collect::<Option<_>>()?,
        jobs: record.jobs.into_iter().map(job_in).collect::<Option<_>>()?,
    })
}

fn last_out(last: &LastLogin) -> Last {
    Last {
        user: last.user.as_str().to_owned(),
        ended: last.ended.as_ref().map(ended_out),
        session: last.session.as_ref().map(|resume| Session {
            id: resume.session.0.to_vec(),
            secret: resume.secret.expose().to_vec(),
            epoch: resume.epoch,
        }),
        credential: last.credential.as_ref().map(|credential| Shown {
            format: credential.format.clone(),
            token: credential.token.expose().to_owned(),
        }),
        credential_expires_ms: last.credential_expires.map(|at| at.0),
        server_offset_ms: last.server_offset_ms,
        verified_at_ms: last.verified_at.0,
        tag: last.tag.clone(),
        custom_type: last.custom_type,
    }
}

fn last_in(last: Last) -> Option<LastLogin> {
    let ended = match last.ended {
        Some(ended) => Some(ended_in(ended)?),
        None => None,
    };
    let session = match last.session {
        Some(session) => Some(session_in(session)?),
        None => None,
    };
    Some(LastLogin {
        user: UserId::parse(&last.user).ok()?,
        ended,
        session,
        credential: last
            .credential
            .map(|shown| Credential { format: shown.format, token: Token::new(shown.token) }),
        credential_expires: last.credential_expires_ms.map(WallTime),
        server_offset_ms: last.server_offset_ms,
        verified_at: WallTime(last.verified_at_ms),
        tag: last.tag,
        custom_type: last.custom_type,
    })
}

fn session_in(mut session: Session) -> Option<Resume> {
    let secret = session.secret.as_slice().try_into().ok().map(SessionSecret::new);
    session.secret.zeroize();
    Some(Resume {
        session: SessionId::from_slice(&session.id)?,
        secret: secret?,
        epoch: session.epoch,
    })
}

fn ended_out(why: &Why) -> Ended {
    let kind = match why {
        Why::Never => EndKind::Never,
        Why::Logout => EndKind::Logout,
        Why::Switched => EndKind::Switched,
        Why::LoginFailed(_) => EndKind::LoginFailed,
        Why::Kicked(_) => EndKind::Kicked,
        Why::Banned(_) => EndKind::Banned,
        Why::AccountDeleted => EndKind::AccountDeleted,
        Why::VersionTooOld => EndKind::VersionTooOld,
    };
    let mut ended = Ended { kind: kind.into(), ..Ended::default() };
    match why {
        Why::LoginFailed(error) | Why::Banned(error) => {
            ended.code = error.code.0.into();
            ended.text = error.text.as_deref().unwrap_or_default().to_owned();
            ended.retry_after_ms = error.retry_after_ms;
            ended.until_ms = error.until.map(|until| until.0);
        }
        Why::Kicked(record) => {
            let refuse = Refuse {
                error: Code::KICKED.into(),
                terminal: true,
                kick: Some(record.clone()),
                holders: Vec::new(),
            };
            ended.kick = codec::encode_server(&ServerFrame::Refuse(Box::new(refuse))).to_vec();
        }
        Why::Never | Why::Logout | Why::Switched | Why::AccountDeleted | Why::VersionTooOld => {}
    }
    ended
}

fn ended_in(ended: Ended) -> Option<Why> {
    let error = |code| Error {
        code,
        text: (!ended.text.is_empty()).then(|| ended.text.clone().into_boxed_str()),
        retry_after_ms: ended.retry_after_ms,
        until: ended.until_ms.map(WallTime),
    };
    Some(match EndKind::try_from(ended.kind).ok()? {
        EndKind::Unspecified => return None,
        EndKind::Never => Why::Never,
        EndKind::Logout => Why::Logout,
        EndKind::Switched => Why::Switched,
        EndKind::LoginFailed => Why::LoginFailed(error(code_in(ended.code))),
        EndKind::Kicked => match codec::decode_server(ended.kick.into()).ok()? {
            ServerFrame::Refuse(refuse) => Why::Kicked(refuse.kick?),
            _ => return None,
        },
        // The code alone is what the first version left out.
        EndKind::Banned => Why::Banned(error(Code::USER_BANNED)),
        EndKind::AccountDeleted => Why::AccountDeleted,
        EndKind::VersionTooOld => Why::VersionTooOld,
    })
}

/// In its wire form.
fn job_out(job: &EndSession) -> Vec<u8> {
    codec::encode_client(&ClientFrame::EndSession(job.clone())).to_vec()
}

fn job_in(job: Vec<u8>) -> Option<EndSession> {
    match codec::decode_client(Bytes::from(job)).ok()? {
        ClientFrame::EndSession(end) => Some(end),
        _ => None,
    }
}

fn code_in(code: u32) -> Code {
    Code(u16::try_from(code).unwrap_or(u16::MAX))
}

// No Debug: prost's would show the secrets.

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct Record {
    #[prost(uint64, tag = "1")]
    counter: u64,
    #[prost(message, optional, tag = "2")]
    last: Option<Last>,
    #[prost(message, repeated, tag = "3")]
    refused: Vec<Refused>,
    /// `ClientFrame`s of the wire, each an `EndSession`.
    #[prost(bytes = "vec", repeated, tag = "4")]
    jobs: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct Last {
    #[prost(string, tag = "1")]
    user: String,
    #[prost(message, optional, tag = "2")]
    ended: Option<Ended>,
    #[prost(message, optional, tag = "3")]
    session: Option<Session>,
    #[prost(message, optional, tag = "4")]
    credential: Option<Shown>,
    #[prost(uint64, optional, tag = "5")]
    credential_expires_ms: Option<u64>,
    #[prost(sint64, tag = "6")]
    server_offset_ms: i64,
    #[prost(uint64, tag = "7")]
    verified_at_ms: u64,
    #[prost(string, optional, tag = "8")]
    tag: Option<String>,
    #[prost(uint32, optional, tag = "9")]
    custom_type: Option<u32>,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct Ended {
    #[prost(enumeration = "EndKind", tag = "1")]
    kind: i32,
    #[prost(uint32, tag = "2")]
    code: u32,
    #[prost(string, tag = "3")]
    text: String,
    #[prost(uint32, optional, tag = "4")]
    retry_after_ms: Option<u32>,
    /// A `ServerFrame` of the wire: a `Refuse` with the kick record.
    #[prost(bytes = "vec", tag = "5")]
    kick: Vec<u8>,
    /// The end of a ban.
    #[prost(uint64, optional, tag = "6")]
    until_ms: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, prost::Enumeration)]
enum EndKind {
    Unspecified = 0,
    Never = 1,
    Logout = 2,
    Switched = 3,
    LoginFailed = 4,
    Kicked = 5,
    Banned = 6,
    AccountDeleted = 7,
    VersionTooOld = 8,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct Session {
    #[prost(bytes = "vec", tag = "1")]
    id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    secret: Vec<u8>,
    #[prost(uint64, tag = "3")]
    epoch: u64,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct Shown {
    #[prost(string, tag = "1")]
    format: String,
    #[prost(string, tag = "2")]
    token: String,
}

#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
struct Refused {
    #[prost(bytes = "vec", tag = "1")]
    hash: Vec<u8>,
    #[prost(uint32, tag = "2")]
    code: u32,
}
