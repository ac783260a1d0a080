//! What is told of the cases: medians and spreads, ratios to nginx, and notes on what a reader must know to believe them.

mod column;
pub(crate) mod markdown;
mod notes;

use std::env;
use std::path::Path;

use serde::Serialize;

pub(crate) use column::Column;

use crate::case::Case;
use crate::machine::description;
use crate::rounds::Sample;
use crate::stage::{Contender, Stage};
use crate::statistics::Spread;

/// The whole of it, as it is written to a file.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: String,
    /// The arguments that the bench was started with.
    pub(crate) arguments: Vec<String>,
    pub(crate) rounds: u32,
    pub(crate) seconds: u32,
    pub(crate) peers: Vec<Version>,
    pub(crate) left_out: Vec<String>,
    pub(crate) tables: Vec<Table>,
}

/// A program, and the peers that it is.
#[derive(Debug, Serialize)]
pub(crate) struct Version {
    pub(crate) peers: Vec<&'static str>,
    pub(crate) version: String,
}

/// A case.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) rows: Vec<Row>,
    pub(crate) notes: Vec<String>,
    #[serde(skip)]
    pub(crate) columns: &'static [Column],
    #[serde(skip)]
    pub(crate) yardstick: Column,
}

/// A peer in it.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) peer: &'static str,
    /// Its figure in the units of nginx's, by the case's yardstick.
    pub(crate) ratio: Option<f64>,
    pub(crate) figures: Vec<Figure>,
    pub(crate) samples: Vec<Sample>,
}

/// A figure over all rounds.
#[derive(Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) title: &'static str,
    #[serde(skip)]
    pub(crate) column: Column,
    #[serde(flatten)]
    pub(crate) spread: Spread,
}

impl Report {
    /// Without tables yet.
    pub(crate) fn of(stage: &Stage) -> Self {
        Self {
            machine: description(),
            arguments: env::args().skip(1).collect(),
            rounds: stage.rounds,
            seconds: stage.seconds,
            peers: versions(&stage.contenders),
            left_out: stage.left_out.clone(),
            tables: Vec::new(),
        }
    }
}

/// One line for each program: Sluice in all its ways is one.
fn versions(contenders: &[Contender]) -> Vec<Version> {
    let mut versions: Vec<(&Path, Version)> = Vec::new();
    for Contender { peer, program, version, .. } in contenders {
        match versions.iter_mut().find(|(path, _)| *path == program.path) {
            Some((_, known)) => known.peers.push(peer.name),
            None => versions.push((&program.path, Version { peers: vec![peer.name], version: version.clone() })),
        }
    }
    versions.into_iter().map(|(_, version)| version).collect()
}

impl Table {
    /// Of what the rounds came to; `rate`: that of the load, if it was fixed.
    pub(crate) fn new(case: &'static Case, mut rows: Vec<Row>, rate: Option<f64>) -> Self {
        for row in &mut rows {
            row.figures = case.columns.iter().filter_map(|&column| Figure::new(column, &row.samples)).collect();
        }
        let nginx = rows.iter().find(|row| row.peer == "nginx").and_then(|row| row.median(case.yardstick));
        for row in &mut rows {
            row.ratio = row.median(case.yardstick).zip(nginx).map(|(own, nginx)| own / nginx);
        }
        let notes = notes::of(&rows, case.yardstick, rate);
        Self { name: case.name, about: case.about, rows, notes, columns: case.columns, yardstick: case.yardstick }
    }
}

impl Row {
    /// Of a peer's samples.
    pub(crate) fn new(peer: &'static str, samples: Vec<Sample>) -> Self {
        Self { peer, ratio: None, figures: Vec::new(), samples }
    }

    /// Its figure in that column.
    pub(crate) fn figure(&self, column: Column) -> Option<&Figure> {
        self.figures.iter().find(|figure| figure.column == column)
    }

    fn median(&self, column: Column) -> Option<f64> {
        self.figure(column).map(|figure| figure.spread.median)
    }
}

impl Figure {
    fn new(column: Column, samples: &[Sample]) -> Option<Self> {
        let figures = samples.iter().map(|sample| column.of(sample)).collect::<Option<Vec<f64>>>()?;
        Some(Self { title: column.title(), column, spread: Spread::of(figures)? })
    }
}
