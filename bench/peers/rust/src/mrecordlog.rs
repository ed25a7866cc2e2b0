//! mrecordlog, Quickwit's log of many queues in one. A partition is a queue, deletion is `truncate`, and what is read
//! comes from memory, as all records that are not truncated are kept there; files are read at opening only.
//!
//! Durability: "os". A policy that never flushes by itself, and `sync()` once for each group, which writes what is
//! buffered to the file. At 0.4.0, the last version that was published, nothing calls fsync or fdatasync under any of
//! its policies (quickwit-oss/mrecordlog, issue 48), so "disk" is skipped.
use crate::producers::Batch;
use crate::workload::{Durability, Request, Result, Subject};
use ::mrecordlog::{MultiRecordLog, SyncPolicy};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::Mutex;

// Its README: "All retained data can fit in RAM". So where it is only appended to, all that is there goes at this much.
const RETAINED_BYTES_MAX: usize = 2 * 1024 * 1024 * 1024;

pub struct Mrecordlog {
    state: Mutex<State>,
    queues: Vec<String>,
    is_bounded: bool,
}

struct State {
    log: MultiRecordLog,
    retained_bytes: usize,
    last_positions: Vec<Option<u64>>,
}

impl Subject for Mrecordlog {
    const CRATE: &'static str = "mrecordlog";

    fn skips(request: &Request) -> Option<&'static str> {
        // What is read may have been written at any durability.
        let is_asked = request.durability == Durability::Disk && request.workload != "read";
        is_asked.then_some("mrecordlog 0.4.0 never calls fsync: its sync() is a flush to the operating system")
    }

    async fn open(request: &Request) -> Result<Self> {
        let when_told = SyncPolicy::OnDelay(Duration::from_secs(86_400 * 365));
        let mut log = MultiRecordLog::open_with_prefs(&request.directory, when_told).await?;
        let queues: Vec<String> = (0..request.partitions).map(|n| format!("p{n}")).collect();
        for queue in &queues {
            if !log.queue_exists(queue) {
                log.create_queue(queue).await?;
            }
        }
        let is_bounded = request.workload == "append";
        let state = Mutex::new(State { log, retained_bytes: 0, last_positions: vec![None; queues.len()] });
        Ok(Mrecordlog { state, queues, is_bounded })
    }

    fn lanes(&self) -> usize {
        1
    }

    async fn append(&self, group: &[Batch]) -> Result<()> {
        let mut state = self.state.lock().await;
        let mut of_queues: BTreeMap<usize, Vec<&Batch>> = BTreeMap::new();
        for batch in group {
            of_queues.entry(batch.partition).or_default().push(batch);
            state.retained_bytes += batch.records * batch.record_bytes;
        }
        for (partition, batches) in of_queues {
            let values = batches.iter().flat_map(|batch| batch.values());
            state.last_positions[partition] = state.log.append_records(&self.queues[partition], None, values).await?;
        }
        if self.is_bounded && state.retained_bytes > RETAINED_BYTES_MAX {
            state.retained_bytes = 0;
            for (partition, queue) in self.queues.iter().enumerate() {
                if let Some(last) = state.last_positions[partition] {
                    state.log.truncate(queue, last).await?;
                }
            }
        }
        Ok(state.log.sync().await?)
    }

    async fn delete(&self, partition: usize, count: u64) -> Result<()> {
        // Positions begin at 0, and the one that is named goes, too. It is flushed with the next group.
        self.state.lock().await.log.truncate(&self.queues[partition], count - 1).await?;
        Ok(())
    }

    fn rewind(&mut self) -> Result<()> {
        Ok(())
    }

    fn read(&mut self, visit: &mut impl FnMut(&[u8]) -> bool) -> Result<()> {
        let log = &self.state.get_mut().log;
        for queue in &self.queues {
            for (_, value) in log.range(queue, ..).map_err(|missing| format!("{missing:?}"))? {
                if !visit(&value) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
