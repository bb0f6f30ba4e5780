//! Status, errors and devices in words for a person.

use homing::status::{CredentialStatus, LinkStatus, SessionStatus, Status, SyncStatus, Trust, Why};
use homing::{DeviceInfo, KickReason, KickRecord, Time, WallTime};

/// How things stand, in colours of a traffic light.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mood {
    /// Connected and up to date.
    Good,
    /// It gets better by itself.
    Wait,
    /// The person has to do something.
    Act,
}

/// The status in one line: session, link, sync.
pub(super) fn status_line(status: &Status, now: Time) -> (Mood, String) {
    let (mood, session) = match &status.session {
        SessionStatus::SignedOut { why } => (Mood::Act, signed_out(why).to_owned()),
        SessionStatus::SigningIn { user } => (Mood::Wait, format!("{user}, signing in")),
        SessionStatus::SignedIn { user, trust, credential } => match (trust, credential) {
            (_, CredentialStatus::Needed { .. }) => (Mood::Act, format!("{user}, token needed")),
            (_, CredentialStatus::Expiring { .. }) => {
                (Mood::Act, format!("{user}, token runs out"))
            }
            (Trust::Local, CredentialStatus::Valid) => {
                (Mood::Wait, format!("{user}, from this device"))
            }
            (Trust::Verified, CredentialStatus::Valid) => (Mood::Good, user.to_string()),
        },
    };
    let link = link(&status.link, now);
    let sync = match &status.sync {
        SyncStatus::Idle => None,
        SyncStatus::CatchingUp { done, of } => Some(format!("catching up {done}/{of}")),
        SyncStatus::Live => Some("up to date".to_owned()),
        SyncStatus::Stalled { cause, .. } => Some(format!("sync stalls: {}", cause.sentence())),
    };
    let current = status.is_connected() && matches!(status.sync, SyncStatus::Live);
    let mood = if mood == Mood::Good && !current { Mood::Wait } else { mood };
    let parts: Vec<_> = [Some(session), link, sync].into_iter().flatten().collect();
    (mood, parts.join(" · "))
}

fn link(link: &LinkStatus, now: Time) -> Option<String> {
    Some(match link {
        LinkStatus::Idle => return None,
        LinkStatus::NoNetwork => "no network".to_owned(),
        LinkStatus::Connecting { attempt: 1 } => "connecting".to_owned(),
        LinkStatus::Connecting { attempt } => format!("connecting, attempt {attempt}"),
        LinkStatus::Handshaking => "connecting, server found".to_owned(),
        LinkStatus::Connected { rtt_ms: Some(ms), .. } => format!("connected, {ms} ms"),
        LinkStatus::Connected { rtt_ms: None, .. } => "connected".to_owned(),
        LinkStatus::Waiting { until, cause, .. } => {
            let seconds = until.since(now).div_ceil(1000);
            format!("offline ({}), next try in {seconds} s", cause.code.name())
        }
        LinkStatus::Paused => "paused".to_owned(),
    })
}

const fn signed_out(why: &Why) -> &'static str {
    match why {
        Why::Never | Why::Logout | Why::Switched => "signed out",
        Why::LoginFailed(_) => "signed out, sign-in failed",
        Why::Kicked(_) => "signed out by another device or the server",
        Why::Banned(_) => "banned",
        Why::AccountDeleted => "account deleted",
        Why::VersionTooOld => "this program is too old for the server",
    }
}

/// What the person has to do; `None` while nothing.
pub(super) fn advice(status: &Status) -> Option<String> {
    Some(match &status.session {
        SessionStatus::SignedOut { why } => match why {
            Why::Never => return None,
            Why::Logout | Why::Switched => {
                "You signed out. /login TOKEN signs in again.".to_owned()
            }
            Why::LoginFailed(error) => format!("{} /login [TOKEN] tries again.", error.sentence()),
            Why::Kicked(record) => format!(
                "{} /login signs in here again, even if the other has to go.",
                kicked(record)
            ),
            Why::Banned(_) => "You are banned here; ask whoever runs the app.".to_owned(),
            Why::AccountDeleted => "Your account is gone; ask whoever runs the app.".to_owned(),
            Why::VersionTooOld => "Get a newer version of this program.".to_owned(),
        },
        SessionStatus::SignedIn { credential: CredentialStatus::Needed { why }, .. } => format!(
            "{} /renew TOKEN goes on; until then you can read, and what you write waits.",
            why.sentence()
        ),
        SessionStatus::SignedIn { credential: CredentialStatus::Expiring { .. }, .. } => {
            "Your token runs out. /renew TOKEN goes on without a break.".to_owned()
        }
        SessionStatus::SignedIn { .. } | SessionStatus::SigningIn { .. } => return None,
    })
}

/// Who ended the session and why.
pub(super) fn kicked(record: &KickRecord) -> String {
    let by = record.by.as_ref().map(device);
    let mut words = match (record.reason, by) {
        (KickReason::Policy, Some(by)) => format!("You signed in on {by}, which took this place."),
        (KickReason::OwnDevice, Some(by)) => format!("You signed this device out from {by}."),
        (KickReason::Server, _) => "The server signed you out.".to_owned(),
        (reason, Some(by)) => format!("Signed out by {by} ({}).", reason.name()),
        (reason, None) => format!("Signed out ({}).", reason.name()),
    };
    if !record.text.is_empty() {
        words = format!("{words} It says: {}", shown(&record.text));
    }
    words
}

/// A device in a few words.
pub(super) fn device(info: &DeviceInfo) -> String {
    let mut words = format!("{} ({})", info.device.platform.name(), shown(&info.device.os));
    if !info.device.tag.is_empty() {
        words = format!("{words} “{}”", shown(&info.device.tag));
    }
    words
}

/// The time of day (UTC), or the day if it is not today.
pub(super) fn clock(time: WallTime, today: WallTime) -> String {
    let (day, seconds) = (time.seconds() / 86_400, time.seconds() % 86_400);
    if day == today.seconds() / 86_400 {
        return format!("{:02}:{:02}", seconds / 3600, seconds / 60 % 60);
    }
    let (month, day) = month_and_day(day);
    format!("{day:02} {}", MONTHS[month])
}

/// Text of others with nothing in it that could move the cursor or the colours.
pub(super) fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// From days since 1970, by the calendar's 400-year cycle counted from March.
fn month_and_day(days: u64) -> (usize, u64) {
    let of_cycle = (days + 719_468) % 146_097;
    let year = (of_cycle - of_cycle / 1460 + of_cycle / 36_524 - of_cycle / 146_096) / 365;
    let of_year = of_cycle - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    (usize::try_from((month + 2) % 12).expect("a month"), day)
}

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_today_are_hours_and_others_are_days() {
        let today = WallTime(1_709_208_000_000); // 29 Feb 2024, 12:00
        assert_eq!(clock(today, today), "12:00");
        assert_eq!(clock(WallTime(today.0 - 86_400_000), today), "28 Feb");
        assert_eq!(clock(WallTime(today.0 + 86_400_000), today), "01 Mar");
        assert_eq!(clock(WallTime(0), today), "01 Jan");
        assert_eq!(clock(WallTime(1_735_603_200_000), today), "31 Dec");
    }

    #[test]
    fn what_others_write_cannot_move_the_cursor() {
        assert_eq!(shown("a\x1b[2Jb\r\nc\u{9b}d"), "a [2Jb  c d");
    }
}
