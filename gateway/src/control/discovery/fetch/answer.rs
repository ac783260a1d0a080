//! What a service answers: a head, and a body that is taken whole or piece by piece, never more of it than said.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::{Driver, broken};

/// An answer, of which the body is still to come.
#[derive(Debug)]
pub(in crate::control::discovery) struct Answer {
    pub(in crate::control::discovery) status: StatusCode,
    pub(in crate::control::discovery) fields: HeaderMap,
    body: Incoming,
    _connection: Driver,
}

impl Answer {
    pub(super) fn new(response: Response<Incoming>, connection: Driver) -> Self {
        let (head, body) = response.into_parts();
        Self { status: head.status, fields: head.headers, body, _connection: connection }
    }

    /// A field of the head as text; empty if it is not there.
    pub(in crate::control::discovery) fn field(&self, name: &str) -> &str {
        self.fields.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// All of the body, of so many bytes at most, and within that time.
    pub(in crate::control::discovery) async fn text(mut self, most: usize, limit: Duration) -> Result<String, String> {
        let mut bytes = Vec::new();
        let read = timeout(limit, async {
            while let Some(piece) = self.piece().await? {
                if bytes.len() + piece.len() > most {
                    return Err(format!("more than {} MiB", most >> 20));
                }
                bytes.extend_from_slice(&piece);
            }
            Ok(())
        });
        read.await.unwrap_or_else(|_| Err(format!("not all of the answer within {limit:?}")))?;
        String::from_utf8(bytes).map_err(|_| "the answer is not in UTF-8".to_owned())
    }

    /// The next piece of the body; none at its end.
    pub(in crate::control::discovery) async fn piece(&mut self) -> Result<Option<Bytes>, String> {
        while let Some(frame) = self.body.frame().await {
            if let Ok(data) = frame.map_err(broken)?.into_data() {
                return Ok(Some(data));
            }
        }
        Ok(None)
    }
}
