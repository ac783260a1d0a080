//! `sluice explain`: where a request would go, and why, without a gateway.

use std::fs;

use serde_json::{Value, json};

use crate::explained::{explain, explained};
use crate::harness::guests::workspace;
use crate::harness::{Configuration, component};

#[test]
fn a_request_is_explained_without_a_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let address = "127.0.0.1:9".parse().unwrap();
    let configuration = Configuration::at(&[("a", address), ("b", address)])
        .plugin("chooses", component("chooses"))
        .plugin("trap", component("trap"))
        .routing(r#"["trap"]"#)
        .selection(r#"["chooses", "round-robin"]"#)
        .response(r#"[{ plugin = "headers", config = { preset = "secure" } }]"#)
        .tables("[[route]]\nname = \"api\"\nmatch = { path = \"/api/*\" }\nupstream = \"app\"\nrewrite = { strip-prefix = \"/api\" }\n[[listener]]\naddress = \"127.0.0.1:8099\"\nredirect-to-https = {}");
    configuration.write(folder.path());
    let one = |arguments: &[&str]| explained(folder.path(), arguments).remove(0);

    let found = one(&["https://app.test/x?y=1", "-H", "x-endpoint: b", "--client", "192.0.2.7"]);
    assert_eq!(
        (&found["route"], &found["endpoint"], &found["chosen_by"]),
        (&json!("all"), &json!("b"), &json!("app/selection/chooses"))
    );
    assert_eq!(found["onward"], "GET /x?y=1 HTTP/1.1");
    assert!(
        found["onward_headers"].as_array().unwrap().contains(&json!(["x-forwarded-for", "192.0.2.7"])),
        "{found:#}"
    );
    assert!(found["headers"].to_string().contains("x-content-type-options"), "{found:#}");
    let edits =
        found["calls"].as_array().unwrap().iter().find(|call| call["hook"] == "response").unwrap()["edits"].clone();
    assert!(edits.to_string().contains("x-content-type-options"), "{edits}");
    assert_eq!(found["same"], Value::Null);

    let found = one(&["POST https://app.test/api/x", "--body", "hello"]);
    assert_eq!((&found["route"], &found["onward"]), (&json!("api"), &json!("POST /x HTTP/1.1")));
    let found = one(&["DELETE", "http://app.test/", "-H", "x-misbehave: routing"]);
    assert!(found["why"][0].as_str().unwrap().contains("trap"), "{found:#}");
    assert_eq!((&found["calls"][0]["said"], &found["calls"][0]["what"]), (&json!("failed"), &json!("trap")));
    // What the gateway would answer itself: nonsense, and a redirect.
    assert_eq!(one(&["http://app.test/%00"])["status"], 400);
    let redirected = one(&["http://app.test:8099/x"]);
    assert_eq!((&redirected["status"], &redirected["endpoint"]), (&json!(308), &json!("")));

    // For people.
    let output = explain(folder.path(), &["https://app.test/api/x", "--status", "503", "--answer-header", "x-a: b"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    for line in [
        "GET https://app.test/api/x from 127.0.0.1",
        "route      api",
        "endpoint   a, chosen by app/selection/round-robin",
        "gets       GET /x HTTP/1.1",
        "answer     503",
        "           x-a: b",
    ] {
        assert!(said.lines().any(|found| found == line), "{line:?} is not in\n{said}");
    }
}

#[test]
fn what_cannot_be_explained_is_said_with_the_exit_codes_of_check() {
    let folder = tempfile::tempdir().unwrap();
    let address = "127.0.0.1:9".parse().unwrap();
    Configuration::at(&[("a", address)]).write(folder.path());
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (nothing, nonsense, other) = (
        file("nothing.json", "{ \"exchanges\": [] }"),
        file("nonsense.json", "{"),
        file("other.json", "{ \"record\": { \"a\": 1 } }"),
    );
    let cases: [(&[&str], i32, &str); 9] = [
        (&[], 2, "required arguments"),
        (&["https://a/", "--exchange", &nothing], 2, "cannot be used with"),
        (&["/b"], 1, "it begins with http:// or https://"),
        (&["G T https://a/"], 1, "expected [METHOD] URL"),
        (&["https://a/", "-H", "nonsense"], 1, "is no `name: value`"),
        (&["--exchange", &nothing], 1, "no exchange in it was recorded whole; set `record"),
        (&["--exchange", &nonsense], 1, "nonsense.json: EOF"),
        (&["--exchange", &other], 1, "no exchange of GET /api/v1/exchanges: unknown field"),
        (&["--exchange", "/nowhere"], 1, "/nowhere: No such file"),
    ];
    for (arguments, code, expected) in cases {
        let output = explain(folder.path(), arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{expected:?} is not in {said}");
    }
    let config = folder.path().join("sluice.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("upstream = \"app\"", "upstream = \"ap\"")).unwrap();
    let output = explain(folder.path(), &["https://a/"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.code() == Some(1) && said.contains("no upstream is called \"ap\"; did you mean \"app\"?"),
        "{said}"
    );
}

#[test]
fn example_configurations_are_explained() {
    let example = workspace().join("README.md");
    let readme = fs::read_to_string(example).unwrap();
    let block = readme.split("```toml\n").find(|block| block.starts_with("[[listener]]")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let site = crate::harness::certificates::site(&["shop.example.com"]);
    fs::write(folder.path().join("site.pem"), site.certificate).unwrap();
    fs::write(folder.path().join("site.key"), site.key).unwrap();
    fs::write(folder.path().join("quicker_of_two.wasm"), component("passes")).unwrap();
    fs::write(folder.path().join("sluice.toml"), block.split("```").next().unwrap()).unwrap();
    let found = explained(folder.path(), &["https://shop.example.com/cart"]).remove(0);
    assert_eq!(
        (&found["route"], &found["upstream"], &found["chosen_by"]),
        (&json!("shop"), &json!("shop"), &json!("fallback"))
    );
    assert!(found["headers"].to_string().contains("sluice="), "a session begins: {found:#}");
    let found = explained(folder.path(), &["https://other.example.com/"]).remove(0);
    assert!(found["why"].to_string().contains("no route fits") || found["status"] == 421, "{found:#}");
}
