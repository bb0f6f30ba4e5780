//! From frames to what the store is asked: credentials are verified here, and only here.

use homing_core::server::registry::{BindAsk, ConnId, ResumeAsk, SecretHash, Verdict};
use homing_proto::frame::{self, Credential, Hello, Refuse, Request};
use homing_proto::id::UserId;
use homing_proto::time::WallTime;
use homing_proto::{Code, Error};
use homing_token::{Expected, Format, Key, Rules};

use crate::apps::{App, AppKey};
use crate::store::{Ask, Bind, Command, EndSession};

/// A Hello as the store decides on it.
pub(super) fn bind(hello: Hello, app: &App, conn: ConnId, now: WallTime) -> Command {
    let credential = hello
        .credential
        .as_ref()
        .map(|credential| verify(credential, app, &hello.user, now))
        .transpose();
    let ask = BindAsk {
        device: hello.device,
        intent: hello.intent,
        login_id: hello.login_id,
        resume: hello.resume.map(|resume| ResumeAsk {
            session: resume.session,
            secret_hash: SecretHash::of(&resume.secret),
            epoch: resume.epoch,
        }),
        counter: hello.counter,
        credential,
        conn,
    };
    Command::Bind(Box::new(Bind {
        app: hello.app,
        user: hello.user,
        user_name: hello.user_name,
        ask,
        cursor: hello.cursor,
        outbox_heads: hello.outbox_heads,
        window: hello.window,
    }))
}

/// An EndSession as the store carries it out.
pub(super) fn end_session(end: frame::EndSession, conn: ConnId) -> Command {
    Command::EndSession(Box::new(EndSession {
        app: end.app,
        user: end.user,
        session: end.session,
        secret_hash: SecretHash::of(&end.secret),
        conn,
    }))
}

/// A request as the store carries it out. `app` is the asker's, if it is still there.
///
/// # Errors
/// A credential's own code; `unknown_app`; `unknown_operation`.
pub(super) fn request(
    body: Request,
    app: Option<&App>,
    user: &UserId,
    now: WallTime,
) -> Result<Ask, Error> {
    Ok(match body {
        Request::Send { conversation, client_id, content } => {
            Ask::Send { conversation, client_id, content }
        }
        Request::MarkRead { conversation, seq } => Ask::MarkRead { conversation, seq },
        Request::SyncFrom { cursor, window } => Ask::SyncFrom { cursor, window },
        Request::History { conversation, before, limit } => {
            Ask::History { conversation, before, limit }
        }
        Request::ListDevices => Ask::ListDevices,
        Request::KickDevices(sessions) => Ask::KickDevices(sessions),
        Request::Presence(users) => Ask::Presence(users),
        Request::Renew(credential) => {
            let app = app.ok_or(Code::UNKNOWN_APP)?;
            Ask::Renew(verify(&credential, app, user, now)?)
        }
        Request::Logout => Ask::Logout,
        Request::Unknown => return Err(Code::UNKNOWN_OPERATION.into()),
    })
}

/// The refusal that an error is, of a Hello that nothing is wrong with.
pub(super) fn refuse(error: Error) -> Box<Refuse> {
    let terminal = error.code == Code::UNKNOWN_APP;
    Box::new(Refuse { error, terminal, kick: None, holders: Vec::new() })
}

/// Judges a credential by the app's keys for its form (S-8.1, S-8.2).
fn verify(
    credential: &Credential,
    app: &App,
    user: &UserId,
    now: WallTime,
) -> Result<Verdict, Error> {
    let format: Format = credential.format.parse()?;
    let of_form = app.keys.iter().filter(|key| key.format == format.ring());
    let keys: Vec<Key> = of_form.map(|key| key.key.clone()).collect();
    let expected = Expected { app: app.id, user, keys: &keys, now, rules: Rules::default() };
    let claims = homing_token::verify(format, &credential.token, &expected)?;
    // An app sign says no time of its own: it is as old as the key that it is.
    let issued = claims.issued_at.unwrap_or_else(|| {
        let is_it = |key: &&AppKey| {
            key.format == format && key.key.expose() == credential.token.expose().as_bytes()
        };
        app.keys.iter().find(is_it).map_or(app.created, |key| key.created)
    });
    Ok(Verdict { issued, expires: claims.expires_at })
}
