//! The documents as tests see them: fenced blocks with the words behind their fence, headings, and links.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::guests::workspace;

/// A Markdown file.
pub struct Document {
    pub path: PathBuf,
    /// Without its fenced blocks.
    pub prose: String,
    pub blocks: Vec<Block>,
}

/// A fenced block.
pub struct Block {
    /// `docs/start.md:17`, for messages.
    pub place: String,
    /// Behind the fence: the language first.
    pub words: Vec<String>,
    pub text: String,
}

impl Document {
    /// That file of the workspace.
    pub fn read(name: &str) -> Self {
        let path = workspace().join(name);
        let text = fs::read_to_string(&path).unwrap();
        let (mut prose, mut blocks, mut open) = (String::new(), Vec::new(), None::<Block>);
        for (number, line) in text.lines().enumerate() {
            match (line.strip_prefix("```"), open.as_mut()) {
                (Some(words), None) => {
                    let words = words.split(' ').map(str::to_owned).collect();
                    open = Some(Block { place: format!("{name}:{}", number + 1), words, text: String::new() });
                }
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (None, Some(block)) => block.text += &format!("{line}\n"),
                (None, None) => prose += &format!("{line}\n"),
            }
        }
        assert!(open.is_none(), "{name}: a block has no end");
        Self { path, prose, blocks }
    }

    /// The headings as links name them.
    pub fn anchors(&self) -> Vec<String> {
        let headings = self.prose.lines().filter(|line| line.starts_with('#'));
        headings.map(|line| slug(line.trim_start_matches('#').trim())).collect()
    }

    /// Where its links lead.
    pub fn links(&self) -> impl Iterator<Item = &str> {
        self.prose.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0))
    }
}

impl Block {
    /// What kind of block it is: its language, and the word behind it unless that is a setting.
    pub fn kind(&self) -> String {
        let words = self.words.iter().take(2).filter(|word| !word.contains('='));
        words.cloned().collect::<Vec<_>>().join(" ")
    }

    /// The value of `name=value` behind the fence.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    }

    /// Its lines, those that a backslash continues as one.
    pub fn lines(&self) -> Vec<String> {
        self.text.replace("\\\n", " ").lines().map(|line| line.trim().to_owned()).collect()
    }
}

/// README.md and all of docs/.
pub fn documents() -> Vec<Document> {
    let mut names = vec!["README.md".to_owned()];
    let entries = fs::read_dir(workspace().join("docs")).unwrap().map(|entry| entry.unwrap().file_name());
    names.extend(entries.map(|name| format!("docs/{}", name.to_string_lossy())).filter(|name| is_markdown(name)));
    names.sort();
    names.iter().map(|name| Document::read(name)).collect()
}

/// True for a name of Markdown.
pub fn is_markdown(name: impl AsRef<Path>) -> bool {
    name.as_ref().extension().is_some_and(|extension| extension == "md")
}

/// A heading as GitHub names it in links.
fn slug(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}
