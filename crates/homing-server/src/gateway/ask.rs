//! From frames to what the store is asked: credentials are verified here, and only here.

use homing_core::server::registry::{BindAsk, ConnId, ResumeAsk, SecretHash, Verdict};
use homing_proto::device::{KickReason, KickRecord};
use homing_proto::frame::{self, Credential, Hello, Refuse, Request};
use homing_proto::id::{SessionId, UserId};
use homing_proto::secret::Token;
use homing_proto::time::WallTime;
use homing_proto::{Code, Error};
use homing_token::{Expected, Format, Key};

use super::third_party::{Desk, Question};
use crate::apps::{App, AppKey, DeletedApps, StaticTokens};
use crate::store::{Ask, Bind, Command, EndSession};

/// What is known of a credential before the store decides.
pub(super) enum Look {
    /// All that there is to know here.
    Known(Result<Proof, Error>),
    /// The app's own server has to be asked.
    Asked(Box<Question>),
}

/// A credential that speaks for itself.
#[derive(Clone, Copy)]
pub(super) enum Proof {
    /// None was shown.
    None,
    /// It is genuine.
    Verdict(Verdict),
    /// A static token: the store has the user's.
    Static(SecretHash),
}

/// A Hello as the store decides on it.
pub(super) fn bind(hello: Hello, proof: Result<Proof, Error>, conn: ConnId) -> Command {
    let (credential, static_token) = match proof {
        Ok(Proof::None) => (Ok(None), None),
        Ok(Proof::Verdict(verdict)) => (Ok(Some(verdict)), None),
        Ok(Proof::Static(shown)) => (Ok(None), Some(shown)),
        Err(error) => (Err(error), None),
    };
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
        static_token,
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

/// A request as the store carries it out, unless it is a renewal, whose credential is looked at first.
///
/// # Errors
/// `unknown_operation`.
pub(super) fn request(body: Request) -> Result<Ask, Error> {
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
        Request::Logout => Ask::Logout,
        Request::Renew(_) | Request::Unknown => return Err(Code::UNKNOWN_OPERATION.into()),
    })
}

/// The refusal that an error is, of a Hello that nothing is wrong with.
pub(super) fn refuse(error: Error) -> Box<Refuse> {
    let terminal = matches!(error.code, Code::UNKNOWN_APP | Code::VERSION_TOO_OLD);
    Box::new(Refuse { error, terminal, kick: None, holders: Vec::new() })
}

/// The refusal of a Hello for an app that there is not. Where it was deleted, a session that the Hello
/// brings is told that its account is gone with it; where it never was, the device is at the wrong
/// server, and no session ends by that (I1).
pub(super) fn no_app(hello: &Hello, deleted: &DeletedApps) -> Box<Refuse> {
    let mut refuse = refuse(Code::UNKNOWN_APP.into());
    if let (Some(resume), Some(app)) = (&hello.resume, deleted.get(&hello.app)) {
        refuse.kick = Some(app_deleted(resume.session, app.deleted));
    }
    refuse
}

/// What a session is told whose app was deleted.
pub(super) const fn app_deleted(session: SessionId, at: WallTime) -> KickRecord {
    let reason = KickReason::AccountDeleted;
    KickRecord { session, reason, by: None, text: String::new(), time: at }
}

/// A renewal as the store carries it out.
///
/// # Errors
/// The credential's own code.
pub(super) fn renew(proof: Result<Proof, Error>) -> Result<Ask, Error> {
    Ok(match proof? {
        Proof::None => return Err(Code::CREDENTIAL_REQUIRED.into()),
        Proof::Verdict(verdict) => Ask::Renew(verdict),
        Proof::Static(shown) => Ask::RenewStatic(shown),
    })
}

/// Looks at a credential in the way that its form asks for (S-8.1, S-8.2).
pub(super) fn look(
    credential: Option<&Credential>,
    app: &App,
    user: &UserId,
    desk: &Desk,
    now: WallTime,
) -> Look {
    let Some(credential) = credential else { return Look::Known(Ok(Proof::None)) };
    let disabled = |format: Format| {
        let text = format!("the app does not take `{format}` credentials");
        Look::Known(Err(Error::new(Code::CREDENTIAL_TYPE_DISABLED).with_text(text)))
    };
    let token = &credential.token;
    match credential.format.parse() {
        Err(_) => Look::Known(Err(Error::new(Code::CREDENTIAL_TYPE_DISABLED)
            .with_text("this server does not know that form of credential"))),
        Ok(Format::NimStatic) => match app.acceptance.static_tokens {
            StaticTokens::Refused => disabled(Format::NimStatic),
            StaticTokens::Accepted => Look::Known(Ok(Proof::Static(SecretHash::of_token(token)))),
        },
        Ok(Format::ThirdParty) => match &app.acceptance.third_party {
            None => disabled(Format::ThirdParty),
            Some(third_party) => {
                let question = Question::new(app, third_party, user, token);
                match desk.remembered(&question, now) {
                    Some(verdict) => Look::Known(Ok(Proof::Verdict(verdict))),
                    None => Look::Asked(Box::new(question)),
                }
            }
        },
        Ok(format) => Look::Known(verify(format, token, app, user, now).map(Proof::Verdict)),
    }
}

/// Judges a credential by the app's keys for its form.
fn verify(
    format: Format,
    token: &Token,
    app: &App,
    user: &UserId,
    now: WallTime,
) -> Result<Verdict, Error> {
    let of_form = app.keys.iter().filter(|key| key.format == format.ring());
    let keys: Vec<Key> = of_form.map(|key| key.key.clone()).collect();
    let expected = Expected { app: app.id, user, keys: &keys, now, rules: app.acceptance.rules };
    let claims = homing_token::verify(format, token, &expected)?;
    // An app sign says no time of its own: it is as old as the key that it is.
    let issued = claims.issued_at.unwrap_or_else(|| {
        let is_it =
            |key: &&AppKey| key.format == format && key.key.expose() == token.expose().as_bytes();
        app.keys.iter().find(is_it).map_or(app.created, |key| key.created)
    });
    Ok(Verdict { issued, expires: claims.expires_at })
}
