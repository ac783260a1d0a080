//! Watches plugin files. Editors rename, builds write in place, deployments flip symbolic links: so it is the folders that
//! are watched, and any event in them is a reason to look. A look now and then besides finds what no event told of.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// Without an event, files are looked at this often: network file systems have none.
const POLL: Duration = Duration::from_secs(2);
/// A file counts as written when it has looked the same for so long.
const SETTLE: Duration = Duration::from_millis(30);
/// Most looks at a file that keeps changing; then it is read as it is.
const MOST_LOOKS: usize = 100;

/// What tells one content of a file from another without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Look {
    target: PathBuf,
    length: u64,
    modified: Option<SystemTime>,
    #[cfg(unix)]
    inode: u64,
}

impl Look {
    /// None if there is no such file now.
    fn at(path: &Path) -> Option<Self> {
        let about = std::fs::metadata(path).ok()?;
        Some(Self {
            target: std::fs::canonicalize(path).ok()?,
            length: about.len(),
            modified: about.modified().ok(),
            #[cfg(unix)]
            inode: std::os::unix::fs::MetadataExt::ino(&about),
        })
    }
}

/// Tells the index of every file that may have changed. `None`s are not watched. Ends when the receiver is dropped.
pub(super) fn start(files: &[Option<PathBuf>]) -> mpsc::Receiver<usize> {
    let (changed, receiver) = mpsc::channel(files.len().max(1));
    let files: Vec<(usize, PathBuf)> =
        files.iter().enumerate().filter_map(|(index, file)| Some((index, file.clone()?))).collect();
    if !files.is_empty() {
        tokio::spawn(watch(files, changed));
    }
    receiver
}

async fn watch(files: Vec<(usize, PathBuf)>, changed: mpsc::Sender<usize>) {
    let (event, mut events) = mpsc::channel(1);
    // A watcher that cannot be had drops its end; waiting goes on all the same.
    let _open = event.clone();
    let mut watcher = notify::recommended_watcher(move |_| {
        // One that is waiting already is as good as two.
        let _ = event.try_send(());
    })
    .inspect_err(|error| tracing::warn!(target: "sluice", %error, "no file events; looking every two seconds"))
    .ok();
    // The first look is news in any case: since it was loaded, a file may have been replaced.
    let mut looks: Vec<Option<Look>> = vec![None; files.len()];
    let mut watched = BTreeSet::new();
    while !changed.is_closed() {
        let folders = files.iter().flat_map(|(_, file)| folders(file)).collect();
        follow(watcher.as_mut(), &mut watched, folders);
        for ((index, file), last) in files.iter().zip(&mut looks) {
            let now = Look::at(file);
            if now == *last {
                continue;
            }
            *last = settled(file, now).await;
            if last.is_none() {
                tracing::warn!(target: "sluice", path = %file.display(), "the file is gone; what it held serves on");
            } else if changed.send(*index).await.is_err() {
                return;
            }
        }
        // Either way it is time to look again.
        let _ = timeout(POLL, events.recv()).await;
    }
}

/// Waits until nobody writes to the file any more.
async fn settled(file: &Path, mut look: Option<Look>) -> Option<Look> {
    for _ in 0..MOST_LOOKS {
        sleep(SETTLE).await;
        let again = Look::at(file);
        if again == look {
            break;
        }
        look = again;
    }
    look
}

/// The folder that names the file, and the one that a symbolic link leads to.
fn folders(file: &Path) -> Vec<PathBuf> {
    let real = std::fs::canonicalize(file).ok();
    let parents = [Some(file), real.as_deref()].into_iter().flatten().filter_map(Path::parent);
    parents.map(Path::to_path_buf).collect()
}

/// Watches these folders and no others.
fn follow(watcher: Option<&mut RecommendedWatcher>, watched: &mut BTreeSet<PathBuf>, folders: BTreeSet<PathBuf>) {
    let Some(watcher) = watcher else { return };
    for gone in watched.difference(&folders) {
        // It may be gone from the disk as well.
        let _ = watcher.unwatch(gone);
    }
    for new in folders.difference(watched) {
        if let Err(error) = watcher.watch(new, RecursiveMode::NonRecursive) {
            tracing::warn!(target: "sluice", folder = %new.display(), %error, "no file events; looking every two seconds");
        }
    }
    *watched = folders;
}
