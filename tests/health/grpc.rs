//! The health service of gRPC, as a backend has it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

use super::{checked_at, checks, healthy, unhealthy};
use crate::harness::{Gateway, within};

/// What the health service of gRPC sends back, and whether it may be asked at all.
struct Grpc {
    serving: AtomicBool,
}

impl Grpc {
    async fn answer(&self, request: Request<Incoming>) -> Response<BoxBody<Bytes, Infallible>> {
        let (head, body) = request.into_parts();
        let asked = body.collect().await.unwrap().to_bytes();
        let mut response = Response::new(Full::default().boxed());
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        let is_right = head.method == "POST"
            && head.uri.path() == "/grpc.health.v1.Health/Check"
            && head.headers["content-type"] == "application/grpc"
            && head.headers["te"] == "trailers";
        assert!(is_right, "{head:?}");
        if asked[..] != *b"\0\0\0\0\x0b\x0a\x09shop.Cart" {
            // A head and no more: NOT_FOUND.
            response.headers_mut().insert("grpc-status", HeaderValue::from_static("5"));
            return response;
        }
        let message: &[u8] =
            if self.serving.load(Ordering::SeqCst) { b"\0\0\0\0\x02\x08\x01" } else { b"\0\0\0\0\x02\x08\x02" };
        let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), HeaderValue::from_static("0"))]);
        let body = Full::new(Bytes::from_static(message)).with_trailers(std::future::ready(Some(Ok(trailers))));
        *response.body_mut() = body.boxed();
        response
    }
}

#[tokio::test]
async fn the_health_service_of_grpc_is_asked_for_the_service() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let grpc = Arc::new(Grpc { serving: AtomicBool::new(true) });
    tokio::spawn({
        let grpc = grpc.clone();
        async move {
            while let Ok((stream, _)) = listener.accept().await {
                let grpc = grpc.clone();
                let service = service_fn(move |request| {
                    let grpc = grpc.clone();
                    async move { Ok::<_, Infallible>(grpc.answer(request).await) }
                });
                let http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                tokio::spawn(http.serve_connection(TokioIo::new(stream), service));
            }
        }
    });
    let of =
        |service: &str| checked_at(address, &format!(r#"kind = "grpc", service = "{service}", interval = "50ms""#));
    let gateway = Gateway::start(&of("shop.Cart")).await;
    let told = || gateway.log.filter("unhealthy", |_| true);
    within("a check", async { while gateway.scrape().await.value(&checks("raw", "good")) < 1.0 {} }).await;
    gateway.shows(&[(&healthy("raw"), 1.0), (&checks("raw", "bad"), 0.0)]).await;
    grpc.serving.store(false, Ordering::SeqCst);
    assert_eq!(unhealthy(&gateway, "raw").await.text("reason"), "it says NOT_SERVING");
    grpc.serving.store(true, Ordering::SeqCst);
    gateway.log.wait_for("healthy", |_| true).await;
    gateway.reload(&of("shop.Till").text()).await;
    gateway.log.wait_for_all("unhealthy", 2, |_| true).await;
    assert_eq!(told()[1].text("reason"), "grpc-status 5");
}
