//! Reading pcap files.
#![expect(clippy::indexing_slicing, reason = "tests index what they built")]

mod build;

use build::capture::Host;
use build::reading::{fault, header, read, read_in_pieces, MICRO, MODIFIED, NANO};
use phage_decode::pcap::LARGEST_CAPTURED;
use phage_decode::{CaptureFaultKind, LinkType};

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
