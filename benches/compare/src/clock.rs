//! Real time, read in one place: a benchmark measures the machine, so it cannot use a simulated
//! clock, and no other module here may read one.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// Now, on the monotonic clock.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
#[inline]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Whole nanoseconds of `duration`, saturating at about four seconds, so that a million
/// latencies take 4 MB.
#[inline]
pub(crate) fn nanos_u32(duration: Duration) -> u32 {
    u32::try_from(duration.as_nanos()).unwrap_or(u32::MAX)
}

/// Whole nanoseconds of `duration`, saturating.
pub(crate) fn nanos_u64(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Processor time that all threads of this process used so far.
pub(crate) fn process_cpu() -> Duration {
    cpu(ClockId::ProcessCPUTime)
}

/// Processor time that this thread used so far.
pub(crate) fn thread_cpu() -> Duration {
    cpu(ClockId::ThreadCPUTime)
}

fn cpu(clock: ClockId) -> Duration {
    let spent = clock_gettime(clock);
    let seconds = u64::try_from(spent.tv_sec).unwrap_or(0);
    Duration::from_secs(seconds) + Duration::from_nanos(u64::try_from(spent.tv_nsec).unwrap_or(0))
}

/// Waits until no background thread of any engine is busy, at most `limit`.
///
/// Engines finish accepted work in the background. Without this wait, the work that one engine
/// left over would be paid by the next one in turn. Idle means under a tenth of a core during
/// one window of 50 ms.
#[expect(clippy::disallowed_methods, reason = "there is no event for an idle process")]
pub(crate) fn settle(limit: Duration) {
    const WINDOW: Duration = Duration::from_millis(50);
    let start = now();
    while start.elapsed() < limit {
        let before = process_cpu();
        std::thread::sleep(WINDOW);
        if process_cpu().saturating_sub(before) < WINDOW / 10 {
            return;
        }
    }
}

/// Asks the kernel to write what the file system of `dir` holds back, so that a sync that is
/// measured next does not pay for it.
pub(crate) fn sync_file_system(dir: &Path) -> std::io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(std::fs::File::open(dir)?)?;
    #[cfg(not(target_os = "linux"))]
    let _ = dir;
    Ok(())
}

/// Today in UTC as `YYYY-MM-DD`.
#[expect(clippy::disallowed_methods, reason = "a result names the day it was measured")]
pub(crate) fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    date_of_day(since.as_secs() / 86_400)
}

/// The date of a day counted from 1970-01-01, by walking the years.
fn date_of_day(mut day: u64) -> String {
    let leap = |year: u64| {
        (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400)
    };
    let mut year = 1970;
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    format!("{year:04}-{month:02}-{:02}", day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_follow_the_calendar() {
        assert_eq!(date_of_day(0), "1970-01-01");
        assert_eq!(date_of_day(59), "1970-03-01");
        assert_eq!(date_of_day(11_016), "2000-02-29");
        assert_eq!(date_of_day(19_722), "2023-12-31");
        assert_eq!(date_of_day(19_723), "2024-01-01");
    }

    #[test]
    fn long_latencies_saturate() {
        assert_eq!(nanos_u32(Duration::from_mins(1)), u32::MAX);
        assert_eq!(nanos_u64(Duration::from_secs(1)), 1_000_000_000);
    }
}
