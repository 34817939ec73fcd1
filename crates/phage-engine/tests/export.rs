//! Exports through a whole engine: sockets, connections, files; flows, hosts, bounds.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "a test stops at what it did not expect"
)]

use std::io::Write;
use std::net::{TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use phage_capture::datagram::ListenConfig;
use phage_decode::export::Origin;
use phage_engine::export::{ExporterConfig, Taken};
use phage_engine::{ExportConfig, ExportEngine, Progress, Window};

const WAIT: Duration = Duration::from_millis(20);

fn words(values: &[u16]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_be_bytes())
        .collect()
}

/// Source, destination, ports, protocol, flags, packets, octets.
const FIELDS: [u16; 16] = [8, 4, 12, 4, 7, 2, 11, 2, 4, 1, 6, 1, 2, 4, 1, 4];

fn record(ends: [(u8, u16); 2], flags: u8, packets: u32) -> Vec<u8> {
    let [(src, src_port), (dst, dst_port)] = ends;
    let mut record = vec![10, 0, 0, src, 10, 0, 0, dst];
    record.extend(words(&[src_port, dst_port]));
    record.extend([6, flags]);
    record.extend(packets.to_be_bytes());
    record.extend((packets * 100).to_be_bytes());
    record
}

/// A message of IPFIX with its template.
fn message(sequence: u32, records: &[Vec<u8>]) -> Vec<u8> {
    let template = [words(&[2, 4 + 4 + 32, 256, 8]), words(&FIELDS)].concat();
    let body = records.concat();
    let data = [words(&[256, body.len() as u16 + 4]), body].concat();
    let mut message = words(&[10, (16 + template.len() + data.len()) as u16]);
    message.extend(1_700_000_000_u32.to_be_bytes());
    message.extend(sequence.to_be_bytes());
    message.extend(7_u32.to_be_bytes());
    message.extend(template);
    message.extend(data);
    message
}

const CLIENT: (u8, u16) = (1, 50_000);
const SERVER: (u8, u16) = (2, 443);

fn connection() -> Vec<u8> {
    message(
        0,
        &[
            record([SERVER, CLIENT], 0x1b, 8),
            record([CLIENT, SERVER], 0x1b, 6),
        ],
    )
}

fn listening(config: &ExportConfig, listen: &ListenConfig) -> (ExportEngine, Vec<String>) {
    let mut engine = ExportEngine::new(config).unwrap();
    let any = ["127.0.0.1:0".parse().unwrap()];
    let listen = ListenConfig {
        udp: any.to_vec(),
        tcp: any.to_vec(),
        ..listen.clone()
    };
    let (udp, tcp) = engine.listen(&listen).unwrap();
    (engine, vec![udp[0].to_string(), tcp[0].to_string()])
}

/// Windows until records have come, and nothing more for a while.
fn windows(engine: &mut ExportEngine, records: u64) -> Vec<Window> {
    let until = Instant::now() + Duration::from_secs(20);
    let mut windows = Vec::new();
    while counter(engine, "records") < records {
        assert!(
            Instant::now() < until,
            "{} records",
            counter(engine, "records")
        );
        if let Progress::Window(window) = engine.next(WAIT).unwrap() {
            windows.push(*window);
        }
    }
    while let Progress::Window(window) = engine.next(WAIT).unwrap() {
        windows.push(*window);
    }
    windows
}

fn counter(engine: &mut ExportEngine, name: &str) -> u64 {
    let counters = engine.counters();
    let found = counters.iter().find(|(known, _)| known == name);
    found.map_or(0, |(_, value)| *value)
}

#[test]
fn both_directions_of_a_connection_are_one_flow() {
    let (mut engine, to) = listening(&ExportConfig::default(), &ListenConfig::default());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(&connection(), &to[0]).unwrap();
    let windows = windows(&mut engine, 2);
    assert_eq!(windows.len(), 1);
    assert_eq!((windows[0].packets, windows[0].octets), (14, 1400));
    let flow = windows[0].flows[0];
    assert_eq!(windows[0].flows.len(), 1);
    assert_eq!((flow.src[15], flow.dst[15], flow.dst_port), (1, 2, 443));
    assert_eq!((flow.packets, flow.octets), ([6, 8], [600, 800]));
    assert_eq!(flow.state, phage_flow::rows::state::CLOSED);
    assert_eq!(flow.home, 3);
    assert_eq!(windows[0].hosts.len(), 2);
}

#[test]
fn a_scan_is_seen_in_the_counters_of_its_host() {
    let (mut engine, to) = listening(&ExportConfig::default(), &ListenConfig::default());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let probes: Vec<_> = (1..=40_u16)
        .flat_map(|port| {
            let server = (2, port);
            [
                record([CLIENT, server], 0x02, 1),
                record([server, CLIENT], 0x14, 1),
            ]
        })
        .collect();
    for part in probes.chunks(20) {
        socket.send_to(&message(0, part), &to[0]).unwrap();
    }
    let windows = windows(&mut engine, 80);
    let rows = windows.iter().flat_map(|window| &window.hosts);
    let mut rows: Vec<_> = rows.filter(|row| row.address[15] == 1).collect();
    let scanner = rows.pop().unwrap();
    assert_eq!(
        (scanner.syn[0], scanner.rst[1], scanner.flows[0]),
        (40, 40, 40)
    );
    assert!(scanner.ports[0] > 30.0, "{:?}", scanner.ports);
    assert_eq!(scanner.unanswered, [0, 0]);
    assert!(windows[0]
        .flows
        .iter()
        .all(|flow| { flow.state == phage_flow::rows::state::REFUSED && flow.errors == 1 }));
}

#[test]
fn sampling_is_applied_once() {
    let config = ExportConfig {
        exporters: vec![ExporterConfig {
            address: "127.0.0.0/8".to_owned(),
            sampling: 100,
            force: false,
            take: Taken::All,
            interfaces: Vec::new(),
        }],
        ..ExportConfig::default()
    };
    let (mut engine, to) = listening(&config, &ListenConfig::default());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(&connection(), &to[0]).unwrap();
    let windows = windows(&mut engine, 2);
    assert_eq!((windows[0].packets, windows[0].octets), (1400, 140_000));
    assert_eq!(windows[0].flows[0].packets, [600, 800]);
    assert!(
        windows[0].hosts.is_empty(),
        "half of each handshake is missing"
    );
}

#[test]
fn what_two_routers_tell_counts_once() {
    for (find_duplicates, packets) in [(true, 14 + 4), (false, 2 * 14 + 4)] {
        let config = ExportConfig {
            find_duplicates,
            ..ExportConfig::default()
        };
        let (mut engine, to) = listening(&config, &ListenConfig::default());
        let own = message(1, &[record([(1, 50_001), SERVER], 0x18, 4)]);
        for (address, datagram) in [
            ("127.0.0.1:0", connection()),
            ("127.0.0.2:0", connection()),
            ("127.0.0.2:0", own),
        ] {
            let socket = UdpSocket::bind(address).unwrap();
            socket.send_to(&datagram, &to[0]).unwrap();
        }
        let windows = windows(&mut engine, 5);
        let sum: u64 = windows.iter().map(|window| window.packets).sum();
        assert_eq!(sum, packets);
        let duplicates = counter(&mut engine, "exports.duplicates");
        assert_eq!(duplicates, if find_duplicates { 2 } else { 0 });
    }
}

#[test]
fn who_is_not_allowed_is_counted_only() {
    let config = ExportConfig {
        allowed: vec!["192.0.2.0/24".to_owned()],
        ..ExportConfig::default()
    };
    let (mut engine, to) = listening(&config, &ListenConfig::default());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(&connection(), &to[0]).unwrap();
    while counter(&mut engine, "exports.refused") == 0 {
        assert!(matches!(engine.next(WAIT).unwrap(), Progress::Waiting));
    }
    assert_eq!(counter(&mut engine, "records"), 0);
    assert_eq!(counter(&mut engine, "exports.domains"), 0);
}

#[test]
fn messages_come_over_connections_in_any_pieces() {
    let (mut engine, to) = listening(&ExportConfig::default(), &ListenConfig::default());
    let mut stream = TcpStream::connect(&to[1]).unwrap();
    let bytes: Vec<u8> = (0..50)
        .flat_map(|number| {
            message(
                number * 2,
                &[
                    record([CLIENT, SERVER], 0x1b, 6),
                    record([SERVER, CLIENT], 0x1b, 8),
                ],
            )
        })
        .collect();
    for piece in bytes.chunks(37) {
        stream.write_all(piece).unwrap();
        let _ = engine.next(Duration::ZERO).unwrap();
    }
    windows(&mut engine, 100);
    assert_eq!(counter(&mut engine, "exports.source.connections"), 1);
    drop(stream);
    while counter(&mut engine, "exports.source.connections") == 1 {
        let _ = engine.next(WAIT).unwrap();
    }
    let exporter = engine.decoder().exporters().next().unwrap();
    assert_eq!(
        (exporter.counters.lost, exporter.counters.records),
        (0, 100)
    );
}

#[test]
fn connections_are_bounded_and_nonsense_ends_them() {
    let (mut engine, to) = listening(
        &ExportConfig::default(),
        &ListenConfig {
            connections: 4,
            ..ListenConfig::default()
        },
    );
    let held: Vec<_> = (0..8)
        .map(|_| TcpStream::connect(&to[1]).unwrap())
        .collect();
    while counter(&mut engine, "exports.source.connections_refused") < 4 {
        let _ = engine.next(WAIT).unwrap();
    }
    assert_eq!(counter(&mut engine, "exports.source.connections"), 4);
    (&held[0]).write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    while counter(&mut engine, "exports.source.connections_ended") == 0 {
        let _ = engine.next(WAIT).unwrap();
    }
    assert_eq!(counter(&mut engine, "exports.source.connections"), 3);
}

#[test]
fn exporters_stay_at_one_of_several_sockets_whatever_their_port() {
    let listen = |address: &str| ListenConfig {
        udp: vec![address.parse().unwrap()],
        shared_by: 2,
        ..ListenConfig::default()
    };
    let mut first = ExportEngine::new(&ExportConfig::default()).unwrap();
    let (udp, _) = first.listen(&listen("127.0.0.1:0")).unwrap();
    let to = udp[0].to_string();
    let mut second = ExportEngine::new(&ExportConfig::default()).unwrap();
    second.listen(&listen(&to)).unwrap();
    for host in 1..=20 {
        for _ in 0..5 {
            let socket = UdpSocket::bind(format!("127.0.0.{host}:0")).unwrap();
            socket.send_to(&connection(), &to).unwrap();
        }
    }
    let mut exporters = 0;
    for engine in [&mut first, &mut second] {
        while let Progress::Window(_) = engine.next(WAIT).unwrap() {}
        let each: Vec<_> = engine.decoder().exporters().collect();
        assert!(each.iter().all(|exporter| exporter.counters.datagrams == 5));
        assert!(!each.is_empty(), "both have some");
        exporters += each.len();
    }
    assert_eq!(exporters, 20);
}

#[test]
fn files_of_datagrams_are_read_to_the_end_and_damage_is_told() {
    let folder = std::env::temp_dir().join(format!("phage-export-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("exports.lp");
    let datagram = connection();
    let mut content = Vec::new();
    for _ in 0..3 {
        content.extend((datagram.len() as u16).to_le_bytes());
        content.extend(&datagram);
    }
    content.extend([9, 9, 9]);
    std::fs::write(&path, &content).unwrap();
    let mut engine = ExportEngine::new(&ExportConfig::default()).unwrap();
    let from = Origin {
        address: [1; 16],
        port: 0,
    };
    engine.read_files(&[&path], from).unwrap();
    let mut packets = 0;
    loop {
        match engine.next(WAIT).unwrap() {
            Progress::Window(window) => {
                packets += window.packets;
                assert_eq!(window.start, 1_700_000_000_000_000_000);
            }
            Progress::Waiting => {}
            Progress::Ended => break,
        }
    }
    assert_eq!(packets, 3 * 14);
    assert_eq!(engine.faults().len(), 1);
    assert!(
        engine.faults()[0].contains("ends inside"),
        "{:?}",
        engine.faults()
    );
    std::fs::remove_dir_all(&folder).expect("it was made here");
}

#[test]
fn a_flood_of_exporters_and_templates_takes_bounded_memory() {
    let (mut engine, to) = listening(
        &ExportConfig {
            domains: 64,
            template_fields: 2000,
            ..ExportConfig::default()
        },
        &ListenConfig::default(),
    );
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for domain in 0..5000_u32 {
        let mut datagram = message(0, &[record([CLIENT, SERVER], 0x02, 1)]);
        datagram[12..16].copy_from_slice(&domain.to_be_bytes());
        socket.send_to(&datagram, &to[0]).unwrap();
        if domain % 50 == 0 {
            while let Progress::Window(_) = engine.next(Duration::ZERO).unwrap() {}
        }
    }
    windows(&mut engine, 5000);
    assert_eq!(engine.decoder().exporters().count(), 64);
    assert_eq!(counter(&mut engine, "exports.domains_forgotten"), 5000 - 64);
    assert!(counter(&mut engine, "exports.template_fields") <= 2000);
}
