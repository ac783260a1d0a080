//! The cases: what is asked of every peer, by which load, and which figures tell what came of it.

use crate::peers::{Peer, Standing};
use crate::report::Column;

/// Requests in flight, in every case that does not say otherwise.
pub(crate) const IN_FLIGHT: usize = 64;

/// One way to ask.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// A sentence for the reader of its table.
    pub(crate) about: &'static str,
    pub(crate) load: Load,
    pub(crate) request: Request,
    takes: Takes,
    pub(crate) columns: &'static [Column],
    /// The figure whose ratio to nginx's is told.
    pub(crate) yardstick: Column,
}

/// Who sends the requests, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Load {
    /// wrk: as fast as answers come; each request on a connection of its own if it `reconnects`.
    Closed { secure: bool, reconnects: bool },
    /// h2load: the same as streams of a few connections.
    Http2,
    /// Connections with a handshake and one request each.
    Handshakes { resumed: bool },
    /// A fixed rate, whatever the answers do.
    Steady,
    /// Connections on which nothing happens.
    Idle { secure: bool },
}

/// What is asked for.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) path: &'static str,
    /// Bytes of the request's body; with 0 it is a GET, else a POST.
    pub(crate) upload: u64,
    /// Bytes of the answer's body.
    pub(crate) answer: u64,
}

/// Who takes part.
#[derive(Debug)]
enum Takes {
    /// One of each peer.
    Peers,
    /// Those, and the other ways to set Sluice up.
    Variants,
    /// These.
    Only(&'static [&'static str]),
}

impl Case {
    /// True if that peer takes part; `named`: it was asked for.
    pub(crate) fn takes(&self, peer: &Peer, named: bool) -> bool {
        match self.takes {
            Takes::Peers => peer.standing == Standing::Peer || named && peer.standing == Standing::Variant,
            Takes::Variants => peer.standing != Standing::TwoWorkers,
            Takes::Only(names) => names.contains(&peer.name),
        }
    }

    /// True if clients speak TLS.
    pub(crate) fn is_secure(&self) -> bool {
        match self.load {
            Load::Closed { secure, .. } | Load::Idle { secure } => secure,
            Load::Http2 | Load::Handshakes { .. } => true,
            Load::Steady => false,
        }
    }
}

/// The names of all cases.
pub(crate) fn names() -> Vec<&'static str> {
    CASES.iter().map(|case| case.name).collect()
}

const SMALL: Request = Request { path: "/", upload: 0, answer: 128 };
const CLOSED: Load = Load::Closed { secure: false, reconnects: false };
const REQUESTS: &[Column] =
    &[Column::Rate, Column::Cpu, Column::User, Column::System, Column::P50, Column::P99, Column::Resident];
const HANDSHAKES: &[Column] =
    &[Column::PerCpuSecond, Column::Cpu, Column::User, Column::System, Column::Rate, Column::P50, Column::P99];
const BODIES: &[Column] =
    &[Column::Throughput, Column::Cpu, Column::User, Column::System, Column::Rate, Column::P99, Column::Resident];
const LATENCY: &[Column] = &[Column::P50, Column::P99, Column::Cpu, Column::Rate];
const MEMORY: &[Column] = &[Column::PerConnection, Column::Resident];

/// All of them, in the order in which they are run.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "h1",
        about: "HTTP/1.1, 64 keep-alive connections, answers of 128 bytes.",
        load: CLOSED,
        request: SMALL,
        takes: Takes::Variants,
        columns: REQUESTS,
        yardstick: Column::Cpu,
    },
    Case {
        name: "h1-tls",
        about: "The same over TLS 1.3.",
        load: Load::Closed { secure: true, reconnects: false },
        request: SMALL,
        takes: Takes::Variants,
        columns: REQUESTS,
        yardstick: Column::Cpu,
    },
    Case {
        name: "h2",
        about: "HTTP/2 over TLS 1.3, 64 streams over 8 connections, answers of 128 bytes.",
        load: Load::Http2,
        request: SMALL,
        takes: Takes::Variants,
        columns: REQUESTS,
        yardstick: Column::Cpu,
    },
    Case {
        name: "connect",
        about: "HTTP/1.1 without TLS, a new connection for each request.",
        load: Load::Closed { secure: false, reconnects: true },
        request: SMALL,
        takes: Takes::Peers,
        columns: REQUESTS,
        yardstick: Column::Cpu,
    },
    Case {
        name: "handshake-full",
        about: "TLS 1.3, a full handshake (ECDSA P-256, X25519) and one request on each connection.",
        load: Load::Handshakes { resumed: false },
        request: SMALL,
        takes: Takes::Peers,
        columns: HANDSHAKES,
        yardstick: Column::PerCpuSecond,
    },
    Case {
        name: "handshake-resumed",
        about: "TLS 1.3, a resumed session and one request on each connection.",
        load: Load::Handshakes { resumed: true },
        request: SMALL,
        takes: Takes::Peers,
        columns: HANDSHAKES,
        yardstick: Column::PerCpuSecond,
    },
    Case {
        name: "down-16k",
        about: "HTTP/1.1, answers of 16 KiB.",
        load: CLOSED,
        request: Request { path: "/16k", upload: 0, answer: 16 << 10 },
        takes: Takes::Peers,
        columns: BODIES,
        yardstick: Column::Throughput,
    },
    Case {
        name: "down-1m",
        about: "HTTP/1.1, answers of 1 MiB.",
        load: CLOSED,
        request: Request { path: "/1m", upload: 0, answer: 1 << 20 },
        takes: Takes::Peers,
        columns: BODIES,
        yardstick: Column::Throughput,
    },
    Case {
        name: "up-16k",
        about: "HTTP/1.1, POST of 16 KiB.",
        load: CLOSED,
        request: Request { path: "/upload", upload: 16 << 10, answer: 128 },
        takes: Takes::Peers,
        columns: BODIES,
        yardstick: Column::Throughput,
    },
    Case {
        name: "up-1m",
        about: "HTTP/1.1, POST of 1 MiB.",
        load: CLOSED,
        request: Request { path: "/upload", upload: 1 << 20, answer: 128 },
        takes: Takes::Peers,
        columns: BODIES,
        yardstick: Column::Throughput,
    },
    Case {
        name: "post-1k",
        about: "HTTP/1.1, POST of 1 KiB.",
        load: CLOSED,
        request: Request { path: "/upload", upload: 1 << 10, answer: 128 },
        takes: Takes::Peers,
        columns: REQUESTS,
        yardstick: Column::Cpu,
    },
    Case {
        name: "idle",
        about: "Memory of a connection that has had one request: 1,000 of them beside 100 that were there before.",
        load: Load::Idle { secure: false },
        request: SMALL,
        takes: Takes::Peers,
        columns: MEMORY,
        yardstick: Column::PerConnection,
    },
    Case {
        name: "idle-tls",
        about: "The same over TLS 1.3.",
        load: Load::Idle { secure: true },
        request: SMALL,
        takes: Takes::Peers,
        columns: MEMORY,
        yardstick: Column::PerConnection,
    },
    Case {
        name: "latency",
        about: "HTTP/1.1 at a fixed rate: 60 % of what nginx can do here. A request's time begins when it is due, sent or not.",
        load: Load::Steady,
        request: SMALL,
        takes: Takes::Peers,
        columns: LATENCY,
        yardstick: Column::P99,
    },
    Case {
        name: "workers-2",
        about: "As h1; `-2` has two workers on two cores, and shares one of them with origin and load.",
        load: CLOSED,
        request: SMALL,
        takes: Takes::Only(&["nginx", "nginx-2", "sluice", "sluice-2"]),
        columns: REQUESTS,
        yardstick: Column::Cpu,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_there_once_and_yardsticks_are_told() {
        let mut names = names();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CASES.len());
        for case in CASES {
            assert!(case.columns.contains(&case.yardstick), "{}", case.name);
        }
    }
}
