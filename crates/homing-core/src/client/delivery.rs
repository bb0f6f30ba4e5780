//! Messages out and in: outbox, pushes, pages, and the app's questions to the server (D-3, D-4).

use homing_proto::device::DeviceInfo;
use homing_proto::frame::{
    ClientFrame, Credential, OutboxAck, Request, Response, SyncBody, SyncPage,
};
use homing_proto::id::{ClientMsgId, ConversationId, SessionId, UserId};
use homing_proto::limits::{CONTENT_BYTES, HISTORY_PAGE, IN_FLIGHT, PRESENCE_USERS, RETRY_MS};
use homing_proto::message::{Content, LogEntry};
use homing_proto::time::WallTime;
use homing_proto::{Code, Error};

use super::link::Link;
use super::requests::Asked;
use super::session::Session;
use super::status::CredentialStatus;
use super::sync::Reached;
use super::{
    BatchId, Client, CommandId, Event, Leave, Output, Pending, Reply, Row, SendState, Turn, Write,
};

impl Client {
    pub(super) fn send(
        &mut self,
        turn: &mut Turn<'_>,
        call: CommandId,
        conversation: ConversationId,
        content: Content,
        client_id: Option<ClientMsgId>,
    ) {
        if content.0.len() > CONTENT_BYTES {
            return turn.complete(call, Err(Code::CONTENT_TOO_LARGE.into()));
        }
        let generation = match (&self.session, self.store.open()) {
            (Session::SignedIn(_), Some(generation)) => generation,
            (Session::SignedIn(_), None) => {
                return turn.complete(call, Err(self.store.obstacle()));
            }
            _ => return turn.complete(call, Err(Code::NOT_LOGGED_IN.into())),
        };
        let client_id = client_id.unwrap_or_else(|| ClientMsgId(self.rng.uuid()));
        if self.outbox.holds(&conversation, client_id) {
            if let Some(answer) = self.outbox.join(&conversation, client_id, call) {
                turn.complete(call, answer.map(|()| Reply::Queued(client_id)));
            }
            return;
        }
        if self.is_leaving(client_id) {
            return turn.complete(call, Ok(Reply::Queued(client_id)));
        }
        if self.outbox.is_full() {
            return turn.complete(call, Err(Code::OUTBOX_FULL.into()));
        }
        let queued_at = turn.now.wall;
        let pending = Pending { client_id, conversation: conversation.clone(), content, queued_at };
        self.outbox.saving(pending.clone(), call);
        let batch = self.next_batch();
        turn.put(Output::PersistRows(batch, generation, vec![Row::Queue(pending)]));
        self.writes.insert(batch, Write::Queued(generation, conversation, client_id));
    }

    pub(super) fn ask_mark_read(
        &mut self,
        turn: &mut Turn<'_>,
        call: CommandId,
        conversation: ConversationId,
        seq: u64,
    ) {
        self.ask_for_call(turn, call, Request::MarkRead { conversation, seq });
    }

    pub(super) fn ask_history(
        &mut self,
        turn: &mut Turn<'_>,
        call: CommandId,
        conversation: ConversationId,
        before: u64,
        limit: u32,
    ) {
        if let Some(error) = self.cannot_ask() {
            return turn.complete(call, Err(error));
        }
        let limit = limit.clamp(1, HISTORY_PAGE);
        let request = Request::History { conversation, before, limit };
        self.ask(turn, Asked::History(call), request);
    }

    pub(super) fn ask_devices(&mut self, turn: &mut Turn<'_>, call: CommandId) {
        self.ask_for_call(turn, call, Request::ListDevices);
    }

    pub(super) fn ask_kick(
        &mut self,
        turn: &mut Turn<'_>,
        call: CommandId,
        sessions: Vec<SessionId>,
    ) {
        self.ask_for_call(turn, call, Request::KickDevices(sessions));
    }

    pub(super) fn ask_presence(
        &mut self,
        turn: &mut Turn<'_>,
        call: CommandId,
        users: Vec<UserId>,
    ) {
        if users.len() > PRESENCE_USERS {
            let error = Error::new(Code::INVALID_ARGUMENT).with_text("more than 500 users");
            return turn.complete(call, Err(error));
        }
        self.ask_for_call(turn, call, Request::Presence(users));
    }

    /// Sends a question on the present link. Without one nothing is asked.
    pub(super) fn ask(&mut self, turn: &mut Turn<'_>, asked: Asked, body: Request) {
        let Link::Connected(wire) = &self.link else { return };
        let attempt = wire.attempt;
        let id = self.requests.ask(turn.now.time, asked);
        turn.put(Output::Transmit(attempt, ClientFrame::Request { id, body }));
    }

    /// Sends what waits, as far as the link takes it.
    pub(super) fn advance_outbox(&mut self, turn: &mut Turn<'_>) {
        while self.is_connected() && self.requests.len() < IN_FLIGHT - ROOM_FOR_CALLS {
            let Some(pending) = self.outbox.next() else { return };
            let Pending { client_id, conversation, content, .. } = pending;
            let asked = Asked::Send(conversation.clone(), client_id);
            self.ask(turn, asked, Request::Send { conversation, client_id, content });
        }
    }

    /// Stores what came in, and asks for what is missing.
    pub(super) fn advance_log(&mut self, turn: &mut Turn<'_>) {
        if !self.is_connected() {
            return;
        }
        self.write_log(turn);
        self.settle_log(turn);
        if let Some(wish) = self.sync.wants_page(turn.now.time) {
            if wish.begins_anew {
                turn.event(Event::SyncStarted);
            }
            let (cursor, window) = (wish.cursor, self.config.window);
            self.ask(turn, Asked::Page, Request::SyncFrom { cursor, window });
        }
    }

    /// Takes up the page that Welcome brought, then hands the store what can be written.
    pub(super) fn write_log(&mut self, turn: &mut Turn<'_>) -> Option<BatchId> {
        let generation = self.store.open()?;
        if let Some((page, acks)) = self.welcome_page.take() {
            self.take_welcome_page(turn, page, acks);
        }
        let batch = self.next_batch();
        let (rows, entries) = self.sync.next_batch(batch)?;
        turn.put(Output::PersistRows(batch, generation, rows));
        self.writes.insert(batch, Write::Log(generation, entries));
        Some(batch)
    }

    /// Tells the app when nothing is missing any more.
    pub(super) fn settle_log(&mut self, turn: &mut Turn<'_>) {
        if self.is_connected() && self.sync.settle() == Reached::Live {
            turn.event(Event::SyncFinished);
        }
    }

    pub(super) fn log_written(
        &mut self,
        turn: &mut Turn<'_>,
        batch: BatchId,
        entries: Vec<LogEntry>,
    ) {
        let window = entries.is_empty();
        let catching_up = self.sync.is_catching_up();
        let reached = self.sync.written(turn.now.time, batch);
        if window {
            turn.event(Event::WindowChanged);
        }
        for entry in entries {
            self.entry_written(turn, entry);
        }
        if reached == Reached::Live && catching_up {
            turn.event(Event::SyncFinished);
        }
    }

    pub(super) fn devices_changed(&mut self, turn: &mut Turn<'_>, devices: Vec<DeviceInfo>) {
        if self.devices != devices {
            self.devices.clone_from(&devices);
            turn.event(Event::DevicesChanged(devices));
        }
    }

    pub(super) fn response(&mut self, turn: &mut Turn<'_>, id: u32, body: Result<Response, Error>) {
        let Some(asked) = self.requests.answered(id) else { return };
        match asked {
            Asked::Send(conversation, client_id) => {
                self.send_answered(turn, conversation, client_id, body);
            }
            Asked::Page => self.page_answered(turn, body),
            Asked::History(call) => self.history_answered(turn, call, body),
            Asked::Renew { call, credential, reply, .. } => {
                let result = self.renewal_answered(turn, credential, body).map(|()| reply);
                turn.complete(call, result);
            }
            Asked::Nobody(credential) => {
                // Nobody waits; the verdict counts all the same.
                let _ = self.renewal_answered(turn, credential, body);
            }
            Asked::Provided(credential, _) => {
                let result = self.renewal_answered(turn, credential, body);
                self.provided_answered(turn, result);
            }
            Asked::Call(call) => {
                let reply = body.and_then(|body| match body {
                    Response::Done => Ok(Reply::Done),
                    Response::Devices(devices) => Ok(Reply::Devices(devices)),
                    Response::Presence(users) => Ok(Reply::Presence(users)),
                    _ => Err(strange_answer()),
                });
                turn.complete(call, reply);
            }
        }
    }

    /// The session is gone from the link, or the link is gone: calls end, messages and pages are
    /// asked for again on the next one.
    pub(super) fn requests_lost(&mut self, turn: &mut Turn<'_>, error: &Error) {
        self.welcome_page = None;
        if matches!(self.session, Session::SignedIn(_))
            && let Some((credential, expires)) = self.requests.take_provided()
            // What ended the link may have been the verdict on this very one.
            && self.account.refusal(&credential).is_none()
        {
            self.adopt(credential, expires);
            self.persist_account(turn, Write::Account);
        }
        for call in self.requests.abandon() {
            turn.complete(call, Err(error.clone()));
        }
    }

    /// The server's verdict on a new credential (S-8.4).
    fn renewal_answered(
        &mut self,
        turn: &mut Turn<'_>,
        credential: Credential,
        body: Result<Response, Error>,
    ) -> Result<(), Error> {
        let expires_in_ms = match body {
            Ok(Response::Renewed { credential_expires_in_ms }) => credential_expires_in_ms,
            Ok(_) => return Err(strange_answer()),
            Err(error) => {
                if error.code.is_credential() {
                    self.account.remember_refused(&credential, error.code);
                    self.persist_account(turn, Write::Account);
                }
                return Err(error);
            }
        };
        if let (Session::SignedIn(account), Some(last)) =
            (&mut self.session, &mut self.account.last)
        {
            account.credential = CredentialStatus::Valid;
            account.expires = expires_in_ms.map(|ms| turn.now.time + ms);
            let server_now = last.server_now(turn.now.wall);
            last.credential = Some(credential);
            last.credential_expires =
                expires_in_ms.map(|ms| WallTime(server_now.0.saturating_add(ms)));
            self.persist_account(turn, Write::Account);
        }
        Ok(())
    }

    fn ask_for_call(&mut self, turn: &mut Turn<'_>, call: CommandId, body: Request) {
        match self.cannot_ask() {
            Some(error) => turn.complete(call, Err(error)),
            None => self.ask(turn, Asked::Call(call), body),
        }
    }

    /// Why a question cannot be asked now (S-3.8).
    fn cannot_ask(&self) -> Option<Error> {
        if !matches!(self.session, Session::SignedIn(_)) {
            return Some(Code::NOT_LOGGED_IN.into());
        }
        if !self.is_connected() {
            return Some(Code::OFFLINE.into());
        }
        if self.requests.len() >= IN_FLIGHT {
            return Some(Error::new(Code::RATE_LIMITED).with_text("64 requests are unanswered"));
        }
        None
    }

    fn take_welcome_page(&mut self, turn: &mut Turn<'_>, page: SyncPage, acks: Vec<OutboxAck>) {
        turn.event(Event::SyncStarted);
        if let Err(error) = self.sync.began(turn.now.time, page)
            && self.sync.stall(turn.now.time, error.clone())
        {
            turn.event(Event::SyncFailed(error));
        }
        for ack in acks {
            if let Some(conversation) = self.outbox.conversation_of_head(ack.client_id) {
                self.accepted(turn, conversation, ack.client_id, ack.seq, ack.time);
            }
        }
    }

    fn entry_written(&mut self, turn: &mut Turn<'_>, entry: LogEntry) {
        match entry {
            LogEntry::Message { message, .. } => {
                // The message's row took the place of the one in the outbox, in one transaction.
                if self.outbox.done(&message.conversation, message.client_id) {
                    // What the server still answers to its sending is old news.
                    self.requests.forget_send(message.client_id);
                    turn.event(Event::SendState {
                        client_id: message.client_id,
                        conversation: message.conversation.clone(),
                        state: SendState::Accepted { seq: message.seq },
                    });
                }
                turn.event(Event::Message(message));
            }
            LogEntry::Read { conversation, seq, .. } => {
                turn.event(Event::Read { conversation, seq });
            }
            LogEntry::Unknown => {}
        }
    }

    fn send_answered(
        &mut self,
        turn: &mut Turn<'_>,
        conversation: ConversationId,
        client_id: ClientMsgId,
        body: Result<Response, Error>,
    ) {
        match body {
            Ok(Response::Sent { seq, time }) => {
                self.accepted(turn, conversation, client_id, seq, time);
            }
            Err(error) if !is_for_now(&error) => {
                if self.outbox.refused(&conversation, client_id, error.code) {
                    let state = SendState::Refused(error.code);
                    let row = Row::Refused { client_id };
                    self.leave(turn, Leave { conversation, client_id, state, row, told: false });
                }
            }
            Ok(_) | Err(_) => {
                let wait =
                    body.err().and_then(|error| error.retry_after_ms).map_or(RETRY_MS, u64::from);
                self.outbox.defer(&conversation, client_id, turn.now.time + wait);
            }
        }
    }

    fn accepted(
        &mut self,
        turn: &mut Turn<'_>,
        conversation: ConversationId,
        client_id: ClientMsgId,
        seq: u64,
        time: WallTime,
    ) {
        if self.outbox.done(&conversation, client_id) {
            let row = Row::Accepted { client_id, seq, time };
            let state = SendState::Accepted { seq };
            self.leave(turn, Leave { conversation, client_id, state, row, told: false });
        }
    }

    /// The server took the message, and its row is on its way out of the outbox.
    fn is_leaving(&self, id: ClientMsgId) -> bool {
        let writing = self.writes.values().filter_map(|write| match write {
            Write::Left(_, leave) => Some(leave),
            _ => None,
        });
        let waiting = self.unremoved.iter().map(|(_, leave)| leave);
        writing.chain(waiting).any(|leave| leave.client_id == id)
    }

    /// A message leaves the outbox for good.
    pub(super) fn leave(&mut self, turn: &mut Turn<'_>, leave: Leave) {
        let Some(generation) = self.store.open() else { return };
        let batch = self.next_batch();
        turn.put(Output::PersistRows(batch, generation, vec![leave.row.clone()]));
        self.writes.insert(batch, Write::Left(generation, leave));
    }

    fn page_answered(&mut self, turn: &mut Turn<'_>, body: Result<Response, Error>) {
        let taken = match body {
            Ok(Response::Sync(page)) => {
                let behind = page.head;
                let empty = matches!(
                    &page.body,
                    SyncBody::Entries { entries, .. } if entries.is_empty()
                );
                let stored = self.sync.cursor().map_or(0, |cursor| cursor.offset);
                if empty && behind > stored {
                    Err(strange_answer())
                } else {
                    self.sync.take_page(turn.now.time, page)
                }
            }
            Ok(_) => Err(strange_answer()),
            Err(error) => Err(error),
        };
        if let Err(error) = taken
            && self.sync.stall(turn.now.time, error.clone())
        {
            turn.event(Event::SyncFailed(error));
        }
    }

    fn history_answered(
        &mut self,
        turn: &mut Turn<'_>,
        call: CommandId,
        body: Result<Response, Error>,
    ) {
        match (body, self.store.open()) {
            (Ok(Response::History(messages)), Some(generation)) => {
                let batch = self.next_batch();
                let row = Row::Messages(messages.clone());
                turn.put(Output::PersistRows(batch, generation, vec![row]));
                self.writes.insert(batch, Write::Fetched(generation, call, messages));
            }
            (Ok(Response::History(_)), None) => turn.complete(call, Err(Code::NOT_READY.into())),
            (Ok(_), _) => turn.complete(call, Err(strange_answer())),
            (Err(error), _) => turn.complete(call, Err(error)),
        }
    }
}

/// Requests kept free for the app's calls while the outbox drains.
const ROOM_FOR_CALLS: usize = 8;

/// The server may take the message later.
const fn is_for_now(error: &Error) -> bool {
    matches!(
        error.code,
        Code::SERVER_BUSY | Code::SERVER_INTERNAL | Code::SERVER_STOPPING | Code::RATE_LIMITED
    )
}

fn strange_answer() -> Error {
    Error::new(Code::PROTOCOL_ERROR).with_text("the server answered something else")
}
