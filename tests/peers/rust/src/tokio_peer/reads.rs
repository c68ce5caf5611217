//! Row B10b: 4 KiB reads of a cached file by many tasks. Tokio's file has no positioned read, so each
//! task owns a file and seeks.

use crate::{runtime, WHO};
use ringlet_peers::{argument, text_argument, RandomBlocks, Report, BLOCK_BYTES};
use std::io::SeekFrom;
use std::time::Instant;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

async fn read_blocks(path: String, seed: u64, count: u64) {
    let mut file = File::open(path).await.unwrap();
    let mut blocks = RandomBlocks::new(seed, file.metadata().await.unwrap().len());
    let mut buffer = vec![0; BLOCK_BYTES];
    for _ in 0..count {
        file.seek(SeekFrom::Start(blocks.next_offset())).await.unwrap();
        file.read_exact(&mut buffer).await.unwrap();
    }
}

pub fn cached() {
    let path = text_argument("--file").expect("--file");
    let (tasks, count) = (argument("--tasks", 32), argument("--count", 100_000));
    let elapsed = runtime().block_on(async move {
        let started = Instant::now();
        let readers: Vec<_> = (1..=tasks)
            .map(|seed| tokio::spawn(read_blocks(path.clone(), seed, count / tasks)))
            .collect();
        for reader in readers {
            reader.await.unwrap();
        }
        started.elapsed()
    });
    let per_second = (count / tasks * tasks) as f64 / elapsed.as_secs_f64();
    Report::new("B10b", "cached_reads", WHO, per_second / 1000.0, "kIOPS").print();
}
