//! A bad configuration changes nothing, whatever is wrong with it and however large it is; a good one of any size is served.

use std::fmt::Write;

use crate::harness::{Client, Configuration, Gateway, Origin};

/// G5.
#[tokio::test]
async fn what_is_wrong_is_refused_with_its_place_and_the_old_one_serves() {
    let origin = Origin::start("a").await;
    let base = Configuration::of(&[&origin]).tables("[admin]\naddress = \"127.0.0.1:0\"");
    let gateway = Gateway::start(&base).await;
    let mut client = Client::h2(&gateway).await;
    let listener = |address: &str| base.clone().tables(&format!("[[listener]]\naddress = \"{address}\"\n")).text();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let whole = std::fs::read_to_string(gateway.folder().join("site.pem")).unwrap();
    gateway.put("half.pem", &whole[..whole.len() / 2]);
    let cases = [
        (base.text().replace(&origin.address.to_string(), "127.0.0.1"), "upstream[0].endpoints[0].address"),
        (base.text().replace(&origin.address.to_string(), "127.0.0.1:70000"), "upstream[0].endpoints[0].address"),
        (
            format!("{}{}", listener("127.0.0.1:17"), "[[listener]]\naddress = \"127.0.0.1:17\"\n"),
            "listener[3].address",
        ),
        (listener(&taken.local_addr().unwrap().to_string()), "listener[2].address"),
        (listener("192.0.2.1:8443"), "listener[2].address"),
        (base.text().replace("site.pem", "half.pem"), "listener[0].tls.certificates[0].certificate"),
        (base.text().replace("site.pem", "nowhere.pem"), "listener[0].tls.certificates[0].certificate"),
        (base.text().replace("site.key", "other.key"), "listener[0].tls.certificates[0].key"),
        (base.text()[..40].to_owned(), ""),
    ];
    for (number, (configuration, key)) in cases.iter().enumerate() {
        // Without a signal, so that each is looked at once.
        gateway.put("sluice.toml", configuration);
        let refused = gateway.log.wait_for_all("reload refused", number + 1, |_| true).await;
        assert_eq!(refused[number].text("key"), *key, "{refused:?}");
        assert_eq!(client.get("/").await.status, 200);
        gateway.shows(&[(r#"sluice_reloads_total{outcome="refused"}"#, (number + 1) as f64)]).await;
    }
    assert_eq!(gateway.log.filter("reload", |_| true), []);
}

/// G5.
#[tokio::test]
async fn very_many_routes_are_served_or_refused_as_a_whole() {
    very_many_routes(20_000).await;
}

/// G5.
#[tokio::test]
#[ignore = "half a minute"]
async fn a_hundred_thousand_routes_are_served_or_refused_as_a_whole() {
    very_many_routes(100_000).await;
}

async fn very_many_routes(count: usize) {
    let origin = Origin::start("a").await;
    let base = Configuration::of(&[&origin]).tables("[log]\naccess = false");
    let gateway = Gateway::start(&base).await;
    let (mut client, mut many) = (Client::h1(&gateway).await, base.text());
    for number in 0..count {
        let path = format!("/{number}/*");
        writeln!(many, "[[route]]\nname = \"r{number}\"\nmatch = {{ path = \"{path}\" }}\nupstream = \"app\"").unwrap();
    }
    let bad = format!("{many}[[route]]\nname = \"last\"\nmatch = {{ path = \"/last\" }}\nupstream = \"nobody\"\n");
    let refused = gateway.refused_reload(&bad).await;
    assert_eq!(refused[0].text("key"), format!("route[{}].upstream", count + 1));
    assert_eq!(client.get("/").await.status, 200);
    assert_eq!(gateway.reload(&many).await.number("routes") as usize, count + 1);
    for path in ["/0/x", &format!("/{}/x", count - 1), "/none"] {
        assert_eq!(client.get(path).await.status, 200);
    }
}
