//! What becomes of a client's connection, or of a stream of it, whose protocol changes: it is handed to the exchange's tunnel.

use std::future::{pending, poll_fn};
use std::pin::Pin;

use bytes::{Bytes, BytesMut};
use http::{Method, Request, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use super::super::client_io::ClientIo;
use super::Connection;
use crate::observe::Cut;
use crate::proxy::{Tunnel, TunnelEnd};

impl Connection {
    /// What gives the stream of a request that asks for another protocol: of HTTP/2 its own, of HTTP/1.1 the connection's,
    /// which is to be had at its end.
    pub(super) fn upgrade(&self, request: &mut Request<Incoming>) -> Option<OnUpgrade> {
        if request.extensions().is_empty() {
            return None;
        }
        if *request.method() == Method::CONNECT && request.version() == Version::HTTP_2 {
            return Some(hyper::upgrade::on(request));
        }
        self.asks_for_upgrade.set(true);
        None
    }

    /// The protocol changes with the answer that goes out now.
    pub(super) fn change(&self, tunnel: Box<Tunnel>, upgrade: Option<OnUpgrade>) {
        let Some(upgrade) = upgrade else {
            self.tunnel.set(Some(tunnel));
            return;
        };
        let connections = self.worker.total.clone();
        tokio::task::spawn_local(async move {
            // It ends with its connection, which knows when that has to be.
            if let Ok(stream) = upgrade.await
                && tunnel.run(TokioIo::new(stream), Bytes::new(), pending()).await == TunnelEnd::Stalled
            {
                connections.cut(Cut::Stalled);
            }
        });
    }

    /// The stream is somebody else's now; or it is left to be closed, since there was no change of protocol after all.
    pub(super) async fn after_http1<S: AsyncRead + AsyncWrite + Unpin>(&self, mut io: ClientIo<S>, ahead: Bytes) {
        let Some(tunnel) = self.tunnel.take() else {
            let closed = poll_fn(|context| hyper::rt::Write::poll_shutdown(Pin::new(&mut io), context));
            // It may be closed already.
            let _ = closed.await;
            return;
        };
        let (stream, behind) = io.into_inner();
        let mut ahead = BytesMut::from(ahead);
        ahead.extend_from_slice(&behind);
        let end = async {
            self.admission.over().await;
            tokio::time::sleep(self.worker.plan().config.timeouts.drain_streams).await;
        };
        match tunnel.run(stream, ahead.freeze(), end).await {
            TunnelEnd::Ended => {}
            TunnelEnd::Cut => self.worker.cuts_off(),
            TunnelEnd::Stalled => self.worker.total.cut(Cut::Stalled),
        }
    }
}
