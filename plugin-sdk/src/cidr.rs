//! Networks as configurations spell them.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de::Error};
use std::{borrow::Cow, net::IpAddr};

/// A network in a configuration, such as `"10.0.0.0/8"` or `"2001:db8::/32"`; one address is a network of itself. What an
/// address has behind the prefix does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// As IPv6, IPv4 mapped.
    address: u128,
    /// Of those 128 bits.
    prefix: u32,
}

impl Cidr {
    /// True for an address of this network. An IPv4 address and the IPv6 address that maps it are the same.
    pub fn contains(&self, address: IpAddr) -> bool {
        (bits(address) ^ self.address).checked_shr(128 - self.prefix).unwrap_or(0) == 0
    }

    /// How many bits its addresses share, of 128: of two networks with a common address, the one with more is part of the
    /// other.
    pub fn prefix(&self) -> u32 {
        self.prefix
    }

    fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = length.map_or(Some(most), |length| length.parse().ok()).filter(|&length| length <= most)?;
        let prefix = 128 - most + length;
        let behind = u128::MAX.checked_shr(prefix).unwrap_or(0);
        Some(Self { address: bits(address) & !behind, prefix })
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| Error::custom(format!("`{text}` is no network: expected one such as `10.0.0.0/8`")))
    }
}

impl JsonSchema for Cidr {
    fn schema_name() -> Cow<'static, str> {
        "Cidr".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "sluice-cidr", "pattern": "^[0-9a-fA-F:.]+(/[0-9]{1,3})?$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_its_addresses_and_no_others() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.1.2.3/16", "10.1.255.255", "10.2.0.0"),
            ("10.1.2.3", "10.1.2.3", "10.1.2.4"),
            ("0.0.0.0/0", "255.255.255.255", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::1", "::1", "::2"),
        ] {
            let network = Cidr::parse(network).unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{inside} in {network:?}");
            assert!(!network.contains(outside.parse().unwrap()), "{outside} in {network:?}");
        }
        let all = Cidr::parse("::/0").unwrap();
        assert!(all.contains("10.0.0.1".parse().unwrap()) && all.contains("ffff::".parse().unwrap()));
        assert!(Cidr::parse("10.0.0.0/8").unwrap().contains("::ffff:10.0.0.1".parse().unwrap()));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.0.0.0/33", "10.0.0", "10.0.0.0/", "10.0.0.0/-1", "::/129", "a", "10.0.0.0/8/8"] {
            assert_eq!(Cidr::parse(text), None, "{text}");
        }
    }
}
