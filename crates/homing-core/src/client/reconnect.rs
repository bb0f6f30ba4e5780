//! Losing a link and coming back, for ever (S-6.1 … S-6.3, S-6.7).

use homing_proto::frame::ClientFrame;
use homing_proto::limits::{
    BACKOFF_CAP_BACKGROUND_MS, BACKOFF_CAP_MS, LOGIN_DIALS, PROVEN_LIFE_MS, STALE_ATTEMPT_MS,
};
use homing_proto::{Code, Error};

use super::connection::Purpose;
use super::link::Link;
use super::pacing::Failure;
use super::session::Session;
use super::{Attempt, Client, Event, Output, Scene, Turn};

impl Client {
    /// A reason to try at once, within what pacing allows (S-6.3), or to doubt what seems to live.
    pub(super) fn hurry(&mut self, turn: &mut Turn<'_>) {
        self.asking.hurry(turn.now.time);
        let allowed = self.pacing.allowed(turn.now.time);
        match &mut self.link {
            Link::Waiting { until, .. } => *until = (*until).min(allowed),
            Link::Connected(wire) if !wire.is_probing() => {
                let nonce = wire.probe(turn.now.time);
                let attempt = wire.attempt;
                turn.put(Output::Transmit(attempt, ClientFrame::Ping { nonce }));
            }
            Link::Idle
            | Link::Opening(_)
            | Link::Handshaking { .. }
            | Link::Settling(_)
            | Link::Connected(_)
            | Link::Errand { .. } => {}
        }
    }

    /// The device slept or its network is another one: what was under way may lead nowhere now. A
    /// living link must answer afresh (S-6.4); an attempt that has taken a while begins anew.
    pub(super) fn doubt(&mut self, turn: &mut Turn<'_>) {
        if let Some(since) = self.link.attempt_since()
            && turn.now.time.since(since) >= STALE_ATTEMPT_MS
        {
            let error = Error::new(Code::NETWORK).with_text("the network is another one now");
            self.drop_link(turn, &error);
            if let Session::SigningIn(login) = &mut self.session {
                // Nobody failed to answer it.
                login.dials = login.dials.saturating_sub(1);
            }
        }
        if let Link::Connected(wire) = &mut self.link {
            wire.forget_probe();
        }
        self.hurry(turn);
    }

    /// The shell says that a connection is gone, or could not be made.
    pub(super) fn link_lost(&mut self, turn: &mut Turn<'_>, attempt: Attempt, mut error: Error) {
        if self.link.attempt() != Some(attempt) {
            return;
        }
        let window_ms = match error.code {
            // The server went without a word, and with it perhaps everybody else's (S-6.7).
            Code::NETWORK => self.link.wire().map(|wire| wire.reconnect_window_ms),
            _ => None,
        };
        if error.code == Code::OFFLINE {
            error.code = Code::NETWORK;
        }
        self.lost(turn, error, window_ms);
    }

    /// The link or the attempt is gone. The way back begins here (S-6.1, S-6.2).
    pub(super) fn lost(&mut self, turn: &mut Turn<'_>, error: Error, window_ms: Option<u32>) {
        let was_errand = self.purpose() == Some(Purpose::Errand);
        if let Link::Connected(wire) = &self.link
            && turn.now.time.since(wire.since) >= PROVEN_LIFE_MS
        {
            self.pacing.proven();
        }
        self.drop_link(turn, &error);
        if let Session::SigningIn(login) = &mut self.session {
            login.last_error = Some(error.clone());
            if login.dials >= LOGIN_DIALS {
                return self.login_failed(turn, &error);
            }
        }
        let cap = match self.scene {
            Scene::Foreground if !was_errand => BACKOFF_CAP_MS,
            Scene::Foreground | Scene::Background => BACKOFF_CAP_BACKGROUND_MS,
        };
        let failure =
            Failure { number: self.pacing.attempt(), code: error.code, scene: self.scene };
        let mut wait = self.pacing.back_off(&mut self.rng, cap);
        let policy = self.config.delay_policy.as_ref();
        if let Some(delay) = policy.and_then(|policy| policy.delay_ms(failure)) {
            wait = delay.min(BACKOFF_CAP_BACKGROUND_MS);
        }
        match window_ms {
            Some(window) => wait = self.pacing.spread(&mut self.rng, u64::from(window)),
            None if matches!(self.session, Session::SignedIn(_)) => {
                wait = self.pacing.again(&mut self.rng, wait);
            }
            // The user waits, and is one.
            None => {}
        }
        if let Some(after) = error.retry_after_ms {
            // Everybody was told the same moment; spread what comes after it.
            wait = u64::from(after) + wait.min(u64::from(after / 4));
        }
        let until = self.pacing.allowed(turn.now.time + wait);
        self.link = Link::Waiting { until, cause: Some(error) };
    }

    /// Lets go of the link, if there is one; what was open on it ends with `error`.
    pub(super) fn drop_link(&mut self, turn: &mut Turn<'_>, error: &Error) {
        if let Some(attempt) = self.link.attempt() {
            turn.put(Output::Close(attempt));
        }
        self.link = Link::Idle;
        self.link_ended(turn, error);
        self.requests.clear();
    }

    /// Ends everything that was open on the link; nothing of it is waited for any more.
    pub(super) fn link_ended(&mut self, turn: &mut Turn<'_>, error: &Error) {
        self.outbox.lost();
        self.requests_lost(turn, error);
        if self.sync.lost() {
            turn.event(Event::SyncFailed(Error::new(Code::SUPERSEDED)));
        }
    }
}
