//! The views of one profile: tables, trees, paths and listings.

use v8_heap_sampler::SampleType;
use v8_heap_sampler::analysis::{TopOptions, TreeOptions};
use v8_heap_sampler::source::ListOptions;

use crate::arguments::{BottomUp, Cut, Cycles, Dominators, HotPath, List, Peek, Top, Tree};
use crate::failure::{Failure, failed};
use crate::printer::Printer;
use crate::reader::Reader;
use crate::view::regex;

pub(super) fn top(arguments: &Top, reader: &Reader, printer: &Printer) -> Result<(), Failure> {
    let (profile, value) = reader.input(&arguments.input)?;
    let options = TopOptions::new(value)
        .by(arguments.by.clone())
        .metric(arguments.sort.into())
        .limit(arguments.count)
        .min_share(arguments.least / 100.0);
    let top = profile.top(&options).map_err(failed)?;
    if arguments.every_row {
        printer.print_as(&top, format_args!("{top:#}"))
    } else {
        printer.print(&top)
    }
}

pub(super) fn tree(arguments: &Tree, reader: &Reader, printer: &Printer) -> Result<(), Failure> {
    let (profile, value) = reader.input(&arguments.input)?;
    printer.print(&profile.top_down(arguments.cut.options(value)).map_err(failed)?)
}

pub(super) fn bottom_up(
    arguments: &BottomUp,
    reader: &Reader,
    printer: &Printer,
) -> Result<(), Failure> {
    let (profile, value) = reader.input(&arguments.input)?;
    printer.print(&profile.bottom_up(arguments.cut.options(value)).map_err(failed)?)
}

pub(super) fn peek(arguments: &Peek, reader: &Reader, printer: &Printer) -> Result<(), Failure> {
    let pattern = regex(&arguments.pattern)?;
    let (profile, value) = reader.input(&arguments.input)?;
    printer.print(&profile.peek(value, &pattern).map_err(failed)?)
}

pub(super) fn hot_path(
    arguments: &HotPath,
    reader: &Reader,
    printer: &Printer,
) -> Result<(), Failure> {
    let (profile, value) = reader.input(&arguments.input)?;
    printer.print(&profile.hot_path(value).map_err(failed)?)
}

pub(super) fn dominators(
    arguments: &Dominators,
    reader: &Reader,
    printer: &Printer,
) -> Result<(), Failure> {
    let (profile, value) = reader.input(&arguments.input)?;
    printer.print(&profile.dominators(arguments.cut.options(value)).map_err(failed)?)
}

pub(super) fn cycles(
    arguments: &Cycles,
    reader: &Reader,
    printer: &Printer,
) -> Result<(), Failure> {
    let (profile, value) = reader.input(&arguments.input)?;
    printer.print(&profile.cycles(value).map_err(failed)?)
}

pub(super) fn list(arguments: &List, reader: &Reader, printer: &Printer) -> Result<(), Failure> {
    let pattern = regex(&arguments.pattern)?;
    let (profile, value) = reader.input(&arguments.input)?;
    let options = ListOptions::new()
        .before(arguments.before)
        .after(arguments.after)
        .width(arguments.width)
        .callers(arguments.callers);
    let mut sources = reader.sources();
    let listing = profile.listing(value, pattern, &mut sources, &options).map_err(failed)?;
    printer.print(&listing)
}

impl Cut {
    fn options(&self, value: SampleType) -> TreeOptions {
        TreeOptions::new(value).min_share(self.least / 100.0).depth(self.depth)
    }
}
