//! Tests, or parts of them, in a process of their own: they may die, or have flags of V8's.

use std::process::{Command, Output};

const PART: &str = "V8_HEAP_SAMPLER_PART";
const FLAGS: &str = "V8_HEAP_SAMPLER_FLAGS";

/// Runs a test of this binary in a process of its own, which is told that it is a child, the words
/// of its part, if the test has several, and flags.
pub(crate) fn run(test: &str, part: &[&str], flags: &str) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--include-ignored", "--nocapture", "--test-threads=1"])
        .env(PART, part.join("\n"))
        .env(FLAGS, flags)
        .output()
        .unwrap()
}

/// The words of the part that this process is to do, and its flags; `None` in the process that runs
/// all tests.
pub(crate) fn part() -> Option<(Vec<String>, String)> {
    let words = std::env::var(PART).ok()?;
    Some((words.split('\n').map(str::to_owned).collect(), std::env::var(FLAGS).unwrap()))
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
