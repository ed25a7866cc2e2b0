//! The request, the workloads and their answers, the same for all Rust subjects. A subject says how it opens, appends,
//! deletes and reads, and promises that what it has appended is as durable as was asked for.
use crate::producers::{noise, Batch, Producers, Window};
use serde::Deserialize;
use serde_json::{json, Value};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const MEBIBYTE: usize = 1024 * 1024;

#[derive(Clone, Copy, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    #[default]
    Disk,
    Os,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    pub subject: String,
    pub workload: String,
    pub directory: PathBuf,
    #[serde(default)]
    pub durability: Durability,
    pub record_bytes: usize,
    #[serde(default = "one")]
    pub batch_records: usize,
    #[serde(default = "one")]
    pub in_flight: usize,
    #[serde(default = "one")]
    pub partitions: usize,
    #[serde(default)]
    pub seconds: f64,
    #[serde(default)]
    pub bytes: usize,
}

fn one() -> usize {
    1
}

pub(crate) trait Subject: Sized + 'static {
    /// The crate's name in Cargo.toml.
    const CRATE: &'static str;
    fn skips(request: &Request) -> Option<&'static str>;
    async fn open(request: &Request) -> Result<Self>;
    /// Lanes append at the same time, each for its own partitions; in a lane, one group after the other.
    fn lanes(&self) -> usize;
    async fn append(&self, group: &[Batch]) -> Result<()>;
    /// Deletes a partition's records before its `count`-th, counted from the first that it ever had.
    async fn delete(&self, partition: usize, count: u64) -> Result<()>;
    /// Makes `read` start from the first record again; not measured.
    fn rewind(&mut self) -> Result<()>;
    /// Shows all records, partition by partition, until `visit` says false.
    fn read(&mut self, visit: &mut impl FnMut(&[u8]) -> bool) -> Result<()>;
}

pub async fn run<S: Subject>(mut request: Request) -> Result<Value> {
    if let Some(why) = S::skips(&request) {
        return Ok(json!({ "skipped": why }));
    }
    std::fs::create_dir_all(&request.directory)?;
    request.directory = request.directory.canonicalize()?; // A subject may change the working directory.
    let mut answer = match request.workload.as_str() {
        "append" | "queue" => produce_for_seconds::<S>(request).await,
        "read" => read::<S>(request).await,
        "fill" => fill::<S>(request).await,
        "open" => open::<S>(request).await,
        other => Err(format!("no workload {other}").into()),
    }?;
    answer["version"] = pinned_version(S::CRATE).into();
    Ok(answer)
}

fn pinned_version(name: &str) -> &'static str {
    let mut lines = include_str!("../Cargo.toml").lines();
    let line = lines.find(|line| line.starts_with(&format!("{name} =")));
    line.and_then(|line| line.split('"').nth(1)).unwrap_or("?").trim_start_matches('=')
}

async fn produce_for_seconds<S: Subject>(request: Request) -> Result<Value> {
    let (bytes, seconds) = (request.record_bytes as u64, request.seconds);
    let is_append = request.workload == "append";
    let run = Producers::new(S::open(&request).await?, request);
    let from = Instant::now() + Duration::from_secs_f64(seconds);
    let to = from + Duration::from_secs_f64(seconds);
    run.run(Window { from, to, batches_max: usize::MAX }).await?;
    let mut answer = json!({ "seconds": seconds });
    let mut latencies = run.latencies.take();
    let records = (latencies.len() * run.request.batch_records) as u64;
    answer["records"] = records.into();
    answer["bytes"] = (records * bytes).into();
    if is_append {
        latencies.sort_unstable();
        let at = |quantile: f64| {
            let rank = (latencies.len() as f64 * quantile).ceil() as usize;
            latencies.get(rank.max(1) - 1).map(|nanos| *nanos as f64 / 1_000.0)
        };
        answer["latencyMicros"] = json!({ "p50": at(0.5), "p99": at(0.99), "p999": at(0.999) });
    }
    Ok(answer)
}

async fn write<S: Subject>(request: Request) -> Result<(Rc<Producers<S>>, Duration, u64)> {
    let batches_max = request.bytes.div_ceil(request.batch_records * request.record_bytes);
    let records = (batches_max * request.batch_records) as u64;
    let run = Producers::new(S::open(&request).await?, request);
    let from = Instant::now();
    let to = from + Duration::from_secs(86_400);
    run.run(Window { from, to, batches_max }).await?;
    Ok((run, from.elapsed(), records))
}

async fn fill<S: Subject>(request: Request) -> Result<Value> {
    let bytes = request.record_bytes as u64;
    let (run, spent, records) = write::<S>(request).await?;
    // Nothing is closed: the process is killed as soon as the answer is out.
    std::mem::forget(run);
    Ok(json!({ "records": records, "bytes": records * bytes, "seconds": spent.as_secs_f64() }))
}

async fn open<S: Subject>(request: Request) -> Result<Value> {
    let (noise, record_bytes) = (noise(request.record_bytes), request.record_bytes);
    let started = Instant::now();
    let mut subject = S::open(&request).await?;
    subject.append(&[Batch { partition: 0, records: 1, number: 0, noise, record_bytes }]).await?;
    let seconds = started.elapsed().as_secs_f64();
    let mut seen = 0;
    subject.read(&mut |_| {
        seen += 1;
        seen < 2
    })?;
    if seen < 2 {
        return Err("nothing of what was filled is there".into());
    }
    Ok(json!({ "records": 1, "bytes": record_bytes, "seconds": seconds }))
}

async fn read<S: Subject>(request: Request) -> Result<Value> {
    let mut writing = request.clone();
    writing.durability = Durability::Os;
    writing.batch_records = (MEBIBYTE / request.record_bytes).max(1);
    writing.in_flight = 1;
    let (run, _, total) = write::<S>(writing).await?;
    sync_files(&request.directory)?;
    let mut subject = Rc::into_inner(run).ok_or("a producer is still there")?.subject;
    read_for(&mut subject, request.seconds / 4.0, request.record_bytes, 0)?;
    let (records, seconds) = read_for(&mut subject, request.seconds, request.record_bytes, total)?;
    Ok(json!({ "records": records, "bytes": records * request.record_bytes as u64, "seconds": seconds }))
}

fn read_for<S: Subject>(subject: &mut S, limit: f64, record_bytes: usize, at_least: u64) -> Result<(u64, f64)> {
    let (mut records, mut spent, mut first_bytes) = (0, 0.0, 0_u64);
    while spent < limit || records < at_least {
        subject.rewind()?;
        let started = Instant::now();
        let (before, mut is_whole) = (records, true);
        subject.read(&mut |value| {
            is_whole = is_whole && value.len() == record_bytes;
            first_bytes += u64::from(value[0]);
            records += 1;
            // The clock is not looked at for every record.
            is_whole && (records % 256 != 0 || records < at_least || spent + started.elapsed().as_secs_f64() < limit)
        })?;
        spent += started.elapsed().as_secs_f64();
        if !is_whole || records == before || (before == 0 && records < at_least) {
            return Err(format!("{records} of {at_least} records could be read").into());
        }
    }
    std::hint::black_box(first_bytes);
    Ok((records, spent))
}

/// So that what was written does not go to the disk while it is read.
fn sync_files(directory: &Path) -> Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            sync_files(&path)?;
        } else {
            std::fs::File::open(&path)?.sync_all()?;
        }
    }
    Ok(())
}
