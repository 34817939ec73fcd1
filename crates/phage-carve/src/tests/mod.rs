#![expect(clippy::indexing_slicing, reason = "a test may panic")]

use phage_decode::packet::{protocol, tcp};
use phage_decode::Packet;
use proptest::prelude::*;

use crate::{CarvedFile, Carver, CarverLimits};

mod smb;

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
}
