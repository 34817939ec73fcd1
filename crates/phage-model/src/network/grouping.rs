//! Which features share an autoencoder.

/// The most features of a group: the work of an autoencoder grows with its square.
pub(super) const LARGEST: usize = 10;
/// The most groups: one lane of a register each while training.
pub(super) const MOST: usize = 16;
/// Groups are merged down to so many at least while they have something in common.
const FEWEST: usize = 12;
/// Two groups with a mean distance below this have something in common (a correlation of 0.3).
const NEAR: f32 = 0.7;

/// Groups features by a distance in 0 to 1: merges the two nearest groups (mean distance, the
/// UPGMA of Sokal and Michener 1958) that together have no more than [`LARGEST`] members, until
/// there are at most [`MOST`] and the rest have little in common.
///
/// Groups are answered in the order of their first member, members in theirs.
pub(super) fn group(count: usize, distance: impl Fn(usize, usize) -> f32) -> Vec<Vec<u16>> {
    let mut groups: Vec<Vec<u16>> = (0..count).map(|number| vec![number as u16]).collect();
    let mut distances: Vec<Vec<f32>> = (0..count)
        .map(|a| (0..count).map(|b| distance(a, b)).collect())
        .collect();
    while groups.len() > FEWEST {
        let Some((a, b, nearest)) = nearest(&groups, &distances) else {
            break;
        };
        if nearest > NEAR && groups.len() <= MOST {
            break;
        }
        merge(&mut groups, &mut distances, a, b);
    }
    while groups.len() > MOST && dissolve(&mut groups, &distance) {}
    for group in &mut groups {
        group.sort_unstable();
    }
    groups.sort_unstable();
    groups
}

/// The two nearest groups that may be merged.
fn nearest(groups: &[Vec<u16>], distances: &[Vec<f32>]) -> Option<(usize, usize, f32)> {
    let mut best: Option<(usize, usize, f32)> = None;
    for (a, (first, row)) in groups.iter().zip(distances).enumerate() {
        for (b, (second, distance)) in groups.iter().zip(row).enumerate().skip(a + 1) {
            let fits = first.len() + second.len() <= LARGEST;
            if fits && best.is_none_or(|(_, _, least)| *distance < least) {
                best = Some((a, b, *distance));
            }
        }
    }
    best
}

/// Merges group b into a, and their distances by the mean over members.
fn merge(groups: &mut Vec<Vec<u16>>, distances: &mut Vec<Vec<f32>>, a: usize, b: usize) {
    let gone = groups.remove(b);
    let gone_distances = distances.remove(b);
    for row in &mut *distances {
        row.remove(b);
    }
    let Some(group) = groups.get_mut(a) else {
        return;
    };
    let (kept, added) = (group.len() as f32, gone.len() as f32);
    group.extend(gone);
    let mut merged = Vec::new();
    let others = gone_distances
        .iter()
        .enumerate()
        .filter(|(number, _)| *number != b);
    if let Some(row) = distances.get(a) {
        for (old, (_, new)) in row.iter().zip(others) {
            merged.push((old * kept + new * added) / (kept + added));
        }
    }
    for (row, distance) in distances.iter_mut().zip(&merged) {
        if let Some(cell) = row.get_mut(a) {
            *cell = *distance;
        }
    }
    if let Some(row) = distances.get_mut(a) {
        *row = merged;
    }
}

/// Deals the members of the smallest group to the nearest groups that have room. No two groups of six or more can be
/// merged, so 17 may be left over.
fn dissolve(groups: &mut Vec<Vec<u16>>, distance: &impl Fn(usize, usize) -> f32) -> bool {
    let smallest = (0..groups.len()).min_by_key(|number| groups.get(*number).map(Vec::len));
    let Some(gone) = smallest.map(|number| groups.remove(number)) else {
        return false;
    };
    for member in gone {
        let mean = |group: &Vec<u16>| {
            let sum: f32 = group
                .iter()
                .map(|other| distance(usize::from(member), usize::from(*other)))
                .sum();
            sum / group.len().max(1) as f32
        };
        let nearest = groups
            .iter_mut()
            .filter(|group| group.len() < LARGEST)
            .min_by(|a, b| mean(a).total_cmp(&mean(b)));
        match nearest {
            Some(group) => group.push(member),
            None => groups.push(vec![member]),
        }
    }
    true
}

#[cfg(test)]
mod tests {
    #![expect(clippy::indexing_slicing, reason = "tests")]

    use super::*;

    fn check(groups: &[Vec<u16>], count: usize) {
        assert!(groups.len() <= MOST);
        assert!(groups
            .iter()
            .all(|group| (1..=LARGEST).contains(&group.len())));
        let mut all: Vec<u16> = groups.iter().flatten().copied().collect();
        all.sort_unstable();
        assert_eq!(all, (0..count as u16).collect::<Vec<_>>());
    }

    #[test]
    fn blocks_of_like_features_stay_together() {
        // Ten blocks of ten: near inside, far outside.
        let groups = group(100, |a, b| if a / 10 == b / 10 { 0.05 } else { 0.95 });
        check(&groups, 100);
        assert!(groups
            .iter()
            .all(|group| group.iter().all(|f| f / 10 == group[0] / 10)));
    }

    #[test]
    fn unrelated_and_equal_features_still_make_at_most_sixteen_groups() {
        check(&group(100, |_, _| 1.0), 100);
        check(&group(100, |_, _| 0.0), 100);
        // Groups of six cannot be merged with one another.
        check(
            &group(100, |a, b| if a / 6 == b / 6 { 0.0 } else { 1.0 }),
            100,
        );
        check(&group(1, |_, _| 1.0), 1);
    }
}
