//! How far the parsers are with each stream: attempts made, directions done.

/// Streams that are told apart; of two flows that fall on one place the later one counts.
const PLACES: usize = 16_384;

/// What a direction has told, where more of it is awaited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Told {
    /// Nothing.
    #[default]
    Nothing,
    /// Its first message.
    First,
    /// A refused login too.
    Refusal,
}

/// How far the parsers are with one stream.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    flow: u64,
    attempts: [u8; 2],
    told: [Told; 2],
    done: [bool; 2],
}

/// A small table without look-ups that could fail: flow numbers count up, so those that live at the
/// same time fall on different places.
#[derive(Debug)]
pub(crate) struct ParserProgress {
    places: Vec<Place>,
    attempts: u8,
}

impl ParserProgress {
    /// Makes a table that allows so many attempts in each direction.
    pub(crate) fn new(attempts: u8) -> Self {
        Self {
            places: vec![Place::default(); PLACES],
            attempts,
        }
    }

    fn place(&mut self, flow: u64) -> Option<&mut Place> {
        let place = self.places.get_mut(flow as usize % PLACES)?;
        if place.flow != flow {
            *place = Place {
                flow,
                ..Place::default()
            };
        }
        Some(place)
    }

    /// Whether a direction still wants bytes.
    #[inline]
    pub(crate) fn wants(&mut self, flow: u64, reverse: bool) -> bool {
        self.place(flow)
            .is_some_and(|place| place.done.get(usize::from(reverse)) == Some(&false))
    }

    /// Counts an attempt; the last one that is allowed ends the direction.
    pub(crate) fn attempt(&mut self, flow: u64, reverse: bool) {
        let most = self.attempts;
        if let Some(place) = self.place(flow) {
            if let Some(attempts) = place.attempts.get_mut(usize::from(reverse)) {
                *attempts += 1;
                if *attempts >= most {
                    place.done = [place.done[0] || !reverse, place.done[1] || reverse];
                }
            }
        }
    }

    /// What a direction has told, where more of it is awaited.
    pub(crate) fn told(&mut self, flow: u64, reverse: bool) -> Told {
        self.place(flow)
            .and_then(|place| place.told.get(usize::from(reverse)).copied())
            .unwrap_or_default()
    }

    /// Notes what a direction has told.
    pub(crate) fn tell(&mut self, flow: u64, reverse: bool, what: Told) {
        if let Some(told) = self
            .place(flow)
            .and_then(|place| place.told.get_mut(usize::from(reverse)))
        {
            *told = what;
        }
    }

    /// Ends a direction; answers whether the other one has ended too.
    pub(crate) fn end(&mut self, flow: u64, reverse: bool) -> bool {
        self.place(flow).is_none_or(|place| {
            place.done = [place.done[0] || !reverse, place.done[1] || reverse];
            place.done == [true, true]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_direction_ends_by_itself_or_after_its_attempts() {
        let mut progress = ParserProgress::new(3);
        assert!(progress.wants(7, false) && progress.wants(7, true));
        assert_eq!(progress.told(7, true), Told::Nothing);
        progress.tell(7, true, Told::First);
        assert_eq!(progress.told(7, true), Told::First);
        assert_eq!(progress.told(7, false), Told::Nothing);
        assert!(!progress.end(7, false));
        assert!(!progress.wants(7, false) && progress.wants(7, true));
        for _ in 0..3 {
            assert!(progress.wants(7, true));
            progress.attempt(7, true);
        }
        assert!(!progress.wants(7, true));
        assert!(progress.end(7, true));
    }

    #[test]
    fn a_later_flow_takes_the_place_of_an_earlier_one() {
        let mut progress = ParserProgress::new(3);
        progress.end(1, false);
        assert!(progress.wants(1 + PLACES as u64, false));
    }
}
