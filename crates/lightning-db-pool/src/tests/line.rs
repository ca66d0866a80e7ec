//! Watches from outside whether callers are served in the order they came.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;

use crate::{Get, Manager, PooledConnection, Priority, Result};

/// Those who wait and have not been woken, in the order they got in line.
#[derive(Debug, Default, Clone)]
pub(super) struct Line {
    waiting: Arc<Mutex<Vec<(u64, Priority)>>>,
    next: Arc<Mutex<u64>>,
}

/// A [`Get`] that is watched. The pool wakes one who waits when it is answered, and in the order
/// of the answers: that order is compared.
pub(super) struct Watched<M: Manager> {
    get: Pin<Box<Get<M>>>,
    line: Line,
    class: Priority,
    ticket: Option<Arc<Ticket>>,
}

#[derive(Debug)]
struct Ticket {
    number: u64,
    line: Line,
    /// Who was in line before it when it was woken.
    overtook: Mutex<Option<u64>>,
    waker: Mutex<Waker>,
}

impl Line {
    pub(super) fn watch<M: Manager>(&self, get: Get<M>, class: Priority) -> Watched<M> {
        let get = Box::pin(get.priority(class));
        Watched { get, line: self.clone(), class, ticket: None }
    }

    fn join(&self, class: Priority, number: u64) {
        self.waiting.lock().push((number, class));
    }

    /// Takes one out; gives one who was to be served before it.
    fn leave(&self, number: u64) -> Option<u64> {
        let mut waiting = self.waiting.lock();
        let at = waiting.iter().position(|(known, _)| *known == number)?;
        let (_, class) = waiting.remove(at);
        let first = |wanted| {
            let mut of_class = waiting.iter().filter(|(_, class)| *class == wanted);
            of_class.next().map(|(number, _)| *number)
        };
        match class {
            Priority::High => first(Priority::High).filter(|other| *other < number),
            Priority::Normal => first(Priority::High)
                .or_else(|| first(Priority::Normal).filter(|other| *other < number)),
        }
    }
}

impl Wake for Ticket {
    fn wake(self: Arc<Self>) {
        // Only the first time: it is not in line afterwards.
        if let Some(other) = self.line.leave(self.number) {
            *self.overtook.lock() = Some(other);
        }
        self.waker.lock().wake_by_ref();
    }
}

impl<M: Manager> Future for Watched<M> {
    type Output = Result<PooledConnection<M>>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let is_first = self.ticket.is_none();
        let ticket = if let Some(ticket) = &self.ticket {
            ticket.waker.lock().clone_from(context.waker());
            Arc::clone(ticket)
        } else {
            let mut next = self.line.next.lock();
            *next += 1;
            let (number, line) = (*next, self.line.clone());
            let waker = Mutex::new(context.waker().clone());
            Arc::new(Ticket { number, line, overtook: Mutex::new(None), waker })
        };
        let was_empty = self.line.waiting.lock().is_empty();
        let waker = Waker::from(Arc::clone(&ticket));
        let answer = self.get.as_mut().poll(&mut Context::from_waker(&waker));
        match &answer {
            Poll::Pending if is_first => {
                self.line.join(self.class, ticket.number);
                self.ticket = Some(ticket);
            }
            Poll::Ready(Ok(_)) if is_first => {
                assert!(was_empty || self.class == Priority::High, "served before those in line");
            }
            Poll::Ready(Ok(_)) => {
                let overtook = *ticket.overtook.lock();
                assert_eq!(overtook, None, "{} was served before", ticket.number);
            }
            Poll::Pending | Poll::Ready(Err(_)) => {}
        }
        answer
    }
}

impl<M: Manager> Drop for Watched<M> {
    fn drop(&mut self) {
        if let Some(ticket) = &self.ticket {
            // It gave up, or was answered.
            self.line.leave(ticket.number);
        }
    }
}
