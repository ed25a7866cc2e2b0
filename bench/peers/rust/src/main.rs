//! The Rust peers of the benchmark: takes one request, as JSON in the last argument, and prints one answer. The contract
//! is ../../README.md. What the subjects share is in workload.rs; a subject's file says how it reaches its durability.
mod mrecordlog;
mod producers;
mod walrus;
mod workload;

use std::io::Write;
use workload::{Request, Result};

fn main() {
    if let Err(error) = answer() {
        eprintln!("{error}");
        std::process::exit(1);
    }
}

fn answer() -> Result<()> {
    let argument = std::env::args().next_back().unwrap_or_default();
    let request: Request = serde_json::from_str(&argument)?;
    let is_fill = request.workload == "fill";
    // One thread suffices for producers that mostly wait, and keeps their order: those that a commit has answered
    // are all waiting again when the next one starts. What blocks for long goes to tokio's threads for that.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tasks = tokio::task::LocalSet::new();
    let answer = match request.subject.as_str() {
        "mrecordlog" => tasks.block_on(&runtime, workload::run::<mrecordlog::Mrecordlog>(request)),
        "walrus" => tasks.block_on(&runtime, workload::run::<walrus::Topics>(request)),
        other => Err(format!("no subject {other}").into()),
    }?;
    let mut output = std::io::stdout().lock();
    writeln!(output, "{answer}")?;
    output.flush()?;
    if is_fill && answer.get("skipped").is_none() {
        // SAFETY: it takes two numbers and touches no memory.
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    }
    Ok(())
}
