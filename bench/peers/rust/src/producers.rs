//! Producers that append batch after batch, each waiting for its acknowledgement, and the group commit that no Rust
//! subject has of its own: what has gathered while one group was appended is the next group, and all of it is answered together.
use crate::workload::{Request, Result, Subject};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;
use tokio::sync::oneshot;
use tokio::task::{spawn_local, yield_now};

// No user lets a transaction grow without a bound.
const GROUP_BYTES_MAX: usize = 16 * 1024 * 1024;
const QUEUE_RECORDS: u64 = 1_000;
const QUEUE_KEPT: u64 = 100;
// A prime, so that a record's value is not that of its neighbour.
const NOISE_BYTES: usize = 1_021;

/// Records to append together. Their values lie in memory that is never freed, so that a batch goes anywhere without a copy.
#[derive(Clone, Copy)]
pub struct Batch {
    pub partition: usize,
    pub records: usize,
    pub number: usize,
    pub noise: &'static [u8],
    pub record_bytes: usize,
}

impl Batch {
    pub fn values(&self) -> impl Iterator<Item = &'static [u8]> {
        let Batch { noise, record_bytes, .. } = *self;
        let first = self.number * self.records;
        (first..first + self.records).map(move |n| &noise[n % NOISE_BYTES..][..record_bytes])
    }
}

pub fn noise(record_bytes: usize) -> &'static [u8] {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let bytes = (0..record_bytes + NOISE_BYTES).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    });
    bytes.collect::<Vec<u8>>().leak()
}

/// What is acknowledged in it is counted; producers stop at its end or after so many batches.
#[derive(Clone, Copy)]
pub struct Window {
    pub from: Instant,
    pub to: Instant,
    pub batches_max: usize,
}

type Waiting = (Batch, oneshot::Sender<std::result::Result<(), String>>);

#[derive(Default)]
struct Lane {
    waiting: RefCell<Vec<Waiting>>,
    is_led: Cell<bool>,
}

#[derive(Clone, Copy, Default)]
struct Appended {
    records: u64,
    at_deletion: u64,
}

pub(crate) struct Producers<S> {
    pub subject: S,
    pub request: Request,
    /// In nanoseconds, of every batch that was counted.
    pub latencies: RefCell<Vec<u64>>,
    noise: &'static [u8],
    lanes: Vec<Lane>,
    batches: Cell<usize>,
    appended: RefCell<Vec<Appended>>,
}

impl<S: Subject> Producers<S> {
    pub fn new(subject: S, request: Request) -> Rc<Self> {
        Rc::new(Producers {
            noise: noise(request.record_bytes),
            lanes: (0..subject.lanes()).map(|_| Lane::default()).collect(),
            batches: Cell::new(0),
            appended: RefCell::new(vec![Appended::default(); request.partitions]),
            latencies: RefCell::new(Vec::new()),
            subject,
            request,
        })
    }

    pub async fn run(self: &Rc<Self>, window: Window) -> Result<()> {
        let producers = (0..self.request.in_flight).map(|_| spawn_local(self.clone().produce(window)));
        for producer in producers.collect::<Vec<_>>() {
            producer.await??;
        }
        Ok(())
    }

    async fn produce(self: Rc<Self>, window: Window) -> Result<()> {
        loop {
            let called = Instant::now();
            let number = self.batches.get();
            if called >= window.to || number >= window.batches_max {
                return Ok(());
            }
            self.batches.set(number + 1);
            self.append(Batch {
                partition: number % self.request.partitions,
                records: self.request.batch_records,
                number,
                noise: self.noise,
                record_bytes: self.request.record_bytes,
            })
            .await?;
            let acknowledged = Instant::now();
            if acknowledged >= window.from && acknowledged <= window.to {
                self.latencies.borrow_mut().push((acknowledged - called).as_nanos() as u64);
            }
        }
    }

    async fn append(self: &Rc<Self>, batch: Batch) -> Result<()> {
        if self.request.in_flight == 1 {
            return self.commit(&[batch]).await; // Nobody to share a group with.
        }
        let lane = batch.partition % self.lanes.len();
        let (answer, answered) = oneshot::channel();
        self.lanes[lane].waiting.borrow_mut().push((batch, answer));
        if !self.lanes[lane].is_led.replace(true) {
            spawn_local(self.clone().lead(lane));
        }
        Ok(answered.await??)
    }

    async fn lead(self: Rc<Self>, lane: usize) {
        let batch_bytes = self.request.batch_records * self.request.record_bytes;
        let batches_max = (GROUP_BYTES_MAX / batch_bytes).max(1);
        loop {
            // Those that were answered just now get their turn first, for as long as more of them come.
            let mut gathered = 0;
            while gathered < self.waiting_in(lane) && gathered < self.request.in_flight {
                gathered = self.waiting_in(lane);
                yield_now().await;
            }
            let mut waiting = self.lanes[lane].waiting.take();
            if waiting.is_empty() {
                self.lanes[lane].is_led.set(false);
                return;
            }
            if waiting.len() > batches_max {
                *self.lanes[lane].waiting.borrow_mut() = waiting.split_off(batches_max);
            }
            let group: Vec<Batch> = waiting.iter().map(|(batch, _)| *batch).collect();
            let outcome = self.commit(&group).await.map_err(|error| error.to_string());
            for (_, answer) in waiting {
                // A producer that is gone has failed before, and the run with it.
                let _ = answer.send(outcome.clone());
            }
            yield_now().await;
        }
    }

    fn waiting_in(&self, lane: usize) -> usize {
        self.lanes[lane].waiting.borrow().len()
    }

    async fn commit(&self, group: &[Batch]) -> Result<()> {
        self.subject.append(group).await?;
        if self.request.workload != "queue" {
            return Ok(());
        }
        for batch in group {
            self.appended.borrow_mut()[batch.partition].records += batch.records as u64;
        }
        for batch in group {
            let Appended { records, at_deletion } = self.appended.borrow()[batch.partition];
            if records - at_deletion >= QUEUE_RECORDS {
                self.appended.borrow_mut()[batch.partition].at_deletion = records;
                self.subject.delete(batch.partition, records - QUEUE_KEPT).await?;
            }
        }
        Ok(())
    }
}
