//! WASI 0.2 for guests whose languages insist on it, inert: no arguments, environment, files or network; clocks and random
//! numbers work, nothing waits, and what is printed becomes log lines. What would need a resource that this host never
//! hands out is linked as a trap.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wasmtime::component::types::{ComponentInstance, ComponentItem};
use wasmtime::component::{ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType, Val};
use wasmtime::{Engine, Result, bail};

use super::context::Context;
use super::guest_log::Lines;
use super::uses::Use;

/// Packages of WASI 0.2 that may be imported.
const PACKAGES: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];

/// Bytes of one answer of the random interfaces.
const MOST_RANDOM: u64 = 64 * 1024;

/// Any resource of WASI: a stream by its number, or something that has no content.
#[derive(Debug)]
struct Handle;

const STDIN: u32 = 0;
const OUTPUT: u32 = 1;
const POLLABLE: u32 = 2;
const NETWORK: u32 = 3;

/// What the inert WASI of one instance keeps.
#[derive(Debug)]
pub(super) struct Inert {
    pub(super) lines: Lines,
    random: fastrand::Rng,
    started: Instant,
}

impl Inert {
    pub(super) fn new(owner: &Use, slot: usize, trial: bool) -> Self {
        // Guests hash with this: an outsider who knows the configured seed must not know these numbers.
        let entropy = owner.surroundings.as_ref().map_or_else(|| fastrand::u64(..), |given| given.entropy);
        let random = fastrand::Rng::with_seed(entropy ^ owner.seed ^ slot as u64);
        Self { lines: Lines::new(trial), random, started: owner.now() }
    }
}

/// True for the name of an import that [`link`] takes care of: `wasi:cli/environment@0.2.3`.
pub(super) fn is_inert(import: &str) -> bool {
    parts(import).is_some()
}

fn parts(import: &str) -> Option<&str> {
    let (interface, version) = import.strip_prefix("wasi:")?.split_once('@')?;
    let (package, _) = interface.split_once('/')?;
    (PACKAGES.contains(&package) && version.starts_with("0.2.")).then_some(interface)
}

/// Links one imported instance, whatever minor version of it the component was built with.
pub(super) fn link(
    linker: &mut Linker<Context>,
    engine: &Engine,
    import: &str,
    shape: &ComponentInstance,
) -> Result<()> {
    let interface = parts(import).unwrap_or(import);
    let mut instance = linker.instance(import)?;
    for (name, item) in shape.exports(engine) {
        match item.ty {
            ComponentItem::Resource(_) => {
                instance.resource(name, ResourceType::host::<Handle>(), |_, _| Ok(()))?;
            }
            ComponentItem::ComponentFunc(_) => link_function(&mut instance, interface, name)?,
            _ => {}
        }
    }
    Ok(())
}

#[derive(ComponentType, Lower, Lift)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    #[allow(dead_code)] // Part of the shape; an inert stream knows no such error.
    LastOperationFailed(Resource<Handle>),
    #[component(name = "closed")]
    Closed,
}

#[derive(ComponentType, Lower, Lift)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

type Streamed<T> = Result<(std::result::Result<T, StreamError>,)>;

fn link_function(to: &mut LinkerInstance<'_, Context>, interface: &str, name: &str) -> Result<()> {
    let linked = match interface.split_once('/').unwrap_or_default() {
        ("io", _) => link_io(to, name)?,
        ("random", _) => link_random(to, name)?,
        ("clocks", part) => link_clocks(to, part, name)?,
        ("sockets", _) => link_sockets(to, name)?,
        _ => link_rest(to, name)?,
    };
    if !linked {
        let function = format!("wasi:{interface}#{name}");
        to.func_new(name, move |_, _, _, _| bail!("{function} is not available to plugins"))?;
    }
    Ok(())
}

/// The rest: `cli` and `filesystem`. Like its neighbours it says false of a function that guests cannot reach, since it
/// takes a resource that is never handed out.
fn link_rest(to: &mut LinkerInstance<'_, Context>, name: &str) -> Result<bool> {
    match name {
        "get-environment" => to.func_wrap(name, |_, ()| Ok((Vec::<(String, String)>::new(),)))?,
        "get-arguments" => to.func_wrap(name, |_, ()| Ok((Vec::<String>::new(),)))?,
        "initial-cwd" => to.func_wrap(name, |_, ()| Ok((None::<String>,)))?,
        "get-directories" => {
            to.func_wrap(name, |_, ()| Ok((Vec::<(Resource<Handle>, String)>::new(),)))?;
        }
        "get-stdin" => to.func_wrap(name, |_, ()| Ok((Resource::<Handle>::new_own(STDIN),)))?,
        "get-stdout" | "get-stderr" => {
            to.func_wrap(name, |_, ()| Ok((Resource::<Handle>::new_own(OUTPUT),)))?;
        }
        "get-terminal-stdin" | "get-terminal-stdout" | "get-terminal-stderr" => {
            to.func_wrap(name, |_, ()| Ok((None::<Resource<Handle>>,)))?;
        }
        "exit" | "exit-with-code" => to.func_new(name, |_, _, _, _| bail!("the guest exited"))?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn link_io(to: &mut LinkerInstance<'_, Context>, name: &str) -> Result<bool> {
    type Stream = (Resource<Handle>,);
    let pollable = || Ok((Resource::<Handle>::new_own(POLLABLE),));
    match name {
        "[method]input-stream.read" | "[method]input-stream.blocking-read" => {
            to.func_wrap(name, |_, _: (Resource<Handle>, u64)| -> Streamed<Vec<u8>> {
                Ok((Err(StreamError::Closed),))
            })?;
        }
        "[method]input-stream.skip" | "[method]input-stream.blocking-skip" => {
            to.func_wrap(name, |_, _: (Resource<Handle>, u64)| -> Streamed<u64> { Ok((Err(StreamError::Closed),)) })?;
        }
        "[method]input-stream.subscribe" | "[method]output-stream.subscribe" => {
            to.func_wrap(name, move |_, _: Stream| pollable())?;
        }
        "[method]output-stream.check-write" => {
            to.func_wrap(name, |_, _: Stream| -> Streamed<u64> { Ok((Ok(4096),)) })?;
        }
        "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush" => {
            to.func_wrap(name, |mut store, (_, bytes): (Resource<Handle>, Vec<u8>)| -> Streamed<()> {
                let context: &mut Context = store.data_mut();
                context.wasi.lines.print(&context.owner.name, &bytes);
                Ok((Ok(()),))
            })?;
        }
        "[method]output-stream.flush" | "[method]output-stream.blocking-flush" => {
            to.func_wrap(name, |_, _: Stream| -> Streamed<()> { Ok((Ok(()),)) })?;
        }
        "[method]pollable.ready" => to.func_wrap(name, |_, _: Stream| Ok((true,)))?,
        "[method]pollable.block" => to.func_wrap(name, |_, _: Stream| Ok(()))?,
        "poll" => to.func_wrap(name, |_, (all,): (Vec<Resource<Handle>>,)| {
            // Everything is ready: a plugin does not wait.
            Ok(((0..all.len() as u32).collect::<Vec<u32>>(),))
        })?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn link_random(to: &mut LinkerInstance<'_, Context>, name: &str) -> Result<bool> {
    match name {
        "get-random-bytes" | "get-insecure-random-bytes" => {
            to.func_wrap(name, |mut store, (length,): (u64,)| {
                if length > MOST_RANDOM {
                    bail!("{length} random bytes, {MOST_RANDOM} at most");
                }
                let mut bytes = vec![0; length as usize];
                let context: &mut Context = store.data_mut();
                context.wasi.random.fill(&mut bytes);
                Ok((bytes,))
            })?;
        }
        "get-random-u64" | "get-insecure-random-u64" => {
            to.func_wrap(name, |mut store, ()| {
                let context: &mut Context = store.data_mut();
                Ok((context.wasi.random.u64(..),))
            })?;
        }
        "insecure-seed" => to.func_wrap(name, |mut store, ()| {
            let context: &mut Context = store.data_mut();
            Ok(((context.wasi.random.u64(..), context.wasi.random.u64(..)),))
        })?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn link_clocks(to: &mut LinkerInstance<'_, Context>, part: &str, name: &str) -> Result<bool> {
    let wall = part.starts_with("wall-clock");
    match name {
        "now" if wall => to.func_wrap(name, |store, ()| {
            let context: &Context = store.data();
            let now = match &context.owner.surroundings {
                Some(surroundings) => Duration::from_micros(surroundings.clock.now_us()),
                None => SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            };
            Ok((Datetime { seconds: now.as_secs(), nanoseconds: now.subsec_nanos() },))
        })?,
        "resolution" if wall => to.func_wrap(name, |_, ()| Ok((Datetime { seconds: 0, nanoseconds: 1_000 },)))?,
        "now" => to.func_wrap(name, |mut store, ()| {
            let context: &mut Context = store.data_mut();
            let since = context.owner.now().saturating_duration_since(context.wasi.started);
            Ok((since.as_nanos() as u64,))
        })?,
        "resolution" => {
            to.func_wrap(name, |_, ()| Ok((Duration::from_micros(1).as_nanos() as u64,)))?;
        }
        "subscribe-instant" | "subscribe-duration" => {
            to.func_wrap(name, |_, _: (u64,)| Ok((Resource::<Handle>::new_own(POLLABLE),)))?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn link_sockets(to: &mut LinkerInstance<'_, Context>, name: &str) -> Result<bool> {
    match name {
        "instance-network" => {
            to.func_wrap(name, |_, ()| Ok((Resource::<Handle>::new_own(NETWORK),)))?;
        }
        "create-tcp-socket" | "create-udp-socket" | "resolve-addresses" => {
            to.func_new(name, |mut store, _, parameters, results| {
                for parameter in parameters {
                    // A dynamic function gives borrowed handles back itself.
                    if let Val::Resource(handle) = parameter {
                        handle.resource_drop(&mut store)?;
                    }
                }
                let denied = Val::Enum("access-denied".to_owned());
                if let Some(result) = results.first_mut() {
                    *result = Val::Result(Err(Some(Box::new(denied))));
                }
                Ok(())
            })?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}
