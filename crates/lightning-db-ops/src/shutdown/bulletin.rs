//! What subscribers are told, in order, and what those who wait for the end get.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use parking_lot::Mutex;

use super::phase::Phase;
use super::report::Report;

/// A phase of the shutdown has begun, or it has been forced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notice {
    /// The phase.
    pub phase: Phase,
    /// When the time is up, by the coordinator's clock: for ending gracefully, or once it has been
    /// forced, for everything.
    pub deadline: Duration,
    /// Whether what does not end at once is given up.
    pub is_forced: bool,
}

/// The notices of a shutdown, from its beginning, however late the subscription was made.
pub struct Subscription {
    bulletin: Arc<Bulletin>,
    next: usize,
}

/// Notices so far, and the report when it is over.
#[derive(Default)]
pub(crate) struct Bulletin {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    notices: Vec<Notice>,
    report: Option<Arc<Report>>,
    wakers: Vec<Waker>,
}

impl Bulletin {
    pub(crate) fn publish(&self, notice: Notice) {
        self.change(|state| state.notices.push(notice));
    }

    /// Ends all subscriptions, with a last notice.
    pub(crate) fn end(&self, notice: Notice, report: Arc<Report>) {
        self.change(|state| {
            state.notices.push(notice);
            state.report = Some(report);
        });
    }

    pub(crate) fn report(&self) -> Option<Arc<Report>> {
        self.state.lock().report.clone()
    }

    pub(crate) async fn ended(&self) -> Arc<Report> {
        poll_fn(|context| {
            let mut state = self.state.lock();
            match &state.report {
                Some(report) => Poll::Ready(Arc::clone(report)),
                None => state.wait(context),
            }
        })
        .await
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let wakers = {
            let mut state = self.state.lock();
            change(&mut state);
            std::mem::take(&mut state.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl State {
    fn wait<T>(&mut self, context: &Context<'_>) -> Poll<T> {
        if !self.wakers.iter().any(|waker| waker.will_wake(context.waker())) {
            self.wakers.push(context.waker().clone());
        }
        Poll::Pending
    }
}

impl Subscription {
    pub(crate) fn new(bulletin: Arc<Bulletin>) -> Self {
        Self { bulletin, next: 0 }
    }

    /// The next notice; `None` behind the last, when the shutdown is over.
    ///
    /// # Cancel safety
    /// A notice is taken only when this ends.
    pub async fn next(&mut self) -> Option<Notice> {
        poll_fn(|context| {
            let mut state = self.bulletin.state.lock();
            if let Some(notice) = state.notices.get(self.next) {
                self.next += 1;
                return Poll::Ready(Some(*notice));
            }
            if state.report.is_some() {
                return Poll::Ready(None);
            }
            state.wait(context)
        })
        .await
    }

    /// As [`next`](Self::next), on this thread.
    pub fn next_blocking(&mut self) -> Option<Notice> {
        block_on(self.next())
    }

    /// The next notice if it is there already.
    pub fn try_next(&mut self) -> Option<Notice> {
        let notice = self.bulletin.state.lock().notices.get(self.next).copied();
        self.next += usize::from(notice.is_some());
        notice
    }
}

/// Runs a future on this thread, which is parked while there is nothing to do.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        // A wake before this makes it return at once.
        std::thread::park();
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("next", &self.next).finish_non_exhaustive()
    }
}
