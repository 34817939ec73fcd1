//! Reading and writing capture files.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::unnecessary_wraps,
    reason = "tests index what they built"
)]

mod build;

use build::capture::Host;
use phage_decode::pcap::{CaptureCounters, LARGEST_CAPTURED};
use phage_decode::{
    CaptureFault, CaptureFaultKind, CaptureParser, CaptureWriter, FrameHeader, LinkType, StepState,
};
use proptest::prelude::*;

const MICRO: u32 = 0xa1b2_c3d4;
const NANO: u32 = 0xa1b2_3c4d;
const MODIFIED: u32 = 0xa1b2_cd34;

/// What a file came to: frames with offsets in the file, the fault, what was counted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Read {
    frames: Vec<FrameHeader>,
    fault: Option<CaptureFault>,
    counters: CaptureCounters,
}

/// Reads a file that is whole in memory.
fn read(file: &[u8]) -> Read {
    read_in_pieces(file, &[file.len()], usize::MAX)
}

/// Reads a file of which more comes in pieces, as from a pipe.
fn read_in_pieces(file: &[u8], pieces: &[usize], limit: usize) -> Read {
    let mut parser = CaptureParser::new();
    let mut frames = Vec::new();
    let mut pieces = pieces.iter().copied().cycle();
    let (mut start, mut end) = (0, 0);
    let mut idle = 0;
    loop {
        let from = frames.len();
        let step = parser.parse(&file[start..end], end == file.len(), limit, &mut frames);
        assert!(step.consumed <= end - start);
        for frame in &mut frames[from..] {
            assert!(frame.offset as usize + frame.captured as usize <= step.consumed);
            frame.offset += start as u64;
        }
        assert!(frames.len() - from <= limit);
        start += step.consumed;
        assert_eq!(parser.position(), start as u64);
        let fault = match step.state {
            StepState::Full => {
                idle += usize::from(step.consumed == 0);
                assert!(idle < 3, "a full step makes progress");
                continue;
            }
            StepState::More { needed } => {
                assert!(end < file.len(), "nothing more is asked for at the end");
                assert!(needed > end - start, "what is needed is not there yet");
                end = (end + pieces.next().unwrap().max(1)).min(file.len());
                continue;
            }
            StepState::End => None,
            StepState::Fault(fault) => Some(fault),
        };
        let again = parser.parse(&file[start..], true, 9, &mut Vec::new());
        assert_eq!(again.state, StepState::End, "the end stays the end");
        return Read {
            frames,
            fault,
            counters: parser.counters(),
        };
    }
}

fn fault(kind: CaptureFaultKind, offset: usize) -> Option<CaptureFault> {
    Some(CaptureFault {
        kind,
        offset: offset as u64,
    })
}

fn header(time: i64, offset: usize, captured: u32, length: u32, link: LinkType) -> FrameHeader {
    FrameHeader {
        time,
        offset: offset as u64,
        captured,
        length,
        link,
        interface: 0,
        vlan: 0,
    }
}

#[test]
fn pcap_of_either_host_and_resolution() {
    for host in [Host::Little, Host::Big] {
        for (magic, nanoseconds) in [(MICRO, 1000), (NANO, 1)] {
            let mut file = host.pcap(magic, [2, 4], 1);
            file.extend(host.record([1_700_000_000, 7], 60, &[1; 60]));
            file.extend(host.record([1_700_000_001, 999_999], 1514, &[2; 96]));
            file.extend(host.record([4_000_000_000, 0], 0, &[]));
            let read = read(&file);
            assert_eq!(read.fault, None);
            let second = 1_000_000_000;
            let expected = [
                header(
                    1_700_000_000 * second + 7 * nanoseconds,
                    40,
                    60,
                    60,
                    LinkType::ETHERNET,
                ),
                header(
                    1_700_000_001 * second + 999_999 * nanoseconds,
                    116,
                    96,
                    1514,
                    LinkType::ETHERNET,
                ),
                header(4_000_000_000 * second, 228, 0, 0, LinkType::ETHERNET),
            ];
            assert_eq!(read.frames, expected);
            assert_eq!(read.counters.frames, 3);
        }
    }
}

#[test]
fn modified_pcap_has_longer_record_headers() {
    for host in [Host::Little, Host::Big] {
        let mut file = host.pcap(MODIFIED, [2, 4], 1);
        for index in 0..3_u8 {
            let mut record = host.record([5, 6], 40, &[index; 40]);
            record.splice(16..16, [0, 0, 0, 2, 8, 0, 0, 0]);
            file.extend(record);
        }
        let read = read(&file);
        assert_eq!(read.fault, None);
        let offsets: Vec<u64> = read.frames.iter().map(|frame| frame.offset).collect();
        assert_eq!(offsets, [48, 112, 176]);
        assert_eq!(read.frames[0].time, 5_000_006_000);
    }
}

#[test]
fn link_types_and_old_versions() {
    let mut file = Host::Big.pcap(MICRO, [2, 4], 0x5400_0071);
    file.extend(Host::Big.record([0, 0], 4, &[0; 4]));
    assert_eq!(
        read(&file).frames[0].link,
        LinkType::LINUX_SLL,
        "the upper half is about checksums"
    );

    // Before 2.4 the lengths may stand the other way round.
    let mut file = Host::Little.pcap(MICRO, [2, 3], 1);
    let mut record = Host::Little.record([0, 0], 100, &[0; 64]);
    record[8] = 100;
    record[12] = 64;
    file.extend(record);
    let read_old = read(&file);
    assert_eq!(
        (read_old.frames[0].captured, read_old.frames[0].length),
        (64, 100)
    );

    let file = Host::Little.pcap(MICRO, [3, 0], 1);
    assert_eq!(
        read(&file).fault,
        fault(CaptureFaultKind::VersionUnknown, 0)
    );
}

#[test]
fn a_record_shorter_on_the_wire_than_captured_has_the_captured_length() {
    let mut file = Host::Little.pcap(MICRO, [2, 4], 1);
    file.extend(Host::Little.record([0, 0], 10, &[0; 64]));
    let frame = read(&file).frames[0];
    assert_eq!((frame.captured, frame.length), (64, 64));
}

#[test]
fn what_is_no_capture() {
    for bytes in [
        &b""[..],
        b"abc",
        b"PK\x03\x04 something else that is long enough to be a header",
        &[0; 100],
        &[0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 1, 2, 3, 4, 1, 0, 0, 0],
    ] {
        let read = read(bytes);
        assert_eq!(read.fault, fault(CaptureFaultKind::NotACapture, 0));
        assert_eq!(read.frames, []);
    }
    let file = Host::Little.pcap(MICRO, [2, 4], 1);
    assert_eq!(read(&file).fault, None, "a capture without frames is one");
    assert_eq!(
        read(&file[..20]).fault,
        fault(CaptureFaultKind::Truncated, 0)
    );
}

#[test]
fn everything_before_a_fault_is_read() {
    let mut file = Host::Little.pcap(MICRO, [2, 4], 1);
    for index in 0..10 {
        file.extend(Host::Little.record([index, 0], 50, &[0; 50]));
    }
    let end = file.len();
    for cut in 1..66 {
        let read = read(&file[..end - cut]);
        assert_eq!(read.frames.len(), 9);
        assert_eq!(read.fault, fault(CaptureFaultKind::Truncated, end - 66));
    }
    let mut lies = Host::Little.record([0, 0], 1, &[0; 1]);
    lies[8..12].copy_from_slice(&(LARGEST_CAPTURED + 1).to_le_bytes());
    file.extend(lies);
    let read = read(&file);
    assert_eq!(read.frames.len(), 10);
    assert_eq!(read.fault, fault(CaptureFaultKind::RecordTooLong, end));
}

#[test]
fn the_largest_record_is_read() {
    let mut file = Host::Little.pcap(MICRO, [2, 4], 1);
    file.extend(Host::Little.record([0, 0], 0, &vec![0; LARGEST_CAPTURED as usize]));
    let read = read_in_pieces(&file, &[65_536], 4);
    assert_eq!((read.frames.len(), read.fault), (1, None));
}

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

#[test]
fn a_step_stops_at_the_limit() {
    let mut file = Host::Little.pcap(MICRO, [2, 4], 1);
    for _ in 0..5 {
        file.extend(Host::Little.record([0, 0], 4, &[0; 4]));
    }
    let mut parser = CaptureParser::new();
    let mut frames = Vec::new();
    let step = parser.parse(&file, true, 2, &mut frames);
    assert_eq!((step.state, step.consumed), (StepState::Full, 24 + 2 * 20));
    assert_eq!((frames[0].offset, frames[1].offset), (40, 60));
    let step = parser.parse(&file[step.consumed..], true, 10, &mut frames);
    assert_eq!((step.state, step.consumed), (StepState::End, 60));
    assert_eq!(frames.len(), 5, "frames are appended");
    assert_eq!(
        frames[2].offset, 16,
        "offsets count from the data of the call"
    );
}

/// A file of every kind: format, host, and frames as (time, length beyond captured, bytes).
fn files() -> impl Strategy<Value = Vec<u8>> {
    let frames = prop::collection::vec(
        (
            any::<u32>(),
            0..1500_usize,
            prop::collection::vec(any::<u8>(), 0..90),
        ),
        0..12,
    );
    (0..4_u8, any::<bool>(), frames).prop_map(|(format, big, frames)| {
        let host = if big { Host::Big } else { Host::Little };
        let mut file = match format {
            0 => host.pcap(MICRO, [2, 4], 1),
            1 => host.pcap(NANO, [2, 4], 113),
            _ => {
                let mut file = host.section();
                file.extend(host.interface(1, 64, &host.option(9, &[9])));
                file
            }
        };
        for (time, beyond, bytes) in frames {
            let length = bytes.len() + beyond;
            file.extend(match format {
                0 | 1 => host.record([time, 5], length, &bytes),
                _ if time % 7 == 0 => host.block(time % 2000 + 10, &bytes),
                2 => host.enhanced(0, u64::from(time) << 20, length, &bytes),
                _ if time % 5 == 0 => host.simple(bytes.len().min(64), &bytes),
                _ => host.obsolete(0, u64::from(time), &bytes),
            });
        }
        file
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pieces_of_any_size_give_the_same_frames(
        file in files(),
        pieces in prop::collection::vec(1..200_usize, 1..20),
        limit in 1..5_usize,
        cut in 0..100_usize,
    ) {
        let file = &file[..file.len().saturating_sub(cut / 2)];
        prop_assert_eq!(read_in_pieces(file, &pieces, limit), read(file));
    }

    #[test]
    fn damaged_files_are_read_to_the_damage(
        file in files(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        pieces in prop::collection::vec(1..200_usize, 1..20),
    ) {
        let mut file = file;
        for (at, value) in damage {
            let at = at.index(file.len());
            file[at] = value;
        }
        prop_assert_eq!(read_in_pieces(&file, &pieces, 3), read(&file));
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read(&bytes);
    }

    #[test]
    fn what_is_written_is_read(
        link in any::<u16>(),
        frames in prop::collection::vec(
            (0..4_294_967_296_000_000_000_i64, 0..2000_u32, prop::collection::vec(any::<u8>(), 0..90)),
            0..20,
        ),
    ) {
        let writer = CaptureWriter::new(LinkType(link));
        let mut file = writer.header().to_vec();
        let mut expected = Vec::new();
        for (time, beyond, bytes) in &frames {
            let captured = bytes.len() as u32;
            let frame = header(*time, file.len() + 16, captured, captured + beyond, LinkType(link));
            writer.append(&frame, bytes, &mut file);
            expected.push(frame);
        }
        let read = read(&file);
        prop_assert_eq!(read.fault, None);
        for (frame, (_, _, bytes)) in read.frames.iter().zip(&frames) {
            prop_assert_eq!(&file[frame.offset as usize..][..bytes.len()], &bytes[..]);
        }
        prop_assert_eq!(read.frames, expected);
    }
}

#[test]
fn written_headers_are_those_of_the_format() {
    let writer = CaptureWriter::new(LinkType::ETHERNET);
    let file = writer.header();
    assert_eq!(file[..8], [0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0]);
    assert_eq!(file[20..], [1, 0, 0, 0]);
    let record = writer.record(&header(1_000_000_002, 0, 3, 4, LinkType::ETHERNET));
    assert_eq!(record, [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0]);
    let early = writer.record(&header(-5, 0, 0, 0, LinkType::ETHERNET));
    assert_eq!(early[..8], [0; 8]);
    let late = writer.record(&header(i64::MAX, 0, 0, 0, LinkType::ETHERNET));
    assert_eq!(late[..4], [0xff; 4]);
}
