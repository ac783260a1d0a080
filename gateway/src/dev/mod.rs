//! `sluice dev`: what a plugin is made of is watched, and each change is built, tested, and swapped into a gateway that runs in this
//! very process. A version that does not build, or does not keep what its scenarios say, changes nothing and is told; so is what
//! requests make of the one that serves.
//!
//! [`Dev::first`] waits for a version that is good enough to start with; from then on [`Dev::go_on`] works beside the gateway.

mod make;
mod screen;
mod sources;
mod table;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::time::{sleep, timeout};

use crate::author::build::{self, BuildError};
use crate::author::{AuthorError, Workshop};
use crate::config::{Problems, Source, StandIn};
use crate::control::watch::Watch;
use crate::control::{Handle, Outcome, Wish};
use crate::observe;
use crate::plugin::{Digest, FileError, StateDir, builtin};
use crate::start::Prepared;
use make::Maker;
pub use screen::Screen;
use sources::{Look, Sources};
use table::Table;

/// How often the table is drawn, and looked for files that are new.
const LOOK: Duration = Duration::from_secs(1);
/// Files change one after the other; when nothing has changed for so long, they are looked at.
const QUIET: Duration = Duration::from_millis(100);
/// Without a terminal, choices are told this often while there are some.
const TELL: Duration = Duration::from_secs(10);

/// What an author wants.
#[derive(Debug, Clone)]
pub struct Asked {
    /// A project's folder, or a component's file.
    pub plugin: PathBuf,
    /// The configuration that is served.
    pub config: PathBuf,
    /// The use that the plugin stands for; none: those of the plugin with its file or name.
    pub used: Option<String>,
    /// Whether its scenarios are played before it serves.
    pub tests: bool,
    /// Those scenarios; none: all `scenario*.toml` beside the plugin.
    pub scenarios: Vec<PathBuf>,
    /// Where compiled plugins and keys are kept.
    pub state_dir: Option<PathBuf>,
}

/// Why there is nothing to begin with.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// The configuration is not good, or it is not clear where the plugin stands in it.
    #[error("{0}")]
    Config(#[from] Problems),
    /// There is no plugin's project.
    #[error("{0}")]
    Project(#[from] BuildError),
    /// The state folder is not to be had.
    #[error("{0}")]
    Folder(#[from] FileError),
    /// Plugins cannot be tried.
    #[error("{0}")]
    Workshop(#[from] AuthorError),
    /// What the system does not give.
    #[error("{0}")]
    System(#[from] io::Error),
}

/// An author's loop.
#[derive(Debug)]
pub struct Dev {
    source: Source,
    state_dir: PathBuf,
    sources: Sources,
    maker: Maker,
    screen: Screen,
    /// The last version that was good, and where it stands for the gateway.
    good: Vec<u8>,
    served: PathBuf,
    /// What is there was looked at already, good or not.
    seen: Option<Look>,
    watch: Watch,
    runtime: Runtime,
}

impl Dev {
    /// Looks at the configuration, and at where the plugin stands in it. Nothing is built yet.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn open(asked: Asked, screen: Screen) -> Result<Self, DevError> {
        let plugin = std::path::absolute(&asked.plugin)?;
        let folder = plugin.is_dir().then(|| plugin.clone());
        let file = match &folder {
            Some(folder) => build::component(folder)?,
            None => plugin,
        };
        let state_dir = StateDir::open(asked.state_dir)?.path().to_owned();
        let config = std::path::absolute(&asked.config)?;
        let served = format!("dev-{}.wasm", Digest::of(config.as_os_str().as_encoded_bytes()));
        let served = state_dir.join(served);
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let stand_in = StandIn { name, file: file.clone(), served: served.clone(), used: asked.used };
        let source = Source { file: asked.config, stand_in: Some(stand_in) };
        source.load(&builtin::names())?;
        screen.share_with_log();
        observe::log::start("info");
        let workshop = Workshop::open(Some(state_dir.clone()))?;
        let sources = Sources::new(file.clone(), folder.clone(), asked.scenarios);
        let maker = Maker::new(workshop, file, folder, asked.tests);
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let watch = runtime.block_on(async { Watch::start() });
        Ok(Self { source, state_dir, sources, maker, screen, good: Vec::new(), served, seen: None, watch, runtime })
    }

    /// Waits until a version is good and the gateway would start with it.
    ///
    /// # Errors
    /// If a version cannot be kept in the state folder.
    pub fn first(mut self) -> Result<(Self, Prepared), DevError> {
        // Whatever was wrong may be mended there.
        self.sources.also(self.source.file.clone());
        let started = loop {
            let made = self.make(None);
            if let Some(version) = made {
                self.put(&version)?;
                self.good = version;
                match Prepared::new(self.source.clone(), Some(self.state_dir.clone()), false) {
                    Ok(prepared) => break prepared,
                    Err(error) => self.screen.say(&format!("not served: {error}")),
                }
            }
            self.screen.say("waiting for a change");
            self.changed(None);
        };
        self.sources.no_more();
        self.seen = self.seen.map(|(plugin, _)| (plugin, None));
        Ok((self, started))
    }

    /// Works beside the gateway until the process ends.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn go_on(mut self, gateway: Handle) -> io::Result<()> {
        std::thread::Builder::new().name("sluice-dev".into()).spawn(move || {
            let mut table = Table::new(gateway, self.served.clone());
            self.screen.say(&format!("serving: {}", table.version()));
            loop {
                self.changed(Some(&mut table));
                let Some(version) = self.make(Some(&mut table)) else { continue };
                if let Err(error) = self.swap(version, &mut table) {
                    self.screen.say(&format!("not served: {error}"));
                }
            }
        })?;
        Ok(())
    }

    /// Builds and tests what is there now: the component, if it is good. The table is drawn meanwhile.
    fn make(&mut self, mut table: Option<&mut Table>) -> Option<Vec<u8>> {
        self.seen = Some(self.sources.look());
        let (maker, scenarios, screen) = (self.maker.clone(), self.sources.scenarios(), self.screen.clone());
        self.runtime.block_on(async {
            let mut making = tokio::task::spawn_blocking(move || maker.make(&scenarios, &screen));
            loop {
                match timeout(LOOK, &mut making).await {
                    Ok(made) => return made.unwrap_or_default(),
                    Err(_) => draw(&self.screen, table.as_deref_mut()),
                }
            }
        })
    }

    /// Waits until something else is there than what was made last.
    fn changed(&mut self, mut table: Option<&mut Table>) {
        let Self { runtime, watch, sources, screen, seen, .. } = self;
        runtime.block_on(async {
            loop {
                watch.follow(sources.files());
                draw(screen, table.as_deref_mut());
                tokio::select! {
                    Some(_) = watch.changed() => while let Ok(Some(_)) = timeout(QUIET, watch.changed()).await {},
                    () = sleep(LOOK) => if !sources.have_come_or_gone() { continue },
                }
                if *seen != Some(sources.look()) {
                    return;
                }
            }
        });
    }

    /// Lets the gateway serve a version that is good for us. If it is not for the gateway, the one before stays.
    fn swap(&mut self, version: Vec<u8>, table: &mut Table) -> io::Result<()> {
        self.put(&version)?;
        let wish = Wish::Swap(table.plugin().to_owned());
        let before = table.counts();
        let outcome = self.runtime.block_on(table.gateway.ask(wish));
        let said = match outcome {
            Some(Outcome::Done) => {
                self.good = version;
                table.begin(before);
                format!("swapped: {}", table.version())
            }
            Some(Outcome::Unchanged) => format!("nothing new: {}", table.version()),
            Some(Outcome::Refused(problems)) => {
                self.put(&self.good)?;
                format!("swap refused: {}\n{} serves on", Problems(problems), table.version())
            }
            // It was there when this began, so that the gateway is about to end.
            Some(Outcome::NoPlugin(_)) | None => return Ok(()),
        };
        self.screen.say(&said);
        Ok(())
    }

    /// Puts a version where the gateway looks for it.
    fn put(&self, version: &[u8]) -> io::Result<()> {
        let aside = self.served.with_extension("new");
        fs::write(&aside, version)?;
        fs::rename(aside, &self.served)
    }
}

/// Shows how choices are now.
fn draw(screen: &Screen, table: Option<&mut Table>) {
    let Some(table) = table else { return };
    if let Some(version) = table.went_back() {
        screen.say(&format!("taken back by the gateway, which says why: {version} serves"));
    }
    if screen.is_terminal() {
        screen.show(&table.text());
    } else if table.is_due(Instant::now()) {
        screen.say(&table.line());
    }
}
