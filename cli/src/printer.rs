//! Printing answers.

use std::fmt::Display;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use clap::ColorChoice;
use serde::Serialize;
use v8_heap_sampler::format::plain_text;

use crate::arguments::Cli;
use crate::failure::{Failure, failed};
use crate::json;

/// Prints answers.
pub(crate) struct Printer {
    json: bool,
    color: ColorChoice,
}

impl Printer {
    pub(crate) fn new(cli: &Cli) -> Self {
        Self { json: cli.json, color: cli.color }
    }

    pub(crate) fn print(&self, answer: &(impl Display + Serialize)) -> Result<(), Failure> {
        self.print_as(answer, answer)
    }

    /// Prints an answer that reads so.
    pub(crate) fn print_as(
        &self,
        answer: &impl Serialize,
        text: impl Display,
    ) -> Result<(), Failure> {
        if self.json {
            let json = serde_json::to_string_pretty(answer).map_err(failed)?;
            return self.lines(&json::escaped(&json), false);
        }
        self.lines(&text.to_string(), true)
    }

    /// Prints a text; if it is an answer, what is above its table is bold, and rows that are marked
    /// are red, if colours are wanted.
    fn lines(&self, text: &str, is_answer: bool) -> Result<(), Failure> {
        let choice = match self.color {
            ColorChoice::Auto => anstream::ColorChoice::Auto,
            ColorChoice::Always => anstream::ColorChoice::Always,
            ColorChoice::Never => anstream::ColorChoice::Never,
        };
        let mut out = anstream::AutoStream::new(io::stdout().lock(), choice);
        let mut print = || -> io::Result<()> {
            for (at, line) in text.lines().enumerate() {
                let style = match line {
                    _ if !is_answer => Style::new(),
                    _ if at == 0 => Style::new().bold(),
                    _ if line.starts_with('*') => AnsiColor::Red.on_default(),
                    _ => Style::new(),
                };
                writeln!(out, "{style}{}{style:#}", plain_text(line))?;
            }
            out.flush()
        };
        match print() {
            // A reader that has gone away (`| head`) is no failure.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            printed => printed.map_err(|error| failed(format!("standard output: {error}"))),
        }
    }
}
