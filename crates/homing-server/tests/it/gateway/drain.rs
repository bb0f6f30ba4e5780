//! The server stops: everybody is sent away, nothing acknowledged is lost, the time is bounded.

use std::num::NonZeroU32;
use std::time::Duration;

use homing_proto::Code;
use homing_proto::device::Platform;
use homing_proto::frame::{Binding, ServerFrame};
use homing_proto::limits;
use homing_server::server::Drained;
use tokio::net::TcpStream;

use super::world::{World, resume, soon};

#[tokio::test]
async fn everybody_is_sent_away_with_a_window_and_may_resume() {
    let world = World::with(|config| config.reconnect_window = Duration::from_millis(4_321)).await;
    let hello = world.hello("alice", 1, Platform::Ios);
    let (mut alice, first) = world.login_with(hello.clone()).await;
    let sent = alice.write_to("bob", "before the end").await;
    assert!(sent.is_ok());
    let addr = world.addr();
    let World { running, dir, .. } = world;
    let stopping = tokio::spawn(running.shutdown());
    let close = alice.closed().await;
    assert_eq!(close.error.code, Code::SERVER_STOPPING);
    assert_eq!(close.retry_window_ms, Some(4_321));
    assert!(close.resume_ok && !close.terminal);
    drop(alice);
    assert_eq!(soon(stopping).await.unwrap(), Drained { dropped: 0 });
    assert!(TcpStream::connect(addr).await.is_err());

    let world = World::in_dir(dir, |_| {}).await;
    let (_alice, again) = world.login_with(resume(hello, &first, 2)).await;
    assert_eq!((again.binding, again.head), (Binding::Resumed, 1));
}

/// S-6.7: a server that dies can tell nobody how many they were, so it tells them before.
#[tokio::test]
async fn the_window_follows_the_number_of_connections_and_all_are_told() {
    let world = World::with(|config| config.return_rate = NonZeroU32::MIN).await;
    let (mut alice, welcome) = world.login("alice", 1, Platform::Ios).await;
    assert_eq!(welcome.limits.reconnect_window_ms, 1_000);
    let (_bob, welcome) = world.login("bob", 2, Platform::Ios).await;
    assert_eq!(welcome.limits.reconnect_window_ms, 2_000);
    let (_carol, welcome) = world.login("carol", 3, Platform::Ios).await;
    assert_eq!(welcome.limits.reconnect_window_ms, 3_000);
    world.clock.advance(limits::PING_MS);
    assert!(matches!(alice.recv_but_devices().await, ServerFrame::Ping { .. }));
    assert_eq!(alice.recv().await, ServerFrame::Limits(welcome.limits));
    world.clock.advance(limits::PING_MS);
    assert!(matches!(alice.recv().await, ServerFrame::Ping { .. }));
    let stopping = tokio::spawn(world.running.shutdown());
    let close = alice.closed().await;
    assert_eq!(close.retry_window_ms, Some(3_000), "and not a second time");
    drop((alice, _bob, _carol));
    soon(stopping).await.unwrap();
}

#[tokio::test]
async fn who_does_not_go_is_dropped_when_the_time_is_up() {
    let world = World::with(|config| config.drain = Duration::from_millis(50)).await;
    let (client, _) = world.login("alice", 1, Platform::Ios).await;
    // Neither reads nor closes.
    let drained = soon(world.running.shutdown()).await;
    assert_eq!(drained, Drained { dropped: 1 });
    drop(client);
}

#[tokio::test]
async fn the_directory_is_free_when_the_server_has_stopped() {
    let world = World::new().await;
    let World { running, dir, .. } = world;
    running.shutdown().await;
    let world = World::in_dir(dir, |_| {}).await;
    assert_eq!(world.demo.app.get(), 1);
}
