//! The chat itself: the client, what is open, what was typed, what there is to tell.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use homing::{
    Client, Content, ContentView, ConversationId, ConversationView, DeviceInfo, Error, Event, Fact,
    Hint, LocalData, Logged, Message, PendingMessage, SendState, Status, Subscription, UserId,
    WallTime,
};
use tokio::sync::mpsc;

use super::credentials::Credentials;
use super::typed::{HELP, Typed, Wipe};
use super::words;

/// One person's chat.
pub(super) struct Talk {
    pub(super) client: Client,
    pub(super) user: UserId,
    pub(super) status: Status,
    /// The conversation on the screen.
    pub(super) with: Option<ConversationId>,
    /// All conversations, newest first.
    pub(super) list: Vec<ConversationView>,
    /// The last messages of [`Self::with`].
    pub(super) history: Vec<Message>,
    /// Messages to [`Self::with`] that the server does not have yet.
    pub(super) waiting: Vec<PendingMessage>,
    /// Who is online, as far as asked.
    pub(super) online: BTreeMap<UserId, bool>,
    credentials: Credentials,
    /// Why the token command gave none.
    failures: mpsc::Receiver<Error>,
    devices: Vec<DeviceInfo>,
    journal: Subscription<Fact>,
    /// What calls on their way will tell.
    tell: mpsc::Sender<News>,
    news: mpsc::Receiver<News>,
    depth: u32,
    stale: bool,
}

/// What there is to tell.
#[derive(Debug)]
pub(super) enum Told {
    /// Something to know, in a line.
    Notice(String),
    /// An answer of several lines.
    Panel(&'static str, Vec<String>),
    /// A message came.
    Message(Message),
    /// The lists are new; messages in them were not told one by one.
    Lists,
    /// An own message came to its end.
    Sent,
    /// The status changed.
    Status,
    /// The sign-in is over.
    SignedIn(Result<(), Error>),
    /// Nothing to show.
    Nothing,
    /// The client is closed.
    End,
}

/// What a call told that went its own way.
#[derive(Debug)]
enum News {
    Told(Told),
    Devices(Vec<DeviceInfo>),
    Presence(Vec<(UserId, bool)>, Show),
}

/// Whether an answer was asked for by the person.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Show {
    Yes,
    No,
}

/// Whether the chat goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flow {
    On,
    Quit,
}

impl Talk {
    pub(super) fn new(
        client: Client,
        user: UserId,
        credentials: Credentials,
        failures: mpsc::Receiver<Error>,
        with: Option<UserId>,
    ) -> Self {
        let (tell, news) = mpsc::channel(NEWS);
        let (status, journal) = (client.status().now(), client.journal());
        let with = with.map(ConversationId::Direct);
        Self {
            client,
            user,
            status,
            with,
            list: Vec::new(),
            history: Vec::new(),
            waiting: Vec::new(),
            online: BTreeMap::new(),
            credentials,
            failures,
            devices: Vec::new(),
            journal,
            tell,
            news,
            depth: SCREENFUL,
            stale: true,
        }
    }

    /// Goes on where this device stopped, which displaces nobody; signs in anew where it cannot.
    pub(super) fn begin(&self) {
        let (client, user) = (self.client.clone(), self.user.clone());
        let credentials = self.credentials.clone();
        self.spawn(async move {
            News::Told(Told::SignedIn(credentials.begin(&client, user.as_str()).await))
        });
    }

    /// Waits for the next thing to tell. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Told {
        tokio::select! {
            Some(news) = self.news.recv() => self.heard_news(news),
            Some(failure) = self.failures.recv() => Told::Notice(failure.sentence().to_owned()),
            entry = self.journal.next() => match entry {
                None => Told::End,
                Some(Logged::Entry(Fact::Status(status))) => self.heard_status(*status),
                Some(Logged::Entry(Fact::Event(event))) => self.heard_event(event),
                Some(Logged::Lagged(_)) => {
                    self.stale = true;
                    Told::Nothing
                }
            },
        }
    }

    fn heard_status(&mut self, status: Status) -> Told {
        let connected = status.is_connected() && !self.status.is_connected();
        self.stale |= status.readable != self.status.readable;
        self.status = status;
        if connected {
            self.ask_presence(Show::No);
        }
        Told::Status
    }

    fn heard_event(&mut self, event: Event) -> Told {
        match event {
            Event::Message(message) => {
                self.stale = true;
                Told::Message(message)
            }
            Event::SendState { conversation, state, .. } => {
                self.stale = true;
                match state {
                    SendState::Queued => Told::Nothing,
                    SendState::Accepted { .. } => Told::Sent,
                    SendState::Refused(code) => Told::Notice(format!(
                        "A message to {} was refused: {}",
                        peer(&conversation),
                        Error::new(code).sentence()
                    )),
                }
            }
            Event::Read { .. } => {
                self.stale = true;
                Told::Nothing
            }
            Event::WindowChanged => {
                self.stale = true;
                Told::Lists
            }
            Event::DevicesChanged(devices) => {
                self.devices = devices;
                Told::Nothing
            }
            Event::SyncFailed(why) => Told::Notice(format!("Sync stopped: {}", why.sentence())),
            Event::StoreReset(why) => Told::Notice(why.sentence().to_owned()),
            // The status says it, and what to do.
            Event::Kicked(_)
            | Event::CredentialExpiring { .. }
            | Event::CredentialNeeded(_)
            | Event::SyncStarted
            | Event::SyncFinished => Told::Nothing,
        }
    }

    fn heard_news(&mut self, news: News) -> Told {
        match news {
            News::Told(told) => {
                self.stale = true;
                told
            }
            News::Devices(devices) => {
                self.devices = devices;
                let now = now();
                let line = |(i, info): (usize, &DeviceInfo)| {
                    let state = if info.online { "online" } else { "away" };
                    let since = words::clock(info.login_time, now);
                    format!("{}  {}, {state}, since {since}", i + 1, words::device(info))
                };
                let lines = self.devices.iter().enumerate().map(line).collect();
                Told::Panel("Signed in on (/kick N ends one)", lines)
            }
            News::Presence(users, show) => {
                let line = |(user, online): &(UserId, bool)| {
                    format!("{} {user}", if *online { "●" } else { "○" })
                };
                let lines = users.iter().map(line).collect();
                self.online.extend(users);
                match show {
                    Show::Yes => Told::Panel("Online (●) of your conversations", lines),
                    Show::No => Told::Nothing,
                }
            }
        }
    }

    /// The program goes on after it was stopped (Ctrl-Z and `fg`): the link may have died meanwhile, and
    /// somebody looks at it again (S-6.3).
    pub(super) async fn continued(&self) {
        for hint in [Hint::Wake, Hint::Foreground] {
            // A client that is closed needs no hints.
            let _ = self.client.hint(hint).await;
        }
    }

    /// Does what was typed. Whoever types wants to be connected now (S-6.3).
    pub(super) async fn typed(&mut self, typed: Typed) -> (Flow, Told) {
        if !self.status.is_connected() {
            let _ = self.client.hint(Hint::Tap).await;
        }
        let told = match typed {
            Typed::Nothing => Told::Nothing,
            Typed::Words(words) => self.send(words).await,
            Typed::With(user) => match UserId::parse(&user) {
                Ok(user) => {
                    self.open(ConversationId::Direct(user));
                    Told::Nothing
                }
                Err(error) => Told::Notice(error.sentence().to_owned()),
            },
            Typed::Who => {
                self.ask_presence(Show::Yes);
                Told::Nothing
            }
            Typed::Devices => {
                let client = self.client.clone();
                self.call(async move { client.devices().await.map(News::Devices) });
                Told::Nothing
            }
            Typed::Kick(number) => self.kick(number),
            Typed::More => {
                self.depth += SCREENFUL;
                self.stale = true;
                Told::Nothing
            }
            Typed::Login(token) => self.login(token),
            Typed::Renew(token) => {
                let credential = self.credentials.give(token);
                let client = self.client.clone();
                self.call(async move {
                    client.renew(credential).await?;
                    Ok(News::Told(Told::Notice("The new token is in use.".to_owned())))
                });
                Told::Nothing
            }
            Typed::Logout(wipe) => self.logout(wipe),
            Typed::Help => {
                Told::Panel("What you can type", HELP.iter().map(|&line| line.to_owned()).collect())
            }
            Typed::Quit => return (Flow::Quit, Told::Nothing),
            Typed::Wrong(why) => Told::Notice(why),
        };
        (Flow::On, told)
    }

    async fn send(&mut self, words: String) -> Told {
        let Some(with) = &self.with else {
            return Told::Notice("To whom? /with USER opens a conversation.".to_owned());
        };
        self.stale = true;
        match self.client.send(with, Content::text(words)).await {
            Ok(_) => Told::Nothing,
            Err(error) => Told::Notice(format!("Not sent: {}", error.sentence())),
        }
    }

    fn kick(&self, number: usize) -> Told {
        let Some(device) = number.checked_sub(1).and_then(|i| self.devices.get(i)) else {
            return Told::Notice("No such device; /devices shows the numbers.".to_owned());
        };
        let (client, session) = (self.client.clone(), device.session);
        let words = format!("Signed out: {}", words::device(device));
        self.call(async move {
            client.kick_device(session).await?;
            Ok(News::Told(Told::Notice(words)))
        });
        Told::Nothing
    }

    fn login(&mut self, token: Option<String>) -> Told {
        if let Some(token) = token {
            self.credentials.give(token);
        }
        if self.credentials.are_missing() {
            return Told::Notice("A token is needed: /login TOKEN".to_owned());
        }
        let (client, user) = (self.client.clone(), self.user.clone());
        let credentials = self.credentials.clone();
        self.spawn(async move {
            News::Told(Told::SignedIn(credentials.login(&client, user.as_str()).await))
        });
        Told::Nothing
    }

    fn logout(&self, wipe: Wipe) -> Told {
        let data = match wipe {
            Wipe::No => LocalData::Keep,
            Wipe::Yes => LocalData::Wipe,
        };
        let client = self.client.clone();
        self.call(async move {
            client.logout(data).await?;
            Ok(News::Told(Told::Notice("Signed out.".to_owned())))
        });
        Told::Nothing
    }

    /// Shows another conversation.
    pub(super) fn open(&mut self, conversation: ConversationId) {
        if self.with.as_ref() != Some(&conversation) {
            self.with = Some(conversation);
            self.depth = SCREENFUL;
            self.stale = true;
        }
        self.ask_presence(Show::No);
    }

    /// Asks the server who is online, if it can be asked.
    pub(super) fn refresh_presence(&self) {
        if self.status.is_connected() {
            self.ask_presence(Show::No);
        }
    }

    fn ask_presence(&self, show: Show) {
        let listed = self.list.iter().map(|view| &view.id).chain(&self.with);
        let users: std::collections::BTreeSet<_> = listed.map(peer).cloned().collect();
        let users: Vec<_> = users.into_iter().take(homing_proto::limits::PRESENCE_USERS).collect();
        if users.is_empty() {
            return;
        }
        let (client, tell) = (self.client.clone(), self.tell.clone());
        tokio::spawn(async move {
            let news = match (client.presence(users).await, show) {
                (Ok(users), show) => News::Presence(users, show),
                (Err(error), Show::Yes) => News::Told(Told::Notice(error.sentence().to_owned())),
                // Nobody asked; the status line says that there is no connection.
                (Err(_), Show::No) => return,
            };
            let _ = tell.send(news).await;
        });
    }

    /// Reads lists anew if something changed, and tells the server what was seen.
    pub(super) async fn refresh(&mut self) {
        if !std::mem::take(&mut self.stale) {
            return;
        }
        // Without an open account there is nothing to show, and the status says why.
        self.list = self.client.conversations(LISTED).await.unwrap_or_default();
        let Some(with) = self.with.clone() else {
            self.with = self.list.first().map(|view| view.id.clone());
            self.stale = self.with.is_some();
            return;
        };
        let history = self.client.history(&with, 0, self.depth).await;
        self.history = history.map(|history| history.messages).unwrap_or_default();
        let waiting = self.client.outbox().await.unwrap_or_default();
        self.waiting = waiting.into_iter().filter(|item| item.conversation == with).collect();
        self.mark_read(&with);
    }

    fn mark_read(&self, with: &ConversationId) {
        let Some(view) = self.list.iter().find(|view| view.id == *with) else { return };
        if view.unread() == 0 || !self.status.is_connected() {
            return;
        }
        let (client, with, head) = (self.client.clone(), with.clone(), view.head);
        // If it fails the conversation stays unread, which is seen.
        tokio::spawn(async move { client.mark_read(&with, head).await });
    }

    /// A call whose failure is told.
    fn call(&self, call: impl Future<Output = Result<News, Error>> + Send + 'static) {
        self.spawn(async move {
            call.await.unwrap_or_else(|error| News::Told(Told::Notice(error.sentence().to_owned())))
        });
    }

    fn spawn(&self, call: impl Future<Output = News> + Send + 'static) {
        let tell = self.tell.clone();
        tokio::spawn(async move {
            // It fails when the chat has ended.
            let _ = tell.send(call.await).await;
        });
    }
}

/// The user at the other end.
pub(super) const fn peer(conversation: &ConversationId) -> &UserId {
    match conversation {
        ConversationId::Direct(user) => user,
    }
}

/// A message's words.
pub(super) fn text(content: &Content) -> String {
    match content.view() {
        ContentView::Text(text) => words::shown(&text),
        ContentView::Custom { kind, data } => {
            format!("[{}, {} bytes]", words::shown(&kind), data.len())
        }
        ContentView::Unknown => "[a kind of message this version does not know]".to_owned(),
    }
}

/// The device's clock.
pub(super) fn now() -> WallTime {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
}

/// Answers on their way to the screen.
const NEWS: usize = 64;
/// Messages of one conversation that are read at first, and more each time they are asked for.
const SCREENFUL: u32 = 50;
/// Conversations in the list.
const LISTED: u32 = 100;
