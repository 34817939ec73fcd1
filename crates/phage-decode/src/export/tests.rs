//! What holds for every datagram: nothing panics, everything is bounded, truncation is no harm.
#![expect(clippy::indexing_slicing, reason = "tests")]

use proptest::prelude::*;

use super::{present, ExportDecoder, ExportLimits, FlowRecord, JsonLines, Origin};

fn bytes16(values: &[u16]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_be_bytes())
        .collect()
}

/// A set: its number, its length, its octets.
fn set(id: u16, body: &[u8]) -> Vec<u8> {
    [&bytes16(&[id, body.len() as u16 + 4]), body].concat()
}

/// A message of IPFIX, exported 1,700,000,000 seconds after the epoch.
fn ipfix(sequence: u32, domain: u32, sets: &[Vec<u8>]) -> Vec<u8> {
    let sets = sets.concat();
    let mut message = bytes16(&[10, sets.len() as u16 + 16]);
    message.extend(1_700_000_000_u32.to_be_bytes());
    message.extend(sequence.to_be_bytes());
    message.extend(domain.to_be_bytes());
    message.extend(sets);
    message
}

/// A datagram of `NetFlow` version 9, after 1,000 seconds of uptime.
fn netflow9(sequence: u32, source: u32, sets: &[Vec<u8>]) -> Vec<u8> {
    let mut message = bytes16(&[9, sets.len() as u16]);
    message.extend(1_000_000_u32.to_be_bytes());
    message.extend(1_700_000_000_u32.to_be_bytes());
    message.extend(sequence.to_be_bytes());
    message.extend(source.to_be_bytes());
    message.extend(sets.concat());
    message
}

const FIELDS: [u16; 14] = [8, 4, 12, 4, 7, 2, 11, 2, 4, 1, 2, 8, 1, 8];
const RECORD: [u8; 29] = [
    192, 0, 2, 1, 198, 51, 100, 2, 0x1f, 0x90, 0, 53, 17, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0,
    1, 0x2c,
];

fn template(id: u16) -> Vec<u8> {
    [bytes16(&[id, 7]), bytes16(&FIELDS)].concat()
}

fn decode(decoder: &mut ExportDecoder, datagram: &[u8]) -> Vec<FlowRecord> {
    let mut rows = Vec::new();
    decoder.feed(datagram, Origin::default(), 0, &mut rows);
    rows
}

fn check(rows: &[FlowRecord]) {
    assert_eq!(rows.len(), 1);
    let row = rows[0];
    assert_eq!(&row.src[12..], [192, 0, 2, 1]);
    assert_eq!(&row.dst[12..], [198, 51, 100, 2]);
    assert_eq!((row.src_port, row.dst_port, row.protocol), (8080, 53, 17));
    assert_eq!((row.packets[0], row.octets[0]), (3, 300));
    assert!(row.has(present::SRC | present::PACKETS));
}

#[test]
fn both_dialects_copy_the_same_record() {
    let mut decoder = ExportDecoder::default();
    let nine = netflow9(1, 0, &[set(0, &template(256)), set(256, &RECORD)]);
    check(&decode(&mut decoder, &nine));
    let ten = ipfix(1, 0, &[set(2, &template(256)), set(256, &RECORD)]);
    check(&decode(&mut decoder, &ten));
    assert_eq!(decoder.faults().total(), 0);
}

#[test]
fn data_before_its_template_waits_for_it() {
    let mut decoder = ExportDecoder::default();
    assert!(decode(&mut decoder, &ipfix(0, 7, &[set(300, &RECORD)])).is_empty());
    assert_eq!(decoder.waiting(), 1);
    let other = ipfix(0, 8, &[set(2, &template(300))]);
    assert!(
        decode(&mut decoder, &other).is_empty(),
        "another domain's template"
    );
    check(&decode(
        &mut decoder,
        &ipfix(1, 7, &[set(2, &template(300))]),
    ));
    assert_eq!(decoder.waiting(), 0);
}

#[test]
fn a_port_keeps_its_own_template_and_a_new_port_uses_the_latest() {
    let mut decoder = ExportDecoder::default();
    let mut rows = Vec::new();
    let from = |port| Origin {
        address: [0; 16],
        port,
    };
    decoder.feed(
        &ipfix(0, 1, &[set(2, &template(256))]),
        from(1),
        0,
        &mut rows,
    );
    let reversed = [bytes16(&[256, 2]), bytes16(&[12, 4, 8, 4])].concat();
    decoder.feed(&ipfix(0, 1, &[set(2, &reversed)]), from(2), 0, &mut rows);
    decoder.feed(&ipfix(0, 1, &[set(256, &RECORD)]), from(1), 0, &mut rows);
    check(&rows);
    rows.clear();
    decoder.feed(
        &ipfix(0, 1, &[set(256, &RECORD[..8])]),
        from(3),
        0,
        &mut rows,
    );
    assert_eq!(&rows[0].dst[12..], [192, 0, 2, 1]);
}

#[test]
fn a_withdrawn_template_decodes_no_more() {
    let mut decoder = ExportDecoder::default();
    let withdrawal = set(2, &bytes16(&[256, 0]));
    decode(
        &mut decoder,
        &ipfix(0, 1, &[set(2, &template(256)), withdrawal]),
    );
    assert!(decode(&mut decoder, &ipfix(0, 1, &[set(256, &RECORD)])).is_empty());
    let known = decoder.exporters().next();
    assert_eq!(known.map(|exporter| exporter.counters.withdrawn), Some(1));
}

#[test]
fn variable_lengths_lists_and_reversed_elements_are_passed_over() {
    // A name, a list of RFC 6313, octets of the reverse direction, then the addresses.
    let mut layout = bytes16(&[256, 5, 371, 0xffff, 291, 0xffff, 0x8001, 8, 0, 29_305]);
    layout.extend(bytes16(&[8, 4, 12, 4]));
    let long = vec![7; 300];
    let mut record = vec![3, b'a', b'b', b'c', 255, 1, 44];
    record.extend(&long);
    record.extend(9_u64.to_be_bytes());
    record.extend([192, 0, 2, 1, 198, 51, 100, 2]);
    let data = [record.clone(), record].concat();
    let message = ipfix(0, 1, &[set(2, &layout), set(256, &data)]);
    let mut decoder = ExportDecoder::default();
    let rows = decode(&mut decoder, &message);
    assert_eq!(rows.len(), 2);
    assert!(rows
        .iter()
        .all(|row| row.octets == [0, 9] && row.src[12..] == [192, 0, 2, 1]));
}

#[test]
fn options_tell_the_rate_of_a_sampler_and_it_is_told_once() {
    let mut options = bytes16(&[257, 3, 1]);
    options.extend(bytes16(&[302, 4, 305, 4, 306, 4]));
    let told: Vec<u8> = [5_u32, 1, 99]
        .iter()
        .flat_map(|value| value.to_be_bytes())
        .collect();
    let layout = bytes16(&[256, 2, 302, 4, 2, 4]);
    let data: Vec<u8> = [5_u32, 8, 6, 8]
        .iter()
        .flat_map(|value| value.to_be_bytes())
        .collect();
    let message = ipfix(
        0,
        1,
        &[
            set(3, &options),
            set(257, &told),
            set(2, &layout),
            set(256, &data),
        ],
    );
    let rows = decode(&mut ExportDecoder::default(), &message);
    let told: Vec<_> = rows
        .iter()
        .map(|row| (row.sampling, row.packets[0]))
        .collect();
    assert_eq!(told, [(100, 8), (0, 8)]);
}

#[test]
fn gaps_restarts_and_late_datagrams_are_counted() {
    let mut decoder = ExportDecoder::default();
    for sequence in [10, 11, 15, 14, 16] {
        decode(&mut decoder, &netflow9(sequence, 1, &[]));
    }
    let mut restarted = netflow9(1, 1, &[]);
    restarted[4..8].copy_from_slice(&5_u32.to_be_bytes());
    decode(&mut decoder, &restarted);
    let counters = decoder.exporters().next().map(|exporter| exporter.counters);
    let told = counters.map(|counters| (counters.lost, counters.reordered, counters.restarts));
    assert_eq!(told, Some((3, 1, 1)));
}

#[test]
fn a_million_exporters_and_templates_are_bounded() {
    let limits = ExportLimits {
        domains: 1_000,
        fields: 20_000,
        pending: 64 << 10,
        ..ExportLimits::default()
    };
    let mut decoder = ExportDecoder::new(limits);
    let honest = Origin {
        address: [9; 16],
        port: 1,
    };
    let mut rows = Vec::new();
    let learn = ipfix(0, 1, &[set(2, &template(256)), set(256, &RECORD)]);
    decoder.feed(&learn, honest, 1, &mut rows);
    for fake in 0..1_000_000_u32 {
        let mut from = Origin::default();
        from.address[..4].copy_from_slice(&fake.to_be_bytes());
        let id = 256 + (fake % 60_000) as u16;
        let message = ipfix(0, fake, &[set(2, &template(id)), set(id ^ 1, &RECORD)]);
        decoder.feed(&message, from, i64::from(fake), &mut rows);
    }
    assert!(decoder.domains.iter().count() <= 1_000);
    assert!(decoder.domains.weight <= 20_000);
    assert!(decoder.waiting() <= 1_024);
    rows.clear();
    decoder.feed(&ipfix(0, 1, &[set(256, &RECORD)]), honest, 2, &mut rows);
    check(&rows);
}

#[test]
fn a_million_templates_of_one_exporter_are_bounded() {
    let mut decoder = ExportDecoder::default();
    for fake in 0..1_000_000_u32 {
        let id = 256 + (fake % 65_000) as u16;
        decode(&mut decoder, &ipfix(0, 1, &[set(2, &template(id))]));
    }
    assert!(decoder.domains.weight <= super::MOST_TEMPLATES_WEIGHT);
    assert!(decoder.refused > 0);
}

#[test]
fn templates_and_rates_outlive_a_restart() {
    let mut options = bytes16(&[257, 3, 1]);
    options.extend(bytes16(&[302, 4, 305, 4, 306, 4]));
    let told: Vec<u8> = [5_u32, 1, 99]
        .iter()
        .flat_map(|value| value.to_be_bytes())
        .collect();
    let layout = bytes16(&[256, 2, 302, 4, 2, 4]);
    let mut before = ExportDecoder::default();
    decode(
        &mut before,
        &ipfix(0, 1, &[set(3, &options), set(257, &told), set(2, &layout)]),
    );
    let state = before.save();
    let mut after = ExportDecoder::default();
    assert_eq!(after.load(&state), Ok(()));
    let data: Vec<u8> = [5_u32, 8]
        .iter()
        .flat_map(|value| value.to_be_bytes())
        .collect();
    let rows = decode(&mut after, &ipfix(0, 1, &[set(256, &data)]));
    assert_eq!(
        rows.first().map(|row| (row.sampling, row.packets[0])),
        Some((100, 8))
    );
    assert_eq!(after.save().len(), state.len());
    for cut in 0..state.len() {
        let mut damaged = ExportDecoder::default();
        let _ = damaged.load(&state[..cut]);
    }
    assert_eq!(after.load(b"phagexp1\x07"), Err(super::StateFault));
    assert_eq!(after.load(b"phage"), Err(super::StateFault));
}

fn prefix() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        Just(vec![0, 5]),
        Just(vec![0, 7]),
        Just(vec![0, 1]),
        Just(vec![0, 9]),
        Just(vec![0, 10]),
        Just(vec![0, 0, 0, 5, 0, 0, 0, 1]),
        Just(vec![]),
    ]
}

proptest! {
    #[test]
    fn any_octets_are_decoded_or_counted(
        start in prefix(),
        rest in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let datagram = [start, rest].concat();
        let mut decoder = ExportDecoder::default();
        let rows = decode(&mut decoder, &datagram);
        prop_assert!(rows.len() <= datagram.len());
        let mut lines = JsonLines::new(true);
        decoder.feed(&datagram, Origin::default(), 0, &mut lines);
        let text = lines.take();
        let whole = text.lines().all(|line| line.starts_with('{') && line.ends_with('}'));
        prop_assert!(whole);
    }

    #[test]
    fn any_sets_behind_a_template_are_decoded_or_counted(
        fields in proptest::collection::vec((0_u16..600, prop_oneof![0_u16..20, Just(0xffff)]), 1..12),
        data in proptest::collection::vec(any::<u8>(), 0..300),
        options in any::<bool>(),
    ) {
        let layout: Vec<u16> = fields.iter().flat_map(|(number, length)| [*number, *length]).collect();
        let mut head = vec![256, fields.len() as u16];
        head.extend(options.then_some(1));
        let layout = [bytes16(&head), bytes16(&layout)].concat();
        let message = ipfix(0, 1, &[set(2 + u16::from(options), &layout), set(256, &data)]);
        let mut decoder = ExportDecoder::default();
        let rows = decode(&mut decoder, &message);
        let mut lines = JsonLines::new(false);
        decoder.feed(&message, Origin::default(), 0, &mut lines);
        prop_assert_eq!(lines.take().lines().count(), rows.len());
    }

    #[test]
    fn a_datagram_cut_anywhere_gives_no_more_records(cut in 0_usize..400) {
        let data = RECORD.repeat(8);
        for whole in [
            ipfix(0, 1, &[set(2, &template(256)), set(256, &data)]),
            netflow9(0, 1, &[set(0, &template(256)), set(256, &data)]),
        ] {
            let cut = cut.min(whole.len());
            let rows = decode(&mut ExportDecoder::default(), &whole[..cut]);
            let all = decode(&mut ExportDecoder::default(), &whole);
            prop_assert_eq!(all.len(), 8);
            prop_assert!(rows.len() <= 8);
            prop_assert!(rows.iter().zip(&all).all(|(row, other)| row == other));
        }
    }
}

#[test]
fn a_wrong_clock_is_told_and_corrected_where_wanted() {
    let message = || ipfix(0, 1, &[set(2, &template(256)), set(256, &RECORD)]);
    let export = 1_700_000_000_000_000_000;
    for (behind, correct, shift) in [
        (3600, true, 3600),
        (3600, false, 0),
        (-7200, true, -7200),
        (3, true, 0),
    ] {
        let mut decoder = ExportDecoder::new(ExportLimits {
            correct_clocks: correct,
            ..ExportLimits::default()
        });
        let mut rows = Vec::new();
        let arrival = export + behind * 1_000_000_000;
        decoder.feed(&message(), Origin::default(), arrival, &mut rows);
        assert_eq!(rows[0].last, export + shift * 1_000_000_000);
        let exporter = decoder.exporters().next();
        let drift = exporter.map(|exporter| exporter.drift);
        assert_eq!(drift, Some(behind * 1_000_000_000));
    }
}

#[test]
fn sequence_numbers_that_count_their_own_message_miss_nothing() {
    let mut decoder = ExportDecoder::default();
    let (mut before, mut after) = (0, 0);
    for count in [1, 5, 2, 2, 7] {
        let body = RECORD.repeat(count);
        after += count as u32;
        let sets = [set(2, &template(256)), set(256, &body)];
        decode(&mut decoder, &ipfix(before, 1, &sets));
        decode(&mut decoder, &ipfix(after, 2, &sets));
        before = after;
    }
    for exporter in decoder.exporters() {
        assert_eq!(
            (exporter.counters.lost, exporter.counters.reordered),
            (0, 0)
        );
    }
    decode(&mut decoder, &ipfix(before + 9, 1, &[set(256, &RECORD)]));
    let lost: u64 = decoder.exporters().map(|each| each.counters.lost).sum();
    assert_eq!(lost, 9);
}
