//! A component that its author works on in place of plugins of a configuration: whatever the file says of them, their uses are its.

use std::path::{Path, PathBuf};

use super::model::{Config, PluginSource, UseIndex};
use super::{KeyPath, Problems};

/// Where a configuration comes from.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its file.
    pub file: PathBuf,
    /// What is served in place of one of its plugins; none: it is served as it stands.
    pub stand_in: Option<StandIn>,
}

/// A component in place of others.
#[derive(Debug, Clone)]
pub struct StandIn {
    /// What it is called.
    pub name: String,
    /// The file that its author makes, which a configuration may name.
    pub file: PathBuf,
    /// The file that is served: the last version that was good.
    pub served: PathBuf,
    /// The use that it stands for; none: all of the plugin that has its file or its name, or the only one that there is.
    pub used: Option<String>,
}

impl Source {
    /// A file as it stands.
    pub fn file(file: &Path) -> Self {
        Self { file: file.to_owned(), stand_in: None }
    }

    /// Where its file is, wherever this program was started.
    pub fn full_name(&self) -> PathBuf {
        std::path::absolute(&self.file).unwrap_or_else(|_| self.file.clone())
    }

    /// What it says now.
    ///
    /// # Errors
    /// Everything that is wrong with the file, or that it is not clear where the stand-in belongs.
    pub fn load(&self, built_in: &[&'static str]) -> Result<Config, Problems> {
        let mut config = super::load(&self.file, built_in)?;
        if let Some(stand_in) = &self.stand_in {
            let problem = |message| Problems(vec![config.places.problem(&KeyPath::root(), message)]);
            let places = stand_in.places(&config).map_err(problem)?;
            stand_in.enter(&mut config, &places);
        }
        Ok(config)
    }
}

impl StandIn {
    /// The uses that it stands for, at least one.
    fn places(&self, config: &Config) -> Result<Vec<UseIndex>, String> {
        let those = |fits: &dyn Fn(UseIndex) -> bool| (0..config.uses.len()).filter(|place| fits(*place)).collect();
        let name = |place: UseIndex| config.uses.get(place).map_or("", |used| &*used.name);
        let plugin = |place: UseIndex| config.plugins.get(config.uses.get(place)?.plugin);
        let mut named: Vec<&str> = (0..config.uses.len()).map(name).collect();
        named.dedup();
        let all = named.join(", ");
        let found: Vec<UseIndex> = match &self.used {
            Some(used) => those(&|place| name(place) == used),
            None => {
                let of_file = those(&|place| {
                    let source = plugin(place).map(|plugin| &plugin.source);
                    matches!(source, Some(PluginSource::File { path, .. }) if real(path) == real(&self.file))
                });
                let of_name: Vec<_> = those(&|place| plugin(place).is_some_and(|plugin| plugin.name == self.name));
                let only = if named.len() == 1 { those(&|_| true) } else { Vec::new() };
                [of_file, of_name, only].into_iter().find(|found: &Vec<_>| !found.is_empty()).unwrap_or_default()
            }
        };
        match (found.is_empty(), &self.used) {
            (false, _) => Ok(found),
            (true, Some(used)) => Err(format!("no use is called {used:?}; there are {all}")),
            (true, None) => Err(format!(
                "no [[plugin]] that is used has the name {:?} or the file {}; `--use` says which use it stands for: {all}",
                self.name,
                self.file.display()
            )),
        }
    }

    /// The plugin of those uses comes from it. One that has others besides stays what it is for them.
    fn enter(&self, config: &mut Config, places: &[UseIndex]) {
        let of = |place: &UseIndex| config.uses.get(*place).map(|used| used.plugin);
        let Some(index) = places.first().and_then(of) else { return };
        let Some(mut own) = config.plugins.get(index).cloned() else { return };
        own.source = PluginSource::File { path: self.served.clone(), sha256: None };
        let has_others = (0..config.uses.len()).any(|place| of(&place) == Some(index) && !places.contains(&place));
        if has_others {
            own.name.clone_from(&self.name);
            while config.plugins.iter().any(|other| other.name == own.name) {
                own.name += "-dev";
            }
            let added = config.plugins.len();
            config.plugins.push(own);
            places
                .iter()
                .for_each(|place| config.uses.get_mut(*place).into_iter().for_each(|used| used.plugin = added));
        } else if let Some(plugin) = config.plugins.get_mut(index) {
            *plugin = own;
        }
    }
}

/// A file, whether it is there already or not, by the real name of its folder.
fn real(file: &Path) -> PathBuf {
    let folder = file.parent().and_then(|folder| std::fs::canonicalize(folder).ok());
    folder.zip(file.file_name()).map_or_else(|| file.to_owned(), |(folder, name)| folder.join(name))
}
