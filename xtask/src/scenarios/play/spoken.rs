//! Steps about what devices are asked and what they say.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::device::UNREADABLE;
use super::super::lines::{Lines, Missing, Spoken};
use super::super::pattern::matches;
use super::super::step::{
    Among, Answer, Begin, Count, Do, Expect, Mark, Never, OneOrMore, Save, State,
};
use super::{Moment, Stage};

/// What the answer to an operation should be.
struct Wanted<'a> {
    ok: Option<&'a Value>,
    err: Option<&'a Value>,
    outcome: Option<&'a Value>,
    save: &'a Save,
    within_ms: Option<u64>,
}

impl<'a> Wanted<'a> {
    const fn of(step: &'a Do) -> Self {
        let Do { ok, err, outcome, save, within_ms, .. } = step;
        let (ok, err, outcome) = (ok.as_ref(), err.as_ref(), outcome.as_ref());
        Self { ok, err, outcome, save, within_ms: *within_ms }
    }
}

impl Stage<'_> {
    pub(super) fn operate(&mut self, step: &Do) -> Result<(), String> {
        let id = self.ask(&step.on, &step.operation, &step.args)?;
        self.await_answer(&step.on, id, &Wanted::of(step))
    }

    pub(super) fn together(&mut self, steps: &[Do]) -> Result<(), String> {
        let asked = steps
            .iter()
            .map(|step| self.ask(&step.on, &step.operation, &step.args))
            .collect::<Result<Vec<_>, _>>()?;
        for (step, id) in steps.iter().zip(asked) {
            self.await_answer(&step.on, id, &Wanted::of(step))
                .map_err(|why| format!("`{}` on {}: {why}", step.operation, step.on))?;
        }
        Ok(())
    }

    pub(super) fn begin(&mut self, step: &Begin) -> Result<(), String> {
        let id = self.ask(&step.on, &step.operation, &step.args)?;
        self.begun.insert((step.on.clone(), step.name.clone()), id);
        Ok(())
    }

    pub(super) fn answer(&mut self, step: &Answer) -> Result<(), String> {
        let Answer { on, name, ok, err, outcome, save, within_ms } = step;
        let id = self.begun.remove(&(on.clone(), name.clone()));
        let id = id.ok_or_else(|| format!("{on} began nothing named {name}"))?;
        let (ok, err, outcome) = (ok.as_ref(), err.as_ref(), outcome.as_ref());
        let wanted = Wanted { ok, err, outcome, save, within_ms: *within_ms };
        self.await_answer(on, id, &wanted)
    }

    pub(super) fn expect(&mut self, step: &Expect) -> Result<(), String> {
        let patterns = self.fill_all(&step.expect)?;
        let from = self.from(&step.on, step.from.as_deref())?;
        let deadline = self.deadline(step.within_ms);
        let device = self.device(&step.on)?;
        let found = device.lines.wait(deadline, |spoken| in_order(&patterns, spoken, from));
        match found {
            Ok((index, line)) => {
                device.cursor = device.cursor.max(index + 1);
                self.save(&step.save, &line)
            }
            Err(missing) => {
                let lines = &device.lines;
                let got = lines.look(|spoken| how_far(&patterns, spoken, from));
                let wanted = &patterns[got];
                let nth =
                    if patterns.len() > 1 { format!(" (number {got})") } else { String::new() };
                Err(format!("{} {wanted}{nth}; {}", told(missing), seen(lines, from)))
            }
        }
    }

    pub(super) fn state(&mut self, step: &State) -> Result<(), String> {
        let pattern = self.fill(&step.state)?;
        let deadline = self.deadline(step.within_ms);
        let device = self.device(&step.on)?;
        let found = device.lines.wait(deadline, |spoken| {
            spoken.status().filter(|status| matches(&pattern, Some(status))).cloned()
        });
        match found {
            Ok(status) => self.save(&step.save, &status),
            Err(missing) => {
                let now = device.lines.look(|spoken| spoken.status().cloned());
                let now = now.map_or_else(|| "none was told".to_owned(), |now| now.to_string());
                Err(format!("{} the status {pattern}; it is {now}", told(missing)))
            }
        }
    }

    pub(super) fn never(&mut self, step: &Never) -> Result<(), String> {
        let patterns = self.fill_all(&step.never)?;
        let until = step.until.as_ref().map(|pattern| self.fill(pattern)).transpose()?;
        let from = self.from(&step.on, step.from.as_deref())?;
        let deadline = self.deadline(step.for_ms.or(step.within_ms));
        let device = self.device(&step.on)?;
        let lines = &device.lines;
        let is_unwanted = |line: &&Value| {
            is_event(line) && patterns.iter().any(|pattern| matches(pattern, Some(line)))
        };
        let heard = |bad: Value| Err(format!("this should not have come: {bad}"));
        if let Some(until) = until {
            let end = lines
                .wait(deadline, |spoken| position(spoken, from, |line| matches(&until, Some(line))))
                .map_err(|missing| format!("{} {until}; {}", told(missing), seen(lines, from)))?;
            let bad =
                lines.look(|spoken| spoken.lines[from..end].iter().find(is_unwanted).cloned());
            device.cursor = device.cursor.max(end + 1);
            return bad.map_or(Ok(()), heard);
        }
        let find = |spoken: &Spoken| spoken.lines[from..].iter().find(is_unwanted).cloned();
        if step.for_ms.is_none() {
            return lines.look(find).map_or(Ok(()), heard);
        }
        match lines.wait(deadline, find) {
            Ok(bad) => heard(bad),
            Err(Missing::Late) => Ok(()),
            Err(Missing::Ended) => Err("the driver ended meanwhile".to_owned()),
        }
    }

    pub(super) fn count(&mut self, step: &Count) -> Result<(), String> {
        let pattern = self.fill(&step.count)?;
        let from = self.moment(&step.on, step.from.as_deref().unwrap_or("start")).lines;
        let device = self.device(&step.on)?;
        let number = device.lines.look(|spoken| {
            let events = spoken.lines[from..].iter().filter(|line| is_event(line));
            events.filter(|line| matches(&pattern, Some(line))).count() as u64
        });
        if step.times.allows(number) {
            return Ok(());
        }
        Err(format!("there were {number} of {pattern}; {}", seen(&device.lines, from)))
    }

    pub(super) fn mark(&mut self, step: &Mark) -> Result<(), String> {
        let dials = self.relays.get(&step.on).map_or(0, super::Relay::dials);
        let device = self.device(&step.on)?;
        let moment = Moment { lines: device.lines.len(), dials };
        device.cursor = moment.lines;
        self.marks.insert((step.on.clone(), step.mark.clone()), moment);
        Ok(())
    }

    pub(super) fn among(&mut self, step: &Among) -> Result<(), String> {
        let pattern = self.fill(&step.have)?;
        let deadline = self.deadline(step.within_ms);
        let mut indices = Vec::new();
        for name in &step.among {
            indices.push(self.device(name)?.lines.index());
        }
        let have = |devices: &[Spoken]| {
            let statuses = indices.iter().filter_map(|&index| devices[index].status());
            statuses.filter(|status| matches(&pattern, Some(status))).count() as u64
        };
        let mut number = 0;
        let found = self.hub.wait(deadline, |devices| {
            number = have(devices);
            step.times.allows(number).then_some(Ok(()))
        });
        found.map_err(|_| format!("{number} of them have such a status"))
    }

    fn ask(
        &mut self,
        device: &str,
        operation: &str,
        arguments: &BTreeMap<String, Value>,
    ) -> Result<u64, String> {
        let arguments = arguments
            .iter()
            .map(|(name, value)| Ok((name.clone(), self.fill(value)?)))
            .collect::<Result<Map<_, _>, String>>()?;
        self.device(device)?.begin(operation, arguments)
    }

    fn await_answer(&mut self, device: &str, id: u64, wanted: &Wanted<'_>) -> Result<(), String> {
        let deadline = self.deadline(wanted.within_ms);
        // Which part of the answer is looked at, and what it should be.
        let (part, pattern) = match (wanted.outcome, wanted.err) {
            (Some(pattern), _) => (None, Some(pattern)),
            (None, Some(pattern)) => (Some("err"), Some(pattern)),
            (None, None) => (Some("ok"), wanted.ok),
        };
        let pattern = pattern.map(|pattern| self.fill(pattern)).transpose()?;
        let device = self.device(device)?;
        let answer = device.lines.wait(deadline, |spoken| {
            spoken.lines.iter().rev().find(|line| line["id"] == id && !is_event(line)).cloned()
        });
        let answer = answer.map_err(|missing| {
            format!("{} the answer; {}", told(missing), seen(&device.lines, device.cursor))
        })?;
        let value = match part {
            None => &answer,
            Some(part) => answer
                .get(part)
                .ok_or_else(|| format!("it was to be answered with `{part}`: {answer}"))?,
        };
        match pattern {
            Some(pattern) if !matches(&pattern, Some(value)) => {
                Err(format!("wanted {pattern}, was answered {value}"))
            }
            _ => self.save(wanted.save, value),
        }
    }

    fn fill_all(&self, patterns: &OneOrMore) -> Result<Vec<Value>, String> {
        patterns.patterns().iter().map(|pattern| self.fill(pattern)).collect()
    }

    /// The first line that a step looks at.
    fn from(&mut self, device: &str, mark: Option<&str>) -> Result<usize, String> {
        match mark {
            Some(mark) => Ok(self.moment(device, mark).lines),
            None => Ok(self.device(device)?.cursor),
        }
    }
}

/// The last line of all these patterns in their order, and its number.
fn in_order(patterns: &[Value], spoken: &Spoken, from: usize) -> Option<(usize, Value)> {
    let mut at = from;
    for pattern in patterns {
        at = position(spoken, at, |line| matches(pattern, Some(line)))? + 1;
    }
    Some((at - 1, spoken.lines[at - 1].clone()))
}

/// How many of these patterns were met, in their order.
fn how_far(patterns: &[Value], spoken: &Spoken, from: usize) -> usize {
    let met = |count: &usize| in_order(&patterns[..*count], spoken, from).is_some();
    (1..patterns.len()).take_while(met).count()
}

fn position(spoken: &Spoken, from: usize, is_it: impl Fn(&Value) -> bool) -> Option<usize> {
    let rest = spoken.lines.get(from..)?;
    rest.iter().position(|line| is_event(line) && is_it(line)).map(|at| from + at)
}

/// Lines that are no events are answers.
fn is_event(line: &Value) -> bool {
    line.get("event").is_some()
}

const fn told(missing: Missing) -> &'static str {
    match missing {
        Missing::Late => "in vain waited for",
        Missing::Ended => "the driver ended before",
    }
}

/// The latest events, for a report.
fn seen(lines: &Lines, from: usize) -> String {
    let (events, unreadable) = lines.look(|spoken| {
        let rest = spoken.lines.get(from..).unwrap_or_default();
        let events = rest.iter().filter(|line| is_event(line));
        let events: Vec<_> = events.map(ToString::to_string).collect();
        (events, spoken.lines.iter().any(|line| line["event"] == UNREADABLE))
    });
    if events.is_empty() {
        return "no event came".to_owned();
    }
    let first = events.len().saturating_sub(SHOWN);
    let hint = if unreadable { " (the driver also wrote lines that are no JSON)" } else { "" };
    format!("{} events came{hint}, the last:\n    {}", events.len(), events[first..].join("\n    "))
}

/// Events in a report; the transcript has all.
const SHOWN: usize = 12;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_are_found_in_their_order_and_answers_are_none() {
        let mut spoken = Spoken::default();
        spoken.lines.extend(["a", "b", "c"].map(|name| json!({"event": name})));
        spoken.lines.insert(1, json!({"id": 1, "ok": {}}));
        let patterns = |names: &[&str]| -> Vec<Value> {
            names.iter().map(|name| json!({"event": name})).collect()
        };
        assert_eq!(in_order(&patterns(&["a", "c"]), &spoken, 0).map(|(at, _)| at), Some(3));
        assert!(in_order(&patterns(&["c", "a"]), &spoken, 0).is_none());
        assert!(in_order(&patterns(&["a"]), &spoken, 1).is_none());
        assert_eq!(how_far(&patterns(&["a", "b", "d", "c"]), &spoken, 0), 2);
        assert!(in_order(&[json!({"ok": {}})], &spoken, 0).is_none());
    }
}
