//! Every state that a small world can come to within some steps: two devices of one user, walked
//! breadth first over the real machines, each state once.
//!
//! Every step is judged by all oracles, with everything that came before it on its path; so they
//! must agree with the [reference model](crate::truth) in every state. And from every state the
//! world is let come to rest: somebody who cannot get there, or rests with other sessions than the
//! policy names, is a breach too (I3, I5).

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::world::walk::key::Keys;
use crate::world::walk::{Step, Walk};
use crate::{Options, Sabotage, Tracing, Violation, panic_text};

pub use crate::world::walk::Alphabet;

/// What to walk.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Sessions that the policy allows.
    pub limit: u32,
    /// Which acts are among the choices.
    pub alphabet: Alphabet,
    /// Steps from the start, at most.
    pub depth: usize,
    /// No level is begun with more states than this behind it.
    pub most_states: usize,
    /// Threads.
    pub threads: usize,
    /// What is broken on purpose.
    pub sabotage: Option<Sabotage>,
}

/// What a walk saw.
#[derive(Clone, Debug, Default)]
pub struct Walked {
    /// Different states, the first one included.
    pub states: usize,
    /// Steps taken, to new states and to known ones.
    pub steps: usize,
    /// New states at each depth.
    pub levels: Vec<usize>,
    /// Every state at this depth and before it was visited, and every step from those before it.
    pub depth: usize,
    /// What should not have been, with the way there.
    pub breaches: Vec<Breach>,
}

/// A state or step that broke an invariant.
#[derive(Clone, Debug)]
pub struct Breach {
    /// The way there, in words.
    pub path: Vec<String>,
    /// What was seen.
    pub violation: Violation,
    /// Everything that happened on the way.
    pub trace: Vec<String>,
}

/// A state, by the step that led to it.
#[derive(Clone, Copy, Debug)]
struct Node {
    before: u32,
    step: Step,
}

/// What one thread found out from one state.
#[derive(Debug, Default)]
struct Expanded {
    steps: usize,
    /// Steps that led to states that were not known when the level began.
    found: Vec<(Step, u64)>,
    breaches: Vec<(Option<Step>, Violation)>,
}

type Seen = HashSet<u64, BuildHasherDefault<DefaultHasher>>;

/// Walks; `tell` hears of every level.
pub fn explore(plan: &Plan, mut tell: impl FnMut(&Walked)) -> Walked {
    let options = Options { sabotage: plan.sabotage, ..Options::default() };
    let start = Walk::new(&options, plan.limit);
    let mut seen = Seen::default();
    seen.insert(Keys::default().of(&start));
    // The first one has no step that led to it.
    let mut nodes: Vec<Node> = Vec::new();
    let mut level: Vec<u32> = vec![ROOT];
    let mut walked = Walked { states: 1, levels: vec![1], ..Walked::default() };
    loop {
        let is_last = walked.depth == plan.depth || walked.states > plan.most_states;
        let expanded = expand_level(plan, &start, &nodes, &level, &seen, is_last);
        let mut next = Vec::new();
        for (at, expanded) in level.iter().zip(expanded) {
            walked.steps += expanded.steps;
            for (step, key) in expanded.found {
                if seen.insert(key) {
                    next.push(u32::try_from(nodes.len()).expect("memory ends before"));
                    nodes.push(Node { before: *at, step });
                }
            }
            for (step, violation) in expanded.breaches {
                if walked.breaches.len() < MOST_BREACHES {
                    let path = path(&nodes, *at).into_iter().chain(step).collect::<Vec<_>>();
                    walked.breaches.push(breach(&options, plan.limit, &path, violation));
                }
            }
        }
        if is_last || next.is_empty() || walked.breaches.len() >= MOST_BREACHES {
            return walked;
        }
        walked.depth += 1;
        walked.states += next.len();
        walked.levels.push(next.len());
        level = next;
        tell(&walked);
    }
}

fn expand_level(
    plan: &Plan,
    start: &Walk,
    nodes: &[Node],
    level: &[u32],
    seen: &Seen,
    is_last: bool,
) -> Vec<Expanded> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(level.len()));
    std::thread::scope(|scope| {
        for _ in 0..plan.threads.max(1) {
            let start = start.clone();
            let (next, done) = (&next, &done);
            scope.spawn(move || {
                let mut keys = Keys::default();
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(node) = level.get(at) else { break };
                    let path = path(nodes, *node);
                    let expanded = expand(plan, &start, &path, seen, is_last, &mut keys);
                    done.lock().expect("no thread panics with it").push((at, expanded));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("all threads ended");
    // In the order of the level, so that a walk goes the same way on any number of threads.
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, expanded)| expanded).collect()
}

/// Takes every step from the state that the path leads to, and lets it come to rest.
fn expand(
    plan: &Plan,
    start: &Walk,
    path: &[Step],
    seen: &Seen,
    is_last: bool,
    keys: &mut Keys,
) -> Expanded {
    let mut expanded = Expanded::default();
    let mut here = start.clone();
    for step in path {
        here.take(*step);
    }
    if !is_last {
        for act in here.acts(plan.alphabet) {
            let mut steps = vec![Step::from(act)];
            while let Some(step) = steps.pop() {
                expanded.steps += 1;
                let mut there = here.clone();
                let places = catch(|| {
                    let places = there.take(step);
                    if step.interrupt.is_none() {
                        let interrupted = |i| Step { act, interrupt: Some(i) };
                        let interrupts = Walk::interrupts(places, plan.alphabet);
                        steps.extend(interrupts.into_iter().map(interrupted));
                    }
                });
                let violation = places.err().or_else(|| there.found().first().cloned());
                if let Some(violation) = violation {
                    expanded.breaches.push((Some(step), violation));
                    continue;
                }
                let key = keys.of(&there);
                let known = expanded.found.iter().any(|(_, found)| *found == key);
                if !known && !seen.contains(&key) {
                    expanded.found.push((step, key));
                }
            }
        }
    }
    if let Err(violation) = catch(|| here.come_to_rest()) {
        expanded.breaches.push((None, violation));
    } else if let Some(violation) = here.found().first() {
        expanded.breaches.push((None, violation.clone()));
    }
    expanded
}

/// Walks the path once more and keeps all that happens.
fn breach(options: &Options, limit: u32, path: &[Step], violation: Violation) -> Breach {
    let options = Options { tracing: Tracing::Lines, ..options.clone() };
    let mut walk = Walk::new(&options, limit);
    // It may panic where it did.
    let _ = catch(|| {
        for step in path {
            walk.take(*step);
        }
        walk.come_to_rest();
    });
    let path = path.iter().map(ToString::to_string).collect();
    Breach { path, violation, trace: walk.into_trace() }
}

fn path(nodes: &[Node], mut at: u32) -> Vec<Step> {
    let mut path = Vec::new();
    while let Some(node) = nodes.get(at as usize) {
        path.push(node.step);
        at = node.before;
    }
    path.reverse();
    path
}

fn catch<T>(act: impl FnOnce() -> T) -> Result<T, Violation> {
    std::panic::catch_unwind(AssertUnwindSafe(act)).map_err(|panic| {
        let what = format!("a machine panicked: {}", panic_text(panic.as_ref()));
        Violation { at_ms: 0, oracle: "I14 any call, any state", what }
    })
}

/// Behind every node.
const ROOT: u32 = u32::MAX;
/// The first ones tell.
const MOST_BREACHES: usize = 20;
