//! `cargo xtask clauses`: every clause of the session beside the tests and scenarios that cite it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::run::root;

/// A clause's number, so that `S-7.10` comes after `S-7.9`.
type Clause = (u32, u32);

/// Prints the table; a clause that nothing cites is an error.
pub(crate) fn run() -> Result<(), String> {
    let table = table()?;
    for ((part, number), cited) in &table {
        let names: Vec<&str> = cited.iter().map(String::as_str).collect();
        println!("S-{part}.{number}\t{}\t{}", cited.len(), names.join(" "));
    }
    let empty = empty(&table);
    if empty.is_empty() { Ok(()) } else { Err(format!("no test cites {}", empty.join(", "))) }
}

fn empty(table: &BTreeMap<Clause, BTreeSet<String>>) -> Vec<String> {
    let without = table.iter().filter(|(_, cited)| cited.is_empty());
    without.map(|((part, number), _)| format!("S-{part}.{number}")).collect()
}

/// The clauses of `spec/session.md`, each with the files that cite it.
fn table() -> Result<BTreeMap<Clause, BTreeSet<String>>, String> {
    let mut table: BTreeMap<Clause, BTreeSet<String>> =
        clauses(&read("spec/session.md")?).into_iter().map(|c| (c, BTreeSet::new())).collect();
    for path in files()? {
        let text = read(&path)?;
        for clause in cited(tests_of(&path, &text)) {
            if let Some(cited) = table.get_mut(&clause) {
                cited.insert(path.clone());
            }
        }
    }
    Ok(table)
}

/// The clauses that a document defines: `- **S-3.4** …`.
fn clauses(document: &str) -> Vec<Clause> {
    let number = |line: &str| {
        let (part, number) = line.strip_prefix("- **S-")?.split_once("**")?.0.split_once('.')?;
        Some((part.parse().ok()?, number.parse().ok()?))
    };
    document.lines().filter_map(number).collect()
}

/// What of a file is test: all of a file under `tests`, an example of none, else what follows the
/// attribute of a test module.
fn tests_of<'a>(path: &str, text: &'a str) -> &'a str {
    if path.contains("/tests/") || path.ends_with("/tests.rs") || path.ends_with(".json") {
        return text;
    }
    text.find("#[cfg(test)]").map_or("", |at| &text[at..])
}

/// The clauses that a text cites, each in the form `S-3.4`. A whole part, `S-10`, is its first clause.
fn cited(text: &str) -> BTreeSet<Clause> {
    let digits = |text: &str| text.chars().take_while(char::is_ascii_digit).collect::<String>();
    let mut cited = BTreeSet::new();
    for after in text.split("S-").skip(1) {
        let part = digits(after);
        let number = after[part.len()..].strip_prefix('.').map(digits).unwrap_or_default();
        if let Ok(part) = part.parse() {
            cited.insert((part, number.parse().unwrap_or(1)));
        }
    }
    cited
}

/// The files that may hold tests or scenarios.
fn files() -> Result<Vec<String>, String> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .args(["*.rs", "spec/scenarios/*.json"])
        .current_dir(root())
        .output()
        .map_err(|e| format!("git ls-files: {e}"))?;
    let listed = String::from_utf8_lossy(&output.stdout);
    // This file names clauses as examples.
    let wanted =
        |path: &&str| root().join(path).exists() && !path.ends_with("xtask/src/clauses.rs");
    Ok(listed.lines().filter(wanted).map(str::to_owned).collect())
}

fn read(path: &str) -> Result<String, String> {
    std::fs::read_to_string(root().join(path)).map_err(|e| format!("{path}: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clause_is_cited_by_a_test_or_a_scenario() {
        let table = table().unwrap();
        assert!(table.len() >= 59, "{}", table.len());
        assert_eq!(empty(&table), [""; 0]);
    }

    /// A clause keeps its place: numbers are unique, ascending and without a hole.
    #[test]
    fn clauses_have_unique_ascending_numbers() {
        let numbers = clauses(&read("spec/session.md").unwrap());
        for pair in numbers.windows(2) {
            let [(part, clause), next] = *pair else { unreachable!() };
            assert!(next == (part, clause + 1) || next == (part + 1, 1), "S-{next:?}");
        }
    }

    #[test]
    fn a_citation_is_a_whole_number_within_a_test() {
        let text = "// S-3.4, S-7.10 and all of S-10\n";
        assert_eq!(cited(text), BTreeSet::from([(3, 4), (7, 10), (10, 1)]));
        assert_eq!(
            tests_of("crates/x/src/a.rs", "/// S-1.1\n#[cfg(test)]\n// S-1.2"),
            "#[cfg(test)]\n// S-1.2"
        );
        assert_eq!(tests_of("crates/x/src/a.rs", "/// S-1.1"), "");
        assert_eq!(clauses("- **S-1.2** *User.* as S-9.9 says\n- S-3.3"), [(1, 2)]);
    }
}
