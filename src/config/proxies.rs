//! `auth.trusted_proxies`: who may say in a header whom a request is from.
//!
//! Called by `values`; `http` asks whether an address is one of them.

use std::net::IpAddr;

use super::Scope;
use super::lists::parse_scope;
use super::problem::quote;
use super::values::Values;

/// Proxies that have made sure who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedProxies {
    /// Where they are.
    pub addresses: Vec<Network>,
    /// The header in which they name the user, in lower case.
    pub user_header: String,
    /// What such a user may do.
    pub scopes: Vec<Scope>,
}

impl TrustedProxies {
    /// True when this is one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|network| network.contains(address))
    }
}

/// Addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u32,
}

impl Network {
    /// True when the address is in it. An IPv4 address is one however it is written.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let same = |a: u128, b: u128, bits: u32| {
            let shift = bits - self.prefix;
            // Shifting out all bits means that any address fits.
            a.checked_shr(shift).unwrap_or(0) == b.checked_shr(shift).unwrap_or(0)
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                same(u128::from(own.to_bits()), u128::from(other.to_bits()), 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => same(own.to_bits(), other.to_bits(), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl Values<'_> {
    /// `auth.trusted_proxies`; `None` when no address is named.
    pub(super) fn trusted_proxies(&mut self) -> Option<TrustedProxies> {
        let addresses = self.distinct("auth.trusted_proxies.addresses", network);
        let scopes = self.distinct("auth.trusted_proxies.scopes", |text| match text {
            // Who states times of receipt decides what the ledger takes for the truth.
            "replay" => Err("a user of a proxy cannot have the scope replay".to_owned()),
            _ => parse_scope(text),
        });
        let user_header = self.value("auth.trusted_proxies.user_header", header);
        if addresses.is_empty() {
            return None;
        }
        Some(TrustedProxies { addresses, user_header: user_header.unwrap_or_default(), scopes })
    }
}

fn network(text: &str) -> Result<Network, String> {
    let wrong =
        || format!("{} is no address; write one such as 10.0.0.7, or 10.0.0.0/24", quote(text));
    let (address, prefix) = text.split_once('/').unwrap_or((text, ""));
    let address: IpAddr = address.parse().map_err(|_| wrong())?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match text.contains('/') {
        false => bits,
        true => prefix.parse().ok().filter(|prefix| *prefix <= bits).ok_or_else(wrong)?,
    };
    Ok(Network { address, prefix })
}

fn header(text: &str) -> Result<String, String> {
    const OURS: [&str; 4] = ["host", "authorization", "cookie", "origin"];
    let is_token = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let name = text.to_ascii_lowercase();
    if name.is_empty() || !name.bytes().all(is_token) || OURS.contains(&name.as_str()) {
        return Err(format!(
            "{} cannot be the header of a user; write one such as X-Forwarded-User",
            quote(text)
        ));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_holds_the_addresses_that_begin_like_it() {
        for (text, address, expect) in [
            ("10.0.0.7", "10.0.0.7", true),
            ("10.0.0.7", "::ffff:10.0.0.7", true),
            ("10.0.0.7", "10.0.0.8", false),
            ("10.0.0.0/24", "10.0.0.255", true),
            ("10.0.0.0/24", "10.0.1.0", false),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("0.0.0.0/0", "::1", false),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("::/0", "fe80::1", true),
        ] {
            let found = network(text).unwrap().contains(address.parse().unwrap());
            assert_eq!(found, expect, "{text} {address}");
        }
        for bad in ["", "proxy.example", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0"] {
            assert!(network(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_header_with_a_meaning_of_its_own_names_no_user() {
        assert_eq!(header("X-Forwarded-User").as_deref(), Ok("x-forwarded-user"));
        for bad in ["", "Authorization", "a b", "x:y", "host"] {
            assert!(header(bad).is_err(), "{bad}");
        }
    }
}
