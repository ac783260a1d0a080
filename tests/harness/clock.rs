//! A time of day that the test sets, for one gateway: a library that stands between the program and the system's clock, made by
//! the C compiler that the build needs anyway. Without one the test is left out, and that is said.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::process::Command;

use tempfile::TempDir;

/// Adds what stands in a file to the time of day; other clocks are the system's.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

static volatile const int64_t *ahead;

__attribute__((constructor)) static void find(void) {
    int file = open(getenv("SECONDS_AHEAD"), O_RDONLY);
    void *there = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, file, 0);
    if (there == MAP_FAILED) abort();
    ahead = there;
}

int clock_gettime(clockid_t which, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *)) dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(which, now);
    if (!failed && which == CLOCK_REALTIME && ahead) now->tv_sec += *ahead;
    return failed;
}
"#;

/// The clock of one gateway.
pub struct Clock {
    folder: TempDir,
    ahead: File,
}

impl Clock {
    /// One that is right. None where there is no C compiler.
    pub fn build() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let (source, library) = (folder.path().join("clock.c"), folder.path().join("clock.so"));
        fs::write(&source, SHIM).unwrap();
        let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl").status();
        match built {
            Ok(status) => assert!(status.success(), "{status}"),
            Err(error) => {
                eprintln!("cc: {error}: not tried");
                return None;
            }
        }
        let ahead = File::create(folder.path().join("ahead")).unwrap();
        ahead.set_len(8).unwrap();
        Some(Self { folder, ahead })
    }

    /// What it is started by goes by this clock.
    pub fn drives(&self, mut command: Command) -> Command {
        command.env("LD_PRELOAD", self.folder.path().join("clock.so"));
        command.env("SECONDS_AHEAD", self.folder.path().join("ahead"));
        command
    }

    /// From now on it is so many seconds ahead of the system's.
    pub fn jumps(&self, seconds: i64) {
        self.ahead.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }
}
