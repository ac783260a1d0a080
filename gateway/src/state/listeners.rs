//! Listeners as they are built: their entrances, and the sockets of those that are new.

use std::sync::Arc;

use super::{Builder, Entrance};
use crate::config::model::{self, Config};
use crate::config::{KeyPath, Problem};
use crate::socket::Open;

/// A listener that serves.
#[derive(Debug, Clone)]
pub struct Listening {
    /// Which one: the same on all workers, and after a reload.
    pub id: usize,
    /// What its connections need.
    pub entrance: Arc<Entrance>,
}

/// Sockets that nobody has yet.
#[derive(Debug)]
pub struct Opened {
    /// Whose they are.
    pub id: usize,
    /// Where they listen, and they.
    pub open: Open,
}

impl Builder<'_> {
    /// The listeners, and the sockets of those that are new: a listener stays as long as there is one of its address.
    pub(super) fn listeners(&self, config: &Config, problems: &mut Vec<Problem>) -> (Vec<Listening>, Vec<Opened>) {
        let before = self.before.map_or(&[][..], |before| &before.listeners);
        let mut next_id = before.iter().map(|old| old.id + 1).max().unwrap_or(0);
        let (mut listeners, mut opened): (Vec<Listening>, _) = (Vec::with_capacity(config.listeners.len()), Vec::new());
        for (index, settings) in config.listeners.iter().enumerate() {
            let is_free = |old: &Listening| !listeners.iter().any(|taken| taken.id == old.id);
            let is_it = |old: &&Listening| old.entrance.settings.address == settings.address && is_free(old);
            let old = before.iter().find(is_it);
            let mut entrance = match Entrance::build(config, index, old.map(|old| &*old.entrance)) {
                Ok(entrance) => entrance,
                Err(found) => {
                    problems.extend(found.0);
                    continue;
                }
            };
            let id = match old {
                Some(old) => old.id,
                None => match self.open(config, index, settings, &listeners) {
                    Ok(open) => {
                        entrance.address = open.address;
                        opened.push(Opened { id: next_id, open });
                        next_id += 1;
                        next_id - 1
                    }
                    Err(found) => {
                        problems.push(found);
                        continue;
                    }
                },
            };
            let entrance = match old {
                Some(old) if entrance.is_as(&old.entrance) => old.entrance.clone(),
                _ => Arc::new(entrance),
            };
            listeners.push(Listening { id, entrance });
        }
        (listeners, opened)
    }

    fn open(
        &self,
        config: &Config,
        index: usize,
        settings: &model::Listener,
        made: &[Listening],
    ) -> Result<Open, Problem> {
        let before = self.before.iter().flat_map(|before| &before.listeners);
        let ports = before.chain(made).map(|ours| ours.entrance.address.port());
        let is_ours = ports.into_iter().any(|port| port == settings.address.port());
        self.sockets.open(settings.address, config.workers, is_ours).map_err(|error| {
            let at = KeyPath::root().key("listener").index(index).key("address");
            config.places.problem(&at, format!("cannot listen on {}: {error}", settings.address))
        })
    }
}
