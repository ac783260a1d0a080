//! What is said of a collector of traces and makes no sense is a mistake.

use super::mistakes::{around, problems};
use super::*;

fn with(lines: &str) -> String {
    around(&format!("[traces]\n{lines}"))
}

#[test]
fn an_address_is_enough() {
    let config = toml(&with("endpoint = 'http://collector:4318'")).unwrap();
    let traces = config.traces.unwrap();
    assert_eq!((traces.secure, &*traces.address, &*traces.target), (false, "collector:4318", "/v1/traces"));
    assert_eq!((traces.sample_per_mille, traces.parent, traces.queue), (10, TraceParent::Trusted, 4096));
}

#[test]
fn what_makes_no_sense() {
    let good = "endpoint = 'http://a'\n";
    let cases = [
        (String::new(), "traces.endpoint: this key is required"),
        (
            "endpoint = 'collector:4318'".to_owned(),
            "traces.endpoint: expected a URL like \"http://127.0.0.1:4318\", found",
        ),
        (format!("{good}ca = 'x.pem'"), "traces.ca: means nothing without `https`"),
        (format!("{good}headers = {{ 'a b' = 'c' }}"), "\"a b\" is not the name of a header field"),
        (format!("{good}headers = {{ a = \"b\\nc\" }}"), "traces.headers.a: expected one line of visible characters"),
        (format!("{good}headers = {{ Host = 'a' }}"), "traces.headers.Host: the gateway says that itself"),
        (
            format!("{good}header-files = {{ a = 'nowhere' }}"),
            "traces.header-files.a: there is no file /nowhere/nowhere",
        ),
        (format!("{good}service-name = ' '"), "traces.service-name: expected a name"),
        (format!("{good}queue = 5"), "traces.queue: expected a whole number from 128 to 1000000, found 5"),
        (format!("{good}sample = '101%'"), "traces.sample: expected a share like"),
        (
            format!("{good}parent = 'mine'"),
            "traces.parent: expected \"trusted\" or \"all\" or \"none\", found \"mine\"",
        ),
    ];
    for (lines, expected) in cases {
        let found = problems(&with(&lines));
        assert!(found.iter().any(|problem| problem.contains(expected)), "{expected} is not in {found:#?}");
    }
    let twice = problems(&with(&format!("{good}headers = {{ a = 'b' }}\nheader-files = {{ A = 'nowhere' }}")));
    assert!(twice.iter().any(|problem| problem.contains("this field is there already")), "{twice:#?}");
}
