//! The only loop: one task that owns the client machine and does what it asks for.
//!
//! Everything that happens to a client comes in here, one thing at a time: calls of handles, frames,
//! answers of the disk, the timer. Each goes into the machine; what comes out is done in order. The
//! loop waits for nothing but its next input, and for room in the queue to the disk.

mod calls;
mod closing;
mod connection;
mod hold;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use homing_core::client::account::Account;
use homing_core::client::status::Status;
use homing_core::client::{
    self as core, AskId, Attempt, Command, CommandId, Event, Hint, Input, Output, Reply,
};
use homing_proto::time::Time;
use homing_proto::{Code, Error};
use tokio::sync::{mpsc, oneshot, watch};

pub(crate) use self::calls::{Call, Calls, CallsIn};
use self::connection::{Connection, ConnectionId, News};
use self::hold::Hold;
use crate::alarm::Alarm;
use crate::board::{Board, Fact, Move, Phase};
use crate::clock::{Clock, SleepWatch};
use crate::keeper::{Answer, Job, Reading};
use crate::provider::{CredentialProvider, Question};
use crate::transport::{NetworkSwitch, Transport};

/// See the module.
pub(crate) struct Driver {
    core: core::Client,
    config: core::Config,
    clock: Clock,
    sleep_watch: SleepWatch,
    alarm: Alarm,
    calls: CallsIn,
    jobs: mpsc::Sender<Job>,
    answers: mpsc::UnboundedReceiver<Answer>,
    transport: Arc<dyn Transport>,
    provider: Option<Arc<dyn CredentialProvider>>,
    /// What the provider is busy with.
    question: Option<(AskId, Question)>,
    network: NetworkSwitch,
    news: mpsc::Receiver<(ConnectionId, News)>,
    news_out: mpsc::Sender<(ConnectionId, News)>,
    connections: BTreeMap<Attempt, Connection>,
    last_connection: u64,
    status: watch::Sender<Status>,
    board: Arc<Board>,
    waiting: BTreeMap<CommandId, oneshot::Sender<Result<Reply, Error>>>,
    last_command: u64,
    /// The store's reader, until the machine says that the app may use it.
    reading: Option<Reading>,
    /// Stores that are being opened.
    opening: usize,
    settling: Vec<oneshot::Sender<()>>,
    /// Writes that the disk has not answered.
    writing: usize,
    hold: Hold,
    /// Calls of `suspend` in the machine's hands.
    suspending: Vec<CommandId>,
    /// What a machine that was replaced counted, so that the status goes on counting.
    seq_base: u64,
    /// What is to go into the machine next.
    inputs: VecDeque<Input>,
    /// Reads wait until the machine has decided about these calls.
    moves: Vec<Move>,
}

/// What a driver is made of.
pub(crate) struct Parts {
    pub(crate) config: core::Config,
    pub(crate) account: Account,
    pub(crate) clock: Clock,
    pub(crate) scene: Hint,
    pub(crate) calls: CallsIn,
    pub(crate) jobs: mpsc::Sender<Job>,
    pub(crate) answers: mpsc::UnboundedReceiver<Answer>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) provider: Option<Arc<dyn CredentialProvider>>,
    pub(crate) network: NetworkSwitch,
    pub(crate) event_capacity: usize,
}

impl Driver {
    pub(crate) fn new(parts: Parts) -> (Self, Arc<Board>) {
        let core = core::Client::new(parts.config.clone(), parts.account.clone());
        let (status, status_in) = watch::channel(core.status().clone());
        let board = Arc::new(Board::new(status_in, parts.event_capacity));
        board.note_clock(&parts.account);
        let (news_out, news) = mpsc::channel(NEWS);
        let driver = Self {
            core,
            config: parts.config,
            clock: parts.clock,
            sleep_watch: SleepWatch::new(),
            alarm: Alarm::new(),
            calls: parts.calls,
            jobs: parts.jobs,
            answers: parts.answers,
            transport: parts.transport,
            provider: parts.provider,
            question: None,
            network: parts.network,
            news,
            news_out,
            connections: BTreeMap::new(),
            last_connection: 0,
            status,
            board: board.clone(),
            waiting: BTreeMap::new(),
            last_command: 0,
            reading: None,
            opening: 0,
            settling: Vec::new(),
            writing: 0,
            hold: Hold::Held,
            suspending: Vec::new(),
            seq_base: 0,
            inputs: VecDeque::from([Input::Hint(parts.scene)]),
            moves: Vec::new(),
        };
        (driver, board)
    }

    /// Runs until the client is closed or its last handle is gone.
    pub(crate) async fn run(mut self) {
        // Also if this task is dropped with its runtime: nobody may wait for ever.
        let _end = End(self.board.clone());
        let mut phase = self.board.phase.subscribe();
        loop {
            self.work().await;
            let (now, due) = self.next();
            tokio::select! {
                call = self.calls.next(), if self.waiting.len() < WAITING => match call {
                    Some(call) => self.called(call).await,
                    None => break,
                },
                Some(answer) = self.answers.recv() => self.answered(answer),
                Some((id, news)) = self.news.recv() => self.heard(id, news),
                input = provided(&mut self.question) => {
                    self.question = None;
                    self.inputs.push_back(input);
                }
                () = self.alarm.ring(now, due) => {}
                () = left(&mut phase) => break,
            }
        }
        self.close().await;
    }

    /// Puts everything that has come in into the machine, and does what it asks for.
    async fn work(&mut self) {
        if self.sleep_watch.slept() {
            tracing::debug!("the device slept");
            self.inputs.push_back(Input::Hint(Hint::Wake));
        }
        if self.is_due() {
            self.inputs.push_back(Input::Timeout);
        }
        let mut outputs = Vec::new();
        while let Some(input) = self.inputs.pop_front() {
            self.core.handle(self.clock.now(), input, &mut outputs);
            // Answers last: whoever gets one finds the status and the data that go with it.
            let (answers, rest): (Vec<_>, Vec<_>) =
                outputs.drain(..).partition(|output| matches!(output, Output::Complete(..)));
            for output in rest.into_iter().chain(answers) {
                self.perform(output).await;
            }
        }
        self.moves.clear();
        if self.opening == 0 {
            for settled in self.settling.drain(..) {
                // Whoever asked may be gone.
                let _ = settled.send(());
            }
        }
    }

    async fn perform(&mut self, output: Output) {
        match output {
            Output::Open(attempt) => {
                tracing::debug!(attempt = attempt.0, "connecting");
                self.last_connection += 1;
                let connection = Connection::start(
                    ConnectionId(self.last_connection),
                    self.transport.connect(),
                    self.network.clone(),
                    self.news_out.clone(),
                );
                self.connections.insert(attempt, connection);
            }
            Output::Transmit(attempt, frame) => {
                if let Some(connection) = self.connections.get(&attempt)
                    && let Err(error) = connection.transmit(frame)
                {
                    self.connections.remove(&attempt);
                    self.inputs.push_back(Input::Lost(attempt, error));
                }
            }
            Output::Close(attempt) => {
                self.connections.remove(&attempt);
            }
            Output::PersistAccount(batch, account) => {
                self.writing += 1;
                self.board.note_clock(&account);
                self.job(Job::SaveAccount(batch, account)).await;
            }
            Output::PersistRows(batch, generation, rows) => {
                self.writing += 1;
                self.job(Job::SaveRows(batch, generation, rows)).await;
            }
            Output::OpenStore { generation, user, missing } => {
                self.opening += 1;
                self.job(Job::OpenStore { generation, user, missing }).await;
            }
            Output::CloseStore(generation, data) => {
                self.reading = None;
                self.job(Job::CloseStore(generation, data)).await;
            }
            Output::Readable(which) => {
                let reading = which.and_then(|(generation, _)| {
                    self.reading.as_ref().filter(|of| of.generation == generation).cloned()
                });
                self.board.set_readable(reading);
            }
            Output::AskCredential(id, ask) => {
                tracing::debug!(reason = ?ask.reason, "a credential is asked for");
                let question = self.provider.as_deref().map(|of| Question::ask(of, ask));
                self.question = question.map(|question| (id, question));
            }
            Output::ForgetAsk(_) => self.question = None,
            Output::Status(status) => self.publish(status),
            Output::Event(event) => {
                note(&event);
                self.board.event(event);
            }
            Output::Complete(command, result) => self.complete(command, result).await,
        }
    }

    async fn called(&mut self, call: Call) {
        match call {
            Call::Hint(hint) => {
                tracing::debug!(?hint, "a hint");
                if hint == Hint::NetworkUp {
                    self.transport.network_changed();
                }
                self.inputs.push_back(Input::Hint(hint));
            }
            Call::Settle(settled) => self.settling.push(settled),
            Call::Damaged(generation) => self.inputs.push_back(Input::StoreDamaged(generation)),
            Call::Command(command, caller, held) => {
                self.moves.extend(held);
                match *command {
                    Command::Resume => self.resume(caller).await,
                    command => self.command(command, caller),
                }
            }
        }
    }

    /// Hands a call to the machine.
    fn command(&mut self, command: Command, caller: oneshot::Sender<Result<Reply, Error>>) {
        let id = self.next_command();
        if command == Command::Suspend {
            self.suspending.push(id);
        }
        self.waiting.insert(id, caller);
        self.inputs.push_back(Input::Command(id, command));
    }

    const fn next_command(&mut self) -> CommandId {
        self.last_command += 1;
        CommandId(self.last_command)
    }

    async fn complete(&mut self, command: CommandId, result: Result<Reply, Error>) {
        let Some(caller) = self.waiting.remove(&command) else { return };
        let suspends = self.suspending.iter().position(|id| *id == command);
        if let Some(at) = suspends {
            self.suspending.swap_remove(at);
            if result.is_ok() {
                self.let_go(caller).await;
                return;
            }
        }
        // Whoever asked may be gone; what was asked for was done all the same.
        let _ = caller.send(result);
    }

    fn answered(&mut self, answer: Answer) {
        match answer {
            Answer::Input(input) => {
                match &input {
                    Input::Persisted(_) | Input::PersistFailed(..) => {
                        self.writing = self.writing.saturating_sub(1);
                    }
                    Input::StoreOpened(..) | Input::StoreFailed(..) => {
                        self.opening = self.opening.saturating_sub(1);
                    }
                    _ => {}
                }
                self.inputs.push_back(input);
            }
            Answer::Reading(reading) => self.reading = Some(reading),
            Answer::Unlocked => self.gone(),
            Answer::Locked(taken) => self.taken_back(taken),
        }
    }

    fn heard(&mut self, id: ConnectionId, news: News) {
        let of = self.connections.iter().find(|(_, connection)| connection.id == id);
        // One that was let go of may still have something to say.
        let Some((&attempt, _)) = of else { return };
        self.inputs.push_back(match news {
            News::Opened => Input::Opened(attempt),
            News::Received(frame) => Input::Received(attempt, *frame),
            News::Lost(error) => {
                tracing::debug!(attempt = attempt.0, %error, "the connection is gone");
                self.connections.remove(&attempt);
                Input::Lost(attempt, error)
            }
        });
    }

    /// Gives the disk something to do. Without the disk's thread, the answer is made here.
    async fn job(&mut self, job: Job) {
        let Err(mpsc::error::SendError(job)) = self.jobs.send(job).await else { return };
        let error = Error::new(Code::STORE_OPEN_FAILED).with_text("the local store has ended");
        self.answered(match job {
            Job::SaveAccount(batch, _) | Job::SaveRows(batch, ..) => {
                Answer::Input(Input::PersistFailed(batch, error))
            }
            Job::OpenStore { generation, .. } => {
                Answer::Input(Input::StoreFailed(generation, error))
            }
            Job::CloseStore(generation, _) => Answer::Input(Input::StoreClosed(generation)),
            Job::Unlock => Answer::Unlocked,
            Job::Lock => Answer::Locked(Err(error)),
        });
    }

    fn publish(&self, mut status: Status) {
        status.seq += self.seq_base;
        tracing::info!(
            seq = status.seq,
            session = ?status.session,
            link = ?status.link,
            sync = ?status.sync,
            cause = status.cause.name(),
            "status"
        );
        self.board.journal.push(Fact::Status(Box::new(status.clone())));
        self.status.send_replace(status);
    }

    fn is_due(&self) -> bool {
        let (now, due) = self.next();
        due.is_some_and(|due| due <= now)
    }

    /// The time, and when the machine wants to be told of it.
    fn next(&self) -> (Time, Option<Time>) {
        (self.clock.now().time, self.core.next_timeout())
    }
}

/// Waits for what the provider says; never ends while nothing is asked.
async fn provided(question: &mut Option<(AskId, Question)>) -> Input {
    match question {
        Some((id, question)) => Input::CredentialAnswered(*id, question.answer().await),
        None => std::future::pending().await,
    }
}

/// Waits until the client is no longer open.
async fn left(phase: &mut watch::Receiver<Phase>) {
    // The sender lives on the board, so the wait cannot fail.
    let _ = phase.wait_for(|phase| *phase != Phase::Open).await;
}

/// Marks the end, however it comes.
struct End(Arc<Board>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.closed();
    }
}

/// What an operator of an app would want to read; never what people write, never a secret.
fn note(event: &Event) {
    match event {
        Event::Kicked(record) => {
            tracing::info!(reason = record.reason.name(), "the session lost its place");
        }
        Event::CredentialNeeded(error) => tracing::info!(%error, "a credential is needed"),
        Event::StoreReset(error) => tracing::warn!(%error, "local data was set aside"),
        event => tracing::debug!(?event, "event"),
    }
}

/// Calls in the machine's hands; further ones wait in their queue.
const WAITING: usize = 1024;
/// Frames that wait for the machine, over all connections; senders wait when there are more.
const NEWS: usize = 64;
