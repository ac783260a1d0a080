//! An answer of HTTP/1.1, read whole from a stream or found in what has come so far.

use std::io::Read;

use anyhow::{Context, Result, bail};

/// The longest head that is read.
const HEAD: usize = 16 << 10;

/// What matters of a head.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Head {
    pub(super) status: u16,
    /// Bytes of the head.
    pub(super) bytes: usize,
    /// Bytes of the body, as the head says.
    pub(super) body: u64,
    /// Name and value of the cookie that is set.
    cookie: Option<String>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Bytes of the body.
    pub(crate) length: u64,
    /// Name and value of the cookie that it sets.
    pub(crate) cookie: Option<String>,
    /// The body, as far as it came with the head.
    pub(crate) text: String,
}

impl Head {
    /// `None` while it is not complete.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<Self>> {
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut fields);
        let end = match response.parse(bytes).context("the answer is no HTTP/1.1")? {
            httparse::Status::Complete(end) => end,
            httparse::Status::Partial if bytes.len() < HEAD => return Ok(None),
            httparse::Status::Partial => bail!("the head of the answer has no end"),
        };
        let field = |name: &str| {
            let found = response.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
            found.and_then(|field| str::from_utf8(field.value).ok())
        };
        let body = field("content-length").context("the answer does not say how long it is")?;
        let cookie = field("set-cookie").and_then(|value| value.split(';').next());
        Ok(Some(Self {
            status: response.code.unwrap_or_default(),
            bytes: end,
            body: body.parse().context("the answer's length is no number")?,
            cookie: cookie.map(str::to_owned),
        }))
    }
}

impl Answer {
    /// Reads one, body and all.
    pub(super) fn read(stream: &mut impl Read) -> Result<Self> {
        let mut buffer = vec![0; HEAD];
        let mut filled = 0;
        let head = loop {
            let count = stream.read(&mut buffer[filled..]).context("no answer")?;
            if count == 0 {
                bail!("the connection was closed before an answer");
            }
            filled += count;
            if let Some(head) = Head::parse(&buffer[..filled])? {
                break head;
            }
        };
        let text = String::from_utf8_lossy(&buffer[head.bytes..filled]).into_owned();
        let mut length = (filled - head.bytes) as u64;
        while length < head.body {
            let count = stream.read(&mut buffer).context("the answer breaks off")?;
            if count == 0 {
                bail!("the answer breaks off after {length} of {} bytes", head.body);
            }
            length += count as u64;
        }
        Ok(Self { status: head.status, length, cookie: head.cookie, text })
    }

    /// An error unless it is 200 and as long as that.
    pub(crate) fn must_be(&self, length: u64) -> Result<()> {
        if self.status != 200 {
            bail!("the answer is {}, not 200", self.status);
        }
        if self.length != length {
            bail!("the answer has {} bytes, not {length}", self.length);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Answer> {
        Answer::read(&mut text.as_bytes())
    }

    #[test]
    fn an_answer_is_as_long_as_its_head_says() {
        let answer = read("HTTP/1.1 200 OK\r\ncontent-length: 3\r\nSet-Cookie: a=b; Path=/\r\n\r\nabc").unwrap();
        assert_eq!((answer.status, answer.length, answer.text.as_str()), (200, 3, "abc"));
        assert_eq!(answer.cookie.as_deref(), Some("a=b"));
        assert!(answer.must_be(3).is_ok());
    }

    #[test]
    fn a_wrong_answer_is_found() {
        for (text, reason) in [
            ("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nabc", "the answer is 502, not 200"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", "the answer has 2 bytes, not 3"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc", "the answer has 3 bytes, not 3"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc", "the answer breaks off after 3 of 4 bytes"),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "the answer does not say how long it is",
            ),
            ("HTTP/1.1 200 OK\r\n", "the connection was closed before an answer"),
            ("SSH-2.0\r\n\r\n", "the answer is no HTTP/1.1"),
        ] {
            let said = read(text).and_then(|answer| answer.must_be(3)).map_err(|error| error.to_string());
            let expected = if text.ends_with("2\r\n\r\nabc") { Ok(()) } else { Err(reason.to_owned()) };
            assert_eq!(said, expected, "{text:?}");
        }
    }
}
