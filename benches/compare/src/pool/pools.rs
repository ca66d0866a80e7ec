//! The pools, each over connections that are numbers.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use lightning_db_pool as lightning;

use super::CONNECTIONS;
use super::contender::{Awaited, Behaviour, Blocking};

/// How long an acquire waits at most: longer than any scenario, so that nobody gives up by itself.
const PATIENCE: Duration = Duration::from_secs(600);

/// Makes connections and counts them.
#[derive(Clone, Debug)]
pub(super) struct Links {
    made: Arc<AtomicU64>,
    behaviour: Behaviour,
}

impl Links {
    pub(super) fn new(behaviour: Behaviour) -> Self {
        Self { made: Arc::default(), behaviour }
    }

    /// How many were made.
    pub(super) fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    async fn connect(&self) -> u64 {
        self.check().await;
        self.connect_now()
    }

    fn connect_now(&self) -> u64 {
        self.made.fetch_add(1, Ordering::Relaxed)
    }

    async fn check(&self) {
        for _ in 0..self.behaviour.yields {
            tokio::task::yield_now().await;
        }
    }
}

/// This pool.
pub(super) type Lightning = lightning::Pool<Links>;

impl lightning::Manager for Links {
    type Connection = u64;
    type Error = Infallible;

    async fn connect(&self, _: &lightning::Backend) -> Result<u64, Infallible> {
        Ok(Self::connect(self).await)
    }

    async fn check(&self, _: &mut u64) -> Result<(), Infallible> {
        Self::check(self).await;
        Ok(())
    }
}

fn lightning(links: Links) -> Result<Lightning> {
    let behaviour = links.behaviour;
    let options = lightning::Pool::builder(links)
        .backend(lightning::Backend::new("a"))
        .max_size(usize::try_from(CONNECTIONS)?)
        .acquire_timeout(PATIENCE);
    let after = if behaviour.is_checked { Duration::ZERO } else { PATIENCE };
    Ok(options.check_after(after).build()?)
}

impl Awaited for Lightning {
    type Guard<'a> = lightning::PooledConnection<Links>;

    async fn open(links: Links) -> Result<Self> {
        lightning(links)
    }

    async fn get(&self) -> Result<Self::Guard<'_>> {
        Ok(Self::get(self).await?)
    }
}

impl Blocking for Lightning {
    type Guard = lightning::PooledConnection<Links>;

    fn open() -> Result<Self> {
        lightning(Links::new(Behaviour::FAST))
    }

    fn get(&self) -> Result<Self::Guard> {
        Ok(self.get_blocking()?)
    }
}

/// bb8.
pub(super) type Bb8 = bb8::Pool<Links>;

impl bb8::ManageConnection for Links {
    type Connection = u64;
    type Error = Infallible;

    async fn connect(&self) -> Result<u64, Infallible> {
        Ok(Self::connect(self).await)
    }

    async fn is_valid(&self, _: &mut u64) -> Result<(), Infallible> {
        self.check().await;
        Ok(())
    }

    fn has_broken(&self, _: &mut u64) -> bool {
        false
    }
}

impl Awaited for Bb8 {
    type Guard<'a> = bb8::PooledConnection<'a, Links>;

    async fn open(links: Links) -> Result<Self> {
        let is_checked = links.behaviour.is_checked;
        let options = bb8::Pool::builder()
            .max_size(u32::try_from(CONNECTIONS)?)
            .connection_timeout(PATIENCE)
            .test_on_check_out(is_checked);
        Ok(options.build(links).await?)
    }

    async fn get(&self) -> Result<Self::Guard<'_>> {
        Ok(Self::get(self).await?)
    }
}

/// deadpool, which always checks: its cheapest check does nothing. It has no time limit unless one
/// is set, and none is here.
pub(super) type Deadpool = deadpool::managed::Pool<Links>;

impl deadpool::managed::Manager for Links {
    type Type = u64;
    type Error = Infallible;

    async fn create(&self) -> Result<u64, Infallible> {
        Ok(self.connect().await)
    }

    async fn recycle(
        &self,
        _: &mut u64,
        _: &deadpool::managed::Metrics,
    ) -> deadpool::managed::RecycleResult<Infallible> {
        self.check().await;
        Ok(())
    }
}

impl Awaited for Deadpool {
    type Guard<'a> = deadpool::managed::Object<Links>;

    async fn open(links: Links) -> Result<Self> {
        let options =
            deadpool::managed::Pool::builder(links).max_size(usize::try_from(CONNECTIONS)?);
        Ok(options.build()?)
    }

    async fn get(&self) -> Result<Self::Guard<'_>> {
        Ok(Self::get(self).await?)
    }
}

/// r2d2.
pub(super) type R2d2 = r2d2::Pool<Links>;

impl r2d2::ManageConnection for Links {
    type Connection = u64;
    type Error = Infallible;

    fn connect(&self) -> Result<u64, Infallible> {
        Ok(self.connect_now())
    }

    fn is_valid(&self, _: &mut u64) -> Result<(), Infallible> {
        Ok(())
    }

    fn has_broken(&self, _: &mut u64) -> bool {
        false
    }
}

impl Blocking for R2d2 {
    type Guard = r2d2::PooledConnection<Links>;

    fn open() -> Result<Self> {
        let options = r2d2::Pool::builder()
            .max_size(u32::try_from(CONNECTIONS)?)
            .connection_timeout(PATIENCE)
            .test_on_check_out(false);
        Ok(options.build(Links::new(Behaviour::FAST))?)
    }

    fn get(&self) -> Result<Self::Guard> {
        Ok(Self::get(self)?)
    }
}
