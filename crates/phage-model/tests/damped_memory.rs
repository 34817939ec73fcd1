//! The memory of the damped statistics, measured in a process of its own.
#![expect(clippy::expect_used, reason = "tests")]

use phage_decode::{Keys, Packet, Secret};
use phage_model::{Damped, DampedConfig, DAMPED_STRIDE};

/// Octets of this process that are in memory.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("Linux has it");
    let pages = text
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse::<usize>().ok());
    pages.expect("the second number") * 4096
}

fn send(damped: &mut Damped, sources: std::ops::Range<u32>, times: u32) {
    let secret = Secret::from_seed(3);
    let mut rows = vec![0.0; DAMPED_STRIDE * times as usize];
    for number in sources {
        let mut packet = Packet {
            time: i64::from(number) * 1_000,
            src_port: number as u16,
            dst_port: 80,
            length: 60,
            ip_version: 4,
            protocol: 6,
            ..Packet::default()
        };
        packet.src[12..].copy_from_slice(&number.to_be_bytes());
        let packets = vec![packet; times as usize];
        let keys = vec![Keys::of(&packet, &secret); times as usize];
        damped.extract(&packets, &keys, &mut rows);
    }
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "reads /proc")]
fn memory_grows_with_use_and_stays_under_the_cap() {
    let before = resident();
    let mut damped = Damped::new(&DampedConfig::default());
    let limit = damped.memory_limit();
    assert_eq!(limit, 65_536 * (144 + 528 + 336));
    let taken = || resident().saturating_sub(before);
    assert!(
        taken() < 1 << 20,
        "nothing is taken before it is used: {}",
        taken()
    );

    // A home: a few hundred streams.
    send(&mut damped, 0..300, 3);
    assert!(taken() < 8 << 20, "{}", taken());

    // A flood, each source once, only fills the sets: 16 octets a stream.
    send(&mut damped, 1_000..1_001_000, 1);
    assert!(taken() < 16 << 20, "{}", taken());

    // Each source twice: full records, on to the cap.
    send(&mut damped, 2_000_000..2_300_000, 2);
    assert!(taken() > limit / 2, "{}", taken());
    assert!(taken() < limit + (8 << 20), "{}", taken());
    let counters = damped.counters();
    for table in [counters.sources, counters.channels, counters.sockets] {
        assert!(table.used <= 65_536 && table.records <= table.used);
        assert!(table.evictions > 1_000_000);
    }
}
