//! Reads heap profiles of any format, answers questions about them, and writes them in another.
//!
//! ```text
//! heapprof top FILES... [-n 20] [--by package]
//! heapprof diff BEFORE AFTER [-o OUT]
//! heapprof leaks FIRST SECOND THIRD ...
//! heapprof convert IN -o OUT [--to FORMAT]
//! heapprof --help
//! ```
//!
//! Exits with 1 if a file cannot be read or written, with 2 if the arguments make no sense or do
//! not suffice, and with 3 if `--exit-code` is given and `diff` finds growth, or `leaks` a leak.

mod arguments;
mod commands;
mod failure;
mod formats;
mod json;
mod output;
mod printer;
mod read;
mod reader;
mod view;

use std::io;
use std::process::ExitCode;

use arguments::Cli;
use clap::Parser;
use commands::Told;
use failure::{Failure, tell};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(problem) => {
            // Help and version are answers, which may find no reader; the rest goes to standard
            // error.
            let printed = problem.print().or_else(|error| match error.kind() {
                io::ErrorKind::BrokenPipe => Ok(()),
                _ => Err(error),
            });
            return match printed {
                Err(error) if !problem.use_stderr() => {
                    tell(&format!("standard output: {error}"));
                    ExitCode::FAILURE
                }
                _ => ExitCode::from(u8::try_from(problem.exit_code()).unwrap_or(2)),
            };
        }
    };
    match commands::run(&cli) {
        Ok(Told::Nothing) => ExitCode::SUCCESS,
        Ok(Told::Found) => ExitCode::from(3),
        Err(Failure::Failed(error)) => {
            tell(&error);
            ExitCode::FAILURE
        }
        Err(Failure::Usage(error)) => {
            tell(&error);
            ExitCode::from(2)
        }
    }
}
