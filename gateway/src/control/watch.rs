//! Watches files. Editors rename, builds write in place, deployments flip symbolic links: so it is the folders that are
//! watched, and any event in them is a reason to look. A look now and then besides finds what no event told of.

use std::collections::{BTreeMap, BTreeSet};
#[cfg(unix)]
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::observe::panics::survived;

/// Without an event, files are looked at this often: network file systems have none.
const POLL: Duration = Duration::from_secs(2);
/// A file counts as written when it has looked the same for so long.
const SETTLE: Duration = Duration::from_millis(30);
/// Most looks at a file of the configuration that keeps changing; then it is read as it is.
const MOST_LOOKS: usize = 100;

/// What tells one content of a file from another without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Look {
    target: PathBuf,
    length: u64,
    modified: Option<SystemTime>,
    #[cfg(unix)]
    inode: u64,
    /// When its content, mode or owner changed: what could not be read may be readable now.
    #[cfg(unix)]
    changed: (i64, i64),
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
            inode: about.ino(),
            #[cfg(unix)]
            changed: (about.ctime(), about.ctime_nsec()),
        })
    }
}

/// The files that are watched, and what was seen of them.
#[derive(Debug)]
pub struct Watch {
    files: watch::Sender<BTreeSet<PathBuf>>,
    changed: mpsc::Receiver<PathBuf>,
}

impl Watch {
    /// Watches nothing yet. Needs a runtime around it.
    pub fn start() -> Self {
        Self::hasty(MOST_LOOKS)
    }

    /// The same for files that are read after so many looks at most, however much they change.
    pub fn hasty(looks: usize) -> Self {
        let (files, wanted) = watch::channel(BTreeSet::new());
        let (tell, changed) = mpsc::channel(1);
        tokio::spawn(async move {
            let (mut wanted, tell) = (wanted, tell);
            while survived("watch", run(&mut wanted, &tell, looks)).await.is_none() {}
        });
        Self { files, changed }
    }

    /// Watches these and no others from now on. A file that was not watched before is news in any case: since it was read, it
    /// may have been replaced.
    pub fn follow(&self, files: BTreeSet<PathBuf>) {
        self.files.send_if_modified(|watched| {
            *watched != files && {
                *watched = files;
                true
            }
        });
    }

    /// Watches nothing any more, whatever comes.
    pub fn stop(&mut self) {
        // Whoever tells of changes ends, and what it has told is not heard.
        self.changed.close();
        while self.changed.try_recv().is_ok() {}
    }

    /// The next file that may have changed.
    pub async fn changed(&mut self) -> Option<PathBuf> {
        self.changed.recv().await
    }
}

async fn run(wanted: &mut watch::Receiver<BTreeSet<PathBuf>>, changed: &mpsc::Sender<PathBuf>, most: usize) {
    let (event, mut events) = mpsc::channel(1);
    // A watcher that cannot be had drops its end; waiting goes on all the same.
    let _open = event.clone();
    let mut watcher = notify::recommended_watcher(move |_| {
        // One that is waiting already is as good as two.
        let _ = event.try_send(());
    })
    .inspect_err(|error| tracing::warn!(target: "sluice", %error, "no file events; looking every two seconds"))
    .ok();
    let mut looks: BTreeMap<PathBuf, Option<Look>> = BTreeMap::new();
    let mut watched = BTreeSet::new();
    while !changed.is_closed() {
        let files = wanted.borrow_and_update().clone();
        looks.retain(|file, _| files.contains(file));
        let folders = files.iter().flat_map(|file| folders(file)).collect();
        follow(watcher.as_mut(), &mut watched, folders);
        for file in files {
            let now = Look::at(&file);
            let last = looks.get(&file);
            if last == Some(&now) {
                continue;
            }
            let settled = settled(&file, now, most).await;
            let (was_there, is_there) = (matches!(last, Some(Some(_))), settled.is_some());
            looks.insert(file.clone(), settled);
            if !is_there && !was_there {
                // One that was never there is waited for.
                continue;
            }
            if !is_there {
                tracing::warn!(target: "sluice", path = %file.display(), "the file is gone; what it held serves on");
            } else if changed.send(file).await.is_err() {
                return;
            }
        }
        tokio::select! {
            // Each is a reason to look again.
            // Events come in swarms, also of files beside those that matter.
            event = timeout(POLL, events.recv()) => if event.is_ok() { sleep(SETTLE).await },
            followed = wanted.changed() => if followed.is_err() { return },
        }
    }
}

/// Waits until nobody writes to the file any more.
async fn settled(file: &Path, mut look: Option<Look>, most: usize) -> Option<Look> {
    for _ in 0..most {
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
