//! A listener that sends everybody to HTTPS: to the same place, whatever was asked and by whom.

use crate::harness::{Ask, Client, Configuration, Gateway, Origin, Raw, component};

fn configuration(origin: &Origin, redirect: &str) -> Configuration {
    Configuration::of(&[origin]).listener(1, &format!("redirect-to-https = {redirect}"))
}

#[tokio::test]
async fn every_request_is_sent_to_the_same_place_over_https() {
    let origin = Origin::start("a").await;
    for (redirect, port) in [("{}", ""), ("{ port = 443 }", ""), ("{ port = 8443 }", ":8443")] {
        let gateway = Gateway::start(&configuration(&origin, redirect)).await;
        // host, path, expected without scheme and port
        let cases = [
            ("app.test", "/", ["app.test", "/"]),
            ("App.Test:8080", "/a?b=c&d", ["app.test", "/a?b=c&d"]),
            ("app.test", "/a/../b/%2e/%61%2f?%2e", ["app.test", "/b/a%2F?%2e"]),
            ("unknown.example", "//evil.example/", ["unknown.example", "//evil.example/"]),
            ("[::1]:80", "/", ["[::1]", "/"]),
        ];
        for mut client in [Client::plain(&gateway).await, Client::plain_h2(&gateway).await] {
            for (host, path, [to, target]) in cases {
                for method in ["GET", "HEAD", "POST", "OPTIONS", "PURGE"] {
                    let answer = client.ask(Ask::new(method, path).host(host)).await;
                    let found = (answer.status.as_u16(), answer.header("location"), answer.body.len());
                    assert_eq!(found, (308, &*format!("https://{to}{port}{target}"), 0), "{method} {host} {path}");
                }
            }
        }
        assert_eq!(Client::h1(&gateway).await.get("/").await.status, 200);
    }
    assert_eq!(origin.requests(), 3);
}

#[tokio::test]
async fn nothing_is_routed_and_no_plugin_asked_and_there_is_an_access_line() {
    let origin = Origin::start("a").await;
    let configuration = configuration(&origin, "{}").plugin("guest", component("replies")).routing(r#"["guest"]"#);
    let gateway =
        Gateway::start(&configuration.response(r#"[{ plugin = "headers", config = { preset = "secure" } }]"#)).await;
    let ask = || Ask::post("/there?secret", "a body").header("x-reply", "418");
    let answer = Client::plain(&gateway).await.ask(ask()).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (308, "https://app.test/there?secret"));
    assert_eq!(answer.header("x-content-type-options"), "");
    let line = gateway.exchange("/there").await;
    assert_eq!((line.number("status"), line.text("route"), line.text("upstream")), (308, "", ""));
    assert_eq!((line.text("host"), line.text("why")), ("app.test", "sent to HTTPS"));
    assert_eq!(Client::h1(&gateway).await.ask(ask()).await.status, 418);
}

#[tokio::test]
async fn a_request_without_a_usable_host_is_sent_nowhere() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&configuration(&origin, "{}")).await;
    for head in [
        "GET / HTTP/1.1\r\n",
        "GET / HTTP/1.1\r\nhost:\r\n",
        "GET / HTTP/1.1\r\nhost: a,b\r\n",
        "GET / HTTP/1.1\r\nhost: u@evil.example\r\n",
        "GET / HTTP/1.1\r\nhost: a/b\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n",
        "GET /%00 HTTP/1.1\r\nhost: a\r\n",
    ] {
        let mut raw = Raw::plain(&gateway).await;
        raw.say(format!("{head}\r\n")).await;
        let heard = raw.hear_until("\r\n\r\n").await;
        assert!(heard.starts_with("HTTP/1.1 400 ") && !heard.contains("location"), "{heard}");
    }
    let mut raw = Raw::plain(&gateway).await;
    raw.say("OPTIONS * HTTP/1.1\r\nhost: a.example\r\n\r\n").await;
    assert!(raw.hear_until("\r\n\r\n").await.contains("location: https://a.example\r\n"));
}
