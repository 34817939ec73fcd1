use super::*;
use crate::rows::EXPLAINED;
use crate::scorer::watch::SURPRISING;

#[test]
fn a_window_has_a_row_for_each_scored_device() {
    let mut traffic = Traffic::new(31);
    let mut scorer = watching(&mut traffic);
    let mut rows = Vec::new();
    scorer.window(&identity, &mut rows);
    assert!(rows.is_empty(), "nothing was scored while learning");
    let packets = traffic.mixed(1000, 4, 0.5);
    let surprises = feed(&mut scorer, &packets);
    scorer.window(&identity, &mut rows);
    assert_eq!(rows.len(), 4);
    for row in &rows {
        let own: Vec<(usize, f32)> = (0..1000)
            .filter(|&index| packets[index].subject == row.device)
            .map(|index| (index, surprises[index]))
            .collect();
        let highest = own.iter().fold(0.0_f32, |a, &(_, b)| a.max(b));
        assert_eq!(row.packets, 250);
        assert_eq!(row.surprise.to_bits(), highest.to_bits());
        assert!((row.total - own.iter().map(|one| one.1).sum::<f32>()).abs() < 0.01);
        let first = own.iter().find(|one| one.1 == highest).unwrap();
        assert_eq!(row.device_mac, identity(row.device).unwrap().mac);
        assert_eq!(row.mature, 1);
        assert_eq!(row.src_port, 1000 + row.device as u16);
        assert_eq!(row.time, packets[first.0].packet.time);
    }
    rows.clear();
    scorer.window(&identity, &mut rows);
    assert!(rows.is_empty());
}

#[test]
fn an_explanation_names_what_was_unusual_in_its_units() {
    let mut traffic = Traffic::new(32);
    let mut scorer = watching(&mut traffic);
    let mut one = traffic.normal(1);
    one.behaviour[17] = 5000.0;
    feed(&mut scorer, &[one]);
    let mut rows = Vec::new();
    scorer.window(&identity, &mut rows);
    let row = rows[0];
    assert_eq!(row.features[0], 17);
    assert!((row.values[0] - 5000.0).abs() < 1e-3);
    // Level (7 + 17 * 3) % 11 = 3, times 0.8 to 3.6.
    assert!((0.0..4.0).contains(&row.low[0]), "{}", row.low[0]);
    assert!((7.0..16.0).contains(&row.high[0]), "{}", row.high[0]);
    assert!(row.weights[0] > 0.4, "{:?}", row.weights);
    assert!(row.weights.is_sorted_by(|a, b| a >= b));
    assert!(row.weights.iter().sum::<f32>() <= 1.001);
}

#[test]
fn what_is_not_surprising_is_not_explained() {
    let mut traffic = Traffic::new(33);
    let mut scorer = watching(&mut traffic);
    let mut rows = Vec::new();
    for _ in 0..50 {
        feed(&mut scorer, &[traffic.normal(1)]);
        scorer.window(&identity, &mut rows);
    }
    for row in rows {
        let named = row.features.iter().any(|&feature| feature != u16::MAX);
        assert_eq!(named, row.surprise > 2.0);
        assert_eq!(row.features.len(), EXPLAINED);
    }
}

#[test]
fn an_explanation_names_what_surprised_the_network_as_well() {
    let mut traffic = Traffic::new(34);
    let mut scorer = watching(&mut traffic);
    let mut one = traffic.normal(1);
    one.damped[40] = 90_000.0;
    feed(&mut scorer, &[one]);
    let mut rows = Vec::new();
    scorer.window(&identity, &mut rows);
    let row = rows[0];
    assert!(row.network >= SURPRISING, "{}", row.network);
    let place = row.features.iter().position(|&feature| feature == 72);
    let place = place.unwrap_or_else(|| panic!("{:?}", row.features));
    assert_eq!(row.values[place], 90_000.0);
    // 90 or 900 octets, 0.9 to 1.1 times, divided by 1 + 40 % 7.
    assert!((10.0..15.0).contains(&row.low[place]), "{}", row.low[place]);
    assert!(
        (150.0..200.0).contains(&row.high[place]),
        "{}",
        row.high[place]
    );
    assert!(row.weights[place] > 0.1, "{:?}", row.weights);
    assert!(row.weights.is_sorted_by(|a, b| a >= b));
    assert!(row.weights.iter().sum::<f32>() <= 1.001);
}
