//! What the bench is asked for on its command line.

use std::path::PathBuf;

use clap::Parser;
use clap::builder::PossibleValuesParser;

use crate::case::{self, Case};
use crate::peers::{self, Peer};

/// What a request costs, with Sluice and with its peers.
///
/// Needs nginx (the origin, and the yardstick of all ratios), wrk, h2load, taskset and two cores. Other peers are left
/// out, by name, where they are not installed.
#[derive(Debug, Parser)]
#[command(name = "sluice-bench", version)]
pub(crate) struct Arguments {
    /// Only these cases.
    #[arg(long, value_name = "NAME", num_args = 1.., value_parser = PossibleValuesParser::new(case::names()))]
    pub(crate) case: Vec<String>,
    /// Only these peers, and nginx.
    #[arg(long, value_name = "NAME", num_args = 1.., value_parser = PossibleValuesParser::new(peers::names()))]
    pub(crate) peer: Vec<String>,
    /// How often each peer is measured in each case.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,
    /// How long one measurement takes, without its warm-up.
    #[arg(long, value_name = "S", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub(crate) seconds: u32,
    /// The gateway's program. Without it, cargo builds it as users do, which takes minutes.
    #[arg(long, value_name = "PATH")]
    pub(crate) sluice: Option<PathBuf>,
    /// Write all figures there, those of each round too.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write the tables there.
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,
    /// Measure though the machine is busy with something else: the figures are then worth little.
    #[arg(long)]
    pub(crate) force: bool,
}

impl Arguments {
    /// The cases that are asked for, in the order of the table.
    pub(crate) fn cases(&self) -> impl Iterator<Item = &'static Case> {
        case::CASES.iter().filter(|case| self.case.is_empty() || self.case.iter().any(|name| name == case.name))
    }

    /// True if that peer takes part in that case.
    pub(crate) fn wants(&self, peer: &Peer, case: &Case) -> bool {
        case.takes(peer, self.is_named(peer)) && (self.peer.is_empty() || peer.is_yardstick() || self.is_named(peer))
    }

    fn is_named(&self, peer: &Peer) -> bool {
        self.peer.iter().any(|name| name == peer.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(line: &str) -> Arguments {
        Arguments::try_parse_from(line.split(' ')).unwrap()
    }

    fn names(line: &str, case: &str) -> Vec<&'static str> {
        let arguments = arguments(line);
        let case = case::CASES.iter().find(|known| known.name == case).unwrap();
        peers::PEERS.iter().filter(|peer| arguments.wants(peer, case)).map(|peer| peer.name).collect()
    }

    #[test]
    fn cases_come_in_the_order_of_the_table() {
        let named: Vec<&str> = arguments("b --case h2 h1").cases().map(|case| case.name).collect();
        assert_eq!(named, ["h1", "h2"]);
        assert_eq!(arguments("b").cases().count(), case::CASES.len());
    }

    #[test]
    fn nginx_is_always_there_and_variants_where_they_say_something() {
        for (line, case, expected) in [
            ("b --peer haproxy", "h1", vec!["nginx", "haproxy"]),
            ("b --peer sluice sluice-plain", "h1", vec!["nginx", "sluice", "sluice-plain"]),
            ("b --peer sluice sluice-plain", "up-1m", vec!["nginx", "sluice", "sluice-plain"]),
            ("b", "workers-2", vec!["nginx", "nginx-2", "sluice", "sluice-2"]),
            ("b --peer sluice-2", "h1", vec!["nginx"]),
        ] {
            assert_eq!(names(line, case), expected, "{line}, {case}");
        }
        assert!(names("b", "h1").contains(&"sluice-new-session"));
        assert!(!names("b", "up-1m").contains(&"sluice-new-session"));
        assert!(!names("b", "h1").contains(&"nginx-2"));
    }

    #[test]
    fn what_does_not_exist_is_refused() {
        for line in ["b --case nothing", "b --peer apache", "b --rounds 0", "b --seconds 0"] {
            assert!(Arguments::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
