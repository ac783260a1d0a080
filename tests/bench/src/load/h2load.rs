//! h2load: streams of HTTP/2 as fast as answers come. It is told how many to send, so that none may be missing, and writes
//! a line for each.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{Outcome, Place, Target};
use crate::case::IN_FLIGHT;
use crate::machine::finish;

/// Connections, with as many streams each as make [`IN_FLIGHT`].
const CONNECTIONS: usize = 8;

/// What is sent to learn how fast answers come.
const WARM_UP: u64 = 6_400;

/// h2load, warmed up for a target.
#[derive(Debug)]
pub(crate) struct H2load {
    /// Answers per second.
    rate: f64,
}

/// What it prints at its end.
#[derive(Debug, PartialEq)]
struct Printed {
    protocol: String,
    cipher: String,
    seconds: f64,
    total: u64,
    succeeded: u64,
    good: u64,
    /// Bytes of bodies.
    data: u64,
}

impl H2load {
    /// Asks twice, to learn how many requests make a second.
    pub(crate) fn warm_up(target: &Target, place: &Place) -> Result<Self> {
        let first = run(target, place, WARM_UP)?;
        let rate = first.answers as f64 / first.seconds;
        let second = run(target, place, (rate as u64).max(WARM_UP))?;
        Ok(Self { rate: second.answers as f64 / second.seconds })
    }

    /// Asks for about so many seconds.
    pub(crate) fn run(&self, target: &Target, place: &Place, seconds: u32) -> Result<Outcome> {
        run(target, place, (self.rate * f64::from(seconds)) as u64)
    }
}

fn run(target: &Target, place: &Place, requests: u64) -> Result<Outcome> {
    let log = place.folder.join("h2load.tsv");
    // It adds to what is there.
    let _ = fs::remove_file(&log);
    let mut h2load = Command::new("h2load");
    h2load.args(["--threads", "1", "--clients", &CONNECTIONS.to_string()]);
    h2load.args(["--max-concurrent-streams", &(IN_FLIGHT / CONNECTIONS).to_string()]);
    h2load.args(["--requests", &requests.to_string(), "--npn-list", "h2", "--log-file"]).arg(&log);
    if let Some(cookie) = &target.cookie {
        h2load.args(["--header", &format!("cookie: {cookie}")]);
    }
    h2load.arg(target.url());
    let printed = finish(&h2load, &place.cores, Duration::from_secs(120))?;
    let printed = parse(&printed).with_context(|| format!("h2load says something else: {printed}"))?;
    printed.judge(requests, target.answer)?;
    let lines = fs::read_to_string(&log).context("h2load has written no log")?;
    Ok(Outcome::of(times(&lines, requests)?, printed.seconds))
}

impl Printed {
    fn judge(&self, requests: u64, length: u64) -> Result<()> {
        if self.protocol != "h2" || !self.cipher.starts_with("TLSv1.3") {
            bail!("it speaks {} over {}, not h2 over TLSv1.3", self.protocol, self.cipher);
        }
        if self.good != requests || self.succeeded != requests || self.total != requests {
            bail!("of {requests} answers {} came and {} were good", self.succeeded, self.good);
        }
        if self.data != requests * length {
            bail!("{requests} answers had {} bytes, not {}", self.data, requests * length);
        }
        Ok(())
    }
}

fn parse(printed: &str) -> Option<Printed> {
    let line = |start: &str| printed.lines().find_map(|line| line.strip_prefix(start)).map(str::trim);
    let before = |line: &str, word: &str| line.split(", ").find_map(|part| part.strip_suffix(word)?.parse().ok());
    let requests = line("requests: ")?;
    // `traffic: 1.18KB (1208) total, 320B (320) headers (space savings 90%), 640B (640) data`
    let data = line("traffic: ")?.strip_suffix(") data")?.rsplit_once('(')?.1;
    Some(Printed {
        protocol: line("Application protocol: ")?.to_owned(),
        cipher: line("TLS Protocol: ")?.to_owned(),
        seconds: seconds(line("finished in ")?.split_once(',')?.0)?,
        total: before(requests, " total")?,
        succeeded: before(requests, " succeeded")?,
        good: before(line("status codes: ")?, " 2xx")?,
        data: data.parse().ok()?,
    })
}

/// `1.50s`, `250.5ms`, `90us`.
fn seconds(text: &str) -> Option<f64> {
    let digits = text.trim_end_matches(|character: char| character.is_ascii_alphabetic());
    let per_second = match &text[digits.len()..] {
        "s" => 1.0,
        "ms" => 1e3,
        "us" => 1e6,
        _ => return None,
    };
    Some(digits.parse::<f64>().ok()? / per_second)
}

/// The times of the log's lines: begin, status, microseconds.
fn times(lines: &str, requests: u64) -> Result<Vec<u64>> {
    let mut times = Vec::with_capacity(requests as usize);
    for line in lines.lines() {
        let mut columns = line.split('\t').skip(1);
        let (status, time) = (columns.next(), columns.next());
        if status != Some("200") {
            bail!("an answer is {}, not 200", status.unwrap_or("nothing"));
        }
        times.push(time.and_then(|time| time.parse().ok()).with_context(|| format!("no time in {line:?}"))?);
    }
    if times.len() as u64 != requests {
        bail!("of {requests} answers {} stand in h2load's log", times.len());
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "starting benchmark...\nTLS Protocol: TLSv1.3\nCipher: TLS_AES_128_GCM_SHA256\n\
        Server Temp Key: X25519 253 bits\nApplication protocol: h2\nprogress: 100% done\n\n\
        finished in 12.50ms, 8000.00 req/s, 2.1MB/s\n\
        requests: 100 total, 100 started, 100 done, 100 succeeded, 0 failed, 0 errored, 0 timeout\n\
        status codes: 100 2xx, 0 3xx, 0 4xx, 0 5xx\n\
        traffic: 14.21KB (14550) total, 1.20KB (1228) headers (space savings 90.41%), 12.50KB (12800) data\n";

    #[test]
    fn what_it_prints_is_read() {
        let printed = parse(PRINTED).unwrap();
        assert_eq!((printed.total, printed.succeeded, printed.good, printed.data), (100, 100, 100, 12_800));
        assert!((printed.seconds - 0.0125).abs() < 1e-9);
        assert!(printed.judge(100, 128).is_ok());
        assert_eq!(parse("starting benchmark...\n"), None);
    }

    #[test]
    fn answers_that_lack_are_found() {
        for (from, to, reason) in [
            ("100 succeeded", "99 succeeded", "of 100 answers 99 came"),
            ("100 2xx", "98 2xx", "98 were good"),
            ("(12800) data", "(12700) data", "100 answers had 12700 bytes, not 12800"),
            ("Application protocol: h2", "Application protocol: http/1.1", "it speaks http/1.1"),
            ("TLSv1.3", "TLSv1.2", "over TLSv1.2"),
        ] {
            let said = parse(&PRINTED.replace(from, to)).unwrap().judge(100, 128).unwrap_err().to_string();
            assert!(said.contains(reason), "{said}");
        }
    }

    #[test]
    fn durations_have_units() {
        for (text, expected) in
            [("1.50s", Some(1.5)), ("250.0ms", Some(0.25)), ("90us", Some(9e-5)), ("1h", None), ("", None)]
        {
            assert_eq!(seconds(text), expected, "{text:?}");
        }
    }

    #[test]
    fn each_answer_has_a_line_of_200() {
        assert_eq!(times("1\t200\t30\n2\t200\t10\n", 2).unwrap(), [30, 10]);
        for lines in ["1\t200\t30\n", "1\t200\t30\n2\t502\t10\n", "1\t200\t30\n2\t200\n", "1\t200\t30\n2\t-1\t5\n"] {
            assert!(times(lines, 2).is_err(), "{lines:?}");
        }
    }
}
