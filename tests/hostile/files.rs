//! What stands where a plugin's file should: the gateway waits for none of it, and serves on with what it has.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::House;
use crate::harness::guests::target;
use crate::harness::text::Text;

/// Puts something else in the place of the plugin's file, and gives the reason why it is refused.
async fn refused(house: &House, put: impl FnOnce(&Path)) -> String {
    let log = &house.gateway.log;
    let before = log.filter("swap refused", |_| true).len();
    let file = house.gateway.file("guest");
    let aside = file.with_extension("aside");
    put(&aside);
    fs::rename(&aside, &file).unwrap();
    log.wait_for_all("swap refused", before + 1, |_| true).await[before].text("reason").to_owned()
}

/// F: a file that is none, or has no end, or never comes.
#[tokio::test]
async fn f_what_is_no_file_is_refused_and_waited_for_by_nobody() {
    let house = House::new().await;
    let said = refused(&house, |path| fs::write(path, "").unwrap()).await;
    assert!(said.contains("not a WebAssembly component"), "{said}");
    let said = refused(&house, |path| mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap()).await;
    assert!(said.ends_with("not a regular file"), "a pipe that nobody writes to: {said}");
    house.neighbour("a pipe").await;
    let said = refused(&house, |path| symlink("/dev/zero", path).unwrap()).await;
    assert!(said.ends_with("not a regular file"), "a device without an end: {said}");
    let said = refused(&house, |path| File::create(path).unwrap().set_len(65 << 20).unwrap()).await;
    assert!(said.contains("68157440 bytes, 67108864 at most"), "{said}");
    let said = refused(&house, |path| symlink("/", path).unwrap()).await;
    assert!(said.contains("not a regular file") || said.contains("directory"), "a folder: {said}");
    house.neighbour("a folder").await;
    // A link to itself is a file that is gone.
    let file = house.gateway.file("guest");
    fs::remove_file(&file).unwrap();
    symlink(&file, &file).unwrap();
    house.gateway.log.wait_for("the file is gone; what it held serves on", |_| true).await;
    house.neighbour("a link to itself").await;
    fs::remove_file(&file).unwrap();
    house.swap(&Text::new().items("(func)").component()).await;
    house.neighbour("a good file after all").await;
}

/// F: compiled code is run as it stands, and so it is never taken from a file that somebody brings.
#[tokio::test]
async fn f_compiled_code_is_no_plugin() {
    let house = House::new().await;
    let compiled = fs::read_dir(target().join("sluice-state/compiled")).unwrap().map(|entry| entry.unwrap().path());
    let compiled = compiled.filter(|path| path.extension().is_none()).find_map(|path| fs::read(path).ok()).unwrap();
    house.refuses("compiled code", &compiled, "not a WebAssembly component").await;
}
