//! Who may send, which records are taken, and the rates of sampling that are set by hand.

use std::net::IpAddr;

use phage_decode::export::FlowRecord;
use phage_flow::Home;
use phage_match::{Prefix, PrefixSet};

use super::config::{ExportConfig, ExporterConfig, Taken};
use crate::engine::EngineError;

/// A rate above this is a mistake of an exporter: no router looks at one packet in 16 million.
const MOST: u32 = 1 << 24;

/// What is set for exporters.
pub(super) struct Policy {
    allowed: Option<Home>,
    prefixes: PrefixSet,
    set: Vec<Set>,
}

/// What is set for one exporter, or a network of them.
struct Set {
    rate: u32,
    force: bool,
    take: Taken,
    /// Ascending; empty for all.
    interfaces: Vec<u32>,
}

impl Set {
    fn new(exporter: &ExporterConfig) -> Self {
        let mut interfaces = exporter.interfaces.clone();
        interfaces.sort_unstable();
        Self {
            rate: exporter.sampling,
            force: exporter.force,
            take: exporter.take,
            interfaces,
        }
    }

    fn takes_all(&self) -> bool {
        self.take == Taken::All && self.interfaces.is_empty()
    }

    /// Whether a record is taken. Without a direction it is one of what comes in, as RFC 7011 and
    /// Cisco have it; of interfaces both sides count where no direction is asked for.
    fn takes(&self, record: &FlowRecord) -> bool {
        let at = |interface: u32| {
            self.interfaces.is_empty() || self.interfaces.binary_search(&interface).is_ok()
        };
        match self.take {
            Taken::All => at(record.in_interface) || at(record.out_interface),
            Taken::Ingress => record.direction == 0 && at(record.in_interface),
            Taken::Egress => record.direction == 1 && at(record.out_interface),
            Taken::None => false,
        }
    }
}

impl Policy {
    pub(super) fn new(config: &ExportConfig) -> Result<Self, EngineError> {
        let wrong = |error: String| EngineError::Setting(error);
        let allowed = if config.allowed.is_empty() {
            None
        } else {
            Some(Home::new(&config.allowed).map_err(|error| wrong(error.to_string()))?)
        };
        let prefixes = (0..)
            .zip(&config.exporters)
            .map(|(value, exporter)| {
                prefix(exporter, value).ok_or_else(|| {
                    wrong(format!(
                        "{:?} is no address or network of an exporter",
                        exporter.address
                    ))
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            allowed,
            prefixes: if prefixes.is_empty() {
                PrefixSet::default()
            } else {
                PrefixSet::new(&prefixes)
            },
            set: config.exporters.iter().map(Set::new).collect(),
        })
    }

    /// Whether a datagram of this sender is looked at.
    #[inline]
    pub(super) fn admits(&self, address: &[u8; 16]) -> bool {
        self.allowed
            .as_ref()
            .is_none_or(|allowed| allowed.contains(address))
    }

    /// Puts the rate that counts into each record of a datagram, 1 where nobody knows one; leaves
    /// those out that are not taken, and returns how many.
    #[inline]
    pub(super) fn apply(&self, address: &[u8; 16], records: &mut Vec<FlowRecord>) -> u64 {
        let set = if self.set.is_empty() {
            None
        } else {
            let number = self.prefixes.lookup(address);
            number.and_then(|number| self.set.get(number as usize))
        };
        let came = records.len();
        if let Some(set) = set.filter(|set| !set.takes_all()) {
            records.retain(|record| set.takes(record));
        }
        let (rate, force) = set
            .filter(|set| set.rate > 0)
            .map_or((1, false), |set| (set.rate, set.force));
        let left_out = (came - records.len()) as u64;
        for record in records {
            if record.sampling == 0 || force {
                record.sampling = rate;
            }
            record.sampling = record.sampling.min(MOST);
        }
        left_out
    }
}

fn prefix(exporter: &ExporterConfig, value: u32) -> Option<Prefix> {
    let text = exporter.address.trim();
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u8>().ok()?)),
        None => (text, None),
    };
    let (address, width) = match address.parse::<IpAddr>().ok()? {
        IpAddr::V4(v4) => (v4.to_ipv6_mapped().octets(), 32),
        IpAddr::V6(v6) => (v6.octets(), 128),
    };
    let length = length.unwrap_or(width);
    (length <= width).then_some(Prefix {
        address,
        length: length + (128 - width),
        value,
    })
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops at what it did not expect"
    )]

    use super::*;

    fn mapped(text: &str) -> [u8; 16] {
        match text.parse::<IpAddr>().unwrap() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        }
    }

    fn policy(allowed: &[&str], exporters: &[(&str, u32, bool)]) -> Policy {
        Policy::new(&ExportConfig {
            allowed: allowed.iter().map(ToString::to_string).collect(),
            exporters: exporters
                .iter()
                .map(|(address, sampling, force)| ExporterConfig {
                    address: (*address).to_owned(),
                    sampling: *sampling,
                    force: *force,
                    take: Taken::All,
                    interfaces: Vec::new(),
                })
                .collect(),
            ..ExportConfig::default()
        })
        .unwrap()
    }

    fn rated(policy: &Policy, address: &str, told: u32) -> u32 {
        let mut records = vec![FlowRecord {
            sampling: told,
            ..FlowRecord::default()
        }];
        assert_eq!(policy.apply(&mapped(address), &mut records), 0);
        records[0].sampling
    }

    #[test]
    fn the_longest_prefix_and_what_is_told_decide() {
        let policy = policy(
            &[],
            &[
                ("10.0.0.0/8", 100, false),
                ("10.1.0.0/16", 500, true),
                ("2001:db8::1", 7, false),
            ],
        );
        assert_eq!(rated(&policy, "10.2.0.1", 0), 100);
        assert_eq!(rated(&policy, "10.2.0.1", 1000), 1000);
        assert_eq!(rated(&policy, "10.1.0.1", 1000), 500);
        assert_eq!(rated(&policy, "2001:db8::1", 0), 7);
        assert_eq!(rated(&policy, "192.0.2.1", 0), 1);
        assert_eq!(rated(&policy, "192.0.2.1", u32::MAX), MOST);
        assert!(policy.admits(&mapped("192.0.2.1")));
    }

    #[test]
    fn only_records_of_the_sides_that_are_set_are_taken() {
        let taken = |take: Taken, interfaces: &[u32]| -> Vec<usize> {
            let policy = Policy::new(&ExportConfig {
                exporters: vec![ExporterConfig {
                    address: "192.0.2.1".to_owned(),
                    sampling: 0,
                    force: false,
                    take,
                    interfaces: interfaces.to_vec(),
                }],
                ..ExportConfig::default()
            })
            .unwrap();
            // Comes in at 1, goes out at 2; told as it comes, as it goes, and the way back.
            let mut records: Vec<FlowRecord> = [(1, 2, 0), (1, 2, 1), (2, 1, 0)]
                .iter()
                .zip(0..)
                .map(
                    |(&(in_interface, out_interface, direction), packets)| FlowRecord {
                        in_interface,
                        out_interface,
                        direction,
                        packets: [packets, 0],
                        ..FlowRecord::default()
                    },
                )
                .collect();
            let left_out = policy.apply(&mapped("192.0.2.1"), &mut records);
            assert_eq!(left_out as usize + records.len(), 3);
            let mut others = vec![FlowRecord::default()];
            assert_eq!(policy.apply(&mapped("192.0.2.2"), &mut others), 0);
            records
                .iter()
                .map(|record| record.packets[0] as usize)
                .collect()
        };
        assert_eq!(taken(Taken::All, &[]), [0, 1, 2]);
        assert_eq!(taken(Taken::All, &[2, 9]), [0, 1, 2]);
        assert_eq!(taken(Taken::All, &[3]), [0_usize; 0]);
        assert_eq!(taken(Taken::Ingress, &[]), [0, 2]);
        assert_eq!(taken(Taken::Ingress, &[5, 1]), [0]);
        assert_eq!(taken(Taken::Egress, &[2]), [1]);
        assert_eq!(taken(Taken::None, &[]), [0_usize; 0]);
    }

    #[test]
    fn only_who_is_allowed_may_send() {
        let policy = policy(&["192.0.2.0/24"], &[]);
        assert!(policy.admits(&mapped("192.0.2.9")));
        assert!(!policy.admits(&mapped("198.51.100.1")));
        assert!(Policy::new(&ExportConfig {
            allowed: vec!["192.0.2.0/99".to_owned()],
            ..ExportConfig::default()
        })
        .is_err());
    }
}
