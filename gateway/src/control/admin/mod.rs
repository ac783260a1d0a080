//! Where operators come in: a listener on a loopback address, served by the control thread, so that whoever asks there takes
//! nothing from the workers. `GET /metrics` tells all figures; `api` has the rest.
//!
//! Nobody has to say a password, so a request must at least mean this machine: its `Host` has to be a loopback address,
//! `localhost`, or a name below it. A web page that makes a browser ask here under a name of its own (DNS rebinding) is refused.

mod api;
mod declared;
mod format;
mod lines;
mod members;
mod page;
mod upstreams;

use std::convert::Infallible;
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, ALLOW, CONTENT_TYPE, HOST};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::registry::Registry;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::figures::Figures;
use crate::observe::panics::survived;
use format::Format;
use page::Page;

/// Connections at a time; others wait to be accepted.
const CONNECTIONS: usize = 16;
/// For the request head.
const HEAD: Duration = Duration::from_secs(5);
/// For a whole connection, which has one exchange.
const EXCHANGE: Duration = Duration::from_secs(10);
/// Bytes of a request head.
const HEAD_BYTES: usize = 16 * 1024;
/// Pause when the system is out of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Answers until the process ends.
pub(super) async fn serve(socket: TcpListener, figures: Arc<Figures>) {
    let socket = match tokio::net::TcpListener::from_std(socket) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::error!(target: "sluice", admin = true, %error, "cannot listen");
            return;
        }
    };
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Page(figures.clone())));
    let (registry, places) = (Arc::new(registry), Arc::new(Semaphore::new(CONNECTIONS)));
    while survived("admin", accept(&socket, &registry, &places, &figures)).await.is_none() {}
}

async fn accept(
    socket: &tokio::net::TcpListener,
    registry: &Arc<Registry>,
    places: &Arc<Semaphore>,
    figures: &Arc<Figures>,
) {
    // It is never closed.
    while let Ok(place) = places.clone().acquire_owned().await {
        match socket.accept().await {
            Ok((stream, _)) => {
                let (registry, figures) = (registry.clone(), figures.clone());
                tokio::spawn(async move {
                    // One that is too slow is cut off.
                    let _ = timeout(EXCHANGE, exchange(stream, &registry, &figures)).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(target: "sluice", admin = true, %error, "cannot accept");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn exchange(stream: TcpStream, registry: &Registry, figures: &Figures) {
    let service = service_fn(|request: Request<hyper::body::Incoming>| {
        let (parts, _) = request.into_parts();
        let authority = parts.uri.authority().map(Authority::as_str);
        let answer = match is_local(authority, &parts.headers) {
            true => match parts.uri.path().strip_prefix(api::ROOT) {
                Some(path) => api::answer(&parts.method, path, &parts.headers, figures),
                None => answer(&parts.method, parts.uri.path(), &parts.headers, registry),
            },
            false => said(StatusCode::MISDIRECTED_REQUEST, "only localhost and loopback addresses are served here"),
        };
        std::future::ready(Ok::<_, Infallible>(answer))
    });
    let mut builder = http1::Builder::new();
    builder.keep_alive(false).max_buf_size(HEAD_BYTES).timer(TokioTimer::new()).header_read_timeout(HEAD);
    // A connection that breaks is the other side's business.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

fn answer(method: &Method, path: &str, headers: &HeaderMap, registry: &Registry) -> Response<String> {
    if path != "/metrics" {
        return said(StatusCode::NOT_FOUND, "what there is here is /metrics, and /api/v1/upstreams");
    }
    if *method != Method::GET && *method != Method::HEAD {
        let mut answer = said(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    let mut text = String::new();
    // The collector writes to a text, which takes everything.
    if prometheus_client::encoding::text::encode(&mut text, registry).is_err() {
        return said(StatusCode::INTERNAL_SERVER_ERROR, "the figures cannot be written");
    }
    let format = Format::wanted_by(headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()));
    let mut answer = Response::new(format.of(text));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    answer
}

fn said(status: StatusCode, text: &str) -> Response<String> {
    let mut answer = Response::new(format!("{status}: {text}\n"));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

/// Whether a request means this machine: by its target, if that names a host, else by its one `Host`.
fn is_local(target: Option<&str>, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter().map(|host| host.to_str().ok());
    let named = match (target, hosts.next(), hosts.next()) {
        (Some(target), _, None) => Some(target),
        (None, Some(host), None) => host,
        _ => None,
    };
    let Some(authority) = named.and_then(|named| named.parse::<Authority>().ok()) else { return false };
    let host = authority.host();
    match host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => {
            let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
            host == "localhost" || host.ends_with(".localhost")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_meant() {
        let good =
            ["localhost", "LOCALHOST:9901", "a.localhost", "localhost.", "127.0.0.1", "127.8.7.6:1", "[::1]:9901"];
        let bad =
            ["", "evil.example", "evil.example:9901", "localhost.evil.example", "notlocalhost", "10.0.0.1", "[::2]"];
        for (hosts, is_good) in [(&good[..], true), (&bad, false)] {
            for host in hosts {
                let headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static(host))]);
                assert_eq!(is_local(None, &headers), is_good, "{host:?}");
                // The target decides over the field (RFC 9112 §3.2.2).
                assert_eq!(is_local(Some(host), &HeaderMap::new()), is_good, "{host:?}");
                assert!(
                    !is_local(Some("evil.example"), &headers) && (is_local(Some("localhost"), &headers)),
                    "{host:?}"
                );
            }
        }
        let mut twice = HeaderMap::new();
        assert!(!is_local(None, &twice));
        twice.append(HOST, HeaderValue::from_static("localhost"));
        twice.append(HOST, HeaderValue::from_static("evil.example"));
        assert!(!is_local(None, &twice) && !is_local(Some("localhost"), &twice));
    }
}
