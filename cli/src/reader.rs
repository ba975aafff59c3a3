//! Reading what is asked about, with what the arguments tell of it.

use std::cell::RefCell;
use std::path::Path;

use v8_heap_sampler::format::ReadOptions;
use v8_heap_sampler::source::{FileSources, MemorySources, ScriptReport};
use v8_heap_sampler::{Bytes, Counted, Profile, SampleType};

use crate::arguments::{Cli, Input, View};
use crate::failure::{Failure, tell};
use crate::read::{read, read_all};

/// Reads what is asked about.
pub(crate) struct Reader {
    options: ReadOptions,
    limit: Bytes,
    interval: Option<Bytes>,
    source_maps: bool,
    files: FileSources,
    /// Sources that were in maps.
    originals: RefCell<MemorySources>,
}

impl Reader {
    pub(crate) fn new(cli: &Cli) -> Result<Self, Failure> {
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
            limit,
            interval: cli.interval.map(Bytes),
            source_maps: cli.source_maps,
            files,
            originals: RefCell::default(),
        })
    }

    /// The profile with what the arguments tell of it.
    fn told(&self, mut profile: Profile) -> Profile {
        profile.metadata.interval = profile.metadata.interval.or(self.interval);
        if self.source_maps {
            let report = profile.map_sources(&mut self.files.clone());
            // Most scripts of a program have none: that is no problem worth a line.
            let is_worth = |script: &&ScriptReport| {
                script.problem.is_some() || script.map.is_some() && script.mapped == 0
            };
            for script in report.scripts.iter().filter(is_worth) {
                tell(&script.to_string());
            }
            let is_usable =
                |script: &ScriptReport| script.map.is_some() && script.problem.is_none();
            if !report.scripts.iter().any(is_usable) {
                tell("no script has a source map that can be used: see --root and --prefix");
            }
            *self.originals.borrow_mut() = report.originals;
        }
        profile
    }

    pub(crate) fn whole_file(&self, path: &Path) -> Result<Profile, Failure> {
        Ok(self.told(read(path, &self.options)?))
    }

    pub(crate) fn file(&self, path: &Path, view: &View) -> Result<Profile, Failure> {
        view.of(self.whole_file(path)?)
    }

    pub(crate) fn input(&self, input: &Input) -> Result<(Profile, SampleType), Failure> {
        let profile = self.told(read_all(&input.files, &self.options)?);
        let value = input.view.value(&profile);
        Ok((input.view.of(profile)?, value))
    }

    /// Where sources are: in maps, and in files.
    pub(crate) fn sources(&self) -> (MemorySources, FileSources) {
        (self.originals.take(), self.files.clone())
    }

    /// How much what is written may take.
    pub(crate) fn limit(&self) -> Bytes {
        self.limit
    }
}
