//! A client as the SDK is one, on a light socket: the client machine of `homing-core` decides
//! everything, and its disk answers at once. So thousands fit into one process.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use homing_core::client::{
    Account, Attempt, Client, Command, CommandId, Config, CredentialSource, Hint, Input,
    LoginOptions, Opened, Output, Reply, Row,
};
use homing_proto::device::{Device, Platform};
use homing_proto::frame::{ClientFrame, Credential, ServerFrame, Window};
use homing_proto::id::{AppId, Cursor, DeviceId, UserId};
use homing_proto::time::{Now, Time, WallTime};
use homing_proto::{Code, Error, limits};

use crate::link::{Link, Lost, Target};

/// See the module.
pub(crate) struct Puppet {
    pub(crate) core: Client,
    target: Target,
    from: Ipv4Addr,
    began: Instant,
    dialing: Option<(Attempt, Dial)>,
    link: Option<(Attempt, Link)>,
    inputs: VecDeque<Input>,
    cursor: Option<Cursor>,
    last_command: u64,
    /// What happened, for whoever drives it; taken by [`step`](Self::step)'s caller.
    pub(crate) news: Vec<News>,
    /// Times that the client spoke after the server had, on the present attempt.
    turns: u32,
    heard: bool,
    /// What failed last had been connected.
    pub(crate) had_link: bool,
}

type Dial = Pin<Box<dyn Future<Output = Result<Link, Lost>> + Send>>;

/// What a driver may want to know.
#[derive(Debug)]
pub(crate) enum News {
    /// A connection is being made.
    Dialed,
    /// The link carries the session, after so many times of asking and being answered.
    Connected { round_trips: u32 },
    /// It does not any more.
    Away,
    /// The attempt or the link failed.
    Failed(Error),
    /// The server wants its clients back over this, in milliseconds, if it is lost.
    Window(u32),
    /// The server refused or closed, with this code, and when to come back if it said so.
    Told { code: Code, when: Option<u32> },
    /// A call is over.
    Completed(Result<Reply, Error>),
}

impl Puppet {
    pub(crate) fn new(
        target: Target,
        from: Ipv4Addr,
        app: AppId,
        number: u64,
        account: Account,
    ) -> Self {
        let config = Config {
            app,
            device: Device {
                id: DeviceId((u128::from(number) | 1 << 127).to_be_bytes()),
                platform: Platform::Android,
                os: "Android 16".to_owned(),
                tag: String::new(),
                custom_type: 0,
            },
            sdk: concat!("homing-bench/", env!("CARGO_PKG_VERSION")).to_owned(),
            window: Window {
                conversations: limits::WINDOW_CONVERSATIONS,
                per_conversation: limits::WINDOW_MESSAGES,
            },
            credentials: CredentialSource::Calls,
            delay_policy: None,
            max_offline_age_ms: None,
            seed: number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ wall().0,
        };
        Self {
            core: Client::new(config, account),
            target,
            from,
            began: Instant::now(),
            dialing: None,
            link: None,
            inputs: VecDeque::new(),
            cursor: None,
            last_command: 0,
            news: Vec::new(),
            turns: 0,
            heard: true,
            had_link: false,
        }
    }

    pub(crate) fn log_in(&mut self, user: UserId, credential: Credential) {
        self.call(Command::Login { user, credential, options: LoginOptions::default() });
    }

    pub(crate) fn call(&mut self, command: Command) {
        self.last_command += 1;
        self.put(Input::Command(CommandId(self.last_command), command));
    }

    pub(crate) fn hint(&mut self, hint: Hint) {
        self.put(Input::Hint(hint));
    }

    /// The transport breaks, as it does when the way to the server is cut.
    pub(crate) fn cut(&mut self) {
        if let Some((attempt, _)) = self.link.take() {
            let error = Error::new(Code::NETWORK).with_text("cut");
            self.put(Input::Lost(attempt, error));
        }
    }

    /// Waits for the next thing and does what follows from it. Dropping the future loses nothing.
    pub(crate) async fn step(&mut self) {
        let wait = self
            .core
            .next_timeout()
            .map_or(LONG, |at| Duration::from_millis(at.since(self.now().time)));
        let input = tokio::select! {
            biased;
            (attempt, frame) = next(&mut self.link) => self.received(attempt, frame),
            (attempt, dialed) = dialed(&mut self.dialing) => {
                self.dialing = None;
                match dialed {
                    Ok(link) => {
                        self.link = Some((attempt, link));
                        Input::Opened(attempt)
                    }
                    Err(lost) => Input::Lost(attempt, error(&lost)),
                }
            }
            () = tokio::time::sleep(wait) => Input::Timeout,
        };
        if let Input::Lost(_, error) = &input {
            self.had_link = self.core.status().is_connected();
            self.news.push(News::Failed(error.clone()));
        }
        self.put(input);
    }

    fn received(&mut self, attempt: Attempt, frame: Result<ServerFrame, Lost>) -> Input {
        match frame {
            Ok(frame) => {
                self.heard = true;
                match &frame {
                    ServerFrame::Refuse(refuse) => {
                        let (code, when) = (refuse.error.code, refuse.error.retry_after_ms);
                        self.news.push(News::Told { code, when });
                    }
                    ServerFrame::Close(close) => {
                        let (code, when) = (close.error.code, close.retry_window_ms);
                        self.news.push(News::Told { code, when });
                    }
                    ServerFrame::Welcome(welcome) => {
                        self.news.push(News::Window(welcome.limits.reconnect_window_ms));
                    }
                    ServerFrame::Limits(limits) => {
                        self.news.push(News::Window(limits.reconnect_window_ms));
                    }
                    _ => {}
                }
                Input::Received(attempt, frame)
            }
            Err(lost) => {
                self.link = None;
                Input::Lost(attempt, error(&lost))
            }
        }
    }

    fn put(&mut self, input: Input) {
        self.inputs.push_back(input);
        let mut outputs = Vec::new();
        while let Some(input) = self.inputs.pop_front() {
            let before = self.core.status().is_connected();
            self.core.handle(self.now(), input, &mut outputs);
            for output in outputs.drain(..) {
                self.perform(output);
            }
            match (before, self.core.status().is_connected()) {
                (false, true) => self.news.push(News::Connected { round_trips: self.turns }),
                (true, false) => self.news.push(News::Away),
                _ => {}
            }
        }
    }

    fn perform(&mut self, output: Output) {
        match output {
            Output::Open(attempt) => {
                self.news.push(News::Dialed);
                (self.turns, self.heard) = (0, true);
                let (target, from) = (self.target.clone(), self.from);
                let dial = async move { Link::connect(&target, from).await };
                self.dialing = Some((attempt, Box::pin(dial)));
            }
            Output::Transmit(attempt, frame) => self.transmit(attempt, &frame),
            Output::Close(attempt) => {
                self.dialing.take_if(|(of, _)| *of == attempt);
                self.link.take_if(|(of, _)| *of == attempt);
            }
            Output::PersistAccount(batch, _) => self.inputs.push_back(Input::Persisted(batch)),
            Output::PersistRows(batch, _, rows) => {
                for row in rows {
                    if let Row::Cursor(cursor) = row {
                        self.cursor = Some(cursor);
                    }
                }
                self.inputs.push_back(Input::Persisted(batch));
            }
            Output::OpenStore { generation, .. } => {
                let opened = Opened { cursor: self.cursor, ..Opened::default() };
                self.inputs.push_back(Input::StoreOpened(generation, opened));
            }
            Output::CloseStore(generation, _) => {
                self.inputs.push_back(Input::StoreClosed(generation));
            }
            Output::Complete(_, result) => self.news.push(News::Completed(result)),
            // No provider of credentials stands behind it.
            Output::AskCredential(..) | Output::ForgetAsk(_) => {}
            Output::Readable(_) | Output::Status(_) | Output::Event(_) => {}
        }
    }

    fn transmit(&mut self, attempt: Attempt, frame: &ClientFrame) {
        if let Some((of, link)) = &mut self.link
            && *of == attempt
        {
            self.turns += u32::from(std::mem::take(&mut self.heard));
            link.put(frame);
        }
    }

    fn now(&self) -> Now {
        let since = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { time: Time(since + 1_000), wall: wall() }
    }
}

async fn next(link: &mut Option<(Attempt, Link)>) -> (Attempt, Result<ServerFrame, Lost>) {
    match link {
        Some((attempt, link)) => (*attempt, link.next_of_all().await),
        None => std::future::pending().await,
    }
}

async fn dialed(dialing: &mut Option<(Attempt, Dial)>) -> (Attempt, Result<Link, Lost>) {
    match dialing {
        Some((attempt, dial)) => (*attempt, dial.await),
        None => std::future::pending().await,
    }
}

fn error(lost: &Lost) -> Error {
    Error::new(Code::NETWORK).with_text(lost.name())
}

fn wall() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// As good as never; something else comes first.
const LONG: Duration = Duration::from_secs(60);
