//! What exporters tell of flows, added to the same flows as packets are.
//!
//! An exporter tells of each direction by itself, with the flags of all its packets or-ed, and
//! often in parts. How far a connection came is read from the flags of both directions as they
//! stand, so the order in which records come does not matter.

use phage_decode::packet::{protocol, tcp, Packet};
use phage_decode::Keys;

use super::answer::{touch, FlowTouch};
use super::record::{traits, Flow, Way, SECOND};
use super::{FlowTable, FLOW_AHEAD, INDEX_AHEAD};
use crate::rows::{end_reason, event, state};
use crate::table::index::Score;
use crate::table::side;

/// Octets of a TCP header with timestamps, of a UDP header, and of IP headers: what is no payload.
const TCP_HEADER: u64 = 32;
const UDP_HEADER: u64 = 8;
const IPV4_HEADER: u64 = 20;
const IPV6_HEADER: u64 = 40;

/// One direction of a flow as an exporter tells it, beside the fields of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Time of the first packet, nanoseconds since the Unix epoch.
    pub start: i64,
    /// Time of the last packet.
    pub last: i64,
    /// Packets, sampling counted in.
    pub packets: u64,
    /// Octets, sampling counted in.
    pub octets: u64,
    /// TCP flags of all packets, or-ed.
    pub flags: u8,
    /// Only some packets were looked at: flags that are missing mean nothing.
    pub sampled: bool,
}

impl Share {
    /// The flags of the one packet that stands for all: a SYN that was not acknowledged, a reset of
    /// a connection that never was, else an acknowledgement.
    pub fn opening(&self) -> u8 {
        if self.flags & (tcp::SYN | tcp::ACK) == tcp::SYN && !self.sampled {
            tcp::SYN
        } else if self.flags & (tcp::RST | tcp::SYN) == tcp::RST {
            self.flags & (tcp::RST | tcp::ACK)
        } else {
            tcp::ACK
        }
    }

    /// Payload octets, estimated; none where no packet pushed any.
    fn payload(&self, packet: &Packet) -> u64 {
        let network = if packet.ip_version == 6 {
            IPV6_HEADER
        } else {
            IPV4_HEADER
        };
        let header = match packet.protocol {
            protocol::TCP if self.flags != 0 && self.flags & tcp::PSH == 0 && !self.sampled => {
                return 0;
            }
            protocol::TCP => TCP_HEADER,
            _ => UDP_HEADER,
        };
        self.octets
            .saturating_sub(self.packets.saturating_mul(network + header))
    }
}

impl FlowTable {
    /// Adds what exporters tell. `packets[i]` holds the ends, `time` as of arrival, no lengths, and
    /// the flags of [`Share::opening`]; `shares[i]` the counts; `touches[i]` answers.
    pub fn observe_shares(
        &mut self,
        packets: &[Packet],
        shares: &[Share],
        keys: &[Keys],
        touches: &mut [FlowTouch],
    ) {
        let second = self.second();
        for key in keys.iter().take(INDEX_AHEAD) {
            self.index.prefetch(key.socket);
        }
        for key in keys.iter().take(FLOW_AHEAD) {
            self.prefetch_flow(key.socket, second);
        }
        let work = packets.iter().zip(shares).zip(keys).zip(touches.iter_mut());
        for (i, (((packet, share), key), touch)) in work.enumerate() {
            if let Some(ahead) = keys.get(i + INDEX_AHEAD) {
                self.index.prefetch(ahead.socket);
            }
            if let Some(ahead) = keys.get(i + FLOW_AHEAD) {
                self.prefetch_flow(ahead.socket, second);
            }
            *touch = self.add_share(packet, share, key.socket);
        }
    }

    fn add_share(&mut self, packet: &Packet, share: &Share, key: u64) -> FlowTouch {
        self.counters.packets += share.packets;
        self.counters.octets += share.octets;
        self.turn(packet.time);
        let flows = &self.flows;
        let mut way = Way::Other;
        let found = self.index.find(key, |slot| match flows.get(slot as usize) {
            Some(flow) if flow.key == key => {
                way = flow.way(packet);
                way != Way::Other
            }
            _ => false,
        });
        let Some((place, slot)) = found else {
            return self.begin_share(packet, share, key, 0);
        };
        let reverse = way == Way::Reverse;
        let timeouts = self.timeouts;
        let Some(flow) = self.flows.get_mut(slot as usize) else {
            return FlowTouch::default();
        };
        if flow.deadline(&timeouts) < packet.time {
            let reason = flow.silent_reason();
            self.end(slot, reason);
            return self.begin_share(packet, share, key, touch::REPLACED);
        }
        let over = matches!(flow.state, state::CLOSED | state::REFUSED | state::RESET);
        if over && !reverse && share.start > flow.told_last() {
            self.end(slot, end_reason::END_OF_FLOW);
            return self.begin_share(packet, share, key, touch::REPLACED);
        }
        let mut change = 0;
        if packet.time.saturating_sub(flow.start) >= timeouts.active {
            self.ended
                .close(flow, end_reason::ACTIVE_TIMEOUT, &mut self.counters);
            flow.continue_as(self.next_id, share.start.min(packet.time));
            flow.event = event::STARTED;
            self.next_id += 1;
            self.counters.started += 1;
            change |= touch::CONTINUED;
        }
        if flow.last < self.half {
            change |= touch::FRESH;
        }
        let before = flow.state;
        let answer = flow.take_share(packet, share, slot, reverse, change);
        let score = Score::new(flow.class(), packet.time.div_euclid(SECOND) as u32);
        self.index.rate(place, score);
        if flow.traits & traits::LISTED == 0 {
            flow.traits |= traits::LISTED;
            self.listed.push(slot);
        }
        if flow.state != before && flow.patience(&timeouts) == timeouts.linger {
            let due = flow.deadline(&timeouts).div_euclid(SECOND) + 1;
            self.wheel.enter(slot, due);
        }
        answer
    }

    /// Begins a flow with what an exporter tells of one direction of it.
    fn begin_share(&mut self, packet: &Packet, share: &Share, key: u64, change: u16) -> FlowTouch {
        let mut answer = self.begin(packet, key, change);
        let Some(flow) = self.flows.get_mut(answer.slot as usize) else {
            return answer;
        };
        let reverse = answer.has(touch::REVERSE);
        // `begin` counted one packet without length.
        flow.packets = [0; 2];
        flow.flags = [0; 2];
        flow.state = state::NONE;
        flow.start = share.start.min(packet.time);
        flow.traits |= traits::TOLD;
        flow.syn_time = flow.start;
        let change = answer.change & !touch::FIRST_REPLY;
        answer = flow.take_share(packet, share, answer.slot, reverse, change);
        answer
    }
}

impl Flow {
    /// The time of the last packet that an exporter told of.
    pub(super) fn told_last(&self) -> i64 {
        self.syn_time
    }

    fn take_share(
        &mut self,
        packet: &Packet,
        share: &Share,
        slot: u32,
        reverse: bool,
        mut change: u16,
    ) -> FlowTouch {
        let payload = side(&mut self.payload, reverse);
        *payload = payload.saturating_add(share.payload(packet));
        let octets = side(&mut self.octets, reverse);
        *octets = octets.saturating_add(share.octets);
        let packets = side(&mut self.packets, reverse);
        *packets = packets.saturating_add(share.packets);
        *side(&mut self.flags, reverse) |= share.flags;
        let mean = share.octets / share.packets.max(1);
        self.longest = self.longest.max(mean.min(u64::from(u32::MAX)) as u32);
        // Patience counts from when it was told, the row says when it was.
        self.last = self.last.max(packet.time);
        self.start = self.start.min(share.start);
        self.syn_time = self.syn_time.max(share.last);
        self.event |= event::UPDATED;
        if reverse {
            change |= touch::REVERSE;
        }
        if self.traits & traits::ANSWERED == 0 && !self.packets.contains(&0) {
            self.traits |= traits::ANSWERED;
            if reverse {
                change |= touch::FIRST_REPLY;
            }
        }
        if packet.protocol == protocol::TCP {
            let before = self.state;
            self.state = self.told_state(share.sampled);
            if self.state == state::REFUSED && before != state::REFUSED {
                change |= touch::REFUSED;
                self.errors = self.errors.saturating_add(1);
            }
        }
        if self.traits & traits::GUESSED != 0 {
            change |= touch::GUESSED;
        }
        let age = share.last.saturating_sub(self.start) / 1_000_000;
        FlowTouch {
            id: self.id,
            slot,
            age_ms: age.clamp(0, i64::from(u32::MAX)) as u32,
            change,
            server_port: match packet.protocol {
                protocol::ICMP | protocol::ICMPV6 => 0,
                _ => self.dst_port,
            },
            state: self.state,
            home: if reverse {
                self.home >> 1 | (self.home & 1) << 1
            } else {
                self.home
            },
        }
    }

    /// How far a connection came, by the flags of both directions (RFC 9293, 3.3.2).
    ///
    /// An initiator that acknowledged had its SYN answered, even where the way back is not
    /// exported. Of sampled packets nothing follows but a reset or an end.
    fn told_state(&self, sampled: bool) -> u8 {
        let [from, back] = self.flags;
        let both = from & back;
        let any = from | back;
        if back & tcp::RST != 0 && back & tcp::SYN == 0 && from & (tcp::SYN | tcp::PSH) == tcp::SYN
        {
            state::REFUSED
        } else if any & tcp::RST != 0 && any & (tcp::SYN | tcp::ACK | tcp::PSH) != 0 {
            state::RESET
        } else if both & tcp::FIN != 0 {
            state::CLOSED
        } else if sampled && self.is_unanswered() {
            state::NONE
        } else if any & tcp::FIN != 0 && (both & tcp::ACK != 0 || from & tcp::SYN != 0) {
            state::CLOSING
        } else if from & (tcp::SYN | tcp::ACK) == tcp::SYN | tcp::ACK || both & tcp::ACK != 0 {
            state::ESTABLISHED
        } else if from & tcp::SYN != 0 && back & tcp::SYN != 0 {
            state::SYN_RECEIVED
        } else if from & tcp::SYN != 0 {
            state::SYN_SENT
        } else {
            state::NONE
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::indexing_slicing,
        reason = "a test stops at what it did not expect"
    )]

    use phage_decode::Secret;

    use super::*;
    use crate::flow::FlowLimits;
    use crate::home::Home;
    use crate::rows::FlowRow;

    fn address(last: u8) -> [u8; 16] {
        let mut address = [0; 16];
        address[10..].copy_from_slice(&[0xff, 0xff, 10, 0, 0, last]);
        address
    }

    struct Bench {
        table: FlowTable,
        secret: Secret,
    }

    impl Bench {
        fn new() -> Self {
            Self {
                table: FlowTable::new(
                    &FlowLimits::default(),
                    &Home::default(),
                    Secret::from_seed(1),
                ),
                secret: Secret::from_seed(7),
            }
        }

        fn tell(&mut self, ends: [(u8, u16); 2], flags: u8, second: i64) -> FlowTouch {
            let [(src, src_port), (dst, dst_port)] = ends;
            let share = Share {
                start: (second - 5) * SECOND,
                last: (second - 1) * SECOND,
                packets: 10,
                octets: 1000,
                flags,
                sampled: false,
            };
            let packet = Packet {
                time: second * SECOND,
                src: address(src),
                dst: address(dst),
                src_port,
                dst_port,
                protocol: protocol::TCP,
                ip_version: 4,
                tcp_flags: share.opening(),
                ..Packet::default()
            };
            let key = Keys::of(&packet, &self.secret);
            let mut touches = [FlowTouch::default()];
            self.table
                .observe_shares(&[packet], &[share], &[key], &mut touches);
            touches[0]
        }

        fn rows(&mut self, second: i64) -> Vec<FlowRow> {
            let mut rows = Vec::new();
            self.table.window(second * SECOND, &mut rows);
            rows
        }
    }

    const CLIENT: (u8, u16) = (1, 50_000);
    const SERVER: (u8, u16) = (2, 443);
    const WHOLE: u8 = tcp::SYN | tcp::ACK | tcp::PSH | tcp::FIN;

    #[test]
    fn both_directions_are_one_flow_whichever_comes_first() {
        for order in [[CLIENT, SERVER], [SERVER, CLIENT]] {
            let mut bench = Bench::new();
            bench.tell(order, WHOLE, 100);
            bench.tell([order[1], order[0]], WHOLE, 101);
            let rows = bench.rows(101);
            assert_eq!(rows.len(), 1, "one flow");
            let row = rows[0];
            assert_eq!((row.src, row.dst_port), (address(1), 443));
            assert_eq!((row.packets, row.octets), ([10, 10], [1000, 1000]));
            assert_eq!((row.state, row.flags), (state::CLOSED, [WHOLE, WHOLE]));
            assert_eq!((row.start, row.last), (95 * SECOND, 100 * SECOND));
        }
    }

    #[test]
    fn flags_say_how_far_a_connection_came() {
        for (from, back, came) in [
            (tcp::SYN, None, state::SYN_SENT),
            (tcp::SYN, Some(tcp::RST | tcp::ACK), state::REFUSED),
            (tcp::SYN, Some(tcp::SYN | tcp::ACK), state::SYN_RECEIVED),
            (tcp::SYN | tcp::ACK, None, state::ESTABLISHED),
            (
                tcp::SYN | tcp::ACK | tcp::PSH,
                Some(tcp::ACK),
                state::ESTABLISHED,
            ),
            (tcp::ACK, Some(tcp::ACK), state::ESTABLISHED),
            (WHOLE, Some(tcp::SYN | tcp::ACK), state::CLOSING),
            (
                tcp::SYN | tcp::ACK | tcp::PSH | tcp::RST,
                Some(tcp::ACK),
                state::RESET,
            ),
            (tcp::ACK, None, state::NONE),
        ] {
            let mut bench = Bench::new();
            bench.tell([CLIENT, SERVER], from, 10);
            if let Some(back) = back {
                bench.tell([SERVER, CLIENT], back, 10);
            }
            assert_eq!(bench.rows(10)[0].state, came, "{from:#x} {back:?}");
        }
    }

    #[test]
    fn parts_of_a_flow_add_up_and_a_later_connection_is_another() {
        let mut bench = Bench::new();
        assert!(bench
            .tell([CLIENT, SERVER], tcp::SYN | tcp::ACK, 10)
            .has(touch::NEW));
        assert!(!bench
            .tell([CLIENT, SERVER], tcp::ACK | tcp::PSH, 60)
            .has(touch::NEW));
        assert_eq!(bench.rows(60)[0].packets, [20, 0]);
        bench.tell([SERVER, CLIENT], WHOLE, 61);
        bench.tell([CLIENT, SERVER], tcp::ACK | tcp::FIN, 61);
        assert_eq!(bench.rows(61)[0].state, state::CLOSED);
        let again = bench.tell([CLIENT, SERVER], WHOLE, 66);
        assert!(again.has(touch::NEW | touch::REPLACED));
    }
}
