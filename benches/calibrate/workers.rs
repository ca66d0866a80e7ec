//! Work of several workers, which no query that runs on one does.

use std::hint::black_box;
use std::sync::mpsc::sync_channel;

use lightning_db_optimizer::Work;

use crate::{Timer, index, number};

/// Rows that are handed from worker to worker at once.
const BATCH: usize = 1_024;

/// Measures it with this many rows.
pub(crate) fn measure(timer: &mut Timer, count: u64) {
    let rows = number(count);
    for width in [16_usize, 128] {
        let row = vec![7_u8; width];
        let work = vec![
            Work::Workers { count: 1.0 },
            Work::Exchange { rows, width: number(width as u64) },
        ];
        timer.time(work, || {
            std::thread::scope(|scope| {
                let (sender, receiver) = sync_channel::<Vec<u8>>(4);
                let worker = scope.spawn(move || receiver.iter().map(|it| it.len()).sum::<usize>());
                for first in (0..count).step_by(BATCH) {
                    let batch = BATCH.min(index(count - first));
                    let mut bytes = Vec::with_capacity(batch * width);
                    for _ in 0..batch {
                        bytes.extend_from_slice(&row);
                    }
                    if sender.send(bytes).is_err() {
                        break;
                    }
                }
                drop(sender);
                worker.join().unwrap_or_default()
            })
        });
    }
    timer.time(vec![Work::Workers { count: 4.0 }], || {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| black_box(1));
            }
        });
    });
}
