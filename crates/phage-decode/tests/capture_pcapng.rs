//! Reading pcapng files.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests index what they built"
)]

mod build;

use build::capture::Host;
use build::reading::{fault, read, read_in_pieces};
use phage_decode::pcap::CaptureCounters;
use phage_decode::{CaptureFaultKind, CaptureParser, LinkType};

/// Times of one frame under an interface's options.
fn ng_time(options: &[u8], units: u64) -> i64 {
    let host = Host::Little;
    let mut file = host.section();
    file.extend(host.interface(1, 0, options));
    file.extend(host.enhanced(0, units, 4, &[0; 4]));
    read(&file).frames[0].time
}

#[test]
fn resolutions_and_offsets_of_time() {
    let host = Host::Little;
    let resolution = |value: u8| host.option(9, &[value]);
    assert_eq!(
        ng_time(&[], 1_500_000),
        1_500_000_000,
        "microseconds if nothing is said"
    );
    assert_eq!(ng_time(&resolution(9), 1_500_000), 1_500_000);
    assert_eq!(ng_time(&resolution(0), 3), 3_000_000_000);
    assert_eq!(ng_time(&resolution(3), 3), 3_000_000);
    assert_eq!(ng_time(&resolution(12), 1_234_567), 1234);
    assert_eq!(ng_time(&resolution(100), u64::MAX), 0);
    assert_eq!(ng_time(&resolution(0x80 | 0x0a), 1536), 1_500_000_000);
    assert_eq!(ng_time(&resolution(0x80 | 0x20), 1 << 31), 500_000_000);
    assert_eq!(ng_time(&resolution(0xff), u64::MAX), 0);
    let mut both = resolution(6);
    both.extend(host.option(14, &(-2_i64).to_le_bytes()));
    assert_eq!(ng_time(&both, 3_000_000), 1_000_000_000);
    assert_eq!(
        ng_time(&host.option(14, &i64::MAX.to_le_bytes()), 0),
        i64::MAX
    );
    assert_eq!(
        ng_time(&host.option(14, &i64::MIN.to_le_bytes()), 0),
        i64::MIN
    );
    assert_eq!(ng_time(&resolution(0), u64::MAX), i64::MAX);
    // Behind the end of options, and with a length that lies, nothing counts.
    let mut ended = vec![0; 4];
    ended.extend(resolution(9));
    assert_eq!(ng_time(&ended, 1), 1000);
    assert_eq!(ng_time(&[9, 0, 200, 0, 9, 0, 0, 0], 1), 1000);
}

#[test]
fn pcapng_blocks_of_all_kinds() {
    for host in [Host::Little, Host::Big] {
        let mut file = host.section();
        file.extend(host.interface(1, 40, &host.option(2, b"eth0")));
        file.extend(host.interface(113, 0, &host.option(9, &[9])));
        file.extend(host.block(4, &[0; 16]));
        file.extend(host.enhanced(1, 5_000_000_001, 99, &[1; 33]));
        file.extend(host.block(5, &[0; 20]));
        file.extend(host.obsolete(0, 7, &[2; 21]));
        file.extend(host.simple(100, &[3; 40]));
        file.extend(host.simple(30, &[4; 30]));
        file.extend(host.block(0x0bad, &[0; 12]));
        let read = read(&file);
        assert_eq!(read.fault, None);
        let seen: Vec<_> = read
            .frames
            .iter()
            .map(|frame| (frame.time, frame.captured, frame.length, frame.interface))
            .collect();
        let expected = [
            (5_000_000_001, 33, 99, 1),
            (7000, 21, 21, 0),
            (7000, 40, 100, 0),
            (7000, 30, 30, 0),
        ];
        assert_eq!(seen, expected);
        for (index, frame) in read.frames.iter().enumerate() {
            let bytes = &file[frame.offset as usize..][..frame.captured as usize];
            assert!(bytes.iter().all(|octet| usize::from(*octet) == index + 1));
        }
        assert_eq!(read.frames[0].link, LinkType::LINUX_SLL);
        assert_eq!(read.frames[1].link, LinkType::ETHERNET);
        let counters = CaptureCounters {
            frames: 4,
            sections: 1,
            interfaces: 2,
            blocks_skipped: 3,
            ..CaptureCounters::default()
        };
        assert_eq!(read.counters, counters);
    }
}

#[test]
fn sections_of_either_order_follow_each_other() {
    let mut file = Vec::new();
    for (host, link) in [(Host::Little, 1), (Host::Big, 101), (Host::Little, 113)] {
        file.extend(host.section());
        file.extend(host.interface(link, 0, &[]));
        file.extend(host.enhanced(0, 1, 4, &[0; 4]));
    }
    let read = read(&file);
    assert_eq!(read.fault, None);
    let seen: Vec<_> = read
        .frames
        .iter()
        .map(|frame| (frame.link.0, frame.interface))
        .collect();
    assert_eq!(seen, [(1, 0), (101, 1), (113, 2)]);
    assert_eq!(read.counters.sections, 3);
}

#[test]
fn pcapng_that_lies() {
    use CaptureFaultKind::{BlockMalformed, InterfaceUnknown, RecordTooLong, VersionUnknown};

    let host = Host::Little;
    let mut start = host.section();
    start.extend(host.interface(1, 0, &[]));
    start.extend(host.enhanced(0, 1, 4, &[0; 4]));
    let with = |block: &[u8]| {
        let mut file = start.clone();
        file.extend(block);
        file.extend(host.enhanced(0, 1, 4, &[0; 4]));
        let read = read(&file);
        assert_eq!(read.frames.len(), 1, "nothing behind the fault is read");
        let fault = read.fault.unwrap();
        assert_eq!(fault.offset, start.len() as u64);
        fault.kind
    };

    assert_eq!(with(&host.enhanced(1, 1, 4, &[0; 4])), InterfaceUnknown);
    assert_eq!(
        with(&host.enhanced(u32::MAX, 1, 4, &[0; 4])),
        InterfaceUnknown
    );
    let mut block = host.enhanced(0, 1, 4, &[0; 4]);
    block[20] = 200;
    assert_eq!(
        with(&block),
        BlockMalformed,
        "more captured than the block holds"
    );
    block[22] = 0xff;
    assert_eq!(with(&block), RecordTooLong);
    let mut block = host.block(4, &[0; 16]);
    block[24] = 0;
    assert_eq!(with(&block), BlockMalformed, "the two lengths differ");
    for total in [0_u32, 8, 13, 30] {
        let mut block = host.block(4, &[0; 16]);
        block[4..8].copy_from_slice(&total.to_le_bytes());
        assert_eq!(with(&block), BlockMalformed);
    }
    assert_eq!(with(&host.block(6, &[0; 8])), BlockMalformed);
    assert_eq!(with(&host.block(1, &[0; 4])), BlockMalformed);
    assert_eq!(with(&host.block(3, &[])), BlockMalformed);
    let mut section = host.section();
    section[12] = 9;
    assert_eq!(with(&section), VersionUnknown);
    section[8] = 0;
    assert_eq!(with(&section), BlockMalformed);
    let mut huge = 6_u32.to_le_bytes().to_vec();
    huge.extend(0x7fff_fff0_u32.to_le_bytes());
    assert_eq!(with(&huge), RecordTooLong);
    huge[0] = 1;
    assert_eq!(with(&huge), BlockMalformed);

    let mut orphan = host.section();
    let at = orphan.len();
    orphan.extend(host.simple(4, &[0; 4]));
    assert_eq!(read(&orphan).fault, fault(InterfaceUnknown, at));
}

#[test]
fn long_blocks_stream_by() {
    let host = Host::Big;
    let mut file = host.section();
    file.extend(host.interface(1, 0, &[]));
    let at = file.len();
    file.extend(host.block(0x0bad, &vec![7; 3_000_000]));
    let end = file.len();
    file.extend(host.enhanced(0, 1, 4, &[0; 4]));
    for pieces in [&[usize::MAX][..], &[100_000], &[1_500_001, 3]] {
        let read = read_in_pieces(&file, pieces, usize::MAX);
        assert_eq!((read.frames.len(), read.fault), (1, None));
    }
    let mut parser = CaptureParser::new();
    let step = parser.parse(&file[..at + 1000], false, 10, &mut Vec::new());
    assert_eq!(step.consumed, at + 1000, "nothing of it is held");

    assert_eq!(
        read(&file[..end - 100]).fault,
        fault(CaptureFaultKind::Truncated, at)
    );
    file[end - 1] ^= 4;
    let damaged = read(&file);
    assert_eq!(damaged.fault, fault(CaptureFaultKind::BlockMalformed, at));
}

#[test]
fn interfaces_are_bounded_and_counted() {
    let host = Host::Little;
    let mut file = host.section();
    for _ in 0..65_540 {
        file.extend(host.interface(1, 0, &[]));
    }
    file.extend(host.enhanced(65_535, 1, 4, &[0; 4]));
    file.extend(host.enhanced(65_539, 1, 4, &[0; 4]));
    let valid = file.len();
    file.extend(host.enhanced(65_540, 1, 4, &[0; 4]));
    let read = read(&file);
    assert_eq!(read.frames.len(), 1);
    assert_eq!(read.frames[0].interface, 65_535);
    assert_eq!(read.counters.interfaces_dropped, 4);
    assert_eq!(read.counters.frames_dropped, 1);
    assert_eq!(read.fault, fault(CaptureFaultKind::InterfaceUnknown, valid));
}
