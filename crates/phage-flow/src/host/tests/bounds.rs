//! Who is who, and what a flood cannot do.

use super::*;

#[test]
fn a_router_is_recognised_and_what_is_behind_it_told_apart() {
    let mut path = path();
    let gateway = (GATEWAY, v4(0x0a00_00fe));
    let to = local(1);
    let first = path.see(&[
        packet(0, to, local(2), (1, 2), protocol::UDP),
        packet(1, gateway, to, (1, 2), protocol::UDP),
        packet(2, remote(5), to, (443, 5000), protocol::UDP),
    ]);
    let own = first[1];
    // Two hosts behind it, then the router itself and its frames without IP.
    let behind = path.see(&[
        packet(3, (GATEWAY, v4(0x0a01_0001)), to, (1, 2), protocol::UDP),
        packet(4, (GATEWAY, v4(0x0a01_0002)), to, (1, 2), protocol::UDP),
        packet(5, gateway, to, (1, 2), protocol::UDP),
        arp(6, gateway, to.1, 1),
        packet(7, (GATEWAY, v4(0x0a01_0001)), to, (1, 2), protocol::UDP),
    ]);
    assert_eq!(behind[2], own);
    assert_eq!(behind[3], own);
    assert_eq!(behind[4], behind[0]);
    assert!(behind[0] != behind[1] && behind[0] != own);
    assert_eq!(path.hosts.device(behind[0]).unwrap().mac, 0);
    let rows = path.window();
    let router = rows.iter().find(|row| row.device == own).unwrap();
    assert!(router.marks & host::ROUTER != 0);
    assert_eq!(router.address, gateway.1);
}

#[test]
fn sixteen_addresses_are_one_host_and_more_are_a_router() {
    let mut path = path();
    let with = |i: u32| (local(1).0, v4(0x0a00_0500 + i));
    let packets: Vec<Packet> = (0..20)
        .map(|i| packet(i, with(i as u32), local(2), (1, 2), protocol::UDP))
        .collect();
    let subjects = path.see(&packets);
    assert!(subjects[..16].iter().all(|&subject| subject == subjects[0]));
    assert!(
        subjects[16..].iter().all(|&subject| subject != subjects[0]),
        "{subjects:?}"
    );
}

#[test]
fn a_global_ipv6_address_is_of_the_device() {
    let mut path = path();
    let global = |host: u128| (0x2001_0db8_u128 << 96 | host).to_be_bytes();
    let own = path.see(&[packet(0, local(1), local(2), (1, 2), protocol::UDP)])[0];
    let sixth = |host| Packet {
        ip_version: 6,
        ether_type: 0x86dd,
        ..packet(
            1,
            (local(1).0, global(host)),
            (GATEWAY, [0x2a; 16]),
            (1, 2),
            protocol::UDP,
        )
    };
    let subjects = path.see(&(1..40).map(sixth).collect::<Vec<_>>());
    assert!(subjects.iter().all(|&subject| subject == own));
    assert_eq!(path.hosts.device(own).unwrap().address, local(1).1);
}

#[test]
fn forged_macs_do_not_push_out_the_known() {
    let limits = HostLimits {
        devices: 256,
        ..HostLimits::default()
    };
    let mut path = Path::new(&limits);
    let mut packets = Vec::new();
    for second in 0..40 {
        for device in 1..=100 {
            packets.push(packet(
                second * 1000,
                local(device),
                local(device % 100 + 1),
                (1, 2),
                17,
            ));
        }
    }
    let known = path.see(&packets)[..100].to_vec();
    let identities: Vec<_> = known
        .iter()
        .map(|&i| path.hosts.device(i).unwrap())
        .collect();
    assert_eq!(path.hosts.counters().devices_known, 100);
    for i in 0..200_000_u32 {
        let forged = (0x0600_0000_0000 + u64::from(i), v4(0x0a10_0000 + i));
        path.see(&[packet(
            41_000 + i64::from(i) / 100,
            forged,
            local(1),
            (1, 2),
            17,
        )]);
    }
    let counters = path.hosts.counters();
    assert_eq!((counters.devices, counters.devices_known), (256, 100));
    assert!(counters.devices_refused > 190_000);
    for (&index, identity) in known.iter().zip(&identities) {
        assert_eq!(path.hosts.device(index).as_ref(), Some(identity));
    }
    // A newcomer that keeps coming gets in once the flood is over.
    let newcomer = (0..5).map(|i| packet(60_000 + i * 1000, local(150), local(1), (1, 2), 17));
    let subjects = path.see(&newcomer.collect::<Vec<_>>());
    assert!(subjects
        .iter()
        .all(|&subject| subject != 0 && subject != NO_DEVICE));
}

#[test]
fn forged_remote_sources_stay_within_bounds() {
    let limits = HostLimits {
        remotes: 1024,
        ..HostLimits::default()
    };
    let mut path = Path::new(&limits);
    path.see(&[packet(0, local(1), local(2), (1, 2), 17)]);
    for part in 0..100 {
        let packets: Vec<Packet> = (0..1000)
            .map(|i| {
                tcp(
                    1 + part,
                    remote(part as u32 * 1000 + i),
                    local(1),
                    (9, 80),
                    tcp::SYN,
                )
            })
            .collect();
        assert!(path.see(&packets).iter().all(|&subject| subject == 0));
    }
    let counters = path.hosts.counters();
    assert!(counters.remotes <= 1024 && counters.remotes_refused > 90_000);
    assert!(path.feature("unanswered_in") > 50_000.0);
    assert!(path.feature("peers_in") > 1500.0);
    // One SYN each: none of them is worth a row.
    assert!(path.window().iter().all(|row| row.device != NO_DEVICE));
}

#[test]
fn a_remote_scanner_is_shown() {
    let mut path = path();
    path.see(&[packet(0, local(1), local(2), (1, 2), 17)]);
    let packets: Vec<Packet> = (1..=20)
        .map(|port| {
            tcp(
                i64::from(port),
                remote(5),
                local(1),
                (40_000, port),
                tcp::SYN,
            )
        })
        .collect();
    path.see(&packets);
    let rows = path.window();
    let scanner = rows.iter().find(|row| row.device == NO_DEVICE).unwrap();
    assert_eq!((scanner.address, scanner.marks), (remote(5).1, host::NEW));
    assert_eq!(
        (scanner.packets, scanner.syn, scanner.flows),
        ([20, 0], [20, 0], [20, 0])
    );
    assert!(scanner.ports[0] > 10.0 && scanner.peers[0] < 2.0);
    path.see(&[packet(5000, local(1), local(2), (1, 2), 17)]);
    let rows = path.window();
    let scanner = rows.iter().find(|row| row.device == NO_DEVICE).unwrap();
    assert_eq!(scanner.unanswered, [20, 0]);
}

fn anything() -> impl Strategy<Value = Packet> {
    let ends = (0_u32..6, 0_u32..6, 0_u8..8, 0_u8..8);
    let rest = (
        any::<[u16; 2]>(),
        any::<u8>(),
        any::<u8>(),
        any::<i64>(),
        any::<u16>(),
    );
    (ends, rest).prop_map(
        |((src, dst, from, to), (ports, kind, flags, time, marks))| {
            let end = |number, kind| match kind {
                0 => (0, v4(number)),
                1 => (GATEWAY, [0; 16]),
                2..=4 => local(number),
                5 => (
                    GATEWAY,
                    (0x2001_0db8_u128 << 96 | u128::from(number)).to_be_bytes(),
                ),
                _ => remote(number),
            };
            let protocol = [6, 17, 1, 58, 0, 132][usize::from(kind % 6)];
            Packet {
                time: if kind > 200 {
                    time
                } else {
                    SECONDS * SECOND + time % 100_000_000_000
                },
                tcp_flags: flags,
                marks,
                ip_version: if protocol == 0 { 0 } else { 4 },
                ..packet(
                    0,
                    end(src, from),
                    end(dst, to),
                    (ports[0], ports[1]),
                    protocol,
                )
            }
        },
    )
}

proptest! {
    /// Whatever comes: features are finite, rows within bounds, and what the devices' rows count
    /// as sent is what packets had them as subject and source.
    #[test]
    fn anything_is_taken(packets in prop::collection::vec(anything(), 0..300), every in 1_usize..50) {
        let limits = HostLimits { devices: 8, remotes: 8, rows: 20, relations: 16, neighbours: 4 };
        let mut path = Path::new(&limits);
        for part in packets.chunks(every) {
            let subjects = path.see(part);
            let live = subjects.iter().all(|&i| i == NO_DEVICE || path.hosts.device(i).is_some());
            prop_assert!(live);
            prop_assert!(path.window().len() <= 20);
            let counters = path.hosts.counters();
            prop_assert!(counters.devices <= 8 && counters.remotes <= 8);
        }
    }
}
