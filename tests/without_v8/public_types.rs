//! Every public type can be shared between threads, and printed for debugging.

use std::fmt::Debug;

use v8_heap_sampler::analysis::{
    Change, Cycle, Cycles, Diff, DiffOptions, DiffRow, GroupBy, Leak, LeakOptions, LeakPath, Leaks,
    Metric, Pattern, Peek, PeekedCall, PeekedFunction, Query, Rate, Recursion, Sessions, Top,
    TopOptions, TopRow, Tree, TreeKind, TreeOptions, TreeRow,
};
use v8_heap_sampler::budget::{
    Amounts, Budget, FunctionAmounts, Measurement, OverBudget, Runs, Scope, Violation,
};
use v8_heap_sampler::format::{WriteError, WriteOptions};
use v8_heap_sampler::source::{
    FileSources, ListOptions, ListedFile, ListedFunction, ListedLine, Listing, MemorySources,
    Script,
};
use v8_heap_sampler::{
    Allocation, AnalysisError, Bytes, Callgraph, Collection, Confidence, ConfidenceInterval,
    Context, Contexts, Counted, Error, Estimate, Function, FunctionNode, HeapStatistics, KeepDead,
    Label, LabelValue, Metadata, Name, Node, NodeId, Objects, OrdinalSample, Original, OwnWork,
    Profile, ProfileError, PseudoFrame, Row, Sample, SampleId, SampleType, SamplerOptions,
    ScriptId, Timestamp, Uncertainty,
};

fn is_shared_and_shown<T: Send + Sync + Debug>() {}

macro_rules! all {
    ($($type:ty),+ $(,)?) => {
        $(is_shared_and_shown::<$type>();)+
    };
}

#[test]
fn types_are_shared_and_shown() {
    all!(Allocation, AnalysisError, Bytes, Callgraph, Collection, Confidence);
    all!(ConfidenceInterval, Context<'_>, Contexts<'_>, Counted, Error, Estimate, Function);
    all!(FunctionNode, HeapStatistics, KeepDead, Label, LabelValue, Metadata, Name);
    all!(Node, NodeId, Objects, OrdinalSample, Original, OwnWork, Profile);
    all!(ProfileError, PseudoFrame, Row<'_>, Sample, SampleId, SampleType);
    all!(SamplerOptions, ScriptId, Timestamp, Uncertainty);
    all!(Change, Cycle, Cycles, Diff, DiffOptions, DiffRow, GroupBy, Leak, LeakOptions, LeakPath);
    all!(Leaks, Metric, Pattern, Peek, PeekedCall, PeekedFunction, Query, Rate, Recursion);
    all!(Sessions, Top, TopOptions, TopRow, Tree, TreeKind, TreeOptions, TreeRow);
    all!(Amounts, Budget, FunctionAmounts, Measurement, OverBudget, Runs, Scope, Violation);
    all!(WriteError, WriteOptions);
    all!(FileSources, ListOptions, ListedFile<u8>, ListedFunction<u8>, ListedLine<u8>);
    all!(Listing<u8>, MemorySources, Script<'_>);
}

#[cfg(feature = "formats")]
#[test]
fn types_of_formats_are_shared_and_shown() {
    use v8_heap_sampler::format::{ReadError, ReadOptions};
    all!(ReadError, ReadOptions);
}

#[cfg(feature = "sourcemap")]
#[test]
fn types_of_source_maps_are_shared_and_shown() {
    use v8_heap_sampler::source::{MapReport, ScriptReport};
    all!(MapReport, ScriptReport);
}
