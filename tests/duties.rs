//! What an intermediary owes to both sides (RFC 9110 §7.6 and around it), message by message: what must pass as it is, what must
//! not pass, and what it must say of itself. What happens to hosts, cookies and origins stands in `forwarding`.

use crate::harness::raw::{Ear, RawOrigin};
use crate::harness::{Ask, Client, Configuration, Gateway, Origin, Raw};

async fn before(origin: &RawOrigin) -> Gateway {
    Gateway::start(&Configuration::at(&[("raw", origin.address)])).await
}

/// All that a client gets to a GET.
async fn heard(gateway: &Gateway) -> String {
    let mut client = Raw::plain(gateway).await;
    client.say("GET / HTTP/1.1\r\nhost: app.test\r\nte: trailers\r\nconnection: close, te\r\n\r\n").await;
    client.hear_all().await
}

#[tokio::test]
async fn a_client_cannot_have_fields_taken_away_that_others_decide_by() {
    let origin = Origin::start("a").await;
    let trusting = Configuration::of(&[&origin]).listener(0, r#"trusted-proxies = ["127.0.0.1"]"#);
    let gateway = Gateway::start(&trusting).await;
    let fields = [
        ("x-forwarded-for", "203.0.113.9"),
        ("x-forwarded-proto", "http"),
        ("cookie", "a=1"),
        ("authorization", "Bearer x"),
        ("via", "1.1 before"),
        ("content-type", "text/plain"),
    ];
    let names = fields.map(|(name, _)| name).join(", ");
    let mut ask =
        Ask::post("/", "body").header("connection", &format!("{names}, host, content-length, forwarded, x-own"));
    for (name, value) in fields {
        ask = ask.header(name, value);
    }
    let answer = Client::h1(&gateway).await.ask(ask.header("x-own", "gone")).await;
    let seen =
        ["x-forwarded-for", "x-forwarded-proto", "cookie", "authorization", "via", "content-type", "host", "x-own"]
            .map(|name| answer.seen_field(name));
    let expected =
        ["203.0.113.9, 127.0.0.1", "http", "a=1", "Bearer x", "1.1 before, 1.1 sluice", "text/plain", "app.test", ""];
    assert_eq!(seen, expected);
    assert_eq!(answer.seen_field("forwarded"), "for=203.0.113.9, for=127.0.0.1;host=app.test;proto=http");
    assert_eq!(answer.seen()["body_bytes"], 4);
}

#[tokio::test]
async fn a_request_that_goes_round_is_508() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    // Another name is another gateway, and one or two of this name are a chain.
    let chain = Ask::get("/").header("via", "1.1 sluices, 1.0 fred, 1.1 sluice").header("via", "1.1 Sluice (a)");
    assert_eq!(Client::h2(&gateway).await.ask(chain).await.status, 200);
    let round = Ask::get("/").header("via", &["1.1 sluice"; 8].join(", "));
    let answer = Client::h2(&gateway).await.ask(round).await;
    assert_eq!((answer.status.as_u16(), answer.header("proxy-status")), (508, "sluice; error=proxy_loop_detected"));
    assert_eq!(origin.requests(), 1);
    // In earnest: an endpoint that is the gateway itself.
    let again = Configuration::at(&[("self", gateway.plain)]).listener(1, "").text();
    gateway.reload(&again).await;
    let plain = gateway.log.filter("listening", |event| event.0["listener"] == 1);
    assert_eq!(plain.len(), 1, "the listener stays");
    assert_eq!(Client::plain(&gateway).await.get("/").await.status, 508);
}

#[tokio::test]
async fn options_and_trace_know_how_far_they_go() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    let options = |left: &str| Ask::new("OPTIONS", "/").header("max-forwards", left);
    let mut client = Client::h1(&gateway).await;
    let last = client.ask(options("0")).await;
    assert_eq!((last.status.as_u16(), last.body.len(), origin.requests()), (204, 0, 0));
    assert_eq!(client.ask(options("1")).await.seen_field("max-forwards"), "0");
    assert_eq!(client.ask(options("70")).await.seen_field("max-forwards"), "69");
    let star = Client::h1(&gateway).await.ask(Ask::new("OPTIONS", "*")).await;
    assert_eq!((star.seen()["method"].as_str(), star.seen()["target"].as_str()), (Some("OPTIONS"), Some("*")));
    // Of other methods it says nothing.
    assert_eq!(client.ask(Ask::get("/").header("max-forwards", "0")).await.seen_field("max-forwards"), "0");
    for mut client in [Client::h1(&gateway).await, Client::h2(&gateway).await] {
        let answer = client.ask(Ask::new("TRACE", "/").header("cookie", "secret=1")).await;
        assert_eq!(answer.status, 405);
        assert!(answer.header("allow").contains("GET") && !answer.text().contains("secret"));
    }
    assert_eq!(origin.requests(), 4);
}

#[tokio::test]
async fn via_in_answers_is_said_where_the_route_wants_it() {
    let origin = RawOrigin::answers(b"HTTP/1.0 200 OK\r\nvia: 1.1 inner\r\ncontent-length: 0\r\n\r\n").await;
    let without = before(&origin).await;
    assert_eq!(Client::h2(&without).await.get("/").await.headers("via"), ["1.1 inner"]);
    let with = Gateway::start(&Configuration::at(&[("raw", origin.address)]).route("via = true")).await;
    assert_eq!(Client::h2(&with).await.get("/").await.headers("via"), ["1.1 inner", "1.0 sluice"]);
}

#[tokio::test]
async fn answers_without_a_body_say_no_length_that_is_not_theirs() {
    for (answer, expected) in [
        (&b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\nx-a: 1\r\n\r\n"[..], None),
        (b"HTTP/1.1 204 No Content\r\ntransfer-encoding: chunked\r\nx-a: 1\r\n\r\n", None),
        (b"HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\ncontent-length: 77\r\nx-a: 1\r\n\r\n", None),
        (b"HTTP/1.1 205 Reset Content\r\ncontent-length: 5\r\nx-a: 1\r\n\r\nhello", Some("content-length: 0")),
        (
            b"HTTP/1.1 205 Reset Content\r\ntransfer-encoding: chunked\r\nx-a: 1\r\n\r\n0\r\n\r\n",
            Some("content-length: 0"),
        ),
    ] {
        let origin = RawOrigin::answers(answer).await;
        let gateway = before(&origin).await;
        let heard = heard(&gateway).await;
        let (head, body) = heard.split_once("\r\n\r\n").unwrap();
        let framing =
            head.lines().find(|line| line.starts_with("content-length") || line.starts_with("transfer-encoding"));
        assert_eq!((framing, body), (expected, ""), "{heard}");
        assert!(head.contains("x-a: 1"), "{heard}");
    }
}

#[tokio::test]
async fn ranges_and_conditions_pass_as_they_are() {
    let ear = Ear::open().await;
    let gateway = Gateway::start(&Configuration::at(&[("ear", ear.address)])).await;
    let asked = [
        "range: bytes=0-1, 4-5",
        "if-range: \"a\"",
        "if-none-match: W/\"b\", *",
        "if-match: \"c\"",
        "if-modified-since: Thu, 01 Jan 1970 00:00:00 GMT",
        "if-unmodified-since: Thu, 01 Jan 1970 00:00:01 GMT",
        "accept-encoding: br;q=1.0, gzip;q=0.5, *;q=0",
        "cache-control: no-transform",
    ];
    let answered = [
        "content-range: bytes 0-1/6",
        "accept-ranges: bytes",
        "etag: W/\"b\"",
        "last-modified: Thu, 01 Jan 1970 00:00:00 GMT",
        "content-encoding: gzip",
        "cache-control: no-transform",
        "content-length: 2",
        "warning: 214 - \"x\"",
        "vary: accept-encoding",
        "server: inner/1.0",
    ];
    let mut client = Raw::plain(&gateway).await;
    client.say(format!("GET /part HTTP/1.1\r\nhost: app.test\r\n{}\r\n\r\n", asked.join("\r\n"))).await;
    let mut endpoint = ear.accept().await;
    let head = endpoint.hear_until("\r\n\r\n").await;
    endpoint.say(format!("HTTP/1.1 206 Partial Content\r\n{}\r\n\r\n\x1f\x01", answered.join("\r\n"))).await;
    let heard = client.hear_until("\x1f\x01").await;
    for line in asked {
        assert!(head.lines().any(|found| found == line), "{line}\n{head}");
    }
    for line in answered {
        assert!(heard.lines().any(|found| found == line), "{line}\n{heard}");
    }
    assert!(heard.starts_with("HTTP/1.1 206 Partial Content\r\n") && heard.ends_with("\r\n\r\n\x1f\x01"), "{heard}");
}

#[tokio::test]
async fn fields_of_one_name_keep_their_order() {
    let ear = Ear::open().await;
    let gateway = Gateway::start(&Configuration::at(&[("ear", ear.address)])).await;
    let mut client = Raw::plain(&gateway).await;
    client.say("GET / HTTP/1.1\r\nhost: app.test\r\nx-a: 3\r\naccept: text/a\r\nx-a: 1\r\naccept: text/b\r\nx-a: 2\r\n\r\n").await;
    let mut endpoint = ear.accept().await;
    let head = endpoint.hear_until("\r\n\r\n").await;
    endpoint.say("HTTP/1.1 200 OK\r\nx-b: 3\r\nset-cookie: b\r\nx-b: 1\r\nset-cookie: a\r\nx-b: 2\r\ncontent-length: 0\r\n\r\n").await;
    let heard = client.hear_until("\r\n\r\n").await;
    let lines = |text: &str, name: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines(&head, "x-a"), ["3", "1", "2"]);
    assert_eq!(lines(&head, "accept"), ["text/a", "text/b"]);
    assert_eq!(lines(&heard, "x-b"), ["3", "1", "2"]);
    assert_eq!(lines(&heard, "set-cookie"), ["b", "a"]);
}

#[tokio::test]
async fn trailers_carry_nothing_that_was_decided_before_and_never_become_fields() {
    let origin = RawOrigin::answers(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\n\
          x-sum: 7\r\ncontent-length: 9\r\nset-cookie: a=1\r\nhost: evil\r\nauthorization: x\r\n\
          x-forwarded-for: 9.9.9.9\r\ntransfer-encoding: gzip\r\n\r\n",
    )
    .await;
    let gateway = before(&origin).await;
    let answer = Client::h2(&gateway).await.ask(Ask::get("/").header("te", "trailers")).await;
    assert_eq!((answer.text(), answer.trailers.len()), ("ok", 1), "{:?}", answer.trailers);
    assert_eq!(answer.trailers["x-sum"], "7");
    assert!(["x-sum", "set-cookie", "host"].iter().all(|name| !answer.headers.contains_key(*name)));
    let heard = heard(&gateway).await;
    assert!(heard.ends_with("\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n"), "{heard}");

    let ear = Ear::open().await;
    let gateway = Gateway::start(&Configuration::at(&[("ear", ear.address)])).await;
    let mut client = Raw::plain(&gateway).await;
    client
        .say("POST / HTTP/1.1\r\nhost: app.test\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\nhost: evil\r\ncontent-length: 9\r\n\r\n")
        .await;
    let mut endpoint = ear.accept().await;
    let sent = endpoint.hear_until("0\r\n").await;
    let rest = if sent.ends_with("\r\n\r\n") { String::new() } else { endpoint.hear_until("\r\n\r\n").await };
    let sent = sent + &rest;
    assert!(sent.ends_with("\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n") && !sent.contains("evil"), "{sent}");
}

#[tokio::test]
async fn a_body_is_passed_on_byte_by_byte_whatever_it_says_it_is() {
    let origin = RawOrigin::answers(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/html; charset=utf-16\r\ncontent-encoding: gzip, br\r\ncontent-length: 8\r\n\r\n\x00\xff\r\n<\x1f\x8b>",
    )
    .await;
    let gateway = before(&origin).await;
    for mut client in [Client::h1(&gateway).await, Client::h2(&gateway).await] {
        let answer = client.get("/").await;
        assert_eq!(&answer.body[..], b"\x00\xff\r\n<\x1f\x8b>");
        assert_eq!(answer.header("content-encoding"), "gzip, br");
    }
}
