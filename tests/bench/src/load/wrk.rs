//! wrk: HTTP/1.1 as fast as answers come. A script has it send what the case asks for, look at each answer of the
//! warm-up, and print what it counted as JSON, since what it prints by itself is rounded.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::{Outcome, Place, Target};
use crate::case::IN_FLIGHT;
use crate::machine::finish;

/// What stands before the line that is for the bench.
const MARK: &str = "counted: ";

/// wrk, warmed up for a target.
#[derive(Debug)]
pub(crate) struct Wrk {
    /// Bytes of one answer, head and all, on average.
    bytes: f64,
}

/// What the script prints.
#[derive(Debug, Deserialize, PartialEq)]
struct Counted {
    requests: u64,
    bytes: u64,
    microseconds: f64,
    /// Connections that broke, answers that did not come in time, answers of 400 and above.
    errors: u64,
    /// Answers that the warm-up looked at and did not like.
    wrong: u64,
    p50: f64,
    p99: f64,
}

impl Wrk {
    /// Asks for a second, and looks at every single answer.
    pub(crate) fn warm_up(target: &Target, place: &Place) -> Result<Self> {
        let counted = run(target, place, 1, true)?;
        counted.judge(None)?;
        Ok(Self { bytes: counted.bytes as f64 / counted.requests as f64 })
    }

    /// Asks for so many seconds.
    pub(crate) fn run(&self, target: &Target, place: &Place, seconds: u32) -> Result<Outcome> {
        let counted = run(target, place, seconds, false)?;
        counted.judge(Some(self.bytes))?;
        Ok(Outcome {
            answers: counted.requests,
            seconds: counted.microseconds / 1e6,
            p50: Some(counted.p50),
            p99: Some(counted.p99),
            lost: 0.0,
        })
    }
}

impl Counted {
    /// `bytes`: what an answer should have, head and all.
    fn judge(&self, bytes: Option<f64>) -> Result<()> {
        if self.wrong > 0 {
            bail!("{} of {} answers were not 200 or had another length", self.wrong, self.requests);
        }
        if self.errors > 0 {
            bail!("{} answers failed or did not come, beside {} that did", self.errors, self.requests);
        }
        if self.requests < IN_FLIGHT as u64 {
            bail!("only {} answers came to {IN_FLIGHT} connections", self.requests);
        }
        if let Some(expected) = bytes {
            // At the end an answer may be on its way on each connection. Heads differ by a digit now and then.
            let (requests, seen) = (self.requests as f64, self.bytes as f64);
            let most = (requests + IN_FLIGHT as f64) * expected * 1.01;
            if seen < requests * expected * 0.99 || seen > most {
                bail!("an answer had {:.0} bytes on average, not {expected:.0} as in the warm-up", seen / requests);
            }
        }
        Ok(())
    }
}

fn run(target: &Target, place: &Place, seconds: u32, looks: bool) -> Result<Counted> {
    let script = place.folder.join("wrk.lua");
    fs::write(&script, text(target, looks)).with_context(|| format!("cannot write {}", script.display()))?;
    let mut wrk = Command::new("wrk");
    wrk.args(["--threads", "1", "--connections", &IN_FLIGHT.to_string(), "--timeout", "10s", "--latency"]);
    wrk.args(["--duration", &format!("{seconds}s"), "--script"]).arg(script).arg(target.url());
    let printed = finish(&wrk, &place.cores, Duration::from_secs(u64::from(seconds) + 20))?;
    parse(&printed).with_context(|| format!("wrk does not say what it counted: {printed}"))
}

fn parse(printed: &str) -> Option<Counted> {
    let line = printed.lines().find_map(|line| line.strip_prefix(MARK))?;
    serde_json::from_str(line).ok()
}

/// The script.
fn text(target: &Target, looks: bool) -> String {
    let mut lines = vec!["wrong = 0".to_owned()];
    if let Some(cookie) = &target.cookie {
        lines.push(format!("wrk.headers['Cookie'] = '{cookie}'"));
    }
    if target.reconnects {
        lines.push("wrk.headers['Connection'] = 'close'".to_owned());
    }
    if target.upload > 0 {
        lines.push(format!("wrk.method = 'POST'\nwrk.body = string.rep('x', {})", target.upload));
    }
    if looks {
        let wrong = format!("status ~= 200 or #body ~= {}", target.answer);
        lines.push(format!(
            "function response(status, headers, body)\n  if {wrong} then wrong = wrong + 1 end\nend\n\
             local seen\nfunction setup(thread) seen = thread end"
        ));
    } else {
        lines.push("local seen".to_owned());
    }
    lines.push(format!(
        "function done(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout + errors.status
  local line = '{MARK}{{\"requests\":%d,\"bytes\":%d,\"microseconds\":%d,\"errors\":%d,\"wrong\":%d,\"p50\":%d,\"p99\":%d}}'
  print(line:format(summary.requests, summary.bytes, summary.duration, failed, seen and seen:get('wrong') or 0,
    latency:percentile(50), latency:percentile(99)))
end
"
    ));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "Running 1s test @ http://127.0.0.1:1/\n  1 threads and 64 connections\nRequests/sec:  1000.00\n\
        counted: {\"requests\":1000,\"bytes\":300000,\"microseconds\":1000123,\"errors\":0,\"wrong\":0,\"p50\":800,\"p99\":1700}\n";

    fn counted(requests: u64, bytes: u64, errors: u64, wrong: u64) -> Counted {
        Counted { requests, bytes, microseconds: 1e6, errors, wrong, p50: 1.0, p99: 2.0 }
    }

    #[test]
    fn what_it_counted_is_found_among_what_it_prints() {
        let expected = Counted { microseconds: 1_000_123.0, p50: 800.0, p99: 1700.0, ..counted(1000, 300_000, 0, 0) };
        assert_eq!(parse(PRINTED), Some(expected));
        for printed in ["", "Requests/sec: 5", "counted: nothing", "counted: {\"requests\":1}"] {
            assert_eq!(parse(printed), None, "{printed:?}");
        }
    }

    #[test]
    fn a_wrong_answer_is_not_a_fast_one() {
        for (counted, bytes, reason) in [
            (counted(1000, 300_000, 0, 0), Some(300.0), None),
            (counted(1000, 310_000, 0, 0), Some(300.0), None),
            (counted(1000, 290_000, 0, 0), Some(300.0), Some("290 bytes on average, not 300")),
            (counted(1000, 330_000, 0, 0), Some(300.0), Some("330 bytes on average, not 300")),
            (counted(1000, 300_000, 2, 0), Some(300.0), Some("2 answers failed or did not come")),
            (counted(1000, 300_000, 0, 1), None, Some("1 of 1000 answers were not 200")),
            (counted(63, 18_900, 0, 0), None, Some("only 63 answers came to 64 connections")),
        ] {
            let said = counted.judge(bytes).map_err(|error| error.to_string()).err();
            let fits = said.as_deref().unwrap_or_default().contains(reason.unwrap_or_default());
            assert!(fits && said.is_some() == reason.is_some(), "{counted:?}: {said:?}");
        }
    }

    #[test]
    fn the_script_sends_what_the_case_asks_for() {
        let target = Target::small("127.0.0.1:1".parse().unwrap()).with_cookie(Some("a=b"));
        assert!(text(&target, false).contains("wrk.headers['Cookie'] = 'a=b'"));
        assert!(!text(&target, false).contains("function response"));
        let target = target.asking(&crate::case::Request { path: "/", upload: 5, answer: 7 });
        assert!(text(&target, true).contains("string.rep('x', 5)") && text(&target, true).contains("#body ~= 7"));
    }
}
