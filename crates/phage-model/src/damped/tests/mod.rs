//! The damped statistics against an independent computation in double precision.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::needless_range_loop,
    reason = "tests: a failed access is a failed test"
)]

mod eviction;
mod oracle;
mod precision;
mod properties;

use phage_decode::{Keys, Packet, Secret};

use super::*;

/// A packet between two numbered hosts.
pub(super) fn packet(time: i64, src: u32, dst: u32, ports: (u16, u16), length: u32) -> Packet {
    let address = |number: u32| {
        let mut bytes = [0; 16];
        bytes[10..12].copy_from_slice(&[0xff, 0xff]);
        bytes[12..].copy_from_slice(&(0x0a00_0000 + number).to_be_bytes());
        bytes
    };
    Packet {
        time,
        src_mac: 0x0200_0000_0000 + u64::from(src),
        dst_mac: 0x0200_0000_0000 + u64::from(dst),
        src: address(src),
        dst: address(dst),
        src_port: ports.0,
        dst_port: ports.1,
        length,
        ip_version: 4,
        protocol: 6,
        ether_type: 0x0800,
        ..Packet::default()
    }
}

pub(super) fn keys(packets: &[Packet]) -> Vec<Keys> {
    let secret = Secret::from_seed(7);
    packets
        .iter()
        .map(|packet| Keys::of(packet, &secret))
        .collect()
}

/// The kernels of this machine.
pub(super) fn kernels() -> Vec<Kernel> {
    Kernel::ALL
        .into_iter()
        .filter(|kernel| kernel.is_available())
        .collect()
}

pub(super) fn on(kernel: Kernel) -> Damped {
    Damped::new(&DampedConfig {
        sources: 4_096,
        channels: 4_096,
        sockets: 4_096,
        kernel: Some(kernel),
    })
}

#[test]
fn the_catalog_names_every_feature_once() {
    let mut names: Vec<&str> = DAMPED_CATALOG.iter().map(|feature| feature.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), DAMPED);
    assert!(DAMPED_CATALOG.iter().all(|feature| feature.floor > 0.0));
    assert_eq!(DAMPED_CATALOG[0].name, "source_weight_200ms");
    assert_eq!(DAMPED_CATALOG[99].name, "gap_deviation_100s");
    // The scorer's kernels rely on where the linear ones are.
    for (number, feature) in DAMPED_CATALOG.iter().enumerate() {
        let linear = feature.scale == phage_decode::catalog::Scale::Linear;
        assert_eq!(linear, (75..85).contains(&number), "{}", feature.name);
    }
}

#[test]
fn the_first_packet_tells_its_length_and_nothing_else() {
    for kernel in kernels() {
        let packets = [packet(5, 1, 2, (1000, 80), 60)];
        let mut rows = [f32::NAN; DAMPED_STRIDE];
        on(kernel).extract(&packets, &keys(&packets), &mut rows);
        let expected: Vec<f32> = DAMPED_CATALOG
            .iter()
            .map(|feature| match feature.name.rsplit_once('_').unwrap().0 {
                name if name.ends_with("weight") => 1.0,
                "gap_mean" => 0.0,
                name if name.ends_with("mean") || name.ends_with("magnitude") => 60.0,
                _ => 0.0,
            })
            .chain([0.0; 12])
            .collect();
        assert_eq!(rows.to_vec(), expected, "{}", kernel.name());
    }
}

#[test]
fn extract_stops_at_the_shortest_of_its_inputs() {
    let packets = [packet(0, 1, 2, (1, 2), 60); 3];
    let keys = keys(&packets);
    let mut damped = on(Kernel::Portable);
    let mut rows = vec![0.0; 2 * DAMPED_STRIDE + 5];
    damped.extract(&packets, &keys, &mut rows);
    assert_eq!(
        damped.counters().sources.hits + damped.counters().sources.inserts,
        2
    );
    damped.extract(&packets, &[], &mut rows);
    assert_eq!(
        damped.counters().sources.hits + damped.counters().sources.inserts,
        2
    );
}
