//! The most surprising packet of each device in the open window.

use phage_decode::Packet;
use phage_memory::prefetch_within;

use super::watch::SURPRISING;
use crate::device::INPUTS;
use crate::rows::ScoreRow;
use crate::DAMPED_STRIDE;

/// Feature rows are copied, and explained, from this surprise on: one packet in a hundred.
pub(super) const EXPLAINED_FROM: f32 = 2.0;
/// Devices with an entry in one window.
const MOST: usize = 4097;
/// Feature rows of nobody.
const NOTHING: u32 = u32::MAX;

/// What a window says of one device: two cache lines, for every packet comes by here.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Peak {
    packets: u32,
    surprising: u32,
    total: f32,
    pub(super) surprise: f32,
    pub(super) network: f32,
    pub(super) own: f32,
    pub(super) device: u32,
    pub(super) profile: u32,
    /// Where the feature rows of the most surprising packet are; [`NOTHING`] if it was not so much.
    features: u32,
    length: u32,
    number: u64,
    time: i64,
    src_mac: u64,
    dst_mac: u64,
    src: [u8; 16],
    dst: [u8; 16],
    src_port: u16,
    dst_port: u16,
    vlan: u16,
    protocol: u8,
    /// Whether the device's own ensemble spoke of its last packet.
    pub(super) mature: bool,
}

const _: () = assert!(size_of::<Peak>() == 128);

/// Features of a packet that has to be explained.
#[derive(Clone, Debug)]
pub(super) struct FeatureRows {
    pub(super) behaviour: [f32; INPUTS],
    pub(super) damped: [f32; DAMPED_STRIDE],
}

/// Entries of the open window, found by the device's index.
#[derive(Debug, Default)]
pub(super) struct Peaks {
    entries: Vec<Peak>,
    features: Vec<FeatureRows>,
    /// Index of the entry of each device plus one; 0 for none.
    places: Vec<u16>,
}

/// A scored packet.
pub(super) struct Scored<'a> {
    pub(super) device: u32,
    pub(super) profile: u32,
    pub(super) mature: bool,
    pub(super) number: u64,
    pub(super) packet: &'a Packet,
    pub(super) surprise: f32,
    pub(super) network: f32,
    pub(super) own: f32,
    pub(super) behaviour: &'a [f32; INPUTS],
    pub(super) damped: &'a [f32; DAMPED_STRIDE],
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
            self.entries.push(Peak::new(scored.device));
            *entry = self.entries.len() as u16;
        }
        let Some(peak) = self.entries.get_mut(usize::from(*entry) - 1) else {
            return;
        };
        peak.packets += 1;
        peak.surprising += u32::from(scored.surprise >= SURPRISING);
        peak.total += scored.surprise;
        peak.mature = scored.mature;
        if scored.surprise > peak.surprise {
            peak.take(scored, &mut self.features);
        }
    }

    /// Asks for the line that [`Peaks::add`] changes for a device.
    #[inline(always)]
    pub(super) fn fetch(&self, place: usize) {
        let entry = self
            .places
            .get(place)
            .map_or(0, |&entry| usize::from(entry));
        if let Some(peak) = self.entries.get(entry.wrapping_sub(1)) {
            prefetch_within(peak, 0);
        }
    }

    /// The entries of the window.
    pub(super) fn entries(&self) -> &[Peak] {
        &self.entries
    }

    /// The features of an entry's packet, if it has to be explained.
    pub(super) fn features(&self, peak: &Peak) -> Option<&FeatureRows> {
        self.features.get(peak.features as usize)
    }

    /// Begins another window.
    pub(super) fn clear(&mut self) {
        self.places.fill(0);
        // A window with many devices must not hold its memory for ever.
        self.entries.shrink_to(self.entries.len().max(64) * 2);
        self.entries.clear();
        self.features.shrink_to(self.features.len().max(64) * 2);
        self.features.clear();
    }
}

impl Peak {
    fn new(device: u32) -> Self {
        Self {
            packets: 0,
            surprising: 0,
            total: 0.0,
            surprise: -1.0,
            network: 0.0,
            own: 0.0,
            device,
            profile: 0,
            features: NOTHING,
            length: 0,
            number: 0,
            time: 0,
            src_mac: 0,
            dst_mac: 0,
            src: [0; 16],
            dst: [0; 16],
            src_port: 0,
            dst_port: 0,
            vlan: 0,
            protocol: 0,
            mature: false,
        }
    }

    #[inline]
    fn take(&mut self, scored: &Scored<'_>, features: &mut Vec<FeatureRows>) {
        let packet = scored.packet;
        *self = Self {
            packets: self.packets,
            surprising: self.surprising,
            total: self.total,
            surprise: scored.surprise,
            network: scored.network,
            own: scored.own,
            device: self.device,
            profile: scored.profile,
            features: self.features,
            length: packet.length,
            number: scored.number,
            time: packet.time,
            src_mac: packet.src_mac,
            dst_mac: packet.dst_mac,
            src: packet.src,
            dst: packet.dst,
            src_port: packet.src_port,
            dst_port: packet.dst_port,
            vlan: packet.vlan,
            protocol: packet.protocol,
            mature: self.mature,
        };
        if scored.surprise > EXPLAINED_FROM {
            self.copy_features(scored, features);
        }
    }

    #[cold]
    fn copy_features(&mut self, scored: &Scored<'_>, features: &mut Vec<FeatureRows>) {
        let rows = FeatureRows {
            behaviour: *scored.behaviour,
            damped: *scored.damped,
        };
        if let Some(place) = features.get_mut(self.features as usize) {
            *place = rows;
        } else {
            self.features = features.len() as u32;
            features.push(rows);
        }
    }

    /// The row of the window, without an explanation and without the device's identity.
    #[inline]
    pub(super) fn row(&self) -> ScoreRow {
        ScoreRow {
            packet: self.number,
            time: self.time,
            src: self.src,
            dst: self.dst,
            src_mac: self.src_mac,
            dst_mac: self.dst_mac,
            device: self.device,
            packets: self.packets,
            surprising: self.surprising,
            length: self.length,
            surprise: self.surprise,
            total: self.total,
            network: self.network,
            own: self.own,
            src_port: self.src_port,
            dst_port: self.dst_port,
            vlan: self.vlan,
            protocol: self.protocol,
            ..ScoreRow::default()
        }
    }
}
