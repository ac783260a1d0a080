//! What the gateway writes to a client of HTTP/1.1 by hand. Above all answers before the answer (1xx): without what concerns only the endpoint's
//! connection, and without what would frame a body (RFC 9110 §8.6, RFC 9112 §6.1).

use http::StatusCode;
use http::header::{CONTENT_LENGTH, HeaderMap};

use super::connection;

/// Appends it to what is to be written.
pub fn write_interim(status: StatusCode, mut headers: HeaderMap, out: &mut Vec<u8>) {
    connection::strip(&mut headers, |name| *name == CONTENT_LENGTH);
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.extend_from_slice(b" ");
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
    write_fields(&headers, out);
}

/// Appends the fields of a head to what is to be written, and the empty line behind them.
pub fn write_fields(headers: &HeaderMap, out: &mut Vec<u8>) {
    for (name, value) in headers {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use http::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn hints_go_out_without_what_is_of_one_hop() {
        let fields = [
            ("link", "</a.css>; rel=preload"),
            ("link", "</b.js>; rel=preload"),
            ("connection", "close, x-theirs"),
            ("x-theirs", "1"),
            ("keep-alive", "timeout=5"),
            ("transfer-encoding", "chunked"),
            ("content-length", "5"),
        ];
        let headers = fields.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut out = Vec::new();
        write_interim(StatusCode::EARLY_HINTS, headers.into_iter().collect(), &mut out);
        write_interim(StatusCode::from_u16(199).expect("a status"), HeaderMap::new(), &mut out);
        let expected = "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\nlink: </b.js>; rel=preload\r\n\r\nHTTP/1.1 199 \r\n\r\n";
        assert_eq!(String::from_utf8_lossy(&out), expected);
    }
}
