//! One user's sessions, rule by rule (S-5, S-7, S-8).

use homing_core::policy::{Policy, Preset};
use homing_core::server::registry::{
    BindAnswer, BindAsk, Bound, ConnId, EndAnswer, Fresh, Place, ResumeAsk, Rules, SecretHash,
    Standing, Targets, UserSessions, Verdict,
};
use homing_proto::device::{Device, KickReason, Platform};
use homing_proto::frame::{Binding, Intent, Refuse};
use homing_proto::id::{DeviceId, LoginId, SessionId};
use homing_proto::secret::SessionSecret;
use homing_proto::time::WallTime;
use homing_proto::{Code, Error, limits};

#[test]
fn the_first_explicit_login_makes_a_session_and_an_epoch() {
    let mut world = World::under(Preset::Triple);
    let bound = world.login(PHONE);
    assert_eq!((bound.epoch, bound.binding, bound.new_secret), (1, Binding::Fresh, true));
    assert_eq!((bound.superseded, bound.displaced.len()), (None, 0));
    assert!(bound.devices_changed);
    assert_eq!(world.user.devices(world.now)[0].session, bound.session);
}

#[test]
fn a_second_phone_displaces_the_first_which_stays_out_until_the_user_comes_back_by_an_own_act() {
    let mut world = World::under(Preset::Dual);
    let first = world.login(PHONE);
    let first_conn = world.conn();
    let second = world.login(TABLET);
    let [loser] = &second.displaced[..] else { panic!("one loser") };
    assert_eq!(loser.conn, Some(first_conn));
    assert_eq!(loser.record.reason, KickReason::Policy);
    assert_eq!(loser.record.session, first.session);
    assert_eq!(loser.record.by.as_ref().unwrap().device.platform, Platform::Ipad);

    for _ in 0..3 {
        let refused = world.ask(PHONE).resuming(&first).refused();
        assert_eq!((refused.error.code, refused.terminal), (Code::KICKED, true));
        assert_eq!(refused.kick.as_ref(), Some(&loser.record), "told until it is acknowledged");
    }
    assert_eq!(world.user.epoch, 2, "a refused resume mints nothing");

    let back = world.ask(PHONE).resuming(&first).intent(Intent::Explicit).bound();
    assert_eq!((back.binding, back.epoch), (Binding::FreshSessionUnknown, 3));
    assert_eq!(back.displaced[0].record.session, second.session);
}

#[test]
fn an_acknowledged_kick_is_told_no_more_and_the_session_stays_over() {
    let mut world = World::under(Preset::Single);
    let first = world.login(PHONE);
    world.login(TABLET);
    let now = world.now;
    assert_eq!(world.user.end(first.session, hash(99), now), EndAnswer::Nothing, "wrong secret");
    assert_eq!(world.user.end(first.session, secret(&first), now), EndAnswer::Acknowledged);
    assert_eq!(world.user.end(first.session, secret(&first), now), EndAnswer::Nothing);
    let refused = world.ask(PHONE).resuming(&first).refused();
    assert_eq!((refused.error.code, refused.terminal), (Code::SESSION_ENDED, true));
    assert_eq!(refused.kick, None);
}

#[test]
fn a_resume_takes_the_connection_over_without_policy_epoch_or_new_secret() {
    let mut world = World::under(Preset::Triple);
    let login = world.login(PHONE);
    let first_conn = world.conn();
    world.policy = Policy::preset(Preset::Single);
    let resumed = world.ask(PHONE).resuming(&login).bound();
    assert_eq!((resumed.binding, resumed.session), (Binding::Resumed, login.session));
    assert_eq!((resumed.epoch, resumed.new_secret), (1, false));
    assert_eq!(resumed.superseded, Some(first_conn));
    assert!(!resumed.devices_changed);
    assert!(world.user.is_current(login.session, world.conn()));
    assert!(!world.user.is_current(login.session, first_conn));
}

#[test]
fn a_device_that_was_away_for_60_s_is_seen_to_come_back_and_a_shorter_absence_is_not() {
    let mut world = World::under(Preset::Triple);
    let login = world.login(PHONE);
    world.drop_link();
    assert_eq!(world.user.next_offline(world.now), Some(world.later(limits::LINGER_MS)));
    world.pass(limits::LINGER_MS - 1);
    assert!(world.user.devices(world.now)[0].online);
    assert!(!world.ask(PHONE).resuming(&login).bound().devices_changed);
    world.drop_link();
    world.pass(limits::LINGER_MS);
    assert!(!world.user.devices(world.now)[0].online);
    assert_eq!(world.user.next_offline(world.now), None);
    assert!(world.ask(PHONE).resuming(&login).bound().devices_changed);
}

#[test]
fn a_hello_seen_before_is_refused_and_a_higher_counter_is_taken() {
    let mut world = World::under(Preset::Triple);
    let login = world.login(PHONE);
    let stored = world.user.sessions[0].counter;
    for counter in [0, stored] {
        let refused = world.ask(PHONE).resuming(&login).counter(counter).refused();
        assert_eq!((refused.error.code, refused.terminal), (Code::HELLO_REPLAYED, false));
    }
    let resumed = world.ask(PHONE).resuming(&login).counter(stored + 1).bound();
    assert_eq!(resumed.binding, Binding::Resumed);
}

#[test]
fn the_same_devices_next_login_takes_its_own_place_without_a_kick() {
    let mut world = World::under(Preset::Single);
    let first = world.login(PHONE);
    let first_conn = world.conn();
    let second = world.login(PHONE);
    assert_eq!((second.superseded, second.displaced.len()), (Some(first_conn), 0));
    assert_eq!(world.user.sessions.len(), 1);
    let refused = world.ask(PHONE).resuming(&first).refused();
    assert_eq!((refused.error.code, refused.kick), (Code::SESSION_ENDED, None));
}

#[test]
fn a_further_attempt_of_a_login_whose_answer_was_lost_is_the_same_login() {
    let mut world = World::under(Preset::Dual);
    world.login(TABLET);
    let lost = world.ask(PHONE).attempt_of(1).bound();
    let lost_conn = world.conn();
    assert_eq!((lost.epoch, lost.displaced.len()), (2, 1));
    world.login(BROWSER);
    let again = world.ask(PHONE).attempt_of(1).bound();
    assert_eq!((again.session, again.epoch, again.binding), (lost.session, 2, Binding::Fresh));
    assert_eq!((again.superseded, again.displaced.len()), (Some(lost_conn), 0));
    assert!(again.new_secret);
    // The world numbers secrets as it numbers asks that were answered.
    let told = hash(world.names);
    assert_eq!(world.ask(PHONE).resuming(&again).secret(told).bound().binding, Binding::Resumed);
}

/// I2: the device may have stored the first answer and lost the link before it could say so.
#[test]
fn a_replaced_secret_stays_valid_until_its_successor_was_seen() {
    let mut world = World::under(Preset::Dual);
    let stored = world.ask(PHONE).attempt_of(1).bound();
    let (first, second) = (secret(&stored), hash(world.names + 1));
    world.ask(PHONE).attempt_of(1).bound();
    world.ask(PHONE).attempt_of(1).bound();
    for _ in 0..2 {
        let resumed = world.ask(PHONE).resuming(&stored).secret(first).bound();
        assert_eq!((resumed.session, resumed.binding), (stored.session, Binding::Resumed));
    }
    // Once the second was seen, the first is no secret any more.
    world.ask(PHONE).resuming(&stored).secret(second).bound();
    let other = world.ask(PHONE).resuming(&stored).secret(first).without_credential().refused();
    assert_eq!(other.error.code, Code::SESSION_UNKNOWN);
    assert_eq!(world.ask(PHONE).resuming(&stored).secret(second).bound().session, stored.session);
}

#[test]
fn whoever_holds_a_replaced_secret_is_told_of_a_kick_and_can_end_the_session() {
    let mut world = World::under(Preset::Single);
    let stored = world.ask(PHONE).attempt_of(1).bound();
    let first = secret(&stored);
    world.ask(PHONE).attempt_of(1).bound();
    // A logout whose job knows the first secret only leaves no ghost.
    let mut left = world.user.clone();
    let now = world.now;
    assert!(matches!(left.end(stored.session, first, now), EndAnswer::Ended { .. }));
    assert!(left.sessions.is_empty());
    world.login(TABLET);
    let refused = world.ask(PHONE).resuming(&stored).secret(first).refused();
    assert_eq!(refused.kick.unwrap().session, stored.session);
    assert_eq!(world.user.end(stored.session, first, now), EndAnswer::Acknowledged);
}

#[test]
fn the_secrets_of_one_login_are_as_many_as_its_attempts() {
    let mut world = World::under(Preset::Single);
    let stored = world.ask(PHONE).attempt_of(1).bound();
    for _ in 0..10 {
        world.ask(PHONE).attempt_of(1).bound();
    }
    let secrets = &world.user.sessions[0].secrets;
    assert_eq!(secrets.former.len(), limits::LOGIN_DIALS as usize);
    assert!(!secrets.hold(secret(&stored)));
}

#[test]
fn a_login_that_was_displaced_before_it_heard_its_answer_displaces_nobody_by_asking_again() {
    let mut world = World::under(Preset::Single);
    let lost = world.ask(PHONE).attempt_of(1).bound();
    let winner = world.login(TABLET);
    let refused = world.ask(PHONE).attempt_of(1).refused();
    assert_eq!((refused.error.code, refused.terminal), (Code::KICKED, true));
    assert_eq!(refused.kick.unwrap().session, lost.session);
    assert_eq!(world.user.sessions[0].id, winner.session);
    world.ask(PHONE).attempt_of(2).bound();
}

#[test]
fn a_hello_that_was_overtaken_by_a_later_one_of_its_device_takes_nothing_from_it() {
    let mut world = World::under(Preset::Triple);
    let login = world.ask(PHONE).attempt_of(2).counter(7).bound();
    for late in [
        world.ask(PHONE).attempt_of(1).counter(6).refused(),
        world.ask(PHONE).attempt_of(2).counter(6).refused(),
    ] {
        assert_eq!((late.error.code, late.terminal), (Code::HELLO_REPLAYED, false));
    }
    assert_eq!(world.ask(PHONE).resuming(&login).counter(8).bound().binding, Binding::Resumed);
    // A device that was set back to a backup is not locked out by its own counter.
    world.pass(limits::DEVICE_SWAP_MS);
    world.ask(PHONE).attempt_of(3).counter(2).bound();
}

#[test]
fn a_polite_login_at_the_limit_is_refused_with_the_holders() {
    let mut world = World::under(Preset::Single);
    let first = world.login(PHONE);
    let refused = world.ask(TABLET).intent(Intent::ExplicitPolite).refused();
    assert_eq!((refused.error.code, refused.terminal), (Code::DEVICE_LIMIT, true));
    assert_eq!(refused.holders[0].session, first.session);
    assert_eq!(world.user.epoch, 1);
}

/// S-5.3
#[test]
fn a_session_nobody_knows_is_signed_in_anew_only_if_there_is_room() {
    let mut world = World::under(Preset::Single);
    let unknown = Bound { session: SessionId([77; 16]), ..world.login(PHONE) };
    let fresh = world.ask(PHONE).resuming(&unknown).bound();
    assert_eq!((fresh.binding, fresh.epoch), (Binding::FreshSessionUnknown, 1), "no new epoch");

    let refused = world.ask(TABLET).resuming(&unknown).refused();
    assert_eq!((refused.error.code, refused.terminal), (Code::KICKED, true));
    let told = refused.kick.unwrap();
    assert_eq!((told.session, told.reason), (unknown.session, KickReason::Policy));
    assert_eq!(told.by.unwrap().session, fresh.session);

    let refused = world.ask(TABLET).resuming(&unknown).without_credential().refused();
    assert_eq!((refused.error.code, refused.terminal), (Code::SESSION_UNKNOWN, true));
    let refused = world.ask(TABLET).without_credential().refused();
    assert_eq!((refused.error.code, refused.terminal), (Code::CREDENTIAL_REQUIRED, false));
    let refused = world.ask(TABLET).refused();
    assert_eq!(refused.error.code, Code::DEVICE_LIMIT, "nothing was lost, so nobody was displaced");
}

/// S-1.5: the id alone is no right to a session.
#[test]
fn a_wrong_secret_epoch_or_device_resumes_nothing() {
    let mut world = World::under(Preset::Triple);
    let login = world.login(PHONE);
    let wrong = [
        world.ask(PHONE).resuming(&login).without_credential().secret(hash(99)).refused(),
        world.ask(PHONE).resuming(&login).without_credential().epoch(2).refused(),
        world.ask(LAPTOP).resuming(&login).without_credential().refused(),
    ];
    for refused in wrong {
        assert_eq!(refused.error.code, Code::SESSION_UNKNOWN);
    }
}

#[test]
fn an_expired_session_comes_back_with_a_valid_credential_only() {
    let mut world = World::under(Preset::Triple);
    let end = world.later(1_000);
    let login = world.ask(PHONE).intent(Intent::Explicit).valid_until(end).bound();
    assert_eq!(login.credential_expires, Some(end));
    world.pass(1_000);
    let refused = world.ask(PHONE).resuming(&login).without_credential().refused();
    assert_eq!((refused.error.code, refused.terminal), (Code::CREDENTIAL_EXPIRED, false));
    let refused = world.ask(PHONE).resuming(&login).valid_until(end).refused();
    assert_eq!(refused.error.code, Code::CREDENTIAL_EXPIRED);
    let error = Code::CREDENTIAL_BAD_SIGNATURE;
    let refused = world.ask(PHONE).resuming(&login).bad_credential(error).refused();
    assert_eq!((refused.error.code, refused.terminal), (error, false));
    let end = world.later(5_000);
    let resumed = world.ask(PHONE).resuming(&login).valid_until(end).bound();
    assert_eq!((resumed.binding, resumed.credential_expires), (Binding::Resumed, Some(end)));
}

#[test]
fn a_credential_that_is_not_accepted_spoils_the_users_own_act_but_no_good_session() {
    let mut world = World::under(Preset::Triple);
    let login = world.login(PHONE);
    let error = Code::CREDENTIAL_BAD_SIGNATURE;
    let resumed = world.ask(PHONE).resuming(&login).bad_credential(error).bound();
    assert_eq!(resumed.binding, Binding::Resumed);
    let explicit = world.ask(PHONE).resuming(&login).intent(Intent::Explicit);
    assert_eq!(explicit.bad_credential(error).refused().error.code, error);
    let explicit = world.ask(LAPTOP).intent(Intent::Explicit);
    assert_eq!(explicit.bad_credential(error).refused().error.code, error);
}

#[test]
fn a_credential_issued_before_a_revocation_is_dead_and_a_newer_one_works() {
    let mut world = World::under(Preset::Triple);
    world.login(PHONE);
    let conn = world.conn();
    let session = world.user.sessions[0].id;
    world.pass(10);
    world.user.revoke_credentials(world.now);
    let issued = |at: u64| Verdict { issued: WallTime(at), expires: None };
    let moment = world.now.0;
    let refused = world.ask(LAPTOP).intent(Intent::Explicit).verdict(issued(moment - 1)).refused();
    assert_eq!(refused.error.code, Code::CREDENTIAL_REVOKED);
    let now = world.now;
    let renewed = world.user.renew(session, conn, issued(moment - 1), now);
    assert_eq!(renewed.unwrap_err().code, Code::CREDENTIAL_REVOKED);
    assert!(world.user.renew(session, conn, issued(moment), now).is_ok());
    world.ask(LAPTOP).intent(Intent::Explicit).verdict(issued(moment)).bound();
}

#[test]
fn renewal_changes_the_expiry_of_the_session_on_its_connection_only() {
    let mut world = World::under(Preset::Triple);
    let login = world.login(PHONE);
    let (first_conn, now) = (world.conn(), world.now);
    let until = |ms| Verdict { issued: now, expires: Some(WallTime(now.0 + ms)) };
    world.user.renew(login.session, first_conn, until(500), now).unwrap();
    assert_eq!(world.user.sessions[0].credential_expires, Some(world.later(500)));
    let expired = world.user.renew(login.session, first_conn, until(0), now).unwrap_err();
    assert_eq!(expired.code, Code::CREDENTIAL_EXPIRED);
    world.ask(PHONE).resuming(&login).bound();
    let stale = world.user.renew(login.session, first_conn, until(900), now).unwrap_err();
    assert_eq!(stale.code, Code::SESSION_UNKNOWN);
}

#[test]
fn a_ban_ends_every_session_and_is_told_only_to_whom_a_proof_names() {
    let mut world = World::under(Preset::Triple);
    let login = world.login(PHONE);
    world.login(LAPTOP);
    let end = world.later(1_000);
    let losers = world.user.ban(Some(end), "spam", world.now);
    assert_eq!(losers.len(), 2);
    assert!(losers.iter().all(|loser| loser.record.reason == KickReason::Banned));
    assert!(losers.iter().all(|loser| loser.until == Some(end)));
    assert_eq!(losers[0].record.text, "spam");

    let proven = world.ask(PHONE).resuming(&login).without_credential().refused();
    assert_eq!((proven.error.code, proven.terminal), (Code::USER_BANNED, true));
    assert_eq!(proven.kick.unwrap().reason, KickReason::Banned);
    // Also a device that was not there learns until when and what for.
    let proven = world.ask(TABLET).intent(Intent::Explicit).refused();
    let told = Error::new(Code::USER_BANNED).with_text("spam").until(Some(end));
    assert_eq!(proven.error, told);
    let forged = Code::CREDENTIAL_BAD_SIGNATURE;
    let stranger = world.ask(TABLET).intent(Intent::Explicit).bad_credential(forged).refused();
    assert_eq!(stranger.error.code, forged);

    world.pass(1_000);
    world.login(TABLET);
    assert_eq!(world.user.standing, Standing::Good);
}

#[test]
fn a_deleted_account_stays_deleted() {
    let mut world = World::under(Preset::Triple);
    world.login(PHONE);
    assert_eq!(world.user.delete("", world.now).len(), 1);
    world.user.unban();
    let refused = world.ask(PHONE).intent(Intent::Explicit).refused();
    assert_eq!((refused.error.code, refused.terminal), (Code::ACCOUNT_DELETED, true));
}

#[test]
fn an_own_device_kicks_others_and_never_itself() {
    let mut world = World::under(Preset::Triple);
    let phone = world.login(PHONE);
    let laptop = world.login(LAPTOP);
    let browser = world.login(BROWSER);
    let both = [phone.session, laptop.session, SessionId([88; 16])];
    let by = Some(phone.session);
    let reason = KickReason::OwnDevice;
    let text = "é".repeat(limits::TEXT_BYTES);
    let losers = world.user.kick(Targets::Listed(&both), by, reason, &text, world.now);
    assert_eq!(losers.len(), 1);
    assert_eq!(losers[0].record.session, laptop.session);
    assert_eq!(losers[0].record.by.as_ref().unwrap().session, phone.session);
    assert_eq!(losers[0].record.text.len(), limits::TEXT_BYTES);
    let spared = [browser.session];
    let losers = world.user.kick(Targets::AllBut(&spared), None, KickReason::Server, "", world.now);
    assert_eq!(losers.len(), 1);
    assert_eq!((&losers[0].record.by, losers[0].record.session), (&None, phone.session));
}

#[test]
fn logout_ends_the_session_and_cannot_be_undone_by_a_resume() {
    let mut world = World::under(Preset::Triple);
    let login = world.login(PHONE);
    let conn = world.conn();
    let stranger = ConnId { incarnation: 1, number: 999 };
    assert!(!world.user.log_out(login.session, stranger, world.now));
    assert!(world.user.log_out(login.session, conn, world.now));
    assert!(!world.user.log_out(login.session, conn, world.now));
    assert_eq!(world.ask(PHONE).resuming(&login).refused().error.code, Code::SESSION_ENDED);

    let again = world.login(PHONE);
    let conn = world.conn();
    let ended = world.user.end(again.session, secret(&again), world.now);
    assert_eq!(ended, EndAnswer::Ended { conn: Some(conn) });
    assert!(world.user.sessions.is_empty());
}

#[test]
fn after_a_crash_sessions_of_the_earlier_run_are_away_and_can_be_resumed() {
    let mut world = World::under(Preset::Triple);
    let login = world.login(PHONE);
    let old_conn = world.conn();
    assert!(!world.user.recover(1, world.now), "nothing to do for its own run");
    assert!(world.user.recover(2, world.now));
    assert_eq!(world.user.sessions[0].place, Place::Detached { since: world.now });
    assert!(!world.user.detach(old_conn, world.now));
    assert_eq!(world.ask(PHONE).resuming(&login).bound().superseded, None);
}

#[test]
fn a_session_away_for_30_days_is_forgotten_and_its_credential_may_be_tried() {
    let mut world = World::under(Preset::Triple);
    let login = world.login(PHONE);
    world.drop_link();
    world.pass(limits::SESSION_AGE_MS - 1);
    assert!(!world.user.sweep(limits::SESSION_AGE_MS, world.now));
    world.pass(1);
    let fresh = world.ask(PHONE).resuming(&login).bound();
    assert_eq!((fresh.binding, fresh.epoch), (Binding::FreshSessionUnknown, 1));
}

/// S-1.6: the 30 days are a setting of the app.
#[test]
fn an_app_may_let_its_sessions_live_shorter_or_longer() {
    for age_ms in [limits::SESSION_AGE_MS / 30, limits::SESSION_AGE_MS * 3] {
        let mut world = World::under(Preset::Triple);
        world.session_age_ms = age_ms;
        let login = world.login(PHONE);
        world.drop_link();
        world.pass(age_ms - 1);
        assert_eq!(world.ask(PHONE).resuming(&login).bound().binding, Binding::Resumed);
        world.drop_link();
        world.pass(age_ms);
        let fresh = world.ask(PHONE).resuming(&login).bound();
        assert_eq!(fresh.binding, Binding::FreshSessionUnknown);
    }
}

/// S-10: what is gone cannot be banned, and so not be brought back by the end of a ban.
#[test]
fn a_deleted_account_stays_deleted_whatever_is_done_to_it() {
    let mut world = World::under(Preset::Triple);
    world.login(PHONE);
    assert_eq!(world.user.delete("", world.now).len(), 1);
    world.user.ban(Some(world.later(1)), "", world.now);
    world.user.unban();
    world.pass(2);
    let refused = world.ask(PHONE).intent(Intent::Explicit).refused();
    assert_eq!((refused.error.code, refused.terminal), (Code::ACCOUNT_DELETED, true));
}

/// D-7, S-7.6: what a deleted account leaves is what its devices need to be told.
#[test]
fn of_a_deleted_account_nothing_is_kept_but_what_its_devices_are_to_be_told() {
    let mut world = World::under(Preset::Single);
    let first = world.login(PHONE);
    let second = world.login(TABLET);
    world.user.set_static_token(SecretHash([9; 32]), world.now);
    world.user.revoke_credentials(world.now);
    world.user.delete("bye", world.now);
    let UserSessions { epoch, sessions, ended, revoked_before, standing, static_token } =
        world.user.clone();
    assert_eq!((epoch, sessions, revoked_before), (0, Vec::new(), WallTime(0)));
    assert_eq!((standing, static_token), (Standing::Deleted, None));
    // Who displaced the phone was a device of the user's: that is forgotten, that it was displaced is not.
    assert_eq!(ended.len(), 2);
    assert!(ended.iter().all(|ended| ended.kick.as_ref().unwrap().by.is_none()));
    for (device, login, reason) in
        [(PHONE, first, KickReason::Policy), (TABLET, second, KickReason::AccountDeleted)]
    {
        let refused = world.ask(device).resuming(&login).refused();
        assert_eq!((refused.error.code, refused.terminal), (Code::ACCOUNT_DELETED, true));
        assert_eq!(refused.kick.unwrap().reason, reason);
    }
}

#[test]
fn a_kick_record_is_kept_for_30_days() {
    let mut world = World::under(Preset::Single);
    let first = world.login(PHONE);
    world.login(TABLET);
    world.pass(limits::KICK_RECORD_AGE_MS - 1);
    assert!(world.ask(PHONE).resuming(&first).refused().kick.is_some());
    world.pass(1);
    world.user.sweep(limits::SESSION_AGE_MS, world.now);
    assert!(world.user.ended.is_empty());
}

#[test]
fn what_is_kept_of_ended_sessions_is_bounded_and_records_outlive_plain_ends() {
    let mut world = World::under(Preset::Single);
    let kicked = world.login(PHONE);
    world.login(TABLET);
    for _ in 0..40 {
        world.login(TABLET);
    }
    assert_eq!(world.user.ended.len(), 1 + limits::ENDED_PLAINLY);
    assert!(world.ask(PHONE).resuming(&kicked).refused().kick.is_some());
    for _ in 0..40 {
        world.login(PHONE);
        world.login(TABLET);
    }
    assert_eq!(world.user.ended.len(), limits::ENDED_SESSIONS);
    assert!(world.user.ended.iter().all(|ended| ended.kick.is_some()));
}

#[test]
fn two_machines_with_one_devices_data_are_parted_at_their_second_swap() {
    let mut world = World::under(Preset::Triple);
    let login = world.login(PHONE);
    // Each copy goes on from the counter that both had.
    let (mut one, mut two) = (1, 1);
    let swap = |world: &mut World, counter: &mut u64| loop {
        *counter += 1;
        match world.ask(PHONE).resuming(&login).counter(*counter).answer() {
            BindAnswer::Bound(bound) => return bound,
            BindAnswer::Refused(refuse) => {
                assert_eq!(refuse.error.code, Code::HELLO_REPLAYED);
            }
        }
    };
    world.drop_link();
    swap(&mut world, &mut one);
    world.pass(5_000);
    let first_swap = swap(&mut world, &mut two);
    assert!(first_swap.superseded.is_some(), "once may be chance");
    let older_conn = world.conn();
    world.pass(5_000);
    let parted = swap(&mut world, &mut one);
    assert!(parted.new_secret);
    assert_ne!(parted.session, login.session);
    assert_eq!((parted.epoch, parted.superseded), (login.epoch, None));
    assert_eq!(parted.displaced[0].conn, Some(older_conn));
    assert_eq!(parted.displaced[0].record.reason, KickReason::DeviceConflict);

    let older = world.ask(PHONE).resuming(&login).counter(100).refused();
    assert_eq!((older.error.code, older.terminal), (Code::DEVICE_CONFLICT, true));
    let newer = world.ask(PHONE).resuming(&parted).counter(100).bound();
    assert_eq!(newer.binding, Binding::Resumed);
}

#[test]
fn one_machine_on_a_bad_network_is_never_taken_for_two() {
    let mut world = World::under(Preset::Triple);
    let login = world.login(PHONE);
    for _ in 0..50 {
        world.pass(1_000);
        let resumed = world.ask(PHONE).resuming(&login).bound();
        assert_eq!(resumed.binding, Binding::Resumed);
        assert!(resumed.superseded.is_some(), "its older connection still seemed alive");
    }
}

#[test]
fn one_swap_is_forgiven_and_reconnections_around_it_are_not_taken_for_swaps() {
    let mut world = World::under(Preset::Triple);
    let login = world.login(PHONE);
    let resume = |world: &mut World| {
        world.pass(1_000);
        let resumed = world.ask(PHONE).resuming(&login).bound();
        assert_eq!((resumed.binding, resumed.session), (Binding::Resumed, login.session));
    };
    (0..3).for_each(|_| resume(&mut world));
    let replayed = world.ask(PHONE).resuming(&login).counter(1).refused();
    assert_eq!(replayed.error.code, Code::HELLO_REPLAYED);
    (0..10).for_each(|_| resume(&mut world));
}

#[test]
fn swaps_more_than_60_s_apart_are_forgiven() {
    let mut world = World::under(Preset::Triple);
    let login = world.login(PHONE);
    for _ in 0..5 {
        world.pass(limits::DEVICE_SWAP_MS);
        world.ask(PHONE).resuming(&login).counter(1).refused();
        let resumed = world.ask(PHONE).resuming(&login).bound();
        assert_eq!(resumed.binding, Binding::Resumed);
    }
}

/// S-1.5: a hash is all that the server keeps of a secret.
#[test]
fn a_secret_hash_shows_nothing() {
    let hash = SecretHash::of(&SessionSecret::new([7; 32]));
    assert_eq!(hash, SecretHash::of(&SessionSecret::new([7; 32])));
    assert_ne!(hash, SecretHash::of(&SessionSecret::new([8; 32])));
    assert_eq!(format!("{hash:?}"), "SecretHash(..)");
}

const PHONE: (u8, Platform) = (1, Platform::Ios);
const TABLET: (u8, Platform) = (2, Platform::Ipad);
const LAPTOP: (u8, Platform) = (3, Platform::Macos);
const BROWSER: (u8, Platform) = (4, Platform::Web);

/// One user, one policy, a clock, and a source of names.
struct World {
    user: UserSessions,
    policy: Policy,
    session_age_ms: u64,
    now: WallTime,
    names: u8,
    conns: u32,
    counter: u64,
}

impl World {
    fn under(preset: Preset) -> Self {
        Self {
            user: UserSessions::default(),
            policy: Policy::preset(preset),
            session_age_ms: limits::SESSION_AGE_MS,
            now: WallTime(1_000_000),
            names: 0,
            conns: 0,
            counter: 0,
        }
    }

    fn login(&mut self, device: (u8, Platform)) -> Bound {
        self.pass(1);
        self.ask(device).intent(Intent::Explicit).bound()
    }

    /// An automatic hello with a good credential, on a new connection.
    fn ask(&mut self, (number, platform): (u8, Platform)) -> Ask<'_> {
        self.conns += 1;
        self.counter += 1;
        let (os, tag) = (String::new(), String::new());
        let device = Device { id: DeviceId([number; 16]), platform, os, tag, custom_type: 0 };
        let ask = BindAsk {
            device,
            intent: Intent::Automatic,
            resume: None,
            login_id: None,
            counter: self.counter,
            credential: Ok(Some(Verdict { issued: self.now, expires: None })),
            conn: self.conn(),
        };
        Ask { world: self, ask }
    }

    /// The connection that asked last.
    const fn conn(&self) -> ConnId {
        ConnId { incarnation: 1, number: self.conns }
    }

    fn drop_link(&mut self) {
        assert!(self.user.detach(self.conn(), self.now));
    }

    const fn pass(&mut self, ms: u64) {
        self.now.0 += ms;
    }

    const fn later(&self, ms: u64) -> WallTime {
        WallTime(self.now.0 + ms)
    }
}

struct Ask<'a> {
    world: &'a mut World,
    ask: BindAsk,
}

impl Ask<'_> {
    const fn intent(mut self, intent: Intent) -> Self {
        self.ask.intent = intent;
        self
    }

    fn resuming(mut self, bound: &Bound) -> Self {
        let (session, epoch) = (bound.session, bound.epoch);
        self.ask.resume = Some(ResumeAsk { session, secret_hash: secret(bound), epoch });
        self
    }

    fn secret(mut self, hash: SecretHash) -> Self {
        self.ask.resume.as_mut().unwrap().secret_hash = hash;
        self
    }

    fn epoch(mut self, epoch: u64) -> Self {
        self.ask.resume.as_mut().unwrap().epoch = epoch;
        self
    }

    const fn attempt_of(mut self, login: u8) -> Self {
        self.ask.login_id = Some(LoginId([login; 16]));
        self.ask.intent = Intent::Explicit;
        self
    }

    const fn counter(mut self, counter: u64) -> Self {
        self.ask.counter = counter;
        self
    }

    fn verdict(mut self, verdict: Verdict) -> Self {
        self.ask.credential = Ok(Some(verdict));
        self
    }

    fn valid_until(self, expires: WallTime) -> Self {
        let issued = self.world.now;
        self.verdict(Verdict { issued, expires: Some(expires) })
    }

    fn bad_credential(mut self, code: Code) -> Self {
        self.ask.credential = Err(Error::new(code));
        self
    }

    fn without_credential(mut self) -> Self {
        self.ask.credential = Ok(None);
        self
    }

    fn answer(self) -> BindAnswer {
        self.world.names += 1;
        let name = self.world.names;
        let fresh = Fresh { session: SessionId([name; 16]), secret_hash: hash(name) };
        let World { user, policy, session_age_ms, now, .. } = self.world;
        let rules = Rules { session_age_ms: *session_age_ms, ..Rules::of(policy) };
        user.bind(&self.ask, fresh, rules, *now)
    }

    #[track_caller]
    fn bound(self) -> Bound {
        match self.answer() {
            BindAnswer::Bound(bound) => bound,
            BindAnswer::Refused(refuse) => panic!("refused: {refuse:?}"),
        }
    }

    #[track_caller]
    fn refused(self) -> Refuse {
        match self.answer() {
            BindAnswer::Refused(refuse) => refuse,
            BindAnswer::Bound(bound) => panic!("bound: {bound:?}"),
        }
    }
}

/// The hash of the secret of a session made in this world: both carry the same number.
const fn secret(bound: &Bound) -> SecretHash {
    hash(bound.session.0[0])
}

const fn hash(number: u8) -> SecretHash {
    SecretHash([number; 32])
}
