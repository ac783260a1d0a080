//! What a connection begins with: a TLS handshake, or the first bytes that tell which HTTP it speaks.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rustls::HandshakeKind;
use tokio_rustls::TlsAcceptor;

use super::super::client_io::ClientIo;
use super::super::drain::given_up;
use super::Connection;
use crate::observe::Handshake;
use crate::socket::Socket;
use crate::state::Entrance;
use crate::tls;

impl Connection {
    pub(super) async fn plain(self, entrance: &Entrance, stream: Socket) {
        let mut io = ClientIo::new(stream, self.activity.clone(), self.interims.clone());
        let is_h2 = match (entrance.settings.http1, entrance.settings.h2) {
            (true, false) => false,
            (false, _) => true,
            (true, true) => {
                let limit = self.worker.plan().config.timeouts.request_header;
                match self.before_requests(limit, io.begins_with_preface()).await {
                    Some(Ok(is_h2)) => is_h2,
                    _ => return,
                }
            }
        };
        self.http(io, is_h2).await;
    }

    pub(super) async fn over_tls(mut self, entrance: &Entrance, tls: &tls::Server, stream: Socket) {
        let limit = self.worker.plan().config.timeouts.handshake;
        let acceptor = TlsAcceptor::from(tls.config().clone());
        let stream = match self.before_requests(limit, acceptor.accept(stream)).await {
            Some(Ok(stream)) => stream,
            Some(Err(error)) => {
                self.arrived.shakes(Handshake::Failed);
                tracing::debug!(target: "sluice", peer = %self.peer, reason = %error, "handshake failed");
                return;
            }
            None => {
                self.arrived.shakes(Handshake::TimedOut);
                tracing::debug!(target: "sluice", peer = %self.peer, "handshake timed out");
                return;
            }
        };
        let session = stream.get_ref().1;
        let is_resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
        self.arrived.shakes(if is_resumed { Handshake::Resumed } else { Handshake::Full });
        self.server_name = session.server_name().map(Arc::from);
        match tls.client_fields(session) {
            Ok(fields) => self.client = fields.into(),
            Err(error) => {
                tracing::debug!(target: "sluice", peer = %self.peer, reason = %error, "session not resumed");
                return;
            }
        }
        let is_h2 = session.alpn_protocol() == Some(b"h2");
        // Otherwise a client without ALPN at a listener that speaks HTTP/2 only.
        if is_h2 || entrance.settings.http1 {
            let io = ClientIo::new(Box::new(stream), self.activity.clone(), self.interims.clone());
            self.http(io, is_h2).await;
        }
    }

    /// What a connection begins with, for `limit` at most; one that is to end does not wait that long.
    async fn before_requests<T>(&self, limit: Duration, beginning: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            begun = tokio::time::timeout(limit, beginning) => begun.ok(),
            () = given_up(&self.worker, &self.admission, &self.activity) => None,
        }
    }
}
