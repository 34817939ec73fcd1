use super::*;

#[test]
fn exactly_the_wanted_packets_are_learned() {
    for train in [0, 1, 2, 99, 100, 101, 1234] {
        let mut traffic = Traffic::new(1);
        let mut scorer = Scorer::new(&config(Some(train)));
        let surprises = feed(&mut scorer, &traffic.mixed(1500, 3, 0.1));
        for (number, surprise) in surprises.iter().enumerate() {
            assert_eq!(
                surprise.is_nan(),
                (number as u64) < train,
                "packet {number} of {train}"
            );
        }
        assert_eq!(scorer.phase(), Phase::Watching);
    }
}

#[test]
fn phases_come_in_order() {
    let mut traffic = Traffic::new(1);
    let mut scorer = Scorer::new(&config(Some(1000)));
    let mut seen = vec![scorer.phase()];
    for _ in 0..12 {
        feed(&mut scorer, &traffic.mixed(100, 3, 0.1));
        seen.push(scorer.phase());
    }
    assert!(seen.is_sorted());
    seen.dedup();
    assert_eq!(
        seen,
        [
            Phase::Surveying,
            Phase::Training,
            Phase::Calibrating,
            Phase::Watching
        ]
    );
}

#[test]
fn learning_ends_by_itself_when_it_has_converged() {
    let mut traffic = Traffic::new(1);
    let mut scorer = Scorer::new(&config(None));
    // Forty thousand packets in four hours.
    feed(&mut scorer, &traffic.mixed(20_000, 4, 0.36));
    assert!(scorer.phase() < Phase::Watching, "too few packets");
    feed(&mut scorer, &traffic.mixed(60_000, 4, 0.36));
    assert_eq!(scorer.phase(), Phase::Watching);
    assert_eq!(scorer.counters().profiles, 4);
}

#[test]
fn learning_takes_time_as_well_as_packets() {
    let mut traffic = Traffic::new(1);
    let mut scorer = Scorer::new(&config(None));
    // As many packets within four minutes: a burst is not a day.
    feed(&mut scorer, &traffic.mixed(80_000, 4, 0.003));
    assert!(scorer.phase() < Phase::Watching);
}

#[test]
fn normal_traffic_is_seldom_surprising_and_an_attack_always_is() {
    let mut traffic = Traffic::new(2);
    let mut scorer = watching(&mut traffic);
    let normal = feed(&mut scorer, &traffic.mixed(20_000, 4, 0.5));
    assert!(
        share_above(&normal, 2.0) < 0.03,
        "{}",
        share_above(&normal, 2.0)
    );
    assert!(
        share_above(&normal, 3.0) < 0.004,
        "{}",
        share_above(&normal, 3.0)
    );
    let attack: Vec<One> = (0..200).map(|_| traffic.attack(1)).collect();
    let attack = feed(&mut scorer, &attack);
    assert!(attack.iter().all(|&surprise| surprise > 3.0), "{attack:?}");
    assert!(attack.iter().all(|&surprise| surprise <= 12.0));
}

#[test]
fn a_device_is_measured_by_its_own_habits() {
    let mut traffic = Traffic::new(3);
    let mut scorer = watching(&mut traffic);
    // What device 2 does all day is odd for device 1.
    let borrowed: Vec<One> = (0..100)
        .map(|_| One {
            subject: 1,
            ..traffic.normal(2)
        })
        .collect();
    let own: Vec<One> = (0..100).map(|_| traffic.normal(1)).collect();
    let (own, borrowed) = (feed(&mut scorer, &own), feed(&mut scorer, &borrowed));
    assert!(mean(&own) < 0.8, "{}", mean(&own));
    assert!(mean(&borrowed) > mean(&own) + 1.5, "{}", mean(&borrowed));
}

#[test]
fn faulty_packets_score_nothing_and_teach_nothing() {
    let mut traffic = Traffic::new(4);
    let clean: Vec<One> = traffic.mixed(4000, 4, 0.5);
    let mut spoiled = Vec::new();
    for one in &clean {
        spoiled.push(one.clone());
        let mut odd = faulty(one.clone());
        odd.behaviour = [1e9; INPUTS];
        odd.damped = [1e9; DAMPED_STRIDE];
        spoiled.push(odd);
    }
    let mut scorer = Scorer::new(&config(Some(7000)));
    let surprises = feed(&mut scorer, &spoiled);
    for (one, surprise) in spoiled.iter().zip(&surprises).skip(7000) {
        assert!(one.packet.is_sound() || *surprise == 0.0);
    }
    assert_eq!(scorer.counters().faulty, 4000);
    let normal = feed(&mut scorer, &traffic.mixed(500, 4, 0.5));
    assert!(share_above(&normal, 3.0) < 0.02);
}

#[test]
fn packets_of_no_device_are_scored_by_the_network_alone() {
    let mut traffic = Traffic::new(5);
    let mut scorer = watching(&mut traffic);
    let mut packets = traffic.mixed(500, 4, 0.5);
    for one in &mut packets {
        one.subject = NO_SUBJECT;
        one.behaviour = [1e6; INPUTS];
    }
    let surprises = feed(&mut scorer, &packets);
    assert!(share_above(&surprises, 3.0) < 0.02);
    assert_eq!(scorer.counters().unowned, 500);
}

#[test]
fn without_devices_the_network_alone_is_calibrated() {
    let mut traffic = Traffic::new(8);
    let mut unowned = |count: usize| {
        let mut packets = traffic.mixed(count, 4, 0.5);
        for one in &mut packets {
            one.subject = NO_SUBJECT;
        }
        packets
    };
    let mut scorer = Scorer::new(&config(Some(20_000)));
    feed(&mut scorer, &unowned(20_000));
    assert_eq!(scorer.phase(), Phase::Watching);
    let usual = feed(&mut scorer, &unowned(500));
    assert!(mean(&usual) > 0.0);
    assert!(share_above(&usual, 3.0) < 0.02);
    let mut odd = unowned(50);
    for one in &mut odd {
        for value in &mut one.damped[..40] {
            *value += 1000.0;
        }
    }
    assert!(share_above(&feed(&mut scorer, &odd), 3.0) > 0.9);
}

#[test]
fn short_columns_do_not_panic() {
    let mut scorer = Scorer::new(&config(Some(1)));
    let mut surprise = [5.0; 8];
    scorer.process(
        &ScoreInput {
            packets: &[Packet::default(); 8],
            keys: &[],
            subjects: &[0; 3],
            identities: &|_| None,
            damped: &[0.0; DAMPED_STRIDE],
            behaviour: &[0.0; 40],
            first_packet: 0,
        },
        &mut surprise,
    );
    assert!(surprise[0].is_nan());
    assert!(surprise[1..].iter().all(|&surprise| surprise == 0.0));
}

#[test]
fn the_same_packets_give_the_same_scores() {
    let run = || {
        let mut traffic = Traffic::new(6);
        let mut scorer = watching(&mut traffic);
        let surprises = feed(&mut scorer, &traffic.mixed(20_000, 5, 2.0));
        let bits: Vec<u32> = surprises
            .iter()
            .map(|surprise| surprise.to_bits())
            .collect();
        (bits, scorer.to_bytes())
    };
    let (first, second) = (run(), run());
    assert!(first.0 == second.0, "scores differ");
    assert!(first.1 == second.1, "states differ");
}

#[test]
fn spoofed_devices_do_not_make_it_grow() {
    let mut traffic = Traffic::new(7);
    let mut scorer = Scorer::new(&ScorerConfig {
        devices: 8,
        ..config(Some(2000))
    });
    feed(&mut scorer, &traffic.mixed(2000, 4, 0.5));
    let flood: Vec<One> = (0..20_000_u32)
        .map(|index| One {
            subject: index % 5000,
            ..traffic.normal(0)
        })
        .collect();
    feed(&mut scorer, &flood);
    let counters = scorer.counters();
    assert!(counters.profiles <= 8);
    assert!(counters.unprofiled > 0);
}
