//! All clients of a server lose it at once and come back (S-6.7, I15): two thousand machines, each with
//! its own dice, in one virtual time.

use homing_core::client::status::LinkStatus;
use homing_core::client::{Input, Output};
use homing_proto::frame::{Close, Limits, ServerFrame};
use homing_proto::limits::BACKOFF_CAP_BACKGROUND_MS;
use homing_proto::time::Time;
use homing_proto::{Code, Error};

use super::client_desk::{Desk, resumed, welcome};

const CLIENTS: u64 = 2_000;
const WINDOW_MS: u64 = 10_000;
/// What the window says: clients in a second.
const RATE: f64 = CLIENTS as f64 * 1_000.0 / WINDOW_MS as f64;

#[test]
fn after_a_drain_they_come_back_evenly_within_the_window() {
    let crowd = crowd(|desk| {
        let window_ms = Some(WINDOW_MS as u32);
        desk.receive(ServerFrame::Close(Box::new(stopping(window_ms))));
    });
    let arrivals = come_back(crowd, 0);
    assert_even(&arrivals, 0, WINDOW_MS);
}

#[test]
fn after_the_server_died_they_come_back_as_the_last_limits_said() {
    let crowd = crowd(|desk| {
        let limits = welcome(1, 0).limits;
        let reconnect_window_ms = WINDOW_MS as u32;
        desk.receive(ServerFrame::Limits(Limits { reconnect_window_ms, ..limits }));
        let attempt = desk.attempt();
        desk.put(Input::Lost(attempt, Code::NETWORK.into()));
    });
    // The server is gone for most of a window: those who came too early come again.
    let away_ms = 7_000;
    let arrivals = come_back(crowd, away_ms);
    assert_even(&arrivals, 0, away_ms + WINDOW_MS * 11 / 10);
}

#[test]
fn a_link_that_was_silent_is_tried_again_at_once() {
    let mut desk = Desk::signed_in("alice");
    while desk.client.status().is_connected() {
        desk.wait();
    }
    let LinkStatus::Waiting { until, .. } = desk.client.status().link else { panic!() };
    assert!(until.since(desk.now.time) <= 500, "the network is to blame, and nobody else's");
}

#[test]
fn a_window_without_end_is_taken_for_the_longest() {
    for seed in 0..50 {
        let mut desk = Desk::seeded(seed);
        desk.login("alice");
        desk.welcome(1, 0);
        desk.receive(ServerFrame::Close(Box::new(stopping(Some(u32::MAX)))));
        let LinkStatus::Waiting { until, .. } = desk.client.status().link else { panic!() };
        assert!(until.since(desk.now.time) <= BACKOFF_CAP_BACKGROUND_MS);
    }
}

fn stopping(retry_window_ms: Option<u32>) -> Close {
    Close {
        error: Code::SERVER_STOPPING.into(),
        terminal: false,
        retry_window_ms,
        resume_ok: true,
        kick: None,
    }
}

/// Clients that are signed in, and then lose the server as `lose` says.
fn crowd(lose: impl Fn(&mut Desk)) -> Vec<Desk> {
    let signed_in = |seed| {
        let mut desk = Desk::seeded(seed);
        desk.login("alice");
        desk.welcome(1, 0);
        desk.pass(60_000);
        lose(&mut desk);
        desk.out.clear();
        desk
    };
    (0..CLIENTS).map(signed_in).collect()
}

/// Runs each until it is connected; the server refuses everybody for the first `away_ms`. When they
/// came, in milliseconds, those included who were refused.
fn come_back(crowd: Vec<Desk>, away_ms: u64) -> Vec<u64> {
    let mut arrivals = Vec::new();
    for mut desk in crowd {
        let lost_at: Time = desk.now.time;
        while !desk.client.status().is_connected() {
            desk.wait();
            let since = desk.now.time.since(lost_at);
            assert!(since < 60_000, "it does not come back");
            if !desk.out.drain(..).any(|output| matches!(output, Output::Open(_))) {
                continue;
            }
            arrivals.push(since);
            let attempt = desk.attempt();
            if since < away_ms {
                desk.put(Input::Lost(attempt, Error::new(Code::NETWORK)));
            } else {
                desk.put(Input::Opened(attempt));
                desk.receive(ServerFrame::Welcome(Box::new(resumed(1, 0))));
            }
        }
    }
    arrivals
}

fn assert_even(arrivals: &[u64], from_ms: u64, until_ms: u64) {
    let last = arrivals.iter().max().unwrap();
    assert!(*last <= until_ms, "the last one came after {last} ms");
    for begin in (from_ms..until_ms).step_by(250) {
        let second = begin..begin + 1_000;
        let came = arrivals.iter().filter(|at| second.contains(at)).count() as f64;
        assert!(came <= 1.2 * RATE, "{came} came in the second from {begin} ms, told were {RATE}");
    }
}
