//! Endpoints from a file: read when it changes, and kept as they were where it is gone or makes no sense.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;

use super::teller::Teller;
use crate::config::model::Endpoint;
use crate::config::{Format, read_endpoints};
use crate::control::watch::Watch;

/// Bytes of a file; longer ones are refused.
const MOST_BYTES: u64 = 8 << 20;
/// Looks at a file that keeps changing, then it is read as it is: what is written many times a second is replaced whole, most
/// likely, and what makes no sense is not believed.
const LOOKS: usize = 10;
/// Between two looks whether it is there.
const LOOK: Duration = Duration::from_secs(1);

/// Reads the file now and whenever it changes, for ever.
pub(super) async fn follow(path: &Path, teller: &mut Teller) {
    tell(path, teller);
    let mut watch = Watch::hasty(LOOKS);
    watch.follow([path.to_path_buf()].into());
    loop {
        match timeout(LOOK, watch.changed()).await {
            Ok(Some(_)) => tell(path, teller),
            Ok(None) => return,
            // That it is gone is no change that is told.
            Err(_) if !path.exists() => tell(path, teller),
            Err(_) => {}
        }
    }
}

fn tell(path: &Path, teller: &mut Teller) {
    match read(path) {
        Ok(endpoints) => teller.found(endpoints),
        Err(reason) => teller.failed(reason),
    }
}

/// The endpoints that it lists, or all that is wrong with it.
pub(super) fn read(path: &Path) -> Result<Vec<Endpoint>, String> {
    let name = path.display().to_string();
    let text = text(path).map_err(|error| format!("{name}: cannot be read: {error}"))?;
    let is_json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let format = if is_json { Format::Json } else { Format::Toml };
    read_endpoints(&text, format, &name).map_err(|problems| problems.briefly())
}

/// Waits for nobody: a pipe without a writer has no endpoints, and neither has a device without an end.
fn text(path: &Path) -> io::Result<String> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut text = String::new();
    // Somebody may be writing to it.
    File::open(path)?.take(MOST_BYTES + 1).read_to_string(&mut text)?;
    match text.len() as u64 {
        0..=MOST_BYTES => Ok(text),
        _ => Err(io::Error::other(format!("more than {} MiB", MOST_BYTES >> 20))),
    }
}
