//! Who may send, and the rates of sampling that are set by hand.

use std::net::IpAddr;

use phage_decode::export::FlowRecord;
use phage_flow::Home;
use phage_match::{Prefix, PrefixSet};

use super::config::{ExportConfig, ExporterConfig};
use crate::engine::EngineError;

/// A rate above this is a mistake of an exporter: no router looks at one packet in 16 million.
const MOST: u32 = 1 << 24;

/// What is set for exporters.
pub(super) struct Policy {
    allowed: Option<Home>,
    prefixes: PrefixSet,
    rates: Vec<(u32, bool)>,
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
            rates: config
                .exporters
                .iter()
                .map(|exporter| (exporter.sampling, exporter.force))
                .collect(),
        })
    }

    /// Whether a datagram of this sender is looked at.
    #[inline]
    pub(super) fn admits(&self, address: &[u8; 16]) -> bool {
        self.allowed
            .as_ref()
            .is_none_or(|allowed| allowed.contains(address))
    }

    /// Puts the rate that counts into each record of a datagram: 1 where nobody knows one.
    #[inline]
    pub(super) fn rate(&self, address: &[u8; 16], records: &mut [FlowRecord]) {
        let set = if self.rates.is_empty() {
            None
        } else {
            let number = self.prefixes.lookup(address);
            number.and_then(|number| self.rates.get(number as usize).copied())
        };
        let (rate, force) = set.filter(|(rate, _)| *rate > 0).unwrap_or((1, false));
        for record in records {
            if record.sampling == 0 || force {
                record.sampling = rate;
            }
            record.sampling = record.sampling.min(MOST);
        }
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
    #![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

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
                })
                .collect(),
            ..ExportConfig::default()
        })
        .unwrap()
    }

    fn rated(policy: &Policy, address: &str, told: u32) -> u32 {
        let mut records = [FlowRecord {
            sampling: told,
            ..FlowRecord::default()
        }];
        policy.rate(&mapped(address), &mut records);
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
