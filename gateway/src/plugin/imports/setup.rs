//! `sluice:plugin/setup`: what a plugin learns and asks for while it is configured.

use wasmtime::{Result, bail};

use crate::plugin::bindings::sluice::plugin::setup::{Edit, Host, RespondWhen};
use crate::plugin::bindings::sluice::plugin::types::KeySource;
use crate::plugin::context::{self, Context, Phase};
use crate::plugin::edits::{self, FieldEdit};
use crate::plugin::guest_log::short;

/// Most bytes of a body that a routing plugin may see.
const MOST_BODY: u32 = 64 * 1024;
/// Most sources of a key: all may be looked at for each request.
const MOST_SOURCES: usize = 16;
/// Most edits of one call, prepared or not.
const MOST_EDITS: usize = 64;
/// Most sets of prepared edits.
const MOST_PREPARED: usize = 64;

impl Context {
    fn configuring(&mut self) -> Result<&mut Self> {
        match self.phase {
            Phase::Configuring => Ok(self),
            _ => bail!("`setup` called outside `configure`"),
        }
    }
}

impl Host for Context {
    fn use_name(&mut self) -> Result<String> {
        Ok(self.configuring()?.owner.name.as_ref().to_owned())
    }

    fn upstream(&mut self) -> Result<Option<String>> {
        let upstream = &self.configuring()?.owner.upstream;
        Ok(upstream.as_ref().map(|upstream| upstream.name.as_ref().to_owned()))
    }

    fn upstreams(&mut self) -> Result<Vec<String>> {
        let upstreams = &self.configuring()?.owner.upstreams;
        Ok(upstreams.iter().map(|upstream| upstream.name.as_ref().to_owned()).collect())
    }

    fn worker(&mut self) -> Result<u32> {
        Ok(self.configuring()?.slot as u32)
    }

    fn workers(&mut self) -> Result<u32> {
        Ok(self.configuring()?.owner.slots as u32)
    }

    fn seed(&mut self) -> Result<u64> {
        Ok(self.configuring()?.owner.seed)
    }

    fn trial(&mut self) -> Result<bool> {
        Ok(self.configuring()?.trial)
    }

    fn want_key(&mut self, sources: Vec<KeySource>) -> Result<()> {
        if sources.len() > MOST_SOURCES {
            bail!("{} sources of a key, {MOST_SOURCES} at most", sources.len());
        }
        self.configuring()?.wishes.keys = sources;
        Ok(())
    }

    fn see_request(&mut self) -> Result<()> {
        self.configuring()?.wishes.see_request = true;
        Ok(())
    }

    fn respond(&mut self, when: RespondWhen) -> Result<()> {
        self.configuring()?.wishes.respond = match when {
            RespondWhen::Never => context::RespondWhen::Never,
            RespondWhen::Tagged => context::RespondWhen::Tagged,
            RespondWhen::Always => context::RespondWhen::Always,
        };
        Ok(())
    }

    fn hold_body(&mut self, bytes: u32) -> Result<()> {
        self.configuring()?.wishes.hold_body = bytes.min(MOST_BODY) as usize;
        Ok(())
    }

    fn tick(&mut self, every_ms: u32) -> Result<()> {
        let wishes = &mut self.configuring()?.wishes;
        wishes.tick_ms = if every_ms == 0 { 0 } else { every_ms.clamp(10, 86_400_000) };
        Ok(())
    }

    fn keep_draining(&mut self) -> Result<()> {
        self.configuring()?.wishes.keep_draining = true;
        Ok(())
    }

    fn prepare(&mut self, edits: Vec<Edit>) -> Result<u32> {
        let most = self.owner.limits.output;
        let prepared = &mut self.configuring()?.wishes.prepared;
        if prepared.len() >= MOST_PREPARED {
            bail!("more than {MOST_PREPARED} sets of prepared edits");
        }
        if edits.len() > MOST_EDITS {
            bail!("{} prepared edits in one set, {MOST_EDITS} at most", edits.len());
        }
        let edits = edits.into_iter().map(check).collect::<Result<Vec<_>>>()?;
        // What no call may write is not kept for one.
        let size: usize = edits.iter().map(FieldEdit::size).sum();
        if size > most {
            bail!("prepared edits of {size} bytes, {most} at most");
        }
        prepared.push(edits);
        Ok(prepared.len() as u32 - 1)
    }
}

fn check(edit: Edit) -> Result<FieldEdit> {
    let (name, value) = match &edit {
        Edit::Set((name, value)) | Edit::Append((name, value)) => (name, value.as_str()),
        Edit::Remove(name) => (name, ""),
    };
    let illegal = |error| wasmtime::format_err!("{error:?}: prepared edit of `{}`", short(name));
    let name = edits::writable_name(name).map_err(illegal)?;
    let value = edits::value(value).map_err(illegal)?;
    Ok(match edit {
        Edit::Set(_) => FieldEdit::Set(name, value),
        Edit::Append(_) => FieldEdit::Append(name, value),
        Edit::Remove(_) => FieldEdit::Remove(name),
    })
}
