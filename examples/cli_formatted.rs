//! As the example `cli`, with the source of each allocating function under it.
//!
//! ```text
//! cargo run --example cli_formatted -- [script.js] [--source-lines N] [--interval BYTES] [--depth FRAMES] [--live]
//! ```

use std::process::ExitCode;
use std::rc::Rc;

use clap::Parser;
use v8_heap_sampler::Function;

mod support;

/// Runs a script in an isolate and shows which functions allocated, with their first lines.
#[derive(Parser, Debug)]
struct Cli {
    #[command(flatten)]
    arguments: support::Arguments,
    /// How many lines of each function to show, from where it starts
    #[arg(long, value_name = "LINES", default_value_t = 5)]
    source_lines: usize,
    /// How many functions the table shows
    #[arg(long, value_name = "ROWS", default_value_t = 20)]
    top: usize,
}

/// The first lines of a function, with their numbers, from the script that the isolate ran.
///
/// V8 knows where a function starts, but neither where it ends nor the line that allocated.
fn first_lines(function: &Function, source: Option<&str>, lines: usize) -> Vec<String> {
    let Some(start) = function.line_number.filter(|_| lines > 0) else {
        return Vec::new();
    };
    let Some(source) = source else {
        return vec![format!("{start:>12} | (the source is not at hand)")];
    };
    let numbered = (1..).zip(source_lines(source)).skip(start.get() as usize - 1);
    numbered.take(lines).map(|(number, line)| format!("{number:>12} | {}", cut(line))).collect()
}

/// The lines of a script as JavaScript counts them, which knows more ends than `str::lines`.
fn source_lines(source: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(source);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\n', '\r', '\u{2028}', '\u{2029}']) else {
            rest = None;
            return Some(text);
        };
        let (line, after) = text.split_at(end);
        let ending = if after.starts_with("\r\n") { 2 } else { after.chars().next()?.len_utf8() };
        rest = Some(&after[ending..]);
        Some(line)
    })
}

/// The beginning of a line that may be a whole minified program.
fn cut(line: &str) -> String {
    const SHOWN: usize = 160;
    match line.char_indices().nth(SHOWN) {
        None => line.to_owned(),
        Some((end, _)) => format!("{} ...", &line[..end]),
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let console = Rc::new(support::print);
    support::main_with(&cli.arguments, console, |run, output| {
        let below = |function: &Function, source: Option<&str>| {
            first_lines(function, source, cli.source_lines)
        };
        write!(output, "{}\n\n{}", run.headline(), run.table(cli.top, &below))
    })
}
