//! A new TLS connection for each request: connect, shake hands, ask, close. Of the bench's own, since the tools at hand
//! (h2load, `openssl s_time`) keep no session of TLS 1.3.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use super::wire::settings;
use super::{Outcome, Target, Wire};

/// Clients at a time, each with sessions of its own. Each blocks; there are enough to keep a core busy.
const CLIENTS: usize = 16;

/// Connects for so long; each handshake is a full one, or none is.
pub(crate) fn handshakes(target: &Target, resumed: bool, time: Duration) -> Result<Outcome> {
    let request = target.clone().reconnecting(true).request();
    let begin = Instant::now();
    let clients = thread::scope(|scope| {
        let start = |_| scope.spawn(|| client(target, &request, resumed, begin + time));
        let clients: Vec<_> = (0..CLIENTS).map(start).collect();
        let ended =
            clients.into_iter().map(|client| client.join().unwrap_or_else(|_| Err(anyhow!("a client has panicked"))));
        ended.collect::<Result<Vec<_>>>()
    })?;
    let seconds = begin.elapsed().as_secs_f64();
    Ok(Outcome::of(clients.concat(), seconds))
}

/// The times of a client's connections in microseconds.
fn client(target: &Target, request: &[u8], resumed: bool, end: Instant) -> Result<Vec<u64>> {
    let settings = settings(resumed);
    let mut times = Vec::new();
    let mut has_session = false;
    while Instant::now() < end {
        let begin = Instant::now();
        let mut wire = Wire::secure_by(&settings, target.address)?;
        wire.ask(request).context("after a handshake")?.must_be(target.answer)?;
        if wire.is_resumed() != has_session {
            bail!("{} of its sessions is resumed", if has_session { "none" } else { "one" });
        }
        // The first one of a client has nothing to resume; it is a small part of all.
        has_session = resumed;
        times.push(begin.elapsed().as_micros() as u64);
    }
    Ok(times)
}
