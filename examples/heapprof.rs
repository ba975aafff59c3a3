//! Reads heap profiles of any format, says what is in them, and writes them in another.
//!
//! ```text
//! cargo run --example heapprof --features formats -- stat FILES...
//! cargo run --example heapprof --features formats -- convert IN -o OUT [--to FORMAT] [--value VALUE]
//! ```
//!
//! Exits with 1 if a file cannot be read or written, and with 2 if the arguments make no sense.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use v8_heap_sampler::format::{
    DotOptions, FlamegraphOptions, PprofOptions, ReadOptions, WriteError,
};
use v8_heap_sampler::{Bytes, Counted, HeapProfile, SampleType};

/// Reads heap profiles of any format, says what is in them, and writes them in another.
#[derive(Parser, Debug)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Values of files that do not name them (.heapprofile, nodes) are of all objects that were
    /// allocated, not of those in use
    #[arg(long, global = true)]
    allocated: bool,
    /// How much memory reading may take, in MB
    #[arg(long, global = true, value_name = "MB", default_value_t = 2048)]
    memory: u64,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Say what is in files
    Stat {
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Write a file in another format
    Convert {
        /// The file to read; `-` is standard input
        input: PathBuf,
        /// The file to write; `-` is standard output
        #[arg(short, long)]
        output: PathBuf,
        /// The format; by default that of the output's extension
        #[arg(long)]
        to: Option<Format>,
        /// Which value to write, where the format has only one: alloc_objects, alloc_space,
        /// inuse_objects or inuse_space
        #[arg(long, value_name = "VALUE")]
        value: Option<SampleType>,
        /// Keep objects of different sizes apart (pprof)
        #[arg(long)]
        sizes: bool,
    },
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq)]
enum Format {
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
    /// By the end of a file's name.
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

    fn write(
        self,
        profile: &HeapProfile,
        writer: impl Write,
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
}

fn read(path: &Path, options: &ReadOptions) -> Result<HeapProfile, String> {
    let of_file = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    if path == Path::new("-") {
        return options.read(io::stdin().lock()).map_err(|error| of_file(&error));
    }
    let file = File::open(path).map_err(|error| of_file(&error))?;
    options.read(file).map_err(|error| of_file(&error))
}

fn stat(path: &Path, profile: &HeapProfile) {
    let about = &profile.about;
    println!("{}", path.display());
    println!("  {} contexts of {} functions", profile.len(), profile.functions().len());
    for sample_type in profile.sample_types() {
        let total = profile.total(sample_type).unwrap_or_default();
        let exact = if sample_type.unit() == "bytes" {
            format!("{total:.0} bytes, ")
        } else {
            String::new()
        };
        println!("  {sample_type}: {exact}{}", sample_type.display(total));
    }
    if let Some(interval) = about.interval {
        println!("  interval: {} bytes", interval.0);
    }
    if let Some(duration) = about.duration {
        println!("  duration: {duration:.3?}");
    }
    if about.unattributed_samples > 0 {
        println!("  samples of no context: {}", about.unattributed_samples);
    }
    for labels in profile.label_sets().filter(|labels| !labels.is_empty()).take(20) {
        let labels: Vec<_> = labels.iter().map(ToString::to_string).collect();
        println!("  labels: {}", labels.join(", "));
    }
    for comment in &about.comments {
        println!("  comment: {comment}");
    }
}

fn convert(
    input: &Path,
    output: &Path,
    format: Format,
    value: Option<SampleType>,
    sizes: bool,
    options: &ReadOptions,
) -> Result<(), String> {
    let profile = read(input, options)?;
    let value = value.unwrap_or(profile.default_sample_type());
    let name = input.file_name().map_or("heap profile".into(), |name| name.to_string_lossy());
    let of_file = |error: &dyn std::fmt::Display| format!("{}: {error}", output.display());
    if output == Path::new("-") {
        let writer = BufWriter::new(io::stdout().lock());
        return match format.write(&profile, writer, value, &name, sizes) {
            // A reader that has gone away (`| head`) is no failure.
            Err(WriteError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(|error| of_file(&error)),
        };
    }
    // Beside it first: a conversion that fails leaves what is there alone.
    let mut partial = output.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let mut writer = BufWriter::new(File::create(&partial).map_err(|error| of_file(&error))?);
    let written = format
        .write(&profile, &mut writer, value, &name, sizes)
        .and_then(|()| Ok(writer.flush()?))
        .and_then(|()| Ok(std::fs::rename(&partial, output)?));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&partial);
        of_file(&error)
    })
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let unnamed = if cli.allocated { Counted::Allocated } else { Counted::InUse };
    let limit = Bytes(cli.memory.saturating_mul(1_000_000));
    let options = ReadOptions::new().memory_limit(limit).unnamed(unnamed);
    let mut exit_code = ExitCode::SUCCESS;
    let mut report = |error: String| {
        eprintln!("{error}");
        exit_code = ExitCode::FAILURE;
    };
    match &cli.command {
        Command::Stat { files } => {
            for path in files {
                match read(path, &options) {
                    Ok(profile) => stat(path, &profile),
                    Err(error) => report(error),
                }
            }
        }
        Command::Convert { input, output, to, value, sizes } => {
            let Some(format) = to.or_else(|| Format::of(output)) else {
                let names = Format::value_variants().iter().filter_map(Format::to_possible_value);
                let names: Vec<_> = names.map(|value| value.get_name().to_owned()).collect();
                eprintln!(
                    "{}: which format is that? Say it by --to: {}",
                    output.display(),
                    names.join(", ")
                );
                return ExitCode::from(2);
            };
            if let Err(error) = convert(input, output, format, *value, *sizes, &options) {
                report(error);
            }
        }
    }
    exit_code
}
