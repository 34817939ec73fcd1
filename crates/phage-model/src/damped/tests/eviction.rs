//! Who has to go when a table is full.

use super::*;

/// Numbers spread over hosts like 1/rank.
struct Zipf(u64);

impl Zipf {
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
    }
    fn rank(&mut self, n: f64) -> u32 {
        ((n + 1.0).powf(self.unit()) - 1.0) as u32
    }
}

/// Honest traffic of 2,000 hosts, and as many packets of a flood, each from a source of its own.
fn traffic(count: u32, flood: bool) -> Vec<Packet> {
    let mut zipf = Zipf(0x0bad_cafe_0000_0001);
    let mut packets = Vec::new();
    for number in 0..count {
        let time = i64::from(number) * 100_000_000_000 / i64::from(count);
        let (client, server) = (zipf.rank(2_000.0), 5_000 + zipf.rank(30.0));
        let port = 40_000 + zipf.rank(6.0) as u16;
        packets.push(packet(time, client, server, (port, 443), 66));
        if flood {
            packets.push(packet(
                time + 1,
                0x10_0000 + number,
                5_000,
                (number as u16, 80),
                60,
            ));
        }
    }
    packets
}

/// The share of honest packets whose channel and socket were known, in a table and in one of the same shape that drives out
/// the least recently used.
fn hit_rates(kernel: Kernel, capacity: usize, flood: bool) -> [[f64; 2]; 2] {
    let packets = traffic(200_000, flood);
    let keys = keys(&packets);
    let mut damped = Damped::new(&DampedConfig {
        sources: capacity,
        channels: capacity,
        sockets: capacity,
        kernel: Some(kernel),
    });
    let mut recent = [Recent::new(capacity), Recent::new(capacity)];
    let mut row = vec![0.0; DAMPED_STRIDE];
    let (mut hits, mut honest) = ([[0.0; 2]; 2], 0.0);
    for (packet, key) in packets.iter().zip(&keys) {
        let before = damped.counters();
        damped.extract(
            std::slice::from_ref(packet),
            std::slice::from_ref(key),
            &mut row,
        );
        let after = damped.counters();
        let known = [recent[0].touch(key.channel), recent[1].touch(key.socket)];
        if packet.length == 66 {
            honest += 1.0;
            hits[0][0] += (after.channels.hits - before.channels.hits) as f64;
            hits[0][1] += (after.sockets.hits - before.sockets.hits) as f64;
            hits[1][0] += f64::from(u8::from(known[0]));
            hits[1][1] += f64::from(u8::from(known[1]));
        }
    }
    let counters = damped.counters();
    assert!(counters.sockets.used <= counters.sockets.capacity);
    assert_eq!(counters.sockets.capacity, capacity as u64);
    hits.map(|table| table.map(|hits| hits / honest))
}

/// Sets of eight keys, the last used first.
struct Recent(Vec<Vec<u64>>);

impl Recent {
    fn new(capacity: usize) -> Self {
        Self(vec![Vec::new(); capacity / 8])
    }
    fn touch(&mut self, key: u64) -> bool {
        let sets = self.0.len();
        let set = &mut self.0[key as usize % sets];
        let place = set.iter().position(|other| *other == key);
        if let Some(place) = place {
            set.remove(place);
        }
        set.insert(0, key);
        set.truncate(8);
        place.is_some()
    }
}

/// A flood of spoofed sources, half of all packets, must not drive honest streams out: by decayed weight far fewer
/// hits go than in a table that drives out the least recently used.
#[test]
fn a_flood_of_spoofed_sources_leaves_honest_streams_alone() {
    for kernel in kernels() {
        for capacity in [4_096, 16_384] {
            let [calm, _] = hit_rates(kernel, capacity, false);
            let [flooded, recent] = hit_rates(kernel, capacity, true);
            for table in 0..2 {
                let what = (kernel, capacity, calm[table], flooded[table], recent[table]);
                let (lost, lost_recent) =
                    (calm[table] - flooded[table], calm[table] - recent[table]);
                assert!(lost < 0.12, "{what:?}");
                assert!(lost < 0.7 * lost_recent, "{what:?}");
            }
        }
    }
}

/// Heavy streams outlive light newer ones; idle ones go first.
#[test]
fn the_smallest_decayed_weight_goes() {
    for kernel in kernels() {
        let mut damped = Damped::new(&DampedConfig {
            sources: 8,
            channels: 8,
            sockets: 8,
            kernel: Some(kernel),
        });
        let mut row = vec![0.0; DAMPED_STRIDE];
        let mut send = |damped: &mut Damped, packet: Packet| {
            damped.extract(&[packet], &keys(&[packet]), &mut row);
            row[0]
        };
        let millisecond = 1_000_000_i64;
        for number in 0..1_000 {
            send(&mut damped, packet(number * millisecond, 1, 2, (5, 6), 100));
        }
        // A thousand sources once each: the heavy one has a weight of 2^9.9, which takes 99 s to decay to 1.
        for number in 0..1_000_u32 {
            let time = 1_000 * millisecond + i64::from(number) * 10 * millisecond;
            send(&mut damped, packet(time, 100 + number, 2, (5, 6), 60));
        }
        let weight = send(&mut damped, packet(11_100 * millisecond, 1, 2, (5, 6), 100));
        assert!(weight >= 1.0);
        let counters = damped.counters();
        assert_eq!(
            counters.sources.hits,
            1_000,
            "{}: the heavy source was driven out",
            kernel.name()
        );
        assert_eq!(counters.sources.inserts, 1_001);
        assert_eq!(counters.sources.evictions, 1_001 - 8);
        // The light ones never had a full record.
        assert_eq!(counters.sources.records, 1);
    }
}

/// Streams idle for hours give up their ways before unused ones are touched, so that memory follows what is in use.
#[test]
fn idle_streams_make_room_first() {
    let mut damped = Damped::new(&DampedConfig {
        sources: 1_024,
        channels: 1_024,
        sockets: 1_024,
        kernel: None,
    });
    let mut row = vec![0.0; DAMPED_STRIDE];
    let hour = 3_600_000_000_000_i64;
    for day in 0..40_u32 {
        for number in 0..128_u32 {
            let one = packet(
                i64::from(day) * 24 * hour,
                day * 128 + number,
                7,
                (9, 80),
                60,
            );
            for _ in 0..2 {
                damped.extract(&[one], &keys(&[one]), &mut row);
            }
        }
    }
    let counters = damped.counters();
    assert_eq!(counters.sources.evictions, 0);
    assert!(
        counters.sources.expired > 3_000,
        "{}",
        counters.sources.expired
    );
    assert!(counters.sources.used < 700, "{}", counters.sources.used);
    // Forty days are more than the scores' base lasts.
    assert!(counters.shifts >= 2, "{}", counters.shifts);
}

/// A clock that goes back is followed, by streams and scores alike.
#[test]
fn a_clock_that_is_set_back_is_followed() {
    let mut damped = on(Kernel::best());
    let mut row = vec![0.0; DAMPED_STRIDE];
    let second = 1_000_000_000_i64;
    let day = 86_400 * second;
    for number in 0..100 {
        let one = packet(100 * day + number * second, 1, 2, (9, 80), 60);
        damped.extract(&[one], &keys(&[one]), &mut row);
    }
    let fast = row[0];
    for number in 0..200 {
        let one = packet(number * second, 1, 2, (9, 80), 60);
        damped.extract(&[one], &keys(&[one]), &mut row);
    }
    // One packet a second either way: the weight under a rate of 5/s is just above 1 again.
    assert!((row[0] - fast).abs() < 1e-3, "{} {fast}", row[0]);
    assert_eq!(damped.counters().shifts, 1);
}
