//! What one packet does to the hosts at its ends.

use phage_decode::packet::{marks, Packet};
use phage_decode::Keys;

use super::admission::Admission;
use super::damped::slow;
use super::device::{sketches, traits};
use super::memo::{End, Memo};
use super::novelty::{peer_key, service_key, Birth, Service};
use super::remote::Seen;
use super::{features, HostTable};
use crate::flow::{touch, FlowTouch};
use crate::rows::NO_DEVICE;

impl HostTable {
    /// Takes one packet, with its events.
    #[inline]
    pub(super) fn add(
        &mut self,
        packet: &Packet,
        key: &Keys,
        answer: &FlowTouch,
        events: u16,
        row: &mut [f32],
    ) -> u32 {
        let hints = self.recall(answer);
        let src = self.source(packet, key, answer, hints[0]);
        let dst = self.target(packet, key, answer, hints[1]);
        let mut ends = [End::device(src), End::device(dst)];
        if src == NO_DEVICE {
            ends[0] = self.count_remote(hints[0], packet, key, answer, events, false);
        } else {
            self.count_device(src, packet, key, answer, events, false);
        }
        if dst == NO_DEVICE {
            ends[1] = self.count_remote(hints[1], packet, key, answer, events, true);
        } else if dst != src {
            self.count_device(dst, packet, key, answer, events, true);
        }
        if ends != hints {
            self.remember(answer, ends);
        }
        if packet.has(marks::ARP) && src != NO_DEVICE {
            self.note_arp(src, packet, key);
        }
        let subject = if src == NO_DEVICE { dst } else { src };
        if subject == NO_DEVICE {
            row.fill(0.0);
        } else {
            self.describe(subject, subject == src, packet, key, answer, row);
        }
        subject
    }

    /// Where the ends of a packet were found last; begins the memo of a flow, and its half-minute.
    #[inline(always)]
    fn recall(&mut self, answer: &FlowTouch) -> [End; 2] {
        let at = answer.slot as usize;
        if at >= self.memos.len() {
            self.memos.resize(at + 1, Memo::default());
        }
        let Some(memo) = self.memos.get_mut(at) else {
            return [End::NONE; 2];
        };
        if answer.has(touch::FRESH) || memo.id != answer.id as u32 {
            memo.id = answer.id as u32;
            memo.known = 0;
        }
        memo.ends(answer.has(touch::REVERSE))
    }

    /// Notes where the ends of a packet were found.
    fn remember(&mut self, answer: &FlowTouch, [src, dst]: [End; 2]) {
        if let Some(memo) = self.memos.get_mut(answer.slot as usize) {
            memo.ends = if answer.has(touch::REVERSE) {
                [dst, src]
            } else {
                [src, dst]
            };
        }
    }

    /// Counts a packet for an end that is no device; tells where it stands.
    #[inline(always)]
    fn count_remote(
        &mut self,
        hint: End,
        packet: &Packet,
        key: &Keys,
        answer: &FlowTouch,
        events: u16,
        received: bool,
    ) -> End {
        let home = if received { 2 } else { 1 };
        let none = packet.ip_version == 0
            || answer.home & home != 0
            || received && packet.has(marks::GROUP);
        if none {
            return End::NONE;
        }
        let (own, peer) = ends(key, received);
        let slot = self.remotes.count(
            &Seen {
                packet,
                answer,
                events,
                received,
                address: if received { &packet.dst } else { &packet.src },
                key: own,
                peer,
                now: self.now,
                second: self.second,
                half: self.half,
            },
            hint.as_remote(),
        );
        slot.map_or(End::NONE, End::remote)
    }

    /// Counts a packet for a device at one of its ends.
    #[inline(always)]
    fn count_device(
        &mut self,
        slot: u32,
        packet: &Packet,
        key: &Keys,
        answer: &FlowTouch,
        events: u16,
        received: bool,
    ) {
        let Some(device) = self.devices.get_mut(slot as usize) else {
            return;
        };
        device.advance(self.now, self.second);
        device.count(packet, answer, events, received);
        if !device.is(traits::LISTED) {
            device.traits |= traits::LISTED;
            self.listed.push(slot);
        }
        let ripe = !received && Admission::is_ripe(device);
        if answer.has(touch::FRESH) && packet.ip_version != 0 {
            let (own, peer) = ends(key, received);
            self.note_contact(slot, packet, answer, own, peer, received);
        }
        if ripe {
            self.admission.know(slot, self.now, &mut self.devices);
        }
    }

    /// Notes whom a device has to do with, once in a half-minute for each flow.
    fn note_contact(
        &mut self,
        slot: u32,
        packet: &Packet,
        answer: &FlowTouch,
        own: u64,
        peer: u64,
        received: bool,
    ) {
        let port = u64::from(answer.server_port) << 8 | u64::from(packet.protocol);
        // The initiator contacts, the responder is contacted; a group is no peer.
        if received != answer.has(touch::REVERSE) {
            let port = self.secret.hash(port, own, 0);
            self.contacts(slot, sketches::PEERS_IN, peer);
            self.contacts(slot, sketches::PORTS_IN, port);
        } else if !packet.has(marks::GROUP) {
            let endpoint = phage_decode::keys::fold(peer | 1, port << 32 | 0x9e37_79b9);
            self.contacts(slot, sketches::PEERS_OUT, peer);
            self.contacts(slot, sketches::ENDPOINTS_OUT, endpoint);
        }
    }

    /// Notes something distinct in one of a device's sketches.
    #[inline(always)]
    fn contacts(&mut self, slot: u32, which: usize, hash: u64) {
        let (Some(device), Some(bitmaps)) = (
            self.devices.get_mut(slot as usize),
            self.bitmaps.get_mut(slot as usize),
        ) else {
            return;
        };
        if let (Some(sketch), Some(bitmaps)) =
            (device.sketches.get_mut(which), bitmaps.get_mut(which))
        {
            sketch.insert(bitmaps, hash, self.half);
        }
    }

    /// What ARP says of its sender: whom it looks for, and whether it claims what others hold.
    fn note_arp(&mut self, slot: u32, packet: &Packet, key: &Keys) {
        if packet.dst_port == 1 && packet.src != packet.dst {
            self.contacts(slot, sketches::ARP_TARGETS, key.dst);
        }
        let sender = u128::from_be_bytes(packet.src);
        // A probe (RFC 5227) claims nothing.
        if sender == 0 || sender == 0xffff_0000_0000 {
            return;
        }
        let place = self.secret.hash(key.src, u64::from(packet.vlan), 0);
        if self.neighbours.claim(place, packet.src_mac, self.second) {
            if let Some(device) = self.devices.get_mut(slot as usize) {
                device.damped.slow[slow::MISMATCHES] += 1.0;
            }
        }
    }

    /// Writes the behaviour features of the subject.
    #[inline]
    fn describe(
        &mut self,
        slot: u32,
        sent: bool,
        packet: &Packet,
        key: &Keys,
        answer: &FlowTouch,
        row: &mut [f32],
    ) {
        let Some(device) = self.devices.get_mut(slot as usize) else {
            return;
        };
        let (peer, peer_home) = if sent {
            (key.dst, answer.home & 2 != 0)
        } else {
            (key.src, answer.home & 1 != 0)
        };
        let serves = sent == answer.has(touch::REVERSE);
        let Some(memo) = self.memos.get_mut(answer.slot as usize) else {
            return;
        };
        let [initiator, responder] = &mut memo.births;
        let births = if serves { responder } else { initiator };
        let bit = 1 << u32::from(serves);
        if memo.known & bit == 0 {
            memo.known |= bit;
            // A group is no peer; a frame without IP has one only by its MAC: that is ARP's matter.
            births[0] = Birth::EVER;
            if packet.ip_version != 0 && !(sent && packet.has(marks::GROUP)) {
                let relation = peer_key(&self.secret, device.key, peer);
                let (birth, first) = self.relations.see(relation, self.second, &self.newness);
                births[0] = birth;
                if first && sent && !serves {
                    device.rare.new_peers += 1;
                    device.damped.slow[slow::NEW_PEERS] += 1.0;
                }
            }
            let service = Service::of(packet, answer, sent, peer_home);
            let service = service_key(&self.secret, device.key, service);
            births[1] = self.relations.see(service, self.second, &self.newness).0;
        }
        let mut novelty = births.map(|birth| self.newness.relation(birth, self.second));
        if !peer_home {
            novelty[0] *= 0.5;
        }
        let [of_peer, of_service] = novelty;
        let of_device = self.newness.device(device.birth, self.second);
        let distinct = device
            .sketches
            .map(|sketch| sketch.estimate(&self.estimates, self.half, self.left));
        let novelty = [of_peer, of_service, of_device];
        features::write(device, &distinct, novelty, packet.length, row);
    }
}

/// Hashes of the addresses of an end and of the other one.
#[inline(always)]
fn ends(key: &Keys, received: bool) -> (u64, u64) {
    if received {
        (key.dst, key.src)
    } else {
        (key.src, key.dst)
    }
}
