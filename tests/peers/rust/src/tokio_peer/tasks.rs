//! Rows B1, B2, B3 and B6: tasks that do nothing but be tasks.

use crate::{runtime, WHO};
use ringlet_peers::{argument, nanoseconds_each, peak_memory_mib, Report};
use std::time::{Duration, Instant};

pub fn yield_in_turn() {
    let turns = argument("--count", 2_000_000);
    let elapsed = runtime().block_on(async move {
        let yielder = move |turns| async move {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        };
        tokio::spawn(yielder(turns / 20)).await.unwrap();
        let started = Instant::now();
        let first = tokio::spawn(yielder(turns / 2));
        let second = tokio::spawn(yielder(turns / 2));
        first.await.unwrap();
        second.await.unwrap();
        started.elapsed()
    });
    Report::new("B1", "yield", WHO, nanoseconds_each(elapsed, turns), "ns").print();
}

pub fn spawn_and_await() {
    let count = argument("--count", 2_000_000);
    let one_by_one = |count: u64| async move {
        let mut sum = 0;
        for index in 0..count {
            sum += tokio::spawn(async move { index }).await.unwrap();
        }
        assert_eq!(sum, count * (count - 1) / 2);
    };
    let elapsed = runtime().block_on(async move {
        let inside = tokio::spawn(async move {
            one_by_one(count / 10).await;
            let started = Instant::now();
            one_by_one(count).await;
            started.elapsed()
        });
        inside.await.unwrap()
    });
    Report::new("B2", "spawn_await", WHO, nanoseconds_each(elapsed, count), "ns").print();
}

pub fn spawn_a_batch() {
    let tasks = argument("--tasks", 1_000);
    let rounds = argument("--rounds", 2_000);
    let elapsed = runtime().block_on(async move {
        let inside = tokio::spawn(async move {
            let mut handles = Vec::with_capacity(tasks as usize);
            let mut started = Instant::now();
            // The first round pays for page faults; it is not counted.
            for round in 0..=rounds {
                if round == 1 {
                    started = Instant::now();
                }
                handles.extend((0..tasks).map(|index| tokio::spawn(async move { index })));
                let mut sum = 0;
                for handle in handles.drain(..) {
                    sum += handle.await.unwrap();
                }
                assert_eq!(sum, tasks * (tasks - 1) / 2);
            }
            started.elapsed()
        });
        inside.await.unwrap()
    });
    let case = format!("batch_{tasks}");
    Report::new("B3", &case, WHO, nanoseconds_each(elapsed, tasks * rounds), "ns").print();
}

pub fn sleepers() {
    let tasks = argument("--tasks", 1_000_000);
    let elapsed = runtime().block_on(async move {
        let started = Instant::now();
        let mut handles = Vec::with_capacity(tasks as usize);
        for _ in 0..tasks {
            handles.push(tokio::spawn(tokio::time::sleep(Duration::from_millis(10))));
        }
        for handle in handles {
            handle.await.unwrap();
        }
        started.elapsed()
    });
    Report::new("B6", "sleepers", WHO, elapsed.as_secs_f64() * 1000.0, "ms")
        .with("memory_mib", peak_memory_mib())
        .print();
}
