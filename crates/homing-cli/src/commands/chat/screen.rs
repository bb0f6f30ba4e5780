//! The chat on a full screen: status line, conversations, history, input line.
//!
//! The terminal is put back in order whatever happens: at the end, after an error, and in a panic.

mod draw;
mod input;

use std::io;
use std::time::Duration;

use homing::{Code, Time};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use self::input::Input;
use super::talk::{Flow, Talk, Told};
use super::typed::Typed;
use crate::cli::{Done, Outcome};
use crate::failure::Failure;
use crate::signals::Signals;

/// What is on the screen besides the chat.
#[derive(Default)]
struct View {
    input: Input,
    /// The last notices, oldest first.
    notices: Vec<String>,
    /// An answer over the messages, until a key is pressed.
    panel: Option<(&'static str, Vec<String>)>,
    /// Lines scrolled up from the newest message.
    scrolled: usize,
}

pub(super) async fn run(mut talk: Talk) -> Outcome {
    let mut terminal = ratatui::try_init().map_err(|error| {
        Failure::new("cannot use the terminal", error, "try again with --plain")
    })?;
    let result = converse(&mut talk, &mut terminal).await;
    ratatui::restore();
    talk.client.close().await;
    result.map_err(|error| {
        Failure::new("the chat was interrupted", error, "start it again; nothing is lost")
    })?;
    Ok(Done::Well)
}

async fn converse(talk: &mut Talk, terminal: &mut ratatui::DefaultTerminal) -> io::Result<()> {
    let (mut signals, mut continued) = (Signals::take()?, Signals::continued()?);
    let mut keys = keys();
    let mut view = View::default();
    let mut second = interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut asked = Instant::now();
    talk.begin();
    loop {
        talk.refresh().await;
        terminal.draw(|frame| draw::draw(frame, talk, &view))?;
        tokio::select! {
            told = talk.next() => if view.show(told) == Flow::Quit {
                return Ok(());
            },
            key = keys.recv() => {
                let Some(key) = key else { return Ok(()) };
                if view.pressed(talk, key).await == Flow::Quit {
                    return Ok(());
                }
            }
            _ = second.tick() => if asked.elapsed() >= PRESENCE {
                asked = Instant::now();
                talk.refresh_presence();
            },
            Some(()) = continued.recv() => {
                // Something else was on it meanwhile.
                terminal.clear()?;
                talk.continued().await;
            }
            () = signals.next() => return Ok(()),
        }
    }
}

impl View {
    fn show(&mut self, told: Told) -> Flow {
        match told {
            Told::Notice(notice) => self.notice(notice),
            Told::Panel(title, lines) => self.panel = Some((title, lines)),
            // Nothing was tried: the token command failed.
            Told::SignedIn(Err(error)) if error.code == Code::CREDENTIAL_REQUIRED => {
                self.notice(error.sentence().to_owned());
            }
            // The banner tells it.
            Told::SignedIn(_) => {}
            Told::Message(_) | Told::Lists | Told::Sent | Told::Status | Told::Nothing => {}
            Told::End => return Flow::Quit,
        }
        Flow::On
    }

    fn notice(&mut self, notice: String) {
        self.notices.push(notice);
        let old = self.notices.len().saturating_sub(NOTICES);
        self.notices.drain(..old);
    }

    async fn pressed(&mut self, talk: &mut Talk, event: Event) -> Flow {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.key(talk, key).await,
            _ => Flow::On,
        }
    }

    async fn key(&mut self, talk: &mut Talk, key: KeyEvent) -> Flow {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return self.control(key.code);
        }
        let had_panel = self.panel.take().is_some();
        match key.code {
            KeyCode::Enter => {
                let line = self.input.take();
                if matches!(Typed::read(&line), Typed::Words(_)) {
                    self.notices.clear();
                    self.scrolled = 0;
                }
                let (flow, told) = talk.typed(Typed::read(&line)).await;
                self.show(told);
                return flow;
            }
            KeyCode::Esc if !had_panel => self.notices.clear(),
            KeyCode::Tab => self.neighbour(talk, 1),
            KeyCode::BackTab => self.neighbour(talk, -1),
            KeyCode::PageUp => {
                self.scrolled += PAGE;
                if self.scrolled + PAGE > talk.history.len() {
                    talk.typed(Typed::More).await;
                }
            }
            KeyCode::PageDown => self.scrolled = self.scrolled.saturating_sub(PAGE),
            KeyCode::Backspace => self.input.backspace(),
            KeyCode::Delete => self.input.delete(),
            KeyCode::Left => self.input.left(),
            KeyCode::Right => self.input.right(),
            KeyCode::Home => self.input.home(),
            KeyCode::End => self.input.end(),
            KeyCode::Char(c) => self.input.insert(c),
            _ => {}
        }
        Flow::On
    }

    fn control(&mut self, code: KeyCode) -> Flow {
        match code {
            KeyCode::Char('c' | 'q' | 'd') => return Flow::Quit,
            KeyCode::Char('u') => {
                self.input.take();
            }
            KeyCode::Char('a') => self.input.home(),
            KeyCode::Char('e') => self.input.end(),
            _ => {}
        }
        Flow::On
    }

    /// Goes to the next or the previous conversation of the list.
    fn neighbour(&mut self, talk: &mut Talk, step: isize) {
        let ids: Vec<_> = talk.list.iter().map(|view| view.id.clone()).collect();
        if ids.is_empty() {
            return;
        }
        let here = ids.iter().position(|id| Some(id) == talk.with.as_ref());
        let next = here.map_or(0, |here| (here + ids.len()).wrapping_add_signed(step) % ids.len());
        talk.open(ids[next].clone());
        self.scrolled = 0;
    }
}

/// What is pressed, from a thread of its own: reading keys blocks.
fn keys() -> mpsc::Receiver<Event> {
    let (sender, receiver) = mpsc::channel(KEYS);
    std::thread::spawn(move || {
        while let Ok(event) = event::read() {
            if sender.blocking_send(event).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The clock that the SDK's deadlines are on: it also runs while the device sleeps.
pub(super) fn time() -> Time {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let clock = rustix::time::ClockId::Monotonic;
    let at = rustix::time::clock_gettime(clock);
    let ms = at.tv_sec.saturating_mul(1000).saturating_add(at.tv_nsec / 1_000_000);
    Time(u64::try_from(ms).unwrap_or_default())
}

/// Notices that stay on the screen.
const NOTICES: usize = 4;
/// Lines that one press scrolls.
const PAGE: usize = 10;
/// Keys pressed ahead.
const KEYS: usize = 256;
/// How often the server is asked who is online.
const PRESENCE: Duration = Duration::from_secs(10);
