//! What the gateway does to header fields, as functions of heads and nothing else: `request` checks and cleans what a
//! client sent, `onward` makes from it what an endpoint gets, `response` cleans what the endpoint answered. They decide
//! what is wrong and why; which status that becomes is said in `proxy::error`.

mod authority;
mod connection;
mod forwarded;
mod interim;
mod location;
mod onward;
mod request;
mod response;
mod trace;
mod upgrade;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::Version;
use http::header::{HeaderMap, HeaderName, HeaderValue, VIA};

use crate::message::Interims;
use crate::message::target::TargetError;
use crate::state::Entrance;

pub use interim::{write_fields, write_interim};
pub use location::https_location;
pub use onward::{Onward, onward};
pub use request::{Intake, request};
pub use response::{Asked, Content, ResponseFault, response};
pub use trace::{has_trace, read_trace, remove_trace, write_trace};
pub use upgrade::Upgrade;

/// The name of this gateway in `Via`. One for all: instances in a row are told from a loop by their number.
pub const PSEUDONYM: &str = "sluice";

/// A request that passed through so many gateways of this name is going round in circles.
pub const HOPS_MAX: usize = 8;

/// What is known of a request from its connection.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// This end of it.
    pub local: SocketAddr,
    /// Came over TLS.
    pub tls: bool,
    /// The name asked for in the TLS handshake, in lower case.
    pub server_name: Option<&'a Arc<str>>,
    /// Fields that tell of the client's certificate.
    pub client: &'a [(HeaderName, HeaderValue)],
    /// The way in, as it is now.
    pub entrance: &'a Entrance,
    /// What takes hints of endpoints to a client of HTTP/1.1; none for HTTP/2.
    pub interims: Option<&'a Arc<Interims>>,
}

impl Arrival<'_> {
    /// The address of the other end; IPv4-mapped addresses unmapped.
    pub fn peer_address(&self) -> IpAddr {
        self.peer.ip().to_canonical()
    }
}

/// Why a request is not taken in. All are the client's doing, except that [`Refusal::Loop`] may be the operator's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The path has no normal form.
    #[error("bad target: {0}")]
    Target(#[from] TargetError),
    /// No HTTP: which rule was broken.
    #[error("{0}")]
    Syntax(&'static str),
    /// HTTP/1 with another major version than 1.
    #[error("this version of HTTP is not spoken")]
    Version,
    /// A transfer coding other than `chunked`.
    #[error("unknown transfer coding")]
    Coding,
    /// More bytes than the limit.
    #[error("the head is too long")]
    HeadTooLong,
    /// The request line of HTTP/1, or the target of HTTP/2, has more bytes than the limit.
    #[error("the request line is too long")]
    TargetTooLong,
    /// An authority without CONNECT, `*` without OPTIONS, a scheme other than `http` and `https`.
    #[error("this form of target is not for this method")]
    TargetForm,
    /// Neither `Host` nor another authority, in HTTP/1.1 and HTTP/2.
    #[error("no host")]
    HostMissing,
    /// More than one `Host`.
    #[error("more than one host")]
    HostRepeated,
    /// Empty, with user information, a list, a bad port, and so on.
    #[error("malformed host")]
    HostMalformed,
    /// `:authority` and `host` of HTTP/2 name different hosts.
    #[error("authority and host differ")]
    HostMismatch,
    /// The connection began with the name of another host, with another certificate.
    #[error("this connection is for another host")]
    Misdirected,
    /// Not one number.
    #[error("malformed content length")]
    ContentLength,
    /// More fields than the limit, cookies and ranges counted one by one.
    #[error("too many header fields")]
    TooManyFields,
    /// An underscore in the name of a field, where the listener refuses that.
    #[error("a header name with an underscore")]
    Underscore,
    /// An expectation other than `100-continue`.
    #[error("unknown expectation")]
    Expectation,
    /// Tunnels are not offered.
    #[error("CONNECT is not offered")]
    Connect,
    /// Would show a client what proxies on the way have added.
    #[error("TRACE is not offered")]
    Trace,
    /// The request has passed [`HOPS_MAX`] gateways of this name.
    #[error("the request goes round in a loop")]
    Loop,
    /// OPTIONS with `Max-Forwards: 0`: this gateway is the last recipient and answers, without a fault of anybody
    /// (RFC 9110 §7.6.2).
    #[error("the last hop that was allowed")]
    LastHop,
}

/// The protocol that a message was received over, and by whom (RFC 9110 §7.6.3).
fn via(received: Version) -> HeaderValue {
    HeaderValue::from_static(match received {
        Version::HTTP_10 => "1.0 sluice",
        Version::HTTP_2 => "2.0 sluice",
        _ => "1.1 sluice",
    })
}

/// How often this gateway's name stands in `Via`.
fn hops(headers: &HeaderMap) -> usize {
    let entries = headers.get_all(VIA).iter().flat_map(|field| field.as_bytes().split(|byte| *byte == b','));
    entries.filter(|entry| received_by(entry).eq_ignore_ascii_case(PSEUDONYM.as_bytes())).count()
}

/// The second word of a `Via` entry.
fn received_by(entry: &[u8]) -> &[u8] {
    let mut words = entry.split(|byte| *byte == b' ' || *byte == b'\t').filter(|word| !word.is_empty());
    words.nth(1).unwrap_or_default()
}
