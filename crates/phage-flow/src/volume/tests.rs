#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test stops at what it did not expect"
)]

use super::*;

fn v4(value: u32) -> [u8; 16] {
    (0xffff_u128 << 32 | u128::from(value)).to_be_bytes()
}

const HOME: u32 = 0x0a00_0000;
const AWAY: u32 = 0x0800_0000;

fn volume(limits: VolumeLimits) -> Volume {
    Volume::new(
        limits,
        &Home::new(&["10.0.0.0/8", "2001:db8::/32"]).unwrap(),
        Secret::from_seed(3),
    )
}

fn udp(src: [u8; 16], dst: [u8; 16], packets: u64) -> FlowRecord {
    FlowRecord {
        src,
        dst,
        packets: [packets, 0],
        octets: [packets * 100, 0],
        src_port: 123,
        dst_port: 4000,
        protocol: 17,
        ip_version: 4,
        ..FlowRecord::default()
    }
}

fn second(count: i64) -> i64 {
    count * 1_000_000_000
}

fn slots(volume: &mut Volume) -> Vec<VolumeSlot> {
    std::iter::from_fn(|| volume.take()).collect()
}

#[test]
fn a_host_and_its_prefixes_are_counted() {
    let mut volume = volume(VolumeLimits::default());
    let mut records = Vec::new();
    for host in 0..256 {
        records.push(udp(v4(AWAY + host), v4(HOME + host), 10));
    }
    volume.records(&records, second(100));
    volume.advance(second(101));
    let slots = slots(&mut volume);
    assert_eq!(slots.len(), 1);
    let slot = &slots[0];
    assert_eq!(slot.time, second(100) + SLOT);
    let lengths: Vec<u8> = slot.rows.iter().map(|row| row.length).collect();
    // Each host is below the floor, the /28 and what is around it are not.
    let narrow: Vec<&u8> = lengths.iter().filter(|&&length| length >= 124).collect();
    assert_eq!(narrow, [&124; 16]);
    assert_eq!(lengths.iter().filter(|&&length| length < 124).count(), 3);
    let row = slot.rows.iter().find(|row| row.length == 120).unwrap();
    assert_eq!(row.address, v4(HOME));
    assert_eq!(row.packets[0][Class::Reply as usize], 2560);
    assert_eq!(row.octets, [256_000, 0]);
    assert_eq!(u64::from(row.grouped[0][2]) * 8, 256 * 1000);
    assert_eq!(
        (row.hosts, row.flows, row.samples),
        (256, [256, 0], [2560, 0])
    );
    assert!((200.0..320.0).contains(&row.sources), "{}", row.sources);
}

#[test]
fn sampling_is_applied_and_samples_are_kept() {
    let mut volume = volume(VolumeLimits::default());
    let record = FlowRecord {
        sampling: 1000,
        ..udp(v4(AWAY), v4(HOME), 3)
    };
    volume.records(&[record], second(5));
    volume.finish();
    let slots = slots(&mut volume);
    let row = slots[0].rows[0];
    assert_eq!(row.packets[0][Class::Reply as usize], 3000);
    assert_eq!((row.octets[0], row.samples[0]), (300_000, 3));
    assert_eq!(slots[0].traffic[0].packets, 3000);
}

#[test]
fn both_directions_of_a_biflow_count() {
    let mut volume = volume(VolumeLimits::default());
    let record = FlowRecord {
        packets: [1000, 500],
        octets: [100_000, 700_000],
        present: present::REVERSE,
        ..udp(v4(AWAY), v4(HOME), 0)
    };
    volume.records(&[record], second(5));
    volume.finish();
    let row = slots(&mut volume)[0].rows[0];
    assert_eq!(row.octets, [100_000, 700_000]);
    assert_eq!(row.packets[0][Class::Reply as usize], 1000);
    assert_eq!(row.packets[1][Class::Query as usize], 500);
}

#[test]
fn a_long_record_is_spread_over_its_time() {
    let mut volume = volume(VolumeLimits::default());
    let record = FlowRecord {
        start: second(1),
        last: second(61),
        ..udp(v4(AWAY), v4(HOME), 60_000)
    };
    volume.records(&[record], second(62));
    volume.advance(second(200));
    let slots = slots(&mut volume);
    let counts: Vec<u32> = slots
        .iter()
        .flat_map(|slot| &slot.rows)
        .map(|row| row.packets[0][Class::Reply as usize])
        .collect();
    assert_eq!(counts.iter().sum::<u32>(), 500 * counts.len() as u32);
    // Only the last minute of half-minutes fits what waits to be taken.
    assert_eq!(counts.len(), MOST_WAITING);
}

#[test]
fn too_many_hosts_share_counters_by_prefix() {
    let limits = VolumeLimits {
        hosts: 1024,
        ..VolumeLimits::default()
    };
    let mut volume = volume(limits);
    let records: Vec<FlowRecord> = (0..4096)
        .map(|host| udp(v4(AWAY), v4(HOME + host), 1))
        .collect();
    volume.records(&records, second(9));
    volume.finish();
    let slots = slots(&mut volume);
    let row = slots[0].rows.iter().find(|row| row.length == 112).unwrap();
    let uncounted = volume.counters().uncounted;
    assert!(volume.counters().shared > 2000);
    assert!(volume.hosts() <= 1024);
    assert_eq!(
        u64::from(row.packets[0][Class::Reply as usize]) + uncounted,
        4096
    );
}

#[test]
fn a_clock_that_is_set_back_goes_on() {
    let mut volume = volume(VolumeLimits::default());
    let flood = [udp(v4(AWAY), v4(HOME), 5000)];
    for time in [10_000, 10_001, 2000, 2001, 2002] {
        volume.records(&flood, second(time));
    }
    let times: Vec<i64> = slots(&mut volume).iter().map(|slot| slot.time).collect();
    assert_eq!(
        times,
        [10_000, 10_001, 2000, 2001].map(|time| second(time) + SLOT)
    );
}

#[test]
fn what_comes_a_little_late_is_counted_now() {
    let mut volume = volume(VolumeLimits::default());
    let flood = [udp(v4(AWAY), v4(HOME), 5000)];
    for time in [10_000, 9000, 10_000] {
        volume.records(&flood, second(time));
    }
    volume.finish();
    let slots = slots(&mut volume);
    assert_eq!(slots.len(), 1);
    let row = slots[0].rows.iter().find(|row| row.length == 128).unwrap();
    assert_eq!(row.packets[0].iter().sum::<u32>(), 15_000);
}

#[test]
fn quiet_hosts_make_room() {
    let limits = VolumeLimits {
        hosts: 1024,
        ..VolumeLimits::default()
    };
    let mut volume = volume(limits);
    for at in 0..200 {
        let records: Vec<FlowRecord> = (0..500)
            .map(|host| udp(v4(AWAY), v4(HOME + at * 1000 + host), 1))
            .collect();
        volume.records(&records, second(i64::from(at) * 60));
    }
    assert!(volume.hosts() <= 1024);
    assert_eq!(volume.counters().uncounted, 0);
}

#[test]
fn strangers_count_only_as_victims() {
    let mut volume = volume(VolumeLimits::default());
    let records: Vec<FlowRecord> = (0..1000)
        .map(|source| udp(v4(AWAY + source), v4(0x0900_0001), 1))
        .collect();
    volume.records(&records, second(9));
    assert_eq!(volume.hosts(), 1);
    assert_eq!(volume.counters().foreign, 1000);
}

#[test]
fn ipv6_has_prefixes_of_its_own() {
    let mut volume = volume(VolumeLimits::default());
    let base = 0x2001_0db8_0000_0000_0000_0000_0000_0000_u128;
    let records: Vec<FlowRecord> = (0..300_u128)
        .map(|host| FlowRecord {
            ip_version: 6,
            ..udp([1; 16], (base | (host % 3) << 64 | host).to_be_bytes(), 10)
        })
        .collect();
    volume.records(&records, second(9));
    volume.finish();
    let slots = slots(&mut volume);
    let of = |length| slots[0].rows.iter().filter(move |row| row.length == length);
    assert_eq!(of(64).count(), 3);
    assert_eq!(of(48).map(|row| row.hosts).sum::<u32>(), 300);
    assert_eq!(of(128).count(), 0);
}

#[test]
fn packets_count_like_records() {
    let packet = |time, flags| Packet {
        time,
        src: v4(AWAY),
        dst: v4(HOME + 7),
        length: 60,
        protocol: 6,
        ip_version: 4,
        tcp_flags: flags,
        dst_port: 80,
        ..Packet::default()
    };
    let mut packets = Vec::new();
    for i in 0..1000 {
        packets.push(packet(second(3) + i * 1_000_000, 2));
    }
    let mut volume = volume(VolumeLimits::default());
    let secret = Secret::from_seed(3);
    let keys: Vec<Keys> = packets.iter().map(|each| Keys::of(each, &secret)).collect();
    volume.packets(&packets, &keys, &[]);
    volume.finish();
    let slots = slots(&mut volume);
    assert_eq!(slots.len(), 2);
    for slot in &slots {
        assert_eq!(slot.rows[0].packets[0][Class::Syn as usize], 500);
        assert_eq!(slot.rows[0].octets[0], 30_000);
        assert!(slot
            .traffic
            .iter()
            .all(|row| row.flags == 2 && row.class == 1));
    }
}

#[test]
fn answers_that_nobody_asked_for_are_remembered() {
    let mut volume = volume(VolumeLimits::default());
    let answer = FlowRecord {
        protocol: 6,
        flags: [0x12, 0],
        sampling: 10,
        ..udp(v4(AWAY), v4(HOME + 1), 1)
    };
    let asked = FlowRecord {
        src: v4(HOME + 2),
        dst: v4(AWAY),
        flags: [2, 0],
        ..answer
    };
    let solicited = FlowRecord {
        dst: v4(HOME + 2),
        ..answer
    };
    for at in 0..40 {
        volume.records(&[answer, asked, solicited], second(10 + at));
    }
    volume.finish();
    let slots = slots(&mut volume);
    let rows: Vec<VolumeRow> = slots.iter().flat_map(|slot| slot.rows.clone()).collect();
    assert!(rows.iter().all(|row| row.address == v4(HOME + 1)));
    let last = rows.last().unwrap();
    assert_eq!((last.unasked, last.unasked_samples), (400, 40));
}

#[test]
fn services_and_groups_are_counted_besides() {
    let mut volume = volume(VolumeLimits::default());
    let services = [
        parse_service("udp/4000", 0).unwrap(),
        parse_service("tcp/80", 5).unwrap(),
    ];
    let group = Group {
        name: [7; 16],
        networks: vec!["10.0.0.0/26".into(), "10.9.0.0/16".into()],
    };
    volume.watch(Watch::new(&services, &[group]).unwrap());
    let mut records = Vec::new();
    for host in 0..128 {
        records.push(udp(v4(AWAY + host), v4(HOME + host), 10));
    }
    let mut other = udp(v4(AWAY), v4(HOME + 3), 500);
    other.dst_port = 4001;
    // What a host of ours sends to a service elsewhere.
    let mut out = udp(v4(HOME + 0x0009_0001), v4(AWAY), 700);
    out.dst_port = 80;
    out.protocol = 6;
    records.extend([udp(v4(AWAY + 1), v4(HOME + 3), 600), other, out]);
    volume.records(&records, second(100));
    volume.advance(second(101));
    let slots = slots(&mut volume);
    let rows = |length: u8| -> Vec<&VolumeRow> {
        slots[0]
            .rows
            .iter()
            .filter(|row| row.length == length)
            .collect()
    };
    assert_eq!(rows(128).len(), 2);
    check_services(&rows(129), &rows(134), &rows(255));
}

fn check_services(udp: &[&VolumeRow], tcp: &[&VolumeRow], groups: &[&VolumeRow]) {
    let [row] = udp[..] else { panic!("{udp:?}") };
    assert_eq!(row.address, v4(HOME + 3));
    assert_eq!(row.packets[0][Class::Reply as usize], 610);
    let [row] = tcp[..] else { panic!("{tcp:?}") };
    assert_eq!(row.address, v4(HOME + 0x0009_0001));
    assert_eq!(row.packets[1][Class::Tcp as usize], 700);
    let [row] = groups[..] else {
        panic!("{groups:?}")
    };
    assert_eq!(row.address, [7; 16]);
    // 64 of the /26, what else one of them is sent, and what the other network sends.
    assert_eq!(row.packets[0][Class::Reply as usize], 640 + 600 + 500);
    assert_eq!(row.packets[1][Class::Tcp as usize], 700);
    assert_eq!(row.hosts, 65);
}

#[test]
fn services_do_not_take_the_room_of_hosts() {
    let mut volume = volume(VolumeLimits {
        hosts: 16,
        ..VolumeLimits::default()
    });
    volume.watch(Watch::new(&[parse_service("udp/1-65535", 0).unwrap()], &[]).unwrap());
    for host in 0..64 {
        volume.records(&[udp(v4(AWAY), v4(HOME + host), 500)], second(100));
    }
    volume.advance(second(101));
    let rows = &slots(&mut volume)[0].rows;
    let whole = rows.iter().find(|row| row.length == 96 + 16).unwrap();
    assert_eq!(whole.packets[0][Class::Reply as usize], 64 * 500);
    assert!(volume.counters().services_omitted > 0);
}
