//! The report: JSON for programs, Markdown for people, the same figures in both.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use crate::Failure;
use crate::facts::Facts;

/// A measurement that is done.
#[derive(Serialize, Debug)]
pub(crate) struct Measured {
    /// Names the files of the report.
    pub(crate) name: String,
    pub(crate) facts: Facts,
    /// What the budgets say of it.
    pub(crate) budgets: Vec<Verdict>,
    /// All of it.
    pub(crate) figures: Value,
}

/// A figure held against its budget.
#[derive(Serialize, PartialEq, Debug)]
pub(crate) struct Verdict {
    pub(crate) budget: &'static str,
    pub(crate) what: String,
    pub(crate) measured: f64,
    pub(crate) bound: Bound,
    pub(crate) is_met: bool,
}

/// A budget, in the unit of its figure.
#[derive(Serialize, Clone, Copy, PartialEq, Debug)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

impl Verdict {
    pub(crate) fn new(budget: &'static str, what: &str, measured: f64, bound: Bound) -> Self {
        let is_met = match bound {
            Bound::AtMost(most) => measured <= most,
            Bound::AtLeast(least) => measured >= least,
        };
        Self { budget, what: what.to_owned(), measured, bound, is_met }
    }
}

/// Writes both files; gives the JSON.
///
/// # Errors
/// When they cannot be written.
pub(crate) fn write(measured: &Measured) -> Result<String, Failure> {
    let json = serde_json::to_string_pretty(measured)?;
    let dir = directory()?;
    let file = |ending: &str| dir.join(format!("{}.{ending}", measured.name));
    fs::write(file("json"), &json)?;
    fs::write(file("md"), markdown(measured))?;
    eprintln!("bench: report in {}", file("md").display());
    Ok(json)
}

/// `target/bench` of the checkout; made if it is missing.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn directory() -> Result<PathBuf, Failure> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a crate lies in `crates`");
    let dir = crates.with_file_name("target").join("bench");
    fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    Ok(dir)
}

fn markdown(measured: &Measured) -> String {
    let facts = &measured.facts;
    let machine = &facts.machine;
    let mut text = format!(
        "# {}\n\n`{}`, {}, commit {}; {} cores ({}), {} MiB, Linux {}; load {} before, {} after.\n\n",
        measured.name,
        facts.command,
        facts.started,
        facts.commit,
        machine.cores,
        machine.processor,
        machine.memory_mib,
        machine.kernel,
        facts.load_before,
        facts.load_after,
    );
    text.push_str("| budget | what | measured | bound | |\n|---|---|---|---|---|\n");
    for verdict in &measured.budgets {
        let (Verdict { budget, what, measured, .. }, is_met) = (verdict, verdict.is_met);
        let bound = match verdict.bound {
            Bound::AtMost(most) => format!("≤ {most}"),
            Bound::AtLeast(least) => format!("≥ {least}"),
        };
        let met = if is_met { "met" } else { "**missed**" };
        let _ = writeln!(text, "| {budget} | {what} | {measured} | {bound} | {met} |");
    }
    text.push_str("\n| figure | value |\n|---|---|\n");
    rows(&mut text, "", &measured.figures);
    text
}

/// One row for each leaf, named by its path.
fn rows(text: &mut String, path: &str, value: &Value) {
    let below =
        |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, v)| rows(text, &below(name), v)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, v)| rows(text, &below(&n.to_string()), v));
        }
        Value::String(words) => drop(writeln!(text, "| {path} | {words} |")),
        leaf => drop(writeln!(text, "| {path} | {leaf} |")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_bound_is_met_by_its_own_value_and_missed_beyond_it() {
        let is_met = |measured, bound| Verdict::new("B-0", "", measured, bound).is_met;
        assert!(is_met(2.0, Bound::AtMost(2.0)) && !is_met(2.1, Bound::AtMost(2.0)));
        assert!(is_met(2.0, Bound::AtLeast(2.0)) && !is_met(1.9, Bound::AtLeast(2.0)));
    }

    #[test]
    fn every_figure_has_a_row() {
        let mut text = String::new();
        rows(&mut text, "", &json!({ "a": { "b": [1, 2.5] }, "c": "words" }));
        assert_eq!(text, "| a.b.0 | 1 |\n| a.b.1 | 2.5 |\n| c | words |\n");
    }
}
