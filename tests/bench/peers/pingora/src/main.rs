//! A proxy as Pingora's quick start has it: round robin over the endpoints that it is told, one thread, a plain listener
//! and one with TLS. Arguments: address, address with TLS, certificate, key, endpoints.

use std::env;
use std::sync::Arc;

use async_trait::async_trait;
use pingora::lb::LoadBalancer;
use pingora::lb::selection::RoundRobin;
use pingora::listeners::tls::TlsSettings;
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::Server;
use pingora::tls::ssl::SslVersion;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType};

struct Proxy(Arc<LoadBalancer<RoundRobin>>);

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> pingora::Result<Box<HttpPeer>> {
        let endpoint = self.0.select(b"", 256);
        let endpoint = endpoint.ok_or_else(|| Error::explain(ErrorType::ConnectNoRoute, "no endpoint"))?;
        Ok(Box::new(HttpPeer::new(endpoint, false, String::new())))
    }
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [plain, secure, certificate, key, endpoints @ ..] = arguments.as_slice() else {
        panic!("arguments: ADDRESS ADDRESS-WITH-TLS CERTIFICATE KEY ENDPOINT…");
    };
    let mut server = Server::new(None).expect("no configuration file, nothing to refuse");
    server.bootstrap();
    let endpoints = LoadBalancer::try_from_iter(endpoints).expect("the endpoints are addresses");
    let mut proxy = http_proxy_service(&server.configuration, Proxy(Arc::new(endpoints)));
    proxy.add_tcp(plain);
    let mut tls = TlsSettings::intermediate(certificate, key).expect("certificate and key fit");
    tls.enable_h2();
    tls.set_min_proto_version(Some(SslVersion::TLS1_3)).expect("OpenSSL knows TLS 1.3");
    proxy.add_tls_with_settings(secure, None, tls);
    server.add_service(proxy);
    server.run_forever();
}
