//! Asking the app's provider for a credential (S-8.4): one question at a time, told why, withdrawn
//! when nobody needs the answer any more, and never in a loop.
//!
//! The provider is asked while the credential runs out and when it no longer serves. What it gives is
//! shown on the present link, which stays, or kept for the next Hello. An answer that does not help
//! – no answer, a refused credential, the one that runs out – is a failure: failures back off, under
//! a ceiling on questions that holds whatever brings them about (I11, I16).

use homing_proto::Error;
use homing_proto::code::Code;
use homing_proto::frame::{Credential, Request};
use homing_proto::limits::{BACKOFF_CAP_BACKGROUND_MS, PROVIDER_TIMEOUT_MS, TOKEN_BYTES};
use homing_proto::time::{Time, WallTime};

use super::checks::refused_before;
use super::pacing::Pacing;
use super::requests::Asked;
use super::session::Session;
use super::status::{CredentialStatus, Why};
use super::{
    AskId, AskReason, Client, CredentialAnswer, CredentialAsk, CredentialSource, LocalData,
    Network, Output, Turn, Write,
};

/// Where the questions to the provider stand.
#[derive(Clone, Debug, Default)]
pub(super) struct Asking {
    stage: Stage,
    pacing: Pacing,
    last: u64,
    /// What the server said of the credential that the provider gave last.
    refusal: Option<Error>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing is to be asked.
    #[default]
    Idle,
    /// The next question comes then.
    Due(Time),
    /// The provider is busy with this question.
    Asked { id: AskId, since: Time },
    /// What it gave was shown to the server, which has not answered.
    Shown,
    /// It said that only the user can help: nothing is asked until something is new.
    Resting,
}

impl Asking {
    /// The server took what it was shown: the next failure is the first again.
    pub(super) fn accepted(&mut self) {
        self.pacing.proven();
        self.refusal = None;
        if self.stage == Stage::Shown {
            self.stage = Stage::Idle;
        }
    }

    /// The credential no longer serves: also a provider that wanted the user is asked once more.
    pub(super) fn stirred(&mut self) {
        if self.stage == Stage::Resting {
            self.stage = Stage::Idle;
        }
    }

    /// A question that waits for its time comes as soon as the pace allows.
    pub(super) fn hurry(&mut self, now: Time) {
        if let Stage::Due(at) = &mut self.stage {
            *at = (*at).min(self.pacing.allowed(now));
        }
    }

    /// The open question is withdrawn; what is answered to it late is not heard.
    pub(super) fn withdraw(&mut self, turn: &mut Turn<'_>) {
        if let Stage::Asked { id, .. } = std::mem::take(&mut self.stage) {
            turn.put(Output::ForgetAsk(id));
        }
    }
}

impl Client {
    /// Asks, or withdraws the question, as the session now needs it.
    pub(super) fn advance_asking(&mut self, turn: &mut Turn<'_>) {
        let Some(ask) = self.credential_ask(turn.now.time) else {
            self.asking.withdraw(turn);
            return;
        };
        if self.asking.stage == Stage::Idle {
            self.asking.stage = Stage::Due(self.asking.pacing.allowed(turn.now.time));
        }
        if let Stage::Due(at) = self.asking.stage
            && turn.now.time >= at
            && self.network == Network::Up
        {
            self.asking.pacing.began(turn.now.time);
            self.asking.last += 1;
            let id = AskId(self.asking.last);
            self.asking.stage = Stage::Asked { id, since: turn.now.time };
            turn.put(Output::AskCredential(id, ask));
        }
    }

    /// A provider that says nothing is given up for now.
    pub(super) fn asking_timeout(&mut self, turn: &mut Turn<'_>) {
        if let Stage::Asked { since, .. } = self.asking.stage
            && turn.now.time >= since + PROVIDER_TIMEOUT_MS
        {
            self.asking.withdraw(turn);
            self.ask_later(turn.now.time, None);
        }
    }

    pub(super) const fn asking_due(&self) -> Option<Time> {
        match self.asking.stage {
            // Without a network nothing is asked; the device tells when there is one.
            Stage::Due(at) if matches!(self.network, Network::Up) => Some(at),
            Stage::Asked { since, .. } => Some(Time(since.0.saturating_add(PROVIDER_TIMEOUT_MS))),
            Stage::Idle | Stage::Due(_) | Stage::Shown | Stage::Resting => None,
        }
    }

    /// The provider answered.
    pub(super) fn credential_answered(
        &mut self,
        turn: &mut Turn<'_>,
        id: AskId,
        answer: CredentialAnswer,
    ) {
        if !matches!(self.asking.stage, Stage::Asked { id: open, .. } if open == id) {
            return;
        }
        match answer {
            CredentialAnswer::Given(credential, expires) => match self.useless(&credential) {
                Some(error) => {
                    self.asking.refusal = Some(error);
                    self.ask_later(turn.now.time, None);
                }
                None => self.take_credential(turn, credential, expires),
            },
            CredentialAnswer::NotNow { retry_after_ms } => {
                self.ask_later(turn.now.time, retry_after_ms);
            }
            CredentialAnswer::NeedsUser => self.asking.stage = Stage::Resting,
            CredentialAnswer::SignedOut => {
                self.asking.stage = Stage::Idle;
                self.depart(turn, Why::Logout, LocalData::Keep, Write::Account);
            }
        }
    }

    /// The server's verdict on what the provider gave.
    pub(super) fn provided_answered(&mut self, turn: &mut Turn<'_>, result: Result<(), Error>) {
        match result {
            Ok(()) => self.asking.accepted(),
            Err(error) => {
                let wait = error.retry_after_ms.map(u64::from);
                if error.code.is_credential() {
                    self.asking.refusal = Some(error);
                }
                // The warning that came meanwhile may have led to a question: that one stands.
                if !matches!(self.asking.stage, Stage::Asked { .. }) {
                    self.ask_later(turn.now.time, wait);
                }
            }
        }
    }

    /// Uses a credential from here on: shown on the link that is there, or with the next Hello.
    pub(super) fn take_credential(
        &mut self,
        turn: &mut Turn<'_>,
        credential: Credential,
        expires: Option<WallTime>,
    ) {
        if self.is_connected() {
            self.asking.stage = Stage::Shown;
            let request = Request::Renew(credential.clone());
            return self.ask(turn, Asked::Provided(credential, expires), request);
        }
        self.asking.stage = Stage::Idle;
        self.adopt(credential, expires);
        self.persist_account(turn, Write::Account);
        self.hurry(turn);
    }

    /// What the provider is to be asked now, if anything.
    fn credential_ask(&self, now: Time) -> Option<CredentialAsk> {
        if self.config.credentials != CredentialSource::Provider || self.suspended.is_some() {
            return None;
        }
        let Session::SignedIn(account) = &self.session else { return None };
        let reason = match (&account.credential, &self.asking.refusal) {
            (CredentialStatus::Valid, _) => return None,
            (CredentialStatus::Expiring { .. }, Some(error)) => AskReason::Refused(error.clone()),
            (CredentialStatus::Expiring { at }, None) => {
                AskReason::Expiring { seconds: u32::try_from(at.since(now) / 1000).unwrap_or(0) }
            }
            (CredentialStatus::Needed { why }, _) if why.code == Code::CREDENTIAL_EXPIRED => {
                AskReason::Expired
            }
            (CredentialStatus::Needed { why }, _) => AskReason::Refused(why.clone()),
        };
        Some(CredentialAsk { user: account.user.clone(), reason })
    }

    /// Why what the provider gave does not help.
    fn useless(&self, credential: &Credential) -> Option<Error> {
        if credential.token.expose().len() > TOKEN_BYTES {
            return Some(Code::CREDENTIAL_MALFORMED.into());
        }
        if let Some(code) = self.account.refusal(credential) {
            return Some(refused_before(code));
        }
        let present = self.account.last.as_ref().and_then(|last| last.credential.as_ref());
        (present == Some(credential)).then(|| {
            Error::new(Code::CREDENTIAL_EXPIRED).with_text("the provider gave the same one again")
        })
    }

    fn ask_later(&mut self, now: Time, retry_after_ms: Option<u64>) {
        let back_off = self.asking.pacing.back_off(&mut self.rng, BACKOFF_CAP_BACKGROUND_MS);
        let wait = back_off.max(retry_after_ms.unwrap_or(0));
        self.asking.stage = Stage::Due(self.asking.pacing.allowed(now + wait));
    }
}
