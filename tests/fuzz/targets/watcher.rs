//! The watcher of files: whatever is done to them, and whenever it is looked, in the end everybody has read what each file holds;
//! and nobody is told of more than has happened.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use sluice_fuzz::{PLANTED, wire};
use sluice_gateway::control::watch::Watch;

/// `link` leads to one of the first two; `data` to one of the folders `v1` and `v2`, as Kubernetes has it.
const FILES: [&str; 4] = ["a", "b", "link", "data/file"];
/// Longer than anything that the watcher waits for by itself.
const LONG: Duration = Duration::from_secs(60);
/// A clock that stands still but for what waits for it runs ahead of a thread that tells of an event and is held up meanwhile. So what
/// seems lost is waited for by another clock, so often and so long.
const AGAIN: (usize, Duration) = (500, Duration::from_millis(20));

/// Where files are, and what is known of them.
struct Place {
    folder: PathBuf,
    /// Of each content: its length, which is another one each time, since the clock of a file system is coarse.
    written: usize,
    known: BTreeMap<PathBuf, Option<Vec<u8>>>,
    followed: BTreeSet<PathBuf>,
    /// Things that happened, each of which somebody may be told of once for each file.
    happened: usize,
    told: usize,
}

impl Place {
    fn path(&self, which: u8) -> PathBuf {
        self.folder.join(FILES[usize::from(which) % FILES.len()])
    }

    /// Where a write to that file goes: a link stays one.
    fn real(&self, which: u8) -> PathBuf {
        match FILES[usize::from(which) % FILES.len()] {
            "link" => self.folder.join("a"),
            "data/file" => self.folder.join("v1/file"),
            name => self.folder.join(name),
        }
    }

    fn content(&mut self) -> Vec<u8> {
        self.written += 1;
        vec![b'x'; self.written]
    }

    /// What is done to files; none fails for good, since a file may be missing.
    fn act(&mut self, what: u8, which: u8) {
        self.happened += 1;
        let (real, other) = (self.real(which), self.folder.join("other"));
        let _ = match what {
            0 => fs::write(&real, self.content()),
            // Half of it, the other half may come.
            1 => fs::write(&real, &self.content()[1..]),
            2 => fs::write(&other, self.content()).and_then(|()| fs::rename(&other, &real)),
            3 => fs::remove_file(&real),
            4 => self.flip("link", ["a", "b"][usize::from(which & 1)]),
            5 => self.flip("data", ["v1", "v2"][usize::from(which & 1)]),
            6 => fs::remove_dir_all(self.folder.join("v1")).and_then(|()| fs::create_dir(self.folder.join("v1"))),
            _ => fs::write(self.folder.join("beside"), self.content()),
        };
    }

    fn flip(&self, link: &str, to: &str) -> std::io::Result<()> {
        let fresh = self.folder.join("fresh");
        symlink(to, &fresh).and_then(|()| fs::rename(&fresh, self.folder.join(link)))
    }

    fn follow(&mut self, which: u8, watch: &Watch) {
        let files = (0..4).filter(|file| which >> file & 1 != 0).map(|file| self.path(file));
        self.followed = files.collect();
        // What was not followed before is news.
        self.happened += 1;
        watch.follow(self.followed.clone());
    }

    /// Whoever is told reads.
    async fn hear(&mut self, watch: &mut Watch, most: Duration) -> bool {
        let Ok(told) = tokio::time::timeout(most, watch.changed()).await else { return false };
        let path = told.expect("it goes on watching");
        self.told += 1;
        let content = read(&path);
        // As if the sixth word were lost, where it is of a link.
        if !(PLANTED && self.told == 6 && path.ends_with("link")) {
            self.known.insert(path, content);
        }
        true
    }
}

impl Place {
    /// A file that holds something else than what was read of it; what is gone serves on.
    fn lost(&self) -> Option<String> {
        self.followed.iter().find_map(|file| {
            let (held, known) = (read(file)?, self.known.get(file).cloned().flatten());
            let lengths = (held.len(), known.as_ref().map(Vec::len));
            (known.as_ref() != Some(&held)).then(|| format!("{}: bytes, known: {lengths:?}", file.display()))
        })
    }
}

/// Two bytes each: what happens (lowest three bits: nothing else if a high bit says to follow, or to wait), and to which.
fn check(data: &[u8]) {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.expect("a folder");
    let mut place = Place {
        folder: folder.path().to_owned(),
        written: 0,
        known: BTreeMap::new(),
        followed: BTreeSet::new(),
        happened: 0,
        told: 0,
    };
    prepare(folder.path());
    wire::runtime(true).block_on(async {
        let mut watch = Watch::start();
        for step in data.chunks_exact(2).take(64) {
            match (step[0] >> 6, step[0] & 7) {
                (3, _) => place.follow(step[1], &watch),
                (2, _) => _ = place.hear(&mut watch, Duration::from_millis(10 * u64::from(step[1]))).await,
                // Without anybody who listens.
                (1, 0) => tokio::time::sleep(Duration::from_millis(10 * u64::from(step[1]))).await,
                (_, what) => place.act(what, step[1]),
            }
        }
        for attempt in 0.. {
            while place.hear(&mut watch, LONG).await {
                assert!(place.told <= FILES.len() * (place.happened + 1), "told {} times", place.told);
            }
            let Some(lost) = place.lost() else { break };
            assert!(attempt < AGAIN.0, "{lost}");
            std::thread::sleep(AGAIN.1);
        }
    });
}

/// What a file holds, if there is one.
fn read(file: &Path) -> Option<Vec<u8>> {
    match fs::read(file) {
        Ok(content) => Some(content),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => panic!("{}: {error}", file.display()),
    }
}

fn prepare(folder: &Path) {
    for name in ["v1", "v2"] {
        fs::create_dir(folder.join(name)).expect("a folder");
    }
    fs::write(folder.join("v2/file"), "other").expect("a file");
    symlink("a", folder.join("link")).expect("a link");
    symlink("v1", folder.join("data")).expect("a link");
}

fuzz_target!(|data: &[u8]| check(data));
