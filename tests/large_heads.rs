//! What is large, or many, is refused at its limit, and takes no more memory than that.

use crate::harness::raw::refusal;
use crate::harness::{Ask, Client, Configuration, Gateway, Origin, Raw};

/// A15: the same many in fewer fields.
#[tokio::test]
async fn a15_cookies_and_ranges_count_one_by_one() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    let mut raw = Raw::plain(&gateway).await;
    for (field, items, status) in [
        ("cookie: ", "a=b; ", "431"),
        ("cookie: ", "", "200"),
        ("range: bytes=", "0-0,", "431"),
        ("range: bytes=0-1,2-3", "", "200"),
    ] {
        let field = format!("{field}{}", items.repeat(1_000));
        raw.say(format!("GET / HTTP/1.1\r\nhost: app.test\r\n{field}\r\n\r\n")).await;
        let heard = raw.hear_until(if status == "200" { "\"version\"" } else { "too many header fields" }).await;
        assert!(heard.starts_with(&format!("HTTP/1.1 {status} ")), "{field:.40}: {heard:?}");
    }
    assert_eq!(origin.requests(), 2);
}

/// A15: neither what is refused nor what never ends costs much.
#[tokio::test]
async fn a15_large_heads_take_no_more_memory_than_their_limit() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    let open = 200;
    let rush = async |piece: &str| {
        let mut raws = Vec::new();
        for _ in 0..open {
            let mut raw = Raw::plain(&gateway).await;
            raw.say("GET / HTTP/1.1\r\nhost: app.test\r\nx: ").await;
            raw.try_say(piece).await;
            raws.push(raw);
        }
        raws
    };
    // What the first ones leave behind is the allocator's.
    drop(rush(&"a".repeat(30_000)).await);
    let before = gateway.resident();
    let unfinished = rush(&"a".repeat(30_000)).await;
    for mut raw in rush(&"a".repeat(1_000_000)).await {
        assert_eq!(refusal(&raw.hear_all().await), "431");
    }
    if let (Some(before), Some(after)) = (before, gateway.resident()) {
        // Twice the limit of 32 KiB for each, unfinished and refused, and what the allocator keeps: half of what was sent.
        assert!(after < before + 2 * open * (64 << 10) + (72 << 20), "grew from {before} to {after} bytes");
    }
    assert_eq!(unfinished.len() as u64, open);
}

/// A15: over HTTP/2, and it is told of.
#[tokio::test]
async fn a15_a_list_of_fields_that_is_too_large_is_431_over_http2_too() {
    let origin = Origin::start("a").await;
    let gateway = Gateway::start(&Configuration::of(&[&origin])).await;
    let mut client = Client::h2(&gateway).await;
    for (size, status) in [(30_000, 200), (33_000, 431), (60_000, 431), (30_000, 200)] {
        let ask = Ask::get(&format!("/{size}")).header("x-long", &"a".repeat(size));
        let answer = client.ask(ask).await;
        assert_eq!(answer.status, status, "{size}");
        let line = gateway.exchange(&format!("/{size}")).await;
        assert_eq!(line.number("status"), u64::from(status), "{size}");
        let said = if status == 200 { "" } else { "sluice; error=http_request_error" };
        assert!(answer.header("proxy-status").starts_with(said), "{answer:?}");
    }
    assert_eq!(origin.requests(), 2);
}

#[tokio::test]
async fn limits_of_heads_and_bodies_are_configured() {
    let origin = Origin::start("a").await;
    let limits = |line: &str, bytes: &str, extensions: &str, trailers: &str| {
        format!(
            "[limits]\nrequest-line = \"{line}\"\nheader-bytes = \"{bytes}\"\nchunk-extensions = \"{extensions}\"\n\
             trailers = \"{trailers}\""
        )
    };
    let wide = Configuration::of(&[&origin]).tables(&limits("64KiB", "1MiB", "4KiB", "64KiB"));
    let narrow = Configuration::of(&[&origin]).tables(&limits("1KiB", "8KiB", "10B", "100B"));
    let gateway = Gateway::start(&wide).await;
    let post = "POST / HTTP/1.1\r\nhost: app.test\r\ntransfer-encoding: chunked\r\n\r\n";
    let requests = [
        (format!("GET /{} HTTP/1.1\r\nhost: app.test\r\n\r\n", "a".repeat(10_000)), "414"),
        (format!("GET / HTTP/1.1\r\nhost: app.test\r\nx: {}\r\n\r\n", "a".repeat(500_000)), "431"),
        (format!("{post}1;{}\r\nx\r\n0\r\n\r\n", "a".repeat(2_000)), "400"),
        (format!("{post}0\r\nx: {}\r\n\r\n", "a".repeat(20_000)), "400"),
    ];
    for (request, _) in &requests {
        let mut raw = Raw::plain(&gateway).await;
        raw.say(request).await;
        // The origin has limits of its own.
        let heard = raw.hear_until("\r\n\r\n").await;
        assert!(heard.starts_with("HTTP/1.1 200 ") || heard.contains("431 "), "{heard:?}");
        assert!(!heard.contains("proxy-status"), "refused by the gateway: {heard:?}");
    }
    gateway.reload(&narrow.text()).await;
    for (request, status) in &requests {
        let mut raw = Raw::plain(&gateway).await;
        raw.try_say(request).await;
        assert_eq!(refusal(&raw.hear_all().await), *status, "{request:.60}");
    }
}
