//! What strangers may do: bounds per address and per user, before anybody is believed (V-1, S-3.5).

use std::net::IpAddr;
use std::time::Duration;

use homing_proto::Error;
use homing_proto::code::Code;
use homing_proto::id::{AppId, UserId};
use homing_proto::limits;
use homing_proto::time::Time;

use super::throttle::{Rate, Strangers, Throttle, network};

/// Bounds on what comes from outside. None of them concerns a connection that has a session.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Open connections in all; one more is closed unread.
    pub connections: usize,
    /// Connections without a session from one address (IPv6: from one /64).
    pub strangers_per_address: u32,
    /// Refused credentials from one address.
    pub refused_per_address: Rate,
    /// Logins of one user: Hellos that do not go on with a session.
    pub logins_per_user: Rate,
    /// For an app's own server to answer about a credential (S-8.1).
    pub third_party: Duration,
    /// Whether they hold for the machine itself too.
    pub loopback: Loopback,
}

/// How connections from the machine itself are treated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loopback {
    /// Without bounds per address and per user: whoever is on the machine can do worse. Behind a
    /// proxy on the same machine all clients come from there.
    Exempt,
    /// Like everybody else.
    Bounded,
}

impl Default for Bounds {
    /// Bounds that a school behind one address does not meet and a script does.
    fn default() -> Self {
        Self {
            connections: 1_000_000,
            strangers_per_address: 512,
            refused_per_address: Rate { burst: 60, every_ms: 1_000 },
            logins_per_user: Rate { burst: 20, every_ms: 2_000 },
            third_party: Duration::from_millis(limits::THIRD_PARTY_MS),
            loopback: Loopback::Exempt,
        }
    }
}

/// Sees to the bounds.
pub(super) struct Guard {
    bounds: Bounds,
    strangers: Strangers,
    refused: Throttle<IpAddr>,
    logins: Throttle<(AppId, UserId)>,
}

/// Where a connection comes from, as far as bounds hold for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Origin(Option<IpAddr>);

impl Guard {
    pub(super) fn new(bounds: Bounds) -> Self {
        let refused = Throttle::new(bounds.refused_per_address);
        let logins = Throttle::new(bounds.logins_per_user);
        Self { bounds, strangers: Strangers::default(), refused, logins }
    }

    /// Open connections that may be.
    pub(super) const fn connections(&self) -> usize {
        self.bounds.connections
    }

    /// Lets a stranger in, or does not. Who was let in has to [`leave`](Self::leave).
    pub(super) fn enter(&self, address: IpAddr) -> Option<Origin> {
        let address = address.to_canonical();
        if address.is_loopback() && self.bounds.loopback == Loopback::Exempt {
            return Some(Origin(None));
        }
        let network = network(address);
        let may = self.strangers.enter(network, self.bounds.strangers_per_address);
        may.then_some(Origin(Some(network)))
    }

    /// A stranger is gone, or none any more.
    pub(super) fn leave(&self, origin: Origin) {
        if let Origin(Some(address)) = origin {
            self.strangers.leave(address);
        }
    }

    /// Whether a Hello is looked at. `is_login` tells one that does not go on with a session.
    ///
    /// # Errors
    /// `too_frequent` with a time to come back.
    pub(super) fn admit(
        &self,
        origin: Origin,
        is_login: bool,
        who: (AppId, &UserId),
        now: Time,
    ) -> Result<(), Error> {
        let Origin(Some(address)) = origin else { return Ok(()) };
        let too_frequent = |wait_ms| Error::new(Code::TOO_FREQUENT).retry_after(wait_ms);
        self.refused.check(&address, now).map_err(too_frequent)?;
        if is_login {
            let (app, user) = who;
            self.logins.take(&(app, user.clone()), now).map_err(too_frequent)?;
        }
        Ok(())
    }

    /// A credential from there was refused.
    pub(super) fn note_refused(&self, origin: Origin, now: Time) {
        if let Origin(Some(address)) = origin {
            let _ = self.refused.take(&address, now);
        }
    }
}
