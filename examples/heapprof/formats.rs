//! The formats that are written, by name and by the ends of files' names.

use std::io::Write;
use std::path::Path;

use clap::ValueEnum;
use v8_heap_sampler::format::{DotOptions, FlamegraphOptions, PprofOptions, WriteError};
use v8_heap_sampler::{HeapProfile, SampleType};

use crate::Failure;

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
        named.or_else(|| Self::of(output)).ok_or_else(|| {
            let names = Self::value_variants().iter().filter_map(Self::to_possible_value);
            let names: Vec<_> = names.map(|value| value.get_name().to_owned()).collect();
            Failure::Usage(format!(
                "{}: which format is that? Say it by --to: {}",
                output.display(),
                names.join(", ")
            ))
        })
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
        profile: &HeapProfile,
        writer: &mut dyn Write,
        value: SampleType,
        name: &str,
        sizes: bool,
    ) -> Result<(), WriteError> {
        let counted = value.counted();
        match self {
            Self::Heapprofile => profile.write_heapprofile(writer, counted),
            Self::Pprof => profile.write_pprof(writer, &PprofOptions::new().object_sizes(sizes)),
            Self::Speedscope => profile.write_speedscope(writer, name),
            Self::Folded => profile.write_folded(writer, value),
            Self::Svg => profile.write_flamegraph(writer, &FlamegraphOptions::new(value)),
            Self::Dot => profile.write_dot(writer, &DotOptions::new(value)),
            Self::Firefox => profile.write_firefox(writer, name),
            Self::Nodes => profile.write_nodes(writer, counted),
            Self::Nested => profile.write_nested_nodes(writer, counted),
        }
    }

    /// Writes what has changed.
    pub(crate) fn write_diff(
        self,
        before: &HeapProfile,
        after: &HeapProfile,
        writer: &mut dyn Write,
        value: SampleType,
    ) -> Result<(), WriteError> {
        match self {
            Self::Pprof => after.write_pprof_diff(writer, before, &PprofOptions::new()),
            Self::Svg => {
                after.write_flamegraph_diff(writer, before, &FlamegraphOptions::new(value))
            }
            _ => Err(WriteError::Format {
                format: "difference",
                problem: "only a flame graph (svg) and pprof can show one".to_owned(),
            }),
        }
    }
}
