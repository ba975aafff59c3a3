//! The formats that are written, by name and by the ends of files' names.

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use clap::ValueEnum;
use v8_heap_sampler::format::{WriteError, WriteOptions};
use v8_heap_sampler::{Bytes, Profile, SampleType};

use crate::failure::Failure;

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq)]
pub(crate) enum Format {
    /// Chrome DevTools, VS Code: .heapprofile
    Heapprofile,
    /// pprof: .pb.gz, .pprof
    Pprof,
    /// speedscope: .speedscope.json
    Speedscope,
    /// Folded stacks: .folded, .txt
    Folded,
    /// A flame graph: .svg
    Svg,
    /// The call graph for Graphviz: .dot, .gv
    Dot,
    /// The Firefox Profiler: .firefox.json
    Firefox,
    /// A flat list of nodes: .nodes.json
    Nodes,
    /// Nodes within nodes: .nested.json
    Nested,
}

impl Format {
    /// The format that was named, or that of the end of the output's name.
    pub(crate) fn choose(named: Option<Self>, output: &Path) -> Result<Self, Failure> {
        let format = named.or_else(|| Self::of(output)).ok_or_else(|| {
            let names = Self::value_variants().iter().filter_map(Self::to_possible_value);
            let names: Vec<_> = names.map(|value| value.get_name().to_owned()).collect();
            Failure::Usage(format!(
                "{}: which format is that? Say it by --to: {}",
                output.display(),
                names.join(", ")
            ))
        })?;
        if format == Self::Pprof && output == Path::new("-") && io::stdout().is_terminal() {
            let problem = "pprof is no text for a terminal: write a file, or to a pipe";
            return Err(Failure::Usage(problem.to_owned()));
        }
        Ok(format)
    }

    pub(crate) fn is_json(self) -> bool {
        match self {
            Self::Heapprofile | Self::Speedscope | Self::Firefox | Self::Nodes | Self::Nested => {
                true
            }
            Self::Pprof | Self::Folded | Self::Svg | Self::Dot => false,
        }
    }

    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let ends = [
            (".heapprofile", Self::Heapprofile),
            (".pb.gz", Self::Pprof),
            (".pprof", Self::Pprof),
            (".speedscope.json", Self::Speedscope),
            (".folded", Self::Folded),
            (".txt", Self::Folded),
            (".svg", Self::Svg),
            (".dot", Self::Dot),
            (".gv", Self::Dot),
            (".firefox.json", Self::Firefox),
            (".nodes.json", Self::Nodes),
            (".nested.json", Self::Nested),
        ];
        ends.into_iter().find(|(end, _)| name.ends_with(end)).map(|(_, format)| format)
    }

    pub(crate) fn write(
        self,
        profile: &Profile,
        writer: &mut dyn Write,
        value: SampleType,
        name: &str,
        sizes: bool,
        limit: Bytes,
    ) -> Result<(), WriteError> {
        let options = WriteOptions::from(value).title(name).object_sizes(sizes).limit(limit);
        let written = match self {
            Self::Heapprofile => profile.write_heapprofile(writer, options),
            Self::Pprof => profile.write_pprof(writer, options),
            Self::Speedscope => profile.write_speedscope(writer, options),
            Self::Folded => profile.write_folded(writer, options),
            Self::Svg => profile.write_flamegraph(writer, WriteOptions::from(value).limit(limit)),
            Self::Dot => profile.write_dot(writer, options),
            Self::Firefox => profile.write_firefox(writer, options),
            Self::Nodes => profile.write_nodes(writer, options),
            Self::Nested => profile.write_nested_nodes(writer, options),
        };
        written.map_err(by_argument)
    }

    /// Writes what has changed.
    pub(crate) fn write_diff(
        self,
        before: &Profile,
        after: &Profile,
        writer: &mut dyn Write,
        value: SampleType,
        limit: Bytes,
    ) -> Result<(), WriteError> {
        let options = WriteOptions::from(value).limit(limit);
        let written = match self {
            Self::Pprof => after.write_pprof_diff(writer, before, options),
            Self::Svg => after.write_flamegraph_diff(writer, before, options),
            _ => Err(WriteError::Format {
                format: "difference",
                problem: "only a flame graph (svg) and pprof can show one".to_owned(),
            }),
        };
        written.map_err(by_argument)
    }
}

/// The error with the arguments that help, in place of the options that they set.
fn by_argument(error: WriteError) -> WriteError {
    match error {
        WriteError::TooLarge { format, needed, limit, .. } => {
            let problem = format!(
                "that would take {needed} or more, and the limit is {limit}: raise it with \
                 --memory MB, or make stacks shorter or fewer with --recursion all, --prune or \
                 --trim"
            );
            WriteError::Format { format, problem }
        }
        error => error,
    }
}
