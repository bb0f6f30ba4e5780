//! What strangers may do.

use homing_proto::Code;
use homing_proto::device::Platform;
use homing_proto::frame::Credential;
use homing_server::gateway::{Bounds, Loopback, Rate};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::world::{World, resume, soon};

async fn world(change: impl FnOnce(&mut Bounds)) -> World {
    World::with(|config| {
        config.bounds.loopback = Loopback::Bounded;
        change(&mut config.bounds);
    })
    .await
}

#[tokio::test]
async fn an_address_has_a_bounded_number_of_connections_without_a_session() {
    let world = world(|bounds| bounds.strangers_per_address = 2).await;
    let mut first = world.connect().await;
    let second = world.connect().await;
    let mut third = TcpStream::connect(world.addr()).await.unwrap();
    assert_eq!(soon(third.read(&mut [0; 1])).await.unwrap(), 0);
    // Who has signed in is no stranger any more.
    first.greet(world.hello("alice", 1, Platform::Ios)).await.unwrap();
    let third = world.connect().await;
    drop((second, third));
}

#[tokio::test]
async fn connections_in_all_are_bounded() {
    let world = world(|bounds| bounds.connections = 1).await;
    let (mut alice, _) = world.login("alice", 1, Platform::Ios).await;
    let mut second = TcpStream::connect(world.addr()).await.unwrap();
    assert_eq!(soon(second.read(&mut [0; 1])).await.unwrap(), 0);
    alice.ping().await;
}

#[tokio::test]
async fn who_shows_bad_credentials_again_and_again_has_to_wait() {
    let rate = Rate { burst: 2, every_ms: 60_000 };
    let world = world(|bounds| bounds.refused_per_address = rate).await;
    let good = world.hello("alice", 1, Platform::Ios);
    let mut bad = good.clone();
    bad.credential = Some(Credential::usersig(world.token("bob").expose()));
    for _ in 0..2 {
        let refuse = world.refused(bad.clone()).await;
        assert_eq!(refuse.error.code, Code::CREDENTIAL_WRONG_USER);
    }
    for hello in [bad, good.clone()] {
        let refuse = world.refused(hello).await;
        assert_eq!((refuse.error.code, refuse.terminal), (Code::TOO_FREQUENT, false));
        assert!(refuse.error.retry_after_ms.is_some_and(|ms| ms > 50_000));
    }
    world.clock.advance(60_000);
    world.login_with(good).await;
}

#[tokio::test]
async fn a_user_logs_in_so_often_and_resumes_as_often_as_needed() {
    let rate = Rate { burst: 2, every_ms: 60_000 };
    let world = world(|bounds| bounds.logins_per_user = rate).await;
    let hello = world.hello("alice", 1, Platform::Ios);
    world.login_with(hello.clone()).await;
    let again = |counter| homing_proto::frame::Hello { counter, ..hello.clone() };
    let (_, welcome) = world.login_with(again(2)).await;
    assert_eq!(world.refused(again(3)).await.error.code, Code::TOO_FREQUENT);
    for counter in 4..8 {
        world.login_with(resume(hello.clone(), &welcome, counter)).await;
    }
    world.login("bob", 1, Platform::Ios).await;
}
