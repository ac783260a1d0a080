//! The client's address in front of a connection to an endpoint: PROXY protocol, version 2
//! (<https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt>, §2.2).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// Begins every header.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// The header of a connection that is the gateway's own and nobody else's: the command `LOCAL`, without addresses.
pub const OWN_CONNECTION: [u8; 16] = *b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
/// Version 2, the command `PROXY`: for somebody else.
const PROXY: u8 = 0x21;
/// TCP over IPv4, and over IPv6.
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;

/// The two ends of a client's connection.
#[derive(Debug, Clone, Copy)]
pub struct Ends {
    /// The client's. Port 0 where it is not known.
    pub client: SocketAddr,
    /// The gateway's.
    pub gateway: SocketAddr,
}

/// The header that tells of them.
pub(super) fn header(ends: Ends) -> Vec<u8> {
    let Ends { client, gateway } = ends;
    let mut header = SIGNATURE.to_vec();
    let mut tell = |family, addresses: [&[u8]; 2]| {
        let length = addresses.iter().map(|address| address.len() + size_of::<u16>()).sum::<usize>() as u16;
        header.extend([PROXY, family]);
        header.extend(length.to_be_bytes());
        addresses.iter().for_each(|address| header.extend_from_slice(address));
    };
    match (client.ip().to_canonical(), gateway.ip().to_canonical()) {
        (IpAddr::V4(client), IpAddr::V4(gateway)) => tell(TCP4, [&client.octets(), &gateway.octets()]),
        // One family for both: what is of the other is mapped.
        (client, gateway) => tell(TCP6, [&v6(client).octets(), &v6(gateway).octets()]),
    }
    header.extend(client.port().to_be_bytes());
    header.extend(gateway.port().to_be_bytes());
    header
}

fn v6(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_as_the_specification_draws_it() {
        let ends = |client: &str, gateway: &str| Ends {
            client: client.parse().expect("an address"),
            gateway: gateway.parse().expect("an address"),
        };
        let mut four = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".to_vec();
        four.extend([192, 0, 2, 1, 198, 51, 100, 2, 0x30, 0x39, 0x01, 0xbb]);
        assert_eq!(header(ends("192.0.2.1:12345", "198.51.100.2:443")), four);
        assert_eq!(header(ends("[::ffff:192.0.2.1]:12345", "198.51.100.2:443")), four);

        let mut six = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x24".to_vec();
        six.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
        six.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1, 0, 0, 0, 80]);
        assert_eq!(header(ends("[2001:db8::7]:0", "10.0.0.1:80")), six);
    }
}
