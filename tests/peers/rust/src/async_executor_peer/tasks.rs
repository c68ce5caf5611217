//! Rows B1, B2, B3 and B6: tasks that do nothing but be tasks.

use crate::{executor, run, WHO};
use async_io::Timer;
use futures_lite::future::yield_now;
use ringlet_peers::{argument, nanoseconds_each, peak_memory_mib, Report};
use std::time::{Duration, Instant};

async fn yield_often(turns: u64) {
    for _ in 0..turns {
        yield_now().await;
    }
}

pub fn yield_in_turn() {
    let turns = argument("--count", 2_000_000);
    let elapsed = run(async move {
        executor().spawn(yield_often(turns / 20)).await;
        let started = Instant::now();
        let first = executor().spawn(yield_often(turns / 2));
        let second = executor().spawn(yield_often(turns / 2));
        first.await;
        second.await;
        started.elapsed()
    });
    Report::new("B1", "yield", WHO, nanoseconds_each(elapsed, turns), "ns").print();
}

async fn spawn_one_by_one(count: u64) {
    let mut sum = 0;
    for index in 0..count {
        sum += executor().spawn(async move { index }).await;
    }
    assert_eq!(sum, count * (count - 1) / 2);
}

pub fn spawn_and_await() {
    let count = argument("--count", 2_000_000);
    let elapsed = run(async move {
        spawn_one_by_one(count / 10).await;
        let started = Instant::now();
        spawn_one_by_one(count).await;
        started.elapsed()
    });
    Report::new("B2", "spawn_await", WHO, nanoseconds_each(elapsed, count), "ns").print();
}

pub fn spawn_a_batch() {
    let tasks = argument("--tasks", 1_000);
    let rounds = argument("--rounds", 2_000);
    let elapsed = run(async move {
        let mut handles = Vec::with_capacity(tasks as usize);
        let mut started = Instant::now();
        // The first round pays for page faults; it is not counted.
        for round in 0..=rounds {
            if round == 1 {
                started = Instant::now();
            }
            handles.extend((0..tasks).map(|index| executor().spawn(async move { index })));
            let mut sum = 0;
            for handle in handles.drain(..) {
                sum += handle.await;
            }
            assert_eq!(sum, tasks * (tasks - 1) / 2);
        }
        started.elapsed()
    });
    let case = format!("batch_{tasks}");
    Report::new("B3", &case, WHO, nanoseconds_each(elapsed, tasks * rounds), "ns").print();
}

pub fn sleepers() {
    let tasks = argument("--tasks", 1_000_000);
    let elapsed = run(async move {
        let started = Instant::now();
        let mut handles = Vec::with_capacity(tasks as usize);
        for _ in 0..tasks {
            handles.push(executor().spawn(async {
                Timer::after(Duration::from_millis(10)).await;
            }));
        }
        for handle in handles {
            handle.await;
        }
        started.elapsed()
    });
    Report::new("B6", "sleepers", WHO, elapsed.as_secs_f64() * 1000.0, "ms")
        .with("memory_mib", peak_memory_mib())
        .print();
}
