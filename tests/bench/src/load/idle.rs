//! Connections on which nothing happens, after one request each.

use anyhow::{Context, Result};

use super::{Target, Wire};

/// Opened first, for all that a server sets up once.
const FIRST: usize = 100;

/// Those whose memory counts.
pub(crate) const COUNTED: usize = 1_000;

/// Open connections.
#[derive(Debug)]
pub(crate) struct Idle(Vec<Wire>);

impl Idle {
    /// The first ones.
    pub(crate) fn begin(target: &Target) -> Result<Self> {
        let mut idle = Self(Vec::new());
        idle.open(target, FIRST)?;
        Ok(idle)
    }

    /// Those that count, beside the first.
    pub(crate) fn grow(&mut self, target: &Target) -> Result<()> {
        self.open(target, COUNTED)
    }

    /// Asks once more on each: a server that has closed some of them has saved memory by that.
    pub(crate) fn end(mut self, target: &Target) -> Result<()> {
        let request = target.request();
        for (number, wire) in self.0.iter_mut().enumerate() {
            let again = wire.ask(&request).and_then(|answer| answer.must_be(target.answer));
            again.with_context(|| format!("connection {number} was not kept"))?;
        }
        Ok(())
    }

    fn open(&mut self, target: &Target, count: usize) -> Result<()> {
        let request = target.request();
        for _ in 0..count {
            let mut wire = if target.secure { Wire::secure(target.address)? } else { Wire::plain(target.address)? };
            wire.ask(&request)?.must_be(target.answer)?;
            self.0.push(wire);
        }
        Ok(())
    }
}
