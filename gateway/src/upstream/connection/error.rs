//! Why there is no connection, and why there is no answer: who is at fault, and whether sending again is safe, is decided here.

use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::client::conn::TrySendError;

use crate::message::Body;
use crate::message::body::BodyError;

/// Why there is no connection.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConnectError {
    /// The system said no.
    #[error("{0}")]
    Io(Arc<io::Error>),
    /// It took too long.
    #[error("no connection within {0:?}")]
    TimedOut(Duration),
    /// Its address has no name that a certificate could be for.
    #[error("{0}")]
    Name(String),
    /// The endpoint's certificate is not believed.
    #[error("its certificate: {0}")]
    Certificate(String),
    /// The endpoint refused with a TLS alert.
    #[error("it refused: TLS alert {0}")]
    Alert(String),
    /// No TLS came about for another reason.
    #[error("TLS: {0}")]
    Tls(String),
    /// The upstream is to speak HTTP/2, and the endpoint does not.
    #[error("it does not speak HTTP/2")]
    NotH2,
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        ConnectError::Io(error.into())
    }
}

impl ConnectError {
    /// Of a stream in TLS, where what the library says comes wrapped.
    pub fn from_tls(error: io::Error) -> ConnectError {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidCertificate(reason)) => ConnectError::Certificate(reason.to_string()),
            Some(rustls::Error::NoCertificatesPresented) => ConnectError::Certificate("it showed none".to_owned()),
            Some(rustls::Error::AlertReceived(alert)) => ConnectError::Alert(format!("{alert:?}")),
            Some(reason) => ConnectError::Tls(reason.to_string()),
            None => match error.kind() {
                ErrorKind::UnexpectedEof => ConnectError::Tls("closed without a word".to_owned()),
                _ => error.into(),
            },
        }
    }

    /// True if this machine lacks something (descriptors, memory, ports): it says nothing of the endpoint.
    pub fn is_our_own(&self) -> bool {
        use rustix::io::Errno;
        let ConnectError::Io(error) = self else { return false };
        let own = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::ADDRNOTAVAIL];
        own.iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Nothing of the request was sent; here it is again.
    #[error("the connection was closed before the request was sent")]
    Unsent(Box<Request<Body>>),
    /// The endpoint says that it has done nothing with the request, whatever was sent of it (RFC 9113 §8.7): sending it again does
    /// no harm, if its body is still to be had.
    #[error("it has not processed the request: {0}")]
    NotProcessed(hyper::Error),
    /// The client's body broke off or stalled: no fault of the endpoint.
    #[error("{0}")]
    Body(BodyError),
    /// The connection broke while it was sent or answered, or the answer made no sense.
    #[error("{}", told(.0))]
    Broken(hyper::Error),
    /// The endpoint refused with a TLS alert, as it does in TLS 1.3 only after the handshake.
    #[error("TLS alert {0}")]
    Alert(String),
    /// The answer is larger than its bounds.
    #[error("the head of its answer has more than {0} fields")]
    TooManyFields(usize),
    /// No answer within the time that was allowed.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
}

impl SendError {
    /// True if the endpoint closed the connection without a word: on a reused one that is the usual race between its idle
    /// timer and our request.
    pub fn is_closed(&self) -> bool {
        match self {
            SendError::Unsent(_) | SendError::NotProcessed(_) => true,
            SendError::Body(_) | SendError::TimedOut(_) | SendError::TooManyFields(_) | SendError::Alert(_) => false,
            SendError::Broken(error) => {
                error.is_incomplete_message()
                    || error.is_closed()
                    || io(error).is_some_and(|error| is_end(error.kind()))
            }
        }
    }

    /// From what hyper says.
    pub(super) fn from_hyper(mut error: TrySendError<Request<Body>>) -> SendError {
        match error.take_message() {
            Some(request) => SendError::Unsent(Box::new(request)),
            None => without_request(error.into_error()),
        }
    }
}

/// hyper wraps what our own body says, and what the endpoint says over HTTP/2, in an error of its own.
fn without_request(error: hyper::Error) -> SendError {
    if let Some(of_client) = error.source().and_then(|source| source.downcast_ref::<BodyError>()) {
        return SendError::Body(of_client.clone());
    }
    if let Some(alert) = alert(&error) {
        return SendError::Alert(alert);
    }
    match over_h2(&error) {
        // Streams learn of GOAWAY only where it leaves them out; those that it names go on.
        Some(said) if said.is_remote() && (said.is_go_away() || is_refusal(said)) => SendError::NotProcessed(error),
        _ => SendError::Broken(error),
    }
}

fn is_refusal(said: &h2::Error) -> bool {
    said.is_reset() && said.reason() == Some(h2::Reason::REFUSED_STREAM)
}

fn over_h2(error: &hyper::Error) -> Option<&h2::Error> {
    error.source()?.downcast_ref()
}

fn io(error: &hyper::Error) -> Option<&io::Error> {
    match over_h2(error) {
        Some(said) => said.get_io(),
        None => error.source()?.downcast_ref(),
    }
}

/// By the words of the TLS library: h2 keeps nothing else of it.
fn alert(error: &hyper::Error) -> Option<String> {
    let io = io(error).filter(|io| io.kind() == ErrorKind::InvalidData)?;
    io.to_string().strip_prefix("received fatal alert: ").map(str::to_owned)
}

/// Ways in which the system tells of a connection that the other side has ended.
fn is_end(kind: ErrorKind) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof};
    matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected | UnexpectedEof)
}

/// With its cause, which hyper leaves out.
fn told(error: &hyper::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
