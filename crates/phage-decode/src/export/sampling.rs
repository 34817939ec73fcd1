//! How much of the traffic an exporter looks at: from options, samplers and records.

use std::collections::HashMap;

use super::copying::number;
use super::element::SCOPE;
use super::record::FlowRecord;
use super::template::{Template, Values};

/// Samplers, and interfaces with a rate of their own, that are remembered of a domain: a large
/// router has some thousand interfaces.
const MOST: usize = 4_096;

/// What one record tells of sampling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Rate {
    /// One packet in so many.
    pub(super) interval: Option<u32>,
    /// Of this sampler only.
    pub(super) sampler: Option<u32>,
    /// Of this interface only.
    pub(super) interface: Option<u32>,
}

impl Rate {
    /// Reads the elements of one record (RFC 5477, 8.2; RFC 7270 for those of `NetFlow`).
    pub(super) fn read(values: Values<'_>, scopes: usize) -> Self {
        let mut rate = Self::default();
        let (mut spaced, mut population) = ((None, 0), (0, 0));
        for (place, (field, octets)) in values.enumerate() {
            let value = || number(octets);
            match (field.enterprise, field.number) {
                (0, 34 | 50) => rate.interval = rate.interval.or(positive(value())),
                (0, 48 | 302) => rate.sampler = Some(value() as u32),
                (0, 305) => spaced.0 = Some(value()),
                (0, 306) => spaced.1 = value(),
                (0, 311) => rate.interval = rate.interval.or(inverse(octets)),
                (0, 309) => population.0 = value(),
                (0, 310) => population.1 = value(),
                (SCOPE, 2) => rate.interface = positive(value()),
                (0, 10 | 14) if place < scopes => rate.interface = positive(value()),
                _ => {}
            }
        }
        if let Some(interval) = population.1.checked_div(population.0) {
            rate.interval = rate.interval.or(positive(interval));
        }
        if let (None, Some(taken)) = (rate.interval, spaced.0) {
            // Of `taken + left out` packets `taken` are looked at. Routers that send the first
            // alone mean one in so many.
            rate.interval = match (taken, spaced.1) {
                (_, 0) => positive(taken),
                (0, _) => None,
                (taken, out) => positive(taken.saturating_add(out) / taken),
            };
        }
        rate
    }
}

/// One packet in so many, of a probability (RFC 5477, 8.2.7): a number of IEEE 754.
fn inverse(octets: &[u8]) -> Option<u32> {
    let probability = match *octets {
        [a, b, c, d] => f64::from(f32::from_be_bytes([a, b, c, d])),
        _ => f64::from_be_bytes(*octets.first_chunk()?),
    };
    (probability > 0.0 && probability <= 1.0).then(|| (1.0 / probability).round() as u32)
}

fn positive(value: u64) -> Option<u32> {
    (value > 0).then(|| u32::try_from(value).unwrap_or(u32::MAX))
}

/// What is known of the sampling of a domain.
#[derive(Clone, Debug, Default)]
pub(super) struct Sampling {
    samplers: HashMap<u32, u32>,
    interfaces: HashMap<u32, u32>,
    /// One packet in so many, where no sampler or interface tells otherwise; 0 for unknown.
    pub(super) everywhere: u32,
}

impl Sampling {
    /// Takes what an options record tells.
    pub(super) fn learn(&mut self, rate: Rate) {
        let Some(interval) = rate.interval else {
            return;
        };
        let (table, key) = match (rate.sampler, rate.interface) {
            (Some(sampler), _) => (&mut self.samplers, sampler),
            (None, Some(interface)) => (&mut self.interfaces, interface),
            (None, None) => {
                self.everywhere = interval;
                return;
            }
        };
        if table.len() < MOST || table.contains_key(&key) {
            table.insert(key, interval);
        }
    }

    /// What [`Sampling::learn`] would have to be told.
    pub(super) fn rates(&self) -> impl Iterator<Item = Rate> + '_ {
        let everywhere = positive(u64::from(self.everywhere)).map(|interval| Rate {
            interval: Some(interval),
            ..Rate::default()
        });
        let samplers = self.samplers.iter().map(|(sampler, interval)| Rate {
            interval: Some(*interval),
            sampler: Some(*sampler),
            interface: None,
        });
        let interfaces = self.interfaces.iter().map(|(interface, interval)| Rate {
            interval: Some(*interval),
            sampler: None,
            interface: Some(*interface),
        });
        everywhere.into_iter().chain(samplers).chain(interfaces)
    }

    /// Fills in what the records of a set do not tell themselves.
    pub(super) fn fill(&self, template: &Template, rows: &mut [FlowRecord]) {
        let plan = &template.plan;
        let by_sampler = plan.sampler && !self.samplers.is_empty();
        let by_interface = plan.interface && !self.interfaces.is_empty();
        if !by_sampler && !by_interface && self.everywhere == 0 {
            return;
        }
        for row in rows.iter_mut().filter(|row| row.sampling == 0) {
            let sampler = self.samplers.get(&row.sampler).filter(|_| by_sampler);
            let interface = || {
                self.interfaces
                    .get(&row.in_interface)
                    .filter(|_| by_interface)
            };
            row.sampling = *sampler.or_else(interface).unwrap_or(&self.everywhere);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Rate, Sampling};
    use crate::export::template::{Dialect, Field, Template};

    fn rate(fields: &[(u16, u64)]) -> Rate {
        let layout = fields.iter().map(|(number, _)| Field::iana(*number, 8));
        let octets: Vec<u8> = fields
            .iter()
            .flat_map(|(_, value)| value.to_be_bytes())
            .collect();
        Template::new(256, layout.collect(), Some(0), Dialect::Ipfix)
            .map(|template| Rate::read(template.walk(&octets), 0))
            .unwrap_or_default()
    }

    #[test]
    fn intervals_spaces_and_populations() {
        for (fields, interval) in [
            (&[(34, 1_000)][..], Some(1_000)),
            (&[(50, 30_000)], Some(30_000)),
            (&[(305, 1), (306, 9)], Some(10)),
            (&[(305, 2), (306, 998)], Some(500)),
            (&[(305, 512)], Some(512)),
            (&[(309, 1), (310, 256)], Some(256)),
            (&[(34, 0)], None),
            (&[(305, 0), (306, 5)], None),
            (&[(309, 0), (310, 256)], None),
            (&[(310, u64::MAX), (309, 1)], Some(u32::MAX)),
        ] {
            assert_eq!(rate(fields).interval, interval, "{fields:?}");
        }
    }

    #[test]
    fn tables_of_samplers_are_bounded() {
        let mut sampling = Sampling::default();
        for sampler in 0..100_000 {
            sampling.learn(rate(&[(302, sampler), (34, 10)]));
        }
        assert_eq!(sampling.samplers.len(), super::MOST);
        assert_eq!(sampling.everywhere, 0);
    }
}
