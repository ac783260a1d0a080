//! The configuration read again, and what its files hold: everything is built aside, what has not changed is taken over, and
//! the workers switch one by one. Anything wrong on the way leaves all as it was and is said.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Control;
use crate::config::model::{Config, PluginSource};
use crate::config::{self, Problem, Problems};
use crate::observe::log;
use crate::plugin::{Digest, Plugin, builtin};
use crate::state::{Builder, Built, sealing_keys};

/// What one look at the configuration gave.
type Looked = Result<Option<(Built, Digest)>, Problems>;

impl Control {
    /// Reads the configuration again and serves it. If its text is what serves, only the files that it names are read again,
    /// unless an operator has `asked`.
    pub(super) async fn reload(&mut self, asked: bool) {
        let (source, live) = (self.source.clone(), self.loaded);
        let build = self.builder();
        let looked = self.aside(move || -> Looked {
            let digest = digest(&source.file)?;
            if digest == live && !asked {
                return Ok(None);
            }
            let config = source.load(&builtin::names())?;
            build(config).map(|built| Some((built, digest)))
        });
        match looked.await.unwrap_or_else(|panic| Err(self.problem(panic))) {
            Ok(Some((built, digest))) => {
                self.loaded = digest;
                self.refused.clear();
                log::set_level(&built.serving.plan.config.log.level);
                self.serve(built, "reload").await;
            }
            Ok(None) => {
                if !self.refused.is_empty() {
                    tracing::info!(target: "sluice", file = %self.source.file.display(), "what was refused is gone");
                    self.refused.clear();
                }
                self.renew().await;
            }
            Err(problems) => {
                self.refuse(problems, asked);
                // What is wrong may be mended in any file that it names.
                let draft = config::draft(&self.source.file, &builtin::names());
                self.refused = draft.map_or_else(|_| [self.path.clone()].into(), |draft| files(&draft.config));
                self.watch.follow(self.files());
                self.renew().await;
            }
        }
    }

    /// Reads the files again that the live configuration names: certificates, keys.
    async fn renew(&mut self) {
        let config = self.serving.plan.config.clone();
        let build = self.builder();
        let built = self.aside(move || build(config)).await.unwrap_or_else(|panic| Err(self.problem(panic)));
        match built {
            Ok(built) if built.serving.reads_as(&self.serving) => {
                if self.refused.is_empty() && self.told.take().is_some() {
                    self.figures.nothing_refused();
                }
            }
            Ok(built) => self.serve(built, "files read again").await,
            Err(problems) => self.refuse(problems, false),
        }
    }

    /// All files that say what is served, or what would be.
    pub(super) fn files(&self) -> BTreeSet<PathBuf> {
        let mut files = files(&self.serving.plan.config);
        files.extend(self.refused.iter().cloned());
        files.insert(self.path.clone());
        if let Some(stand_in) = &self.source.stand_in {
            // Whoever puts a version there says so.
            files.remove(&stand_in.served);
        }
        files
    }

    /// What builds a configuration, to be called on another thread. Where uses will not have the versions that are live, those
    /// that the files have now are tried: a plugin and its configuration may have changed together.
    fn builder(&self) -> impl FnOnce(Config) -> Result<Built, Problems> + Send + 'static {
        let (host, state_dir, sockets) = (self.host.clone(), self.state_dir.clone(), self.sockets.clone());
        let (before, notices, taken_back) = (self.serving.clone(), self.notices.clone(), self.taken_back());
        move |mut config| {
            keep_what_lasts(&mut config, &before.plan.config);
            let keys = sealing_keys(&config, &state_dir)?;
            let builder = |fresh| Builder {
                host: &host,
                notices: &notices,
                sockets: &sockets,
                inheritance: None,
                before: Some(&before),
                fresh,
                taken_back: &taken_back,
            };
            let has_files = config.plugins.iter().any(|plugin| matches!(plugin.source, PluginSource::File { .. }));
            match builder(false).build(config.clone(), keys.clone()) {
                Err(problems) if has_files => builder(true).build(config, keys).map_err(|_| problems),
                built => built,
            }
        }
    }

    async fn serve(&mut self, built: Built, event: &'static str) {
        let (opened, before, now) = (built.opened.len(), self.serving.clone(), &built.serving);
        let closed = before.listeners.iter().filter(|old| !now.listeners.iter().any(|new| new.id == old.id)).count();
        let kept = now.plan.uses.iter().filter(|one| before.plan.uses.iter().any(|other| Arc::ptr_eq(one, other)));
        let kept = kept.count();
        // What was before a version that is not live any more is no way back.
        let is_live = |name: &String| {
            let stays = |plugin: &Arc<Plugin>| before.plugins.iter().any(|other| Arc::ptr_eq(plugin, other));
            now.plugins.iter().any(|plugin| plugin.name == *name && stays(plugin))
        };
        self.history.retain(|name, _| is_live(name));
        self.tell_history();
        self.hand_over(built).await;
        self.told = None;
        self.figures.reloaded();
        self.watch.follow(self.files());
        let Config { routes, upstreams, uses, .. } = &self.serving.plan.config;
        tracing::info!(
            target: "sluice",
            file = %self.source.file.display(),
            listeners_opened = opened,
            listeners_closed = closed,
            routes = routes.len(),
            upstreams = upstreams.len(),
            uses = uses.len(),
            uses_kept = kept,
            "{event}"
        );
    }

    /// Says what is wrong; the same again only to an operator who has asked.
    fn refuse(&mut self, problems: Problems, asked: bool) {
        if !asked && self.told.as_ref() == Some(&problems) {
            return;
        }
        self.figures.reload_refused(&problems);
        for Problem { file, line, key, message } in &problems.0 {
            tracing::warn!(target: "sluice", %file, line, %key, reason = %message, "reload refused");
        }
        self.told = Some(problems);
    }

    fn problem(&self, message: String) -> Problems {
        problem(&self.source.file, message)
    }
}

/// The files that a configuration names.
fn files(config: &Config) -> BTreeSet<PathBuf> {
    let plugins = config.plugins.iter().filter_map(|plugin| match &plugin.source {
        PluginSource::File { path, .. } => Some(path.clone()),
        PluginSource::BuiltIn(_) => None,
    });
    let tls = config.listeners.iter().filter_map(|listener| listener.tls.as_ref());
    let tls = tls.flat_map(|tls| {
        let pairs = tls.certificates.iter().flat_map(|pair| [pair.certificate.clone(), pair.key.clone()]);
        pairs.chain(tls.clients.iter().map(|clients| clients.ca.clone()))
    });
    let keys = config.sealing.iter();
    let keys = keys.flat_map(|files| std::iter::once(files.current.clone()).chain(files.previous.clone()));
    let to_endpoints = config.upstreams.iter().filter_map(|upstream| upstream.tls.as_ref());
    let to_endpoints = to_endpoints.flat_map(|tls| {
        let own = tls.own.iter().flat_map(|pair| [pair.certificate.clone(), pair.key.clone()]);
        own.chain(tls.ca.clone())
    });
    let admin = config.admin.iter().flat_map(|admin| {
        let tls = admin.tls.iter().flat_map(|tls| {
            let pairs = tls.certificates.iter().flat_map(|pair| [pair.certificate.clone(), pair.key.clone()]);
            pairs.chain(tls.clients.iter().map(|clients| clients.ca.clone()))
        });
        tls.chain(admin.token_file.clone())
    });
    let collector = config.traces.iter();
    let collector = collector.flat_map(|traces| {
        let values = traces.header_files.iter().map(|(_, file)| file.clone());
        values.chain(traces.ca.clone())
    });
    plugins.chain(tls).chain(keys).chain(to_endpoints).chain(admin).chain(collector).collect()
}

/// What takes effect at the next start only.
fn keep_what_lasts(config: &mut Config, live: &Config) {
    let lasts = |key: &'static str| tracing::warn!(target: "sluice", key, "this change takes effect at the next start");
    if config.workers != live.workers {
        lasts("workers");
        config.workers = live.workers;
    }
    // Who may ask belongs to where: another address may go by another rule.
    let address = |config: &Config| config.admin.as_ref().map(|admin| admin.address);
    if address(config) != address(live) {
        lasts("admin.address");
        config.admin = live.admin.clone();
    }
}

/// Of the configuration's text, to see whether it has changed.
///
/// # Errors
/// If it cannot be read.
pub fn digest(file: &Path) -> Result<Digest, Problems> {
    std::fs::read(file).map(|text| Digest::of(&text)).map_err(|error| problem(file, format!("cannot be read: {error}")))
}

fn problem(file: &Path, message: String) -> Problems {
    Problems(vec![Problem { file: file.display().to_string(), line: 0, key: String::new(), message }])
}
