#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::float_cmp,
    reason = "a test stops at what it did not expect; sums of small integers are exact"
)]

mod bounds;

use phage_decode::packet::{marks, protocol, tcp};
use proptest::prelude::*;

use super::catalog::BEHAVIOUR_CATALOG;
use super::*;
use crate::flow::{FlowLimits, FlowTable};
use crate::rows::{host, NO_DEVICE};

const GATEWAY: u64 = 0x0200_0000_00ff;
const SECONDS: i64 = 1_700_000_010;

fn v4(value: u32) -> [u8; 16] {
    (0xffff_u128 << 32 | u128::from(value)).to_be_bytes()
}

/// The device with a number: its MAC and address.
fn local(number: u32) -> (u64, [u8; 16]) {
    (
        0x0200_0000_0000 + u64::from(number),
        v4(0x0a00_0000 + number),
    )
}

/// A remote host: behind the gateway.
fn remote(number: u32) -> (u64, [u8; 16]) {
    (GATEWAY, v4(0x0800_0000 + number))
}

fn packet(
    milliseconds: i64,
    src: (u64, [u8; 16]),
    dst: (u64, [u8; 16]),
    ports: (u16, u16),
    protocol: u8,
) -> Packet {
    Packet {
        time: SECONDS * SECOND + milliseconds * 1_000_000,
        src_mac: src.0,
        dst_mac: dst.0,
        src: src.1,
        dst: dst.1,
        src_port: ports.0,
        dst_port: ports.1,
        protocol,
        ip_version: 4,
        ether_type: 0x0800,
        length: 100,
        ..Packet::default()
    }
}

fn tcp(
    milliseconds: i64,
    src: (u64, [u8; 16]),
    dst: (u64, [u8; 16]),
    ports: (u16, u16),
    flags: u8,
) -> Packet {
    Packet {
        tcp_flags: flags,
        ..packet(milliseconds, src, dst, ports, protocol::TCP)
    }
}

fn arp(milliseconds: i64, sender: (u64, [u8; 16]), target: [u8; 16], operation: u16) -> Packet {
    Packet {
        ip_version: 0,
        ether_type: 0x0806,
        marks: if operation == 1 {
            marks::ARP | marks::GROUP
        } else {
            marks::ARP
        },
        ..packet(
            milliseconds,
            sender,
            (0xffff_ffff_ffff, target),
            (0, operation),
            0,
        )
    }
}

/// Both tables, as the engine runs them.
struct Path {
    flows: FlowTable,
    hosts: HostTable,
    secret: Secret,
    last: [f32; BEHAVIOUR],
}

impl Path {
    fn new(limits: &HostLimits) -> Self {
        let secret = Secret::from_seed(11);
        let home = Home::default();
        Self {
            flows: FlowTable::new(&FlowLimits::default(), &home, secret),
            hosts: HostTable::new(limits, &home, secret),
            secret,
            last: [0.0; BEHAVIOUR],
        }
    }

    /// Sees packets; returns their subjects and keeps the features of the last.
    fn see(&mut self, packets: &[Packet]) -> Vec<u32> {
        let keys: Vec<Keys> = packets.iter().map(|p| Keys::of(p, &self.secret)).collect();
        let mut touches = vec![FlowTouch::default(); packets.len()];
        let mut subjects = vec![0; packets.len()];
        let mut features = vec![f32::NAN; packets.len() * BEHAVIOUR];
        self.flows.observe(packets, &keys, &mut touches);
        self.hosts
            .observe(packets, &keys, &touches, &mut subjects, &mut features);
        assert!(features
            .iter()
            .all(|value| value.is_finite() && *value >= 0.0));
        if let Some(row) = features.chunks_exact(BEHAVIOUR).last() {
            self.last.copy_from_slice(row);
        }
        subjects
    }

    fn feature(&self, name: &str) -> f32 {
        let place = BEHAVIOUR_CATALOG
            .iter()
            .position(|feature| feature.name == name);
        self.last[place.unwrap()]
    }

    fn window(&mut self) -> Vec<HostRow> {
        let mut rows = Vec::new();
        self.hosts.window(&mut rows);
        rows
    }

    /// Lets the beginning, in which nothing is news, go by.
    fn settle(&mut self) {
        let quiet: Vec<Packet> = (0..200)
            .map(|i| {
                packet(
                    i * 30_000 - 6_000_000,
                    local(200),
                    local(201),
                    (4000, 53),
                    protocol::UDP,
                )
            })
            .collect();
        self.see(&quiet);
        self.window();
    }
}

fn path() -> Path {
    Path::new(&HostLimits::default())
}

#[test]
fn the_catalog_is_complete() {
    let names: std::collections::BTreeSet<&str> = BEHAVIOUR_CATALOG
        .iter()
        .map(|feature| feature.name)
        .collect();
    assert_eq!(names.len(), BEHAVIOUR);
    assert!(BEHAVIOUR_CATALOG
        .iter()
        .all(|feature| !feature.meaning.is_empty() && feature.floor > 0.0));
}

#[test]
fn the_subject_is_the_source_at_home_else_the_destination() {
    let mut path = path();
    let subjects = path.see(&[
        packet(0, local(1), local(2), (5000, 53), protocol::UDP),
        packet(1, local(2), local(1), (53, 5000), protocol::UDP),
        packet(2, local(1), remote(9), (5000, 443), protocol::UDP),
        packet(3, remote(9), local(1), (443, 5000), protocol::UDP),
        packet(4, remote(9), remote(8), (443, 5000), protocol::UDP),
    ]);
    assert_eq!(subjects, [0, 1, 0, 0, NO_DEVICE]);
    let identity = path.hosts.device(0).unwrap();
    assert_eq!((identity.mac, identity.address), local(1));
    assert_eq!(identity.generation, 1);
    assert_eq!(path.hosts.device(2), None);
    assert_eq!(path.hosts.counters().remotes, 2);
}

#[test]
fn counters_of_a_window_are_exact_and_begin_anew() {
    let mut path = path();
    path.see(&[
        tcp(0, local(1), local(2), (4000, 22), tcp::SYN),
        tcp(1, local(2), local(1), (22, 4000), tcp::SYN | tcp::ACK),
        tcp(2, local(1), local(2), (4000, 22), tcp::ACK),
        tcp(3, local(1), local(2), (4001, 23), tcp::SYN),
        tcp(4, local(2), local(1), (23, 4001), tcp::RST | tcp::ACK),
        packet(5, local(1), local(2), (8, 0), protocol::ICMP),
    ]);
    let rows = path.window();
    assert_eq!(rows.len(), 2);
    let (client, server) = (rows[0], rows[1]);
    assert_eq!((client.packets, server.packets), ([4, 2], [2, 4]));
    assert_eq!((client.octets, client.flows), ([400, 200], [3, 0]));
    assert_eq!((client.syn, server.syn), ([2, 0], [0, 2]));
    assert_eq!(
        (client.syn_ack, client.rst, client.echo),
        ([0, 1], [0, 1], [1, 0])
    );
    assert_eq!((server.flows, client.new_peers), ([0, 3], 1));
    assert_eq!(client.marks, host::HOME | host::DEVICE | host::NEW);
    assert_eq!((client.mac, client.address), local(1));
    assert!((client.peers[0] - 1.0).abs() < 0.1 && (server.ports[1] - 3.0).abs() < 0.1);
    assert!(path.window().is_empty());
    path.see(&[packet(10, local(1), local(2), (8, 0), protocol::ICMP)]);
    assert_eq!(path.window()[0].marks, host::HOME | host::DEVICE);
}

#[test]
fn what_is_not_answered_within_three_seconds_is_reported() {
    let mut path = path();
    let mut packets: Vec<Packet> = (0..50)
        .map(|i| tcp(i, remote(i as u32), local(1), (4000, 80), tcp::SYN))
        .collect();
    packets.push(tcp(
        60,
        local(1),
        remote(0),
        (80, 4000),
        tcp::SYN | tcp::ACK,
    ));
    path.see(&packets);
    assert!(
        path.feature("unanswered_in") > 48.0,
        "{}",
        path.feature("unanswered_in")
    );
    let rows = path.window();
    assert_eq!((rows[0].syn, rows[0].unanswered), ([0, 50], [0, 0]));
    path.see(&[packet(4500, local(1), local(2), (1, 1), protocol::UDP)]);
    let rows = path.window();
    let victim = rows.iter().find(|row| row.mac == local(1).0).unwrap();
    assert_eq!(victim.unanswered, [0, 49]);
}

#[test]
fn a_scan_shows_at_both_ends() {
    let mut path = path();
    path.settle();
    let mut packets = Vec::new();
    for port in 1..=300_u16 {
        let at = i64::from(port) * 20;
        packets.push(tcp(at, local(1), local(2), (40_000, port), tcp::SYN));
        packets.push(tcp(
            at + 1,
            local(2),
            local(1),
            (port, 40_000),
            tcp::RST | tcp::ACK,
        ));
    }
    path.see(&packets);
    let last = |path: &Path, name| path.feature(name);
    assert!((250.0..350.0).contains(&last(&path, "ports_in")));
    assert!(last(&path, "resets_out_rate") > 5.0);
    assert!(last(&path, "flows_in_rate") > 5.0);
    path.see(&[tcp(6100, local(1), local(2), (40_000, 999), tcp::SYN)]);
    assert!((250.0..350.0).contains(&last(&path, "endpoints_out")));
    assert!((last(&path, "peers_out") - 1.0).abs() < 0.1);
    assert!(last(&path, "failed_share") > 0.9);
    assert!(last(&path, "resets_in_rate") > 5.0);
    assert!(last(&path, "device_novelty") > 0.9);
}

#[test]
fn a_slow_arp_scan_of_a_new_host_stands_out() {
    let mut path = path();
    path.settle();
    // One request in four seconds.
    let packets: Vec<Packet> = (0..15)
        .map(|i| arp(i * 4000, local(66), v4(0x0a00_0100 + i as u32), 1))
        .collect();
    let subjects = path.see(&packets);
    assert!(subjects.iter().all(|&subject| subject != NO_DEVICE));
    assert!(
        path.feature("arp_targets") > 7.0,
        "{}",
        path.feature("arp_targets")
    );
    assert!(path.feature("device_novelty") > 0.9);
    assert!(path.feature("group_rate") > 0.1);
}

#[test]
fn a_forged_arp_claim_is_a_mismatch_of_the_forger() {
    let mut path = path();
    let gateway = (GATEWAY, v4(0x0a00_00fe));
    path.see(&[
        arp(0, gateway, local(1).1, 1),
        arp(1000, local(66), local(1).1, 1),
        arp(2000, (local(66).0, gateway.1), local(1).1, 2),
    ]);
    assert_eq!(path.feature("arp_mismatches"), 1.0);
    path.see(&[arp(2001, gateway, local(1).1, 2)]);
    assert_eq!(path.feature("arp_mismatches"), 0.0);
}

#[test]
fn novelty_tells_a_new_neighbour_from_an_old_one_and_from_the_world() {
    let mut path = path();
    path.see(&[packet(
        -6_000_000,
        local(1),
        local(2),
        (4000, 502),
        protocol::TCP,
    )]);
    path.settle();
    path.see(&[packet(0, local(1), local(2), (4000, 502), protocol::TCP)]);
    assert!(path.feature("peer_novelty") < 0.1 && path.feature("service_novelty") < 0.1);
    path.see(&[packet(1, local(1), local(3), (4000, 502), protocol::TCP)]);
    assert!(path.feature("peer_novelty") > 0.8 && path.feature("service_novelty") < 0.1);
    path.see(&[packet(2, local(1), remote(3), (4000, 6667), protocol::TCP)]);
    let novelty = path.feature("peer_novelty");
    assert!(novelty > 0.4 && novelty <= 0.5 && path.feature("service_novelty") > 0.8);
    // The server that answers a newcomer: new to it as well.
    path.see(&[
        packet(10, local(77), local(2), (4000, 502), protocol::TCP),
        packet(11, local(2), local(77), (502, 4000), protocol::TCP),
    ]);
    assert!(path.feature("peer_novelty") > 0.8);
}

#[test]
fn names_are_summed_up() {
    let mut path = path();
    let device = path.see(&[packet(0, local(1), local(2), (4000, 53), protocol::UDP)])[0];
    for i in 0..20 {
        let name = format!("{i:02}nbswy3dpo5xxe3deebqw4zdfojzsa5dinfzsa2lt.t.example");
        path.hosts.note_dns(device, Some(&name), false);
        path.hosts.note_dns(device, None, i % 2 == 0);
    }
    path.see(&[packet(1, local(1), local(2), (4000, 53), protocol::UDP)]);
    assert_eq!(
        path.feature("dns_rate"),
        0.0,
        "not before the window is over"
    );
    let row = path.window()[0];
    assert_eq!((row.dns_queries, row.dns_failures), (20, 10));
    path.see(&[packet(5, local(1), local(2), (4000, 53), protocol::UDP)]);
    assert!((path.feature("dns_length") - 52.0).abs() < 0.5);
    assert!(path.feature("dns_entropy") > 3.5);
    assert!((path.feature("dns_failed_share") - 0.5).abs() < 0.01);
    assert!((path.feature("dns_rate") - 20.0 * 0.0693).abs() < 0.01);
    path.hosts.note_dns(NO_DEVICE, Some("x"), true);
}
