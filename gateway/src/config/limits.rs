//! Bounds in size and number, from the file's shape to the model.

use std::net::IpAddr;
use std::time::Duration;

use super::key_path::KeyPath;
use super::problem::Report;
use super::raw;
use super::units::Size;

/// Connections of one client where the file says nothing.
const PER_CLIENT: usize = 200;

/// Bounds in size and number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Client connections over all listeners. Default 10,000.
    pub connections: usize,
    /// Those of one client.
    pub connections_per_client: PerClient,
    /// Bytes of a request head. Default 32 KiB.
    pub header_bytes: usize,
    /// Fields of a request head, and of the trailers of a body. Default 100.
    pub headers: usize,
    /// Bytes of a request line; over HTTP/2 of the target. Default 8 KiB.
    pub request_line: usize,
    /// Bytes of the extensions of one chunk. Default 1 KiB.
    pub chunk_extensions: usize,
    /// Bytes of the trailers of a body that a client sends chunked. Default 8 KiB.
    pub trailers: usize,
    /// What a client must send and take.
    pub minimum_rate: MinimumRate,
    /// Resets of HTTP/2 streams on a connection in any 30 s. Default 100.
    pub resets: u32,
}

impl Limits {
    /// What a file that says nothing of them has; a test of the configuration holds it.
    pub const BY_DEFAULT: Self = Self {
        connections: 10_000,
        connections_per_client: PerClient { most: PER_CLIENT, spares_loopback: true },
        header_bytes: 32 << 10,
        headers: 100,
        request_line: 8 << 10,
        chunk_extensions: 1 << 10,
        trailers: 8 << 10,
        minimum_rate: MinimumRate { bytes_per_second: 240 },
        resets: 100,
    };
}

/// Connections of one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerClient {
    /// At most so many. Default 200.
    pub most: usize,
    /// Those from addresses of this machine are not counted: what listens there speaks for others. Default true, and false where
    /// the file gives a number.
    pub spares_loopback: bool,
}

impl PerClient {
    /// Whether connections from that address are counted.
    pub fn counts(&self, peer: IpAddr) -> bool {
        !(self.spares_loopback && peer.to_canonical().is_loopback())
    }
}

/// The least that a client must send of a body, or take of an answer, on average while somebody waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinimumRate {
    /// Default 240.
    pub bytes_per_second: u64,
}

impl MinimumRate {
    /// What a client gets before it counts: a connection begins slowly, and a mobile one may pause.
    const GRACE: Duration = Duration::from_secs(5);

    /// How many bytes that makes in that time.
    pub fn bytes_in(&self, time: Duration) -> u64 {
        self.bytes_per_second.saturating_mul(time.as_secs())
    }

    /// How long so many bytes may take.
    pub fn time_for(&self, bytes: u64) -> Duration {
        let millis = u128::from(bytes) * 1_000 / u128::from(self.bytes_per_second.max(1));
        Self::GRACE.saturating_add(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
    }
}

pub(super) fn limits(raw: &raw::Limits, report: &mut Report<'_>) -> Limits {
    let sizes = [
        ("header-bytes", raw.header_bytes, Size(8 << 10), Size(16 << 20)),
        ("request-line", raw.request_line, Size(1 << 10), Size(64 << 10)),
        ("chunk-extensions", raw.chunk_extensions, Size(1), Size(16 << 10)),
        ("trailers", raw.trailers, Size(1), Size(1 << 20)),
    ];
    for (key, size, least, most) in sizes {
        if !(least..=most).contains(&size) {
            let message = format!("expected {least} to {most}, found {size}");
            report.add(&KeyPath::root().key("limits").key(key), message);
        }
    }
    Limits {
        connections: raw.connections,
        connections_per_client: PerClient {
            most: raw.connections_per_client.unwrap_or(PER_CLIENT),
            spares_loopback: raw.connections_per_client.is_none(),
        },
        header_bytes: raw.header_bytes.0,
        headers: raw.headers,
        request_line: raw.request_line.0,
        chunk_extensions: raw.chunk_extensions.0,
        trailers: raw.trailers.0,
        minimum_rate: MinimumRate { bytes_per_second: raw.minimum_rate.0 as u64 },
        resets: raw.resets,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_a_grace_and_what_the_rate_gives() {
        let rate = MinimumRate { bytes_per_second: 240 };
        let cases = [(0, 5_000), (24, 5_100), (240, 6_000), (240_000, 1_005_000)];
        for (bytes, millis) in cases {
            assert_eq!(rate.time_for(bytes), Duration::from_millis(millis), "{bytes}");
        }
        assert!(MinimumRate { bytes_per_second: 1 }.time_for(u64::MAX) > rate.time_for(u64::MAX / 1_000));
    }

    #[test]
    fn this_machine_counts_where_a_number_is_given() {
        let parse = |text: &str| text.parse::<IpAddr>().expect("an address");
        let by_default = PerClient { most: 200, spares_loopback: true };
        let given = PerClient { most: 200, spares_loopback: false };
        for (address, counts) in
            [("127.0.0.1", false), ("::1", false), ("::ffff:127.0.0.9", false), ("192.0.2.1", true)]
        {
            assert_eq!((by_default.counts(parse(address)), given.counts(parse(address))), (counts, true), "{address}");
        }
    }
}
