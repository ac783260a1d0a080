//! An HTTP/2 client that says exactly what a test wants, frame by frame, and hears frames.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};

use super::client::{connect, tls};
use super::configuration::HOST;
use super::{Gateway, within};

/// How a connection begins (RFC 9113 §3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// Of SETTINGS and PING.
pub const ACK: u8 = 0x1;
pub const END_STREAM: u8 = 0x1;
pub const END_HEADERS: u8 = 0x4;
pub const PADDED: u8 = 0x8;

/// Codes (RFC 9113 §7).
pub const PROTOCOL_ERROR: u32 = 1;
pub const ENHANCE_YOUR_CALM: u32 = 11;

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The code of RST_STREAM or GOAWAY.
    pub fn code(&self) -> Option<u32> {
        let at = match self.kind {
            RST_STREAM => 0,
            GOAWAY => 4,
            _ => return None,
        };
        Some(u32::from_be_bytes(self.payload.get(at..at + 4)?.try_into().unwrap()))
    }

    /// The status, as far as it stands in the static table of HPACK or is written there as a literal.
    pub fn status(&self) -> Option<u16> {
        const STATIC: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
        if self.kind != HEADERS {
            return None;
        }
        match *self.payload.first()? {
            indexed @ 0x88..=0x8e => Some(STATIC[usize::from(indexed - 0x88)]),
            // `:status` by its name, with or without a place in the dynamic table; its value in Huffman or not.
            0x48 | 0x08 => match self.payload.get(1..)? {
                [3, a, b, c, ..] => std::str::from_utf8(&[*a, *b, *c]).ok()?.parse().ok(),
                [0x82, a, b, ..] => Some(huffman_digits(u32::from_be_bytes([*a, *b, 0, 0]))),
                [0x83, a, b, c, ..] => Some(huffman_digits(u32::from_be_bytes([*a, *b, *c, 0]))),
                _ => None,
            },
            // From the dynamic table: it came before.
            _ => None,
        }
    }
}

/// Three digits in the code of RFC 7541, Appendix B: `0`, `1` and `2` have five bits, the others six.
fn huffman_digits(bits: u32) -> u16 {
    let (mut number, mut used) = (0, 0);
    for _ in 0..3 {
        let rest = bits << used;
        let (digit, length) = if rest >> 27 < 3 { (rest >> 27, 5) } else { ((rest >> 26) - 0x19 + 3, 6) };
        number = number * 10 + digit as u16;
        used += length;
    }
    number
}

/// A frame on the wire.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A field as HPACK writes one that it knows nothing of, and keeps nothing of (RFC 7541 §6.2.2).
pub fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        let length = text.len();
        if length < 127 {
            bytes.push(length as u8);
        } else {
            // An integer of more than seven bits (RFC 7541 §5.1).
            bytes.push(127);
            let mut rest = length - 127;
            while rest >= 128 {
                bytes.push((rest % 128) as u8 | 128);
                rest /= 128;
            }
            bytes.push(rest as u8);
        }
        bytes.extend(text);
    }
    bytes
}

/// A header block.
pub fn block(fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| literal(name, value)).collect()
}

/// What a good request begins with.
pub fn request<'a>(method: &'a [u8], path: &'a [u8]) -> Vec<(&'a [u8], &'a [u8])> {
    vec![(b":method", method), (b":scheme", b"https"), (b":authority", HOST.as_bytes()), (b":path", path)]
}

/// A whole GET.
pub fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(&request(b"GET", path.as_bytes())))
}

/// A head whose body is to follow, with those fields besides.
pub fn post(stream: u32, path: &str, fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    let all: Vec<_> = request(b"POST", path.as_bytes()).into_iter().chain(fields.iter().copied()).collect();
    frame(HEADERS, END_HEADERS, stream, &block(&all))
}

/// The number behind a WINDOW_UPDATE or RST_STREAM.
pub fn number(kind: u8, stream: u32, number: u32) -> Vec<u8> {
    frame(kind, 0, stream, &number.to_be_bytes())
}

/// SETTINGS with that one in it.
pub fn setting(which: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&which.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// A connection that speaks frames.
pub struct Frames {
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    heard: Vec<u8>,
}

impl Frames {
    /// Over TLS, greeted as a good client does.
    pub async fn tls(gateway: &Gateway) -> Self {
        Self::greeted(Box::new(tls(gateway.secure, HOST, &["h2"]).await), &frame(SETTINGS, 0, 0, &[])).await
    }

    /// Over plain TCP.
    pub async fn plain(gateway: &Gateway) -> Self {
        Self::with(gateway, &frame(SETTINGS, 0, 0, &[])).await
    }

    /// Over plain TCP, with those first SETTINGS.
    pub async fn with(gateway: &Gateway, settings: &[u8]) -> Self {
        Self::greeted(Box::new(connect(gateway.plain).await), settings).await
    }

    async fn greeted(stream: Box<dyn Stream>, settings: &[u8]) -> Self {
        let (reader, writer) = split(stream);
        let mut frames = Self { reader, writer, heard: Vec::new() };
        frames.say([PREFACE, settings].concat()).await;
        frames
    }

    pub async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        assert!(self.try_say(bytes).await, "the gateway does not listen");
    }

    /// False if the gateway no longer listens.
    pub async fn try_say(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.writer.write_all(bytes.as_ref()).await.is_ok() && self.writer.flush().await.is_ok()
    }

    /// The next frame; none at the end of the connection, of whatever kind.
    pub async fn hear(&mut self) -> Option<Frame> {
        within("a frame", next(&mut self.reader, &mut self.heard)).await
    }

    /// The first frame that fits; none if the connection ends before.
    pub async fn hear_until(&mut self, fits: impl Fn(&Frame) -> bool) -> Option<Frame> {
        loop {
            let frame = self.hear().await?;
            if fits(&frame) {
                return Some(frame);
            }
        }
    }

    /// How the gateway answers a stream: the status, or the code of its reset; none if the connection ended.
    pub async fn outcome(&mut self, stream: u32) -> Outcome {
        let answers = |frame: &Frame| {
            frame.kind == GOAWAY && frame.code() != Some(0)
                || frame.stream == stream && (frame.kind == RST_STREAM || frame.kind == HEADERS)
        };
        match self.hear_until(answers).await {
            None => Outcome::Closed,
            Some(frame) => match (frame.status(), frame.code()) {
                (Some(status), _) => Outcome::Answered(status),
                (None, Some(code)) if frame.kind == RST_STREAM => Outcome::Reset(code),
                (None, code) => code.map_or(Outcome::Answered(0), Outcome::GoneAway),
            },
        }
    }

    /// Says the same again and again while it hears, until the gateway ends the connection or it was said so often; gives all
    /// that was heard by then, and whether the gateway ended it.
    pub async fn flood(mut self, bytes: &[u8], times: usize) -> (Vec<Frame>, bool) {
        let mut heard = Vec::new();
        let ended = within("the end of a flood", async {
            let writing = async {
                for _ in 0..times {
                    if self.writer.write_all(bytes).await.is_err() {
                        break;
                    }
                }
                let _ = self.writer.flush().await;
            };
            let reading = async {
                while let Some(frame) = next(&mut self.reader, &mut self.heard).await {
                    heard.push(frame);
                }
            };
            let mut reading = std::pin::pin!(reading);
            tokio::select! {
                () = &mut reading => true,
                () = writing => tokio::time::timeout(QUIET, reading).await.is_ok(),
            }
        });
        let ended = ended.await;
        (heard, ended)
    }

    /// Hears until the gateway ends the connection; the code of its last GOAWAY.
    pub async fn end(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(frame) = self.hear().await {
            if frame.kind == GOAWAY {
                code = frame.code();
            }
        }
        code
    }
}

/// When nothing has ended by then, nothing was to end.
const QUIET: Duration = Duration::from_secs(3);

/// What became of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// With that status; 0 if it could not be read.
    Answered(u16),
    Reset(u32),
    GoneAway(u32),
    Closed,
}

async fn next(reader: &mut (impl AsyncRead + Unpin), heard: &mut Vec<u8>) -> Option<Frame> {
    let mut buffer = [0; 16 * 1024];
    loop {
        if let [a, b, c, kind, flags, s, t, u, v, rest @ ..] = &heard[..] {
            let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            if let Some(payload) = rest.get(..length) {
                let stream = u32::from_be_bytes([*s, *t, *u, *v]);
                let frame = Frame { kind: *kind, flags: *flags, stream, payload: payload.to_vec() };
                heard.drain(..9 + length);
                return Some(frame);
            }
        }
        match reader.read(&mut buffer).await {
            Ok(count) if count > 0 => heard.extend(&buffer[..count]),
            _ => return None,
        }
    }
}

#[test]
fn statuses_are_read_as_they_are_written() {
    let status = |payload: &[u8]| Frame { kind: HEADERS, flags: 0, stream: 1, payload: payload.to_vec() }.status();
    assert_eq!(status(&[0x88]), Some(200));
    assert_eq!(status(&[0x8c]), Some(400));
    assert_eq!(status(&[0x48, 3, b'4', b'3', b'1']), Some(431));
    // RFC 7541, C.6.1: 302.
    assert_eq!(status(&[0x48, 0x82, 0x64, 0x02]), Some(302));
    // The same code: 408 and 431, padded with ones.
    assert_eq!(status(&[0x48, 0x83, 0x68, 0x0f, 0x7f]), Some(408));
    assert_eq!(status(&[0x48, 0x83, 0x69, 0x90, 0xff]), Some(431));
}
