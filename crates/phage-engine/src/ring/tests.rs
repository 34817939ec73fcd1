#![expect(clippy::unwrap_used, reason = "a test may fail")]
use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Puts an Ethernet frame of an experiment into a ring: from `mac`, filled with `fill`.
fn push(ring: &mut FrameRing, time: i64, mac: u8, octets: usize, fill: u8) {
    let mut data = vec![fill; octets];
    let head = [0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, mac, 0x88, 0xb5];
    data.splice(..head.len(), head);
    let frame = FrameHeader {
        time,
        offset: 0,
        captured: octets as u32,
        length: octets as u32,
        link: LinkType::ETHERNET,
        interface: 0,
        vlan: 0,
    };
    let batch = Batch {
        data: &data,
        frames: &[frame],
        origin: None,
    };
    ring.keep(&batch, &[frame]);
}

fn all(macs: Vec<u64>) -> Selection {
    Selection {
        since: i64::MIN,
        until: i64::MAX,
        macs,
        limit: 1_000_000,
        ..Selection::default()
    }
}

#[test]
fn keeps_the_latest_frames_of_the_one_asked_for() {
    for (octets, snap) in [(100, 64), (100, 1514), (61, 1514), (77, 77)] {
        let mut ring = FrameRing::new(4096, snap);
        for time in 0..1000 {
            push(
                &mut ring,
                time,
                1 + time as u8 % 2,
                octets,
                (time % 251) as u8,
            );
        }
        let frames = ring.select(&all(vec![2]));
        assert!(!frames.is_empty() && frames.len() <= 4096 / 64);
        assert_eq!(frames.last().unwrap().time, 999);
        for frame in frames {
            assert_eq!(frame.time % 2, 1);
            assert_eq!(frame.length as usize, octets);
            assert_eq!(frame.bytes.len(), octets.min(snap));
            let (head, rest) = frame.bytes.split_at(14);
            assert_eq!(head.get(11), Some(&2));
            assert!(rest.iter().all(|&byte| byte == (frame.time % 251) as u8));
        }
    }
}

#[test]
fn keeps_the_last_when_a_limit_is_given() {
    let mut ring = FrameRing::new(1 << 16, 64);
    for time in 0..100 {
        push(&mut ring, time, 1, 60, 0);
    }
    let frames = ring.select(&Selection {
        limit: 3,
        ..all(vec![1])
    });
    let times: Vec<_> = frames.iter().map(|frame| frame.time).collect();
    assert_eq!(times, [97, 98, 99]);
}

/// A capture that counts how often it was read.
#[derive(Debug, Default)]
struct Capture {
    bytes: Vec<u8>,
    reads: AtomicUsize,
}

impl Origin for Capture {
    fn read_at(&self, position: u64, into: &mut [u8]) -> usize {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let there = self.bytes.get(position as usize..).unwrap_or(&[]);
        let count = there.len().min(into.len());
        for (into, from) in into.iter_mut().zip(there) {
            *into = *from;
        }
        count
    }
}

#[test]
fn what_can_be_read_again_is_kept_as_what_is_copied() {
    let mut data = Vec::new();
    let mut headers = Vec::new();
    for number in 0..400_u32 {
        let octets = 60 + number * 7 % 900;
        headers.push(FrameHeader {
            time: i64::from(number),
            offset: data.len() as u64,
            captured: octets,
            length: octets,
            link: LinkType::ETHERNET,
            interface: 0,
            vlan: 0,
        });
        data.extend([
            0,
            0,
            0,
            0,
            0,
            9,
            0,
            0,
            0,
            0,
            0,
            1 + number as u8 % 3,
            0x88,
            0xb5,
        ]);
        data.extend((14..octets).map(|place| (place + number) as u8));
    }
    let head = 1000;
    let capture = Arc::new(Capture {
        bytes: [vec![0; head], data.clone()].concat(),
        ..Capture::default()
    });
    let origin = Arc::clone(&capture) as Arc<dyn Origin>;
    let [mut copied, mut again, mut mixed] = [0; 3].map(|_| FrameRing::new(64 << 10, 512));
    for (number, frames) in headers.chunks(7).enumerate() {
        let batch = |origin| Batch {
            data: &data,
            frames,
            origin,
        };
        let read = batch(Some((&origin, head as u64)));
        copied.keep(&batch(None), frames);
        again.keep(&read, frames);
        let other = if number % 3 == 0 { batch(None) } else { read };
        mixed.keep(&other, frames);
    }
    let bytes = |ring: &FrameRing| -> Vec<_> {
        let frames = ring.select(&all(vec![2, 3]));
        let kept = |frame: KeptFrame<'_>| (frame.time, frame.bytes.into_owned());
        frames.into_iter().map(kept).collect()
    };
    let expected = bytes(&copied);
    assert!(expected.len() > 50);
    assert_eq!(bytes(&again), expected);
    assert!(capture.reads.load(Ordering::Relaxed) <= 2);
    assert_eq!(bytes(&mixed), expected);
}

#[test]
fn of_many_captures_few_are_held_open() {
    let mut ring = FrameRing::new(64 << 10, 512);
    let capture = Arc::new(Capture {
        bytes: vec![0; 60],
        ..Capture::default()
    });
    let frame = FrameHeader {
        time: 1,
        offset: 0,
        captured: 60,
        length: 60,
        link: LinkType::ETHERNET,
        interface: 0,
        vlan: 0,
    };
    for number in 0..100 {
        let origin = Arc::new(Capture {
            bytes: capture.bytes.clone(),
            ..Capture::default()
        }) as Arc<dyn Origin>;
        let batch = Batch {
            data: &capture.bytes,
            frames: &[frame],
            origin: Some((&origin, 0)),
        };
        ring.keep(&batch, &[frame]);
        assert_eq!(Arc::strong_count(&origin) > 1, number < MOST_RUNS);
    }
    assert_eq!(ring.select(&all(vec![0])).len(), 100);
}

#[test]
fn what_is_gone_from_its_capture_is_not_shown() {
    let mut ring = FrameRing::new(4096, 512);
    let origin = Arc::new(Capture::default()) as Arc<dyn Origin>;
    let frame = FrameHeader {
        time: 1,
        offset: 0,
        captured: 60,
        length: 60,
        link: LinkType::ETHERNET,
        interface: 0,
        vlan: 0,
    };
    let batch = Batch {
        data: &[0; 60],
        frames: &[frame],
        origin: Some((&origin, 24)),
    };
    ring.keep(&batch, &[frame]);
    assert!(ring.select(&all(vec![0])).is_empty());
}
