//! The most surprising packet of each device in the open window.

use phage_decode::Packet;

use crate::device::{Identity, INPUTS};
use crate::rows::ScoreRow;
use crate::DAMPED;

/// Feature rows are copied, and explained, from this surprise on: one packet in a hundred.
pub(super) const EXPLAINED_FROM: f32 = 2.0;
/// Devices with an entry in one window.
const MOST: usize = 4097;

/// What a window says of one device.
#[derive(Clone, Debug)]
pub(super) struct Peak {
    pub(super) device: u32,
    pub(super) profile: u32,
    pub(super) row: ScoreRow,
    /// Whether the feature rows below belong to the most surprising packet.
    pub(super) explained: bool,
    pub(super) behaviour: [f32; INPUTS],
    pub(super) damped: [f32; DAMPED],
}

/// Entries of the open window, found by the device's index.
#[derive(Debug, Default)]
pub(super) struct Peaks {
    entries: Vec<Peak>,
    used: usize,
    /// Index of the entry of each device plus one; 0 for none.
    places: Vec<u16>,
}

/// A scored packet.
pub(super) struct Scored<'a> {
    pub(super) device: u32,
    pub(super) profile: u32,
    pub(super) number: u64,
    pub(super) packet: &'a Packet,
    pub(super) surprise: f32,
    pub(super) network: f32,
    pub(super) own: f32,
    pub(super) behaviour: &'a [f32; INPUTS],
    pub(super) damped: &'a [f32],
}

impl Peaks {
    /// Adds a packet; `place` is the device's index, or one past the last for no device.
    #[inline]
    pub(super) fn add(&mut self, place: usize, scored: &Scored<'_>) {
        if place >= self.places.len() {
            if place >= MOST {
                return;
            }
            self.places.resize(place + 1, 0);
        }
        let Some(entry) = self.places.get_mut(place) else {
            return;
        };
        if *entry == 0 {
            if self.used == self.entries.len() {
                self.entries.push(Peak {
                    device: 0,
                    profile: 0,
                    row: ScoreRow::default(),
                    explained: false,
                    behaviour: [0.0; INPUTS],
                    damped: [0.0; DAMPED],
                });
            }
            self.used += 1;
            *entry = self.used as u16;
            if let Some(peak) = self.entries.get_mut(self.used - 1) {
                peak.device = scored.device;
                peak.row = ScoreRow {
                    surprise: -1.0,
                    ..ScoreRow::default()
                };
            }
        }
        let Some(peak) = self.entries.get_mut(usize::from(*entry) - 1) else {
            return;
        };
        peak.row.packets += 1;
        peak.row.surprising += u32::from(scored.surprise >= super::watch::SURPRISING);
        peak.row.total += scored.surprise;
        if scored.surprise > peak.row.surprise {
            peak.take(scored);
        }
    }

    /// The entries of the window; the next one is empty.
    pub(super) fn take(&mut self) -> &mut [Peak] {
        self.places.fill(0);
        let used = std::mem::take(&mut self.used);
        // A window with many devices must not hold its memory for ever.
        self.entries.truncate(used.max(64));
        self.entries.shrink_to(used.max(64) * 2);
        self.entries.get_mut(..used).unwrap_or(&mut [])
    }
}

impl Peak {
    fn take(&mut self, scored: &Scored<'_>) {
        let packet = scored.packet;
        let row = &mut self.row;
        row.packet = scored.number;
        row.time = packet.time;
        row.src = packet.src;
        row.dst = packet.dst;
        row.src_mac = packet.src_mac;
        row.dst_mac = packet.dst_mac;
        row.length = packet.length;
        row.surprise = scored.surprise;
        row.network = scored.network;
        row.own = scored.own;
        row.src_port = packet.src_port;
        row.dst_port = packet.dst_port;
        row.vlan = packet.vlan;
        row.protocol = packet.protocol;
        self.profile = scored.profile;
        self.explained = scored.surprise > EXPLAINED_FROM;
        if self.explained {
            self.behaviour = *scored.behaviour;
            for (to, from) in self.damped.iter_mut().zip(scored.damped) {
                *to = *from;
            }
        }
    }

    /// Fills in who the device is.
    pub(super) fn identify(&mut self, identity: &Identity, mature: bool) {
        self.row.device = self.device;
        self.row.device_mac = identity.mac;
        self.row.device_address = identity.address;
        self.row.mature = u8::from(mature);
    }
}
