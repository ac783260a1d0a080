//! What a request costs: Sluice and its peers, one after the other, round by round, under the same load on the same
//! machine. A contents page: what is asked for, what is there, the cases, and what is told of them.
//!
//! The proxy has a core of its own, the origin and the load another. What counts is CPU time per request, which a
//! machine's other core does not change; requests per second are told beside it. A wrong answer is not a fast one: it
//! stops the bench.

// A program for a terminal: tables go to standard output, progress and reasons to standard error.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod arguments;
mod case;
mod load;
mod machine;
mod origin;
mod peers;
mod report;
mod rounds;
mod stage;
mod statistics;
mod workshop;

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use arguments::Arguments;
use report::{Report, markdown};
use stage::Stage;

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            eprintln!("sluice-bench: {reason:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let stage = Stage::set(arguments)?;
    let mut report = Report::of(&stage);
    println!("{}", markdown::head(&report));
    for case in arguments.cases() {
        report.tables.push(rounds::run(&stage, case)?);
        if let Some(table) = report.tables.last() {
            println!("{}", markdown::table(table));
        }
    }
    if let Some(file) = &arguments.json {
        let text = serde_json::to_string_pretty(&report)?;
        fs::write(file, text + "\n").with_context(|| format!("cannot write {}", file.display()))?;
    }
    if let Some(file) = &arguments.markdown {
        fs::write(file, markdown::page(&report)).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}
