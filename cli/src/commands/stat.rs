//! `stat`: what is in files.

use std::fmt::{self, Display};
use std::path::Path;

use serde::Serialize;
use v8_heap_sampler::format::plain_text;
use v8_heap_sampler::{Estimate, Metadata, Profile, SampleType};

use crate::arguments;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::reader::Reader;

/// What is in a file.
#[derive(Serialize)]
struct Stat {
    file: String,
    contexts: usize,
    functions: usize,
    values: Vec<(SampleType, Estimate)>,
    interval: Option<u64>,
    duration: Option<f64>,
    unattributed_samples: u64,
    labels: Vec<String>,
    comments: Vec<String>,
}

impl Stat {
    fn of(path: &Path, profile: &Profile) -> Self {
        let Metadata { interval, duration, unattributed_samples, comments, .. } = &profile.metadata;
        let values = profile.sample_types();
        let values = values.filter_map(|value| Some((value, profile.estimate(value)?)));
        let labels = profile.label_sets().filter(|labels| !labels.is_empty()).map(|labels| {
            let labels: Vec<_> = labels.iter().map(ToString::to_string).collect();
            plain_text(&labels.join(", ")).into_owned()
        });
        Self {
            file: path.display().to_string(),
            contexts: profile.len(),
            functions: profile.functions().len(),
            values: values.collect(),
            interval: interval.map(|interval| interval.0),
            duration: duration.map(|duration| duration.as_secs_f64()),
            unattributed_samples: *unattributed_samples,
            labels: labels.collect(),
            comments: comments.iter().map(|comment| plain_text(comment).into_owned()).collect(),
        }
    }
}

impl Display for Stat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", plain_text(&self.file))?;
        writeln!(f, "  {} contexts of {} functions", self.contexts, self.functions)?;
        for (value, estimate) in &self.values {
            let unrounded = match value.unit() {
                "bytes" => format!("{:.0} bytes, ", estimate.value()),
                _ => String::new(),
            };
            let is_count = if estimate.exact().is_some() { " (a count)" } else { "" };
            writeln!(f, "  {value}: {unrounded}{estimate}{is_count}")?;
        }
        if let Some(interval) = self.interval {
            writeln!(f, "  interval: {interval} bytes")?;
        }
        if let Some(duration) = self.duration {
            writeln!(f, "  duration: {duration:.3} s")?;
        }
        if self.unattributed_samples > 0 {
            writeln!(f, "  samples of no context: {}", self.unattributed_samples)?;
        }
        for labels in self.labels.iter().take(20) {
            writeln!(f, "  labels: {labels}")?;
        }
        for comment in &self.comments {
            writeln!(f, "  comment: {comment}")?;
        }
        Ok(())
    }
}

/// What is in files.
#[derive(Serialize)]
struct Stats(Vec<Stat>);

impl Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|stat| stat.fmt(f))
    }
}

pub(super) fn run(
    arguments: &arguments::Stat,
    reader: &Reader,
    printer: &Printer,
) -> Result<(), Failure> {
    // One that cannot be read does not keep the others from being shown.
    let (mut stats, mut failures) = (Vec::new(), Vec::new());
    for path in &arguments.files {
        match reader.whole_file(path) {
            Ok(profile) => stats.push(Stat::of(path, &profile)),
            Err(Failure::Failed(failure) | Failure::Usage(failure)) => failures.push(failure),
        }
    }
    printer.print(&Stats(stats))?;
    if failures.is_empty() {
        return Ok(());
    }
    Err(Failure::Failed(failures.join("\n")))
}
