//! A value that all who keep it share until one of them changes it.
//!
//! Most subjects of a GPU stay as they are from sweep to sweep. The reading that the next frame changes, the snapshot's and that of the page
//! before then hold them once, and whoever compares two of them finds at once that they are the same.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// Copied when it is changed while others have it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared<T>(Arc<T>);

impl<T> Shared<T> {
    /// Whether both are one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// One is equal to itself, whatever it holds.
impl<T: PartialEq> PartialEq for Shared<T> {
    fn eq(&self, other: &Self) -> bool {
        self.is(other) || self.0 == other.0
    }
}

impl<T> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_is_the_same_until_it_is_changed() {
        let one = Shared::from(vec![f64::NAN]);
        let mut other = one.clone();
        assert!(one.is(&other) && one == other);
        other.push(1.0);
        assert!(!one.is(&other) && one != other);
        assert_eq!((one.len(), other.len()), (1, 2));
    }

    #[test]
    fn equal_ones_need_not_be_the_same() {
        let (one, other) = (Shared::from(1), Shared::from(1));
        assert!(one == other && !one.is(&other));
    }
}
