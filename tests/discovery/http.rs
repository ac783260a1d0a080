//! From a service that answers with a list.

use super::found;
use crate::harness::service::{Says, Service, answer};
use crate::harness::{Client, Configuration, Gateway, Origin, Speaks, certificates, eventually};

fn list(origin: &Origin) -> String {
    format!(r#"[{{ "id": "{}", "address": "{}" }}]"#, origin.name, origin.address)
}

fn from_http(url: &str, more: &str) -> Configuration {
    found(&format!(r#"{{ http = {{ url = "{url}", interval = "50ms", timeout = "2s", {more} }} }}"#))
}

#[tokio::test]
async fn a_list_is_asked_for_again_and_again_and_not_sent_where_it_is_known() {
    let [a, b] = Origin::several().await;
    let (first, second) = (list(&a), list(&b));
    let service = Service::start(Speaks::Http1, move |head: &str| match head.contains("if-none-match: \"one\"") {
        true => answer(304, "etag: \"one\"", ""),
        false => answer(200, "etag: \"one\"", &first),
    })
    .await;
    let url = format!("http://{}/lists/app?zone=a", service.address);
    let gateway = Gateway::start(&from_http(&url, r#"token-file = "token""#).file("token", "s3cret\n")).await;
    let mut client = Client::h1(&gateway).await;
    assert_eq!(client.get("/").await.origin(), "a");
    eventually("questions", async || (service.asked().len() > 3).then_some(())).await;
    let asked = service.asked();
    assert!(asked[0].starts_with("GET /lists/app?zone=a HTTP/1.1\r\n"), "{asked:?}");
    assert!(asked[0].contains(&format!("host: {}\r\n", service.address)), "{asked:?}");
    assert!(asked.iter().all(|head| head.contains("authorization: Bearer s3cret\r\n")), "{asked:?}");
    assert!(asked[1..].iter().all(|head| head.contains("if-none-match: \"one\"\r\n")), "{asked:?}");
    let upstream = gateway.upstream().await;
    assert_eq!(upstream["discovery"]["changes"], 1, "{upstream}");
    let source = upstream["discovery"]["source"].as_str().unwrap();
    assert!(source.ends_with("/lists/app"), "what may be a secret is not told: {source}");
    service.says(move |_| answer(200, "etag: \"two\"", &second));
    gateway.has_endpoints(&["b"]).await;
    assert_eq!(client.get("/").await.origin(), "b");
}

#[tokio::test]
async fn no_answer_however_bad_changes_what_serves() {
    let a = Origin::start("a").await;
    let good = list(&a);
    let service = Service::start(Speaks::Http1, move |_| answer(200, "", &good)).await;
    let gateway = Gateway::start(&from_http(&format!("http://{}", service.address), "")).await;
    let mut client = Client::h1(&gateway).await;
    let failed = async |reason: &str| {
        gateway.log.wait_for("discovery failed", |event| event.text("reason").contains(reason)).await;
    };
    let head = "HTTP/1.1 200 OK\r\n";
    service.says(|_| answer(500, "", "[]"));
    failed("status 500").await;
    service.says(|_| answer(304, "", ""));
    failed("status 304").await;
    service.says(|_| answer(302, "location: /elsewhere", ""));
    failed("status 302").await;
    service.says(|_| answer(200, "", "[{ \"address\": 7 }]"));
    failed("the list:1: [0].address: expected").await;
    service.says(|_| answer(200, "", "not JSON"));
    failed("the list:1: ").await;
    service.says(|_| Says::Bytes(b"SSH-2.0-OpenSSH\r\n".to_vec()));
    failed("invalid HTTP").await;
    service.says(move |_| Says::Bytes(format!("{head}content-length: 99\r\n\r\n[").into_bytes()));
    failed("end of file before message length reached").await;
    service.says(|_| Says::Bytes(Vec::new()));
    failed("connection closed").await;
    service.says(move |_| Says::Endless(format!("{head}\r\n[").into_bytes()));
    failed("more than 8 MiB").await;
    service.says(|_| Says::Endless(b"HTTP/1.1 200 OK\r\nx-long:".to_vec()));
    failed("message head is too large").await;
    service.says(|_| Says::Later);
    failed("no answer within 2s").await;
    service.die();
    assert_eq!(client.get("/").await.origin(), "a");
    assert_eq!(gateway.upstream().await["endpoints"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn who_is_asked_over_tls_has_to_be_who_is_meant() {
    let a = Origin::start("a").await;
    let (one, site) = (list(&a), certificates::site(&["registry.test"]));
    let service = Service::start(Speaks::tls(&site, &["http/1.1"]), move |_| answer(200, "", &one)).await;
    let url = format!("https://{}/", service.address);
    let with = |tls: &str| from_http(&url, &format!("tls = {{ ca = \"ca.pem\" {tls} }}"));
    let wrong = with("").file("ca.pem", &certificates::authority_pem());
    let gateway = Gateway::start(&wrong.upstream("")).await;
    gateway.log.wait_for("discovery failed", |event| event.text("reason").contains("no TLS: ")).await;
    gateway.reload(&with(", server-name = \"registry.test\"").text()).await;
    gateway.has_endpoints(&["a"]).await;
    assert_eq!(Client::h1(&gateway).await.get("/").await.origin(), "a");
}
