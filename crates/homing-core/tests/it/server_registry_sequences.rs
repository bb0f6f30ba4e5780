//! One user's sessions under random sequences of everything that can happen to them (S-7, S-11).

use std::collections::{BTreeMap, BTreeSet};

use homing_core::policy::Policy;
use homing_core::server::registry::{
    BindAnswer, BindAsk, Bound, ConnId, EndAnswer, Fresh, ResumeAsk, Rules, SecretHash, Targets,
    UserSessions, Verdict,
};
use homing_proto::device::{Device, KickReason, KickRecord, Platform};
use homing_proto::frame::{Binding, Intent, Refuse};
use homing_proto::id::{DeviceId, LoginId, SessionId};
use homing_proto::time::WallTime;
use homing_proto::{Code, limits};
use proptest::prelude::*;

use crate::policy::any_policy;
use crate::policy_model::{Seat, holds};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    #[test]
    fn sessions_keep_their_promises_whatever_happens(
        policy in any_policy(),
        platforms in proptest::collection::vec(crate::policy::any_platform(), DEVICES),
        // Fewer logins than ended sessions that are kept, so that no record is lost.
        steps in proptest::collection::vec(any_step(), 0..30),
    ) {
        let mut world = World::new(policy, &platforms);
        for step in steps {
            world.take(step)?;
            world.check_everything()?;
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Login(usize, Intent),
    /// The login's answer did not count; the answer to this attempt arrives or does not.
    Repeat {
        device: usize,
        arrives: bool,
    },
    Resume(usize),
    ReplayHello(usize),
    LoseLink(usize),
    Pass(u64),
    KickOne {
        by: usize,
        target: usize,
    },
    ServerKick(usize),
    Acknowledge(usize),
    LogOut(usize),
    Restart,
}

fn any_step() -> impl Strategy<Value = Step> {
    let device = || 0..DEVICES;
    let intent = prop_oneof![
        4 => Just(Intent::Explicit),
        1 => Just(Intent::ExplicitPolite),
        1 => Just(Intent::Automatic),
    ];
    prop_oneof![
        8 => (device(), intent).prop_map(|(device, intent)| Step::Login(device, intent)),
        5 => (device(), any::<bool>())
            .prop_map(|(device, arrives)| Step::Repeat { device, arrives }),
        8 => device().prop_map(Step::Resume),
        3 => device().prop_map(Step::ReplayHello),
        4 => device().prop_map(Step::LoseLink),
        4 => (0..90_000_u64).prop_map(Step::Pass),
        1 => (device(), device()).prop_map(|(by, target)| Step::KickOne { by, target }),
        1 => device().prop_map(Step::ServerKick),
        2 => device().prop_map(Step::Acknowledge),
        2 => device().prop_map(Step::LogOut),
        1 => Just(Step::Restart),
    ]
}

const DEVICES: usize = 5;

/// The server's value, and what each device and an onlooker know.
struct World {
    user: UserSessions,
    policy: Policy,
    now: WallTime,
    devices: Vec<Phone>,
    incarnation: u32,
    /// The last number given out.
    number: u32,
    /// Sessions that ended, which nothing may bring back.
    over: BTreeSet<SessionId>,
    /// Records that nobody has acknowledged.
    untold: BTreeMap<SessionId, KickRecord>,
    /// Connections that something took the session from.
    stale: Vec<(SessionId, ConnId)>,
}

struct Phone {
    device: Device,
    counter: u64,
    /// The session of its last login, under the secret that arrived last.
    own: Option<Own>,
    /// That login, and how often its Hello was said.
    login: Option<(LoginId, u32)>,
    conn: Option<ConnId>,
}

#[derive(Clone, Copy)]
struct Own {
    session: SessionId,
    secret: SecretHash,
    epoch: u64,
}

type Checked = Result<(), TestCaseError>;

impl World {
    fn new(policy: Policy, platforms: &[Platform]) -> Self {
        let devices = (1_u8..).zip(platforms).map(|(n, platform)| Phone {
            device: Device {
                id: DeviceId([n; 16]),
                platform: *platform,
                os: String::new(),
                tag: String::new(),
                custom_type: u32::from(n % 3),
            },
            counter: 0,
            own: None,
            login: None,
            conn: None,
        });
        Self {
            user: UserSessions::default(),
            policy,
            now: WallTime(1_000_000),
            devices: devices.collect(),
            incarnation: 1,
            number: 0,
            over: BTreeSet::new(),
            untold: BTreeMap::new(),
            stale: Vec::new(),
        }
    }

    fn take(&mut self, step: Step) -> Checked {
        match step {
            Step::Login(device, intent) => return self.login(device, intent),
            Step::Repeat { device, arrives } => return self.repeat(device, arrives),
            Step::Resume(device) => return self.resume(device),
            Step::ReplayHello(device) => return self.replay(device),
            Step::LoseLink(device) => {
                if let Some(conn) = self.devices[device].conn {
                    prop_assert!(self.user.detach(conn, self.now));
                    self.forget_conn(conn);
                }
            }
            Step::Pass(ms) => self.now.0 += ms,
            Step::KickOne { by, target } => {
                let (by, target) = (self.living(by), self.living(target));
                let targets: Vec<SessionId> = target.into_iter().collect();
                let reason = KickReason::OwnDevice;
                let losers = self.user.kick(Targets::Listed(&targets), by, reason, "", self.now);
                let hit = target.is_some_and(|target| Some(target) != by);
                prop_assert_eq!(losers.len(), usize::from(hit));
                self.lose(losers.into_iter().map(|loser| (loser.conn, loser.record)));
            }
            Step::ServerKick(spared) => {
                let spared: Vec<SessionId> = self.living(spared).into_iter().collect();
                let losers = self.user.kick(
                    Targets::AllBut(&spared),
                    None,
                    KickReason::Server,
                    "",
                    self.now,
                );
                self.lose(losers.into_iter().map(|loser| (loser.conn, loser.record)));
            }
            Step::Acknowledge(device) => {
                if let Some(own) = self.devices[device].own
                    && self.over.contains(&own.session)
                {
                    let answer = self.user.end(own.session, own.secret, self.now);
                    let told = self.untold.remove(&own.session).is_some();
                    prop_assert_eq!(answer == EndAnswer::Acknowledged, told);
                }
            }
            Step::LogOut(device) => {
                if let (Some(own), Some(conn)) =
                    (self.devices[device].own, self.devices[device].conn)
                {
                    prop_assert!(self.user.log_out(own.session, conn, self.now));
                    self.over.insert(own.session);
                    self.forget_conn(conn);
                }
            }
            Step::Restart => {
                self.incarnation += 1;
                self.user.recover(self.incarnation, self.now);
                let conns: Vec<ConnId> = self.devices.iter().filter_map(|d| d.conn).collect();
                conns.into_iter().for_each(|conn| self.forget_conn(conn));
            }
        }
        Ok(())
    }

    fn login(&mut self, device: usize, intent: Intent) -> Checked {
        self.devices[device].counter += 1;
        let before = self.user.clone();
        let login = (intent != Intent::Automatic).then(|| self.next_login());
        match self.bind(device, intent, None, login) {
            (_, BindAnswer::Refused(refuse)) => {
                prop_assert_ne!(intent, Intent::Explicit, "an explicit login always gets in");
                prop_assert_eq!(refuse.error.code, Code::DEVICE_LIMIT);
                prop_assert_eq!(&self.user, &before);
            }
            (own, BindAnswer::Bound(bound)) => {
                prop_assert_eq!(bound.binding, Binding::Fresh);
                let minted = u64::from(intent != Intent::Automatic);
                prop_assert_eq!(self.user.epoch, before.epoch + minted);
                prop_assert!(intent == Intent::Explicit || bound.displaced.is_empty());
                self.devices[device].login = login.map(|login| (login, 1));
                let earlier = self.devices[device].own.replace(own);
                self.over.extend(earlier.map(|earlier| earlier.session));
                self.bound(device, &bound);
            }
        }
        Ok(())
    }

    fn resume(&mut self, device: usize) -> Checked {
        let Some(asked) = self.devices[device].own else { return Ok(()) };
        self.devices[device].counter += 1;
        let (epoch, others) = (self.user.epoch, self.ids_but(asked.session));
        let (own, answer) = self.bind(device, Intent::Automatic, Some(asked), None);
        prop_assert_eq!(self.user.epoch, epoch, "only an explicit login mints");
        match answer {
            BindAnswer::Bound(bound) if !self.over.contains(&asked.session) => {
                prop_assert_eq!(self.ids_but(bound.session), others, "nobody else is touched");
                match bound.binding {
                    Binding::Resumed => prop_assert_eq!(bound.session, asked.session),
                    // Two lives of one device were parted; both were this one.
                    _ => {
                        prop_assert_eq!(bound.displaced.len(), 1);
                        let record = &bound.displaced[0].record;
                        prop_assert_eq!(record.reason, KickReason::DeviceConflict);
                        prop_assert_eq!(record.session, asked.session);
                        self.devices[device].own = Some(own);
                        self.devices[device].login = None;
                    }
                }
                self.bound(device, &bound);
            }
            BindAnswer::Bound(bound) => {
                // Forgotten among many that ended plainly: then there was room.
                prop_assert_eq!(bound.binding, Binding::FreshSessionUnknown);
                prop_assert!(!self.untold.contains_key(&asked.session));
                prop_assert!(bound.displaced.is_empty());
                self.devices[device].own = Some(own);
                self.devices[device].login = None;
                self.bound(device, &bound);
            }
            BindAnswer::Refused(refuse) => self.check_refusal(asked, &refuse)?,
        }
        Ok(())
    }

    fn check_refusal(&self, asked: Own, refuse: &Refuse) -> Checked {
        prop_assert!(refuse.terminal);
        prop_assert!(self.over.contains(&asked.session), "a living session is resumed");
        match self.untold.get(&asked.session) {
            Some(record) => prop_assert_eq!(refuse.kick.as_ref(), Some(record)),
            None => prop_assert!(matches!(refuse.error.code, Code::SESSION_ENDED | Code::KICKED)),
        }
        Ok(())
    }

    fn replay(&mut self, device: usize) -> Checked {
        let Some(asked) = self.devices[device].own else { return Ok(()) };
        if self.over.contains(&asked.session) {
            return Ok(());
        }
        let places: Vec<_> = self.user.sessions.iter().map(|s| (s.id, s.place)).collect();
        let BindAnswer::Refused(refuse) = self.bind(device, Intent::Automatic, Some(asked), None).1
        else {
            return Err(TestCaseError::fail("a copied counter was taken"));
        };
        prop_assert_eq!((refuse.error.code, refuse.terminal), (Code::HELLO_REPLAYED, false));
        let after: Vec<_> = self.user.sessions.iter().map(|s| (s.id, s.place)).collect();
        prop_assert_eq!(after, places);
        Ok(())
    }

    /// The login's Hello once more: the session that it has made, under another secret. Whatever
    /// arrives of that, the secret that the device holds brings the session back (I2): every
    /// later resume asserts it.
    fn repeat(&mut self, device: usize, arrives: bool) -> Checked {
        let phone = &mut self.devices[device];
        let (Some(own), Some((login, attempts))) = (phone.own, &mut phone.login) else {
            return Ok(());
        };
        if self.over.contains(&own.session) || *attempts > limits::LOGIN_DIALS {
            return Ok(());
        }
        *attempts += 1;
        phone.counter += 1;
        let (login, epoch, others) = (*login, self.user.epoch, self.ids_but(own.session));
        let (told, answer) = self.bind(device, Intent::Explicit, None, Some(login));
        let BindAnswer::Bound(bound) = answer else {
            return Err(TestCaseError::fail("a login was not repeated"));
        };
        prop_assert_eq!((bound.session, bound.epoch), (own.session, own.epoch));
        prop_assert!(bound.new_secret && bound.displaced.is_empty());
        prop_assert_eq!((self.user.epoch, self.ids_but(own.session)), (epoch, others));
        if arrives {
            self.devices[device].own = Some(Own { secret: told.secret, ..own });
        }
        self.bound(device, &bound);
        Ok(())
    }

    fn next_login(&self) -> LoginId {
        let mut login = [0; 16];
        login[..4].copy_from_slice(&self.number.to_le_bytes());
        LoginId(login)
    }

    fn bind(
        &mut self,
        device: usize,
        intent: Intent,
        resume: Option<Own>,
        login_id: Option<LoginId>,
    ) -> (Own, BindAnswer) {
        self.number += 1;
        let mut name = [0; 16];
        name[..4].copy_from_slice(&self.number.to_le_bytes());
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&self.number.to_le_bytes());
        let fresh = Fresh { session: SessionId(name), secret_hash: SecretHash(hash) };
        let phone = &self.devices[device];
        let ask = BindAsk {
            device: phone.device.clone(),
            intent,
            resume: resume.map(|Own { session, secret, epoch }| ResumeAsk {
                session,
                secret_hash: secret,
                epoch,
            }),
            login_id,
            counter: phone.counter,
            credential: Ok(Some(Verdict { issued: self.now, expires: None })),
            conn: ConnId { incarnation: self.incarnation, number: self.number },
        };
        let answer = self.user.bind(&ask, fresh, Rules::of(&self.policy), self.now);
        let epoch = match &answer {
            BindAnswer::Bound(bound) => bound.epoch,
            BindAnswer::Refused(_) => 0,
        };
        (Own { session: fresh.session, secret: fresh.secret_hash, epoch }, answer)
    }

    /// The connection that asked last has a session; others lost theirs.
    fn bound(&mut self, device: usize, bound: &Bound) {
        let losers = bound.displaced.iter().map(|loser| (loser.conn, loser.record.clone()));
        self.lose(losers.collect::<Vec<_>>());
        if let Some(conn) = bound.superseded {
            self.forget_conn(conn);
        }
        let conn = ConnId { incarnation: self.incarnation, number: self.number };
        self.devices[device].conn = Some(conn);
    }

    fn lose(&mut self, losers: impl IntoIterator<Item = (Option<ConnId>, KickRecord)>) {
        for (conn, record) in losers {
            self.over.insert(record.session);
            self.untold.insert(record.session, record);
            if let Some(conn) = conn {
                self.forget_conn(conn);
            }
        }
    }

    fn forget_conn(&mut self, conn: ConnId) {
        for phone in self.devices.iter_mut().filter(|phone| phone.conn == Some(conn)) {
            phone.conn = None;
            let own = phone.own.expect("a connection has a session");
            self.stale.push((own.session, conn));
        }
    }

    fn living(&self, device: usize) -> Option<SessionId> {
        let own = self.devices[device].own?;
        (!self.over.contains(&own.session)).then_some(own.session)
    }

    fn ids_but(&self, session: SessionId) -> Vec<SessionId> {
        self.user.sessions.iter().map(|s| s.id).filter(|id| *id != session).collect()
    }

    fn check_everything(&self) -> Checked {
        let sessions = &self.user.sessions;
        let seats: Vec<Seat> =
            sessions.iter().map(|s| (s.device.platform, s.device.custom_type)).collect();
        prop_assert!(holds(&self.policy, &seats), "more live than the policy allows: {seats:?}");

        let devices: BTreeSet<DeviceId> = sessions.iter().map(|s| s.device.id).collect();
        prop_assert_eq!(devices.len(), sessions.len(), "one session per device");
        prop_assert!(sessions.iter().all(|s| !self.over.contains(&s.id)), "one came back");
        prop_assert!(sessions.is_sorted_by_key(|s| s.epoch), "earliest login first");
        prop_assert!(sessions.iter().all(|s| s.epoch <= self.user.epoch));

        for phone in &self.devices {
            if let (Some(own), Some(conn)) = (phone.own, phone.conn) {
                prop_assert!(self.user.is_current(own.session, conn));
            }
        }
        for record in self.user.ended.iter().filter_map(|ended| ended.kick.as_ref()) {
            prop_assert_eq!(self.untold.get(&record.session), Some(record));
        }
        let kept = self.user.ended.iter().filter(|ended| ended.kick.is_some()).count();
        prop_assert_eq!(kept, self.untold.len(), "a record was lost");
        self.check_stale_connections()
    }

    fn check_stale_connections(&self) -> Checked {
        let credential = Verdict { issued: self.now, expires: None };
        for (session, conn) in &self.stale {
            let mut user = self.user.clone();
            prop_assert!(!user.is_current(*session, *conn));
            prop_assert!(!user.detach(*conn, self.now));
            prop_assert!(!user.log_out(*session, *conn, self.now));
            prop_assert!(user.renew(*session, *conn, credential, self.now).is_err());
            prop_assert_eq!(&user, &self.user);
        }
        Ok(())
    }
}
