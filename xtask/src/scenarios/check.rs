//! What can be wrong with a scenario before it is played: names of devices, variables, marks and
//! operations that are nowhere, bounds that are none.

use std::collections::BTreeSet;

use serde_json::Value;

use super::file::Scenario;
use super::pattern;
use super::step::{Action, Do, Save, Step};

/// Every clause has the form of one: a letter, a dash, a number with its part, or an invariant.
pub(super) fn clauses(clauses: &[String]) -> Result<(), String> {
    if clauses.is_empty() {
        return Err("`clauses` is empty: what does this scenario show?".to_owned());
    }
    for clause in clauses {
        let number = match clause.split_once('-') {
            Some(("S" | "W" | "D" | "V" | "B" | "F", number)) => number,
            None => clause.strip_prefix('I').unwrap_or_default(),
            Some(_) => "",
        };
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !number.splitn(2, '.').all(is_number) {
            return Err(format!("`clauses`: {clause:?} is none; they look like S-7.4 or I5"));
        }
    }
    Ok(())
}

/// All names that steps use are there when they use them.
pub(super) fn scenario(scenario: &Scenario) -> Result<(), String> {
    let mut names = Names::of(scenario);
    for (device, setup) in &scenario.devices {
        setup.store.iter().try_for_each(|other| names.device(other))?;
        let facade = setup.facade.as_deref();
        if !facade.is_none_or(|name| FACADES.contains(&name)) {
            return Err(format!("devices.{device}: there is no such facade"));
        }
    }
    if scenario.steps.is_empty() {
        return Err("there are no steps".to_owned());
    }
    for (number, step) in scenario.steps.iter().enumerate() {
        names.step(step).map_err(|error| format!("steps[{number}]: {error}"))?;
    }
    match names.begun.iter().next() {
        Some((device, name)) => Err(format!("no step awaits the answer {name:?} of {device}")),
        None => Ok(()),
    }
}

/// What is known so far.
struct Names<'a> {
    devices: BTreeSet<&'a str>,
    variables: BTreeSet<String>,
    marks: BTreeSet<(&'a str, &'a str)>,
    begun: BTreeSet<(&'a str, &'a str)>,
}

impl<'a> Names<'a> {
    fn of(scenario: &'a Scenario) -> Self {
        let given = ["app.id", "app.key", "url"].into_iter().map(str::to_owned);
        let tokens = scenario.users.iter().map(|user| format!("{user}.token"));
        Self {
            devices: scenario.devices.keys().map(String::as_str).collect(),
            variables: given.chain(tokens).collect(),
            marks: BTreeSet::new(),
            begun: BTreeSet::new(),
        }
    }

    fn step(&mut self, step: &'a Step) -> Result<(), String> {
        match &step.action {
            Action::Do(step) => self.operation(step),
            Action::Together(steps) => {
                if steps.len() < 2 {
                    return Err("`together` has two steps or more".to_owned());
                }
                steps.iter().try_for_each(|step| self.operation(step))
            }
            Action::Begin(step) => {
                self.device(&step.on)?;
                step.args.values().try_for_each(|value| self.known(value))?;
                let is_new = self.begun.insert((&step.on, &step.name));
                if is_new { Ok(()) } else { Err(format!("{:?} was begun already", step.name)) }
            }
            Action::Answer(step) => {
                self.device(&step.on)?;
                if !self.begun.remove(&(step.on.as_str(), step.name.as_str())) {
                    return Err(format!("{} began nothing named {:?}", step.on, step.name));
                }
                self.wanted([&step.ok, &step.err, &step.outcome], &step.save)?;
                bound("within_ms", step.within_ms)
            }
            Action::Expect(step) => {
                self.device(&step.on)?;
                self.mark(&step.on, step.from.as_deref())?;
                self.patterns(step.expect.patterns())?;
                self.save(&step.save);
                bound("within_ms", step.within_ms)
            }
            Action::State(step) => {
                self.device(&step.on)?;
                self.pattern(&step.state)?;
                self.save(&step.save);
                bound("within_ms", step.within_ms)
            }
            Action::Never(step) => {
                self.device(&step.on)?;
                self.mark(&step.on, step.from.as_deref())?;
                self.patterns(step.never.patterns())?;
                if step.for_ms.is_some() && step.until.is_some() {
                    return Err("`for_ms` and `until` at once; which one counts?".to_owned());
                }
                step.until.iter().try_for_each(|pattern| self.pattern(pattern))?;
                bound("for_ms", step.for_ms)?;
                bound("within_ms", step.within_ms)
            }
            Action::Count(step) => {
                self.device(&step.on)?;
                self.mark(&step.on, step.from.as_deref())?;
                self.pattern(&step.count)
            }
            Action::Mark(step) => {
                self.device(&step.on)?;
                self.marks.insert((&step.on, &step.mark));
                Ok(())
            }
            Action::Among(step) => {
                step.among.iter().try_for_each(|name| self.device(name))?;
                self.pattern(&step.have)?;
                bound("within_ms", step.within_ms)
            }
            Action::Process(step) => self.device(&step.on),
            Action::Server(_) => Ok(()),
            Action::Admin(step) => {
                let (method, path) = step.admin.split_once(' ').unwrap_or_default();
                if !METHODS.contains(&method) || !path.starts_with('/') {
                    return Err("`admin` is a method and a path: \"GET /v1/apps\"".to_owned());
                }
                self.known(&step.admin.as_str().into())?;
                step.body.iter().try_for_each(|body| self.known(body))?;
                self.wanted([&step.ok, &step.err, &None], &step.save)?;
                bound("again_within_ms", step.again_within_ms)
            }
            Action::Mint(step) => {
                self.known(&step.user.as_str().into())?;
                let others = step.app_id.iter().chain(&step.key);
                others.into_iter().try_for_each(|value| self.known(value))?;
                self.variables.insert(step.name.clone());
                Ok(())
            }
            Action::Wire(step) => self.device(&step.on),
            Action::Dials(step) => {
                self.device(&step.on)?;
                self.mark(&step.on, step.from.as_deref())
            }
            Action::CopyStore(step) => {
                self.device(&step.from)?;
                self.device(&step.to)
            }
            Action::DamageStore(device) => self.device(device),
            Action::NoTraceOf(text) => self.known(&text.as_str().into()),
        }
    }

    fn operation(&mut self, step: &Do) -> Result<(), String> {
        self.device(&step.on)?;
        step.args.values().try_for_each(|value| self.known(value))?;
        self.wanted([&step.ok, &step.err, &step.outcome], &step.save)?;
        bound("again_within_ms", step.again_within_ms)?;
        bound("within_ms", step.within_ms)
    }

    fn wanted(&mut self, patterns: [&Option<Value>; 3], save: &Save) -> Result<(), String> {
        let mut given = patterns.into_iter().flatten();
        given.clone().try_for_each(|pattern| self.pattern(pattern))?;
        if given.nth(1).is_some() {
            return Err("of `ok`, `err` and `outcome` more than one; which one counts?".to_owned());
        }
        self.save(save);
        Ok(())
    }

    fn save(&mut self, save: &Save) {
        self.variables.extend(save.keys().cloned());
    }

    fn patterns(&self, patterns: &[Value]) -> Result<(), String> {
        if patterns.is_empty() {
            return Err("an empty list says nothing".to_owned());
        }
        patterns.iter().try_for_each(|pattern| self.pattern(pattern))
    }

    fn pattern(&self, pattern: &Value) -> Result<(), String> {
        pattern::check(pattern)?;
        self.known(pattern)
    }

    fn known(&self, template: &Value) -> Result<(), String> {
        let mut found = Vec::new();
        pattern::names(template, &mut found)?;
        match found.iter().find(|name| !self.variables.contains(*name)) {
            Some(name) => Err(format!("there is no variable `${{{name}}}` here")),
            None => Ok(()),
        }
    }

    fn device(&self, name: &str) -> Result<(), String> {
        if self.devices.contains(name) {
            return Ok(());
        }
        Err(format!("there is no device {name:?}"))
    }

    fn mark(&self, device: &str, name: Option<&str>) -> Result<(), String> {
        match name {
            None | Some(START) => Ok(()),
            Some(name) if self.marks.contains(&(device, name)) => Ok(()),
            Some(name) => Err(format!("{device} has no mark {name:?} here")),
        }
    }
}

fn bound(name: &str, ms: Option<u64>) -> Result<(), String> {
    match ms {
        Some(ms) if ms == 0 || ms > BOUND_MS => Err(format!("`{name}` is 1 to {BOUND_MS}")),
        _ => Ok(()),
    }
}

/// The mark that every device has: before its first line.
pub(super) const START: &str = "start";

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const FACADES: [&str; 3] = ["v2tim", "nim", "zim"];
/// The longest wait in a step.
const BOUND_MS: u64 = 60_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(steps: &str) -> Result<Scenario, String> {
        let text = format!(
            r#"{{"about":"x","clauses":["S-1.1"],"users":["alice"],"devices":{{"A":{{}},"B":{{}}}},
                "steps":[{steps}]}}"#
        );
        Scenario::parse("x", &text)
    }

    #[test]
    fn whatever_is_wrong_is_told_with_its_place() {
        for (steps, told) in [
            (r#"{"on":"A"}"#, "one of these fields"),
            (r#"{"on":"A","do":"x","expect":{}}"#, "one of these fields"),
            (r#"{"on":"A","do":"x","okay":{}}"#, "unknown field `okay`"),
            (r#"{"on":"C","do":"x"}"#, "no device \"C\""),
            (r#"{"on":"A","do":"x","args":{"token":"${bob.token}"}}"#, "bob.token"),
            (r#"{"on":"A","do":"x","ok":{},"err":{}}"#, "more than one"),
            (r#"{"on":"A","begin":"x","as":"l"}"#, "no step awaits"),
            (r#"{"on":"A","answer":"l"}"#, "began nothing"),
            (r#"{"on":"A","expect":{"a":{"$any":1}}}"#, "$any"),
            (r#"{"on":"A","expect":{},"from":"here"}"#, "no mark \"here\""),
            (r#"{"on":"A","expect":{},"within_ms":100000}"#, "1 to 60000"),
            (r#"{"on":"A","never":{},"for_ms":1,"until":{}}"#, "at once"),
            (r#"{"server":"explode"}"#, "explode"),
            (r#"{"admin":"FETCH /v1"}"#, "a method and a path"),
            (r#"{"on":"A","wire":"melt"}"#, "melt"),
            (r#"{"together":[{"on":"A","do":"x"}]}"#, "two steps"),
            (r#"{"on":"A","do":"x","note":1}"#, "`note` is a text"),
        ] {
            let error = parse(steps).expect_err(steps);
            assert!(error.contains(told), "{steps}: {error}");
        }
        let error = parse(r#"{"server":"stop"},{"on":"A","do":"x","okay":{}}"#).unwrap_err();
        assert!(error.starts_with("steps[1]: "), "{error}");
    }

    #[test]
    fn names_are_known_from_where_they_are_made() {
        parse(
            r#"{"on":"A","begin":"login","args":{"token":"${alice.token}"},"as":"l"},
               {"on":"A","answer":"l","save":{"x":"/a"}},
               {"on":"B","do":"kick_device","args":{"session":"${x}"}},
               {"on":"A","mark":"m"},{"on":"A","never":{"a":"${x}"},"from":"m","for_ms":100}"#,
        )
        .unwrap();
        assert!(parse(r#"{"on":"B","do":"y","args":{"s":"${x}"},"save":{"x":"/a"}}"#).is_err());
    }

    #[test]
    fn a_clause_looks_like_one() {
        for (clause, is_one) in [
            ("S-7.4", true),
            ("I5", true),
            ("S-10", true),
            ("S-", false),
            ("X-1", false),
            ("7.4", false),
        ] {
            assert_eq!(clauses(&[clause.to_owned()]).is_ok(), is_one, "{clause}");
        }
        assert!(clauses(&[]).is_err());
    }
}
