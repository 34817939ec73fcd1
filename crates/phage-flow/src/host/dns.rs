//! What devices ask the DNS, and what they are answered.

use std::collections::BTreeMap;

use super::damped::{fast, slow};
use super::{names, HostTable};

/// Questions and answers of the open window, by device.
///
/// Messages are read after the packets of a batch were counted. A device's features take them in
/// when the window closes, so that no score depends on where batches end.
pub(super) type Lookups = BTreeMap<u32, Lookup>;

/// Sums over the questions and answers of one device.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lookup {
    questions: f32,
    length: f32,
    entropy: f32,
    answers: f32,
    failed: f32,
}

impl HostTable {
    /// Notes a DNS question of a device (`query`), or an answer to it (no query), and whether that
    /// answer was NXDOMAIN or SERVFAIL. Its features show it from the next window on.
    pub fn note_dns(&mut self, device: u32, query: Option<&str>, failed: bool) {
        let Some(known) = self.devices.get_mut(device as usize) else {
            return;
        };
        let lookup = self.lookups.entry(device).or_default();
        if let Some(name) = query {
            lookup.questions += 1.0;
            lookup.length += name.len() as f32;
            lookup.entropy += names::entropy(name);
            known.rare.dns_queries += 1;
        } else {
            lookup.answers += 1.0;
        }
        if failed {
            lookup.failed += 1.0;
            known.rare.dns_failures += 1;
        }
    }

    /// Lets the features of devices take in what was noted.
    pub(super) fn take_lookups(&mut self) {
        while let Some((device, lookup)) = self.lookups.pop_first() {
            let Some(device) = self.devices.get_mut(device as usize) else {
                continue;
            };
            device.damped.advance(self.now);
            device.damped.fast[fast::QUESTIONS] += lookup.questions;
            for (place, sum) in [
                (slow::NAMES, lookup.questions),
                (slow::NAME_LENGTH, lookup.length),
                (slow::NAME_ENTROPY, lookup.entropy),
                (slow::ANSWERS, lookup.answers),
                (slow::FAILED_NAMES, lookup.failed),
            ] {
                if let Some(total) = device.damped.slow.get_mut(place) {
                    *total += sum;
                }
            }
        }
    }
}
