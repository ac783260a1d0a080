//! From Consul, played by a service that answers as the vendor's documents say (developer.hashicorp.com/consul/api-docs/health,
//! "List Service Instances for Service", and features/blocking).

use std::fmt::Write;

use super::found;
use crate::harness::service::{Says, Service, answer};
use crate::harness::{Ask, Client, Configuration, Gateway, Origin, Speaks, eventually, load};

fn from_consul(service: &Service, more: &str) -> Configuration {
    found(&format!(r#"{{ consul = {{ url = "http://{}", service = "app", {more} }} }}"#, service.address))
}

/// The instances of an answer: each with the weight that it has, and the state of its second check.
fn instances(origins: &[(&Origin, u32, &str)]) -> String {
    let mut text = String::new();
    for (origin, weight, status) in origins {
        let separator = if text.is_empty() { "" } else { "," };
        write!(
            text,
            r#"{separator}{{"Node": {{"ID": "40e4a748-2192-161a-0510-9bf59fe950b5", "Node": "foobar", "Address": "{ip}",
                "Datacenter": "dc1", "TaggedAddresses": {{"lan": "{ip}"}}, "Meta": {{"instance_type": "t2.medium"}}}},
               "Service": {{"ID": "{name}", "Service": "app", "Tags": ["primary"], "Address": "", "Port": {port},
                "Weights": {{"Passing": {weight}, "Warning": 1}}, "Namespace": "default"}},
               "Checks": [{{"Node": "foobar", "CheckID": "serfHealth", "Name": "Serf Health Status", "Status": "passing"}},
                {{"Node": "foobar", "CheckID": "service:app", "Status": "{status}", "ServiceID": "{name}"}}]}}"#,
            ip = origin.address.ip(),
            port = origin.address.port(),
            name = origin.name,
        )
        .unwrap();
    }
    format!("[{text}]")
}

/// Blocks who knows that index already.
fn at(index: u64, body: String) -> impl Fn(&str) -> Says + Send + Sync + 'static {
    move |head| match head.contains(&format!("?index={index}&")) {
        true => Says::Later,
        false => answer(200, &format!("x-consul-index: {index}\nx-consul-knownleader: true"), &body),
    }
}

#[tokio::test]
async fn a_change_is_known_at_once_and_weights_follow_checks() {
    let [a, b, c] = Origin::several().await;
    let first = instances(&[(&a, 3, "passing"), (&b, 9, "warning"), (&c, 9, "critical")]);
    let consul = Service::start(Speaks::Http1, at(7, first)).await;
    let more = r#"tags = ["v 2", "eu"], datacenter = "dc1", consistency = "stale", token-file = "token""#;
    let configuration = from_consul(&consul, more).selection(r#"["weighted-round-robin"]"#);
    let gateway = Gateway::start(&configuration.file("token", "t0ken")).await;
    let shares = async || {
        let answers = load(&gateway, 4, 80, |_| Ask::get("/")).await;
        ["a", "b", "c"].map(|name| answers.iter().filter(|answer| answer.origin() == name).count())
    };
    assert_eq!(shares().await, [60, 20, 0]);
    eventually("a blocking query", async || (consul.asked().len() == 2).then_some(())).await;
    let asked = consul.asked();
    assert!(asked[0].starts_with("GET /v1/health/service/app?dc=dc1&tag=v%202&tag=eu&stale HTTP/1.1\r\n"), "{asked:?}");
    assert!(asked[1].starts_with("GET /v1/health/service/app?index=7&wait=60s&dc=dc1&"), "{asked:?}");
    assert!(asked[1].contains("authorization: Bearer t0ken\r\n"), "{asked:?}");

    consul.says(at(8, instances(&[(&a, 1, "passing"), (&c, 1, "passing")])));
    eventually("the change", async || (shares().await == [40, 0, 40]).then_some(())).await;
    // The same after a reset of the index, which is known by its going backwards.
    consul.says(at(2, instances(&[(&b, 1, "passing")])));
    gateway.has_endpoints(&[&b.address.to_string()]).await;
    eventually("a question without index", async || {
        let asked = consul.asked();
        let place = asked.iter().position(|head| head.contains("index=8&"))?;
        asked[place + 1..].iter().any(|head| !head.contains("index=")).then_some(())
    })
    .await;
    assert_eq!(gateway.upstream().await["endpoints"][0]["id"], b.address.to_string(), "ids are addresses");
}

#[tokio::test]
async fn what_consul_cannot_say_keeps_what_it_said() {
    let a = Origin::start("a").await;
    let good = instances(&[(&a, 1, "passing")]);
    let consul = Service::start(Speaks::Http1, at(5, good.clone())).await;
    let gateway = Gateway::start(&from_consul(&consul, "")).await;
    let mut client = Client::h1(&gateway).await;
    let failed = async |reason: &str| {
        gateway.log.wait_for("discovery failed", |event| event.text("reason").contains(reason)).await;
        gateway.has_endpoints(&[&a.address.to_string()]).await;
    };
    consul.says(|_| answer(500, "", "No cluster leader\nmore"));
    failed("status 500: No cluster leader").await;
    consul.says(|_| answer(403, "", "Permission denied"));
    failed("status 403: Permission denied").await;
    consul.says(|_| answer(200, "x-consul-index: 9", "{\"not\": \"a list\"}"));
    failed("the answer: ").await;
    consul.says(|_| Says::Endless(b"HTTP/1.1 200 OK\r\nx-consul-index: 9\r\n\r\n[".to_vec()));
    failed("more than 32 MiB").await;
    consul.says(|_| Says::Bytes(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_vec()));
    failed("chunk size").await;
    assert_eq!(client.get("/").await.origin(), "a");
    consul.says(at(5, good));
    gateway.log.wait_for("discovery answers again", |_| true).await;
}
