use super::*;
use proptest::prelude::*;

fn v4(a: u8, b: u8, c: u8, d: u8) -> [u8; 16] {
    (MAPPED | u128::from(u32::from_be_bytes([a, b, c, d]))).to_be_bytes()
}

fn prefix(address: [u8; 16], length: u8, value: u32) -> Prefix {
    Prefix {
        address,
        length,
        value,
    }
}

/// The definition: the longest prefix that holds the address, the last of equal ones.
fn naive(prefixes: &[Prefix], address: &[u8; 16]) -> Option<u32> {
    let is_v4 = |address: u128| address >> 32 == MAPPED >> 32;
    let wanted = u128::from_be_bytes(*address);
    prefixes
        .iter()
        .filter(|prefix| {
            let own = u128::from_be_bytes(prefix.address);
            let host = u128::MAX.checked_shr(u32::from(prefix.length)).unwrap_or(0);
            let counts_for_v4 = is_v4(own) && prefix.length >= 96;
            own | host == wanted | host && is_v4(wanted) == counts_for_v4
        })
        .max_by_key(|prefix| prefix.length)
        .map(|prefix| prefix.value)
}

#[test]
fn the_longest_prefix_wins_and_its_end_gives_way_to_the_outer_one() {
    let set = PrefixSet::new(&[
        prefix(v4(10, 0, 0, 0), 104, 1),
        prefix(v4(10, 1, 0, 0), 112, 2),
        prefix(v4(10, 1, 2, 3), 128, 3),
        prefix(v4(255, 255, 255, 255), 128, 4),
    ]);
    assert_eq!(set.lookup(&v4(10, 0, 0, 1)), Some(1));
    assert_eq!(set.lookup(&v4(10, 1, 2, 2)), Some(2));
    assert_eq!(set.lookup(&v4(10, 1, 2, 3)), Some(3));
    assert_eq!(set.lookup(&v4(10, 1, 2, 4)), Some(2));
    assert_eq!(set.lookup(&v4(10, 2, 0, 0)), Some(1));
    assert_eq!(set.lookup(&v4(11, 0, 0, 0)), None);
    assert_eq!(set.lookup(&v4(9, 255, 255, 255)), None);
    assert_eq!(set.lookup(&v4(255, 255, 255, 255)), Some(4));
}

#[test]
fn an_empty_set_holds_nothing() {
    let set = PrefixSet::new(&[]);
    assert!(set.is_empty());
    assert_eq!(set.lookup(&[0; 16]), None);
    assert_eq!(set.lookup(&v4(1, 2, 3, 4)), None);
}

proptest! {
    #[test]
    fn a_look_up_answers_as_the_definition_does(
        wide in proptest::collection::vec((any::<u128>(), 0_u8..=128, 0_u32..1000), 0..40),
        narrow in proptest::collection::vec((0_u32..64, 96_u8..=128, 0_u32..1000), 0..40),
        asked in proptest::collection::vec(any::<u128>(), 0..40),
    ) {
        let mut prefixes: Vec<_> = wide
            .iter()
            .map(|&(address, length, value)| prefix(address.to_be_bytes(), length, value))
            .collect();
        prefixes.extend(narrow.iter().map(|&(last, length, value)| {
            prefix((MAPPED | u128::from(last)).to_be_bytes(), length, value)
        }));
        let set = PrefixSet::new(&prefixes);
        let near = prefixes.iter().flat_map(|prefix| {
            let own = u128::from_be_bytes(prefix.address);
            let host = u128::MAX.checked_shr(u32::from(prefix.length)).unwrap_or(0);
            [own, own & !host, own | host, (own | host).wrapping_add(1), (own & !host).wrapping_sub(1)]
        });
        let asked: Vec<_> = asked.iter().copied().chain(near).map(u128::to_be_bytes).collect();
        let mut together = vec![0; asked.len()];
        set.lookup_all(&asked, &mut together);
        for (address, value) in asked.iter().zip(together) {
            let expected = naive(&prefixes, address);
            prop_assert_eq!(set.lookup(address), expected);
            prop_assert_eq!(value, expected.unwrap_or(u32::MAX));
        }
    }
}
