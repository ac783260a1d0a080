//! Broken files: every mistake is told, in one run, at its place.

use super::*;

pub(super) fn problems(text: &str) -> Vec<String> {
    toml(text).map(|_| Vec::new()).unwrap_or_else(|problems| problems.to_string().lines().map(str::to_owned).collect())
}

/// A file without mistakes, of one line for each table, to which a case adds.
pub(super) fn around(more: &str) -> String {
    format!(
        "listener = [{{ address = '127.0.0.1:0' }}]\nupstream = [{{ name = 'app', endpoints = [{{ address = 'a:1' }}] }}]\n{more}"
    )
}

#[test]
fn all_mistakes_are_told_at_once_with_their_lines() {
    let text = r#"
workers = 500

[[listener]]
address = "localhost:8443"
proxy-protocol-from = ["10.0.0.0/8"]

[timeouts]
connect = 3

[[route]]
name = "app"
upsteam = "app"

[[route]]
name = "other"
upstream = "ap"
response = ["secure"]

[[upstream]]
name = "app"
endpoints = [
  { address = "10.0.0.1:8080" },
  { address = "10.0.0.1:8080" },
]
"#;
    let expected = [
        "sluice.toml:2: workers: expected a whole number from 1 to 256, found 500",
        "sluice.toml:5: listener[0].address: expected an IP address and a port like \"0.0.0.0:8443\" or \"[::]:8443\", found \
         \"localhost:8443\": \"localhost\" is not an IP address (names are not looked up here)",
        "sluice.toml:6: listener[0].proxy-protocol-from: means nothing without `proxy-protocol = true`",
        "sluice.toml:9: timeouts.connect: expected a duration like \"10s\", found the number 3",
        "sluice.toml:11: route[0].upstream: this key is required",
        "sluice.toml:13: route[0].upsteam: unknown key \"upsteam\"; did you mean \"upstream\"?",
        "sluice.toml:15: route[1].match: no request can come here: route \"app\" fits the same ones",
        "sluice.toml:17: route[1].upstream: no upstream is called \"ap\"; did you mean \"app\"?",
        "sluice.toml:18: route[1].response[0]: no use and no plugin is called \"secure\"",
        "sluice.toml:24: upstream[0].endpoints[1].address: another endpoint of this upstream has the id \"10.0.0.1:8080\" \
         (if none is given, its address)",
    ];
    assert_eq!(problems(text), expected);
}

#[test]
fn listeners_and_limits_that_make_no_sense() {
    let tls =
        "[[listener]]\naddress = '127.0.0.1:0'\n[listener.tls]\ncertificates = [{ certificate = 'a', key = 'b' }]\n";
    let cases = [
        ("[admin]\naddress = '0.0.0.0:1'".to_owned(), "admin.address: expected a loopback address"),
        (
            "[admin]\naddress = '0.0.0.0:1'\ntoken-file = 'token'".to_owned(),
            "admin.token-file: there is no file /nowhere/token",
        ),
        (
            "[admin]\naddress = '[::]:1'\ntls = { certificate = 'a', key = 'b' }".to_owned(),
            "admin.address: expected a loopback address",
        ),
        (format!("{tls}client-ca = 'ca.pem'"), "tls.client-ca: there is no file /nowhere/ca.pem"),
        (format!("{tls}client-certificate = 'optional'"), "client-certificate: means nothing without `client-ca`"),
        (format!("{tls}client-headers = {{ a = 'subject' }}"), "client-headers: means nothing without `client-ca`"),
        (format!("{tls}client-headers = {{ 'a b' = 'names' }}"), "\"a b\" is not the name of a header field"),
        (
            format!("{tls}client-ca = '/dev/null'\nclient-headers = {{ X-A = 'names', x-a = 'sha256' }}"),
            "\"x-a\" stands twice",
        ),
        (format!("{tls}client-headers = {{ x-a = 'sha1' }}"), "expected \"subject\" or \"names\" or"),
        (
            "[[plugin]]\nname = 'p'\npath = '/dev/null'\nlimits = { worker-share = '0%' }".to_owned(),
            "limits.worker-share: expected more than 0%, up to 100%",
        ),
        (
            "[[plugin]]\nname = 'p'\npath = '/dev/null'\nlimits = { output = '1B' }".to_owned(),
            "limits.output: expected 1KiB to 1MiB, found 1B",
        ),
    ];
    for (text, expected) in cases {
        let text = if text.contains("[[listener]]") { text } else { around(&text) };
        let not_meant = |line: &String| line.contains("/nowhere/a") || line.contains("/nowhere/b");
        let found: Vec<String> = problems(&text).into_iter().filter(|line| !not_meant(line)).collect();
        assert!(found.len() == 1 && found[0].contains(expected), "{expected} is not in {found:#?}");
    }
}

#[test]
fn too_many_instances_are_refused() {
    let mut text = "listener = [{ address = '127.0.0.1:0' }]\nworkers = 256\n".to_owned();
    for number in 0..16 {
        text += &format!("[[upstream]]\nname = 'u{number}'\nendpoints = [{{ address = 'a:1' }}]\n");
    }
    let expected = "sluice.toml:2: workers: 16 uses on 256 workers are 8192 instances of plugins, 8000 at most: \
                    fewer workers, or `slots` in [[plugin]]";
    assert_eq!(problems(&text), [expected]);
}

#[test]
fn what_is_not_built_yet_says_so() {
    let cases = [("[state]\nredis = 'x'", "3: state")];
    for (more, place) in cases {
        let key = place.rsplit(['.', ' ']).next().unwrap();
        assert_eq!(problems(&around(more)), [format!("sluice.toml:{place}: {key:?} is not built yet in this version")]);
    }
    let listener = "[[listener]]\naddress = '127.0.0.1:0'\n";
    let found = problems(&format!("{listener}tls.acme = 1"));
    let message = "sluice.toml:3: listener[0].tls.acme: \"acme\" is not built yet in this version".to_owned();
    assert!(found.contains(&message), "{found:?}");
}

#[test]
fn what_is_wrong_with_where_members_are_found() {
    let upstream = "listener = [{ address = '127.0.0.1:0' }]\n[[upstream]]\nname = 'a'\n";
    let cases: [(&str, &[&str]); 16] = [
        ("discover = { file = 'comes-later.toml' }", &[]),
        ("discover = { dns = { name = '_http._tcp.app.internal.', servers = ['10.0.0.2', '[::1]:5353'] } }", &[]),
        ("discover = { http = { url = 'https://registry.internal/app?zone=a' } }", &[]),
        ("discover = { consul = { service = 'app', url = 'http://[::1]:8500' } }", &[]),
        ("discover = { dns = { name = 'a..b' } }", &["4: upstream[0].discover.dns.name: expected a name like"]),
        (
            "discover = { dns = { name = 'a', servers = ['ns.internal'], least-ttl = '1h' } }",
            &[
                "4: upstream[0].discover.dns.servers[0]: expected an IP address like",
                "4: upstream[0].discover.dns.least-ttl: more than `most-ttl`, which is 5m",
            ],
        ),
        ("discover = { http = { url = 'ftp://a/b' } }", &["4: upstream[0].discover.http.url: expected a URL like"]),
        (
            "discover = { http = { url = 'http://user:secret@a/b' } }",
            &[
                "4: upstream[0].discover.http.url: expected a URL like \"https://registry.internal/app\", without user or",
            ],
        ),
        (
            "discover = { http = { url = 'http://a/b', tls = {}, token-file = 't' } }",
            &[
                "4: upstream[0].discover.http.tls: means nothing for a URL of `http`",
                "4: upstream[0].discover.http.token-file: there is no file /nowhere/t",
            ],
        ),
        (
            "discover = { consul = { service = '', url = 'http://a/b' } }",
            &[
                "4: upstream[0].discover.consul.url: nothing stands behind the host here, found \"/b\"",
                "4: upstream[0].discover.consul.service: expected the name of a service",
            ],
        ),
        ("discover = { file = 'f', dns = { name = 'a' } }", &["4: upstream[0].discover.dns: one source is enough"]),
        ("", &["2: upstream[0]: its members are missing: `endpoints`, or `discover` for where to find them"]),
        (
            "endpoints = [{ address = 'a:1' }]\ndiscover = { file = 'f' }",
            &["5: upstream[0].discover: its members are named already, by `endpoints`"],
        ),
        ("endpoints = []", &["4: upstream[0].endpoints: expected at least one entry, found an empty list"]),
        ("discover = {}", &["4: upstream[0].discover: expected who is asked: "]),
        ("discover = { fiel = 'f' }", &["4: upstream[0].discover.fiel: unknown key \"fiel\"; did you mean \"file\"?"]),
    ];
    for (lines, expected) in cases {
        let found = problems(&format!("{upstream}{lines}"));
        let is_expected = |(found, expected): (&String, &&str)| found.starts_with(&format!("sluice.toml:{expected}"));
        assert!(found.len() == expected.len() && found.iter().zip(expected).all(is_expected), "{lines}: {found:#?}");
    }
}

#[test]
fn what_is_wrong_with_the_way_to_endpoints() {
    let upstream =
        "listener = [{ address = '127.0.0.1:0' }]\n[[upstream]]\nname = 'a'\nendpoints = [{ address = 'a:1' }]\n";
    let cases: [(&str, &[&str]); 7] = [
        (
            "protocol = 'h3'",
            &["protocol: expected \"http/1.1\" or \"h2\" or \"auto\", found \"h3\"; did you mean \"h2\"?"],
        ),
        ("protocol = 'auto'", &["protocol: \"auto\" means nothing without `tls`: \"http/1.1\" or \"h2\""]),
        ("protocol = 'auto'\ntls = {}", &[]),
        (
            "tls = { ca = 'a', certificate = 'b', key = 'c' }",
            &[
                "tls.ca: there is no file /nowhere/a",
                "tls.certificate: there is no file /nowhere/b",
                "tls.key: there is no file /nowhere/c",
            ],
        ),
        (
            "tls = { certificate = 'b' }",
            &["tls.certificate: there is no file /nowhere/b", "tls.certificate: means nothing without its `key`"],
        ),
        (
            "tls = { key = 'c' }",
            &["tls.key: there is no file /nowhere/c", "tls.key: means nothing without a `certificate`"],
        ),
        ("send-proxy-protocol = 'v1'", &["send-proxy-protocol: expected \"v2\", found \"v1\"; did you mean \"v2\"?"]),
    ];
    for (lines, expected) in cases {
        let text = format!("{upstream}{lines}");
        let found = toml(&text).err().map_or_else(Vec::new, |found| found.0);
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        let expected: Vec<_> = expected.iter().map(|said| format!("sluice.toml:5: upstream[0].{said}")).collect();
        assert_eq!(found, expected, "{lines}");
    }
}

#[test]
fn wrong_shapes() {
    let cases = [
        ("zone = 5", "3: zone: expected text, found the number 5"),
        ("zone = 2026-01-01", "3: zone: expected text, found a date or time"),
        ("log.access = 'yes'", "3: log.access: expected true or false, found the text \"yes\""),
        (
            "log.level = 'inf'",
            "3: log.level: expected \"error\" or \"warn\" or \"info\" or \"debug\" or \"trace\", found \"inf\"; did you mean \"info\"?",
        ),
        ("hash-seed = -1", "3: hash-seed: expected a whole number from 0, found -1"),
        ("hash-seed = 1.5", "3: hash-seed: expected a whole number from 0, found 1.5"),
        ("limits = 5", "3: limits: expected a table, found the number 5"),
        ("limits.header-bytes = '4KiB'", "3: limits.header-bytes: expected 8KiB to 16MiB, found 4KiB"),
        ("limits.request-line = '65KiB'", "3: limits.request-line: expected 1KiB to 64KiB, found 65KiB"),
        ("limits.chunk-extensions = '17KiB'", "3: limits.chunk-extensions: expected 1B to 16KiB, found 17KiB"),
        ("limits.trailers = '2MiB'", "3: limits.trailers: expected 1B to 1MiB, found 2MiB"),
        (
            "colour = 1",
            "3: colour: unknown key \"colour\"; known here: admin, hash-seed, limits, listener, log, plugin, route, secrets, timeouts, traces, upstream, use, workers, zone",
        ),
        (
            "[route]\nname = 'r'",
            "3: route: expected a list, found a table; in TOML each member of this list begins with [[route]]",
        ),
        (
            "[[use]]\nname = 'my use'\nplugin = 'headers'",
            "4: use[0].name: expected a name like \"app-2\", found \"my use\": ' ' is not among letters, digits, \"-\", \"_\" and \".\"",
        ),
        (
            "[[use]]\nname = 'u'\nplugin = 'headers'\nconfig.at = 2026-01-01",
            "6: use[0].config.at: a date or time cannot stand here; write it as text",
        ),
        (
            "[[route]]\nname = 'r'\nupstream = 'app'\nresponse = [1]",
            "6: route[0].response[0]: expected text or a table, found the number 1",
        ),
        (
            "[[route]]\nname = 'r'\nupstream = 'app'\nmatch.methods = []",
            "6: route[0].match.methods: expected at least one entry, found an empty list",
        ),
    ];
    for (more, expected) in cases {
        assert_eq!(problems(&around(more)), [format!("sluice.toml:{expected}")], "{more}");
    }
    assert_eq!(problems("[[listener]]\naddress = 'x'\naddress = 'y'"), ["sluice.toml:3: duplicate key"]);
    assert_eq!(problems(""), ["sluice.toml: listener: at least one [[listener]] is needed"]);
    let from_json =
        from_text("{\n\"zone\": null}", Format::Json, Path::new("/"), "sluice.json", BUILT_IN).and_then(Draft::finish);
    assert!(from_json.unwrap_err().to_string().ends_with("sluice.json:2: zone: expected text, found null"));
}

#[test]
fn contradictions() {
    let route = |more: &str| format!("[[route]]\nname = 'r'\nupstream = 'app'\n{more}");
    let cases = [
        (
            "[[plugin]]\nname = 'headers'\npath = 'x.wasm'".to_owned(),
            vec![
                "4: plugin[0].name: \"headers\" is the name of a built-in plugin",
                "5: plugin[0].path: there is no file /nowhere/x.wasm",
            ],
        ),
        (
            "secrets.sealing.current-file = 'k'".to_owned(),
            vec!["3: secrets.sealing.current-file: there is no file /nowhere/k"],
        ),
        (
            "[[use]]\nname = 'ip-hash'\nplugin = 'header'".to_owned(),
            vec![
                "4: use[0].name: \"ip-hash\" is the name of a plugin; a use needs one of its own",
                "5: use[0].plugin: no plugin is called \"header\"; did you mean \"headers\"?",
            ],
        ),
        (
            route(
                "[[use]]\nname = 'u'\nplugin = 'headers'\n[[route]]\nname = 'r'\nmatch.path = '/a'\nupstream = 'app'\nresponse = ['u', { plugin = 'u' }, 'u']",
            ),
            vec![
                "10: route[1].name: another route is called \"r\"",
                "13: route[1].response[1].plugin: \"u\" is a use, not a plugin; name it without a table around it",
                "13: route[1].response[2]: \"u\" stands twice in this chain",
            ],
        ),
        (
            route(
                "match = { hosts = ['A.com'] }\n[[route]]\nname = 's'\nupstream = 'app'\nmatch = { hosts = ['a.com'] }",
            ),
            vec!["10: route[1].match: no request can come here: route \"r\" fits the same ones"],
        ),
        (
            route("match = { path = '/api/*' }\nrewrite.strip-prefix = '/app'"),
            vec!["7: route[0].rewrite.strip-prefix: no path of this route begins with \"/app\""],
        ),
        (
            route("match.headers = { X-A = '1', x-a = '2' }"),
            vec!["6: route[0].match.headers.x-a: \"x-a\" stands twice; upper and lower case are the same"],
        ),
        (
            route("upstreams = ['aap']"),
            vec!["6: route[0].upstreams[0]: no upstream is called \"aap\"; did you mean \"app\"?"],
        ),
    ];
    for (more, expected) in cases {
        let expected: Vec<String> = expected.iter().map(|line| format!("sluice.toml:{line}")).collect();
        assert_eq!(problems(&around(&more)), expected, "{more}");
    }
    let twice = "listener = [{ address = '127.0.0.1:80' },\n{ address = '127.0.0.1:80' }]";
    assert_eq!(problems(twice), ["sluice.toml:2: listener[1].address: another listener has the address 127.0.0.1:80"]);
}

/// A badly formed text is stood in for by an example while the rest is looked at; that example must not cause problems itself.
#[test]
fn a_mistake_causes_no_others() {
    let text = "[[listener]]\naddress = 'x'\n[[listener]]\naddress = '0.0.0.0:8443'\n\
        [[upstream]]\nname = 'my app'\nendpoints = [{ address = 'x' }, { address = '10.0.0.1:8080' }]\n\
        [[route]]\nname = 'a'\nupstream = 'my app'\nmatch = { path = 'x' }\n[[route]]\nname = 'b'\nupstream = 'my app'\n\
        [[route]]\nname = 'c'\nupstream = 5\nmatch = { hots = ['a'] }\n";
    let lines: Vec<usize> = toml(text).unwrap_err().0.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [2, 6, 7, 11, 17, 18]);
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem() {
    let problems = load(Path::new("/nowhere/sluice.toml"), BUILT_IN).unwrap_err();
    assert!(problems.to_string().starts_with("/nowhere/sluice.toml: cannot be read: "));
}

/// Whatever stands at whatever place, `shape` must leave something that can be read, or the other problems would be lost.
#[test]
fn every_value_may_be_wrong() {
    fn places(value: &serde_json::Value, path: String, found: &mut Vec<String>) {
        let members: Vec<(String, &serde_json::Value)> = match value {
            serde_json::Value::Object(entries) => {
                entries.iter().map(|(key, value)| (key.replace('/', "~1"), value)).collect()
            }
            serde_json::Value::Array(members) => {
                members.iter().enumerate().map(|(index, value)| (index.to_string(), value)).collect()
            }
            _ => Vec::new(),
        };
        for (key, value) in members {
            places(value, format!("{path}/{key}"), found);
        }
        found.push(path);
    }
    let good: serde_json::Value = toml::from_str(example::EXAMPLE).unwrap();
    let mut all = Vec::new();
    places(&good, String::new(), &mut all);
    assert!(all.len() > 100);
    for place in all {
        for wrong in
            ["null", "true", "-1", "1e300", "18446744073709551615", "\"\"", "[]", "{}", "[[5]]", "[{}]", "{\"a\":{}}"]
        {
            let mut broken = good.clone();
            *broken.pointer_mut(&place).unwrap() = serde_json::from_str(wrong).unwrap();
            let read = from_text(&broken.to_string(), Format::Json, Path::new("/nowhere"), "f", BUILT_IN)
                .and_then(Draft::finish);
            let problems = read.unwrap_err().0;
            let lost = problems.iter().find(|problem| problem.key.is_empty() && !place.is_empty());
            assert_eq!(lost, None, "{wrong} at {place}");
        }
    }
}
