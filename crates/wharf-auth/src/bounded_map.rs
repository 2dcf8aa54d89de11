//! A map with a bound: what was touched longest ago goes first.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// A map of at most `capacity` entries. Every operation takes time in proportion to the logarithm of their number at most.
#[derive(Debug)]
pub(crate) struct BoundedMap<K, V> {
    capacity: usize,
    entries: HashMap<K, (u64, V)>,
    /// The keys by the serial number of their latest touch.
    order: BTreeMap<u64, K>,
    serial: u64,
}

// === impl BoundedMap ===

impl<K: Clone + Eq + Hash, V: Default> BoundedMap<K, V> {
    /// An empty map. A capacity of 0 counts as 1.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), entries: HashMap::new(), order: BTreeMap::new(), serial: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The value, if there is one. This is no touch.
    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|(_, value)| value)
    }

    /// The value, if there is one, to be changed. This is no touch.
    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key).map(|(_, value)| value)
    }

    /// Touches the value, which is made if it is missing; then the oldest one goes if there is one too many.
    pub(crate) fn touch(&mut self, key: &K) -> &mut V {
        if self.entries.len() >= self.capacity
            && !self.entries.contains_key(key)
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.entries.remove(&oldest);
        }
        self.serial += 1;
        let (touched, value) = self.entries.entry(key.clone()).or_insert_with(|| (0, V::default()));
        self.order.remove(touched);
        *touched = self.serial;
        self.order.insert(self.serial, key.clone());
        value
    }

    pub(crate) fn remove(&mut self, key: &K) {
        if let Some((touched, _)) = self.entries.remove(key) {
            self.order.remove(&touched);
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        assert_eq!(self.entries.len(), self.order.len());
        self.entries.len()
    }

    #[cfg(test)]
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.entries.values().map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_touched_longest_ago_goes_first() {
        let mut map = BoundedMap::<u32, u32>::new(3);
        for key in [1, 2, 3, 1] {
            *map.touch(&key) += 1;
        }
        assert_eq!(map.get(&2), Some(&1));
        *map.touch(&4) = 9;
        assert_eq!([1, 2, 3, 4].map(|key| map.get(&key).copied()), [Some(2), None, Some(1), Some(9)]);
        map.remove(&3);
        map.remove(&7);
        *map.touch(&5) = 1;
        assert_eq!([1, 3, 4, 5].map(|key| map.get(&key).is_some()), [true, false, true, true]);
        assert_eq!(map.len(), 3);
    }

    #[test]
    fn there_are_never_more_than_the_capacity() {
        let mut map = BoundedMap::<u32, u32>::new(16);
        for key in 0..10_000 {
            map.touch(&(key * 7 % 1_000));
            assert!(map.len() <= 16);
        }
        assert_eq!(BoundedMap::<u32, u32>::new(0).touch(&1), &0);
    }
}
