//! The subcommands.

mod convert;
mod diff;
mod leaks;
mod stat;
mod views;

use crate::arguments::{Cli, Command};
use crate::failure::Failure;
use crate::printer::Printer;
use crate::reader::Reader;

/// What the program was asked to tell by its exit code.
pub(crate) enum Told {
    Nothing,
    Found,
}

pub(crate) fn run(cli: &Cli) -> Result<Told, Failure> {
    let reader = Reader::new(cli)?;
    let printer = Printer::new(cli);
    match &cli.command {
        Command::Top(arguments) => views::top(arguments, &reader, &printer)?,
        Command::Tree(arguments) => views::tree(arguments, &reader, &printer)?,
        Command::BottomUp(arguments) => views::bottom_up(arguments, &reader, &printer)?,
        Command::Peek(arguments) => views::peek(arguments, &reader, &printer)?,
        Command::HotPath(arguments) => views::hot_path(arguments, &reader, &printer)?,
        Command::Dominators(arguments) => views::dominators(arguments, &reader, &printer)?,
        Command::Cycles(arguments) => views::cycles(arguments, &reader, &printer)?,
        Command::List(arguments) => views::list(arguments, &reader, &printer)?,
        Command::Diff(arguments) => return diff::run(arguments, &reader, &printer),
        Command::Leaks(arguments) => return leaks::run(arguments, &reader, &printer),
        Command::Convert(arguments) => convert::convert(arguments, &reader)?,
        Command::Merge(arguments) => convert::merge(arguments, &reader)?,
        Command::Stat(arguments) => stat::run(arguments, &reader, &printer)?,
    }
    Ok(Told::Nothing)
}
