//! docs/start.md, followed from its first line to its last: files are written, commands run, the gateway started,
//! changed and swapped. Only addresses differ: the gateway listens on free ports, and the services are the tests' own.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::blocks::{Block, Document};
use super::{START, plugins};
use crate::harness::Origin;
use crate::harness::guests::{built_target, in_folder, target, workspace};
use crate::harness::log::{Event, Log};

/// Programs that change the machine, take minutes, or never end.
const LEFT_OUT: [&str; 7] = ["cargo install", "cargo new", "rustup", "python3", "sudo", "journalctl", "systemctl"];

/// The ports that the document names, in the order of its listeners.
const PORTS: [&str; 2] = ["8443", "8080"];

/// The gateway that the reader has started; killed when the test ends.
struct Running {
    log: Log,
    /// Where it listens, by listener.
    addresses: Vec<SocketAddr>,
    child: Child,
}

impl Running {
    async fn start(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = Log::read(child.stderr.take().unwrap());
        log.wait_for("ready", |_| true).await;
        let listening = log.filter("listening", |_| true);
        let addresses = listening.iter().map(|event| event.text("address").parse().unwrap()).collect();
        Self { log, addresses, child }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the gateway's last lines:\n{}", self.log.tail());
        }
    }
}

/// A reader on the way.
struct Reader {
    /// Where configuration and certificate are.
    folder: PathBuf,
    /// Where commands run.
    here: PathBuf,
    services: [Origin; 2],
    gateway: Option<Running>,
    /// The configuration as the document has it.
    configuration: String,
    /// What the commands of the last block printed.
    printed: String,
}

impl Reader {
    async fn new() -> Self {
        let documents = plugins::folder();
        // What is made below is no part of a workspace further up.
        plugins::write(&documents.join("Cargo.toml"), "[workspace]\nexclude = [\"site\", \"sluice\"]\n");
        let folder = documents.join("site");
        fs::create_dir_all(folder.join("tiers")).unwrap();
        // It may be there from another run.
        let _ = std::os::unix::fs::symlink(built_target(), folder.join("tiers/target"));
        let _ = fs::remove_file(folder.join("jar"));
        plugins::write(&folder.join("tiers/Cargo.lock"), &fs::read_to_string(workspace().join("Cargo.lock")).unwrap());
        let (here, services) = (folder.clone(), Origin::several().await);
        Self { folder, here, services, gateway: None, configuration: String::new(), printed: String::new() }
    }

    async fn read(&mut self, block: &Block) {
        match (block.kind().as_str(), block.setting("file")) {
            ("toml", Some("sluice.toml")) => self.configure(block.text.clone()).await,
            ("toml part", _) => {
                let kept = self.configuration.split("[[upstream]]").next().unwrap().to_owned();
                self.configure(kept + &block.text).await;
            }
            (_, Some(file)) => plugins::write(&self.folder.join(file), &block.text),
            ("sh", _) => {
                self.printed.clear();
                for line in block.lines() {
                    self.run(&line, &block.place).await;
                }
                self.wait_for_swap(block).await;
            }
            ("text", _) => {
                for line in block.text.lines() {
                    let printed = self.printed.lines().any(|printed| printed.trim_end() == line);
                    assert!(printed, "{}: {line:?} is not in: {}", block.place, self.printed);
                }
            }
            _ => {}
        }
    }

    /// Saves a configuration; a gateway that runs takes it over.
    async fn configure(&mut self, text: String) {
        let [one, other] = [&self.services[0], &self.services[1]].map(|service| service.address.to_string());
        let here = text.replace("0.0.0.0:8443", "127.0.0.1:0").replace("0.0.0.0:8080", "127.0.0.1:0");
        let here = here.replace("127.0.0.1:3000", &one).replace("127.0.0.1:3001", &other);
        self.configuration = text;
        let before = self.gateway.as_ref().map_or(0, |gateway| gateway.log.filter("reload", |_| true).len());
        fs::write(self.folder.join("sluice.toml"), here).unwrap();
        if let Some(gateway) = &self.gateway {
            gateway.log.wait_for_all("reload", before + 1, |_| true).await;
        }
    }

    async fn run(&mut self, line: &str, place: &str) {
        if LEFT_OUT.iter().any(|program| line.starts_with(program)) {
            return;
        }
        if let Some(folder) = line.strip_prefix("cd ") {
            self.here = fs::canonicalize(self.here.join(folder)).unwrap();
            return;
        }
        if let Some(arguments) = line.strip_prefix("sluice run ") {
            self.gateway = Some(
                Running::start(self.command(env!("CARGO_BIN_EXE_sluice")).arg("run").args(arguments.split(' '))).await,
            );
            return;
        }
        let mut command = self.command("sh");
        command.args(["-c", &self.there(line)]);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{place}: {line}: {said}");
        self.printed += &format!("{}\n", String::from_utf8_lossy(&output.stdout));
    }

    /// A program where the reader is, with the gateway's own beside it.
    fn command(&self, program: &str) -> Command {
        let mut command = in_folder(program, &self.here);
        let programs = Path::new(env!("CARGO_BIN_EXE_sluice")).parent().unwrap().display();
        command.env("PATH", format!("{programs}:{}", std::env::var("PATH").unwrap()));
        command.env("CARGO_NET_OFFLINE", "true").env("STATE_DIRECTORY", target().join("sluice-state"));
        command.env_remove("SLUICE_LOG").stdin(Stdio::null());
        command
    }

    /// A command with the ports that there are.
    fn there(&self, line: &str) -> String {
        let Some(gateway) = &self.gateway else { return line.to_owned() };
        let addresses = PORTS.iter().zip(&gateway.addresses);
        addresses.fold(line.to_owned(), |line, (port, address)| {
            line.replace(&format!("localhost:{port}"), &format!("localhost:{}", address.port()))
        })
    }

    /// A component that was saved over one that serves is swapped in.
    async fn wait_for_swap(&self, block: &Block) {
        let saved = block.text.contains(".wasm") && self.configuration.contains("tiers.wasm");
        if let Some(gateway) = self.gateway.as_ref().filter(|_| saved) {
            gateway.log.wait_for("swap", |_| true).await;
        }
    }

    async fn exchange(&self, path: &str) -> Event {
        let gateway = self.gateway.as_ref().expect("the document starts the gateway");
        gateway.log.wait_for("exchange", |event| event.text("path") == path).await
    }
}

fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

#[tokio::test]
async fn a_new_user_who_follows_the_first_steps_gets_what_they_promise() {
    if let Some(missing) = ["curl", "openssl"].iter().find(|program| !is_installed(program)) {
        eprintln!("{missing} is not installed: {START} is not followed");
        return;
    }
    let mut reader = Reader::new().await;
    for block in &Document::read(START).blocks {
        reader.read(block).await;
    }
    let (one, two) = (reader.exchange("/one").await, reader.exchange("/two").await);
    assert_eq!(one.text("chosen_by"), "site/selection/least-connections");
    assert_eq!(two.text("chosen_by"), "site/selection/sticky-session");
    assert_eq!(one.text("endpoint"), two.text("endpoint"));
    for path in ["/gold", "/plan"] {
        let exchange = reader.exchange(path).await;
        assert_eq!((exchange.text("endpoint"), exchange.text("chosen_by")), ("site-1", "site/selection/tiers"));
    }
}
