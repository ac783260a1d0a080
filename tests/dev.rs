//! `sluice dev`: an author saves, and what is good serves; what is not changes nothing and is told with its place.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::harness::guests::{self, built_in, component, workspace};
use crate::harness::{Ask, Client, Configuration, Gateway, Origin, eventually};

/// What a plugin's author has: a folder, and what `sluice dev` has said.
struct Author {
    folder: TempDir,
    state: PathBuf,
}

impl Author {
    fn new() -> Self {
        let state = guests::target().join("sluice-state");
        Self { folder: tempfile::tempdir().unwrap(), state }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Saves as a good tool does.
    fn save(&self, name: &str, content: impl AsRef<[u8]>) {
        let aside = self.path(".new");
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(&aside, content).unwrap();
        fs::rename(aside, self.path(name)).unwrap();
    }

    /// `sluice dev` for that plugin, in place of a command of the harness.
    fn dev(&self, plugin: &str, arguments: &[&str], run: &Command) -> Command {
        let config = run.get_args().nth(2).unwrap();
        let mut command = guests::in_folder(env!("CARGO_BIN_EXE_sluice"), self.folder.path());
        command.arg("dev").arg(plugin).arg("--config").arg(config).args(arguments);
        command.arg("--state-dir").arg(&self.state);
        // What a project needs is there: the versions are this workspace's.
        command.env("CARGO_NET_OFFLINE", "true").env_remove("CARGO_TARGET_DIR");
        command.stdin(Stdio::null()).stdout(fs::File::create(self.path("said")).unwrap());
        command
    }

    async fn start(&self, configuration: &Configuration, plugin: &str, arguments: &[&str]) -> Gateway {
        Gateway::start_by(configuration, |run| self.dev(plugin, arguments, &run)).await
    }

    fn said(&self) -> String {
        fs::read_to_string(self.path("said")).unwrap()
    }

    /// Waits until it has said that so often, and gives what it said from the last time on.
    async fn hears(&self, text: &str, times: usize) -> String {
        let what = format!("{text:?}, {times} times");
        let found = eventually(&what, async || {
            let said = self.said();
            let last = said.match_indices(text).nth(times - 1)?.0;
            said[last..].contains('\n').then(|| said[last..].to_owned())
        });
        found.await
    }

    /// A project in Rust beside this workspace's SDK, which chooses that endpoint of those that may be chosen.
    fn project(&self, choice: &str) {
        self.save(
            "picks/Cargo.toml",
            format!(
                "[package]\nname = \"picks\"\nversion = \"0.1.0\"\nedition = \"2024\"\ndescription = \"Picks\"\n\
                 [lib]\ncrate-type = [\"cdylib\"]\n[dependencies]\nsluice-plugin = {{ path = {:?} }}\n[workspace]\n",
                workspace().join("plugin-sdk")
            ),
        );
        self.save("picks/Cargo.lock", fs::read(workspace().join("Cargo.lock")).unwrap());
        self.source(choice);
        let target = guests::built_target().join("dev");
        fs::create_dir_all(&target).unwrap();
        symlink(target, self.path("picks/target")).unwrap();
        // Once, so that nobody waits for what it needs to be built.
        let mut build = guests::in_folder(env!("CARGO_BIN_EXE_sluice"), self.folder.path());
        let built = build.args(["plugin", "build", "picks"]).env("CARGO_NET_OFFLINE", "true").output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    }

    fn source(&self, choice: &str) {
        self.save("picks/src/lib.rs", PICKS.replace("CHOICE", choice));
    }
}

const PICKS: &str = r#"//! Picks one.

use sluice_plugin::selection::{Decision, Input};
use sluice_plugin::{EndpointIndex, Issues, Members, NoConfig, Plugin, Request, Selection, Setup};

struct Picks(Vec<EndpointIndex>);
sluice_plugin::export!(Picks: Selection);

impl Plugin for Picks {
    type Config = NoConfig;
    fn new(_: NoConfig, _: &Setup) -> Result<Self, Issues> {
        Ok(Self(Vec::new()))
    }
}

impl Selection for Picks {
    fn set_endpoints(&mut self, members: &Members) {
        self.0 = members.choosable();
    }
    fn select(&mut self, _: Input, _: Option<&Request>) -> Decision {
        self.0.get(CHOICE).copied().map_or(Decision::pass(), Decision::endpoint)
    }
}
"#;

fn only(endpoint: &str) -> String {
    format!(
        "[[endpoint]]\nid = \"a\"\n[[endpoint]]\nid = \"b\"\n\n[[step]]\nname = \"picks\"\n\
         request = {{ times = 5 }}\nexpect = {{ only = [\"{endpoint}\"] }}\n"
    )
}

async fn who_answers(gateway: &Gateway) -> String {
    Client::plain(gateway).await.ask(Ask::get("/")).await.origin().to_owned()
}

async fn ends(mut gateway: Gateway, by: Signal) {
    gateway.may_end();
    gateway.signal(by);
    assert_eq!(gateway.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_project_serves_as_soon_as_it_is_good_and_not_before() {
    let [a, b] = Origin::several().await;
    let author = Author::new();
    author.project("0");
    author.save("picks/scenario.toml", only("a"));
    let configuration = Configuration::of(&[&a, &b]).plugin("picks", Vec::new()).selection(r#"["picks"]"#);
    let gateway = author.start(&configuration, "picks", &[]).await;
    author.hears("serving: picks 0.1.0 (", 1).await;
    assert!(author.said().contains("test passed: scenario.toml: "), "{}", author.said());
    assert_eq!(who_answers(&gateway).await, a.name);

    author.source("oops");
    let told = author.hears("build failed: ", 1).await;
    assert!(told.contains("src/lib.rs:21:") && told.contains("oops"), "{told}");
    author.source("1");
    let told = author.hears("test failed: scenario.toml:", 1).await;
    let broke = "steps: event 1: step 1 at line 6 (picks): expected only a, went to b (seed 1)";
    assert!(told.contains(broke), "{broke:?} is not in {told}");
    assert_eq!(who_answers(&gateway).await, a.name, "what was bad has changed something");

    author.save("picks/scenario.toml", only("b"));
    author.hears("swapped: picks 0.1.0 (", 1).await;
    assert_eq!(who_answers(&gateway).await, b.name);
    // A file that was not there before is one of them.
    author.save("picks/scenario-2.toml", only("a"));
    author.hears("test failed: scenario-2.toml:", 1).await;
    ends(gateway, Signal::INT).await;
}

#[tokio::test]
async fn a_file_takes_the_place_of_the_use_that_is_named() {
    let [a, b] = Origin::several().await;
    let author = Author::new();
    author.save("stamp.wasm", component("stamp_v1"));
    let selects = Configuration::of(&[&a, &b]).selection(r#"["round-robin", "stamp"]"#);
    let configuration = selects.plugin("stamp", component("stamp_v1")).response(r#"["stamp"]"#);
    let used = ["--use", "all/response/stamp", "--no-test"];
    let gateway = author.start(&configuration, "stamp.wasm", &used).await;
    let stamp = async || Client::plain(&gateway).await.ask(Ask::get("/")).await.header("x-answered-by").to_owned();
    let first = stamp().await;
    author.save("stamp.wasm", component("stamp_v2"));
    author.hears("swapped: ", 1).await;
    assert_ne!(stamp().await, first);
    // One that the gateway does not take changes nothing, and is not tried again and again.
    author.save("stamp.wasm", built_in("round-robin"));
    let told = author.hears("swap refused: ", 1).await;
    assert!(told.contains("response") && told.contains("serves on"), "{told}");
    assert_ne!(stamp().await, first);
    let swaps = gateway.log.filter("swap", |event| event.text("use") == "app/selection/stamp");
    assert_eq!(swaps, [], "another use of the plugin was swapped as well");
    assert_eq!(gateway.log.filter("swap refused", |_| true).len(), 1);
    // What is configured is read again as ever, and the stand-in stays.
    gateway.reload(&configuration.top("zone = \"x\"").text()).await;
    assert_ne!(stamp().await, first);
    ends(gateway, Signal::TERM).await;
}

#[tokio::test]
async fn it_begins_when_there_is_something_good_to_begin_with() {
    let [a] = Origin::several().await;
    let author = Author::new();
    author.save("mine.wasm", "not yet");
    let configuration = Configuration::of(&[&a]);
    let starting = author.start(&configuration, "mine.wasm", &[]);
    let saving = async {
        let told = author.hears("test failed: no scenario: ", 1).await;
        assert!(told.contains("not a WebAssembly component"), "{told}");
        author.hears("waiting for a change", 1).await;
        author.save("mine.wasm", built_in("random"));
    };
    let (gateway, ()) = tokio::join!(starting, saving);
    assert_eq!(who_answers(&gateway).await, a.name);
    ends(gateway, Signal::INT).await;
}

#[tokio::test]
async fn it_ends_when_it_is_asked_to_while_it_waits_for_something_good() {
    let [a] = Origin::several().await;
    let author = Author::new();
    author.save("mine.wasm", "not yet");
    let gateway = Gateway::begin_by(&Configuration::of(&[&a]), |run| author.dev("mine.wasm", &[], &run));
    author.hears("waiting for a change", 1).await;
    ends(gateway, Signal::INT).await;
}

#[tokio::test]
async fn a_version_that_fails_among_requests_is_taken_back_and_that_is_told() {
    let [a] = Origin::several().await;
    let author = Author::new();
    author.save("mine.wasm", built_in("random"));
    let configuration = Configuration::of(&[&a]).plugin("mine", Vec::new()).selection(r#"["mine"]"#);
    let gateway = author.start(&configuration, "mine.wasm", &["--no-test"]).await;
    author.save("mine.wasm", component("trap"));
    author.hears("swapped: ", 1).await;
    let mut client = Client::plain(&gateway).await;
    let back = async {
        author.hears("taken back by the gateway", 1).await;
    };
    tokio::pin!(back);
    loop {
        tokio::select! {
            () = &mut back => break,
            answer = client.ask(Ask::get("/").header("x-misbehave", "selection")) => assert_eq!(answer.status, 200),
        }
    }
    assert!(author.said().contains("random"), "{}", author.said());
    ends(gateway, Signal::INT).await;
}

#[tokio::test]
async fn where_it_stands_must_be_clear() {
    let [a] = Origin::several().await;
    let author = Author::new();
    author.save("mine.wasm", built_in("random"));
    let two = Configuration::of(&[&a]).selection(r#"["sticky-session", "round-robin"]"#).response(r#"["headers"]"#);
    let refused = |plugin: &str, arguments: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        two.write(folder.path());
        let mut run = Command::new("sluice");
        run.args([OsString::from("run"), "--config".into(), folder.path().join("sluice.toml").into()]);
        let output = author.dev(plugin, arguments, &run).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let told = refused("mine.wasm", &[]);
    for part in
        ["\"mine\"", "--use", "app/selection/sticky-session", "app/selection/round-robin", "all/response/headers"]
    {
        assert!(told.contains(part), "{part:?} is not in {told}");
    }
    let told = refused("mine.wasm", &["--use", "app/selection/random"]);
    assert!(told.contains("no use is called \"app/selection/random\"; there are "), "{told}");
    let folder = author.folder.path().to_str().unwrap();
    assert!(refused(folder, &[]).contains("no plugin's project"), "a folder of anything");
}

impl Drop for Author {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("it has said:\n{}", fs::read_to_string(self.path("said")).unwrap_or_default());
        }
    }
}
