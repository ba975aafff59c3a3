//! `leaks`: what leaks.

use v8_heap_sampler::analysis::{self, Leak, LeakOptions, Sessions};
use v8_heap_sampler::{AnalysisError, SampleType};

use crate::arguments::Leaks;
use crate::commands::Told;
use crate::failure::{Failure, failed, not_known};
use crate::printer::Printer;
use crate::reader::Reader;

pub(super) fn run(arguments: &Leaks, reader: &Reader, printer: &Printer) -> Result<Told, Failure> {
    let view = &arguments.view;
    view.check_is_of_one()?;
    let mut snapshots = Vec::with_capacity(arguments.files.len());
    for path in &arguments.files {
        snapshots.push(reader.file(path, view)?);
    }
    let value = match (view.value, snapshots.last()) {
        (None, Some(last)) => view.value(last),
        (value, _) => value.unwrap_or(SampleType::InuseSpace),
    };
    let mut options = LeakOptions::new()
        .sample_type(value)
        .by(arguments.by.clone())
        .limit(arguments.count)
        .false_discovery_rate(arguments.false_discoveries / 100.0);
    if arguments.same_session {
        options = options.sessions(Sessions::Same);
    }
    let found = analysis::Leaks::find(&snapshots, &options).map_err(|error| match &error {
        AnalysisError::Snapshot { error: reason, .. }
            if matches!(**reason, AnalysisError::NoSuchValues { .. }) =>
        {
            failed(error)
        }
        _ => Failure::Usage(error.to_string()),
    })?;
    printer.print(&found)?;
    if !arguments.exit_code {
        return Ok(Told::Nothing);
    }
    if found.leaks > 0 {
        return Ok(Told::Found);
    }
    let all = analysis::Leaks::find(&snapshots, options.limit(None));
    let is_doubtful = |row: &Leak| row.q_value.is_none() && row.rate.value > 0.0;
    if all.is_ok_and(|all| all.rows.iter().any(is_doubtful)) {
        return Err(not_known(value));
    }
    Ok(Told::Nothing)
}
