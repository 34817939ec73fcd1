//! What is counted besides hosts and prefixes: packets to services, and groups of networks.

use phage_decode::packet::protocol;

use crate::home::interval;

/// Length of the first service's rows; those of prefixes end at 128.
pub const FIRST_SERVICE: u8 = 129;
/// Services at most: their rows have lengths up to that of groups.
pub const MOST_SERVICES: usize = 63;
/// Length of the rows of groups; their address is the group's name, as a number of 16 octets.
pub const GROUP: u8 = 255;
/// Groups at most.
pub const MOST_GROUPS: usize = 256;

/// Packets to ports of a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// TCP or UDP.
    pub protocol: u8,
    /// First and last destination port.
    pub ports: (u16, u16),
    /// Its number, below [`MOST_SERVICES`]: its rows have the length [`FIRST_SERVICE`] and so much.
    pub number: u8,
}

/// A group of networks, whose hosts are counted together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What its rows have for an address.
    pub name: [u8; 16],
    /// Its networks in CIDR notation.
    pub networks: Vec<String>,
}

/// What is wrong with what is to be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchFault(pub String);

impl std::fmt::Display for WatchFault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for WatchFault {}

/// Lengths of rows by destination port, 0 for none.
type Ports = Box<[u8]>;

/// Services and groups, ready to be looked up.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    tcp: Option<Ports>,
    udp: Option<Ports>,
    /// First and last address, and the group's place: disjoint, ascending.
    intervals: Vec<(u128, u128, usize)>,
    names: Vec<[u8; 16]>,
}

impl Watch {
    /// Makes it. Of services that share a port the one of fewest ports has it, of groups that
    /// share an address the one of the longest network.
    ///
    /// # Errors
    /// Names what is out of bounds, or no network.
    pub fn new(services: &[Service], groups: &[Group]) -> Result<Self, WatchFault> {
        if groups.len() > MOST_GROUPS {
            return Err(WatchFault(format!(
                "there are more than {MOST_GROUPS} groups"
            )));
        }
        let mut watch = Self {
            names: groups.iter().map(|group| group.name).collect(),
            intervals: intervals(groups)?,
            ..Self::default()
        };
        let mut widest_first = services.to_vec();
        widest_first.sort_by_key(|service| std::cmp::Reverse(width(*service)));
        for service in widest_first {
            watch.add(service)?;
        }
        Ok(watch)
    }

    fn add(&mut self, service: Service) -> Result<(), WatchFault> {
        let ports = match service.protocol {
            protocol::TCP => &mut self.tcp,
            protocol::UDP => &mut self.udp,
            other => return Err(WatchFault(format!("protocol {other} has no services"))),
        };
        if usize::from(service.number) >= MOST_SERVICES {
            return Err(WatchFault(format!(
                "there are more than {MOST_SERVICES} services"
            )));
        }
        let table = ports.get_or_insert_with(|| vec![0; 1 << 16].into_boxed_slice());
        let (first, last) = service.ports;
        table
            .get_mut(usize::from(first)..=usize::from(last))
            .ok_or_else(|| WatchFault(format!("{first}-{last} are no ports")))?
            .fill(FIRST_SERVICE + service.number);
        Ok(())
    }

    /// The length of the rows of packets to a port; 0 where nobody asked for them.
    #[inline]
    pub(super) fn service(&self, number: u8, port: u16) -> u8 {
        let ports = match number {
            protocol::TCP => &self.tcp,
            protocol::UDP => &self.udp,
            _ => return 0,
        };
        let length = ports
            .as_ref()
            .and_then(|table| table.get(usize::from(port)));
        length.copied().unwrap_or(0)
    }

    /// The names of the groups, by place.
    pub(super) fn names(&self) -> &[[u8; 16]] {
        &self.names
    }

    /// Where addresses that ascend are looked up.
    pub(super) fn walk(&self) -> Walk<'_> {
        Walk {
            rest: &self.intervals,
        }
    }
}

fn width(service: Service) -> u16 {
    service.ports.1.saturating_sub(service.ports.0)
}

/// Finds the groups of addresses that ascend.
pub(super) struct Walk<'a> {
    rest: &'a [(u128, u128, usize)],
}

impl Walk<'_> {
    /// The place of the group that an address is in.
    #[inline]
    pub(super) fn group(&mut self, address: u128) -> Option<usize> {
        while let [(first, last, place), rest @ ..] = self.rest {
            if address < *first {
                return None;
            }
            if address <= *last {
                return Some(*place);
            }
            self.rest = rest;
        }
        None
    }
}

/// Cuts the networks of all groups into disjoint intervals: the longest network has an address.
fn intervals(groups: &[Group]) -> Result<Vec<(u128, u128, usize)>, WatchFault> {
    let mut networks = Vec::new();
    for (place, group) in groups.iter().enumerate() {
        for text in &group.networks {
            let (first, last) =
                interval(text).ok_or_else(|| WatchFault(format!("{text:?} is not a network")))?;
            networks.push((first, last, place));
        }
    }
    // Of those that begin together the widest first: what is inside comes after what is around it.
    networks.sort_by_key(|&(first, last, place)| (first, std::cmp::Reverse(last), place));
    let mut cut = Vec::new();
    let mut around: Vec<(u128, usize)> = Vec::new();
    let mut from = 0_u128;
    let mut emit = |first: u128, last: u128, place: usize| {
        if first <= last {
            cut.push((first, last, place));
        }
    };
    for (first, last, place) in networks {
        while let Some(&(end, outer)) = around.last() {
            if end >= first {
                break;
            }
            emit(from, end, outer);
            from = from.max(end.saturating_add(1));
            around.pop();
        }
        if let (Some(&(_, outer)), Some(before)) = (around.last(), first.checked_sub(1)) {
            emit(from, before, outer);
        }
        from = first;
        around.push((last, place));
    }
    while let Some((end, outer)) = around.pop() {
        emit(from, end, outer);
        from = from.max(end.saturating_add(1));
    }
    Ok(cut)
}

/// Reads a service: "tcp/80", "udp/1000-2000".
///
/// # Errors
/// Says what a service looks like.
pub fn parse_service(text: &str, number: u8) -> Result<Service, WatchFault> {
    let fault = || {
        WatchFault(format!(
            "{text:?} is no service: write tcp/80 or udp/1000-2000"
        ))
    };
    let (name, ports) = text.split_once('/').ok_or_else(fault)?;
    let protocol = match name {
        "tcp" => protocol::TCP,
        "udp" => protocol::UDP,
        _ => return Err(fault()),
    };
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let first: u16 = first.parse().map_err(|_| fault())?;
    let last: u16 = last.parse().map_err(|_| fault())?;
    if last < first {
        return Err(fault());
    }
    Ok(Service {
        protocol,
        ports: (first, last),
        number,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

    use std::net::IpAddr;

    use super::*;

    fn address(text: &str) -> u128 {
        match text.parse::<IpAddr>().unwrap() {
            IpAddr::V4(v4) => 0xffff << 32 | u128::from(u32::from(v4)),
            IpAddr::V6(v6) => u128::from(v6),
        }
    }

    fn group(name: u8, networks: &[&str]) -> Group {
        Group {
            name: [name; 16],
            networks: networks.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn the_longest_network_has_an_address() {
        let groups = [
            group(1, &["10.0.0.0/8", "2001:db8::/32"]),
            group(2, &["10.1.0.0/16", "10.1.2.3"]),
            group(3, &["10.1.2.0/24", "10.255.255.255"]),
            group(4, &["192.0.2.0/25", "192.0.2.128/25"]),
        ];
        let watch = Watch::new(&[], &groups).unwrap();
        let expected = [
            ("9.255.255.255", None),
            ("10.0.0.0", Some(0)),
            ("10.0.255.255", Some(0)),
            ("10.1.0.0", Some(1)),
            ("10.1.1.255", Some(1)),
            ("10.1.2.2", Some(2)),
            ("10.1.2.3", Some(1)),
            ("10.1.2.4", Some(2)),
            ("10.1.3.0", Some(1)),
            ("10.2.0.0", Some(0)),
            ("10.255.255.254", Some(0)),
            ("10.255.255.255", Some(2)),
            ("11.0.0.0", None),
            ("192.0.2.127", Some(3)),
            ("192.0.2.128", Some(3)),
            ("192.0.3.0", None),
            ("2001:db8::1", Some(0)),
            ("2001:db9::", None),
        ];
        let mut walk = watch.walk();
        for (text, place) in expected {
            assert_eq!(walk.group(address(text)), place, "{text}");
        }
    }

    #[test]
    fn everything_may_be_a_group() {
        let watch = Watch::new(&[], &[group(1, &["::/0"]), group(2, &["::1"])]).unwrap();
        let mut walk = watch.walk();
        for (value, place) in [(0, 0), (1, 1), (2, 0), (u128::MAX, 0)] {
            assert_eq!(walk.group(value), Some(place), "{value}");
        }
    }

    #[test]
    fn the_narrowest_service_has_a_port() {
        let services: Vec<Service> = ["udp/1-65535", "tcp/80", "udp/53", "tcp/8000-8080"]
            .iter()
            .zip(0..)
            .map(|(text, number)| parse_service(text, number).unwrap())
            .collect();
        let watch = Watch::new(&services, &[]).unwrap();
        assert_eq!(watch.service(17, 53), FIRST_SERVICE + 2);
        assert_eq!(watch.service(17, 54), FIRST_SERVICE);
        assert_eq!(watch.service(17, 0), 0);
        assert_eq!(watch.service(6, 80), FIRST_SERVICE + 1);
        assert_eq!(watch.service(6, 8080), FIRST_SERVICE + 3);
        assert_eq!(watch.service(6, 8081), 0);
        assert_eq!(watch.service(1, 80), 0);
        assert_eq!(Watch::default().service(6, 80), 0);
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "tcp",
            "80",
            "icmp/1",
            "tcp/70000",
            "tcp/9-8",
            "tcp/-1",
            "tcp/x",
        ] {
            assert!(parse_service(text, 0).is_err(), "{text}");
        }
        assert!(Watch::new(&[], &[group(1, &["10.0.0.0/33"])]).is_err());
        let many = parse_service("tcp/1", 63).unwrap();
        assert!(Watch::new(&[many], &[]).is_err());
    }
}
