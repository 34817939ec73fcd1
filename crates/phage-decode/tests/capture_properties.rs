//! What holds for any capture file, read in any pieces; and what is written is read again.
#![expect(clippy::indexing_slicing, reason = "tests index what they built")]

mod build;

use build::capture::Host;
use build::reading::{header, read, read_in_pieces, MICRO, NANO};
use phage_decode::{CaptureParser, CaptureWriter, LinkType, StepState};
use proptest::prelude::*;

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
