#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

mod totals;

use phage_decode::packet::{marks, tcp};
use phage_decode::Secret;
use proptest::prelude::*;

use super::*;
use crate::rows::{state, NO_DEVICE};

const CLIENT: u32 = 0x0a00_0001;
const SERVER: u32 = 0x0a00_0002;

fn v4(value: u32) -> [u8; 16] {
    (0xffff_u128 << 32 | u128::from(value)).to_be_bytes()
}

fn packet(milliseconds: i64, src: (u32, u16), dst: (u32, u16), protocol: u8) -> Packet {
    Packet {
        time: milliseconds * 1_000_000,
        src_mac: u64::from(src.0),
        dst_mac: u64::from(dst.0),
        src: v4(src.0),
        dst: v4(dst.0),
        src_port: src.1,
        dst_port: dst.1,
        protocol,
        ip_version: 4,
        ether_type: 0x0800,
        length: 100,
        ..Packet::default()
    }
}

/// A segment between client port 40000 and server port 443.
fn segment(milliseconds: i64, reverse: bool, flags: u8, payload: u32) -> Packet {
    let (mut src, mut dst) = ((CLIENT, 40_000), (SERVER, 443));
    if reverse {
        std::mem::swap(&mut src, &mut dst);
    }
    Packet {
        tcp_flags: flags,
        payload_length: payload,
        ..packet(milliseconds, src, dst, protocol::TCP)
    }
}

fn table(limits: &FlowLimits) -> FlowTable {
    FlowTable::new(limits, &Home::default(), Secret::from_seed(1))
}

fn observe(table: &mut FlowTable, packets: &[Packet]) -> Vec<FlowTouch> {
    let secret = Secret::from_seed(5);
    let keys: Vec<Keys> = packets.iter().map(|p| Keys::of(p, &secret)).collect();
    let mut touches = vec![FlowTouch::default(); packets.len()];
    table.observe(packets, &keys, &mut touches);
    touches
}

fn window(table: &mut FlowTable, milliseconds: i64) -> Vec<FlowRow> {
    let mut rows = Vec::new();
    table.window(milliseconds * 1_000_000, &mut rows);
    rows
}

/// A whole connection: what each packet is said to do, and the row at the end.
#[test]
fn a_connection_is_followed_from_syn_to_fin() {
    let mut table = table(&FlowLimits::default());
    let touches = observe(
        &mut table,
        &[
            segment(1000, false, tcp::SYN, 0),
            segment(1010, true, tcp::SYN | tcp::ACK, 0),
            segment(1025, false, tcp::ACK, 0),
            segment(1030, false, tcp::ACK | tcp::PSH, 300),
            segment(1040, true, tcp::ACK, 1400),
            segment(1050, true, tcp::ACK | tcp::FIN, 0),
            segment(1060, false, tcp::ACK | tcp::FIN, 0),
            segment(1070, true, tcp::ACK, 0),
        ],
    );
    let fresh = touch::EARLY;
    let changes: Vec<u16> = touches.iter().map(|touch| touch.change & !fresh).collect();
    assert_eq!(
        changes,
        [
            touch::NEW | touch::FRESH,
            touch::REVERSE | touch::FIRST_REPLY,
            touch::HANDSHAKE_DONE,
            0,
            touch::REVERSE,
            touch::REVERSE,
            touch::CLOSED,
            touch::REVERSE,
        ]
    );
    assert!(touches
        .iter()
        .all(|touch| touch.server_port == 443 && touch.home == 3));
    assert_eq!(touches[4].age_ms, 40);
    // The last acknowledgement still belongs to it; then it is over.
    assert_eq!(window(&mut table, 1100)[0].state, state::CLOSED);
    let rows = window(&mut table, 6000);
    assert_eq!(rows.len(), 1);
    let row = rows[0];
    assert_eq!(row.end_reason, end_reason::END_OF_FLOW);
    assert_eq!(row.event, event::ENDED);
    assert_eq!(
        (row.packets, row.octets, row.payload),
        ([4, 4], [400, 400], [300, 1400])
    );
    assert_eq!(row.handshake, 25_000);
    assert_eq!((row.src, row.dst), (v4(CLIENT), v4(SERVER)));
    assert_eq!(row.flags[0], tcp::SYN | tcp::ACK | tcp::PSH | tcp::FIN);
    assert_eq!(row.device, NO_DEVICE);
}

#[test]
fn a_syn_ack_seen_first_turns_the_flow() {
    let mut table = table(&FlowLimits::default());
    let touches = observe(
        &mut table,
        &[
            segment(0, true, tcp::SYN | tcp::ACK, 0),
            segment(10, false, tcp::ACK, 0),
        ],
    );
    assert!(touches[0].has(touch::REVERSE) && touches[0].has(touch::NEW));
    assert!(touches[1].has(touch::HANDSHAKE_DONE) && !touches[1].has(touch::REVERSE));
    assert_eq!(window(&mut table, 20)[0].src, v4(CLIENT));
}

#[test]
fn refused_and_reset_are_told_apart() {
    let mut table = table(&FlowLimits::default());
    let refused = observe(
        &mut table,
        &[
            segment(0, false, tcp::SYN, 0),
            segment(1, false, tcp::SYN, 0),
            segment(2, true, tcp::RST | tcp::ACK, 0),
        ],
    );
    assert!(refused[1].has(touch::SYN_AGAIN));
    assert!(refused[2].has(touch::REFUSED | touch::FIRST_REPLY));
    let row = window(&mut table, 3)[0];
    assert_eq!((row.state, row.errors), (state::REFUSED, 1));

    // Another SYN is another connection.
    let again = observe(&mut table, &[segment(100, false, tcp::SYN, 0)]);
    assert!(again[0].has(touch::NEW) && again[0].has(touch::REPLACED));
    let after = observe(
        &mut table,
        &[
            segment(110, true, tcp::SYN | tcp::ACK, 0),
            segment(120, false, tcp::ACK, 0),
            Packet {
                tcp_acknowledgement: 5000,
                ..segment(130, true, tcp::ACK, 10)
            },
            // A blind reset is not believed, the right one is.
            Packet {
                tcp_sequence: 0x8000_0000,
                ..segment(140, false, tcp::RST, 0)
            },
            Packet {
                tcp_sequence: 5001,
                ..segment(150, false, tcp::RST, 0)
            },
        ],
    );
    assert_eq!(after[3].state, state::ESTABLISHED);
    assert!(after[4].has(touch::RESET) && after[4].state == state::RESET);
}

#[test]
fn flag_scans_stay_unanswered() {
    let mut table = table(&FlowLimits::default());
    observe(
        &mut table,
        &[
            segment(0, false, tcp::FIN | tcp::PSH | tcp::URG, 0),
            segment(1, true, tcp::RST | tcp::ACK, 0),
        ],
    );
    assert_eq!(window(&mut table, 2)[0].state, state::REFUSED);
}

#[test]
fn timeouts_are_by_kind() {
    let cases = [
        ("half open", vec![segment(0, false, tcp::SYN, 0)], 15),
        (
            "datagram",
            vec![packet(0, (CLIENT, 5000), (SERVER, 53), protocol::UDP)],
            15,
        ),
        (
            "answered",
            vec![
                packet(0, (CLIENT, 5000), (SERVER, 53), protocol::UDP),
                packet(0, (SERVER, 53), (CLIENT, 5000), protocol::UDP),
            ],
            60,
        ),
        (
            "established",
            vec![
                segment(0, false, tcp::ACK, 1),
                segment(0, true, tcp::ACK, 1),
            ],
            300,
        ),
    ];
    for (name, packets, seconds) in cases {
        let mut table = table(&FlowLimits::default());
        observe(&mut table, &packets);
        assert_eq!(window(&mut table, 0).len(), 1, "{name}");
        assert!(window(&mut table, seconds * 1000).is_empty(), "{name}");
        let rows = window(&mut table, (seconds + 2) * 1000);
        assert_eq!(rows.len(), 1, "{name}");
        assert_eq!(rows[0].end_reason, end_reason::IDLE_TIMEOUT);
        assert_eq!(table.counters().live, 0);

        // Without a window between, the next packet finds the flow over.
        let mut table = self::table(&FlowLimits::default());
        observe(&mut table, &packets);
        let late = Packet {
            time: (seconds * 1000 + 1) * 1_000_000,
            ..packets[0]
        };
        assert!(
            observe(&mut table, &[late])[0].has(touch::REPLACED),
            "{name}"
        );
    }
}

#[test]
fn the_active_timeout_begins_a_new_record_at_zero() {
    let limits = FlowLimits {
        active_timeout_s: 10,
        ..FlowLimits::default()
    };
    let mut table = table(&limits);
    let packets: Vec<Packet> = (0..25)
        .map(|second| segment(second * 1000, second % 2 == 1, tcp::ACK, 10))
        .collect();
    let touches = observe(&mut table, &packets);
    let continued: Vec<usize> = (0..25)
        .filter(|&i| touches[i].has(touch::CONTINUED))
        .collect();
    assert_eq!(continued, [10, 20]);
    assert_eq!(
        touches.iter().filter(|touch| touch.has(touch::NEW)).count(),
        1
    );
    let mut rows = window(&mut table, 25_000);
    table.finish(&mut rows);
    let ended: Vec<(u64, u8)> = rows
        .iter()
        .filter(|row| row.event & event::ENDED != 0)
        .map(|row| (row.packets[0] + row.packets[1], row.end_reason))
        .collect();
    assert_eq!(
        ended,
        [
            (10, end_reason::ACTIVE_TIMEOUT),
            (10, end_reason::ACTIVE_TIMEOUT),
            (5, end_reason::FORCED_END)
        ]
    );
    let ids: std::collections::BTreeSet<u64> = touches.iter().map(|touch| touch.id).collect();
    assert_eq!(ids.len(), 3);
}

/// Two flows under one key stay two.
#[test]
fn a_collision_of_keys_merges_nothing() {
    let mut table = table(&FlowLimits::default());
    let packets: Vec<Packet> = (0..6)
        .map(|i| {
            packet(
                i,
                (CLIENT + i as u32 % 3, 5000),
                (SERVER, 53),
                protocol::UDP,
            )
        })
        .collect();
    let keys = vec![
        Keys {
            socket: 77,
            ..Keys::default()
        };
        packets.len()
    ];
    let mut touches = vec![FlowTouch::default(); packets.len()];
    table.observe(&packets, &keys, &mut touches);
    let rows = window(&mut table, 10);
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row.packets == [2, 0]));
    assert!(table.counters().collisions > 0);
}

#[test]
fn frames_without_ip_are_flows_by_mac() {
    let mut table = table(&FlowLimits::default());
    let frame = |src_mac, dst_mac, ether_type| Packet {
        src_mac,
        dst_mac,
        ether_type,
        length: 60,
        ..Packet::default()
    };
    let arp = Packet {
        src: v4(CLIENT),
        dst: v4(SERVER),
        dst_port: 1,
        marks: marks::ARP,
        ..frame(1, 2, 0x0806)
    };
    let reply = Packet {
        src: arp.dst,
        dst: arp.src,
        dst_port: 2,
        ..frame(2, 1, 0x0806)
    };
    let reply = Packet {
        marks: marks::ARP,
        ..reply
    };
    let touches = observe(
        &mut table,
        &[
            frame(1, 2, 0x88cc),
            frame(2, 1, 0x88cc),
            frame(1, 3, 0x88cc),
            arp,
            reply,
        ],
    );
    assert!(touches[1].has(touch::REVERSE) && touches[4].has(touch::REVERSE));
    let rows = window(&mut table, 1);
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row.protocol == 0));
}

#[test]
fn icmp_rows_name_the_request() {
    let mut table = table(&FlowLimits::default());
    observe(
        &mut table,
        &[packet(0, (SERVER, 0), (CLIENT, 0), protocol::ICMP)],
    );
    observe(
        &mut table,
        &[packet(1, (CLIENT, 8), (SERVER, 0), protocol::ICMP)],
    );
    let row = window(&mut table, 2)[0];
    assert_eq!(
        (row.src, row.src_port, row.packets),
        (v4(CLIENT), 8, [1, 1])
    );
}

#[test]
fn a_flood_evicts_what_nobody_answered() {
    let limits = FlowLimits {
        capacity: 1024,
        rows: 4096,
        ..FlowLimits::default()
    };
    let mut table = table(&limits);
    let mut packets = Vec::new();
    for i in 0..100 {
        packets.push(packet(0, (CLIENT, 1000 + i), (SERVER, 80), protocol::UDP));
        packets.push(packet(0, (SERVER, 80), (CLIENT, 1000 + i), protocol::UDP));
    }
    for i in 0..50_000 {
        packets.push(packet(
            1 + i64::from(i) / 50,
            (0x0b00_0000 + i, 7),
            (SERVER, 80),
            protocol::UDP,
        ));
    }
    observe(&mut table, &packets);
    let counters = table.counters();
    assert!(counters.live <= 1024);
    let evicted = counters.ended[usize::from(end_reason::LACK_OF_RESOURCES)];
    assert!(evicted >= 50_000 - 1024);
    let rows = window(&mut table, 2000);
    let (mut kept, mut lost) = (0, 0);
    for row in &rows {
        if row.packets == [1, 1] {
            kept += u32::from(row.event & event::ENDED == 0);
            lost += u32::from(row.event & event::ENDED != 0);
        }
    }
    assert!(kept >= 98 && kept + lost == 100, "{kept} {lost}");
    assert!(counters.omitted > 0);
    // The flood may take half of the rows.
    assert!(rows.iter().filter(|row| row.end_reason == 5).count() <= 2048 + 2);
}

#[test]
fn updates_that_have_no_room_come_later() {
    let limits = FlowLimits {
        rows: 10,
        ..FlowLimits::default()
    };
    let mut table = table(&limits);
    let packets: Vec<Packet> = (0..25)
        .map(|i| packet(0, (CLIENT, 1000 + i), (SERVER, 80), protocol::UDP))
        .collect();
    observe(&mut table, &packets);
    let counts: Vec<usize> = (0..4).map(|_| window(&mut table, 1).len()).collect();
    assert_eq!(counts, [10, 10, 5, 0]);
    assert_eq!(table.counters().deferred, 15 + 5);
}

#[test]
fn a_clock_that_is_set_back_does_not_hold_flows_for_ever() {
    let mut table = table(&FlowLimits::default());
    let ahead = 400 * 86_400_000;
    observe(
        &mut table,
        &[packet(ahead, (CLIENT, 9), (SERVER, 9), protocol::UDP)],
    );
    window(&mut table, ahead);
    observe(
        &mut table,
        &[packet(1000, (CLIENT, 10), (SERVER, 9), protocol::UDP)],
    );
    window(&mut table, 1000);
    window(&mut table, 20_000);
    assert_eq!(table.counters().live, 0);
    for extreme in [i64::MIN, i64::MAX, 0, i64::MIN + 1] {
        let strange = Packet {
            time: extreme,
            ..packet(0, (CLIENT, 11), (SERVER, 9), protocol::UDP)
        };
        observe(&mut table, &[strange]);
        let mut rows = Vec::new();
        table.window(extreme, &mut rows);
    }
}
