//! Totals of flows against totals of packets.

use super::*;

/// Few hosts and ports, all protocols, times that jump and go back.
fn traffic() -> impl Strategy<Value = Vec<Packet>> {
    let one = (
        0_u32..6,
        0_u32..6,
        0_u16..4,
        0_u16..4,
        0_u8..6,
        any::<u8>(),
        -500_i64..40_000,
    );
    prop::collection::vec(one, 0..400).prop_map(|list| {
        let mut now = 0;
        list.into_iter()
            .map(|(src, dst, from, to, kind, flags, step)| {
                now += if flags % 4 == 0 { step } else { step / 1000 };
                let protocol = [6, 6, 6, 17, 1, 0][usize::from(kind)];
                let mut packet = packet(
                    now,
                    (CLIENT + src, from * 20_000 + 50),
                    (CLIENT + dst, to * 20_000 + 50),
                    protocol,
                );
                packet.length = 60 + u32::from(flags);
                packet.tcp_flags = if protocol == 6 { flags } else { 0 };
                if protocol == 0 {
                    packet.ip_version = 0;
                    packet.src = [0; 16];
                    packet.dst = [0; 16];
                }
                packet
            })
            .collect()
    })
}

proptest! {
    /// Totals of flows equal totals of packets: rows that ended, rows omitted, flows that go on.
    #[test]
    fn totals_of_flows_equal_totals_of_packets(
        packets in traffic(),
        capacity in 8_usize..40,
        rows in 2_usize..60,
        every in 1_usize..100,
        active in 1_u32..60,
    ) {
        let limits = FlowLimits { capacity, rows, active_timeout_s: active, ..FlowLimits::default() };
        let mut table = table(&limits);
        let mut ended = (0, 0, 0);
        let mut add = |rows: &[FlowRow]| {
            for row in rows.iter().filter(|row| row.event & event::ENDED != 0) {
                ended.0 += 1;
                ended.1 += row.packets[0] + row.packets[1];
                ended.2 += row.octets[0] + row.octets[1];
            }
            ended
        };
        for part in packets.chunks(every) {
            let touches = observe(&mut table, part);
            prop_assert!(touches.iter().all(|touch| touch.id > 0));
            let latest = part.iter().map(|packet| packet.time).max().unwrap();
            let mut window = Vec::new();
            table.window(latest, &mut window);
            prop_assert!(window.len() <= rows);
            let (_, of_rows, octets) = add(&window);
            let counters = table.counters();
            let (live, live_octets) = table.live_totals();
            prop_assert_eq!(of_rows + counters.omitted_packets + live, counters.packets);
            prop_assert_eq!(octets + counters.omitted_octets + live_octets, counters.octets);
            prop_assert!(counters.live as usize <= capacity);
        }
        let mut last = Vec::new();
        table.finish(&mut last);
        let (flows, of_rows, _) = add(&last);
        let counters = table.counters();
        prop_assert_eq!(counters.live, 0);
        prop_assert_eq!(of_rows + counters.omitted_packets, packets.len() as u64);
        prop_assert_eq!(flows + counters.omitted, counters.started);
    }

    /// With room for all, the flows are those of a map by endpoints.
    #[test]
    fn flows_are_those_of_a_map(packets in traffic()) {
        let packets: Vec<Packet> = packets
            .into_iter()
            .filter(|packet| packet.protocol != protocol::TCP)
            .map(|packet| Packet { time: 0, ..packet })
            .collect();
        let mut expected = std::collections::HashMap::new();
        for packet in &packets {
            let (from, to) = key_ports(packet);
            let mut ends = [(packet.src, packet.src_mac, from), (packet.dst, packet.dst_mac, to)];
            ends.sort_unstable();
            *expected.entry((ends, packet.protocol)).or_insert(0_u64) += 1;
        }
        let mut table = table(&FlowLimits::default());
        observe(&mut table, &packets);
        let rows = window(&mut table, 0);
        let mut counts: Vec<u64> = rows.iter().map(|row| row.packets[0] + row.packets[1]).collect();
        let mut wanted: Vec<u64> = expected.into_values().collect();
        counts.sort_unstable();
        wanted.sort_unstable();
        prop_assert_eq!(counts, wanted);
    }
}
