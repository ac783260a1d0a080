//! How connections to the endpoints of an upstream are made.

use std::sync::Arc;

use crate::config::model::{self, UpstreamProtocol};
use crate::tls::ToEndpoints;

/// How connections to the endpoints of an upstream are made. What was opened by one way is never used by another.
#[derive(Debug)]
pub struct Way {
    /// What endpoints speak.
    pub(super) protocol: UpstreamProtocol,
    /// None: plain TCP.
    pub(super) tls: Option<Arc<ToEndpoints>>,
    /// Connections begin with the client's address, so that they are for one request and nobody else's.
    pub tells_client: bool,
}

impl Way {
    /// As configured; `tls` is made of the same settings.
    pub(super) fn new(settings: &model::Upstream, tls: Option<Arc<ToEndpoints>>) -> Self {
        Self { protocol: settings.protocol, tls, tells_client: settings.send_proxy_protocol }
    }

    /// TLS, if there is any.
    pub fn tls(&self) -> Option<&Arc<ToEndpoints>> {
        self.tls.as_ref()
    }

    /// True if HTTP/2 is spoken without being agreed upon.
    pub fn speaks_h2(&self) -> bool {
        self.protocol == UpstreamProtocol::H2
    }

    /// True if one connection may carry several exchanges at a time.
    pub(super) fn may_share(&self) -> bool {
        self.protocol != UpstreamProtocol::Http1 && !self.tells_client
    }

    /// True if that depends on what an endpoint chooses.
    pub(super) fn may_speak_http1(&self) -> bool {
        self.protocol != UpstreamProtocol::H2
    }
}

impl PartialEq for Way {
    fn eq(&self, other: &Self) -> bool {
        let same_tls = match (&self.tls, &other.tls) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other),
            (None, None) => true,
            _ => false,
        };
        same_tls && self.protocol == other.protocol && self.tells_client == other.tells_client
    }
}
