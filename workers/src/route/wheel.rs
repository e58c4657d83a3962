//! Smooth weighted round robin: of weights 5 and 1, six turns give the first five times and the other in between.
//!
//! Each worker process turns its own wheels. What is out of order at a turn has no part in it, so that the others
//! share what would have been its turns by their weights.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// More wheels than this are not kept: what callers name must not fill the memory.
const WHEELS_MAX: usize = 4096;
/// What is not taken part in a turn is forgotten where there are more spokes than this.
const SPOKES_MAX: usize = 64;

/// All wheels of the process, by name.
#[derive(Debug, Default)]
pub(crate) struct Wheels(Mutex<HashMap<String, HashMap<String, i64>>>);

/// One that may be chosen: its name on the wheel, and its weight.
pub(crate) type Spoke<'a> = (&'a str, u32);

impl Wheels {
    /// Which of `spokes` has its turn on the wheel of that name; the first one of equals. `None` = there are none.
    pub(crate) fn turn(&self, wheel: &str, spokes: &[Spoke<'_>]) -> Option<usize> {
        if spokes.len() < 2 {
            return (!spokes.is_empty()).then_some(0);
        }
        let mut wheels = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if wheels.len() >= WHEELS_MAX && !wheels.contains_key(wheel) {
            wheels.clear();
        }
        if !wheels.contains_key(wheel) {
            wheels.insert(wheel.to_owned(), HashMap::new());
        }
        let current = wheels.get_mut(wheel)?;
        if current.len() > SPOKES_MAX {
            current.retain(|name, _| spokes.iter().any(|(spoke, _)| spoke == name));
        }
        let mut total = 0;
        let mut best: Option<(usize, i64)> = None;
        for (at, (name, weight)) in spokes.iter().enumerate() {
            let weight = i64::from(*weight);
            total += weight;
            if !current.contains_key(*name) {
                current.insert((*name).to_owned(), 0);
            }
            let Some(value) = current.get_mut(*name) else { continue };
            *value += weight;
            if best.is_none_or(|(_, most)| *value > most) {
                best = Some((at, *value));
            }
        }
        let (chosen, _) = best?;
        if let Some(value) = current.get_mut(spokes.get(chosen)?.0) {
            *value -= total;
        }
        Some(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(wheels: &Wheels, spokes: &[Spoke<'_>], count: usize) -> Vec<usize> {
        let mut chosen = vec![0; spokes.len()];
        for _ in 0..count {
            chosen[wheels.turn("fast", spokes).unwrap()] += 1;
        }
        chosen
    }

    #[test]
    fn weights_are_kept_exactly_and_smoothly() {
        let wheels = Wheels::default();
        assert_eq!(turns(&wheels, &[("a", 5), ("b", 1)], 600), [500, 100]);
        let order: Vec<_> = (0..6).map(|_| wheels.turn("fast", &[("a", 5), ("b", 1)]).unwrap()).collect();
        assert_eq!(order, [0, 0, 0, 1, 0, 0], "in between, not at the end");
        let three = turns(&Wheels::default(), &[("a", 7), ("b", 2), ("c", 1)], 1000);
        assert_eq!(three, [700, 200, 100]);
    }

    #[test]
    fn who_is_out_of_order_has_no_part_and_comes_back_without_a_rush() {
        let wheels = Wheels::default();
        assert_eq!(turns(&wheels, &[("b", 1)], 10), [10]);
        assert_eq!(turns(&wheels, &[("a", 5), ("b", 1)], 60), [50, 10]);
        assert_eq!(wheels.turn("fast", &[]), None);
    }

    #[test]
    fn wheels_of_other_names_are_others() {
        let wheels = Wheels::default();
        let spokes = [("a", 1), ("b", 1)];
        assert_eq!((wheels.turn("x", &spokes), wheels.turn("y", &spokes)), (Some(0), Some(0)));
        assert_eq!((wheels.turn("x", &spokes), wheels.turn("y", &spokes)), (Some(1), Some(1)));
    }
}
