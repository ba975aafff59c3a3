//! A vector that keeps a few elements in place.

use std::fmt;
use std::ops::{Deref, DerefMut};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smallvec::SmallVec;

/// A vector that keeps up to `N` elements in place and goes to the heap beyond.
///
/// Nearly every node of a real profile has one child or none, and one allocation size or none;
/// a heap block for each would cost more than everything else about collecting a node.
/// Dereferences to a slice.
///
/// ```
/// use v8_heap_sampler::{ChildIds, NodeId};
/// let mut children = ChildIds::from([NodeId(2)]);
/// children.push(NodeId(3));
/// assert_eq!(children[..], [NodeId(2), NodeId(3)]);
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ShortVec<T, const N: usize>(SmallVec<[T; N]>);

impl<T, const N: usize> ShortVec<T, N> {
    /// An empty vector.
    #[must_use]
    pub fn new() -> Self {
        Self(SmallVec::new())
    }

    /// An empty vector with room for `capacity` elements.
    #[inline]
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self(SmallVec::with_capacity(capacity))
    }

    /// Appends `element`.
    #[inline]
    pub fn push(&mut self, element: T) {
        self.0.push(element);
    }

    /// The elements as an ordinary vector.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.0.into_vec()
    }
}

impl<T: Copy, const N: usize> From<&[T]> for ShortVec<T, N> {
    #[inline]
    fn from(elements: &[T]) -> Self {
        Self(SmallVec::from_slice(elements))
    }
}

impl<T, const N: usize> Default for ShortVec<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const N: usize> Deref for ShortVec<T, N> {
    type Target = [T];
    #[inline]
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T, const N: usize> DerefMut for ShortVec<T, N> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<T, const N: usize> From<Vec<T>> for ShortVec<T, N> {
    fn from(elements: Vec<T>) -> Self {
        Self(elements.into())
    }
}

impl<T, const N: usize, const M: usize> From<[T; M]> for ShortVec<T, N> {
    fn from(elements: [T; M]) -> Self {
        elements.into_iter().collect()
    }
}

impl<T, const N: usize> FromIterator<T> for ShortVec<T, N> {
    #[inline]
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        Self(SmallVec::from_iter(elements))
    }
}

impl<T, const N: usize> Extend<T> for ShortVec<T, N> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, elements: I) {
        self.0.extend(elements);
    }
}

impl<'a, T, const N: usize> IntoIterator for &'a ShortVec<T, N> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: fmt::Debug, const N: usize> fmt::Debug for ShortVec<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: Serialize, const N: usize> Serialize for ShortVec<T, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }
}

impl<'de, T: Deserialize<'de>, const N: usize> Deserialize<'de> for ShortVec<T, N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}
