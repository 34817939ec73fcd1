//! What holds for any packets.

use proptest::prelude::*;

use super::*;

fn any_time() -> impl Strategy<Value = i64> {
    prop_oneof![
        any::<i64>(),
        Just(i64::MIN),
        Just(i64::MAX),
        (0..2_000_000_000_000_i64).prop_map(|ns| 1_700_000_000_000_000_000 + ns),
        0..1_000_i64,
    ]
}

fn any_packet() -> impl Strategy<Value = Packet> {
    let length = prop_oneof![any::<u32>(), 0..2_000_u32, Just(0), Just(u32::MAX)];
    (any_time(), 0..6_u32, 0..6_u32, 0..3_u16, 0..3_u16, length)
        .prop_map(|(time, src, dst, from, to, length)| packet(time, src, dst, (from, to), length))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_are_finite_for_any_times_and_lengths(packets in prop::collection::vec(any_packet(), 1..300)) {
        let keys = keys(&packets);
        for kernel in kernels() {
            let mut damped = Damped::new(&DampedConfig {
                sources: 8,
                channels: 8,
                sockets: 8,
                kernel: Some(kernel),
            });
            let mut rows = vec![f32::NAN; packets.len() * DAMPED_STRIDE];
            damped.extract(&packets, &keys, &mut rows);
            for (number, row) in rows.chunks(DAMPED_STRIDE).enumerate() {
                for (feature, value) in row.iter().enumerate() {
                    prop_assert!(value.is_finite(), "{} packet {number} feature {feature}: {value}", kernel.name());
                }
                // Weights count at least the packet itself, correlations stay in range.
                prop_assert!(row[..15].iter().all(|weight| *weight >= 1.0));
                prop_assert!(row[75..85].iter().all(|r| r.abs() <= 1.0));
                prop_assert!(row[30..45].iter().all(|deviation| *deviation >= 0.0));
                prop_assert_eq!(&row[DAMPED..], &[0.0; 12]);
            }
            let counters = damped.counters();
            for table in [counters.sources, counters.channels, counters.sockets] {
                prop_assert_eq!(table.hits + table.inserts, packets.len() as u64);
                prop_assert!(table.used <= table.capacity && table.records <= table.used);
            }
        }
    }

    #[test]
    fn batches_make_no_difference(packets in prop::collection::vec(any_packet(), 1..200), size in 1..50_usize) {
        let keys = keys(&packets);
        for kernel in kernels() {
            let mut whole = vec![0.0; packets.len() * DAMPED_STRIDE];
            on(kernel).extract(&packets, &keys, &mut whole);
            let mut parts = vec![0.0; packets.len() * DAMPED_STRIDE];
            let mut damped = on(kernel);
            let rows = parts.chunks_mut(size * DAMPED_STRIDE);
            for ((packets, keys), rows) in packets.chunks(size).zip(keys.chunks(size)).zip(rows) {
                damped.extract(packets, keys, rows);
            }
            prop_assert_eq!(&whole, &parts);
        }
    }
}
