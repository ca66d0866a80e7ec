//! Those who wait: two classes, each first come, first served.

use std::panic::Location;
use std::task::Waker;
use std::time::Duration;

use slab::Slab;

/// Who is served first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Priority {
    /// Before all of the other class. Too many of these starve the others: it is for health checks,
    /// administration and the like.
    High,
    /// In the order they came.
    #[default]
    Normal,
}

/// One who waits.
#[derive(Debug)]
pub(super) struct Waiter<T> {
    pub(super) site: &'static Location<'static>,
    pub(super) since: Duration,
    /// When it must be answered.
    pub(super) deadline: Duration,
    waker: Option<Waker>,
    /// The answer, once there is one; it is not in line any more then.
    answer: Option<T>,
    class: Priority,
    before: Option<usize>,
    after: Option<usize>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Line {
    first: Option<usize>,
    last: Option<usize>,
}

/// The lines, and those who have been answered and not yet looked.
#[derive(Debug)]
pub(super) struct Queue<T> {
    waiters: Slab<Waiter<T>>,
    high: Line,
    normal: Line,
    /// Those in line.
    len: usize,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        let (high, normal) = (Line::default(), Line::default());
        Self { waiters: Slab::new(), high, normal, len: 0 }
    }

    /// How many are in line.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Puts one at the end of its line.
    pub(super) fn join(
        &mut self,
        class: Priority,
        site: &'static Location<'static>,
        since: Duration,
        deadline: Duration,
        waker: Waker,
    ) -> usize {
        let before = self.line(class).last;
        let waker = Some(waker);
        let key = self.waiters.insert(Waiter {
            site,
            since,
            deadline,
            waker,
            answer: None,
            class,
            before,
            after: None,
        });
        match before {
            Some(before) => self.waiters[before].after = Some(key),
            None => self.line(class).first = Some(key),
        }
        self.line(class).last = Some(key);
        self.len += 1;
        key
    }

    /// The one to be served next.
    pub(super) fn front(&self) -> Option<usize> {
        self.high.first.or(self.normal.first)
    }

    pub(super) fn waiter(&self, key: usize) -> &Waiter<T> {
        &self.waiters[key]
    }

    /// Answers one who is in line; gives who is to be woken.
    pub(super) fn answer(&mut self, key: usize, answer: T) -> Option<Waker> {
        self.unlink(key);
        let waiter = &mut self.waiters[key];
        waiter.answer = Some(answer);
        waiter.waker.take()
    }

    /// The answer, if there is one: the waiter is gone then. Otherwise `waker` is woken by it.
    pub(super) fn poll(&mut self, key: usize, waker: &Waker) -> Option<T> {
        let waiter = &mut self.waiters[key];
        if waiter.answer.is_some() {
            return self.waiters.remove(key).answer;
        }
        match &mut waiter.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        None
    }

    /// Takes one out; gives the answer that it did not fetch.
    pub(super) fn leave(&mut self, key: usize) -> Option<T> {
        if self.waiters[key].answer.is_none() {
            self.unlink(key);
        }
        self.waiters.remove(key).answer
    }

    /// Those in line whose time is over, in the order they are to be answered.
    pub(super) fn overdue(&self, now: Duration) -> Vec<usize> {
        self.in_line().filter(|key| self.waiters[*key].deadline <= now).collect()
    }

    /// The earliest deadline of those in line.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.in_line().map(|key| self.waiters[key].deadline).min()
    }

    fn in_line(&self) -> impl Iterator<Item = usize> {
        let follow =
            |first: Option<usize>| std::iter::successors(first, |key| self.waiters[*key].after);
        follow(self.high.first).chain(follow(self.normal.first))
    }

    fn line(&mut self, class: Priority) -> &mut Line {
        match class {
            Priority::High => &mut self.high,
            Priority::Normal => &mut self.normal,
        }
    }

    fn unlink(&mut self, key: usize) {
        let Waiter { class, before, after, .. } = self.waiters[key];
        match before {
            Some(before) => self.waiters[before].after = after,
            None => self.line(class).first = after,
        }
        match after {
            Some(after) => self.waiters[after].before = before,
            None => self.line(class).last = before,
        }
        self.len -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(queue: &mut Queue<u32>, class: Priority, deadline: u64) -> usize {
        let deadline = Duration::from_secs(deadline);
        let waker = Waker::noop().clone();
        queue.join(class, Location::caller(), Duration::ZERO, deadline, waker)
    }

    #[test]
    fn each_class_is_served_in_order_and_high_first() {
        let mut queue = Queue::new();
        let normal: Vec<usize> = (0..3).map(|_| join(&mut queue, Priority::Normal, 9)).collect();
        let high = join(&mut queue, Priority::High, 9);
        assert_eq!(queue.front(), Some(high));
        assert!(queue.answer(high, 1).is_some());
        assert_eq!(queue.leave(normal[1]), None);
        assert_eq!(queue.front(), Some(normal[0]));
        queue.answer(normal[0], 2);
        assert_eq!(queue.front(), Some(normal[2]));
        assert_eq!(queue.poll(high, Waker::noop()), Some(1));
        assert_eq!(queue.leave(normal[0]), Some(2));
        assert_eq!(queue.poll(normal[2], Waker::noop()), None);
        assert_eq!(queue.len(), 1);
        assert_eq!(queue.leave(normal[2]), None);
        assert_eq!((queue.front(), queue.len()), (None, 0));
    }

    #[test]
    fn those_whose_time_is_over_are_found() {
        let mut queue = Queue::new();
        let late = join(&mut queue, Priority::Normal, 9);
        let early = join(&mut queue, Priority::Normal, 3);
        let high = join(&mut queue, Priority::High, 4);
        assert_eq!(queue.next_deadline(), Some(Duration::from_secs(3)));
        assert_eq!(queue.overdue(Duration::from_secs(4)), [high, early]);
        queue.leave(early);
        queue.leave(high);
        assert_eq!(queue.next_deadline(), Some(Duration::from_secs(9)));
        assert!(queue.overdue(Duration::from_secs(8)).is_empty());
        queue.leave(late);
        assert_eq!(queue.next_deadline(), None);
    }
}
