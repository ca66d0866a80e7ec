//! What a change of the state asks its caller to do outside of the lock.

use std::task::Waker;

use super::Held;
use crate::hooks::CloseReason;

/// What is to be done with a connection, or to make one.
#[derive(Debug)]
pub(crate) enum Action<C> {
    /// Connect to the backend at this position.
    Connect(usize),
    /// Ask a connection whether it works.
    Check(Held<C>),
    /// Take the last user's state off a connection.
    Reset(Held<C>),
    /// Close a connection.
    Close(Held<C>, CloseReason),
}

/// All that a change asks for. Most changes ask for nothing, or to wake one who waits: that much is
/// kept without allocating.
#[derive(Debug)]
pub(crate) struct Actions<C> {
    first_wake: Option<Waker>,
    wakes: Vec<Waker>,
    others: Vec<Action<C>>,
}

impl<C> Actions<C> {
    pub(crate) fn new() -> Self {
        Self { first_wake: None, wakes: Vec::new(), others: Vec::new() }
    }

    pub(super) fn push(&mut self, action: Action<C>) {
        self.others.push(action);
    }

    pub(super) fn wake(&mut self, waker: Option<Waker>) {
        match waker {
            Some(waker) if self.first_wake.is_some() => self.wakes.push(waker),
            Some(waker) => self.first_wake = Some(waker),
            None => {}
        }
    }

    /// Wakes those who are to be woken, in the order they were named, and gives the rest.
    #[inline]
    pub(crate) fn wake_all(self) -> Vec<Action<C>> {
        if let Some(waker) = self.first_wake {
            waker.wake();
        }
        if !self.wakes.is_empty() {
            self.wakes.into_iter().for_each(Waker::wake);
        }
        self.others
    }
}
