//! walrus, a log of topics. A partition is a topic.
//!
//! Durability: for "disk" its FsyncSchedule::SyncEach and batch_append_for_topic, which ends with a flush of each file
//! that it wrote to. For "os" append_for_topic under NoFsync, as a batch would be flushed here, too. Of its two backends
//! the mapped one is taken: it was up to twice as fast at small appends, and as fast otherwise; its flush is
//! msync(MS_SYNC), which on Linux is an fdatasync of the file. walrus has no group commit, but topics go side by side.
use crate::producers::Batch;
use crate::workload::{Durability, Request, Result, Subject};
use std::sync::Arc;
use walrus_rust::{FsyncSchedule, ReadConsistency, Walrus};

// MAX_BATCH_ENTRIES and PREFIX_META_SIZE of its source.
const BATCH_RECORDS_MAX: usize = 2_000;
const HEADER_BYTES: usize = 64;
const READ_BYTES: usize = 1024 * 1024;
// Below this, a group at "os" is appended sooner than another thread has woken.
const RECORDS_WORTH_A_THREAD: usize = 64;

pub struct Topics {
    wal: Arc<Open>,
    request: Request,
}

struct Open {
    wal: Walrus,
    names: Vec<String>,
}

fn open(request: &Request) -> Result<Arc<Open>> {
    let schedule = match request.durability {
        Durability::Disk => FsyncSchedule::SyncEach,
        Durability::Os => FsyncSchedule::NoFsync,
    };
    walrus_rust::disable_fd_backend();
    // Nothing that is read here is to be remembered.
    let consistency = ReadConsistency::AtLeastOnce { persist_every: u32::MAX };
    Ok(Arc::new(Open {
        wal: Walrus::with_consistency_and_schedule(consistency, schedule)?,
        names: (0..request.partitions).map(|n| format!("p{n}")).collect(),
    }))
}

impl Subject for Topics {
    const CRATE: &'static str = "walrus-rust";

    fn skips(request: &Request) -> Option<&'static str> {
        // What is read with a checkpoint is deleted. A batch that does not reach the end of the last full block, though,
        // goes on in the block after it, and what lay between is lost: src/wal/runtime/walrus_read.rs plans both.
        (request.workload == "queue")
            .then_some("walrus-rust 0.2.0 loses records where a topic is read, and so deleted, in part")
    }

    async fn open(request: &Request) -> Result<Self> {
        // It puts wal_files/ into the working directory, and prints each step unless told not to.
        std::env::set_current_dir(&request.directory)?;
        std::env::set_var("WALRUS_QUIET", "1");
        Ok(Topics { wal: open(request)?, request: request.clone() })
    }

    fn lanes(&self) -> usize {
        self.request.partitions
    }

    async fn append(&self, group: &[Batch]) -> Result<()> {
        let (wal, is_durable) = (self.wal.clone(), self.request.durability == Durability::Disk);
        let group = group.to_vec();
        let records: usize = group.iter().map(|batch| batch.records).sum();
        self.beside_others(is_durable || records >= RECORDS_WORTH_A_THREAD, move || {
            // A lane is a topic, so the whole group is of one.
            let name = &wal.names[group[0].partition];
            let mut values = group.iter().flat_map(Batch::values);
            if !is_durable {
                return Ok(values.try_for_each(|value| wal.wal.append_for_topic(name, value))?);
            }
            for part in values.collect::<Vec<_>>().chunks(BATCH_RECORDS_MAX) {
                wal.wal.batch_append_for_topic(name, part)?;
            }
            Ok(())
        })
        .await
    }

    async fn delete(&self, _: usize, _: u64) -> Result<()> {
        Err("a queue was to be skipped".into())
    }

    /// A topic is read once only. Opened again, it starts anew, as batches read at least once are not remembered.
    fn rewind(&mut self) -> Result<()> {
        self.wal = open(&self.request)?;
        Ok(())
    }

    fn read(&mut self, visit: &mut impl FnMut(&[u8]) -> bool) -> Result<()> {
        let bytes_max = READ_BYTES.min(BATCH_RECORDS_MAX * (self.request.record_bytes + HEADER_BYTES));
        let bytes_max = bytes_max.max(2 * (self.request.record_bytes + HEADER_BYTES));
        for name in &self.wal.names {
            loop {
                let entries = self.wal.wal.batch_read_for_topic(name, bytes_max, true)?;
                if entries.is_empty() {
                    break;
                }
                for entry in entries {
                    if !visit(&entry.data) {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }
}

impl Topics {
    async fn beside_others(&self, is_long: bool, work: impl FnOnce() -> Result<()> + Send + 'static) -> Result<()> {
        if is_long && self.request.partitions > 1 && self.request.in_flight > 1 {
            tokio::task::spawn_blocking(work).await?
        } else {
            work()
        }
    }
}
