//! How a connection to an endpoint begins: TCP, the client's address where the endpoint wants it, TLS, and what is spoken.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::client_address::{self, Ends};
use super::http1::Http1;
use super::http2::Http2;
use super::stream::Stream;
use super::{ConnectError, Connection};
use crate::config::model::UpstreamProtocol;
use crate::endpoint::Endpoint;
use crate::socket::{Outbox, Socket};
use crate::upstream::way::Way;

/// A connection to be made.
#[derive(Debug)]
pub(in crate::upstream) struct Target<'a> {
    /// To whom; a name is looked up.
    pub(in crate::upstream) endpoint: &'a Endpoint,
    /// How.
    pub(in crate::upstream) way: &'a Way,
    /// For TLS: what keeps its sessions.
    pub(in crate::upstream) sessions: Option<Arc<ClientConfig>>,
    /// Who it is for, where endpoints are told.
    pub(in crate::upstream) ends: Option<Ends>,
    /// For all of it.
    pub(in crate::upstream) most: Duration,
}

/// Makes it.
pub(super) async fn connect(target: Target<'_>, outbox: &Rc<Outbox>) -> Result<Connection, ConnectError> {
    let most = target.most;
    match tokio::time::timeout(most, establish(target, outbox)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(ConnectError::TimedOut(most)),
    }
}

async fn establish(target: Target<'_>, outbox: &Rc<Outbox>) -> Result<Connection, ConnectError> {
    let Target { endpoint, way, sessions, ends, .. } = target;
    let address = &*endpoint.settings.address;
    let mut stream = TcpStream::connect(address).await?;
    let open = endpoint.connected();
    stream.set_nodelay(true)?;
    if let Some(ends) = ends.filter(|_| way.tells_client) {
        stream.write_all(&client_address::header(ends)).await?;
    }
    let socket = Socket::new(stream, outbox);
    let (stream, is_h2) = match &way.tls {
        None => (Stream::Plain(socket, open), way.protocol == UpstreamProtocol::H2),
        Some(tls) => {
            let name = tls.name_of(address).map_err(|error| ConnectError::Name(error.to_string()))?;
            let connector = TlsConnector::from(sessions.unwrap_or_else(|| tls.sessions()));
            let stream = connector.connect(name, socket).await.map_err(ConnectError::from_tls)?;
            let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            if way.protocol == UpstreamProtocol::H2 && !is_h2 {
                return Err(ConnectError::NotH2);
            }
            (Stream::Tls(Box::new(stream), open), is_h2)
        }
    };
    Ok(if is_h2 {
        Connection::Http2(Http2::begin(stream).await?)
    } else {
        Connection::Http1(Box::new(Http1::begin(stream).await?))
    })
}
