//! Values for the parameters of a statement.

use std::borrow::Cow;

use lightning_db_types::Value;

/// What the parameters of a statement can be given as: `()` for none, an array or slice of values,
/// or [`params!`](crate::params) for values of different types.
pub trait Parameters {
    /// The values, that of `$1` first.
    fn values(&self) -> Cow<'_, [Value]>;

    /// Calls `then` with the values, where they stand if that can be: those of an array are made
    /// in place, without a list on the heap.
    fn with<T>(self, then: impl FnOnce(&[Value]) -> T) -> T
    where
        Self: Sized,
    {
        then(&self.values())
    }
}

impl Parameters for () {
    fn values(&self) -> Cow<'_, [Value]> {
        Cow::Borrowed(&[])
    }
}

impl Parameters for [Value] {
    fn values(&self) -> Cow<'_, [Value]> {
        Cow::Borrowed(self)
    }
}

impl Parameters for Vec<Value> {
    fn values(&self) -> Cow<'_, [Value]> {
        Cow::Borrowed(self)
    }
}

impl<V: Clone + Into<Value>, const N: usize> Parameters for [V; N] {
    fn values(&self) -> Cow<'_, [Value]> {
        Cow::Owned(self.iter().cloned().map(Into::into).collect())
    }

    fn with<T>(self, then: impl FnOnce(&[Value]) -> T) -> T {
        then(&self.map(Into::into))
    }
}

impl<P: Parameters + ?Sized> Parameters for &P {
    fn values(&self) -> Cow<'_, [Value]> {
        (**self).values()
    }
}

/// Values of different types as parameters of a statement.
///
/// # Examples
/// ```
/// use lightning_db_sql::params;
/// let values = params![1, "Bern", 46.95];
/// assert_eq!(values.len(), 3);
/// ```
#[macro_export]
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        [$($crate::types::Value::from($value)),*]
    };
}
