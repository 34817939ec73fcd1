use super::*;
use crate::ModelFault;

fn bits(surprises: &[f32]) -> Vec<u32> {
    surprises
        .iter()
        .map(|surprise| surprise.to_bits())
        .collect()
}

#[test]
fn a_restored_scorer_goes_on_as_if_nothing_had_happened() {
    // In the middle of each phase, and long into watching.
    for packets in [500, 9000, 18_000, 21_000, 30_000] {
        let mut traffic = Traffic::new(21);
        let mut scorer = Scorer::new(&config(Some(20_000)));
        feed(&mut scorer, &traffic.mixed(packets, 4, 2.0));
        let bytes = scorer.to_bytes();
        let mut restored = Scorer::from_bytes(&bytes, &config(Some(20_000))).unwrap();
        assert!(restored.to_bytes() == bytes, "after {packets} packets");
        let more = traffic.mixed(25_000, 5, 2.0);
        let (a, b) = (feed(&mut scorer, &more), feed(&mut restored, &more));
        assert!(bits(&a) == bits(&b), "after {packets} packets");
        assert!(scorer.to_bytes() == restored.to_bytes());
    }
}

#[test]
fn devices_are_found_again_under_other_indices() {
    let mut traffic = Traffic::new(22);
    let mut scorer = watching(&mut traffic);
    let bytes = scorer.to_bytes();
    let mut restored = Scorer::from_bytes(&bytes, &config(Some(20_000))).unwrap();
    let packets = traffic.mixed(1000, 4, 0.5);
    let mut moved = packets.clone();
    for one in &mut moved {
        one.subject = 10 + (one.subject + 1) % 4;
    }
    let expected = feed(&mut scorer, &packets);
    let found = feed_as(&mut restored, &moved, &|index| {
        identity((index - 10 + 3) % 4)
    });
    let differing: Vec<usize> = (0..expected.len())
        .filter(|&index| expected[index].to_bits() != found[index].to_bits())
        .collect();
    assert!(differing.is_empty(), "{differing:?}");
}

#[test]
fn an_index_given_to_another_device_is_noticed() {
    let mut traffic = Traffic::new(23);
    let mut scorer = watching(&mut traffic);
    let packets: Vec<One> = (0..300).map(|_| traffic.normal(1)).collect();
    feed(&mut scorer, &packets);
    let stranger = |_| {
        Some(Identity {
            mac: 0x0a00_0000_0001,
            address: [0; 16],
            generation: 1,
        })
    };
    feed_as(&mut scorer, &packets, &stranger);
    assert_eq!(scorer.counters().profiles, 5);
}

#[test]
fn damaged_state_is_refused() {
    let mut traffic = Traffic::new(24);
    let scorer = watching(&mut traffic);
    let bytes = scorer.to_bytes();
    let read = |bytes: &[u8]| Scorer::from_bytes(bytes, &config(None)).err();
    assert_eq!(read(&[]), Some(ModelFault::Length));
    assert_eq!(read(b"something else"), Some(ModelFault::NotAModel));
    for length in (8..bytes.len()).step_by(997) {
        assert!(read(&bytes[..length]).is_some(), "cut at {length}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(read(&longer), Some(ModelFault::Length));
    let mut other = bytes.clone();
    other[8] = 200;
    assert!(matches!(
        read(&other),
        Some(ModelFault::Version { found: 200, .. })
    ));
    let mut renamed = config(None);
    renamed.behaviour = &[];
    assert_eq!(
        Scorer::from_bytes(&bytes, &renamed).err(),
        Some(ModelFault::Catalog)
    );
}

#[test]
fn any_damage_is_refused_or_harmless() {
    let mut traffic = Traffic::new(25);
    let mut scorer = watching(&mut traffic);
    feed(&mut scorer, &traffic.mixed(2000, 4, 2.0));
    let bytes = scorer.to_bytes();
    let packets = traffic.mixed(200, 5, 10.0);
    for step in 0..400_usize {
        let mut damaged = bytes.clone();
        for part in 0..4 {
            let at = (step * 7919 + part * 104_729) % bytes.len();
            damaged[at] ^= 1 << (step % 8);
        }
        if let Ok(mut scorer) = Scorer::from_bytes(&damaged, &config(None)) {
            for surprise in feed(&mut scorer, &packets) {
                assert!(surprise.is_nan() || (0.0..=12.0).contains(&surprise));
            }
            scorer.window(&identity, &mut Vec::new());
        }
    }
}
