//! The ring on real interfaces: veth pairs in a network namespace of each test's own.
//!
//! Needs root and iproute2; elsewhere each test says so and passes.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at what it did not expect"
)]

use std::process::Command;
use std::time::{Duration, Instant};

use phage_capture::{
    CaptureError, RingConfig, RingSource, Source, TransmitPlan, Transmitted, Transmitter,
};
use phage_decode::FrameHeader;

/// Runs a body on a thread in a fresh network namespace with a veth pair, `near` and `far`, both
/// up. Processes that the body starts are in it too.
fn in_namespace(body: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(move || {
        if !unshare_network() {
            eprintln!("skipped: a network namespace needs root");
            return;
        }
        if !ip("link set lo up") {
            eprintln!("skipped: there is no ip command");
            return;
        }
        pair();
        body();
    });
    thread.join().unwrap();
}

#[expect(unsafe_code, reason = "the standard library has no unshare")]
fn unshare_network() -> bool {
    // SAFETY: no memory is passed; only this thread's namespace changes.
    unsafe { libc::unshare(libc::CLONE_NEWNET) == 0 }
}

#[expect(
    unsafe_code,
    reason = "the standard library drops no privileges; the C library would for all threads"
)]
fn become_nobody() -> bool {
    // SAFETY: no memory is passed; the raw call changes this thread only.
    unsafe { libc::syscall(libc::SYS_setresuid, 65534, 65534, 65534) == 0 }
}

fn ip(arguments: &str) -> bool {
    Command::new("ip")
        .args(arguments.split(' '))
        .status()
        .is_ok_and(|status| status.success())
}

fn pair() {
    assert!(ip("link add near type veth peer name far"));
    for name in ["near", "far"] {
        // The kernel's own neighbour discovery would add frames that nobody counted.
        let path = format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6");
        std::fs::write(path, "1").unwrap_or_default();
        assert!(ip(&format!("link set {name} up")));
    }
}

/// A UDP frame.
fn frame(source: u8, from: u16, to: u16) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    frame.extend([0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0]);
    frame.extend([10, 0, 0, source, 10, 1, 0, 1]);
    frame.extend(from.to_be_bytes());
    frame.extend(to.to_be_bytes());
    frame.extend([0, 26, 0, 0]);
    frame.resize(60, 7);
    frame
}

fn swapped(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[26..34].rotate_left(4);
    frame[34..38].rotate_left(2);
    frame
}

fn send(interface: &str, frames: &[Vec<u8>], count: u64) -> Transmitted {
    let plan = TransmitPlan {
        count,
        duration: Duration::from_secs(20),
        rate: None,
    };
    let sent = Transmitter::open(interface)
        .unwrap()
        .send(frames, plan)
        .unwrap();
    assert_eq!(sent.packets, count);
    sent
}

fn small(interface: &str) -> RingConfig {
    let mut config = RingConfig::new(interface);
    config.block_size = 1 << 17;
    config.blocks = 8;
    config
}

/// Takes what comes until nothing came for a while.
fn drain(source: &mut RingSource) -> Vec<(FrameHeader, Vec<u8>)> {
    let mut taken = Vec::new();
    while let Some(batch) = source.next(100, Duration::from_millis(200)).unwrap() {
        assert!(batch.frames.len() <= 100);
        if batch.frames.is_empty() {
            break;
        }
        taken.extend(
            batch
                .frames
                .iter()
                .map(|frame| (*frame, batch.bytes(frame).to_vec())),
        );
    }
    taken
}

#[test]
fn every_frame_arrives_whole() {
    in_namespace(|| {
        let mut source = RingSource::open(small("far")).unwrap();
        let frames: Vec<Vec<u8>> = (0..200)
            .map(|i| frame(i, 1000 + u16::from(i), 53))
            .collect();
        send("near", &frames, 3000);
        let taken = drain(&mut source);
        assert_eq!(taken.len(), 3000);
        let now = std::time::SystemTime::now();
        let now = now
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_nanos() as i64;
        for (index, (header, bytes)) in taken.iter().enumerate() {
            assert_eq!(bytes, &frames[index % 200]);
            assert_eq!((header.captured, header.length, header.vlan), (60, 60, 0));
            assert!((now - header.time).abs() < 60_000_000_000);
        }
        assert!(taken
            .windows(2)
            .all(|pair| pair[0].0.time <= pair[1].0.time));
        let counters = source.counters();
        assert_eq!((counters.packets, counters.octets), (3000, 180_000));
        assert_eq!((counters.dropped, counters.link_down), (0, false));
    });
}

#[test]
fn drops_are_counted_exactly() {
    in_namespace(|| {
        let mut source = RingSource::open(small("far")).unwrap();
        let sent = send("near", &[frame(1, 1, 2)], 100_000);
        let taken = drain(&mut source).len() as u64;
        let counters = source.counters();
        assert!(counters.dropped > 0 && counters.frozen > 0);
        assert_eq!(taken + counters.dropped, sent.packets);
        // The ring recovers.
        send("near", &[frame(1, 1, 2)], 100);
        assert_eq!(drain(&mut source).len(), 100);
        assert_eq!(source.counters().packets, taken + 100);
    });
}

#[test]
fn the_loopback_is_seen_once() {
    in_namespace(|| {
        let mut source = RingSource::open(small("lo")).unwrap();
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        for _ in 0..10 {
            socket
                .send_to(b"hello", socket.local_addr().unwrap())
                .unwrap();
        }
        assert_eq!(drain(&mut source).len(), 10);
    });
}

#[test]
fn what_the_host_sends_is_seen_unless_asked_otherwise() {
    in_namespace(|| {
        assert!(ip("addr add 10.9.0.1/24 dev near"));
        assert!(ip("neigh add 10.9.0.2 lladdr 02:00:00:00:00:09 dev near"));
        let mut config = small("near");
        config.filter = Some("udp and outbound".to_owned());
        let mut source = RingSource::open(config.clone()).unwrap();
        (config.ignore_outgoing, config.filter) = (true, None);
        let mut incoming = RingSource::open(config).unwrap();
        let socket = std::net::UdpSocket::bind("10.9.0.1:0").unwrap();
        for _ in 0..7 {
            socket.send_to(b"hello", "10.9.0.2:99").unwrap();
        }
        assert_eq!(drain(&mut source).len(), 7);
        send("far", &[frame(1, 1, 2)], 3);
        assert_eq!(drain(&mut incoming).len(), 3);
    });
}

#[test]
fn a_tag_that_the_kernel_took_off_is_told() {
    in_namespace(|| {
        let plain = frame(1, 1, 53);
        let tag = |kind: [u8; 2], id: u8, frame: &[u8]| {
            [&frame[..12], &kind, &[0xe0, id], &frame[12..]].concat()
        };
        let once = tag([0x81, 0], 100, &plain);
        let twice = tag([0x88, 0xa8], 7, &once);
        let open = |filter: Option<&str>| {
            let mut config = small("far");
            config.promiscuous = true;
            config.filter = filter.map(str::to_owned);
            RingSource::open(config).unwrap()
        };
        let mut all = open(None);
        let mut filtered = [
            (open(Some("vlan")), 2),
            (open(Some("vlan 100 and udp port 53")), 1),
            (open(Some("vlan 7 and vlan 100 and src host 10.0.0.1")), 1),
            (open(Some("not vlan")), 1),
            (open(Some("udp port 53")), 2),
            (open(Some("vlan 8")), 0),
        ];
        send("near", &[plain.clone(), once, twice], 3);
        let taken = drain(&mut all);
        let told: Vec<_> = taken
            .iter()
            .map(|(header, _)| (header.vlan, header.captured, header.length))
            .collect();
        assert_eq!(told, [(0, 60, 60), (100, 60, 64), (7, 64, 68)]);
        assert_eq!(taken[1].1, plain);
        for (index, (source, expected)) in filtered.iter_mut().enumerate() {
            assert_eq!(drain(source).len(), *expected, "filter {index}");
        }
    });
}

#[test]
fn a_filter_in_the_kernel_is_the_filter_here() {
    in_namespace(|| {
        let frames: Vec<Vec<u8>> = (0..=255).map(|i| frame(i, 1000, u16::from(i))).collect();
        for expression in [
            "src net 10.0.0.0/26",
            "udp port 53 or 80",
            "udp[2:2] & 3 = 1 and not host 10.0.0.5",
            "len < 60",
            "ip[15] * 3 > 600 or dst portrange 10-19",
        ] {
            let mut config = small("far");
            config.filter = Some(expression.to_owned());
            let mut source = RingSource::open(config).unwrap();
            send("near", &frames, 256);
            let here = phage_capture::Filter::compile(expression, source.link()).unwrap();
            let expected: Vec<&Vec<u8>> = frames
                .iter()
                .filter(|bytes| here.matches(bytes, bytes.len() as u32))
                .collect();
            let taken = drain(&mut source);
            let taken: Vec<&Vec<u8>> = taken.iter().map(|(_, bytes)| bytes).collect();
            assert_eq!(taken, expected, "{expression}");
        }
    });
}

#[test]
fn frames_are_cut_to_the_snap_length() {
    in_namespace(|| {
        let mut config = small("far");
        config.snap = 34;
        let mut source = RingSource::open(config).unwrap();
        send("near", &[frame(1, 1, 2)], 1);
        let taken = drain(&mut source);
        assert_eq!((taken[0].0.captured, taken[0].0.length), (34, 60));
    });
}

#[test]
fn rings_of_a_group_share_the_frames_by_flow() {
    in_namespace(|| {
        let open = || {
            let mut config = small("far");
            config.blocks = 16;
            config.fanout = Some(0x7068);
            RingSource::open(config).unwrap()
        };
        let (mut first, mut second) = (open(), open());
        let there: Vec<Vec<u8>> = (0..100).map(|i| frame(i, 2000, 80)).collect();
        let back: Vec<Vec<u8>> = there.iter().map(|frame| swapped(frame)).collect();
        send("near", &there, 1000);
        send("near", &back, 1000);
        let taken = (drain(&mut first), drain(&mut second));
        assert_eq!(taken.0.len() + taken.1.len(), 2000);
        assert!(!taken.0.is_empty() && !taken.1.is_empty());
        for (_, bytes) in &taken.0 {
            let other = swapped(bytes);
            assert!(!taken
                .1
                .iter()
                .any(|(_, seen)| *seen == other || seen == bytes));
        }

        assert!(ip("link set far down"));
        until_down(&mut first, true);
        assert!(ip("link set far up"));
        until_down(&mut first, false);
        until_down(&mut second, false);
        send("near", &there, 500);
        assert_eq!(drain(&mut first).len() + drain(&mut second).len(), 500);
    });
}

/// Waits until the source says that its interface is down, or up.
fn until_down(source: &mut RingSource, down: bool) {
    let start = Instant::now();
    while source.counters().link_down != down {
        assert!(start.elapsed() < Duration::from_secs(10));
        let batch = source.next(1, Duration::from_millis(20)).unwrap().unwrap();
        assert!(batch.frames.is_empty());
    }
}

#[test]
fn an_interface_may_go_down_and_away_and_come_back() {
    in_namespace(|| {
        let mut source = RingSource::open(small("far")).unwrap();
        send("near", &[frame(1, 1, 2)], 3);
        assert_eq!(drain(&mut source).len(), 3);
        assert!(ip("link set far down"));
        until_down(&mut source, true);
        assert!(ip("link set far up"));
        until_down(&mut source, false);
        send("near", &[frame(1, 1, 2)], 4);
        assert_eq!(drain(&mut source).len(), 4);

        assert!(ip("link del far"));
        until_down(&mut source, true);
        pair();
        until_down(&mut source, false);
        send("near", &[frame(1, 1, 2)], 5);
        assert_eq!(drain(&mut source).len(), 5);
        let counters = source.counters();
        assert_eq!((counters.packets, counters.link_losses), (12, 2));
    });
}

#[test]
fn an_interface_may_be_down_at_first() {
    in_namespace(|| {
        assert!(ip("link set far down"));
        let mut source = RingSource::open(small("far")).unwrap();
        assert!(source.counters().link_down);
        assert!(source.next(1, Duration::from_millis(20)).unwrap().is_some());
        assert!(ip("link set far up"));
        until_down(&mut source, false);
        send("near", &[frame(1, 1, 2)], 4);
        assert_eq!(drain(&mut source).len(), 4);
    });
}

#[test]
fn tunnels_without_a_link_layer_give_bare_packets() {
    in_namespace(|| {
        if !ip("tuntap add dev tun0 mode tun") {
            eprintln!("skipped: this kernel has no tun devices");
            return;
        }
        assert!(ip("link set tun0 up"));
        let source = RingSource::open(small("tun0")).unwrap();
        assert_eq!(source.link(), phage_decode::LinkType::RAW);
    });
}

#[test]
fn a_ring_can_be_stopped_while_it_waits() {
    in_namespace(|| {
        let mut source = RingSource::open(small("far")).unwrap();
        let handle = source.stop_handle();
        let stopper = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            handle.stop();
        });
        let start = Instant::now();
        assert!(source.next(1, Duration::from_secs(60)).unwrap().is_none());
        assert!(start.elapsed() < Duration::from_secs(30));
        stopper.join().unwrap();
    });
}

#[test]
fn an_open_ring_needs_no_privilege() {
    in_namespace(|| {
        let mut source = RingSource::open(small("far")).unwrap();
        let mut transmitter = Transmitter::open("near").unwrap();
        assert!(become_nobody());
        let plan = TransmitPlan {
            count: 5,
            duration: Duration::from_secs(5),
            rate: Some(1000.0),
        };
        let sent = transmitter.send(&[frame(1, 1, 2)], plan).unwrap();
        assert_eq!(sent.packets, 5);
        assert_eq!(drain(&mut source).len(), 5);
        assert_eq!(source.counters().dropped, 0);
        let Err(error) = RingSource::check_permission() else {
            unreachable!("nobody may capture");
        };
        assert!(error.to_string().contains("CAP_NET_RAW"));
        assert!(error.to_string().contains("sudo setcap cap_net_raw+ep "));
    });
}

#[test]
fn what_cannot_be_opened_is_told() {
    in_namespace(|| {
        match RingSource::open(small("nosuch0")).map(|_| ()) {
            Err(CaptureError::NoSuchInterface { name, .. }) => assert_eq!(name, "nosuch0"),
            other => assert!(other.is_err(), "opened an interface that is not there"),
        }
        let mut config = small("far");
        config.filter = Some("host somewhere".to_owned());
        assert!(matches!(
            RingSource::open(config),
            Err(CaptureError::Filter(_))
        ));
        for (block_size, blocks) in [(1000, 4), (1 << 16, 4), (1 << 20, 0), (1 << 20, 1 << 20)] {
            let mut config = small("far");
            (config.block_size, config.blocks) = (block_size, blocks);
            assert!(matches!(
                RingSource::open(config),
                Err(CaptureError::Unsupported(_))
            ));
        }
    });
}
