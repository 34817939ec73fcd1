//! Any datagrams of several exporters to one decoder with small tables. Input: datagrams behind
//! two octets each: the exporter and how many octets follow, in units of eight.
#![no_main]

use libfuzzer_sys::fuzz_target;
use phage_decode::export::{ExportDecoder, ExportLimits, FlowRecord, JsonLines, Origin};

fuzz_target!(|data: &[u8]| {
    let mut decoder = ExportDecoder::new(ExportLimits {
        domains: 4,
        fields: 256,
        pending: 2048,
        correct_clocks: data.first().is_some_and(|first| first & 1 == 1),
    });
    let mut lines = JsonLines::new(true);
    let mut rest = data;
    while let [exporter, length, tail @ ..] = rest {
        let (datagram, after) = tail.split_at((usize::from(*length) * 8).min(tail.len()));
        rest = after;
        let from = Origin {
            address: [exporter & 7; 16],
            port: u16::from(exporter >> 5),
        };
        let mut rows: Vec<FlowRecord> = Vec::new();
        decoder.feed(datagram, from, i64::from(*exporter), &mut rows);
        assert!(rows.len() <= data.len(), "a record has at least an octet");
        // The same once more, as text: what is known of the exporter has changed by then.
        decoder.feed(datagram, from, 0, &mut lines);
        for line in lines.take().lines() {
            assert!(line.starts_with('{') && line.ends_with('}'));
        }
    }
    let counters: Vec<_> = decoder.counters().into_iter().collect();
    assert!(counters.contains(&("domains", decoder.exporters().count() as u64)));
    assert!(decoder.exporters().count() <= 4);
    assert!(decoder.waiting() <= 2048);
});
