#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use proptest::prelude::*;

use super::*;

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 7 + i / 251) as u8).collect()
}

fn reassembler() -> Reassembler {
    Reassembler::new(&ReassemblyLimits::default())
}

#[test]
fn a_stream_in_order_grows() {
    let mut streams = reassembler();
    let data = content(300);
    assert_eq!(streams.push(1, false, 1000, true, &[], 0), None);
    assert_eq!(
        streams.push(1, false, 1001, false, &data[..100], 0),
        Some(&data[..100])
    );
    assert_eq!(
        streams.push(1, false, 1101, false, &data[100..], 0),
        Some(&data[..])
    );
    // The other direction is another stream.
    assert_eq!(streams.push(1, true, 9, true, &[], 0), None);
    assert_eq!(
        streams.push(1, true, 10, false, b"reply", 0),
        Some(&b"reply"[..])
    );
    streams.release(1);
    assert_eq!(
        (streams.counters().streams, streams.counters().octets),
        (0, 0)
    );
}

#[test]
fn a_gap_holds_back_until_it_closes_also_where_numbers_wrap() {
    let mut streams = reassembler();
    let data = content(200);
    let base = u32::MAX - 49;
    streams.push(1, false, base.wrapping_sub(1), true, &[], 0);
    assert_eq!(
        streams.push(1, false, base.wrapping_add(100), false, &data[100..], 0),
        None
    );
    assert_eq!(
        streams.push(1, false, base.wrapping_add(50), false, &data[50..100], 0),
        None
    );
    assert_eq!(
        streams.push(1, false, base, false, &data[..50], 0),
        Some(&data[..])
    );
    assert_eq!(streams.counters().out_of_order, 2);
}

#[test]
fn what_came_first_stays() {
    let mut streams = reassembler();
    streams.push(1, false, 0, true, &[], 0);
    streams.push(1, false, 5, false, b"EFGH", 0);
    assert_eq!(
        streams.push(1, false, 1, false, b"abcdefghij", 0),
        Some(&b"abcdEFGHij"[..])
    );
    assert_eq!(
        streams.push(1, false, 1, false, b"XXXXXXXXXXk", 0),
        Some(&b"abcdEFGHijk"[..])
    );
    assert_eq!(streams.push(1, false, 1, false, b"XX", 0), None);
    assert_eq!(streams.counters().overlapping, 3);
}

#[test]
fn payload_of_a_syn_is_the_beginning() {
    let mut streams = reassembler();
    assert_eq!(
        streams.push(1, false, 7, true, b"GET", 0),
        Some(&b"GET"[..])
    );
    assert_eq!(
        streams.push(1, false, 11, false, b" /", 0),
        Some(&b"GET /"[..])
    );
}

#[test]
fn a_stream_without_beginning_is_given_up() {
    let mut streams = reassembler();
    assert_eq!(streams.push(1, false, 7, false, b"late", 0), None);
    assert_eq!(streams.counters().streams, 0);
    streams.push(2, false, 7, true, &[], 0);
    assert_eq!(
        streams.push(2, true, 70, false, b"no SYN-ACK seen", 0),
        None
    );
    assert_eq!(streams.push(2, true, 85, false, b"more", 0), None);
    assert_eq!(streams.counters().missing_start, 2);
}

#[test]
fn the_limit_of_a_direction_ends_it() {
    let mut streams = reassembler();
    let data = content(20_000);
    streams.push(1, false, 0, true, &[], 0);
    let grown = streams.push(1, false, 1, false, &data, 0).unwrap();
    assert_eq!(grown, &data[..16_384]);
    assert_eq!(streams.push(1, false, 20_001, false, &data, 0), None);
    assert_eq!(streams.counters().octets, 0);
}

#[test]
fn memory_and_streams_are_bounded() {
    let limits = ReassemblyLimits {
        streams: 50,
        memory: 100_000,
        ..ReassemblyLimits::default()
    };
    let mut streams = Reassembler::new(&limits);
    let data = content(8000);
    for flow in 0..500 {
        streams.push(flow, false, 0, true, &[], flow as i64);
        streams.push(flow, false, 2, false, &data, flow as i64);
        let counters = streams.counters();
        assert!(counters.octets <= 100_000 && counters.streams <= 50);
    }
    assert!(streams.counters().evicted >= 450);
    // One byte every other place: at most so many wait.
    streams.push(1000, false, 0, true, &[], 0);
    for place in 0..100 {
        streams.push(1000, false, 2 + place * 2, false, b"x", 0);
    }
    assert_eq!(streams.counters().dropped, 100 - 32);
}

#[test]
fn silent_streams_are_dropped() {
    let mut streams = reassembler();
    for flow in 0..10 {
        streams.push(flow, false, 0, true, &[], 0);
    }
    for _ in 0..3 {
        streams.push(99, false, 0, true, &[], 61_000_000_000);
    }
    assert_eq!(
        (streams.counters().streams, streams.counters().idle),
        (1, 10)
    );
}

proptest! {
    /// Any cutting and any order give the stream, once all parts have come.
    #[test]
    fn any_order_gives_the_stream(
        base in any::<u32>(),
        cuts in prop::collection::btree_set(1_usize..2000, 0..20),
        order in any::<u64>(),
        extra in prop::collection::vec((0_usize..2000, 1_usize..300), 0..10),
    ) {
        let data = content(2000);
        let mut edges: Vec<usize> = cuts.into_iter().collect();
        edges.insert(0, 0);
        edges.push(2000);
        let mut parts: Vec<(usize, usize)> = edges.windows(2).map(|w| (w[0], w[1])).collect();
        parts.extend(extra.into_iter().map(|(from, length)| (from, (from + length).min(2000))));
        // A permutation by a keyed sort.
        parts.sort_by_key(|&(from, to)| (from as u64 ^ order).wrapping_mul(order | 1) ^ to as u64);
        let limits = ReassemblyLimits { waiting: 64, ..ReassemblyLimits::default() };
        let mut streams = Reassembler::new(&limits);
        streams.push(1, false, base.wrapping_sub(1), true, &[], 0);
        let mut grown = 0;
        for (from, to) in parts {
            let sequence = base.wrapping_add(from as u32);
            if let Some(prefix) = streams.push(1, false, sequence, false, &data[from..to], 0) {
                prop_assert!(prefix.len() > grown);
                grown = prefix.len();
                prop_assert_eq!(prefix, &data[..grown]);
            }
        }
        prop_assert_eq!(grown, 2000);
    }

    /// Anything at all stays within bounds, and what was read is never rewritten.
    #[test]
    fn anything_stays_within_bounds(
        pushes in prop::collection::vec(
            (0_u64..6, any::<bool>(), 0_u32..300, 0_u8..8, 0_usize..200, any::<u8>()), 0..300)
    ) {
        let limits = ReassemblyLimits { streams: 4, memory: 2000, prefix: 256, waiting: 4 };
        let mut streams = Reassembler::new(&limits);
        let mut read: HashMap<(u64, bool), Vec<u8>> = HashMap::new();
        for (flow, reverse, sequence, syn, length, fill) in pushes {
            if syn == 1 {
                streams.release(flow);
                read.retain(|&(held, _), _| held != flow);
            }
            let payload = vec![fill; length];
            let grown = streams
                .push(flow, reverse, sequence, syn < 2, &payload, 0)
                .map(<[u8]>::to_vec);
            if let Some(prefix) = grown {
                prop_assert!(prefix.len() <= 256);
                let before = read.entry((flow, reverse)).or_default();
                // A stream that was dropped and begun again starts anew.
                prop_assert!(streams.counters().evicted > 0 || prefix.starts_with(before));
                *before = prefix;
            }
            let counters = streams.counters();
            prop_assert!(counters.octets <= 2000 && counters.streams <= 4);
        }
    }
}
