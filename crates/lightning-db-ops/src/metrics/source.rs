//! What brings metrics up to date before they are read.

/// A part that keeps counts of its own and brings its metrics up to them when they are read: the
/// part itself then pays nothing. Called by one thread at a time; must be short.
pub trait Source: Send + Sync {
    /// Brings the metrics up to date.
    fn collect(&self);
}

impl<F: Fn() + Send + Sync> Source for F {
    fn collect(&self) {
        self();
    }
}
