//! Credentials that only an app's own server can judge (S-8.1): asked over HTTP beside everything
//! else, with bounds, and remembered for as long as the answer says.
//!
//! Neither the task of a connection nor the store's writer ever waits for an answer: the question is a
//! task of its own, which hands on to the store what it was told. There are bounds on how many wait, on
//! how many of one app are asked at once – a slow server of one app takes nothing from others – and on
//! the time of each, waiting included.

mod memory;
mod question;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use homing_core::server::registry::Verdict;
use homing_proto::id::AppId;
use homing_proto::limits;
use homing_proto::time::WallTime;
use homing_proto::{Code, Error};
use tokio::sync::Semaphore;

use self::memory::Memory;
use super::{Gateway, Stage};
use crate::apps::Silence;
use crate::metrics::{Metrics, Outcome};
use crate::webhook::{NoAnswer, Webhooks};

pub(super) use self::question::Question;

/// Where third parties are asked.
pub(crate) struct Desk {
    webhooks: Webhooks,
    metrics: Arc<Metrics>,
    memory: Memory,
    /// Questions that may be open at once.
    waiting: Arc<Semaphore>,
    /// Questions that may be asked at once, by app.
    asking: Mutex<HashMap<AppId, Arc<Semaphore>>>,
    limit: Duration,
}

impl Desk {
    /// `limit`: for one answer, connecting and waiting included.
    pub(super) fn new(webhooks: Webhooks, metrics: Arc<Metrics>, limit: Duration) -> Self {
        Self {
            webhooks,
            metrics,
            memory: Memory::default(),
            waiting: Arc::new(Semaphore::new(QUESTIONS)),
            asking: Mutex::default(),
            limit,
        }
    }

    /// What was answered before and still holds.
    pub(super) fn remembered(&self, question: &Question, now: WallTime) -> Option<Verdict> {
        let verdict = self.memory.recall(question.key(), now)?;
        self.metrics.third_party_remembered.add(1);
        Some(verdict)
    }

    /// Returns when no question is open. None is put any more: all connections are gone.
    pub(super) async fn closed(&self) {
        let all = u32::try_from(QUESTIONS).expect("a few thousand");
        drop(self.waiting.acquire_many(all).await);
    }

    fn place(&self, app: AppId) -> Arc<Semaphore> {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Arc::new(Semaphore::new(QUESTIONS_PER_APP));
        Arc::clone(asking.entry(app).or_insert_with(fresh))
    }

    async fn answer(&self, question: &Question, now: WallTime) -> Result<Verdict, Error> {
        let (app, began) = (question.app, Instant::now());
        let count = |outcome| self.metrics.third_party.count(outcome, began.elapsed());
        let asked = async {
            // Never closed.
            let _place = self.place(app).acquire_owned().await;
            let signature = question.signature(now);
            let body = question.body();
            let url = &question.third_party.url;
            self.webhooks.ask(url, body, signature, self.limit).await
        };
        let answer = tokio::time::timeout(self.limit, asked).await;
        let failure = match answer.unwrap_or(Err(NoAnswer::Slow)) {
            Ok(body) => match question::read(&body) {
                Some(question::Answer::Allow { valid_s }) => {
                    let expires = valid_s.map(|s| WallTime(now.0 + u64::from(s.get()) * 1000));
                    let verdict = Verdict { issued: now, expires };
                    self.memory.keep(question.key(), verdict);
                    count(Outcome::Allowed);
                    return Ok(verdict);
                }
                Some(question::Answer::Refuse { text }) => {
                    count(Outcome::Refused);
                    let error = Error::new(Code::THIRD_PARTY_REFUSED);
                    return Err(if text.is_empty() { error } else { error.with_text(text) });
                }
                None => {
                    count(Outcome::Unreadable);
                    "its answer is not {\"allow\":true} or {\"allow\":false}".to_owned()
                }
            },
            Err(error) => {
                count(match error {
                    NoAnswer::Slow => Outcome::Slow,
                    NoAnswer::Unreachable => Outcome::Unreachable,
                    NoAnswer::Untrusted(_) => Outcome::Untrusted,
                    NoAnswer::Status(_) => Outcome::Status,
                    NoAnswer::Body => Outcome::Unreadable,
                });
                error.to_string()
            }
        };
        let silence = question.third_party.silence;
        tracing::warn!(target: "homing::gateway", %app, failure, ?silence, "third party");
        match silence {
            Silence::Admit => Ok(Verdict { issued: now, expires: None }),
            Silence::Refuse => Err(Error::new(Code::SERVER_BUSY)
                .with_text("the app's own server did not say whether the login is allowed")
                .retry_after(limits::THIRD_PARTY_RETRY_MS)),
        }
    }
}

/// Asks about a credential and hands the verdict on. Does not wait.
///
/// # Errors
/// `server_busy` when too many questions are open; `then` is not called.
pub(super) fn ask(
    gateway: &Arc<Gateway>,
    question: Question,
    then: impl FnOnce(&Gateway, Result<Verdict, Error>) + Send + 'static,
) -> Result<(), Error> {
    let waiting = Arc::clone(&gateway.third_party.waiting);
    let open = waiting
        .try_acquire_owned()
        .map_err(|_| Error::new(Code::SERVER_BUSY).retry_after(limits::THIRD_PARTY_RETRY_MS))?;
    let gateway = Arc::clone(gateway);
    drop(tokio::spawn(async move {
        let mut stage = gateway.stage();
        tokio::select! {
            verdict = gateway.third_party.answer(&question, gateway.clock.wall()) => {
                then(&gateway, verdict);
            }
            // Everybody is gone.
            _ = stage.wait_for(|stage| *stage == Stage::Ending) => {}
        }
        // In this order: who waits for the last question closes the store next.
        drop(stage);
        drop(gateway);
        drop(open);
    }));
    Ok(())
}

/// Open questions: each holds a Hello of at most 16 KiB.
const QUESTIONS: usize = 4_096;
/// Questions of one app on the way at once: at 50 ms each, over a thousand logins a second.
const QUESTIONS_PER_APP: usize = 64;
