//! Recorded traffic: the gateway's own access log in JSON, a line for each exchange. Other lines of the log are left out, and so
//! are exchanges that no endpoint has seen.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::path::Path;

use fastrand::Rng;
use serde::Deserialize;
use x509_cert::der::DateTime;

/// Most exchanges of a log.
const MOST: usize = 10_000_000;

/// What a log tells of one exchange.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Recorded {
    /// When it came, nanoseconds after the first.
    pub(super) at: u64,
    /// How long the endpoint took to the response head, nanoseconds.
    pub(super) took: f64,
    /// Which key it has: equal for equal ones, from 0.
    pub(super) key: u32,
    pub(super) client: Option<IpAddr>,
    pub(super) method: String,
    pub(super) host: String,
    pub(super) path: String,
}

/// Exchanges in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Recording {
    pub(super) exchanges: Vec<Recorded>,
    /// How many keys there are.
    pub(super) keys: u32,
}

/// What of a line is looked at.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    target: String,
    #[serde(default)]
    timestamp: String,
    #[serde(default)]
    endpoint: String,
    #[serde(default)]
    client: Option<String>,
    #[serde(default)]
    method: String,
    #[serde(default)]
    host: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    duration_us: u64,
    #[serde(default)]
    upstream_us: u64,
}

impl Recording {
    /// Reads a log; what has a path in common has a key in common if `by_path`, else what has a client in common.
    pub(super) fn read(file: &Path, by_path: bool) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", file.display());
        Self::of(BufReader::new(File::open(file).map_err(failed)?), by_path)
            .map_err(|reason| format!("{}{reason}", file.display()))
    }

    fn of(log: impl BufRead, by_path: bool) -> Result<Self, String> {
        let mut exchanges: Vec<Recorded> = Vec::new();
        let mut keys: HashMap<String, u32> = HashMap::new();
        for (number, line) in log.lines().enumerate() {
            let line = line.map_err(|error| format!(": {error}"))?;
            let told: Line = match serde_json::from_str(&line) {
                Ok(told) => told,
                Err(_) if line.trim().is_empty() => continue,
                Err(error) => return Err(format!(":{}: no line of a log in JSON: {error}", number + 1)),
            };
            if told.target != "access" || told.endpoint.is_empty() {
                continue;
            }
            let ended = nanoseconds(&told.timestamp);
            let ended = ended.ok_or_else(|| format!(":{}: {:?} is no timestamp", number + 1, told.timestamp))?;
            let key = if by_path { told.path.clone() } else { told.client.clone().unwrap_or_default() };
            let next = keys.len() as u32;
            exchanges.push(Recorded {
                at: ended.saturating_sub(told.duration_us * 1_000),
                took: told.upstream_us as f64 * 1_000.0,
                key: *keys.entry(key).or_insert(next),
                client: told.client.and_then(|client| client.parse().ok()),
                method: told.method,
                host: told.host,
                path: told.path,
            });
            if exchanges.len() > MOST {
                return Err(format!(": more than {MOST} exchanges"));
            }
        }
        exchanges.sort_by_key(|exchange| exchange.at);
        let first = exchanges.first().map(|exchange| exchange.at);
        let first = first.ok_or(": it has no line of an exchange (`target` is `access`) that an endpoint has seen")?;
        exchanges.iter_mut().for_each(|exchange| exchange.at -= first);
        Ok(Self { exchanges, keys: keys.len() as u32 })
    }

    /// What endpoints took on average.
    pub(super) fn mean(&self) -> f64 {
        let all: f64 = self.exchanges.iter().map(|exchange| exchange.took).sum();
        (all / self.exchanges.len().max(1) as f64).max(1.0)
    }

    /// What an endpoint took once.
    pub(super) fn draw(&self, random: &mut Rng) -> f64 {
        let place = random.usize(..self.exchanges.len().max(1));
        self.exchanges.get(place).map_or(0.0, |exchange| exchange.took)
    }
}

/// Since 1970, of `2026-11-21T19:05:27.123456Z`.
fn nanoseconds(timestamp: &str) -> Option<u64> {
    let (seconds, fraction) = timestamp.strip_suffix('Z')?.split_once('.')?;
    let moment: DateTime = format!("{seconds}Z").parse().ok()?;
    let is_fraction = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let fraction: u64 = format!("{fraction:0<9}").parse().ok().filter(|_| is_fraction)?;
    Some(moment.unix_duration().as_secs() * 1_000_000_000 + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = r#"{"timestamp":"2026-11-21T19:05:27.000250Z","level":"INFO","message":"listening","target":"sluice"}
{"timestamp":"2026-11-21T19:05:28.500000Z","level":"INFO","message":"exchange","status":200,"method":"GET","host":"a","path":"/b","client":"192.0.2.7","endpoint":"e1","duration_us":30000,"upstream_us":25000,"target":"access"}

{"timestamp":"2026-11-21T19:05:28.480000Z","level":"INFO","message":"exchange","status":200,"method":"GET","host":"a","path":"/a","client":"192.0.2.7","endpoint":"e2","duration_us":20000,"upstream_us":15000,"target":"access"}
{"timestamp":"2026-11-21T19:05:28.700000Z","level":"INFO","message":"exchange","status":404,"path":"/c","client":"192.0.2.8","endpoint":"","duration_us":10,"target":"access"}
"#;

    #[test]
    fn exchanges_come_when_they_began() {
        let recording = Recording::of(LOG.as_bytes(), false).unwrap();
        let told: Vec<_> = recording.exchanges.iter().map(|one| (one.at, one.took, one.key, &*one.path)).collect();
        assert_eq!(told, [(0, 15e6, 1 - 1, "/a"), (10_000_000, 25e6, 0, "/b")]);
        assert_eq!((recording.keys, recording.mean()), (1, 20e6));
        assert_eq!(Recording::of(LOG.as_bytes(), true).unwrap().keys, 2);
    }

    #[test]
    fn a_log_that_is_none_is_told_by_its_line() {
        let told = |log: &str| Recording::of(log.as_bytes(), false).unwrap_err();
        assert!(told("{}\nGET / 200\n").starts_with(":2: no line of a log in JSON"));
        assert!(told("{}\n").contains("no line of an exchange"));
        let bad = LOG.replace("2026-11-21T19:05:28.5", "yesterday");
        assert!(told(&bad).starts_with(":2: \"yesterday"), "{}", told(&bad));
    }
}
