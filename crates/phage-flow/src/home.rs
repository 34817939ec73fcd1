//! Own networks: which addresses are at home.

use std::fmt;
use std::net::IpAddr;

/// The networks that are at home unless the operator names others: private (RFC 1918), unique
/// local (RFC 4193), link-local (RFC 3927, RFC 4291) and loopback. Shared address space
/// (100.64.0.0/10, RFC 6598) is not among them: it lies on the provider's side of the gateway.
pub const PRIVATE: [&str; 8] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "127.0.0.0/8",
    "fc00::/7",
    "fe80::/10",
    "::1/128",
];

/// Where IPv4 lies among the 16-byte addresses: `::ffff:0:0/96`.
const MAPPED: u128 = 0xffff << 32;

/// What is wrong with a network in CIDR notation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomeFault {
    network: String,
}

impl fmt::Display for HomeFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:?} is not a network: write an address and a prefix length, as in 192.168.0.0/16",
            self.network
        )
    }
}

impl std::error::Error for HomeFault {}

/// The own networks, as disjoint intervals of addresses.
#[derive(Clone, Debug)]
pub struct Home {
    /// First and last IPv4 address of each interval, ascending.
    v4: Box<[(u32, u32)]>,
    /// The same for IPv6.
    v6: Box<[(u128, u128)]>,
}

impl Default for Home {
    /// The private networks.
    fn default() -> Self {
        Self::of(PRIVATE.iter().filter_map(|network| interval(network)))
    }
}

impl Home {
    /// Reads networks in CIDR notation (an address alone is a network of one); none means
    /// [`PRIVATE`].
    ///
    /// # Errors
    /// Names the first text that is not a network.
    pub fn new<S: AsRef<str>>(networks: &[S]) -> Result<Self, HomeFault> {
        if networks.is_empty() {
            return Ok(Self::default());
        }
        let mut intervals = Vec::with_capacity(networks.len());
        for network in networks {
            let text = network.as_ref().trim();
            intervals.push(interval(text).ok_or_else(|| HomeFault {
                network: text.to_owned(),
            })?);
        }
        Ok(Self::of(intervals.into_iter()))
    }

    fn of(intervals: impl Iterator<Item = (u128, u128)>) -> Self {
        let mut sorted: Vec<(u128, u128)> = intervals.collect();
        sorted.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::with_capacity(sorted.len());
        for (first, last) in sorted {
            match merged.last_mut() {
                Some(before) if first <= before.1 => before.1 = before.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        let is_v4 = |interval: &&(u128, u128)| interval.0 >> 32 == 0xffff;
        Self {
            v4: merged
                .iter()
                .filter(is_v4)
                .map(|&(first, last)| (first as u32, last as u32))
                .collect(),
            v6: merged.iter().filter(|i| !is_v4(i)).copied().collect(),
        }
    }

    /// Whether an address (IPv4 as `::ffff:a.b.c.d`) is at home. The unspecified address always
    /// is: only a neighbour that has no address yet sends from it.
    #[inline]
    pub fn contains(&self, address: &[u8; 16]) -> bool {
        let value = u128::from_be_bytes(*address);
        if value >> 32 == 0xffff {
            let v4 = value as u32;
            v4 == 0 || within(&self.v4, v4)
        } else {
            value == 0 || within(&self.v6, value)
        }
    }
}

/// Whether one of the disjoint ascending intervals holds the value. The default set has five: a
/// straight run over them takes 2 ns; longer lists are halved first.
#[inline]
fn within<T: Copy + Ord>(intervals: &[(T, T)], value: T) -> bool {
    let run = if intervals.len() > 8 {
        let upper = intervals.partition_point(|interval| interval.0 <= value);
        intervals.get(upper.saturating_sub(1)..upper).unwrap_or(&[])
    } else {
        intervals
    };
    run.iter()
        .any(|&(first, last)| first <= value && value <= last)
}

/// The interval of a network in CIDR notation, among the 16-byte addresses.
pub(crate) fn interval(text: &str) -> Option<(u128, u128)> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u32>().ok()?)),
        None => (text, None),
    };
    let (value, width) = match address.parse::<IpAddr>().ok()? {
        IpAddr::V4(v4) => (MAPPED | u128::from(u32::from(v4)), 32),
        IpAddr::V6(v6) => (u128::from(v6), 128),
    };
    let length = length.unwrap_or(width);
    if length > width {
        return None;
    }
    let host = 1_u128
        .checked_shl(width - length)
        .map_or(u128::MAX, |size| size - 1);
    Some((value & !host, value | host))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use super::*;

    fn address(text: &str) -> [u8; 16] {
        interval(text).unwrap().0.to_be_bytes()
    }

    #[test]
    fn private_networks_are_home() {
        let home = Home::default();
        for inside in [
            "10.0.0.0",
            "10.255.255.255",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.2",
            "169.254.9.9",
            "127.0.0.1",
            "0.0.0.0",
            "fd00::1",
            "fe80::1",
            "::1",
            "::",
        ] {
            assert!(home.contains(&address(inside)), "{inside}");
        }
        for outside in [
            "9.255.255.255",
            "11.0.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "192.169.0.0",
            "100.64.0.1",
            "8.8.8.8",
            "255.255.255.255",
            "2001:db8::1",
            "ff02::1",
            "::2",
        ] {
            assert!(!home.contains(&address(outside)), "{outside}");
        }
    }

    #[test]
    fn many_networks_are_searched() {
        let networks: Vec<String> = (0..40).map(|i| format!("198.51.{}.0/24", i * 2)).collect();
        let home = Home::new(&networks).unwrap();
        for i in 0..80 {
            let inside = home.contains(&address(&format!("198.51.{i}.77")));
            assert_eq!(inside, i % 2 == 0, "{i}");
        }
        assert!(!home.contains(&address("192.168.0.1")));
    }

    #[test]
    fn what_is_no_network_is_named() {
        for text in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "fe80::/129",
            "home",
            "10.0.0.0/x",
        ] {
            let fault = Home::new(&[text]).unwrap_err();
            assert!(fault.to_string().contains(&format!("{text:?}")));
        }
        assert!(Home::new(&["10.1.2.3", "::/0"]).is_ok());
    }
}
