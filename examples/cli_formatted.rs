//! As the example `cli`, with the source of each allocating function under it.
//!
//! ```text
//! cargo run --example cli_formatted -- [script.js] [--source-lines N] [--interval BYTES] [--depth FRAMES] [--live]
//! ```

use std::process::ExitCode;
use std::rc::Rc;

use clap::Parser;
use v8_heap_sampler::Function;
use v8_heap_sampler::source::{ListOptions, ListedFunction, MemorySources, list};

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
    let Some((start, after)) = function.line_number.zip(lines.checked_sub(1)) else {
        return Vec::new();
    };
    let mut sources = MemorySources::new();
    if let Some(source) = source {
        sources.insert_source(function.script_name.as_str(), source);
    }
    // The costs are in the table above.
    let listed = ListedFunction::new(function.clone(), (), ());
    let listing =
        list([listed], &mut sources, &ListOptions::new().before(0).after(after).width(160));
    let shown = listing.files.iter().flat_map(|file| &file.lines);
    let shown = shown.map(|line| format!("{:>12} | {}", line.number, line.text));
    let missing =
        listing.unlisted.iter().map(|unlisted| format!("{start:>12} | ({})", unlisted.reason));
    shown.chain(missing).collect()
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
