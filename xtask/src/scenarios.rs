//! `cargo xtask scenarios`: plays the files of `spec/scenarios/` on a real server and real devices.
//!
//! A device is a driver: a program that speaks the JSON lines of `homing drive`, in whatever language
//! it is written. What a file may say is in `spec/scenarios/README.md`.

mod check;
mod device;
mod file;
mod lines;
mod pattern;
mod play;
mod process;
mod relay;
mod server;
mod step;
mod transcript;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use self::file::Scenario;
use crate::run::{self, root};

/// What scenarios are played with.
struct Setting {
    /// The program that serves and mints tokens.
    homing: PathBuf,
    /// The words that start a driver.
    driver: Vec<String>,
    /// Where everything lies that a run leaves behind.
    folder: PathBuf,
    /// Keep it even when all is well.
    keep: bool,
}

/// What was asked for.
struct Asked {
    names: Vec<String>,
    driver: Option<String>,
    homing: Option<PathBuf>,
    jobs: usize,
    repeat: usize,
    keep: bool,
    only_check: bool,
}

/// Plays the scenarios that the arguments name; all, if they name none. Gives how many passed.
pub(crate) fn run(arguments: &[String]) -> Result<u64, String> {
    let asked = Asked::read(arguments)?;
    let scenarios = named(&asked.names)?;
    if asked.only_check {
        println!("{} scenarios are well-formed", scenarios.len());
        return Ok(0);
    }
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let homing = match asked.homing {
        Some(path) => path,
        None => {
            run::cargo(&["build", "--quiet", "--package", "homing-cli"])?;
            target.join("debug/homing")
        }
    };
    let driver = match asked.driver {
        Some(command) => command.split_whitespace().map(str::to_owned).collect(),
        None => vec![homing.to_string_lossy().into_owned(), "drive".to_owned()],
    };
    let folder = target.join("scenarios");
    let setting = Setting { homing, driver, folder, keep: asked.keep };
    let queue = scenarios.iter().cycle().take(scenarios.len() * asked.repeat).collect();
    play_all(queue, &setting, asked.jobs)
}

fn play_all(queue: VecDeque<&Scenario>, setting: &Setting, jobs: usize) -> Result<u64, String> {
    let began = Instant::now();
    let total = queue.len();
    let queue = Mutex::new(queue);
    let failed = Mutex::new(0);
    std::thread::scope(|scope| {
        for number in 0..jobs.min(total) {
            // Copies of one scenario never share a folder.
            let setting = Setting {
                homing: setting.homing.clone(),
                driver: setting.driver.clone(),
                folder: setting.folder.join(number.to_string()),
                keep: setting.keep,
            };
            let (queue, failed) = (&queue, &failed);
            scope.spawn(move || {
                while let Some(scenario) = pop(queue) {
                    let began = Instant::now();
                    let result = play::play(scenario, &setting);
                    let seconds = began.elapsed().as_secs_f64();
                    match result {
                        Ok(()) => println!("ok      {seconds:5.1} s  {}", scenario.name),
                        Err(report) => {
                            *failed.lock().unwrap_or_else(PoisonError::into_inner) += 1;
                            println!("FAILED  {seconds:5.1} s  {}\n{report}", scenario.name);
                        }
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!("{} passed, {failed} failed, in {} s", total - failed, began.elapsed().as_secs());
    if failed == 0 { Ok(total as u64) } else { Err(format!("{failed} scenarios failed")) }
}

fn pop<'a>(queue: &Mutex<VecDeque<&'a Scenario>>) -> Option<&'a Scenario> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

/// The scenarios whose names begin so, or whose files are named.
fn named(names: &[String]) -> Result<Vec<Scenario>, String> {
    let mut paths = Vec::new();
    let all = file::list(&root().join("spec/scenarios"))?;
    for name in names {
        let before = paths.len();
        if name.contains(['/', '.']) {
            paths.push(PathBuf::from(name));
        } else {
            paths.extend(all.iter().filter(|path| stem(path).starts_with(name.as_str())).cloned());
        }
        if paths.len() == before {
            return Err(format!("no scenario begins with {name:?}"));
        }
    }
    if names.is_empty() {
        paths = all;
    }
    let (read, wrong): (Vec<_>, Vec<_>) =
        paths.iter().map(|path| Scenario::read(path)).partition(Result::is_ok);
    let wrong: Vec<_> = wrong.into_iter().filter_map(Result::err).collect();
    if wrong.is_empty() {
        return Ok(read.into_iter().filter_map(Result::ok).collect());
    }
    Err(format!("not well-formed:\n  {}", wrong.join("\n  ")))
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

impl Asked {
    fn read(arguments: &[String]) -> Result<Self, String> {
        let mut asked = Self {
            names: Vec::new(),
            driver: None,
            homing: None,
            jobs: JOBS,
            repeat: 1,
            keep: false,
            only_check: false,
        };
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().cloned().ok_or_else(|| format!("{word} what? {USAGE}"));
            let number = |text: String| match text.parse() {
                Ok(number) if number > 0 => Ok(number),
                _ => Err(format!("{text:?} is no number; {USAGE}")),
            };
            match word.as_str() {
                "--driver" => asked.driver = Some(value()?),
                "--homing" => asked.homing = Some(value()?.into()),
                "--jobs" => asked.jobs = number(value()?)?,
                "--repeat" => asked.repeat = number(value()?)?,
                "--keep" => asked.keep = true,
                "--check" => asked.only_check = true,
                option if option.starts_with('-') => {
                    return Err(format!("there is no {option}; {USAGE}"));
                }
                name => asked.names.push(name.to_owned()),
            }
        }
        Ok(asked)
    }
}

const USAGE: &str = "usage: cargo xtask scenarios [NAME…] [--driver COMMAND] [--homing PROGRAM] \
    [--jobs N] [--repeat N] [--keep] [--check]";
/// Scenarios mostly wait; more at once would make two cores late.
const JOBS: usize = 6;

#[cfg(test)]
mod tests {
    #[test]
    fn every_scenario_file_is_well_formed() {
        let scenarios = super::named(&[]).unwrap_or_else(|error| panic!("{error}"));
        assert!(!scenarios.is_empty(), "there are no scenarios");
    }
}
