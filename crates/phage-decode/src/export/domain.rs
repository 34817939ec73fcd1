//! Exporters: what is known of each observation domain, in a table that is bounded.

use std::collections::HashMap;
use std::sync::Arc;

use super::fault::{ExportFault, Faults};
use super::sampling::Sampling;
use super::template::Template;

/// Ports of one exporter whose templates of one number are kept apart. An exporter whose port
/// changes has its latest template used until it sends the template again.
const MOST_PORTS: usize = 4;

/// Domains that are looked at to find the least valuable one.
const CANDIDATES: usize = 16;

/// Whose datagram it is: address, observation domain, and what tells versions apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) address: [u8; 16],
    pub(super) domain: u32,
    pub(super) version: u8,
}

/// What is counted for each domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DomainCounters {
    /// Datagrams.
    pub datagrams: u64,
    /// Their octets.
    pub octets: u64,
    /// Flow records and sampled packets.
    pub records: u64,
    /// Options records, and samples of counters.
    pub options: u64,
    /// Templates that were learnt or changed.
    pub templates: u64,
    /// Templates that were withdrawn.
    pub withdrawn: u64,
    /// Sets that came before their template.
    pub early: u64,
    /// Datagrams or records, as the version counts them, that the sequence numbers miss.
    pub lost: u64,
    /// Datagrams that came after a later one.
    pub reordered: u64,
    /// Times that the exporter began anew.
    pub restarts: u64,
    /// Fields of templates that have no name here.
    pub unknown_elements: u64,
    /// Records of which another exporter had told all.
    pub duplicates: u64,
    /// Packets that another exporter had told of, of these and of others.
    pub duplicate_packets: u64,
    /// What was malformed.
    pub faults: Faults,
}

/// One observation domain of an exporter.
#[derive(Debug)]
pub(super) struct Domain {
    pub(super) key: Key,
    /// Number of the domain since the start, from 1.
    pub(super) serial: u32,
    templates: HashMap<u16, Vec<(u16, Arc<Template>)>>,
    pub(super) weight: usize,
    pub(super) sampling: Sampling,
    /// When the exporter started, milliseconds since the Unix epoch, where options told.
    pub(super) boot: Option<i64>,
    pub(super) waiting: usize,
    pub(super) counters: DomainCounters,
    /// When it was last heard, nanoseconds since the Unix epoch.
    pub(super) heard: i64,
    /// How far its clock was behind the time of arrival, nanoseconds; sFlow has none.
    pub(super) drift: i64,
    /// The sequence number of the last datagram, and the one that is due.
    previous: Option<u32>,
    next: Option<u32>,
    uptime: u32,
}

impl Domain {
    fn new(key: Key, serial: u32) -> Self {
        Self {
            key,
            serial,
            templates: HashMap::new(),
            weight: 0,
            sampling: Sampling::default(),
            boot: None,
            waiting: 0,
            counters: DomainCounters::default(),
            heard: 0,
            drift: 0,
            previous: None,
            next: None,
            uptime: 0,
        }
    }

    pub(super) fn fault(&mut self, fault: ExportFault) {
        self.counters.faults.count(fault);
    }

    /// The template of a number that was sent from this port, else from another one.
    pub(super) fn template(&self, id: u16, port: u16) -> Option<&Arc<Template>> {
        let known = self.templates.get(&id)?;
        let own = known.iter().find(|(from, _)| *from == port);
        own.or_else(|| known.last()).map(|(_, template)| template)
    }

    /// Every template, with the port that it came from.
    pub(super) fn templates(&self) -> impl Iterator<Item = (u16, &Template)> {
        let all = self.templates.values().flatten();
        all.map(|(port, template)| (*port, template.as_ref()))
    }

    /// Takes a template; answers how much heavier the domain became.
    pub(super) fn learn(&mut self, port: u16, template: Template) -> isize {
        let known = self.templates.entry(template.id).or_default();
        let before: usize = known.iter().map(|(_, template)| template.weight()).sum();
        let place = known.iter().position(|(from, _)| *from == port);
        if place.is_some_and(|place| known.get(place).is_some_and(|(_, old)| old.same(&template))) {
            return 0;
        }
        self.counters.templates += 1;
        self.counters.unknown_elements += template.plan.unknown;
        if let Some(place) = place {
            known.remove(place);
        } else if known.len() >= MOST_PORTS {
            known.remove(0);
        }
        known.push((port, Arc::new(template)));
        let after: usize = known.iter().map(|(_, template)| template.weight()).sum();
        self.weight = self.weight + after - before;
        after as isize - before as isize
    }

    /// Forgets a template, or all of a kind where the number is a set's; answers how much lighter
    /// the domain became.
    pub(super) fn withdraw(&mut self, id: u16, port: u16) -> usize {
        let before = self.weight;
        let all = match id {
            2 => Some(false),
            3 => Some(true),
            _ => None,
        };
        let count =
            |templates: &HashMap<u16, Vec<_>>| templates.values().map(Vec::len).sum::<usize>();
        let held = count(&self.templates);
        self.templates.retain(|number, known| {
            known.retain(|(from, template)| {
                *from != port || all.map_or(*number != id, |options| template.options != options)
            });
            !known.is_empty()
        });
        self.counters.withdrawn += (held - count(&self.templates)) as u64;
        self.weight = self
            .templates
            .values()
            .flatten()
            .map(|(_, template)| template.weight())
            .sum();
        before - self.weight
    }

    /// Compares a sequence number with the one that was due; `units` is what this datagram adds,
    /// unknown where a part of it could not be read.
    pub(super) fn sequence(&mut self, sequence: u32, uptime: Option<u32>, units: Option<u32>) {
        /// Milliseconds that uptimes of datagrams that overtook one another may differ.
        const LATE: u32 = 60_000;
        let restarted = uptime.is_some_and(|uptime| {
            uptime < self.uptime.saturating_sub(LATE) && self.uptime < u32::MAX - LATE
        });
        let before = units.map(|units| sequence.wrapping_sub(units));
        let gap = if uptime.is_none() && before.is_some() && before == self.previous {
            // Some (softflowd's IPFIX) count the records of the message itself.
            0
        } else {
            self.next.map_or(0, |due| sequence.wrapping_sub(due))
        };
        let late = gap > u32::MAX / 2;
        if restarted {
            self.counters.restarts += 1;
        } else if late && uptime.is_none() && is_beginning(sequence, gap) {
            // Without an uptime, a number that falls far back is a new beginning.
            self.counters.restarts += 1;
        } else if late {
            self.counters.reordered += 1;
            return;
        } else {
            self.counters.lost += u64::from(gap);
        }
        self.uptime = uptime.unwrap_or(0);
        self.previous = Some(sequence);
        self.next = units.map(|units| sequence.wrapping_add(units));
    }
}

/// Whether a sequence number that is behind by so many begins anew: zero, or so far behind that no
/// message is on its way for so long.
fn is_beginning(sequence: u32, gap: u32) -> bool {
    const FAR: u32 = 10_000;
    let behind = gap.wrapping_neg();
    sequence == 0 || behind > FAR && sequence < behind
}

/// The domains that are known.
#[derive(Debug)]
pub(super) struct Domains {
    slots: Vec<Domain>,
    places: HashMap<Key, usize>,
    limit: usize,
    hand: usize,
    serials: u32,
    /// Of all templates.
    pub(super) weight: usize,
    /// Domains that were forgotten to make room.
    pub(super) forgotten: u64,
}

impl Domains {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            slots: Vec::new(),
            places: HashMap::new(),
            limit: limit.max(1),
            hand: 0,
            serials: 0,
            weight: 0,
            forgotten: 0,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Domain> {
        self.slots.iter()
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut Domain> {
        self.slots.get_mut(place)
    }

    /// The place of a domain, which is made if it is not known.
    pub(super) fn place(&mut self, key: Key) -> usize {
        if let Some(place) = self.places.get(&key) {
            return *place;
        }
        self.serials = self.serials.wrapping_add(1);
        let domain = Domain::new(key, self.serials);
        let place = if self.slots.len() < self.limit {
            self.slots.push(domain);
            self.slots.len() - 1
        } else {
            let place = self.least(None);
            self.forgotten += 1;
            if let Some(slot) = self.slots.get_mut(place) {
                self.weight -= slot.weight;
                self.places.remove(&slot.key);
                *slot = domain;
            }
            place
        };
        self.places.insert(key, place);
        place
    }

    /// Takes the templates from the least valuable of the next few domains, but this one's.
    pub(super) fn relieve(&mut self, but: usize) {
        let place = self.least(Some(but));
        if let Some(slot) = self.slots.get_mut(place).filter(|_| place != but) {
            self.weight -= std::mem::take(&mut slot.weight);
            slot.templates.clear();
        }
    }

    /// Of the next few domains the one that gave fewest records, and of these the one that was
    /// silent longest: who only sends templates never drives out who sends flows.
    fn least(&mut self, but: Option<usize>) -> usize {
        let count = self.slots.len();
        let from = self.hand;
        self.hand = (from + CANDIDATES) % count.max(1);
        (from..from + CANDIDATES.min(count))
            .map(|place| place % count)
            .filter(|place| Some(*place) != but)
            .min_by_key(|place| {
                self.slots.get(*place).map(|slot| {
                    let empty = but.is_some() && slot.weight == 0;
                    (empty, slot.counters.records > 0, slot.heard)
                })
            })
            .unwrap_or(0)
    }
}
