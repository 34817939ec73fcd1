use super::*;

const HOUR: i64 = 3600 * SECOND;

/// Hours of traffic of four devices at one packet in four seconds; `attacked` puts bursts of an
/// attack on device 1 into it.
fn hours(traffic: &mut Traffic, hours: usize, attacked: bool) -> Vec<One> {
    let mut packets = Vec::new();
    for index in 0..hours * 900 {
        traffic.time += 4 * SECOND;
        packets.push(traffic.normal(index as u32 % 4));
        // A burst of 100 packets every ten minutes.
        if attacked && index % 150 < 100 {
            packets.push(traffic.attack(1));
        }
    }
    packets
}

#[test]
fn an_attack_while_watching_is_not_learned() {
    let mut traffic = Traffic::new(11);
    let mut scorer = watching(&mut traffic);
    let before: Vec<One> = (0..100).map(|_| traffic.attack(1)).collect();
    let before = mean(&feed(&mut scorer.clone_by_bytes(), &before));
    // Four hours of it, within the twelve after which noise is accepted.
    let poisoned = hours(&mut traffic, 4, true);
    feed(&mut scorer, &poisoned);
    let after: Vec<One> = (0..100).map(|_| traffic.attack(1)).collect();
    let after = feed(&mut scorer, &after);
    assert!(
        after.iter().all(|&surprise| surprise > 3.0),
        "{}",
        mean(&after)
    );
    assert!(
        mean(&after) > before - 0.5,
        "{before} fell to {}",
        mean(&after)
    );
    assert!(scorer.counters().quarantined > 0);
}

#[test]
fn an_attack_in_the_training_is_still_found() {
    let mut traffic = Traffic::new(12);
    let mut scorer = Scorer::new(&config(Some(20_000)));
    let mut packets = traffic.mixed(20_000, 4, 0.5);
    // A scan of 60 packets in the middle of the training, one in 83 packets of its device.
    for offset in 0..60 {
        let attack = traffic.attack(1);
        packets[9000 + offset].behaviour = attack.behaviour;
        packets[9000 + offset].subject = 1;
    }
    feed(&mut scorer, &packets);
    let attack: Vec<One> = (0..200).map(|_| traffic.attack(1)).collect();
    let attack = feed(&mut scorer, &attack);
    assert!(
        attack.iter().all(|&surprise| surprise > 2.5),
        "{}",
        mean(&attack)
    );
    let normal = feed(&mut scorer, &traffic.mixed(4000, 4, 0.5));
    assert!(share_above(&normal, 3.0) < 0.01);
}

/// Traffic whose level has grown on device 2.
fn grown(traffic: &mut Traffic, count: usize, factor: f32) -> Vec<One> {
    let mut packets = traffic.mixed(count, 4, 2.0);
    for one in packets.iter_mut().filter(|one| one.subject == 2) {
        for value in &mut one.behaviour[..8] {
            *value *= factor;
        }
    }
    packets
}

#[test]
fn a_slow_change_is_followed() {
    let mut traffic = Traffic::new(13);
    let mut adapting = watching(&mut traffic);
    let mut frozen = Scorer::from_bytes(
        &adapting.to_bytes(),
        &ScorerConfig {
            adapt: false,
            ..config(Some(20_000))
        },
    )
    .unwrap();
    // Six days in which a device comes to send three times as much.
    for step in 0..48_i16 {
        let packets = grown(&mut traffic, 5400, 1.0 + f32::from(step) / 24.0);
        feed(&mut adapting, &packets);
    }
    let packets = grown(&mut traffic, 8000, 3.0);
    let own = |surprises: Vec<f32>| {
        let of_device: Vec<f32> = surprises.into_iter().skip(2).step_by(4).collect();
        mean(&of_device)
    };
    let (followed, not) = (
        own(feed(&mut adapting, &packets)),
        own(feed(&mut frozen, &packets)),
    );
    assert!(followed < 0.8, "{followed}");
    assert!(
        not > followed + 0.5,
        "{not} without, {followed} with adaptation"
    );
}

#[test]
fn a_sudden_lasting_change_is_reported_as_drift() {
    let mut traffic = Traffic::new(14);
    let mut scorer = watching(&mut traffic);
    let quiet = traffic.mixed(20_000, 4, 2.0);
    feed(&mut scorer, &quiet);
    assert_eq!(scorer.counters().drifts, 0);
    // A day of something else on one device.
    let packets = grown(&mut traffic, 43_200, 4.0);
    let surprises = feed(&mut scorer, &packets);
    assert!(scorer.counters().drifts >= 1);
    let end: Vec<f32> = surprises[40_000..]
        .iter()
        .skip(2)
        .step_by(4)
        .copied()
        .collect();
    let start: Vec<f32> = surprises[..2000]
        .iter()
        .skip(2)
        .step_by(4)
        .copied()
        .collect();
    assert!(mean(&start) > 2.0, "{}", mean(&start));
    assert!(mean(&end) < 1.0, "{}", mean(&end));
}

#[test]
fn a_new_device_is_judged_by_the_prior_until_it_is_mature() {
    let mut traffic = Traffic::new(15);
    let mut scorer = watching(&mut traffic);
    let mut rows = Vec::new();
    let mut mature_at = None;
    // Device 4 behaves like its kind for three days.
    for hour in 0..72_i64 {
        let packets: Vec<One> = (0..1800)
            .map(|index| {
                traffic.time += 2 * SECOND;
                let kind = index % 5;
                One {
                    subject: kind,
                    ..traffic.normal(kind % 4)
                }
            })
            .collect();
        feed(&mut scorer, &packets);
        rows.clear();
        scorer.window(&identity, &mut rows);
        let row = rows.iter().find(|row| row.device == 4).unwrap();
        if row.mature == 1 && mature_at.is_none() {
            mature_at = Some(hour);
        }
    }
    let hour = mature_at.unwrap();
    assert!((24..60).contains(&hour), "mature after {hour} hours");
    // From the first hour on an attack of it is found.
    let mut young = watching(&mut traffic);
    let attack: Vec<One> = (0..100).map(|_| traffic.attack(9)).collect();
    let surprises = feed(&mut young, &attack);
    assert!(
        surprises.iter().all(|&surprise| surprise > 2.0),
        "{}",
        mean(&surprises)
    );
}

#[test]
fn a_false_positive_is_taken_back() {
    let mut traffic = Traffic::new(16);
    let mut scorer = watching(&mut traffic);
    let backup = |traffic: &mut Traffic| -> Vec<One> {
        (0..300)
            .map(|_| {
                traffic.time += SECOND;
                let mut one = traffic.normal(1);
                one.behaviour[3] = 300.0;
                one.behaviour[4] = 200.0;
                one
            })
            .collect()
    };
    let from = traffic.time;
    let first = feed(&mut scorer, &backup(&mut traffic));
    assert!(mean(&first) > 3.0, "{}", mean(&first));
    let learned = scorer.feedback(&Feedback::FalsePositive {
        device: identity(1).unwrap(),
        from,
        until: traffic.time,
    });
    assert!(learned > 100, "{learned}");
    let second = feed(&mut scorer, &backup(&mut traffic));
    assert!(share_above(&second, 3.0) < 0.05, "{}", mean(&second));
    // What it was not told about stays surprising.
    let attack: Vec<One> = (0..100).map(|_| traffic.attack(1)).collect();
    assert!(mean(&feed(&mut scorer, &attack)) > 2.0);
    let nobody = Feedback::FalsePositive {
        device: identity(77).unwrap(),
        from: 0,
        until: i64::MAX,
    };
    assert_eq!(scorer.feedback(&nobody), 0);
}

#[test]
fn nothing_is_learned_of_a_banned_time() {
    let mut traffic = Traffic::new(17);
    let mut scorer = watching(&mut traffic);
    feed(&mut scorer, &hours(&mut traffic, 1, false));
    let waiting = scorer.feedback(&Feedback::DoNotLearn {
        device: None,
        from: 0,
        until: traffic.time + 2 * HOUR,
    });
    assert!(waiting > 0);
    let updates = scorer.counters().updates;
    feed(&mut scorer, &hours(&mut traffic, 2, false));
    assert_eq!(scorer.counters().updates, updates);
    feed(&mut scorer, &hours(&mut traffic, 2, false));
    assert!(scorer.counters().updates > updates);
}

impl Scorer {
    /// A copy, by way of its bytes.
    fn clone_by_bytes(&self) -> Self {
        Self::from_bytes(&self.to_bytes(), &self.config).unwrap()
    }
}
