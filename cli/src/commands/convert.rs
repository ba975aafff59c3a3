//! `convert` and `merge`: files in another format, and files as one.

use std::io::Write;
use std::path::Path;

use v8_heap_sampler::{Bytes, Label, Profile, SampleType, Uncertainty};

use crate::arguments::{Convert, Merge, Target};
use crate::failure::{Failure, tell};
use crate::formats::Format;
use crate::json::Escaping;
use crate::output::Output;
use crate::read;
use crate::reader::Reader;

pub(super) fn convert(arguments: &Convert, reader: &Reader) -> Result<(), Failure> {
    let Convert { input, view, target } = arguments;
    let (format, output) = target.open()?;
    let profile = reader.file(input, view)?;
    target.write(output, format, &profile, view.value(&profile), input, reader.limit())
}

pub(super) fn merge(arguments: &Merge, reader: &Reader) -> Result<(), Failure> {
    let Merge { files, view, target, label } = arguments;
    let (format, output) = target.open()?;
    let merged = read::merge(files.iter().map(|path| {
        let mut profile = reader.file(path, view)?;
        if let Some(key) = label {
            profile.add_label(Label::text(key.clone(), path.display().to_string()));
        }
        Ok(profile)
    }))?;
    let name = Path::new("merged");
    target.write(output, format, &merged, view.value(&merged), name, reader.limit())
}

impl Target {
    fn open(&self) -> Result<(Format, Output), Failure> {
        let format = Format::choose(self.to, &self.output)?;
        Ok((format, Output::open(&self.output)?))
    }

    fn write(
        &self,
        output: Output,
        format: Format,
        profile: &Profile,
        value: SampleType,
        input: &Path,
        limit: Bytes,
    ) -> Result<(), Failure> {
        let is_known = |value| {
            let of = profile.uncertainty(value);
            of.is_some_and(|uncertainty| uncertainty <= Uncertainty::Approximate)
        };
        let mut objects = SampleType::ALL.into_iter().filter(|value| value.unit() != "bytes");
        if format == Format::Pprof && !self.sizes && objects.any(is_known) {
            tell(
                "the uncertainty of numbers of objects is lost, as it needs their sizes: \
                 --sizes keeps these",
            );
        }
        let name = input.file_name().map_or("heap profile".into(), |name| name.to_string_lossy());
        let is_shown = output.is_shown() && format.is_json();
        output.write(|writer| {
            let mut escaping = Escaping::new(&mut *writer);
            let writer: &mut dyn Write = if is_shown { &mut escaping } else { writer };
            format.write(profile, writer, value, &name, self.sizes, limit)
        })
    }
}
