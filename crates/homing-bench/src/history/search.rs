//! The search for an order: is there one in which every answer is right? (S-7.11)
//!
//! A history is linearizable if its events can be put into one order that the model agrees with and
//! in which no event comes before another one that was over when it was asked for. The search is
//! Wing's and Gong's, with Lowe's memory of what was tried. Three things make it quick: each user's
//! history is judged alone, since users share nothing; the frames of a connection come in the order
//! of commits, so they are tried in that order only; and what changes nothing is taken as soon as
//! it is right, for that can never be a mistake.
//!
//! An event without an answer was perhaps done, at any time after it was asked for, or never.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use homing_core::policy::Policy;

use super::event::{Event, History};
use super::model::{SPAN_MS, State, World};

/// What the search found.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// There is such an order.
    Linearizable,
    /// There is none.
    Illegal(Box<Witness>),
    /// The server said two things of one session.
    Contradiction(String),
    /// The history is too long in time, or the search took too many steps: nothing is known.
    Undecided(String, Option<Box<Witness>>),
}

/// How far the search came at best.
#[derive(Debug)]
pub(crate) struct Witness {
    /// The events that could be put in order, by number.
    pub(crate) order: Vec<usize>,
    /// The state after them.
    pub(crate) state: State,
    /// What had to come next, and could not.
    pub(crate) stuck: Vec<usize>,
}

/// Judges one user's history. Its events are sorted by the time they were asked for.
pub(crate) fn judge(policy: &Policy, history: &History) -> Verdict {
    if let Some(contradiction) = history.facts.contradictions.first() {
        return Verdict::Contradiction(contradiction.clone());
    }
    let times = || {
        let all = history.events.iter();
        all.flat_map(|event| [Some(event.asked), event.answered]).flatten()
    };
    let span_ms = (times().max().unwrap_or(0) - times().min().unwrap_or(0)) / 1_000_000;
    if span_ms > SPAN_MS {
        return Verdict::Undecided(format!("{span_ms} ms are more than {SPAN_MS}"), None);
    }
    Search::new(policy, history).run()
}

struct Search<'a> {
    events: &'a [Event],
    world: World<'a>,
    /// The event with the frame before this one's on its connection.
    before: Vec<Option<usize>>,
    is_done: Vec<bool>,
    /// Answered events before this one are done.
    head: usize,
    unanswered: Vec<usize>,
    order: Vec<usize>,
    /// Which events are done, as one number.
    mark: u128,
    tried: HashSet<(u128, u64)>,
    best: Option<Witness>,
    steps: usize,
}

/// A place at which the search has to choose.
struct Choice {
    /// The length of `order` here.
    depth: usize,
    /// What is left to be tried, the best last.
    left: Vec<(usize, State)>,
}

/// What can be done from a state.
enum Outlook {
    /// All that was answered has its place.
    Done,
    /// This changes nothing and is right.
    Free(usize, State),
    /// One of these, the best last.
    Choose(Vec<(usize, State)>),
}

impl<'a> Search<'a> {
    fn new(policy: &'a Policy, history: &'a History) -> Self {
        let events = &history.events;
        Self {
            events,
            world: World::new(policy, history),
            before: in_order_of_frames(events),
            is_done: vec![false; events.len()],
            head: 0,
            unanswered: (0..events.len()).filter(|n| events[*n].answered.is_none()).collect(),
            order: Vec::new(),
            mark: 0,
            tried: HashSet::new(),
            best: None,
            steps: 0,
        }
    }

    fn run(mut self) -> Verdict {
        let mut choices: Vec<Choice> = Vec::new();
        let mut state = State::default();
        loop {
            self.steps += 1;
            if self.steps > STEPS {
                let why = format!("more than {STEPS} steps");
                return Verdict::Undecided(why, self.best.map(Box::new));
            }
            match self.outlook(&state) {
                Outlook::Done => return Verdict::Linearizable,
                Outlook::Free(event, next) => {
                    self.take(event);
                    state = next;
                    continue;
                }
                Outlook::Choose(left) => {
                    if left.is_empty() {
                        self.note_stuck(&state);
                    }
                    choices.push(Choice { depth: self.order.len(), left });
                }
            }
            let Some(next) = self.go_on(&mut choices) else {
                let witness = self.best.expect("it got stuck somewhere");
                return Verdict::Illegal(Box::new(witness));
            };
            state = next;
        }
    }

    /// Takes the next thing that was not tried, from the last choice that has one left.
    fn go_on(&mut self, choices: &mut Vec<Choice>) -> Option<State> {
        while let Some(choice) = choices.last_mut() {
            let depth = choice.depth;
            let next = choice.left.pop();
            self.take_back(depth);
            match next {
                None => {
                    choices.pop();
                }
                Some((event, state)) => {
                    self.take(event);
                    if self.tried.insert((self.mark, hash(&state))) {
                        return Some(state);
                    }
                }
            }
        }
        None
    }

    fn outlook(&mut self, state: &State) -> Outlook {
        while self.head < self.events.len()
            && (self.is_done[self.head] || self.events[self.head].answered.is_none())
        {
            self.head += 1;
        }
        if self.head == self.events.len() {
            return Outlook::Done;
        }
        let (ready, first_answer) = self.ready();
        let mut left = Vec::new();
        for number in ready.iter().copied() {
            let event = &self.events[number];
            if !state.may_come_next(&self.world, event) {
                continue;
            }
            for next in state.after(&self.world, number, event) {
                if next == *state || !event.is_operation() {
                    return Outlook::Free(number, next);
                }
                left.push((number, next));
            }
        }
        // What leaves the list as it is may fit nowhere else: it goes before what changes the list.
        left.sort_by_key(|(_, next)| next.differs(state));
        left.extend(self.unheard(state, &ready, first_answer));
        left.reverse();
        Outlook::Choose(left)
    }

    /// What was perhaps done without anybody waiting: first what makes a session that an answer
    /// tells of and that does not live yet.
    fn unheard(&self, state: &State, ready: &[usize], before: u64) -> Vec<(usize, State)> {
        let mut perhaps = Vec::new();
        for number in self.unanswered.iter().copied() {
            let event = &self.events[number];
            if self.is_done[number] || event.asked >= before {
                continue;
            }
            if state.may_come_next(&self.world, event) {
                let nexts = state.after(&self.world, number, event).into_iter();
                perhaps.extend(nexts.filter(|next| next.differs(state)).map(|next| (number, next)));
            }
        }
        let told = ready.iter().flat_map(|number| self.events[*number].list());
        let missing: Vec<_> = told.copied().filter(|session| !state.lives(*session)).collect();
        perhaps
            .sort_by_key(|(number, next)| next.doubt(&self.world, &self.events[*number], &missing));
        perhaps
    }

    /// Answered events that may come next, the first answered first, and the first answer of all
    /// that is not done: what was asked for after it must wait.
    fn ready(&self) -> (Vec<usize>, u64) {
        let mut first_answer = u64::MAX;
        let mut ready = Vec::new();
        for number in self.head..self.events.len() {
            let event = &self.events[number];
            if event.asked >= first_answer {
                break;
            }
            let Some(answered) = event.answered.filter(|_| !self.is_done[number]) else { continue };
            first_answer = first_answer.min(answered);
            if self.before[number].is_none_or(|before| self.is_done[before]) {
                ready.push((answered, number));
            }
        }
        ready.retain(|(_, number)| self.events[*number].asked < first_answer);
        ready.sort_unstable();
        (ready.into_iter().map(|(_, number)| number).collect(), first_answer)
    }

    fn take(&mut self, event: usize) {
        self.is_done[event] = true;
        self.mark ^= mark(event);
        self.order.push(event);
    }

    fn take_back(&mut self, depth: usize) {
        for event in self.order.drain(depth..) {
            self.is_done[event] = false;
            self.mark ^= mark(event);
            self.head = self.head.min(event);
        }
    }

    fn note_stuck(&mut self, state: &State) {
        if self.best.as_ref().is_none_or(|best| best.order.len() < self.order.len()) {
            let (stuck, _) = self.ready();
            self.best = Some(Witness { order: self.order.clone(), state: state.clone(), stuck });
        }
    }
}

/// For each event the one that the frames of its connection say was before it. An operation's own
/// notices come in before its answer, so a notice is no reason for an answer to wait.
fn in_order_of_frames(events: &[Event]) -> Vec<Option<usize>> {
    let mut by_frame: Vec<usize> =
        (0..events.len()).filter(|n| events[*n].frame.is_some()).collect();
    by_frame.sort_by_key(|n| (events[*n].conn, events[*n].frame));
    let mut before = vec![None; events.len()];
    let (mut last, mut last_answer): (Option<usize>, Option<usize>) = (None, None);
    for number in by_frame {
        let is_same = |other: &usize| events[*other].conn == events[number].conn;
        if events[number].is_operation() {
            before[number] = last_answer.filter(is_same);
            last_answer = Some(number);
        } else {
            before[number] = last.filter(is_same);
        }
        last = Some(number);
    }
    before
}

/// A random number for each event, the same every time: sets of events are told apart by their sum.
fn mark(event: usize) -> u128 {
    let half = |salt: u64| u128::from(hash(&(event, salt)));
    half(1) << 64 | half(2)
}

fn hash(value: &impl std::hash::Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(value)
}

/// A history that takes more has a fault, or the checker has.
const STEPS: usize = 3_000_000;
