//! Whom a connection is for, as a TCP balancer says it in front of the first byte: the PROXY protocol, versions 1 and 2
//! (<https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Begins a header of version 2 (§2.2); no line of version 1 is shorter.
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Begins one of version 1 (§2.1).
const WORD: &[u8] = b"PROXY ";
/// The longest line of version 1, its end included.
const LONGEST_LINE: usize = 107;
/// More than this is not read of version 2: addresses and what else a balancer may tell, which nobody here asks for.
const LONGEST_BLOCK: usize = 4096;

/// Why a connection has no good header.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// It ended, or broke.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It did not come in time.
    #[error("no header of the PROXY protocol in time")]
    Late,
    /// It comes from somewhere else than a balancer.
    #[error("not from a balancer of `proxy-protocol-from`")]
    Stranger,
    /// It begins with something else.
    #[error("no header of the PROXY protocol")]
    Missing,
    /// It is not as the specification has it.
    #[error("a malformed header of the PROXY protocol")]
    Malformed,
    /// It is longer than the specification allows, or than anybody needs.
    #[error("a header of the PROXY protocol that is too long")]
    TooLong,
}

/// The client of a connection that `balancer` has opened, by the header, of which no byte more is read; the balancer where the
/// connection is its own, or of a kind that has no such address. None if it is to be closed: without a good header within `limit`,
/// or not from one of the `balancers`.
pub(super) async fn client(
    stream: &mut TcpStream,
    balancer: SocketAddr,
    balancers: &[IpNet],
    limit: Duration,
) -> Option<SocketAddr> {
    let address = balancer.ip().to_canonical();
    let read = match balancers.iter().any(|network| network.contains(&address)) {
        true => timeout(limit, header(stream)).await.unwrap_or(Err(HeaderError::Late)),
        false => Err(HeaderError::Stranger),
    };
    match read {
        Ok(client) => Some(client.unwrap_or(balancer)),
        Err(error) => {
            tracing::debug!(target: "sluice", peer = %balancer, reason = %error, "no client address");
            None
        }
    }
}

/// The client by the header that a connection begins with, of which no byte more is read; none where it tells of no client.
///
/// # Errors
/// Why there is no good header.
pub async fn header(stream: &mut TcpStream) -> Result<Option<SocketAddr>, HeaderError> {
    let mut beginning = [0; SIGNATURE.len()];
    stream.read_exact(&mut beginning).await?;
    if beginning == *SIGNATURE {
        let [kind, family, long, short] = {
            let mut rest = [0; 4];
            stream.read_exact(&mut rest).await?;
            rest
        };
        let length = usize::from(u16::from_be_bytes([long, short]));
        if length > LONGEST_BLOCK {
            return Err(HeaderError::TooLong);
        }
        let mut block = vec![0; length];
        stream.read_exact(&mut block).await?;
        return binary(kind, family, &block).ok_or(HeaderError::Malformed);
    }
    if !beginning.starts_with(WORD) {
        return Err(HeaderError::Missing);
    }
    let mut line = beginning.to_vec();
    while !line.contains(&b'\n') {
        let mut room = [0; LONGEST_LINE];
        let room = room.get_mut(line.len()..).filter(|room| !room.is_empty()).ok_or(HeaderError::TooLong)?;
        // What comes behind the line is TLS, or HTTP.
        let seen = stream.peek(room).await?;
        let part = room.get_mut(..seen).unwrap_or_default();
        let end = part.iter().position(|byte| *byte == b'\n').map_or(seen, |end| end + 1);
        let part = part.get_mut(..end).filter(|part| !part.is_empty()).ok_or(io::ErrorKind::UnexpectedEof);
        let part = part.map_err(io::Error::from)?;
        stream.read_exact(part).await?;
        line.extend_from_slice(part);
    }
    text(&line).ok_or(HeaderError::Malformed)
}

/// Version 1: one line with its end.
fn text(line: &[u8]) -> Option<Option<SocketAddr>> {
    let line = std::str::from_utf8(line.strip_suffix(b"\r\n")?).ok()?;
    let mut words = line.split(' ');
    let (_, family) = (words.next()?, words.next()?);
    if family == "UNKNOWN" {
        return Some(None);
    }
    let [source, destination, source_port, destination_port] =
        [words.next()?, words.next()?, words.next()?, words.next()?];
    let address = |text: &str| match family {
        "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => None,
    };
    let (source, _) = (address(source)?, address(destination)?);
    let (source_port, _) = (port(source_port)?, port(destination_port)?);
    words.next().is_none().then_some(Some(socket(source, source_port)))
}

/// Digits without zeros before them.
fn port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_number)
}

/// Version 2: what kind of connection it is, of which family and transport, and their addresses with whatever stands behind.
fn binary(kind: u8, family: u8, block: &[u8]) -> Option<Option<SocketAddr>> {
    match (kind, family >> 4, family & 0xf) {
        // The balancer's own, to see whether anybody is there.
        (0x20, ..) => Some(None),
        (0x21, 1, 1) => {
            let (source, rest) = block.split_first_chunk::<4>()?;
            Some(Some(socket(IpAddr::from(*source), ports(rest.get(4..)?)?)))
        }
        (0x21, 2, 1) => {
            let (source, rest) = block.split_first_chunk::<16>()?;
            Some(Some(socket(IpAddr::from(*source), ports(rest.get(16..)?)?)))
        }
        // Datagrams, Unix sockets, and what the balancer does not know.
        (0x21, 0..=3, 0..=2) => Some(None),
        _ => None,
    }
}

/// The first of two.
fn ports(bytes: &[u8]) -> Option<u16> {
    let (ports, _) = bytes.split_first_chunk::<4>()?;
    Some(u16::from_be_bytes([ports[0], ports[1]]))
}

fn socket(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address.to_canonical(), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_version_1() {
        let good = [
            ("PROXY TCP4 192.0.2.1 198.51.100.2 12345 443\r\n", Some("192.0.2.1:12345")),
            ("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", Some("255.255.255.255:65535")),
            ("PROXY TCP6 2001:db8::7 ::1 0 80\r\n", Some("[2001:db8::7]:0")),
            ("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 80\r\n", Some("192.0.2.1:1")),
            ("PROXY UNKNOWN\r\n", None),
            ("PROXY UNKNOWN ffff:f::f ffff:f::f 65535 65535\r\n", None),
        ];
        for (line, expected) in good {
            let expected = expected.map(|address| address.parse().expect("an address"));
            assert_eq!(text(line.as_bytes()), Some(expected), "{line:?}");
        }
        let bad = [
            "PROXY TCP4 192.0.2.1 198.51.100.2 12345 443\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 12345 443 \r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 12345 443 1\r\n",
            "PROXY TCP4  192.0.2.1 198.51.100.2 12345 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 12345\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 012345 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 +1 443\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 1 65536\r\n",
            "PROXY TCP4 192.0.2.01 198.51.100.2 1 443\r\n",
            "PROXY TCP4 2001:db8::7 ::1 1 443\r\n",
            "PROXY TCP6 192.0.2.1 198.51.100.2 1 443\r\n",
            "PROXY TCP4 a.example 198.51.100.2 1 443\r\n",
            "PROXY UDP4 192.0.2.1 198.51.100.2 1 443\r\n",
            "PROXY tcp4 192.0.2.1 198.51.100.2 1 443\r\n",
            "PROXY  UNKNOWN\r\n",
            "PROXY \u{e9}\r\n",
        ];
        for line in bad {
            assert_eq!(text(line.as_bytes()), None, "{line:?}");
        }
    }

    #[test]
    fn blocks_of_version_2() {
        let four = [192, 0, 2, 1, 198, 51, 100, 2, 0x30, 0x39, 0x01, 0xbb];
        let mut six = [0; 36];
        six[..16].copy_from_slice(&"2001:db8::7".parse::<Ipv6Addr>().expect("an address").octets());
        six[33] = 7;
        let with_more = [&four[..], b"\x04\0\x01x"].concat();
        let (client, own) = (|address: &str| Some(Some(address.parse().expect("an address"))), Some(None));
        // kind, family and transport, block, found
        type Case<'a> = (u8, u8, &'a [u8], Option<Option<SocketAddr>>);
        let cases: &[Case<'_>] = &[
            (0x21, 0x11, &four, client("192.0.2.1:12345")),
            (0x21, 0x11, &with_more, client("192.0.2.1:12345")),
            (0x21, 0x21, &six, client("[2001:db8::7]:7")),
            (0x21, 0x11, &four[..11], None),
            (0x21, 0x21, &six[..35], None),
            (0x21, 0x11, &[], None),
            (0x20, 0x00, &[], own),
            (0x20, 0x11, &four, own),
            (0x20, 0xff, &[], own),
            (0x21, 0x00, b"whatever", own),
            (0x21, 0x12, &four, own),
            (0x21, 0x31, &[0; 216], own),
            (0x21, 0x41, &[0; 216], None),
            (0x21, 0x13, &four, None),
            (0x22, 0x11, &four, None),
            (0x11, 0x11, &four, None),
            (0x31, 0x11, &four, None),
        ];
        for (kind, family, block, expected) in cases {
            assert_eq!(binary(*kind, *family, block), *expected, "{kind:x} {family:x} {block:?}");
        }
    }
}
