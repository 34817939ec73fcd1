use super::*;
use crate::rows::NO_SERVICE_PORT;

const PORT: u16 = 443;

fn flow(peer: u8, port: u16, start: i64) -> Flow {
    Flow {
        id: 1,
        src: [1; 16],
        dst: [peer; 16],
        src_mac: 7,
        dst_mac: 9,
        protocol: protocol::UDP,
        dst_port: port,
        home: 1,
        start,
        last: start + SECOND,
        packets: [2, 3],
        octets: [100, 923],
        ..Flow::vacant()
    }
}

fn following(most: usize) -> Uses {
    Uses::new(most, Secret::from_seed(1))
}

fn told(uses: &mut Uses, now: i64) -> Vec<UseRow> {
    let mut rows = Vec::new();
    uses.window(now, &mut rows);
    rows
}

fn one(rows: &[UseRow]) -> UseRow {
    rows.first().copied().unwrap_or_default()
}

#[test]
fn what_is_new_is_told_at_once_and_what_is_done_again_every_ten_seconds() {
    let mut uses = following(64);
    let mut first = flow(2, PORT, 0);
    uses.see(&mut first);
    uses.see(&mut first);
    let rows = told(&mut uses, SECOND);
    assert_eq!((rows.len(), one(&rows).begun, one(&rows).ended), (1, 1, 0));
    uses.end(&first);
    uses.end(&flow(2, PORT, 5 * SECOND));
    assert!(told(&mut uses, 6 * SECOND).is_empty());
    let rows = told(&mut uses, 12 * SECOND);
    let row = one(&rows);
    assert_eq!((row.begun, row.ended, row.failed), (1, 2, 0));
    assert_eq!(
        (row.first, row.octets, row.largest),
        (5 * SECOND, [200, 1846], [100, 923])
    );
    assert_eq!((row.sizes, row.squares), (20.0, 200.0));
    assert!(told(&mut uses, 23 * SECOND).is_empty());
    assert!(uses.followed.is_empty() && uses.devices.iter().all(|&count| count == 0));
}

#[test]
fn a_responder_uses_what_it_answers_and_far_peers_are_one() {
    let mut uses = following(64);
    let mut asked = flow(2, 23, 0);
    asked.home = 2;
    asked.packets = [3, 0];
    uses.end(&asked);
    assert!(told(&mut uses, 0).is_empty());
    asked.packets = [3, 3];
    uses.end(&asked);
    uses.end(&Flow {
        src: [5; 16],
        ..asked
    });
    let rows = told(&mut uses, 0);
    let row = one(&rows);
    assert_eq!((rows.len(), row.begun, row.way), (1, 2, 1));
    assert_eq!((row.address, row.peer), ([2; 16], [1; 16]));
    assert_eq!(row.octets, [2 * 923, 200]);
}

#[test]
fn ports_of_no_service_are_one_and_their_span_is_told() {
    let mut uses = following(64);
    for port in [50_000, 60_000, 49_152] {
        uses.end(&flow(2, port, 0));
    }
    let rows = told(&mut uses, 0);
    assert_eq!((rows.len(), one(&rows).port), (1, NO_SERVICE_PORT));
    assert_eq!(one(&rows).ports, [49_152, 60_000]);
}

#[test]
fn who_scans_leaves_room_and_what_does_not_fit_is_counted() {
    let mut uses = following(300);
    for port in 1..=1000 {
        uses.end(&flow(2, port, 0));
    }
    uses.end(&Flow {
        src_mac: 8,
        ..flow(2, PORT, 0)
    });
    assert_eq!(told(&mut uses, 0).len(), 257);
    // Each was dropped as it began and as it ended.
    assert_eq!(uses.dropped, 2 * 744);
}

#[test]
fn devices_that_find_no_room_are_not_remembered() {
    let mut uses = following(8);
    for device in 0..10_000 {
        uses.end(&Flow {
            src_mac: device,
            ..flow(2, PORT, 0)
        });
    }
    let counted: u16 = uses.devices.iter().sum();
    assert_eq!((uses.len(), counted), (8, 8));
    assert_eq!(uses.dropped, 2 * 9_992);
}

#[test]
fn the_end_and_a_clock_that_was_set_back_leave_nothing_behind() {
    let mut uses = following(64);
    uses.end(&flow(2, PORT, 0));
    told(&mut uses, 1000 * SECOND);
    uses.end(&flow(2, PORT, 0));
    assert_eq!(told(&mut uses, 0).len(), 1);
    uses.end(&flow(2, PORT, 0));
    uses.finish();
    assert_eq!(told(&mut uses, 1).len(), 1);
}
