//! The PROXY protocol, as it comes over a socket and in any pieces: the client is whom a slow reader of the specification finds, and
//! what comes behind the header is all still there.
#![no_main]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use sluice_fuzz::{PLANTED, cut, wire};
use sluice_gateway::server::proxy_protocol::header;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// What the gateway reads of a header of version 2 at most.
const LONGEST_BLOCK: usize = 4096;

/// Two lengths of pieces, then what a balancer sends, and what comes behind that.
fn check(mut data: &[u8]) {
    let lengths: [u8; 2] = cut::options(&mut data);
    // Many small writes cost time and find nothing more.
    let lengths = lengths.map(|length| length.max(1));
    let data = &data[..data.len().min(LONGEST_BLOCK + 64)];
    let (found, rest) = wire::block_on(receive(&cut::pieces(data, &lengths)));
    let expected = model(data);
    let told =
        |found: Option<(Option<SocketAddr>, usize)>| found.map(|(client, length)| (client, data[length..].to_vec()));
    assert_eq!(found.map(|client| (client, rest)), told(expected), "{}", data.escape_ascii());
}

/// What the gateway makes of these pieces, one write after the other, and what is left to be read.
async fn receive(pieces: &[&[u8]]) -> (Option<Option<SocketAddr>>, Vec<u8>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let (sender, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (mut sender, (mut stream, _)) = (sender.expect("connected"), accepted.expect("accepted"));
    // Without TIME-WAIT, of which there is room for some ten thousand only.
    sender.set_zero_linger().expect("a socket");
    sender.set_nodelay(true).expect("a socket");
    let send = async {
        for piece in pieces {
            // Refused and closed: nobody reads it.
            if sender.write_all(piece).await.is_err() {
                return;
            }
            tokio::task::yield_now().await;
        }
        let _ = sender.shutdown().await;
    };
    let read = async {
        let found = header(&mut stream).await.ok();
        let mut rest = Vec::new();
        if found.is_some() {
            stream.read_to_end(&mut rest).await.expect("what was sent");
        }
        drop(stream);
        (found, rest)
    };
    tokio::join!(read, send).0
}

/// By the specification, over all the bytes at once: the client, if it is told, and where the header ends; none where there is no
/// good header.
fn model(data: &[u8]) -> Option<(Option<SocketAddr>, usize)> {
    if data.starts_with(SIGNATURE) { binary(data) } else { text(data) }
}

/// §2.1. A line of at most 107 bytes; one shorter than the signature cannot be told from the beginning of that.
fn text(data: &[u8]) -> Option<(Option<SocketAddr>, usize)> {
    let end = data.iter().position(|byte| *byte == b'\n')? + 1;
    let line = std::str::from_utf8(data[..end].strip_suffix(b"\r\n")?).ok()?;
    let rest = line.strip_prefix("PROXY ").filter(|_| end <= 107)?;
    if rest == "UNKNOWN" || rest.starts_with("UNKNOWN ") {
        return Some((None, end));
    }
    let words: Vec<&str> = rest.split(' ').collect();
    let [family, source, destination, port, other] = words[..] else { return None };
    let address = |text: &str| -> Option<IpAddr> {
        match family {
            "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    let number = |text: &str| -> Option<u16> {
        let number: u16 = text.parse().ok()?;
        (number.to_string() == text).then_some(number)
    };
    let (client, _) = (address(source)?, address(destination)?);
    let (port, _) = (number(port)?, number(other)?);
    Some((Some(SocketAddr::new(client.to_canonical(), port)), end))
}

/// §2.2.
fn binary(data: &[u8]) -> Option<(Option<SocketAddr>, usize)> {
    let (&[version_and_command, family_and_transport], after) = data.get(12..)?.split_first_chunk::<2>()?;
    let (&[high, low], after) = after.split_first_chunk::<2>()?;
    let length = usize::from(high) << 8 | usize::from(low);
    let block = after.get(..length).filter(|_| length <= LONGEST_BLOCK)?;
    let end = 16 + length;
    if version_and_command >> 4 != 2 {
        return None;
    }
    match (version_and_command & 15, family_and_transport >> 4, family_and_transport & 15) {
        (0, ..) => Some((None, end)),
        (1, 1, 1) if block.len() >= 12 => {
            let address = Ipv4Addr::new(block[0], block[1], block[2], block[3]);
            // As if the second of the ports were taken where the first is 0.
            let at = if PLANTED && block[8..10] == [0, 0] { 10 } else { 8 };
            Some((Some(SocketAddr::new(address.into(), u16::from_be_bytes([block[at], block[at + 1]]))), end))
        }
        (1, 2, 1) if block.len() >= 36 => {
            let address = Ipv6Addr::from(<[u8; 16]>::try_from(&block[..16]).expect("sixteen bytes"));
            let port = u16::from_be_bytes([block[32], block[33]]);
            Some((Some(SocketAddr::new(IpAddr::V6(address).to_canonical(), port)), end))
        }
        (1, 1 | 2, 1) => None,
        (1, 0..=3, 0..=2) => Some((None, end)),
        _ => None,
    }
}

fuzz_target!(|data: &[u8]| check(data));
