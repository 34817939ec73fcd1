//! Files in SMB 1 and 2.

use proptest::prelude::*;

use super::{carved, carver, told, Link, CLIENT, SERVER};
use crate::{Carver, CarverLimits};

/// A message of SMB 2 in its frame.
fn smb2(command: u16, number: u64, is_answer: bool, body: &[u8]) -> Vec<u8> {
    let mut message = vec![0xfe, b'S', b'M', b'B', 64, 0, 0, 0, 0, 0, 0, 0];
    message.extend(command.to_le_bytes());
    message.extend([0, 0]);
    message.extend(u32::from(is_answer).to_le_bytes());
    message.extend(0_u32.to_le_bytes());
    message.extend(number.to_le_bytes());
    message.resize(64, 0);
    message.extend(body);
    framed(&message)
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut frame = (message.len() as u32).to_be_bytes().to_vec();
    frame.extend(message);
    frame
}

/// A message of SMB 1 in its frame: its words, and the octets after them.
fn smb1(command: u8, number: u16, is_answer: bool, words: &[u8], octets: &[u8]) -> Vec<u8> {
    let mut message = vec![0xff, b'S', b'M', b'B', command, 0, 0, 0, 0];
    message.extend([u8::from(is_answer) << 7, 0, 0x80]);
    message.resize(30, 0);
    message.extend(number.to_le_bytes());
    message.push((words.len() / 2) as u8);
    message.extend(words);
    message.extend((octets.len() as u16).to_le_bytes());
    message.extend(octets);
    framed(&message)
}

/// Words of SMB 1, so many, with numbers of 16 bits at some octets.
fn words(count: usize, numbers: &[(usize, u16)]) -> Vec<u8> {
    let mut words = vec![0; 2 * count];
    for (at, number) in numbers {
        words[*at..at + 2].copy_from_slice(&number.to_le_bytes());
    }
    words
}

fn smb1_create(number: u16, name: &str) -> Vec<u8> {
    let mut octets = vec![0]; // Names in Unicode begin at an even place.
    octets.extend(name.encode_utf16().flat_map(u16::to_le_bytes));
    let length = (octets.len() - 1) as u16;
    smb1(0xa2, number, false, &words(24, &[(5, length)]), &octets)
}

#[test]
fn files_of_smb1_are_read_and_written() {
    let mut carver = carver();
    let mut link = Link::open(&mut carver, (CLIENT, 40000), (SERVER, 445));
    let opened = |number, id| smb1(0xa2, number, true, &words(34, &[(5, id)]), &[]);
    link.say(&mut carver, false, &smb1_create(1, r"\share\up.exe"));
    link.say(&mut carver, true, &opened(1, 7));
    for (offset, data) in [(4, b"last"), (0, b"firs")] {
        let wrote = words(14, &[(4, 7), (6, offset), (20, 4), (22, 63)]);
        link.say(&mut carver, false, &smb1(0x2f, 2, false, &wrote, data));
    }
    link.say(
        &mut carver,
        false,
        &smb1(0x04, 3, false, &words(3, &[(0, 7)]), &[]),
    );
    link.say(&mut carver, false, &smb1_create(4, "down.exe"));
    link.say(&mut carver, true, &opened(4, 8));
    link.say(
        &mut carver,
        false,
        &smb1(0x2e, 5, false, &words(12, &[(4, 8)]), &[]),
    );
    let answer = words(12, &[(10, 5), (12, 59)]);
    link.say(&mut carver, true, &smb1(0x2e, 5, true, &answer, b"hello"));
    link.say(
        &mut carver,
        false,
        &smb1(0x04, 6, false, &words(3, &[(0, 8)]), &[]),
    );
    assert_eq!(
        told(&carver.take()),
        [
            (false, "up.exe", &b"firslast"[..]),
            (true, "down.exe", b"hello"),
        ]
    );
    assert_eq!(carver.counters().malformed, 0);
}

#[test]
fn names_of_smb1_that_nobody_answers_count() {
    let mut carver = Carver::new(&CarverLimits {
        memory: 1 << 20,
        ..CarverLimits::default()
    });
    let mut link = Link::open(&mut carver, (CLIENT, 40000), (SERVER, 445));
    let name = "x".repeat(30_000);
    for number in 0..100 {
        link.say(&mut carver, false, &smb1_create(number, &name));
    }
    assert_eq!(carver.counters().live, 0);
    assert_eq!(carver.counters().held, 0);
}

fn smb2_create(name: &str) -> Vec<u8> {
    let name: Vec<u8> = name.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut body = vec![0; 56];
    body[44] = 64 + 56;
    body[46] = name.len() as u8;
    body.extend(name);
    body
}

fn smb2_write(offset: u64, data: &[u8]) -> Vec<u8> {
    let mut body = vec![49, 0, 64 + 48, 0];
    body.extend((data.len() as u32).to_le_bytes());
    body.extend(offset.to_le_bytes());
    body.extend([5; 16]);
    body.resize(48, 0);
    body.extend(data);
    body
}

#[test]
fn files_of_smb2_are_put_together_from_their_parts() {
    let created = {
        let mut body = vec![0; 64];
        body.extend([5; 16]);
        body
    };
    let read = |offset: u64| {
        let mut body = vec![0; 8];
        body.extend(offset.to_le_bytes());
        body.extend([5; 16]);
        body
    };
    let got = |data: &[u8]| {
        let mut body = vec![17, 0, 80, 0];
        body.extend((data.len() as u32).to_le_bytes());
        body.resize(16, 0);
        body.extend(data);
        body
    };
    let close = {
        let mut body = vec![0; 8];
        body.extend([5; 16]);
        body
    };
    for cut in [5, 1000] {
        let files = carved(
            445,
            cut,
            &[
                (false, &smb2(5, 1, false, &smb2_create("share\\a.com"))),
                (true, &smb2(5, 1, true, &created)),
                (false, &smb2(8, 2, false, &read(4))),
                (false, &smb2(8, 3, false, &read(0))),
                (true, &smb2(8, 2, true, &got(b"5678"))),
                (true, &smb2(8, 3, true, &got(b"1234"))),
                (false, &smb2(6, 4, false, &close)),
                (false, &smb2(5, 5, false, &smb2_create("b.bin"))),
                (true, &smb2(5, 5, true, &created)),
                (false, &smb2(9, 6, false, &smb2_write(0, b"up"))),
                (false, &smb2(6, 7, false, &close)),
                (false, &smb2(5, 8, false, &smb2_create("hole"))),
                (true, &smb2(5, 8, true, &created)),
                (false, &smb2(9, 9, false, &smb2_write(7, b"up"))),
                (false, &smb2(6, 10, false, &close)),
            ],
        );
        assert_eq!(
            told(&files),
            [(true, "a.com", &b"12345678"[..]), (false, "b.bin", b"up"),]
        );
    }
}

#[test]
fn what_was_not_seen_of_a_file_takes_no_memory() {
    let mut carver = carver();
    let mut link = Link::open(&mut carver, (CLIENT, 40000), (SERVER, 445));
    for number in 0..40_u64 {
        let mut write = smb2_write((16 << 20) - 1 - number, b"x");
        write[16] = number as u8; // A file of its own.
        link.say(&mut carver, false, &smb2(9, number, false, &write));
    }
    assert_eq!(carver.counters().live, 1);
    assert!(carver.counters().held < 100_000);
}

#[test]
fn files_of_smb2_are_whole_in_whatever_order_parts_come() {
    let data: Vec<u8> = (0..64_u8).collect();
    let backward: Vec<usize> = (0..16).rev().collect();
    let mixed = vec![0, 2, 1, 4, 3, 9, 8, 7, 10, 5, 6, 12, 11, 15, 14, 13];
    for order in [backward, mixed] {
        let mut carver = carver();
        let mut link = Link::open(&mut carver, (CLIENT, 40000), (SERVER, 445));
        for (number, &part) in order.iter().enumerate() {
            // Each part comes with some of the next, in other octets, and those are replaced or not.
            let from = part * 4;
            let mut piece = data[from..from + 4].to_vec();
            if !order[..number].contains(&(part + 1)) && part < 15 {
                piece.extend([255, 255]);
            }
            let write = smb2_write(from as u64, &piece);
            link.say(&mut carver, false, &smb2(9, number as u64, false, &write));
        }
        link.close(&mut carver, false);
        let files = carver.take();
        assert_eq!(told(&files), [(false, "", data.as_slice())]);
    }
}

#[test]
fn files_of_smb2_are_whole_that_are_written_backward() {
    let alike = vec![10; 1000];
    let shrinking: Vec<usize> = (1..=200).collect();
    for sizes in [alike, shrinking] {
        let data: Vec<u8> = (0..sizes.iter().sum::<usize>())
            .map(|at| at as u8)
            .collect();
        let mut carver = carver();
        let mut link = Link::open(&mut carver, (CLIENT, 40000), (SERVER, 445));
        let mut end = data.len();
        for (number, size) in sizes.iter().rev().enumerate() {
            let write = smb2_write((end - size) as u64, &data[end - size..end]);
            link.say(&mut carver, false, &smb2(9, number as u64, false, &write));
            end -= size;
        }
        link.close(&mut carver, false);
        let files = carver.take();
        assert_eq!(told(&files), [(false, "", data.as_slice())]);
    }
}

proptest! {
    #[test]
    fn messages_of_smb_break_nothing(
        frames in proptest::collection::vec(
            (any::<bool>(), prop_oneof![Just(5_u16), Just(6), Just(8), Just(9)], 0_u64..4,
             proptest::collection::vec(any::<u8>(), 0..200)), 0..40),
    ) {
        let mut carver = carver();
        let mut link = Link::open(&mut carver, (CLIENT, 40000), (SERVER, 445));
        for (is_answer, command, number, body) in &frames {
            link.say(&mut carver, *is_answer, &smb2(*command, *number, *is_answer, body));
            let mut old = vec![0xff, b'S', b'M', b'B', *command as u8 + 0x26, 0, 0, 0, 0,
                               if *is_answer { 0x80 } else { 0 }, 0, 0x80];
            old.resize(32, 0);
            old.extend(body);
            link.say(&mut carver, *is_answer, &framed(&old));
        }
        link.close(&mut carver, false);
        link.close(&mut carver, true);
        prop_assert_eq!(carver.counters().held, 0);
    }
}
