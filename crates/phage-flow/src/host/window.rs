//! From hosts to the rows of a window.

use phage_memory::prefetch;

use super::device::{sketches, traits};
use super::HostTable;
use crate::rows::{HostRow, NO_DEVICE};

/// Rows of devices that gave way since the last window.
const RETIRED: usize = 1024;

/// Hosts ahead that are asked for: all that were active in a window are more than a cache holds.
const AHEAD: usize = 6;

impl HostTable {
    /// Empties the slot of a device that gives way; its row is kept for the window.
    pub(super) fn retire(&mut self, slot: u32) {
        let Some(device) = self.devices.get_mut(slot as usize) else {
            return;
        };
        if device.has_news() {
            if self.retired.len() < RETIRED {
                self.retired.push(device.take_row(NO_DEVICE));
            } else {
                self.counters.rows_omitted += 1;
            }
        }
        self.index.remove(device.key, slot);
        self.counters.devices_evicted += 1;
    }

    /// Appends the rows of hosts that were active since the last call: devices, then remote hosts
    /// that did more than answer (four flows begun, SYNs, resets, echo requests or handshakes given
    /// up in the window, or four endpoints contacted in the last minute).
    ///
    /// A handshake counts as unanswered in the window in which its three seconds are over.
    pub fn window(&mut self, rows: &mut Vec<HostRow>) {
        self.take_lookups();
        let mut room = self.rows;
        let mut waiting = 0;
        rows.reserve(room.min(self.listed.len()));
        for place in 0..self.listed.len() {
            if let Some(&ahead) = self.listed.get(place + AHEAD) {
                prefetch(&self.devices, ahead as usize);
            }
            let Some(&slot) = self.listed.get(place) else {
                break;
            };
            let Some(device) = self.devices.get_mut(slot as usize) else {
                continue;
            };
            device.advance(self.now, self.second);
            if device.has_news() {
                if room > 0 {
                    room -= 1;
                    let distinct = device
                        .sketches
                        .map(|sketch| sketch.estimate(&self.estimates, self.half, self.left));
                    let mut row = device.take_row(slot);
                    row.peers = [distinct[sketches::PEERS_OUT], distinct[sketches::PEERS_IN]];
                    row.ports = [
                        distinct[sketches::ENDPOINTS_OUT],
                        distinct[sketches::PORTS_IN],
                    ];
                    rows.push(row);
                } else {
                    device.clear();
                    self.counters.rows_omitted += 1;
                }
            }
            if device.pending.is_waiting() {
                if let Some(kept) = self.listed.get_mut(waiting) {
                    *kept = slot;
                }
                waiting += 1;
            } else {
                device.traits &= !traits::LISTED;
            }
        }
        self.listed.truncate(waiting);
        for row in self.retired.drain(..) {
            if room > 0 {
                room -= 1;
                rows.push(row);
            } else {
                self.counters.rows_omitted += 1;
            }
        }
        self.remotes.window(self.second, self.half, room, rows);
        self.settle();
    }

    /// Goes one step towards huge pages.
    fn settle(&mut self) {
        let [devices, bitmaps, memos] = &mut self.pages;
        devices.settle(&self.devices);
        bitmaps.settle(&self.bitmaps);
        memos.settle(&self.memos);
        self.index.settle();
        self.relations.settle();
        self.remotes.settle();
    }
}
