//! One frame of the screen.

use homing::UserId;
use homing::status::SessionStatus;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Clear, Paragraph, Wrap};

use super::View;
use crate::commands::chat::talk::{Talk, now, peer, text};
use crate::commands::chat::words::{self, Mood};

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, talk: &Talk, view: &View) {
    let banner = words::advice(&talk.status);
    let width = frame.area().width.max(1);
    let banner_rows = banner.as_ref().map_or(0, |text| rows(text, width));
    let notice_rows = view.notices.iter().map(|text| rows(text, width)).sum::<u16>().min(6);
    let [top, alert, middle, notices, bottom] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(banner_rows),
        Constraint::Min(1),
        Constraint::Length(notice_rows),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    status(frame, top, talk);
    if let Some(text) = banner {
        let alert_style = Style::new().fg(Color::Black).bg(Color::Yellow);
        frame.render_widget(Paragraph::new(text).style(alert_style).wrap(WRAP), alert);
    }
    let list_width = if width >= 60 { 24 } else { 0 };
    let [list, messages] =
        Layout::horizontal([Constraint::Length(list_width), Constraint::Min(1)]).areas(middle);
    conversations(frame, list, talk);
    history(frame, messages, talk, view.scrolled);
    let lines: Vec<_> = view.notices.iter().map(|text| Line::from(text.as_str()).dim()).collect();
    frame.render_widget(Paragraph::new(lines).wrap(WRAP), notices);
    input(frame, bottom, talk, view);
    if let Some((title, lines)) = &view.panel {
        panel(frame, messages, title, lines);
    }
}

fn status(frame: &mut Frame<'_>, area: Rect, talk: &Talk) {
    let (mood, line) = words::status_line(&talk.status, super::time());
    let colour = match mood {
        Mood::Good => Color::Green,
        Mood::Wait => Color::Cyan,
        Mood::Act => Color::Red,
    };
    let style = Style::new().fg(Color::Black).bg(colour);
    let right = Line::from("/help ").right_aligned();
    frame.render_widget(Paragraph::new(format!(" {line}")).style(style), area);
    // The words of the status matter more than the hint.
    if area.width as usize > line.len() + 10 {
        frame.render_widget(Paragraph::new(right).style(style), right_end(area, 7));
    }
}

fn right_end(area: Rect, width: u16) -> Rect {
    Rect { x: area.right().saturating_sub(width), width: width.min(area.width), ..area }
}

fn conversations(frame: &mut Frame<'_>, area: Rect, talk: &Talk) {
    if area.width == 0 {
        return;
    }
    let mut lines = Vec::new();
    for view in &talk.list {
        let user = peer(&view.id);
        let mut line = Line::from(vec![presence(talk, user), Span::raw(format!(" {user}"))]);
        if view.unread() > 0 {
            line.push_span(Span::raw(format!(" {}", view.unread())).bold().fg(Color::Yellow));
        }
        let shown = talk.with.as_ref() == Some(&view.id);
        lines.push(if shown { line.add_modifier(Modifier::REVERSED) } else { line });
    }
    if lines.is_empty() {
        lines.push(Line::from("/with USER begins").dim());
    }
    let block = Block::new().borders(Borders::RIGHT).dim().title("Conversations");
    let inner = block.inner(area);
    frame.render_widget(block, area);
    frame.render_widget(Paragraph::new(lines), inner);
}

fn presence<'a>(talk: &Talk, user: &UserId) -> Span<'a> {
    // What was last heard of others is not true for ever.
    match talk.online.get(user).filter(|_| talk.status.is_connected()) {
        Some(true) => Span::raw("●").fg(Color::Green),
        Some(false) => Span::raw("○").dim(),
        None => Span::raw("·").dim(),
    }
}

fn history(frame: &mut Frame<'_>, area: Rect, talk: &Talk, scrolled: usize) {
    let today = now();
    let mut lines = Vec::new();
    for message in &talk.history {
        let own = message.from == talk.user;
        let colour = if own { Color::Blue } else { Color::Magenta };
        lines.push(Line::from(vec![
            Span::raw(format!("{:>6} ", words::clock(message.time, today))).dim(),
            Span::raw(format!("{}: ", message.from)).fg(colour).bold(),
            Span::raw(text(&message.content)),
        ]));
    }
    for item in &talk.waiting {
        lines.push(Line::from(vec![
            Span::raw("  ⏳   ").dim(),
            Span::raw(format!("{}: ", talk.user)).fg(Color::Blue),
            Span::raw(text(&item.content)).dim(),
        ]));
    }
    if lines.is_empty() {
        lines.push(Line::from(empty(talk)).dim());
    }
    let paragraph = Paragraph::new(lines).wrap(WRAP);
    let height = usize::from(area.height);
    let all = paragraph.line_count(area.width);
    let top = all.saturating_sub(height).saturating_sub(scrolled);
    let top = u16::try_from(top).unwrap_or(u16::MAX);
    frame.render_widget(paragraph.scroll((top, 0)), area);
}

fn empty(talk: &Talk) -> String {
    match (&talk.with, &talk.status.session) {
        (_, SessionStatus::SignedOut { .. }) => "Nobody is signed in.".to_owned(),
        (None, _) => "No conversation yet: /with USER begins one.".to_owned(),
        (Some(with), _) => format!("Nothing said with {} yet.", peer(with)),
    }
}

fn input(frame: &mut Frame<'_>, area: Rect, talk: &Talk, view: &View) {
    let prompt = match &talk.with {
        Some(with) => format!("to {}> ", peer(with)),
        None => "> ".to_owned(),
    };
    let (before, after) = view.input.halves();
    let typed = Line::from(vec![prompt.bold(), before.into()]);
    let cursor = u16::try_from(typed.width()).unwrap_or(u16::MAX);
    // A long line moves left, so that the cursor stays in sight.
    let hidden = cursor.saturating_sub(area.width.saturating_sub(1));
    let mut line = typed;
    line.push_span(Span::raw(after));
    frame.render_widget(Paragraph::new(line).scroll((0, hidden)), area);
    frame.set_cursor_position((area.x + cursor - hidden, area.y));
}

fn panel(frame: &mut Frame<'_>, area: Rect, title: &str, lines: &[String]) {
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX).min(area.height);
    let place = Rect { y: area.bottom() - height, height, ..area };
    let text: Vec<_> = lines.iter().map(|line| Line::from(line.as_str())).collect();
    frame.render_widget(Clear, place);
    let block = Block::bordered().title(title.to_owned()).title_bottom("any key goes on");
    frame.render_widget(Paragraph::new(text).block(block), place);
}

/// Rows that a text takes when it is broken at this width.
fn rows(text: &str, width: u16) -> u16 {
    let rows = Paragraph::new(text).wrap(WRAP).line_count(width);
    u16::try_from(rows).unwrap_or(u16::MAX)
}

const WRAP: Wrap = Wrap { trim: false };
