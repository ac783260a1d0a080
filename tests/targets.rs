//! What a request is for: one host and one path, in one form for routes, plugins and origins.

use crate::harness::{Configuration, Gateway, Origin, Raw, component};

/// The status of each request line with these fields, one after the other on connections that are kept if they can be.
async fn statuses(gateway: &Gateway, cases: &[(&str, &str)]) {
    for (head, status) in cases {
        let mut raw = Raw::plain(gateway).await;
        raw.say(format!("{head}\r\n\r\n")).await;
        let heard = raw.hear_until("\r\n\r\n").await;
        assert!(heard.starts_with(&format!("HTTP/1.1 {status} ")), "{head:?}: {heard:?}");
    }
}

/// A9
#[tokio::test]
async fn a9_there_is_one_host_and_it_is_well_formed() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    statuses(
        &gateway,
        &[
            ("GET / HTTP/1.1", "400"),
            ("GET / HTTP/1.1\r\nhost: a\r\nhost: a", "400"),
            ("GET / HTTP/1.1\r\nhost: a\r\nHost: b", "400"),
            ("GET / HTTP/1.1\r\nhost:", "400"),
            ("GET / HTTP/1.1\r\nhost: a,b", "400"),
            ("GET / HTTP/1.1\r\nhost: a/b", "400"),
            ("GET / HTTP/1.1\r\nhost: u@a", "400"),
            ("GET / HTTP/1.1\r\nhost: a b", "400"),
            ("GET / HTTP/1.1\r\nhost: a:b", "400"),
            ("GET / HTTP/1.1\r\nhost: a:", "400"),
            ("GET / HTTP/1.1\r\nhost: a:65536", "400"),
            ("GET / HTTP/1.1\r\nhost: [::1", "400"),
            ("GET http://a/ HTTP/1.1", "400"),
            ("GET http://a/ HTTP/1.1\r\nhost: b,c", "400"),
            ("GET http://u@a/ HTTP/1.1\r\nhost: a", "400"),
            ("GET http://a,b/ HTTP/1.1\r\nhost: a", "400"),
            ("GET http://a:b/ HTTP/1.1\r\nhost: a", "400"),
            ("GET http:/// HTTP/1.1\r\nhost: a", "400"),
            ("GET http://a:99999/ HTTP/1.1\r\nhost: a", "400"),
        ],
    )
    .await;
    assert_eq!(origin.requests(), 0);
    for (head, host) in [
        ("GET http://App.Test:8080/x HTTP/1.1\r\nhost: other.test", "app.test:8080"),
        ("GET HTTP://app.test?x HTTP/1.1\r\nhost: other.test", "app.test"),
        ("GET / HTTP/1.1\r\nHOST: App.Test", "app.test"),
        ("GET / HTTP/1.0\r\nhost: app.test", "app.test"),
    ] {
        let mut raw = Raw::plain(&gateway).await;
        raw.say(format!("{head}\r\n\r\n")).await;
        let heard = raw.hear_until("\"version\"").await;
        assert!(heard.contains(&format!("\"host\":[\"{host}\"]")), "{head:?}: {heard:?}");
    }
}

/// A10
#[tokio::test]
async fn a10_forms_of_targets_that_are_for_no_gateway_are_400() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    let cases = [
        ("GET /#a", "400"),
        ("GET /a?b#c", "400"),
        ("GET #", "400"),
        ("GET *", "400"),
        ("POST *", "400"),
        ("OPTIONS *x", "400"),
        ("GET app.test:80", "400"),
        ("GET app.test", "400"),
        ("GET ../x", "400"),
        ("GET ?x", "400"),
        ("GET ftp://app.test/", "400"),
        ("GET /%00", "400"),
        ("GET /a%00b/c", "400"),
        ("GET /%", "400"),
        ("GET /%2", "400"),
        ("GET /%zz", "400"),
        ("GET /<a>", "400"),
        ("GET /\u{7f}", "400"),
        ("CONNECT app.test:443", "405"),
        ("CONNECT /", "405"),
        ("TRACE /", "405"),
        ("OPTIONS *", "200"),
        ("OPTIONS /", "200"),
    ];
    let heads = cases.map(|(line, status)| (format!("{line} HTTP/1.1\r\nhost: app.test"), status));
    let heads: Vec<(&str, &str)> = heads.iter().map(|(head, status)| (head.as_str(), *status)).collect();
    statuses(&gateway, &heads).await;
    assert_eq!(origin.requests(), 2);
}

/// A10
#[tokio::test]
async fn a10_routes_plugins_and_origins_see_one_normal_form() {
    let origin = Origin::start("a").await;
    let admin = "[[route]]\nname = \"admin\"\nupstream = \"app\"\nmatch = { path = \"/admin/*\" }\n\
                 response = [{ plugin = \"guest\", config = { greeting = \"asked\" } }]";
    let response = r#"[{ plugin = "guest", config = { greeting = "asked" } }]"#;
    let configuration = Configuration::of(&[&origin]).plugin("guest", component("everything")).response(response);
    let gateway = Gateway::start(&configuration.tables(admin)).await;
    // target, what all of them see, the route
    let cases = [
        ("/admin/x", "/admin/x", "admin"),
        ("/a/../admin/x", "/admin/x", "admin"),
        ("/a/%2e%2e/admin/x", "/admin/x", "admin"),
        ("/a/.%2E/admin/x", "/admin/x", "admin"),
        ("/./admin/./x", "/admin/x", "admin"),
        ("/%61dmin/x", "/admin/x", "admin"),
        ("/../../admin/x", "/admin/x", "admin"),
        ("http://app.test/b/../admin/x", "/admin/x", "admin"),
        ("/admin/../x", "/x", "all"),
        ("/admin/%2e%2e/x", "/x", "all"),
        ("//admin/x", "//admin/x", "all"),
        ("/admin%2fx", "/admin%2Fx", "all"),
        ("/a/..%2fadmin/x", "/a/..%2Fadmin/x", "all"),
        ("/a%5c..%5cadmin/x", "/a%5C..%5Cadmin/x", "all"),
        ("/a\\..\\admin/x", "/a%5C..%5Cadmin/x", "all"),
        ("/a/..;x=1/admin/x", "/a/..;x=1/admin/x", "all"),
        ("/admin;x=1/x", "/admin;x=1/x", "all"),
        ("/%2561dmin/x", "/%2561dmin/x", "all"),
        ("/é", "/%C3%A9", "all"),
        ("/ADMIN/x", "/ADMIN/x", "all"),
        ("/x?y=/../admin", "/x", "all"),
    ];
    for (target, path, route) in cases {
        let before = gateway.log.filter("exchange", |_| true).len();
        let greetings = gateway.log.filter(&format!("asked at {path}"), |_| true).len();
        let mut raw = Raw::plain(&gateway).await;
        raw.say(format!("GET {target} HTTP/1.1\r\nhost: app.test\r\n\r\n")).await;
        let heard = raw.hear_until("\"version\"").await;
        let query = target.split_once('?').map_or(String::new(), |(_, query)| format!("?{query}"));
        assert!(heard.contains(&format!("\"target\":\"{path}{query}\"")), "{target}: {heard:?}");
        let line = gateway.exchanges(before + 1).await.remove(before);
        assert_eq!((line.text("route"), line.text("path")), (route, path), "{target}");
        gateway.log.wait_for_all(&format!("asked at {path}"), greetings + 1, |_| true).await;
    }
}
