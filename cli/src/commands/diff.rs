//! `diff`: what has changed.

use std::path::Path;

use v8_heap_sampler::analysis::{DiffOptions, DiffRow, Sessions};

use crate::arguments::{Diff, Sort};
use crate::commands::Told;
use crate::failure::{Failure, failed, not_known};
use crate::formats::Format;
use crate::output::Output;
use crate::printer::Printer;
use crate::reader::Reader;

pub(super) fn run(arguments: &Diff, reader: &Reader, printer: &Printer) -> Result<Told, Failure> {
    let view = &arguments.view;
    view.check_is_of_one()?;
    let output =
        arguments.output.as_deref().map(|output| open(output, arguments.to)).transpose()?;
    let before = reader.file(&arguments.before, view)?;
    let after = reader.file(&arguments.after, view)?;
    let value = view.value(&after);
    let mut options = DiffOptions::new(value)
        .by(arguments.by.clone())
        .metric(arguments.sort.into())
        .limit(arguments.count)
        .false_discovery_rate(arguments.false_discoveries / 100.0);
    if arguments.same_session {
        options = options.sessions(Sessions::Same);
    }
    let changes = after.diff(&before, &options).map_err(failed)?;
    match output {
        None => printer.print(&changes)?,
        Some((format, output)) => {
            let limit = reader.limit();
            output.write(|writer| format.write_diff(&before, &after, writer, value, limit))?;
        }
    }
    if !arguments.exit_code {
        return Ok(Told::Nothing);
    }
    if changes.grown > 0 {
        return Ok(Told::Found);
    }
    if changes.total.p_value().is_none() {
        let all = after.diff(&before, options.limit(None)).map_err(failed)?;
        let is_growth = |row: &DiffRow| match arguments.sort {
            Sort::Own => row.own.value() > 0.0,
            Sort::Total => row.total.value() > 0.0,
        };
        if all.rows.iter().any(is_growth) {
            return Err(not_known(value));
        }
    }
    Ok(Told::Nothing)
}

fn open(output: &Path, to: Option<Format>) -> Result<(Format, Output), Failure> {
    let format = Format::choose(to, output)?;
    if !matches!(format, Format::Svg | Format::Pprof) {
        let problem = "a difference is a flame graph (svg) or a pprof profile";
        return Err(Failure::Usage(problem.to_owned()));
    }
    Ok((format, Output::open(output)?))
}
