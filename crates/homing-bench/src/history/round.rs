//! One round: so many threads, each a device, on so many users, all at the same time.

use std::collections::BTreeMap;
use std::sync::{Arc, Barrier};

use homing_proto::id::{AppId, UserId};
use homing_proto::secret::Token;

use super::client::{Client, Notes, Shared, Subject};
use super::event::History;
use super::script::Player;
use crate::Failure;

/// What a round is to be.
pub(crate) struct Round {
    pub(crate) subject: Subject,
    pub(crate) app: AppId,
    /// Nobody has signed in as any of them before.
    pub(crate) users: Vec<(UserId, Token)>,
    pub(crate) threads: usize,
    /// Things that each thread does; a thing is one operation or a few.
    pub(crate) turns: usize,
    pub(crate) seed: u64,
}

/// Plays it and gives each user's history.
///
/// # Errors
/// What a client could not go on after.
pub(crate) fn play(round: &Round) -> Result<Vec<History>, Failure> {
    let shared = Arc::new(Shared::new(round.subject.clone(), round.app));
    let all_there = Barrier::new(round.threads);
    let notes = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..round.threads)
            .map(|worker| {
                let (shared, all_there) = (&shared, &all_there);
                scope.spawn(move || device(round, worker, shared, all_there))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("a device does not panic")).collect()
    });
    let notes: Result<Vec<(usize, Notes)>, Failure> = notes;
    Ok(by_user(round, notes?))
}

fn device(
    round: &Round,
    worker: usize,
    shared: &Arc<Shared>,
    all_there: &Barrier,
) -> Result<(usize, Notes), Failure> {
    let number = worker % round.users.len();
    let (user, token) = round.users[number].clone();
    let client = Client::new(Arc::clone(shared), user, token, worker);
    let mut player =
        Player::new(client, round.seed.wrapping_mul(1_000).wrapping_add(worker as u64));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    all_there.wait();
    let played = runtime.block_on(async {
        for _ in 0..round.turns {
            Box::pin(player.play()).await?;
        }
        Ok::<(), Failure>(())
    });
    // Also after a failure: the others wait.
    all_there.wait();
    played.map_err(|failure| format!("device {worker}: {failure}"))?;
    // At rest: whoever believes to be signed in is.
    runtime.block_on(player.client.ask_list(super::client::Wait::ForAnswer))?;
    Ok((number, player.client.notes))
}

fn by_user(round: &Round, notes: Vec<(usize, Notes)>) -> Vec<History> {
    let mut histories: Vec<History> = round
        .users
        .iter()
        .map(|(user, _)| History {
            user: user.to_string(),
            events: Vec::new(),
            facts: Default::default(),
            dropped: BTreeMap::new(),
        })
        .collect();
    for (number, notes) in notes {
        let history = &mut histories[number];
        history.events.extend(notes.events);
        history.dropped.extend(notes.dropped);
        history.facts.contradictions.extend(notes.facts.contradictions);
        for (session, fact) in notes.facts.sessions {
            history.facts.add(session, fact);
        }
    }
    for history in &mut histories {
        history.events.sort_by_key(|event| event.asked);
    }
    histories
}
