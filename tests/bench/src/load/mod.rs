//! The load: what is asked of whom, the tools that ask, and the clients of the bench's own for what no tool at hand does.
//! Each looks at its answers: one that is not 200, or not as long as it must be, is an error.

mod answer;
mod h2load;
mod handshakes;
mod idle;
mod steady;
mod wire;
mod wrk;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::case::Request;
use crate::machine::Running;
use crate::statistics::percentile;

pub(crate) use h2load::H2load;
pub(crate) use handshakes::handshakes;
pub(crate) use idle::{COUNTED, Idle};
pub(crate) use steady::steady;
pub(crate) use wire::Wire;
pub(crate) use wrk::Wrk;

/// How long a server gets to come up: compiling plugins for the first time takes seconds.
const START: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_millis(20);

/// What is asked of whom.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) secure: bool,
    path: &'static str,
    upload: u64,
    answer: u64,
    cookie: Option<String>,
    reconnects: bool,
}

/// Where a tool runs, and keeps its files.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) cores: Vec<usize>,
    pub(crate) folder: PathBuf,
}

/// What came of a load.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) answers: u64,
    pub(crate) seconds: f64,
    /// Times of answers in microseconds; `None` where they say nothing.
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
    /// Seconds that do not count, since the load had no core.
    pub(crate) lost: f64,
}

impl Target {
    /// The small answer over plain TCP.
    pub(crate) fn small(address: SocketAddr) -> Self {
        Self { address, secure: false, path: "/", upload: 0, answer: 128, cookie: None, reconnects: false }
    }

    /// The same over TLS.
    pub(crate) fn over_tls(self) -> Self {
        Self { secure: true, ..self }
    }

    /// The same at another path.
    pub(crate) fn at(self, path: &'static str) -> Self {
        Self { path, ..self }
    }

    /// What a case asks for.
    pub(crate) fn asking(self, request: &Request) -> Self {
        Self { path: request.path, upload: request.upload, answer: request.answer, ..self }
    }

    /// The same in a session.
    pub(crate) fn with_cookie(self, cookie: Option<&str>) -> Self {
        Self { cookie: cookie.map(str::to_owned), ..self }
    }

    /// The same, each request on a connection of its own.
    pub(crate) fn reconnecting(self, reconnects: bool) -> Self {
        Self { reconnects, ..self }
    }

    /// Bytes of bodies that one exchange moves.
    pub(crate) fn moved(&self) -> u64 {
        self.upload + self.answer
    }

    /// Head and body as they go over the wire.
    pub(crate) fn request(&self) -> Vec<u8> {
        let method = if self.upload > 0 { "POST" } else { "GET" };
        let mut head = format!("{method} {} HTTP/1.1\r\nHost: {}\r\n", self.path, self.address);
        if let Some(cookie) = &self.cookie {
            head += &format!("Cookie: {cookie}\r\n");
        }
        if self.reconnects {
            head += "Connection: close\r\n";
        }
        if self.upload > 0 {
            head += &format!("Content-Length: {}\r\n", self.upload);
        }
        let mut bytes = (head + "\r\n").into_bytes();
        bytes.resize(bytes.len() + self.upload as usize, b'x');
        bytes
    }

    fn url(&self) -> String {
        let scheme = if self.secure { "https" } else { "http" };
        format!("{scheme}://{}{}", self.address, self.path)
    }

    /// Asks once, and looks at the answer.
    pub(crate) fn probe(&self) -> Result<()> {
        let mut wire = if self.secure { Wire::secure(self.address)? } else { Wire::plain(self.address)? };
        wire.ask(&self.request())?.must_be(self.answer)
    }
}

impl Outcome {
    /// Of the answers' times in microseconds.
    fn of(mut times: Vec<u64>, seconds: f64) -> Self {
        times.sort_unstable();
        let at = |share| percentile(&times, share).map(|time| time as f64);
        Self { answers: times.len() as u64, seconds, p50: at(0.50), p99: at(0.99), lost: 0.0 }
    }
}

/// Asks until the answer is the right one; gives up when the server ends, or takes too long.
pub(crate) fn wait_until_it_answers(target: &Target, running: &mut Running) -> Result<()> {
    let begin = Instant::now();
    loop {
        let Err(reason) = target.probe() else { return Ok(()) };
        if let Some(words) = running.last_words()? {
            bail!(words);
        }
        if begin.elapsed() > START {
            return Err(reason)
                .with_context(|| format!("no answer in {} s; it said: {}", START.as_secs(), running.tail()));
        }
        sleep(TICK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_as_the_case_wants_it() {
        let target = Target::small("127.0.0.1:80".parse().unwrap());
        let text = |target: &Target| String::from_utf8(target.request()).unwrap();
        assert_eq!(text(&target), "GET / HTTP/1.1\r\nHost: 127.0.0.1:80\r\n\r\n");
        let target =
            target.asking(&Request { path: "/up", upload: 3, answer: 1 }).with_cookie(Some("a=b")).reconnecting(true);
        let expected = "POST /up HTTP/1.1\r\nHost: 127.0.0.1:80\r\nCookie: a=b\r\nConnection: close\r\nContent-Length: 3\r\n\r\nxxx";
        assert_eq!(text(&target), expected);
        assert_eq!(target.moved(), 4);
        assert_eq!(target.over_tls().url(), "https://127.0.0.1:80/up");
    }
}
