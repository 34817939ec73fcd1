//! Which device a packet is of.
//!
//! A host on the link is known by its MAC. A MAC that carries more than 16 IPv4 addresses at home,
//! a remote IPv4 source, or more than four remote IPv6 networks, is a router: the devices behind it
//! are known by their addresses, the router itself by the address it sent from or spoke ARP for first.
//! Remote IPv6 sources count for the MAC until then, for a home's own global prefix is rarely among
//! the own networks. Frames without IP count for the MAC. A packet from a remote address makes no
//! device of its source; a destination at home becomes one by its MAC.

use phage_decode::packet::{marks, Packet};
use phage_decode::{Keys, Secret};

use super::admission::Place;
use super::device::{traits, Device};
use super::memo::End;
use super::{HostTable, Station};
use crate::flow::FlowTouch;
use crate::rows::NO_DEVICE;

/// IPv4 addresses at home that a host may have before it is taken for a router.
const ADDRESSES: usize = 16;
/// Remote IPv6 networks (/64) that a host may have: its own prefix, a second one, and the last of
/// each after renumbering.
const NETWORKS: usize = 4;

/// An address of which parts are asked.
#[derive(Clone, Copy)]
struct Address {
    value: u128,
    hash: u64,
    home: bool,
}

impl Address {
    fn is_v4(self) -> bool {
        self.value >> 32 == 0xffff
    }

    /// Part of the hash of its IPv6 network, never 0.
    fn network(self, secret: &Secret) -> u32 {
        secret.hash((self.value >> 64) as u64, 64, 4) as u32 | 1
    }

    /// `0.0.0.0` or `::`, or no address at all: a neighbour that has none yet.
    fn is_unspecified(self) -> bool {
        self.value == 0 || self.value == 0xffff_0000_0000
    }
}

/// As what a packet names an address.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Source,
    /// The destination of a packet from a remote host.
    Subject,
    /// The destination of a packet from a neighbour.
    Target,
}

/// Addresses that a MAC was seen with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Addresses {
    /// The router's own address.
    own: [u8; 16],
    home: [u32; ADDRESSES],
    home_count: usize,
    networks: [u32; NETWORKS],
    network_count: usize,
}

impl Addresses {
    /// Notes a value in a list; false when it is new and the list is full.
    fn note(list: &mut [u32], count: &mut usize, value: u32) -> bool {
        let used = list.get(..*count).unwrap_or(&[]);
        if used.contains(&value) {
            return true;
        }
        match list.get_mut(*count) {
            Some(place) => {
                *place = value;
                *count += 1;
                true
            }
            None => false,
        }
    }
}

/// The key of a device known by its MAC.
#[inline]
pub(super) fn mac_key(secret: &Secret, mac: u64) -> u64 {
    secret.hash(mac, 0x006d_6163, 1)
}

/// The key of a device known by its address.
#[inline]
fn address_key(secret: &Secret, hash: u64, vlan: u16) -> u64 {
    secret.hash(hash, u64::from(vlan) | 1 << 32, 2)
}

impl HostTable {
    /// The device that sent a packet, most likely the one at `hint`; made if it may be.
    #[inline]
    pub(super) fn source(
        &mut self,
        packet: &Packet,
        key: &Keys,
        answer: &FlowTouch,
        hint: End,
    ) -> u32 {
        let address = Address {
            value: u128::from_be_bytes(packet.src),
            hash: key.src,
            home: answer.home & 1 != 0,
        };
        let home = address.home || address.is_unspecified();
        if packet.src_mac == 0 {
            return if address.home && !address.is_unspecified() {
                self.by_address(packet, &packet.src, address.hash, hint, true)
            } else {
                NO_DEVICE
            };
        }
        let slot = match self.find_mac(packet.src_mac, hint) {
            Some(slot) => slot,
            None if home => self.admit_mac(packet, packet.src_mac),
            None => NO_DEVICE,
        };
        if slot == NO_DEVICE || address.is_unspecified() {
            return slot;
        }
        if packet.has(marks::ARP) {
            self.speaks_for(slot, &packet.src);
            return slot;
        }
        if !address.home {
            self.router = slot;
        }
        self.behind(slot, packet, &packet.src, address, hint, Role::Source)
    }

    /// The device that a packet goes to. A MAC at home that was never heard becomes one; an address
    /// behind a router only if it would be the subject: if the source is remote.
    #[inline]
    pub(super) fn target(
        &mut self,
        packet: &Packet,
        key: &Keys,
        answer: &FlowTouch,
        hint: End,
    ) -> u32 {
        if packet.has(marks::GROUP) {
            return NO_DEVICE;
        }
        let address = Address {
            value: u128::from_be_bytes(packet.dst),
            hash: key.dst,
            home: answer.home & 2 != 0,
        };
        let at_home = address.home && !address.is_unspecified();
        let role = if answer.home & 1 == 0 {
            Role::Subject
        } else {
            Role::Target
        };
        if packet.dst_mac == 0 {
            return if at_home {
                let make = role == Role::Subject;
                self.by_address(packet, &packet.dst, address.hash, hint, make)
            } else {
                NO_DEVICE
            };
        }
        if !at_home && address.is_v4() && !address.is_unspecified() && !packet.has(marks::ARP) {
            // Towards the world: the MAC is the gateway's, and that is no news of it.
            return NO_DEVICE;
        }
        let slot = match self.find_mac(packet.dst_mac, hint) {
            Some(slot) => slot,
            None if at_home && !packet.has(marks::ARP) => self.admit_mac(packet, packet.dst_mac),
            None => NO_DEVICE,
        };
        if slot == NO_DEVICE || address.is_unspecified() || packet.has(marks::ARP) {
            return slot;
        }
        if at_home {
            self.behind(slot, packet, &packet.dst, address, hint, role)
        } else if self.is_own_network(slot, address) {
            slot
        } else {
            self.router = slot;
            NO_DEVICE
        }
    }

    /// The device with an address that a MAC carries: the MAC's own, or one behind it.
    #[inline]
    fn behind(
        &mut self,
        slot: u32,
        packet: &Packet,
        bytes: &[u8; 16],
        address: Address,
        hint: End,
        role: Role,
    ) -> u32 {
        let (Some(device), Some(station)) = (
            self.devices.get_mut(slot as usize),
            self.stations.get_mut(slot as usize),
        ) else {
            return NO_DEVICE;
        };
        if !device.is(traits::SPOKE) && role == Role::Source && address.home {
            device.traits |= traits::SPOKE;
            station.addresses.own = *bytes;
        }
        let carried = (address.hash >> 32) as u32 | 1;
        if device.carried != carried && !device.is(traits::ROUTER) {
            device.carried = carried;
            Self::carry(device, station, address, &self.secret);
        }
        if !device.is(traits::ROUTER) {
            // A remote IPv6 source is the host's own global address, as long as it is no router.
            if address.home {
                device.address = *bytes;
            }
            return slot;
        }
        if !address.home {
            NO_DEVICE
        } else if station.addresses.own == *bytes {
            slot
        } else {
            self.by_address(packet, bytes, address.hash, hint, role != Role::Target)
        }
    }

    /// Whether a remote address, one of IPv6, lies in a network from which a host that is no router sends.
    fn is_own_network(&self, slot: u32, address: Address) -> bool {
        let (Some(device), Some(station)) = (
            self.devices.get(slot as usize),
            self.stations.get(slot as usize),
        ) else {
            return false;
        };
        !device.is(traits::ROUTER)
            && station
                .addresses
                .networks
                .contains(&address.network(&self.secret))
    }

    /// Notes an address that a MAC carries, and whether that makes it a router.
    fn carry(device: &mut Device, station: &mut Station, address: Address, secret: &Secret) {
        let list = &mut station.addresses;
        let fits = match (address.home, address.is_v4()) {
            (true, true) => Addresses::note(
                &mut list.home,
                &mut list.home_count,
                (address.hash >> 32) as u32,
            ),
            (true, false) => true,
            (false, true) => false,
            (false, false) => Addresses::note(
                &mut list.networks,
                &mut list.network_count,
                address.network(secret),
            ),
        };
        if !fits {
            device.traits |= traits::ROUTER;
            device.address = list.own;
        }
    }

    /// The address that a MAC speaks ARP for is its own, if it had none yet.
    fn speaks_for(&mut self, slot: u32, bytes: &[u8; 16]) {
        if let (Some(device), Some(station)) = (
            self.devices.get_mut(slot as usize),
            self.stations.get_mut(slot as usize),
        ) {
            if !device.is(traits::SPOKE) {
                device.traits |= traits::SPOKE;
                station.addresses.own = *bytes;
                device.address = *bytes;
            }
        }
    }

    /// The device known by a MAC that is not 0.
    #[inline]
    fn find_mac(&self, mac: u64, hint: End) -> Option<u32> {
        let devices = &self.devices;
        let is = |slot: u32| {
            let device = devices.get(slot as usize);
            device.is_some_and(|device| device.mac == mac)
        };
        for slot in [hint.as_device(), self.router] {
            if is(slot) {
                return Some(slot);
            }
        }
        let found = self.index.find(mac_key(&self.secret, mac), is);
        found.map(|(_, slot)| slot)
    }

    #[inline]
    fn by_address(
        &mut self,
        packet: &Packet,
        bytes: &[u8; 16],
        hash: u64,
        hint: End,
        make: bool,
    ) -> u32 {
        let key = address_key(&self.secret, hash, packet.vlan);
        let devices = &self.devices;
        let is = |slot: u32| {
            devices.get(slot as usize).is_some_and(|device| {
                device.key == key && device.address == *bytes && device.is(traits::BY_ADDRESS)
            })
        };
        if is(hint.as_device()) {
            return hint.as_device();
        }
        match self.index.find(key, is) {
            Some((_, slot)) => slot,
            None if make => self.admit(key, packet, 0, *bytes),
            None => NO_DEVICE,
        }
    }

    /// Makes a device known by its MAC, if it may be.
    fn admit_mac(&mut self, packet: &Packet, mac: u64) -> u32 {
        self.admit(mac_key(&self.secret, mac), packet, mac, [0; 16])
    }

    /// Makes a device, if it may be.
    #[inline(never)]
    fn admit(&mut self, key: u64, packet: &Packet, mac: u64, address: [u8; 16]) -> u32 {
        if self.index.is_full(key) {
            self.counters.devices_refused += 1;
            return NO_DEVICE;
        }
        let slot = match self.admission.place(key, self.now, &self.devices) {
            Place::Refused => {
                self.counters.devices_refused += 1;
                return NO_DEVICE;
            }
            Place::Fresh => {
                self.devices.push(Device::vacant());
                self.bitmaps.push(Default::default());
                self.stations.push(Station::default());
                self.devices.len() as u32 - 1
            }
            Place::Instead(slot) => {
                self.retire(slot);
                slot
            }
        };
        let (Some(device), Some(bitmaps), Some(station)) = (
            self.devices.get_mut(slot as usize),
            self.bitmaps.get_mut(slot as usize),
            self.stations.get_mut(slot as usize),
        ) else {
            return NO_DEVICE;
        };
        let by_address = if mac == 0 { traits::BY_ADDRESS } else { 0 };
        *device = Device {
            key,
            mac,
            address,
            first: packet.time,
            last: packet.time,
            generation: device.generation.wrapping_add(1),
            birth: self.newness.birth(self.second, true),
            traits: traits::LIVE | traits::NEW | by_address | (device.traits & traits::LISTED),
            damped: super::damped::Damped::at(packet.time),
            ..Device::vacant()
        };
        *bitmaps = Default::default();
        *station = Station::default();
        self.admission.enter(slot, device.generation);
        self.index
            .insert(key, slot, crate::table::index::Score::new(0, 0));
        self.counters.devices_made += 1;
        slot
    }
}
