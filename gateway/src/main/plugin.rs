//! `sluice plugin …`: the tools of a plugin's author. What they find is printed here, for people or as JSON.

use std::fmt::Display;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;
use sluice_gateway::author::bench::{Bench, bench};
use sluice_gateway::author::build::build;
use sluice_gateway::author::inspect::inspect;
use sluice_gateway::author::kit::{Test, test};
use sluice_gateway::author::new::{Begins, Language, Project, Start, new};
use sluice_gateway::author::{AuthorError, Workshop};
use sluice_gateway::observe;

/// The tools of an author.
#[derive(Debug, Subcommand)]
pub(crate) enum Plugin {
    /// Make a project for a plugin: a policy that works, its scenario, and the contract.
    New {
        /// Its name: lower case, words joined by `-`.
        name: String,
        /// A hook that it begins with; may be repeated.
        #[arg(long = "hook", value_name = "HOOK", default_value = "selection")]
        hooks: Vec<Begins>,
        /// The language that it is written in.
        #[arg(long = "lang", value_name = "LANGUAGE", default_value = "rust")]
        language: Language,
        /// An example to begin with, in its own language: ab-cookie, gpu-memory, prefix-affinity, rate-aware, tenant-breaker,
        /// time-of-day.
        #[arg(long, value_name = "EXAMPLE", conflicts_with_all = ["hooks", "language"])]
        example: Option<String>,
        /// The folder to make. Default: its name.
        #[arg(long, value_name = "FOLDER")]
        folder: Option<PathBuf>,
    },
    /// Build a project with the tools of its language; says how to get one that is missing.
    Build {
        /// The project's folder.
        #[arg(default_value = ".")]
        folder: PathBuf,
    },
    /// Say what a component is: hooks, imports, size, memory, who made it; and whether this gateway takes it.
    Inspect {
        /// The component's file, or the name of a built-in plugin.
        plugin: String,
        #[command(flatten)]
        how: How,
    },
    /// Test a plugin: what every plugin must keep, what its scenario claims of it, and the scenario's steps.
    Test {
        /// The component's file, or the name of a built-in plugin.
        plugin: String,
        /// Its configuration, a JSON object, in place of the scenario's.
        #[arg(long, value_name = "JSON")]
        config: Option<String>,
        /// What it is tested with and for.
        #[arg(long, value_name = "FILE")]
        scenario: Option<PathBuf>,
        /// What all randomness comes from, in place of the scenario's. The same seed gives the same test.
        #[arg(long)]
        seed: Option<u64>,
        /// Exchanges that have to stay within the plugin's time and memory.
        #[arg(long, default_value_t = 1_000_000)]
        calls: u64,
        #[command(flatten)]
        how: How,
    },
    /// Measure what the calls of a plugin cost, beside the built-in ones.
    Bench {
        /// The component's file, or the name of a built-in plugin.
        plugin: String,
        /// Its configuration, a JSON object.
        #[arg(long, value_name = "JSON", default_value = "{}")]
        config: String,
        /// Measure nothing beside it.
        #[arg(long)]
        alone: bool,
        #[command(flatten)]
        how: How,
    },
}

/// What all of them take.
#[derive(Debug, Args)]
pub(crate) struct How {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Where compiled plugins are kept, as for `run`.
    #[arg(long, value_name = "FOLDER")]
    state_dir: Option<PathBuf>,
}

/// Does what is asked.
pub(crate) fn run(asked: Plugin) -> Result<(), String> {
    let said = |error: AuthorError| error.to_string();
    match asked {
        Plugin::New { name, hooks, language, example, folder } => {
            let folder = folder.unwrap_or_else(|| PathBuf::from(&name));
            let begins = example.map_or(Start::Hooks(hooks, language), Start::Example);
            println!("{}", new(&Project { name, begins, folder }).map_err(|error| error.to_string())?);
            Ok(())
        }
        Plugin::Build { folder } => {
            let component = build(&folder).map_err(|error| error.to_string())?;
            println!("{}", component.display());
            Ok(())
        }
        Plugin::Inspect { plugin, how } => {
            let found = inspect(&plugin, how.state_dir.clone()).map_err(said)?;
            how.print(&found)?;
            match found.refused {
                Some(reason) => Err(format!("{plugin}: {reason}")),
                None => Ok(()),
            }
        }
        Plugin::Test { plugin, config, scenario, seed, calls, how } => {
            // What the plugin itself says, as `SLUICE_LOG` wants it.
            observe::log::start("error");
            let workshop = Workshop::open(how.state_dir.clone()).map_err(said)?;
            let report = test(&workshop, &Test { plugin, config, scenario, seed, calls }).map_err(said)?;
            how.print(&report)?;
            let broken = report.checks.iter().filter(|check| !check.passed).count();
            if report.passed { Ok(()) } else { Err(format!("{}: {broken} of its checks failed", report.plugin)) }
        }
        Plugin::Bench { plugin, config, alone, how } => {
            how.print(&bench(how.state_dir.clone(), &Bench { plugin, config, beside: !alone }).map_err(said)?)
        }
    }
}

impl How {
    fn print(&self, found: &(impl Serialize + Display)) -> Result<(), String> {
        match self.json {
            true => println!("{}", serde_json::to_string_pretty(found).map_err(|error| error.to_string())?),
            false => println!("{found}"),
        }
        Ok(())
    }
}
