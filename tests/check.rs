//! `sluice check` tells everything that is wrong, each thing once and at its place.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use crate::harness::guests::target;
use crate::harness::{Client, Configuration, Gateway, Origin, certificates, component};

/// A folder with a good certificate and one file for each of these.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let site = certificates::site(&["app.test"]);
    let files = files.iter().copied();
    let good = [("site.pem", site.certificate.as_bytes()), ("site.key", site.key.as_bytes())];
    for (name, content) in good.into_iter().chain(files) {
        fs::write(folder.path().join(name), content).unwrap();
    }
    folder
}

fn sluice(command: &str, configuration: &Path) -> Output {
    let mut sluice = Command::new(env!("CARGO_BIN_EXE_sluice"));
    sluice.args([command, "--config"]).arg(configuration);
    sluice.arg("--state-dir").arg(target().join("sluice-state")).output().unwrap()
}

/// Asserts that exactly these problems are told, each as `line: key: a part of the message`, and exit code 1.
fn assert_told(folder: &TempDir, file: &str, expected: &[&str]) {
    let path = folder.path().join(file);
    let output = sluice("check", &path);
    let said = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    for (line, expected) in lines.iter().zip(expected) {
        let (place, part) = expected.rsplit_once(": ").unwrap();
        let place = format!("{}:{place}: ", path.display());
        assert!(line.starts_with(&place) && line.contains(part), "{line:?} is not {expected:?}");
    }
    assert_eq!(lines.len(), expected.len(), "{said}");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(output.stdout.is_empty());
}

const MISTAKES: &str = r#"zonee = "a"
[[listener]]
address = "127.0.0.1:0"
tls.certificates = [{ certificate = "none.pem", key = "site.key" }]
[[listener]]
address = "127.0.0.1:8080"
[[listener]]
address = "127.0.0.1:8080"
[[route]]
name = "a"
upstream = "nowhere"
response = ["header"]
[[upstream]]
name = "app"
selection = [
  { plugin = "sticky-session", config = { cookie = "a",
    tll = "1h" } },
]
endpoints = [{ address = "10.0.0.1" }]
"#;

#[test]
fn one_run_tells_everything_that_is_wrong() {
    let json = r#"{
"zonee": "a",
"listener": [
  { "address": "127.0.0.1:0",
    "tls": { "certificates": [{ "certificate": "none.pem", "key": "site.key" }] } },
  { "address": "127.0.0.1:8080" },
  { "address": "127.0.0.1:8080" }
],
"route": [{ "name": "a",
  "upstream": "nowhere",
  "response": ["header"] }],
"upstream": [{ "name": "app",
  "selection": [{ "plugin": "sticky-session", "config": {
    "cookie": "a",
    "tll": "1h" } }],
  "endpoints": [{ "address": "10.0.0.1" }] }]
}"#;
    let folder = folder(&[("sluice.toml", MISTAKES.as_bytes()), ("sluice.json", json.as_bytes())]);
    let problems = [
        "zonee: did you mean \"zone\"?",
        "listener[0].tls.certificates[0].certificate: there is no file",
        "listener[2].address: another listener has the address 127.0.0.1:8080",
        "route[0].upstream: no upstream is called \"nowhere\"",
        "route[0].response[0]: no use and no plugin is called \"header\"; did you mean \"headers\"?",
        "upstream[0].selection[0].config.tll: app/selection/sticky-session: unknown key `tll`; did you mean `ttl`?",
        "upstream[0].endpoints[0].address: it must end in a colon and a port",
    ];
    for (file, lines) in [("sluice.toml", [1, 4, 8, 11, 12, 17, 19]), ("sluice.json", [2, 5, 7, 10, 11, 15, 16])] {
        let expected: Vec<String> =
            lines.iter().zip(problems).map(|(line, problem)| format!("{line}: {problem}")).collect();
        assert_told(&folder, file, &expected.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

#[test]
fn what_only_follows_from_another_problem_is_not_told() {
    let text = r#"listener = [{ address = "127.0.0.1:0" }]
[[plugin]]
name = "gone"
path = "gone.wasm"
[[route]]
name = "a"
upstream = "ap"
routing = [{ plugin = "traffic-split", config = { shares = { ap = 1 } } }]
[[upstream]]
name = "app"
selection = ["gone", { plugin = "traffic-split", confg = { shares = { app = 1 } } }]
endpoints = [{ address = "10.0.0.1:80" }]
"#;
    let folder = folder(&[("sluice.toml", text.as_bytes())]);
    let expected = [
        "4: plugin[0].path: there is no file",
        "7: route[0].upstream: did you mean \"app\"?",
        "11: upstream[0].selection[1].confg: did you mean \"config\"?",
    ];
    assert_told(&folder, "sluice.toml", &expected);
}

#[test]
fn plugins_that_are_no_good_are_told_with_their_tables() {
    let pin = "0".repeat(64);
    let text = format!(
        r#"listener = [{{ address = "127.0.0.1:0" }}]
[[plugin]]
name = "no-wasm"
path = "text.wasm"
[[plugin]]
name = "pinned"
path = "good.wasm"
sha256 = "{pin}"
[[plugin]]
name = "traps"
path = "traps.wasm"
[[plugin]]
name = "refuses"
path = "refuses.wasm"
[[route]]
name = "all"
upstream = "app"
routing = ["refuses", "headers"]
[[upstream]]
name = "app"
selection = ["pinned", "traps", "refuses"]
endpoints = [{{ address = "10.0.0.1:80" }}]
"#
    );
    let (traps, refuses, good) = (component("trap_always"), component("refuses"), component("stamp_v1"));
    let folder = folder(&[
        ("sluice.toml", text.as_bytes()),
        ("text.wasm", b"text"),
        ("traps.wasm", &traps),
        ("refuses.wasm", &refuses),
        ("good.wasm", &good),
    ]);
    let expected = [
        "4: plugin[0].path: not a WebAssembly component",
        "8: plugin[1].sha256: its digest is",
        "18: route[0].routing[0]: all/routing/refuses: /left: expected something else",
        "18: route[0].routing[0]: all/routing/refuses: /right: two\\nlines",
        "18: route[0].routing[1]: stands in a routing chain but does not export that hook",
        "21: upstream[0].selection[1]: app/selection/traps: failed in `selection`: trap",
        "21: upstream[0].selection[2]: app/selection/refuses: /left: expected something else",
        "21: upstream[0].selection[2]: app/selection/refuses: /right: two\\nlines",
    ];
    assert_told(&folder, "sluice.toml", &expected);
}

#[test]
fn keys_and_certificates_are_told_with_their_keys() {
    let text = r#"[secrets.sealing]
current-file = "short"
previous-file = "none"
[[listener]]
address = "127.0.0.1:0"
[listener.tls]
certificates = [
  { certificate = "site.pem", key = "site.key" },
  { certificate = "site.pem",
    key = "other.key" },
  { certificate = "short",
    key = "site.key" },
]
client-ca = "site.pem"
client-headers = { host = "subject" }
"#;
    let other = certificates::site(&["other.test"]);
    let files: [(&str, &[u8]); 3] =
        [("sluice.toml", text.as_bytes()), ("short", b"secret"), ("other.key", other.key.as_bytes())];
    let expected = [
        "2: secrets.sealing.current-file: 6 bytes; a sealing key has 32 or more",
        "3: secrets.sealing.previous-file: there is no file",
        "10: listener[0].tls.certificates[1].key: not the private key of the certificate",
        "11: listener[0].tls.certificates[2].certificate: no certificate in this file",
        "14: listener[0].tls.client-ca: is not the certificate of an authority",
        "15: listener[0].tls.client-headers.host: this field is not for saying who a client is",
    ];
    assert_told(&folder(&files), "sluice.toml", &expected);
}

#[test]
fn the_start_places_the_mistakes_of_plugins_too() {
    let text = "listener = [{ address = '127.0.0.1:0' }]\n[[use]]\nname = 'u'\nplugin = 'headers'\n[use.config]\nset.a = 'b'\n\
                sett.a = 'b'\n[[route]]\nname = 'r'\nupstream = 'app'\nresponse = ['u']\n[[upstream]]\nname = 'app'\n\
                endpoints = [{ address = 'a:1' }]\n";
    let folder = folder(&[("sluice.toml", text.as_bytes())]);
    let path = folder.path().join("sluice.toml");
    let output = sluice("run", &path);
    let said = String::from_utf8(output.stderr).unwrap();
    let expected = format!("{}:7: use[0].config.sett: u: unknown key `sett`; did you mean `set`?", path.display());
    assert_eq!((said.lines().last(), output.status.code()), (Some(&*expected), Some(1)));
}

#[tokio::test]
async fn a_good_file_is_good_and_the_gateway_that_serves_it_goes_on() {
    let origin = Origin::start("a").await;
    let configuration = Configuration::of(&[&origin]).selection(r#"["sticky-session", "least-connections"]"#);
    let gateway = Gateway::start(&configuration).await;
    // Its port is taken and its state is in use: neither is touched.
    let lines = format!("[[listener]]\naddress = \"{}\"", gateway.plain);
    let good = Gateway::check(&configuration.tables(&lines));
    assert_eq!(good.status.code(), Some(0), "{good:?}");
    assert!(good.stderr.is_empty(), "{good:?}");
    let said = String::from_utf8_lossy(&good.stdout);
    assert!(said.trim_end().ends_with("sluice.toml: good: 3 listeners, 1 route, 1 upstream, 2 uses"), "{said}");
    assert_eq!(origin.requests(), 0);
    assert_eq!(Client::h1(&gateway).await.get("/").await.status, 200);
}

#[test]
fn what_nothing_needs_is_a_warning() {
    let text = "listener = [{ address = '127.0.0.1:0' }]\n[[plugin]]\nname = 'mine'\npath = 'mine.wasm'\n\
                [[use]]\nname = 'u'\nplugin = 'headers'\n";
    let mine = component("stamp_v1");
    let folder = folder(&[("sluice.toml", text.as_bytes()), ("mine.wasm", &mine)]);
    let expected =
        ["3: plugin[0].name: no use is of this plugin", "6: use[0].name: stands in no chain, so that it was not tried"];
    assert_warned(&folder, &expected);
}

#[test]
fn a_certificate_that_ends_soon_is_a_warning() {
    let text = r#"[[listener]]
address = "127.0.0.1:0"
[listener.tls]
certificates = [
  { certificate = "site.pem", key = "site.key" },
  { certificate = "past.pem", key = "past.key" },
  { certificate = "soon.pem", key = "soon.key" },
  { certificate = "later.pem", key = "later.key" },
]
"#;
    let (now, half_days) = (SystemTime::now(), |count| Duration::from_hours(12) * count);
    let site = |end| certificates::site_until(&["a.test", "b.test"], end);
    let [past, soon, later] = [now - half_days(7), now + half_days(41), now + half_days(43)].map(site);
    let folder = folder(&[
        ("sluice.toml", text.as_bytes()),
        ("past.pem", past.certificate.as_bytes()),
        ("past.key", past.key.as_bytes()),
        ("soon.pem", soon.certificate.as_bytes()),
        ("soon.key", soon.key.as_bytes()),
        ("later.pem", later.certificate.as_bytes()),
        ("later.key", later.key.as_bytes()),
    ]);
    let expected = [
        "6: listener[0].tls.certificates[1].certificate: the certificate of a.test, b.test ended 3 days ago",
        "7: listener[0].tls.certificates[2].certificate: the certificate of a.test, b.test ends in 20 days",
    ];
    assert_warned(&folder, &expected);
}

/// Asserts that exactly these warnings are told, and that the file is good.
fn assert_warned(folder: &TempDir, expected: &[&str]) {
    let path = folder.path().join("sluice.toml");
    let output = sluice("check", &path);
    let said = String::from_utf8(output.stderr).unwrap();
    let expected: String = expected.iter().map(|told| format!("warning: {}:{told}\n", path.display())).collect();
    assert_eq!((said, output.status.code()), (expected, Some(0)));
    assert!(String::from_utf8_lossy(&output.stdout).contains("sluice.toml: good: 1 listener, 0 routes"));
}
