//! What is told again is found, whatever engine takes it.

use std::sync::Arc;
use std::thread;

use super::*;

const SECOND: i64 = 1_000_000_000;

fn record(exporter: u32, port: u16, packets: u64) -> FlowRecord {
    FlowRecord {
        exporter,
        src_port: port,
        packets: [packets, 0],
        octets: [packets * 100, 0],
        protocol: 17,
        ip_version: 4,
        ..FlowRecord::default()
    }
}

fn counted(duplicates: &mut Duplicates, record: FlowRecord, time: i64) -> (u64, u64) {
    let mut records = vec![record];
    duplicates.remove(&mut records, time);
    records
        .first()
        .map_or((0, 0), |left| (left.packets[0], left.octets[0]))
}

fn shared() -> Arc<ToldFlows> {
    Arc::new(ToldFlows::new(3, USUAL_ROOM))
}

fn duplicates() -> Duplicates {
    Duplicates::new(shared())
}

#[test]
fn one_router_is_believed() {
    let mut made = duplicates();
    for second in 0..100 {
        let (packets, _) = counted(&mut made, record(1, 7, 5), second * SECOND);
        assert_eq!(packets, 5);
    }
    assert_eq!(made.counters.packets, 0);
}

#[test]
fn a_flow_counts_as_often_as_who_saw_most_of_it() {
    let mut made = duplicates();
    assert_eq!(counted(&mut made, record(1, 7, 100), SECOND), (100, 10_000));
    assert_eq!(counted(&mut made, record(2, 7, 60), SECOND), (0, 0));
    assert_eq!(counted(&mut made, record(2, 7, 60), SECOND), (20, 2000));
    // A third one, and what goes out at the second.
    assert_eq!(counted(&mut made, record(3, 7, 110), SECOND), (0, 0));
    let going = FlowRecord {
        direction: 1,
        ..record(2, 7, 120)
    };
    assert_eq!(counted(&mut made, going, SECOND), (0, 0));
    // Another flow.
    assert_eq!(counted(&mut made, record(2, 8, 60), SECOND), (60, 6000));
    assert_eq!(made.counters.records, 3);
    assert_eq!(made.counters.packets, 60 + 40 + 110 + 120);
}

#[test]
fn what_lasts_counts_once_however_reports_fall() {
    let mut made = duplicates();
    let mut sum = 0;
    for second in 0..3600 {
        for (exporter, every, at) in [(1, 60, 0), (2, 60, 30), (3, 45, 7)] {
            if second % every == at {
                let told = record(exporter, 7, 1000 * every as u64);
                sum += counted(&mut made, told, second * SECOND).0;
            }
        }
    }
    let once = 3_600_000.0;
    assert!((0.95..1.2).contains(&(sum as f64 / once)), "{sum}");
}

#[test]
fn a_flow_that_takes_another_way_is_seen_there_within_minutes() {
    let mut made = duplicates();
    for second in 0..3600 {
        counted(&mut made, record(1, 7, 1000), second * SECOND);
    }
    let mut sum = 0;
    for second in 3600..3900 {
        sum += counted(&mut made, record(2, 7, 1000), second * SECOND).0;
    }
    assert!(sum > 170_000, "{sum}");
}

#[test]
fn much_of_a_single_router_is_not_remembered() {
    let mut made = duplicates();
    for number in 0..30_000_u32 {
        counted(&mut made, record(1, number as u16, 5), SECOND);
    }
    // Another one is heard: from now on all is.
    assert_eq!(counted(&mut made, record(2, 100, 5), SECOND).0, 0);
    assert_eq!(counted(&mut made, record(2, 29_000, 5), SECOND).0, 5);
    assert_eq!(counted(&mut made, record(1, 29_000, 5), SECOND).0, 0);
}

#[test]
fn samples_are_left_as_they_are() {
    let mut made = duplicates();
    for exporter in [1, 2] {
        let sampled = FlowRecord {
            sampling: 1000,
            ..record(exporter, 7, 5)
        };
        assert_eq!(counted(&mut made, sampled, SECOND).0, 5);
    }
}

#[test]
fn a_flood_of_flows_takes_no_more_room_and_is_counted() {
    let mut made = duplicates();
    for number in 0..400_000_u32 {
        let mut forged = record(1 + number % 2, number as u16, 1);
        forged.src[12..].copy_from_slice(&number.to_be_bytes());
        assert_eq!(counted(&mut made, forged, SECOND).0, 1);
    }
    assert_eq!(made.told.taken(), USUAL_ROOM);
    assert!(made.counters.crowded > 100_000);
}

#[test]
fn exporters_at_different_engines_are_compared() {
    let told = shared();
    let mut one = Duplicates::new(Arc::clone(&told));
    let mut other = Duplicates::new(told);
    // Each engine gives its first exporter the number 1.
    assert_eq!(counted(&mut one, record(1, 7, 100), SECOND).0, 100);
    assert_eq!(counted(&mut other, record(1, 7, 60), SECOND).0, 0);
    assert_eq!(counted(&mut other, record(1, 7, 60), SECOND).0, 20);
    assert_eq!(counted(&mut one, record(1, 7, 30), SECOND).0, 10);
    assert_eq!((one.counters.packets, other.counters.packets), (20, 100));
    assert_eq!((one.counters.records, other.counters.records), (0, 1));
}

#[test]
fn a_clock_that_is_ahead_in_one_engine_forgets_nothing() {
    let told = shared();
    let mut one = Duplicates::new(Arc::clone(&told));
    let mut other = Duplicates::new(told);
    assert_eq!(counted(&mut one, record(1, 7, 100), 5 * SECOND).0, 100);
    assert_eq!(counted(&mut other, record(1, 7, 100), SECOND).0, 0);
}

#[test]
fn threads_that_tell_of_the_same_flows_at_a_time_count_each_once() {
    const FLOWS: u16 = 500;
    const ROUNDS: u64 = 20;
    let told = shared();
    let work = |mut duplicates: Duplicates| {
        move || {
            let mut sum = 0;
            for round in 0..ROUNDS {
                for flow in 0..FLOWS {
                    sum += counted(&mut duplicates, record(1, flow, 10), SECOND + round as i64).0;
                }
            }
            (sum, duplicates.counters)
        }
    };
    let threads: Vec<_> = (0..3)
        .map(|_| thread::spawn(work(Duplicates::new(Arc::clone(&told)))))
        .collect();
    let results: Vec<_> = threads
        .into_iter()
        .filter_map(|thread| thread.join().ok())
        .collect();
    assert_eq!(results.len(), 3);
    let counted: u64 = results.iter().map(|(sum, _)| sum).sum();
    let again: u64 = results.iter().map(|(_, counters)| counters.packets).sum();
    let crowded: u64 = results.iter().map(|(_, counters)| counters.crowded).sum();
    let once = 10 * ROUNDS * u64::from(FLOWS);
    assert_eq!(counted + again, 3 * once);
    // Whoever waited too long for an entry counted its record; that is told.
    assert!(
        counted >= once && counted <= once + 10 * crowded,
        "{counted} {crowded}"
    );
}

#[test]
fn both_ways_of_a_biflow_are_compared_with_flows_of_one_way() {
    let mut made = duplicates();
    let both = FlowRecord {
        packets: [100, 40],
        octets: [10_000, 4000],
        dst_port: 9,
        ..record(1, 7, 100)
    };
    assert_eq!(counted(&mut made, both, SECOND), (100, 10_000));
    let back = FlowRecord {
        src: both.dst,
        dst: both.src,
        src_port: both.dst_port,
        dst_port: both.src_port,
        ..record(2, 9, 50)
    };
    assert_eq!(counted(&mut made, back, SECOND), (10, 1000));
    // The first one again, of which the second told the way back in part.
    let mut records = vec![both];
    made.remove(&mut records, SECOND);
    let left = records.first().map(|left| (left.packets, left.octets));
    assert_eq!(left, Some(([100, 30], [10_000, 3000])));
}
