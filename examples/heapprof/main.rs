//! Reads heap profiles of any format, answers questions about them, and writes them in another.
//!
//! ```text
//! cargo run --example heapprof --features formats,regex,sourcemap -- top FILES... [-n 20] [--by package]
//! cargo run --example heapprof --features formats,regex,sourcemap -- diff BEFORE AFTER [-o OUT]
//! cargo run --example heapprof --features formats,regex,sourcemap -- leaks FIRST SECOND THIRD ...
//! cargo run --example heapprof --features formats,regex,sourcemap -- convert IN -o OUT [--to FORMAT]
//! cargo run --example heapprof --features formats,regex,sourcemap -- --help
//! ```
//!
//! Exits with 1 if a file cannot be read or written, with 2 if the arguments make no sense or do not suffice,
//! and with 3 if `--exit-code` is given and `diff` finds growth, or `leaks` a leak.

mod formats;
mod json;
mod output;
mod read;

use std::cell::RefCell;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use clap::{Args, ColorChoice, Parser, Subcommand, ValueEnum};
use formats::Format;
use json::Escaping;
use output::Output;
use read::{merge, read, read_all};
use serde::Serialize;
use v8_heap_sampler::analysis::{
    DiffBy, DiffOptions, DiffRow, GroupBy, Leak, LeakError, LeakOptions, Measure, Pattern, Query,
    Recursion, Sessions, TopOptions, TreeOptions, Uncertainty, diff, leaks,
};
use v8_heap_sampler::format::{ReadOptions, plain_text};
use v8_heap_sampler::source::{FileSources, ListOptions, MapProblem, MemorySources, ScriptReport};
use v8_heap_sampler::{Bytes, Counted, HeapProfile, Label, SampleType};

/// Reads heap profiles of any format, answers questions about them, and writes them in another.
#[derive(Parser, Debug)]
#[command(
    name = "heapprof",
    version,
    after_help = "FILES are .heapprofile, pprof, JSON of profiles and of nodes, compressed by \
                        gzip or not; `-` is standard input. Several are added up.

Exit codes: 0 for an answer, 1 if a file cannot be read or written, 2 if the arguments make no sense \
                        or do not suffice, 3 if --exit-code was given and something has grown or \
                        leaks. If that cannot be told from chance, as the files do not tell their \
                        sampling interval, --exit-code gives 2: say --interval, of 1 if all objects \
                        were sampled."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Values of files that do not name them (.heapprofile, nodes) are of all objects that were
    /// allocated, not of those in use
    #[arg(long, global = true)]
    allocated: bool,
    /// The sampling interval of files that do not tell it (.heapprofile: 32768 of Chrome, 524288 of
    /// Node), from which the uncertainty of their values follows
    #[arg(long, global = true, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(1..))]
    interval: Option<u64>,
    /// Rows by line of call, as of `go tool pprof -lines`, for pprof profiles of native programs
    #[arg(long, global = true)]
    call_lines: bool,
    /// How much memory reading may take, and writing, and how large what is written may become, in MB
    #[arg(long, global = true, value_name = "MB", default_value_t = 2048)]
    memory: u64,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    /// Show original places, by the source maps of scripts
    #[arg(long, global = true)]
    source_maps: bool,
    /// The folder that scripts, maps and sources are in; nothing outside of it is read
    #[arg(long, global = true, value_name = "FOLDER")]
    root: Option<PathBuf>,
    /// Where scripts are whose URLs begin so, as `https://example.com/static/=dist`
    #[arg(long, global = true, value_name = "URL=FOLDER", value_parser = prefix)]
    prefix: Vec<(String, PathBuf)>,
    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value_t = ColorChoice::Auto)]
    color: ColorChoice,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Who allocates most: by function, script, directory, package or label
    Top {
        #[command(flatten)]
        input: Input,
        /// How many rows
        #[arg(short = 'n', long, default_value_t = 20)]
        count: usize,
        /// By what: function, name, script, directory, package, label:KEY
        #[arg(long, default_value = "function")]
        by: GroupBy,
        /// What comes first
        #[arg(long, value_enum, default_value_t = Sort::Own)]
        sort: Sort,
        /// The least share of the whole, in per cent
        #[arg(long, value_name = "PER CENT", default_value_t = 0.0, value_parser = percent)]
        least: f64,
    },
    /// The tree of calls, from the outside in
    Tree {
        #[command(flatten)]
        input: Input,
        #[command(flatten)]
        cut: Cut,
    },
    /// The functions that allocate, and below each its callers
    BottomUp {
        #[command(flatten)]
        input: Input,
        #[command(flatten)]
        cut: Cut,
    },
    /// Functions with their callers and callees
    Peek {
        /// Which functions: a regular expression for names and scripts
        pattern: String,
        #[command(flatten)]
        input: Input,
    },
    /// The way along the largest callees
    HotPath {
        #[command(flatten)]
        input: Input,
    },
    /// Which single function everything passes through
    Dominators {
        #[command(flatten)]
        input: Input,
        /// How many rows
        #[arg(short = 'n', long, default_value_t = 20)]
        count: usize,
    },
    /// Recursion, and what it holds
    Cycles {
        #[command(flatten)]
        input: Input,
    },
    /// What has changed, and which changes are more than sampling explains
    Diff {
        /// The earlier profile
        before: PathBuf,
        /// The later profile
        after: PathBuf,
        #[command(flatten)]
        view: View,
        /// How many rows
        #[arg(short = 'n', long, default_value_t = 20)]
        count: usize,
        /// By what: function, name, script, directory, package, label:KEY, or stack
        #[arg(long, default_value = "function")]
        by: String,
        /// What is compared
        #[arg(long, value_enum, default_value_t = Sort::Own)]
        sort: Sort,
        /// How large a part of the changes that are marked may be chance, in per cent
        #[arg(long, value_name = "PER CENT", default_value_t = 5.0, value_parser = percent)]
        false_discoveries: f64,
        /// Both are of one session, so that samples in both are the same objects
        #[arg(long)]
        same_session: bool,
        /// Write the difference: a flame graph (.svg) or a pprof profile (.pb.gz)
        #[arg(short, long)]
        output: Option<PathBuf>,
        /// The format; by default that of the output's extension
        #[arg(long)]
        to: Option<Format>,
        /// Exit with 3 if something has grown, by more than chance; with 2 if the files do not tell
        /// their sampling interval, from which that follows, and --interval does not either
        #[arg(long)]
        exit_code: bool,
    },
    /// What leaks: three or more snapshots of one process, in order
    Leaks {
        /// The snapshots, the earliest first
        #[arg(required = true, num_args = 1..)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        view: View,
        /// How many rows
        #[arg(short = 'n', long, default_value_t = 20)]
        count: usize,
        /// By what: function, name, script, directory, package
        #[arg(long, default_value = "function")]
        by: GroupBy,
        /// How large a part of the leaks found may be none, in per cent
        #[arg(long, value_name = "PER CENT", default_value_t = 5.0, value_parser = percent)]
        false_discoveries: f64,
        /// All are of one session, so that samples can be followed
        #[arg(long)]
        same_session: bool,
        /// Exit with 3 if something leaks; with 2 if that cannot be told from chance
        #[arg(long)]
        exit_code: bool,
    },
    /// Source lines around the functions that allocate, with their costs
    List {
        /// Which functions: a regular expression for names and scripts
        pattern: String,
        #[command(flatten)]
        input: Input,
        /// How many lines before a function's first
        #[arg(long, value_name = "LINES", default_value_t = 2)]
        before: usize,
        /// How many lines after it
        #[arg(long, value_name = "LINES", default_value_t = 5)]
        after: usize,
        /// How many characters of a line
        #[arg(long, value_name = "CHARACTERS", default_value_t = 100)]
        width: usize,
        /// Also functions that allocate nothing themselves
        #[arg(long)]
        callers: bool,
    },
    /// Write a file in another format
    Convert {
        /// The file to read
        input: PathBuf,
        #[command(flatten)]
        view: View,
        #[command(flatten)]
        target: Target,
    },
    /// Add files up
    Merge {
        /// The files to read
        #[arg(required = true, num_args = 1..)]
        files: Vec<PathBuf>,
        #[command(flatten)]
        view: View,
        #[command(flatten)]
        target: Target,
        /// Put the name of its file on each profile, as a label with this key
        #[arg(long, value_name = "KEY")]
        label: Option<String>,
    },
    /// Say what is in files
    Stat {
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// What is read, and which part of it is looked at.
#[derive(Args, Debug)]
struct Input {
    /// The files to read; several are added up
    #[arg(required = true, num_args = 1..)]
    files: Vec<PathBuf>,
    #[command(flatten)]
    view: View,
}

/// Which value, and which part of a profile.
#[derive(Args, Debug)]
struct View {
    /// Which value: alloc_objects, alloc_space, inuse_objects or inuse_space; by default what the file
    /// says, or the last it has
    #[arg(long, value_name = "VALUE")]
    value: Option<SampleType>,
    /// Only stacks on which a function or its script matches a regular expression
    #[arg(long, value_name = "REGEX")]
    focus: Option<String>,
    /// No stacks on which a function matches
    #[arg(long, value_name = "REGEX")]
    ignore: Option<String>,
    /// Stacks from the outermost function that matches on
    #[arg(long, value_name = "REGEX")]
    show_from: Option<String>,
    /// Take functions that match off all stacks
    #[arg(long, value_name = "REGEX")]
    hide: Option<String>,
    /// Take all others off
    #[arg(long, value_name = "REGEX")]
    show: Option<String>,
    /// Take functions that match off the outer ends of stacks
    #[arg(long, value_name = "REGEX")]
    trim: Option<String>,
    /// Take V8's built-in functions, such as `map`, off all stacks
    #[arg(long)]
    hide_builtins: bool,
    /// Collapse recursion: of functions that call themselves, or all
    #[arg(long, value_enum, value_name = "WHICH")]
    recursion: Option<Recurring>,
    /// Put what has less than this share of the whole together, in per cent
    #[arg(long, value_name = "PER CENT", value_parser = percent)]
    prune: Option<f64>,
}

/// How trees are cut.
#[derive(Args, Debug)]
struct Cut {
    /// The least share of the whole, in per cent
    #[arg(long, value_name = "PER CENT", default_value_t = 0.5, value_parser = percent)]
    least: f64,
    /// How many levels
    #[arg(long)]
    depth: Option<usize>,
}

/// What is written.
#[derive(Args, Debug)]
struct Target {
    /// The file to write; `-` is standard output
    #[arg(short, long)]
    output: PathBuf,
    /// The format; by default that of the output's extension
    #[arg(long)]
    to: Option<Format>,
    /// Keep objects of different sizes apart (pprof)
    #[arg(long)]
    sizes: bool,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Sort {
    /// What is allocated by itself
    #[value(name = "self")]
    Own,
    /// What is allocated while it is on the stack
    Total,
}

impl From<Sort> for Measure {
    fn from(sort: Sort) -> Self {
        match sort {
            Sort::Own => Self::Own,
            Sort::Total => Self::Total,
        }
    }
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Recurring {
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

/// Why the program ends without an answer.
enum Failure {
    /// The arguments make no sense.
    Usage(String),
    /// Something cannot be read or written.
    Failed(String),
}

/// Why `--exit-code` cannot say that nothing has grown.
fn not_known(value: SampleType) -> Failure {
    let sizes = match value.unit() {
        "bytes" => String::new(),
        _ => format!(
            "; numbers of objects need their sizes, too: else compare --value {}",
            value.counted().space()
        ),
    };
    Failure::Usage(format!(
        "what has grown cannot be told from chance, as the files do not tell their sampling \
         interval: say it with --interval BYTES, of 1 if all objects were sampled{sizes}"
    ))
}

/// An error that is nobody's fault but the file's.
fn failed(error: impl Display) -> Failure {
    let error = error.to_string();
    let of_allocated = error.contains("has no alloc_");
    let hint =
        if of_allocated { "; if its values are of all objects, say --allocated" } else { "" };
    Failure::Failed(format!("{error}{hint}"))
}

impl View {
    /// The part of a profile that is asked for: as it is, if nothing is.
    fn of(&self, profile: HeapProfile) -> Result<HeapProfile, Failure> {
        let pattern = |expression: &Option<String>| -> Result<Option<Pattern>, Failure> {
            expression.as_deref().map(regex).transpose()
        };
        let builtin = self.hide_builtins.then(Pattern::builtin);
        let hidden = match (pattern(&self.hide)?, builtin) {
            (Some(one), Some(other)) => Some(one.or(other)),
            (one, other) => one.or(other),
        };
        type Add = fn(Query, Pattern) -> Query;
        let patterns: [(Option<Pattern>, Add); 6] = [
            (pattern(&self.focus)?, Query::focus),
            (pattern(&self.ignore)?, Query::ignore),
            (hidden, Query::hide),
            (pattern(&self.show)?, Query::show),
            (pattern(&self.show_from)?, Query::show_from),
            (pattern(&self.trim)?, Query::trim),
        ];
        let mut query: Option<Query> = None;
        for (pattern, add) in patterns {
            if let Some(pattern) = pattern {
                query = Some(add(query.unwrap_or_default(), pattern));
            }
        }
        if let Some(recursion) = self.recursion {
            query = Some(query.unwrap_or_default().collapse_recursion(recursion.into()));
        }
        if let Some(share) = self.prune {
            let value = self.value(&profile);
            query = Some(query.unwrap_or_default().prune_below(value, share / 100.0));
        }
        match query {
            None => Ok(profile),
            Some(query) => profile.query(&query).map_err(failed),
        }
    }

    /// What is small in one profile may be large in the other: comparing what was pruned by itself would
    /// show changes that there are none of.
    fn check_is_of_one(&self) -> Result<(), Failure> {
        match self.prune {
            None => Ok(()),
            Some(_) => Err(Failure::Usage("--prune is for a single profile: use -n".to_owned())),
        }
    }

    fn value(&self, profile: &HeapProfile) -> SampleType {
        self.value.unwrap_or_else(|| profile.default_sample_type())
    }
}

fn regex(expression: &str) -> Result<Pattern, Failure> {
    Pattern::regex(expression).map_err(|error| Failure::Usage(error.to_string()))
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

/// Reads what is asked about.
struct Reader {
    options: ReadOptions,
    interval: Option<Bytes>,
    source_maps: bool,
    files: FileSources,
    /// Sources that were in maps.
    originals: RefCell<MemorySources>,
}

impl Reader {
    fn new(cli: &Cli) -> Result<Self, Failure> {
        let unnamed = if cli.allocated { Counted::Allocated } else { Counted::InUse };
        let limit = Bytes(cli.memory.saturating_mul(1_000_000));
        let mut files = FileSources::new();
        if let Some(root) = &cli.root {
            files = files.root(root);
        }
        for (url, folder) in &cli.prefix {
            files = files.prefix(url, folder);
        }
        let no_folder = |error| Failure::Usage(format!("--root or --prefix: {error}"));
        files.check_folders().map_err(no_folder)?;
        Ok(Self {
            options: ReadOptions::new()
                .memory_limit(limit)
                .unnamed(unnamed)
                .call_lines(cli.call_lines),
            interval: cli.interval.map(Bytes),
            source_maps: cli.source_maps,
            files,
            originals: RefCell::default(),
        })
    }

    /// The profile with what the arguments tell of it.
    fn told(&self, mut profile: HeapProfile) -> HeapProfile {
        profile.about.interval = profile.about.interval.or(self.interval);
        if self.source_maps {
            let report = profile.map_sources(&mut self.files.clone());
            // Most scripts of a program have none: that is no problem worth a line.
            let is_worth = |script: &&ScriptReport| match script.problem {
                None => script.mapped == 0,
                Some(MapProblem::NoMap) => false,
                Some(_) => true,
            };
            for script in report.scripts.iter().filter(is_worth) {
                tell(&script.to_string());
            }
            if report.scripts.iter().all(|script| script.problem.is_some()) {
                tell("no script has a source map that can be used: see --root and --prefix");
            }
            *self.originals.borrow_mut() = report.originals;
        }
        profile
    }

    fn file(&self, path: &Path, view: &View) -> Result<HeapProfile, Failure> {
        view.of(self.told(read(path, &self.options)?))
    }

    fn input(&self, input: &Input) -> Result<(HeapProfile, SampleType), Failure> {
        let profile = self.told(read_all(&input.files, &self.options)?);
        let value = input.view.value(&profile);
        Ok((input.view.of(profile)?, value))
    }
}

/// Prints answers.
struct Printer {
    json: bool,
    color: ColorChoice,
}

impl Printer {
    fn print(&self, answer: &(impl Display + Serialize)) -> Result<(), Failure> {
        if self.json {
            let json = serde_json::to_string_pretty(answer).map_err(failed)?;
            return self.lines(&json::escaped(&json), false);
        }
        self.lines(&answer.to_string(), true)
    }

    /// Prints a text; if it is an answer, what is above its table is bold, and rows that are marked are
    /// red, if colours are wanted.
    fn lines(&self, text: &str, is_answer: bool) -> Result<(), Failure> {
        let choice = match self.color {
            ColorChoice::Auto => anstream::ColorChoice::Auto,
            ColorChoice::Always => anstream::ColorChoice::Always,
            ColorChoice::Never => anstream::ColorChoice::Never,
        };
        let mut out = anstream::AutoStream::new(io::stdout().lock(), choice);
        let mut print = || -> io::Result<()> {
            for (at, line) in text.lines().enumerate() {
                let style = match line {
                    _ if !is_answer => Style::new(),
                    _ if at == 0 => Style::new().bold(),
                    _ if line.starts_with('*') => AnsiColor::Red.on_default(),
                    _ => Style::new(),
                };
                writeln!(out, "{style}{}{style:#}", plain_text(line))?;
            }
            out.flush()
        };
        match print() {
            // A reader that has gone away (`| head`) is no failure.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            printed => printed.map_err(|error| failed(format!("standard output: {error}"))),
        }
    }
}

/// What is in a file.
#[derive(Serialize)]
struct Stat {
    file: String,
    contexts: usize,
    functions: usize,
    values: Vec<(SampleType, v8_heap_sampler::analysis::Amount)>,
    interval: Option<u64>,
    duration: Option<f64>,
    unattributed_samples: u64,
    labels: Vec<String>,
    comments: Vec<String>,
}

impl Stat {
    fn of(path: &Path, profile: &HeapProfile) -> Self {
        let about = &profile.about;
        let values = profile.sample_types();
        let values = values.filter_map(|value| Some((value, profile.amount(value)?)));
        let labels = profile.label_sets().filter(|labels| !labels.is_empty()).map(|labels| {
            let labels: Vec<_> = labels.iter().map(ToString::to_string).collect();
            plain_text(&labels.join(", ")).into_owned()
        });
        Self {
            file: path.display().to_string(),
            contexts: profile.len(),
            functions: profile.functions().len(),
            values: values.collect(),
            interval: about.interval.map(|interval| interval.0),
            duration: about.duration.map(|duration| duration.as_secs_f64()),
            unattributed_samples: about.unattributed_samples,
            labels: labels.collect(),
            comments: about
                .comments
                .iter()
                .map(|comment| plain_text(comment).into_owned())
                .collect(),
        }
    }
}

impl Display for Stat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", plain_text(&self.file))?;
        writeln!(f, "  {} contexts of {} functions", self.contexts, self.functions)?;
        for (value, amount) in &self.values {
            let exact = match value.unit() {
                "bytes" => format!("{:.0} bytes, ", amount.value()),
                _ => String::new(),
            };
            writeln!(f, "  {value}: {exact}{amount}")?;
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
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|stat| stat.fmt(f))
    }
}

/// Tells something on standard error. If that is full or closed, there is nobody to tell it to.
pub(crate) fn tell(text: &str) {
    let mut out = io::stderr().lock();
    for line in text.lines() {
        if writeln!(out, "{}", plain_text(line)).is_err() {
            return;
        }
    }
}

/// What the program was asked to tell by its exit code.
enum Told {
    Nothing,
    Found,
}

fn run(cli: &Cli) -> Result<Told, Failure> {
    let reader = Reader::new(cli)?;
    let printer = Printer { json: cli.json, color: cli.color };
    match &cli.command {
        Command::Top { input, count, by, sort, least } => {
            let (profile, value) = reader.input(input)?;
            let options = TopOptions::new(value)
                .by(by.clone())
                .sort((*sort).into())
                .count(*count)
                .least_share(least / 100.0);
            printer.print(&profile.top(&options).map_err(failed)?)?;
        }
        Command::Tree { input, cut } => {
            let (profile, value) = reader.input(input)?;
            printer.print(&profile.top_down(&cut.options(value)).map_err(failed)?)?;
        }
        Command::BottomUp { input, cut } => {
            let (profile, value) = reader.input(input)?;
            printer.print(&profile.bottom_up(&cut.options(value)).map_err(failed)?)?;
        }
        Command::Peek { pattern, input } => {
            let pattern = regex(pattern)?;
            let (profile, value) = reader.input(input)?;
            printer.print(&profile.peek(value, &pattern).map_err(failed)?)?;
        }
        Command::HotPath { input } => {
            let (profile, value) = reader.input(input)?;
            printer.print(&profile.hot_path(value).map_err(failed)?)?;
        }
        Command::Dominators { input, count } => {
            let (profile, value) = reader.input(input)?;
            let mut dominators = profile.dominators(value).map_err(failed)?;
            dominators.functions.truncate(*count);
            printer.print(&dominators)?;
        }
        Command::Cycles { input } => {
            let (profile, value) = reader.input(input)?;
            printer.print(&profile.cycles(value).map_err(failed)?)?;
        }
        Command::Diff {
            before,
            after,
            view,
            count,
            by,
            sort,
            false_discoveries,
            same_session,
            output,
            to,
            exit_code,
        } => {
            let by = match by.as_str() {
                "stack" => DiffBy::Stack,
                by => DiffBy::Group(
                    by.parse().map_err(|error| Failure::Usage(format!("{error}, and stack")))?,
                ),
            };
            view.check_is_of_one()?;
            let output = match output {
                None => None,
                Some(output) => {
                    let format = Format::choose(*to, output)?;
                    if !matches!(format, Format::Svg | Format::Pprof) {
                        let problem = "a difference is a flame graph (svg) or a pprof profile";
                        return Err(Failure::Usage(problem.to_owned()));
                    }
                    Some((format, Output::open(output)?))
                }
            };
            let (before, after) = (reader.file(before, view)?, reader.file(after, view)?);
            let value = view.value(&after);
            let mut options = DiffOptions::new(value)
                .by(by)
                .measure((*sort).into())
                .count(*count)
                .false_discovery_rate(false_discoveries / 100.0);
            if *same_session {
                options = options.sessions(Sessions::Same);
            }
            let changes = diff(&before, &after, &options).map_err(failed)?;
            match output {
                None => printer.print(&changes)?,
                Some((format, output)) => {
                    let limit = reader.options.memory_limit;
                    output
                        .write(|writer| format.write_diff(&before, &after, writer, value, limit))?;
                }
            }
            if *exit_code && changes.grown > 0 {
                return Ok(Told::Found);
            }
            if *exit_code && changes.total.p_value().is_none() {
                let all = diff(&before, &after, &options.count(usize::MAX)).map_err(failed)?;
                let is_growth = |row: &DiffRow| match sort {
                    Sort::Own => row.own.value() > 0.0,
                    Sort::Total => row.total.value() > 0.0,
                };
                if all.rows.iter().any(is_growth) {
                    return Err(not_known(value));
                }
            }
        }
        Command::Leaks { files, view, count, by, false_discoveries, same_session, exit_code } => {
            view.check_is_of_one()?;
            let mut snapshots = Vec::with_capacity(files.len());
            for path in files {
                snapshots.push(reader.file(path, view)?);
            }
            let value = match (view.value, snapshots.last()) {
                (None, Some(last)) => view.value(last),
                (value, _) => value.unwrap_or(SampleType::InuseSpace),
            };
            let mut options = LeakOptions::new()
                .sample_type(value)
                .by(by.clone())
                .count(*count)
                .false_discovery_rate(false_discoveries / 100.0);
            if *same_session {
                options = options.sessions(Sessions::Same);
            }
            let found = leaks(&snapshots, &options).map_err(|error| match error {
                LeakError::NoSuchValues { .. } => failed(error),
                _ => Failure::Usage(error.to_string()),
            })?;
            printer.print(&found)?;
            if *exit_code && found.leaks > 0 {
                return Ok(Told::Found);
            }
            if *exit_code {
                let all = leaks(&snapshots, &options.count(usize::MAX));
                let is_doubtful = |row: &Leak| row.q_value.is_none() && row.rate.value > 0.0;
                if all.is_ok_and(|all| all.rows.iter().any(is_doubtful)) {
                    return Err(not_known(value));
                }
            }
        }
        Command::List { pattern, input, before, after, width, callers } => {
            let pattern = regex(pattern)?;
            let (profile, value) = reader.input(input)?;
            let options =
                ListOptions::new().before(*before).after(*after).width(*width).callers(*callers);
            let mut sources = (reader.originals.take(), reader.files.clone());
            let listing = profile
                .listing(value, |function| pattern.matches(function), &mut sources, &options)
                .map_err(failed)?;
            printer.print(&listing)?;
        }
        Command::Convert { input, view, target } => {
            let format = Format::choose(target.to, &target.output)?;
            let output = Output::open(&target.output)?;
            let profile = reader.file(input, view)?;
            let limit = reader.options.memory_limit;
            target.write(output, format, &profile, view.value(&profile), input, limit)?;
        }
        Command::Merge { files, view, target, label } => {
            let format = Format::choose(target.to, &target.output)?;
            let output = Output::open(&target.output)?;
            let mut profiles = Vec::with_capacity(files.len());
            for path in files {
                let mut profile = reader.file(path, view)?;
                if let Some(key) = label {
                    profile.add_label(Label::text(key.clone(), path.display().to_string()));
                }
                profiles.push(profile);
            }
            let merged = merge(&profiles)?;
            let (limit, name) = (reader.options.memory_limit, Path::new("merged"));
            target.write(output, format, &merged, view.value(&merged), name, limit)?;
        }
        Command::Stat { files } => {
            // One that cannot be read does not keep the others from being shown.
            let (mut stats, mut failures) = (Vec::new(), Vec::new());
            for path in files {
                match read(path, &reader.options) {
                    Ok(profile) => stats.push(Stat::of(path, &reader.told(profile))),
                    Err(Failure::Failed(failure) | Failure::Usage(failure)) => {
                        failures.push(failure);
                    }
                }
            }
            printer.print(&Stats(stats))?;
            if !failures.is_empty() {
                return Err(Failure::Failed(failures.join("\n")));
            }
        }
    }
    Ok(Told::Nothing)
}

impl Cut {
    fn options(&self, value: SampleType) -> TreeOptions {
        let options = TreeOptions::new(value).least_share(self.least / 100.0);
        match self.depth {
            None => options,
            Some(levels) => options.depth(levels),
        }
    }
}

impl Target {
    fn write(
        &self,
        output: Output,
        format: Format,
        profile: &HeapProfile,
        value: SampleType,
        input: &Path,
        limit: Bytes,
    ) -> Result<(), Failure> {
        let is_known = |value| {
            let of = profile.uncertainty(value);
            matches!(of, Some(Uncertainty::Sampled | Uncertainty::Approximate))
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

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(problem) => {
            // Help and version are answers, which may find no reader; the rest goes to standard error.
            let printed = problem.print().or_else(|error| match error.kind() {
                io::ErrorKind::BrokenPipe => Ok(()),
                _ => Err(error),
            });
            return match printed {
                Err(error) if !problem.use_stderr() => {
                    tell(&format!("standard output: {error}"));
                    ExitCode::FAILURE
                }
                _ => ExitCode::from(u8::try_from(problem.exit_code()).unwrap_or(2)),
            };
        }
    };
    match run(&cli) {
        Ok(Told::Nothing) => ExitCode::SUCCESS,
        Ok(Told::Found) => ExitCode::from(3),
        Err(Failure::Failed(error)) => {
            tell(&error);
            ExitCode::FAILURE
        }
        Err(Failure::Usage(error)) => {
            tell(&error);
            ExitCode::from(2)
        }
    }
}
