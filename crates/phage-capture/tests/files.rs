//! Capture files as a source: what is read of whole, compressed, damaged and slow ones.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use phage_capture::{CaptureError, FileSource, Source, SourceCounters, SourceFaultKind};
use phage_decode::{CaptureWriter, FrameHeader, LinkType};

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "phage-capture-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A capture of `count` frames; frame i has i % 1000 + 20 bytes, all of them i, and the time i.
fn capture(count: u32) -> Vec<u8> {
    let writer = CaptureWriter::new(LinkType::ETHERNET);
    let mut out = writer.header().to_vec();
    for index in 0..count {
        let bytes = vec![index as u8; (index % 1000 + 20) as usize];
        let frame = FrameHeader {
            time: i64::from(index) * 1000,
            offset: 0,
            captured: bytes.len() as u32,
            length: bytes.len() as u32 + 5,
            link: LinkType::ETHERNET,
            interface: 0,
            vlan: 0,
        };
        writer.append(&frame, &bytes, &mut out);
    }
    out
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    flate2::read::GzEncoder::new(bytes, flate2::Compression::fast())
        .read_to_end(&mut packed)
        .unwrap();
    packed
}

fn zstandard(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// Reads everything, checks that the frames are those of [`capture`] in order, counts them.
fn read(paths: &[&Path], filter: Option<&str>) -> (u64, Result<(), CaptureError>, SourceCounters) {
    let paths: Vec<PathBuf> = paths.iter().map(|path| path.to_path_buf()).collect();
    let mut source = FileSource::open(&paths, filter).unwrap();
    let mut count = 0u64;
    let outcome = loop {
        match source.next(1024, Duration::from_millis(100)) {
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
            Ok(Some(batch)) => {
                assert!(batch.frames.len() <= 1024);
                for frame in batch.frames {
                    let index = (frame.time / 1000) as u32;
                    let bytes = batch.bytes(frame);
                    assert_eq!(bytes.len(), (index % 1000 + 20) as usize);
                    assert!(bytes.iter().all(|byte| *byte == index as u8));
                    assert_eq!(frame.length, frame.captured + 5);
                    count += 1;
                }
            }
        }
    };
    let counters = source.counters();
    assert_eq!(counters.packets, count);
    (count, outcome, counters)
}

#[test]
fn several_files_are_one_source() {
    let folder = Folder::new();
    let a = folder.write("a", &capture(3000));
    let b = folder.write("b.pcap", &gzip(&capture(5000)));
    let c = folder.write("c.gz", &zstandard(&capture(70)));
    let (count, outcome, counters) = read(&[&a, &b, &c, &a], None);
    assert!(outcome.is_ok());
    assert_eq!(count, 11_070);
    assert_eq!(counters.faults, []);
}

#[test]
fn compressed_streams_may_have_many_parts() {
    let folder = Folder::new();
    let whole = capture(4000);
    let (first, second) = whole.split_at(whole.len() / 3);
    let members = folder.write("a", &[gzip(first), gzip(&[]), gzip(second)].concat());
    assert_eq!(read(&[&members], None).0, 4000);
    let skippable = [&[0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    let frames = [
        &skippable[..],
        &zstandard(first),
        &skippable,
        &zstandard(second),
    ]
    .concat();
    let frames = folder.write("b", &frames);
    let (count, _, counters) = read(&[&frames], None);
    assert_eq!((count, counters.faults.len()), (4000, 0));
}

#[test]
fn a_cut_file_is_read_up_to_the_cut() {
    let folder = Folder::new();
    let whole = capture(2000);
    let next = folder.write("next", &capture(10));
    let cut = folder.write("cut", &whole[..whole.len() - 7]);
    let (count, outcome, counters) = read(&[&cut, &next], None);
    assert!(outcome.is_ok());
    assert_eq!(count, 1999 + 10);
    assert_eq!(counters.faults_seen, 1);
    // The last record: 16 bytes of header and 1,019 of data.
    assert_eq!(counters.faults[0].offset, (whole.len() - 16 - 1019) as u64);

    for packed in [gzip(&whole), zstandard(&whole)] {
        let cut = folder.write("packed", &packed[..packed.len() * 9 / 10]);
        let (count, _, counters) = read(&[&cut], None);
        assert!((1000..2000).contains(&count), "{count}");
        assert_eq!(counters.faults_seen, 1, "{:?}", counters.faults);
        assert!(matches!(
            counters.faults[0].kind,
            SourceFaultKind::Compression(_)
        ));
        assert!(counters.faults[0].offset > 500_000);
    }
}

#[test]
fn what_is_no_capture_is_an_error_only_where_nothing_else_was_read() {
    let folder = Folder::new();
    let good = folder.write("good", &capture(5));
    for bytes in [
        &b"#!/bin/sh\nexit 0\nand more text than a header has"[..],
        &gzip(b"hello"),
    ] {
        let bad = folder.write("bad", bytes);
        let (_, outcome, _) = read(&[&bad], None);
        assert!(matches!(outcome, Err(CaptureError::NotACapture(path)) if path == bad));
        let (count, outcome, counters) = read(&[&bad, &good], None);
        assert!(outcome.is_ok());
        assert_eq!((count, counters.faults_seen), (5, 1));
    }
}

#[test]
fn files_that_cannot_be_opened_are_left_out_unless_all_are_such() {
    let folder = Folder::new();
    let good = folder.write("good", &capture(5));
    let missing = folder.0.join("missing");
    for paths in [[&missing, &good], [&good, &missing]] {
        let (count, outcome, counters) = read(&paths.map(PathBuf::as_path), None);
        assert!(outcome.is_ok());
        assert_eq!(count, 5);
        let told: Vec<String> = counters.faults.iter().map(ToString::to_string).collect();
        assert_eq!(told, [format!("{}: no such file", missing.display())]);
    }
    match FileSource::open(&[missing.clone(), folder.0.clone()], None) {
        Err(CaptureError::NotFound(path)) => assert_eq!(path, missing),
        _ => panic!("a missing file was opened"),
    }
    assert!(matches!(
        FileSource::open(std::slice::from_ref(&folder.0), None),
        Err(CaptureError::Io { .. })
    ));
    assert!(matches!(
        FileSource::open(&[missing], Some("tcp and")),
        Err(CaptureError::Filter(_))
    ));
}

#[test]
fn a_filter_chooses_and_counts() {
    let folder = Folder::new();
    let path = folder.write("a", &capture(2000));
    let (count, outcome, counters) = read(&[&path], Some("greater 1000"));
    assert!(outcome.is_ok());
    // Frame i has i % 1000 + 25 bytes on the wire.
    assert_eq!((count, counters.filtered), (2 * 25, 2000 - 2 * 25));
}

#[test]
fn batches_keep_to_the_limit() {
    let folder = Folder::new();
    let path = folder.write("a", &capture(100));
    let mut source = FileSource::open(&[path], None).unwrap();
    let mut sizes = Vec::new();
    while let Some(batch) = source.next(33, Duration::ZERO).unwrap() {
        sizes.push(batch.frames.len());
    }
    assert_eq!(sizes, [33, 33, 33, 1]);
}

#[test]
fn the_end_of_a_piece_leaves_no_small_batch() {
    let folder = Folder::new();
    let path = folder.write("a.pcap", &capture(20_000));
    for filter in [None, Some("greater 1000")] {
        let mut source = FileSource::open(std::slice::from_ref(&path), filter).unwrap();
        let mut sizes = Vec::new();
        while let Some(batch) = source.next(256, Duration::ZERO).unwrap() {
            for frame in batch.frames {
                let bytes = batch.bytes(frame);
                assert_eq!(bytes.len(), frame.captured as usize);
                assert!(bytes.iter().all(|&byte| byte == (frame.time / 1000) as u8));
            }
            sizes.push(batch.frames.len());
        }
        sizes.pop();
        let smallest = sizes.iter().copied().min().unwrap();
        assert!(filter.is_some() || smallest >= 30, "{smallest}");
    }
}

#[test]
fn a_file_that_shrinks_ends() {
    let folder = Folder::new();
    let path = folder.write("a", &capture(20_000));
    let mut source = FileSource::open(std::slice::from_ref(&path), None).unwrap();
    assert_eq!(
        source
            .next(10, Duration::ZERO)
            .unwrap()
            .unwrap()
            .frames
            .len(),
        10
    );
    File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(100)
        .unwrap();
    while source.next(1024, Duration::ZERO).unwrap().is_some() {}
    assert_eq!(source.counters().faults_seen, 1);
}

/// Two ends of a named pipe.
fn pipe(folder: &Folder) -> Option<PathBuf> {
    let path = folder.0.join("pipe");
    let made = Command::new("mkfifo").arg(&path).status();
    if made.is_ok_and(|status| status.success()) {
        return Some(path);
    }
    eprintln!("skipped: there is no mkfifo");
    None
}

#[test]
fn a_pipe_is_read_as_it_fills() {
    let folder = Folder::new();
    let Some(path) = pipe(&folder) else { return };
    for packed in [false, true] {
        let whole = capture(300);
        let bytes = if packed { gzip(&whole) } else { whole };
        let target = path.clone();
        let writer = std::thread::spawn(move || {
            let mut file = File::options().write(true).open(target).unwrap();
            for piece in bytes.chunks(1 + bytes.len() / 5) {
                file.write_all(piece).unwrap();
                std::thread::sleep(Duration::from_millis(30));
            }
        });
        let mut source = FileSource::open(std::slice::from_ref(&path), None).unwrap();
        let (mut count, mut empty) = (0, 0);
        while let Some(batch) = source.next(1024, Duration::from_millis(5)).unwrap() {
            count += batch.frames.len();
            empty += usize::from(batch.frames.is_empty());
        }
        writer.join().unwrap();
        assert_eq!(count, 300);
        assert!(empty > 0, "the wait was not kept to");
    }
}

#[test]
fn a_source_can_be_stopped_while_it_waits() {
    let folder = Folder::new();
    let Some(path) = pipe(&folder) else { return };
    let target = path.clone();
    let (done, wait) = std::sync::mpsc::channel::<()>();
    let writer = std::thread::spawn(move || {
        let file = File::options().write(true).open(target).unwrap();
        let _ = wait.recv();
        drop(file);
    });
    let mut source = FileSource::open(&[path], None).unwrap();
    let handle = source.stop_handle();
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        handle.stop();
    });
    let start = Instant::now();
    assert!(source.next(1, Duration::from_secs(60)).unwrap().is_none());
    assert!(start.elapsed() < Duration::from_secs(30));
    stopper.join().unwrap();
    drop(done);
    writer.join().unwrap();
}

#[test]
fn a_bomb_streams() {
    // 64 MiB of zeros behind a header: as many empty records as fit, in 64 kB.
    let folder = Folder::new();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&capture(0)).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..64 {
        encoder.write_all(&zeros).unwrap();
    }
    let path = folder.write("bomb", &encoder.finish().unwrap());
    let mut source = FileSource::open(&[path], None).unwrap();
    let mut largest = 0;
    while let Some(batch) = source.next(1024, Duration::from_secs(1)).unwrap() {
        largest = largest.max(batch.data.len());
    }
    assert!(largest <= 1 << 20);
    assert_eq!(source.counters().packets, (64 << 20) / 16);
}
