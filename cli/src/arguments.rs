//! The arguments of the program.

use std::path::PathBuf;

use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};
use v8_heap_sampler::SampleType;
use v8_heap_sampler::analysis::{GroupBy, Metric, Recursion};

use crate::formats::Format;

const AFTER_HELP: &str = "\
    FILES are .heapprofile, pprof, JSON of profiles and of nodes, compressed by gzip or not; `-` \
    is standard input. Several are added up.

Exit codes: 0 for an answer, 1 if a file cannot be read or written, 2 if the arguments make no \
    sense or do not suffice, 3 if --exit-code was given and something has grown or leaks. If that \
    cannot be told from chance, as the files do not tell their sampling interval, --exit-code \
    gives 2: say --interval, of 1 if all objects were sampled.";

/// Reads heap profiles of any format, answers questions about them, and writes them in another.
#[derive(Parser, Debug)]
#[command(name = "heapprof", version, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Values of files that do not name them (.heapprofile, nodes) are of all objects that were
    /// allocated, not of those in use
    #[arg(long, global = true)]
    pub(crate) allocated: bool,
    /// The sampling interval of files that do not tell it (.heapprofile: 32768 of Chrome, 524288 of
    /// Node), from which the uncertainty of their values follows
    #[arg(
        long,
        global = true,
        value_name = "BYTES",
        value_parser = clap::value_parser!(u64).range(1..),
    )]
    pub(crate) interval: Option<u64>,
    /// Rows by line of call, as of `go tool pprof -lines`, for pprof profiles of native programs
    #[arg(long, global = true)]
    pub(crate) call_lines: bool,
    /// How much memory reading may take, and writing, and how large what is written may become, in
    /// MB
    #[arg(long, global = true, value_name = "MB", default_value_t = 2048)]
    pub(crate) memory: u64,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Show original places, by the source maps of scripts
    #[arg(long, global = true)]
    pub(crate) source_maps: bool,
    /// The folder that scripts, maps and sources are in; nothing outside of it is read
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) root: Option<PathBuf>,
    /// Where scripts are whose URLs begin so, as `https://example.com/static/=dist`
    #[arg(long, global = true, value_name = "URL=FOLDER", value_parser = prefix)]
    pub(crate) prefix: Vec<(String, PathBuf)>,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    pub(crate) color: ColorChoice,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Who allocates most: by function, script, directory, package, stack or label
    Top(Top),
    /// The tree of calls, from the outside in
    Tree(Tree),
    /// The functions that allocate, and below each its callers
    BottomUp(BottomUp),
    /// Functions with their callers and callees
    Peek(Peek),
    /// The way along the largest callees
    HotPath(HotPath),
    /// Which single function everything passes through
    Dominators(Dominators),
    /// Recursion, and what it holds
    Cycles(Cycles),
    /// What has changed, and which changes are more than sampling explains
    Diff(Diff),
    /// What leaks: three or more snapshots of one process, in order
    Leaks(Leaks),
    /// Source lines around the functions that allocate, with their costs
    List(List),
    /// Write a file in another format
    Convert(Convert),
    /// Add files up
    Merge(Merge),
    /// Say what is in files
    Stat(Stat),
}

#[derive(Args, Debug)]
pub(crate) struct Top {
    #[command(flatten)]
    pub(crate) input: Input,
    /// How many rows
    #[arg(short = 'n', long, default_value_t = 20)]
    pub(crate) count: usize,
    /// By what: function, name, script, directory, package, stack, label:KEY
    #[arg(long, default_value = "function")]
    pub(crate) by: GroupBy,
    /// What comes first
    #[arg(long, value_enum, default_value_t = Sort::Own)]
    pub(crate) sort: Sort,
    /// The least share of the whole, in per cent
    #[arg(long, value_name = "PER CENT", default_value_t = 0.0, value_parser = percent)]
    pub(crate) least: f64,
    /// Show rows of one sample each by themselves
    #[arg(long)]
    pub(crate) every_row: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Tree {
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) cut: Cut,
}

#[derive(Args, Debug)]
pub(crate) struct BottomUp {
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) cut: Cut,
}

#[derive(Args, Debug)]
pub(crate) struct Peek {
    /// Which functions: a regular expression for names and scripts
    pub(crate) pattern: String,
    #[command(flatten)]
    pub(crate) input: Input,
}

#[derive(Args, Debug)]
pub(crate) struct HotPath {
    #[command(flatten)]
    pub(crate) input: Input,
}

#[derive(Args, Debug)]
pub(crate) struct Dominators {
    #[command(flatten)]
    pub(crate) input: Input,
    #[command(flatten)]
    pub(crate) cut: Cut,
}

#[derive(Args, Debug)]
pub(crate) struct Cycles {
    #[command(flatten)]
    pub(crate) input: Input,
}

#[derive(Args, Debug)]
pub(crate) struct Diff {
    /// The earlier profile
    pub(crate) before: PathBuf,
    /// The later profile
    pub(crate) after: PathBuf,
    #[command(flatten)]
    pub(crate) view: View,
    /// How many rows
    #[arg(short = 'n', long, default_value_t = 20)]
    pub(crate) count: usize,
    /// By what: function, name, script, directory, package, stack, label:KEY
    #[arg(long, default_value = "function")]
    pub(crate) by: GroupBy,
    /// What is compared
    #[arg(long, value_enum, default_value_t = Sort::Own)]
    pub(crate) sort: Sort,
    /// How large a part of the changes that are marked may be chance, in per cent
    #[arg(long, value_name = "PER CENT", default_value_t = 5.0, value_parser = percent)]
    pub(crate) false_discoveries: f64,
    /// Both are of one session, so that samples in both are the same objects
    #[arg(long)]
    pub(crate) same_session: bool,
    /// Write the difference: a flame graph (.svg) or a pprof profile (.pb.gz)
    #[arg(short, long)]
    pub(crate) output: Option<PathBuf>,
    /// The format; by default that of the output's extension
    #[arg(long)]
    pub(crate) to: Option<Format>,
    /// Exit with 3 if something has grown, by more than chance; with 2 if the files do not tell
    /// their sampling interval, from which that follows, and --interval does not either
    #[arg(long)]
    pub(crate) exit_code: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Leaks {
    /// The snapshots, the earliest first
    #[arg(required = true, num_args = 1..)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) view: View,
    /// How many rows
    #[arg(short = 'n', long, default_value_t = 20)]
    pub(crate) count: usize,
    /// By what: function, name, script, directory, package
    #[arg(long, default_value = "function")]
    pub(crate) by: GroupBy,
    /// How large a part of the leaks found may be none, in per cent
    #[arg(long, value_name = "PER CENT", default_value_t = 5.0, value_parser = percent)]
    pub(crate) false_discoveries: f64,
    /// All are of one session, so that samples can be followed
    #[arg(long)]
    pub(crate) same_session: bool,
    /// Exit with 3 if something leaks; with 2 if that cannot be told from chance
    #[arg(long)]
    pub(crate) exit_code: bool,
}

#[derive(Args, Debug)]
pub(crate) struct List {
    /// Which functions: a regular expression for names and scripts
    pub(crate) pattern: String,
    #[command(flatten)]
    pub(crate) input: Input,
    /// How many lines before a function's first
    #[arg(long, value_name = "LINES", default_value_t = 2)]
    pub(crate) before: usize,
    /// How many lines after it
    #[arg(long, value_name = "LINES", default_value_t = 5)]
    pub(crate) after: usize,
    /// How many characters of a line
    #[arg(long, value_name = "CHARACTERS", default_value_t = 100)]
    pub(crate) width: usize,
    /// Also functions that allocate nothing themselves
    #[arg(long)]
    pub(crate) callers: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Convert {
    /// The file to read
    pub(crate) input: PathBuf,
    #[command(flatten)]
    pub(crate) view: View,
    #[command(flatten)]
    pub(crate) target: Target,
}

#[derive(Args, Debug)]
pub(crate) struct Merge {
    /// The files to read
    #[arg(required = true, num_args = 1..)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) view: View,
    #[command(flatten)]
    pub(crate) target: Target,
    /// Put the name of its file on each profile, as a label with this key
    #[arg(long, value_name = "KEY")]
    pub(crate) label: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Stat {
    #[arg(required = true)]
    pub(crate) files: Vec<PathBuf>,
}

/// What is read, and which part of it is looked at.
#[derive(Args, Debug)]
pub(crate) struct Input {
    /// The files to read; several are added up
    #[arg(required = true, num_args = 1..)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) view: View,
}

/// Which value, and which part of a profile.
#[derive(Args, Debug)]
pub(crate) struct View {
    /// Which value: alloc_objects, alloc_space, inuse_objects or inuse_space; by default what the
    /// file says, or the last it has
    #[arg(long, value_name = "VALUE")]
    pub(crate) value: Option<SampleType>,
    /// Only stacks on which a function or its script matches a regular expression
    #[arg(long, value_name = "REGEX")]
    pub(crate) focus: Option<String>,
    /// No stacks on which a function matches
    #[arg(long, value_name = "REGEX")]
    pub(crate) ignore: Option<String>,
    /// Stacks from the outermost function that matches on
    #[arg(long, value_name = "REGEX")]
    pub(crate) show_from: Option<String>,
    /// Take functions that match off all stacks
    #[arg(long, value_name = "REGEX")]
    pub(crate) hide: Option<String>,
    /// Take all others off
    #[arg(long, value_name = "REGEX")]
    pub(crate) show: Option<String>,
    /// Take functions that match off the outer ends of stacks
    #[arg(long, value_name = "REGEX")]
    pub(crate) trim: Option<String>,
    /// Take V8's built-in functions, such as `map`, off all stacks
    #[arg(long)]
    pub(crate) hide_builtins: bool,
    /// Collapse recursion: of functions that call themselves, or all
    #[arg(long, value_enum, value_name = "WHICH")]
    pub(crate) recursion: Option<Recurring>,
    /// Put what has less than this share of the whole together, in per cent
    #[arg(long, value_name = "PER CENT", value_parser = percent)]
    pub(crate) prune: Option<f64>,
}

/// How trees are cut.
#[derive(Args, Debug)]
pub(crate) struct Cut {
    /// The least share of the whole, in per cent
    #[arg(long, value_name = "PER CENT", default_value_t = 0.5, value_parser = percent)]
    pub(crate) least: f64,
    /// How many levels
    #[arg(long)]
    pub(crate) depth: Option<usize>,
}

/// What is written.
#[derive(Args, Debug)]
pub(crate) struct Target {
    /// The file to write; `-` is standard output
    #[arg(short, long)]
    pub(crate) output: PathBuf,
    /// The format; by default that of the output's extension
    #[arg(long)]
    pub(crate) to: Option<Format>,
    /// Keep objects of different sizes apart (pprof)
    #[arg(long)]
    pub(crate) sizes: bool,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
pub(crate) enum Sort {
    /// What is allocated by itself
    #[value(name = "self")]
    Own,
    /// What is allocated while it is on the stack
    Total,
}

impl From<Sort> for Metric {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Own => Self::Own,
            Sort::Total => Self::Total,
        }
    }
}

#[derive(ValueEnum, Clone, Copy, Debug)]
pub(crate) enum Recurring {
    Direct,
    All,
}

impl From<Recurring> for Recursion {
    fn from(which: Recurring) -> Self {
        match which {
            Recurring::Direct => Self::Direct,
            Recurring::All => Self::All,
        }
    }
}

/// Of an argument in per cent.
fn percent(argument: &str) -> Result<f64, String> {
    let number: f64 = argument.parse().map_err(|_| "that is no number".to_owned())?;
    let is_share = (0.0..=100.0).contains(&number);
    is_share.then_some(number).ok_or_else(|| "it must be from 0 to 100".to_owned())
}

/// Of an argument `URL=FOLDER`.
fn prefix(argument: &str) -> Result<(String, PathBuf), String> {
    let (url, folder) = argument.split_once('=').ok_or("there is no `=` between URL and FOLDER")?;
    Ok((url.to_owned(), folder.into()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn arguments_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }
}
