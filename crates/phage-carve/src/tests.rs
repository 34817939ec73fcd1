#![expect(clippy::indexing_slicing, reason = "a test may panic")]

use phage_decode::packet::{protocol, tcp};
use phage_decode::Packet;
use proptest::prelude::*;

use crate::{CarvedFile, Carver, CarverLimits};

const CLIENT: [u8; 4] = [192, 0, 2, 7];
const SERVER: [u8; 4] = [198, 51, 100, 9];

fn address(octets: [u8; 4]) -> [u8; 16] {
    std::net::Ipv4Addr::from(octets).to_ipv6_mapped().octets()
}

/// A connection that is played to a carver.
struct Link {
    client: ([u8; 4], u16),
    server: ([u8; 4], u16),
    next: [u32; 2],
    /// Octets of a segment.
    cut: usize,
}

impl Link {
    fn open(carver: &mut Carver, client: ([u8; 4], u16), server: ([u8; 4], u16)) -> Self {
        let link = Self {
            client,
            server,
            next: [u32::MAX - 3, 7],
            cut: 1000,
        };
        let mut answer = link.packet(true, tcp::SYN | tcp::ACK);
        answer.tcp_sequence = link.next[1].wrapping_sub(1);
        answer.tcp_acknowledgement = link.next[0];
        carver.see(&answer, &[]);
        link
    }

    fn http(carver: &mut Carver) -> Self {
        Self::open(carver, (CLIENT, 40000), (SERVER, 80))
    }

    fn packet(&self, reverse: bool, flags: u8) -> Packet {
        let (from, to) = if reverse {
            (self.server, self.client)
        } else {
            (self.client, self.server)
        };
        Packet {
            src: address(from.0),
            dst: address(to.0),
            src_port: from.1,
            dst_port: to.1,
            src_mac: u64::from(from.0[3]),
            dst_mac: u64::from(to.0[3]),
            protocol: protocol::TCP,
            tcp_flags: flags | tcp::ACK,
            tcp_sequence: self.next[usize::from(reverse)],
            ..Packet::default()
        }
    }

    fn say(&mut self, carver: &mut Carver, reverse: bool, data: &[u8]) {
        for piece in data.chunks(self.cut) {
            let mut packet = self.packet(reverse, 0);
            packet.tcp_flags = tcp::ACK;
            carver.see(&packet, piece);
            let next = &mut self.next[usize::from(reverse)];
            *next = next.wrapping_add(piece.len() as u32);
        }
    }

    fn close(&mut self, carver: &mut Carver, reverse: bool) {
        carver.see(&self.packet(reverse, tcp::FIN), &[]);
    }
}

fn carver() -> Carver {
    Carver::new(&CarverLimits::default())
}

/// What a conversation of a client and a server brings, cut into segments of a length.
fn carved(port: u16, cut: usize, turns: &[(bool, &[u8])]) -> Vec<CarvedFile> {
    let mut carver = carver();
    let mut link = Link::open(&mut carver, (CLIENT, 40000), (SERVER, port));
    link.cut = cut;
    for (reverse, data) in turns {
        link.say(&mut carver, *reverse, data);
    }
    link.close(&mut carver, true);
    link.close(&mut carver, false);
    assert_eq!(carver.counters().live, 0);
    assert_eq!(carver.counters().held, 0);
    carver.take()
}

fn told(files: &[CarvedFile]) -> Vec<(bool, &str, &[u8])> {
    let row = |f: &CarvedFile| f.dst == address(CLIENT);
    files
        .iter()
        .map(|f| (row(f), f.name.as_str(), f.data.as_slice()))
        .collect()
}

const GET: &[u8] = b"GET /files/a.com?x=/y HTTP/1.1\r\nHost: example.org\r\n\r\n";

#[test]
fn bodies_of_http_end_in_three_ways() {
    for cut in [1, 7, 1000] {
        let files = carved(80, cut, &[
            (false, GET),
            (true, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst"),
            (false, b"HEAD /b HTTP/1.1\r\n\r\nGET /c.bin HTTP/1.1\r\n\r\n"),
            (true, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
            (true, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x\r\nseco\r\n2\r\nnd\r\n0\r\nT: 1\r\n\r\n"),
            (false, b"GET /d HTTP/1.0\r\n\r\n"),
            (true, b"HTTP/1.0 200 OK\r\nContent-Disposition: attachment; filename=\"x\\y.exe\"\r\n\r\nall the rest"),
        ]);
        assert_eq!(
            told(&files),
            [
                (true, "a.com", &b"first"[..]),
                (true, "c.bin", b"second"),
                (true, "y.exe", b"all the rest"),
            ]
        );
        assert_eq!(
            (files[0].src_mac, files[0].dst_mac, files[0].port),
            (9, 7, 80)
        );
    }
}

#[test]
fn what_is_put_goes_to_the_server() {
    let form =
        b"--b\r\nContent-Disposition: form-data; name=f; filename=a\r\n\r\nEVIL\r\n--b--\r\n";
    let post = format!(
        "POST /up HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n\r\n",
        form.len()
    );
    let files = carved(
        80,
        50,
        &[
            (
                false,
                b"PUT /x.bin HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
            ),
            (true, b"HTTP/1.1 204 No Content\r\n\r\n"),
            (false, post.as_bytes()),
            (false, form),
        ],
    );
    assert_eq!(files.len(), 2);
    assert_eq!(told(&files)[0], (false, "x.bin", &b"abc"[..]));
    assert_eq!(files[1].name, "up.eml");
    assert!(files[1]
        .data
        .starts_with(b"MIME-Version: 1.0\r\nContent-Type: multipart/form-data;"));
    assert!(files[1].data.ends_with(form));
}

#[test]
fn what_is_cut_off_is_counted_and_no_file() {
    let mut carver = carver();
    let mut link = Link::http(&mut carver);
    link.say(&mut carver, false, GET);
    link.say(
        &mut carver,
        true,
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nsome",
    );
    link.close(&mut carver, true);
    assert!(carver.take().is_empty());
    assert_eq!(carver.counters().incomplete, 1);
}

#[test]
fn what_is_too_large_is_let_go_of() {
    let mut carver = Carver::new(&CarverLimits {
        file: 100,
        ..CarverLimits::default()
    });
    let mut link = Link::http(&mut carver);
    link.say(&mut carver, false, GET);
    link.say(
        &mut carver,
        true,
        b"HTTP/1.1 200 OK\r\nContent-Length: 150\r\n\r\n",
    );
    link.say(&mut carver, true, &[b'x'; 150]);
    link.say(&mut carver, false, GET);
    link.say(
        &mut carver,
        true,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    );
    assert_eq!(told(&carver.take()), [(true, "a.com", &b"ok"[..])]);
    assert_eq!(carver.counters().too_large, 1);
}

#[test]
fn mail_is_a_message_as_it_was_sent() {
    for cut in [1, 3, 1000] {
        let files = carved(
            25,
            cut,
            &[
                (true, b"220-mail.example.org\r\n220 ready\r\n"),
                (false, b"EHLO me\r\n"),
                (true, b"250-hi\r\n250 PIPELINING\r\n"),
                (false, b"MAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\n"),
                (true, b"250 ok\r\n250 ok\r\n354 go\r\n"),
                (false, b"Subject: x\r\n\r\n..dot\r\nline.\r\n.\r\n"),
                (true, b"250 kept\r\n"),
                (false, b"MAIL FROM:<a>\r\nDATA\r\n"),
                (true, b"250 ok\r\n503 nobody\r\n"),
                (false, b"BDAT 3\r\na\r\nBDAT 2 LAST\r\nbcQUIT\r\n"),
            ],
        );
        assert_eq!(
            told(&files),
            [
                (
                    false,
                    "message.eml",
                    &b"Subject: x\r\n\r\n.dot\r\nline.\r\n"[..]
                ),
                (false, "message.eml", b"a\r\nbc"),
            ]
        );
    }
    let files = carved(
        25,
        2,
        &[
            (true, b"220 ready\r\n"),
            (false, b"EHLO me\r\nDATA\r\n"),
            (true, b"250 hi\r\n"),
        ],
    );
    assert!(files.is_empty());
}

#[test]
fn mail_of_a_client_that_waits_for_nothing_is_seen() {
    for cut in [1, 1000] {
        let files = carved(
            25,
            cut,
            &[
                (true, b"220 ready\r\n"),
                (
                    false,
                    b"EHLO me\r\nMAIL FROM:<a>\r\nRCPT TO:<b>\r\nDATA\r\nearly\r\n.\r\nMAIL FROM:<a>\r\n",
                ),
                (true, b"250 hi\r\n250 ok\r\n250 ok\r\n354 go\r\n250 kept\r\n250 ok\r\n"),
                (false, b"BDAT 4\r\nlastBDAT 0 LAST\r\n"),
            ],
        );
        assert_eq!(
            told(&files),
            [
                (false, "message.eml", &b"early\r\n"[..]),
                (false, "message.eml", b"last"),
            ]
        );
    }
}

#[test]
fn a_stream_that_never_says_what_it_is_holds_little() {
    let mut carver = carver();
    let mut link = Link::http(&mut carver);
    link.say(&mut carver, false, b"x");
    link.say(&mut carver, true, &b"x".repeat(20_000));
    assert_eq!(carver.counters().live, 0);
}

#[test]
fn files_of_ftp_come_over_connections_of_their_own() {
    let mut carver = carver();
    let mut control = Link::open(&mut carver, (CLIENT, 40001), (SERVER, 21));
    control.say(&mut carver, true, b"220 welcome\r\n");
    control.say(&mut carver, false, b"USER a\r\nPASS b\r\nPASV\r\n");
    control.say(
        &mut carver,
        true,
        b"227 Entering Passive Mode (198,51,100,9,4,1).\r\n",
    );
    let mut data = Link::open(&mut carver, (CLIENT, 40002), (SERVER, 1025));
    control.say(&mut carver, false, b"RETR /pub/a.com\r\n");
    data.say(&mut carver, true, b"down");
    data.close(&mut carver, true);
    control.say(&mut carver, false, b"EPSV\r\n");
    control.say(&mut carver, true, b"229 Extended (|||1026|)\r\n");
    control.say(&mut carver, false, b"LIST\r\n");
    let mut list = Link::open(&mut carver, (CLIENT, 40003), (SERVER, 1026));
    list.say(&mut carver, true, b"drwx");
    list.close(&mut carver, true);
    control.say(&mut carver, false, b"PORT 192,0,2,7,4,2\r\nSTOR up.bin\r\n");
    let mut active = Link::open(&mut carver, (SERVER, 20), (CLIENT, 1026));
    active.say(&mut carver, true, b"up");
    active.close(&mut carver, true);
    let files = carver.take();
    assert_eq!(
        told(&files),
        [(true, "a.com", &b"down"[..]), (false, "up.bin", b"up"),]
    );
}

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

#[test]
fn short_messages_in_one_segment_are_read_one_by_one() {
    let request = b"PUT /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
    let files = carved(80, 60_000, &[(false, &request.repeat(50))]);
    assert_eq!(files.len(), 50);
}

#[test]
fn a_stream_of_something_else_is_let_go_of_at_once() {
    let mut carver = carver();
    let mut link = Link::http(&mut carver);
    link.say(&mut carver, false, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc");
    assert_eq!(carver.counters().live, 0);
}

#[test]
fn streams_and_memory_are_bounded() {
    let limits = CarverLimits {
        streams: 8,
        memory: 20_000,
        ..CarverLimits::default()
    };
    let mut carver = Carver::new(&limits);
    for port in 0..100 {
        let mut link = Link::open(&mut carver, (CLIENT, 1000 + port), (SERVER, 80));
        link.say(&mut carver, false, GET);
        link.say(&mut carver, true, b"HTTP/1.1 200 OK\r\n\r\n");
        link.say(&mut carver, true, &[b'x'; 5000]);
        assert!(carver.counters().live <= 8);
        assert!(carver.counters().held <= 20_000);
    }
    assert!(carver.counters().evicted > 90);
}

proptest! {
    #[test]
    fn no_octets_break_it(
        port in prop_oneof![Just(21_u16), Just(25), Just(80), Just(445)],
        start in 0_usize..8,
        turns in proptest::collection::vec(
            (any::<bool>(), proptest::collection::vec(any::<u8>(), 0..300), any::<u8>()), 0..30),
    ) {
        let starts: [&[u8]; 8] = [
            GET, b"EHLO a\r\nDATA\r\n", b"USER a\r\nPASV\r\n", b"\0\0\0\x50\xfeSMB", b"\0\0\0\x30\xffSMB",
            b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"BDAT 9 LAST\r\n", b"",
        ];
        let limits = CarverLimits { streams: 4, memory: 4096, file: 512, files: 4 };
        let mut carver = Carver::new(&limits);
        let mut link = Link::open(&mut carver, (CLIENT, 40000), (SERVER, port));
        link.say(&mut carver, true, b"220 ok\r\n354 go\r\n227 (1,2,3,4,5,6)\r\n");
        link.say(&mut carver, false, starts[start]);
        for (reverse, data, odd) in &turns {
            let mut packet = link.packet(*reverse, 0);
            packet.tcp_flags = tcp::ACK | (odd & 5);
            packet.tcp_sequence = packet.tcp_sequence.wrapping_add(u32::from(odd >> 5));
            carver.see(&packet, data);
            link.say(&mut carver, *reverse, data);
            prop_assert!(carver.counters().held <= 4096);
        }
        prop_assert!(carver.take().len() <= 4);
    }

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
