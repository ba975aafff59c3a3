//! What the examples share: running a script under sampling, and showing what was sampled.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Write;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;

use fixtures::ScriptError;
use v8_heap_sampler::{
    CallTree, Error, Estimates, Function, HeapSampler, KeepDead, NodesError, SamplerOptions, Usage,
    Values,
};

/// The arguments that both examples take.
#[derive(clap::Args, Debug)]
pub(crate) struct Arguments {
    /// The script to run; `.mjs` is run as a module. Without one, a built-in script that
    /// allocates nested and flat arrays
    script: Option<PathBuf>,
    /// Mean distance between two samples, in bytes allocated
    #[arg(long, value_name = "BYTES", default_value_t = 1024)]
    interval: u64,
    /// How many of the topmost JavaScript frames to keep with each sample
    #[arg(long, value_name = "FRAMES", default_value_t = 64)]
    depth: u32,
    /// Show only objects that are still alive at the end, not all that were allocated
    #[arg(long)]
    live: bool,
}

/// What came of running a script under sampling.
pub(crate) struct Run {
    /// What was sampled.
    pub(crate) tree: CallTree,
    /// What the samples stand for.
    pub(crate) estimates: Estimates,
    /// What the script threw, if it did.
    thrown: Option<ScriptError>,
    /// The source of each script that ran, by the name that V8 has for it.
    sources: HashMap<String, String>,
    options: SamplerOptions,
}

/// Why there is nothing to show.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A script that cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Unreadable { path: PathBuf, error: std::io::Error },
    /// An error of the sampler.
    #[error(transparent)]
    Sampler(#[from] Error),
    /// Standard output that does not take the result.
    #[error("cannot write: {0}")]
    Output(#[from] std::io::Error),
}

impl From<NodesError> for Failure {
    fn from(error: NodesError) -> Self {
        Self::Sampler(error.into())
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::Unreadable { path: path.to_owned(), error })
}

/// The path of a module that another one imports; `a/../b.mjs` and `b.mjs` are one module.
fn resolve(referrer: &str, specifier: &str) -> PathBuf {
    let mut path = PathBuf::new();
    for part in Path::new(referrer).with_file_name("").join(specifier).components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(path.components().next_back(), Some(Component::Normal(_))) =>
            {
                path.pop();
            }
            part => path.push(part),
        }
    }
    path
}

impl Run {
    /// Runs the script that the arguments name; its `console.log` goes to `console`.
    pub(crate) fn new(arguments: &Arguments, console: fixtures::Console) -> Result<Self, Failure> {
        let (name, source) = match &arguments.script {
            Some(path) => (resolve("", &path.to_string_lossy()).display().to_string(), read(path)?),
            None => ("allocate.js".to_owned(), include_str!("../allocate.js").to_owned()),
        };
        let options = SamplerOptions::new()
            .interval_bytes(arguments.interval)
            .stack_depth(arguments.depth)
            .keep_dead(if arguments.live { KeepDead::None } else { KeepDead::Both })
            .force_gc(arguments.live);

        let (mut isolate, realm) = fixtures::realm();
        realm.set_console(&mut isolate, console);
        let sources = Rc::new(RefCell::new(HashMap::from([(name.clone(), source.clone())])));
        let mut sampler = HeapSampler::with_options(&mut isolate, options.clone())?;
        let outcome = if name.ends_with(".mjs") {
            let sources = Rc::clone(&sources);
            realm.try_run_module(&mut sampler, &name, &source, move |specifier, referrer| {
                let is_relative =
                    ["./", "../", "/"].iter().any(|start| specifier.starts_with(start));
                if !is_relative {
                    return Err(format!("{specifier:?} is not a relative path"));
                }
                let path = resolve(referrer, specifier);
                let source = read(&path).map_err(|error| error.to_string())?;
                let name = path.display().to_string();
                sources.borrow_mut().insert(name.clone(), source.clone());
                Ok((name, source))
            })
        } else {
            realm.try_run(&mut sampler, &name, &source).map(drop)
        };
        let profile = sampler.collect_profile()?;
        drop(sampler);
        drop(isolate);
        let estimates = profile.estimates().expect("what was collected fits together");
        let tree = CallTree::from_nodes(profile.nodes)?;
        Ok(Self { tree, estimates, thrown: outcome.err(), sources: sources.take(), options })
    }

    /// The values that are shown: what is alive if that was asked for, else what was allocated.
    pub(crate) fn shown(&self, values: Values) -> Usage {
        values.alloc.unwrap_or(values.inuse)
    }

    /// Of the whole profile.
    pub(crate) fn all(&self) -> Usage {
        self.shown(self.estimates.total())
    }

    /// What the figures are.
    pub(crate) fn headline(&self) -> String {
        let what = match self.options.keep_dead {
            KeepDead::None => "alive at the end",
            _ => "allocated",
        };
        let Usage { space, objects, .. } = self.all();
        format!(
            "{space} in {objects} {what}\n(estimates from {} samples, one per {} bytes on average, \
             with 95 % intervals)",
            space.samples(),
            self.options.interval_bytes
        )
    }

    /// The functions that allocated most themselves, as a table of `rows` rows; `below` can add
    /// lines under each, from the function and the source of its script.
    pub(crate) fn table(
        &self,
        rows: usize,
        below: &dyn Fn(&Function, Option<&str>) -> Vec<String>,
    ) -> String {
        let all = self.all();
        let mut functions: Vec<_> = self
            .tree
            .function_estimates(&self.estimates)
            .into_iter()
            .map(|f| (f.function, self.shown(f.own), self.shown(f.total)))
            .filter(|(_, own, _)| own.space.samples() > 0)
            .collect();
        functions.sort_by(|one, other| {
            let bytes =
                |(_, own, total): &(_, Usage, Usage)| (own.space.value(), total.space.value());
            bytes(other).partial_cmp(&bytes(one)).expect("estimates are numbers")
        });
        let mut table = format!("{} {}  function\n", header("self"), header("total"));
        for (function, own, total) in functions.iter().take(rows) {
            table += &format!("{} {}  {function}\n", columns(*own, all), columns(*total, all));
            let source = self.sources.get(function.script_name.as_str());
            for line in below(function, source.map(String::as_str)) {
                table += &format!("{line}\n");
            }
        }
        if let Some(more @ 1..) = functions.len().checked_sub(rows) {
            table += &format!("... and {more} more functions\n");
        }
        table
    }
}

/// A line of the script's console. A reader that has gone away does not matter.
pub(crate) fn print(is_error: bool, line: &str) {
    let _ = if is_error {
        writeln!(std::io::stderr(), "{line}")
    } else {
        writeln!(std::io::stdout(), "{line}")
    };
}

/// A part of one, in percent.
pub(crate) fn share(of_one: f64) -> String {
    format!("{:.1}%", 100.0 * of_one)
}

/// The header of [`columns`].
pub(crate) fn header(name: &str) -> String {
    format!("{name:>29} {:>6} {:>9}", "share", "~objects")
}

/// Bytes with their interval, their share of the whole, and about how many objects, as columns of a
/// table.
pub(crate) fn columns(usage: Usage, all: Usage) -> String {
    let part = usage.space.value() / all.space.value().max(1.0);
    format!("{:>29} {:>6} {:>9.0}", usage.space, share(part), usage.objects.value())
}

/// Runs the script, says on standard error what it threw, and lets `show` write the rest; the exit
/// code is 1 if the script threw, 2 if there is nothing to show.
///
/// A reader of the output that has gone away (`| head`) is no failure.
pub(crate) fn main_with(
    arguments: &Arguments,
    console: fixtures::Console,
    show: impl FnOnce(&Run, &mut dyn Write) -> std::io::Result<()>,
) -> ExitCode {
    let fail = |failure: Failure| {
        eprintln!("error: {failure}");
        ExitCode::from(2)
    };
    let run = match Run::new(arguments, console) {
        Ok(run) => run,
        Err(failure) => return fail(failure),
    };
    let code = match &run.thrown {
        None => ExitCode::SUCCESS,
        Some(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    };
    let mut output = std::io::BufWriter::new(std::io::stdout().lock());
    match show(&run, &mut output).and_then(|()| output.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => fail(error.into()),
        _ => code,
    }
}
