//! Rows B11 and B15: messages between two runtimes, each with a thread and a CPU of its own, and between two
//! tasks of one.

use crate::{runtime, WHO};
use ringlet_peers::{argument, millions_a_second, pin_to, Report, RoundTrips};
use std::future::Future;
use std::time::Instant;
use tokio::sync::mpsc::{channel, Receiver, Sender};

/// Runs `measured` here, on `--cpu`, and `other` in a thread on `--other-cpu`.
fn run_two<T: Send + 'static>(
    measured: impl Future<Output = T> + Send + 'static,
    other: impl Future<Output = ()> + Send + 'static,
) -> T {
    let (cpu, other_cpu) = (argument("--cpu", 0), argument("--other-cpu", 1));
    let thread = std::thread::spawn(move || {
        pin_to(other_cpu);
        runtime().block_on(async move { tokio::spawn(other).await.unwrap() });
    });
    pin_to(cpu);
    let result = runtime().block_on(async move { tokio::spawn(measured).await.unwrap() });
    thread.join().unwrap();
    result
}

pub fn one_by_one() {
    let count = argument("--count", 5_000_000);
    let (sender, mut receiver) = channel(4096);
    let receive = async move {
        let started = Instant::now();
        let mut sum = 0;
        while let Some(value) = receiver.recv().await {
            sum += value;
        }
        assert_eq!(sum, count * (count - 1) / 2);
        started.elapsed()
    };
    let send = async move {
        for value in 0..count {
            sender.send(value).await.unwrap();
        }
    };
    let elapsed = run_two(receive, send);
    Report::new("B11", "one_by_one", WHO, millions_a_second(elapsed, count), "M/s").print();
}

async fn answer(mut asks: Receiver<u64>, answers: Sender<u64>) {
    while let Some(value) = asks.recv().await {
        answers.send(value).await.unwrap();
    }
}

async fn ask(asks: Sender<u64>, mut answers: Receiver<u64>, count: u64) -> f64 {
    let mut trips = RoundTrips::new(count);
    for index in 0..trips.total() {
        trips.begin(index);
        asks.send(index).await.unwrap();
        assert_eq!(answers.recv().await, Some(index));
    }
    trips.microseconds_each()
}

pub fn round_trip() {
    let (ask_sender, ask_receiver) = channel(16);
    let (answer_sender, answer_receiver) = channel(16);
    let asking = ask(ask_sender, answer_receiver, argument("--count", 50_000));
    let each_us = run_two(asking, answer(ask_receiver, answer_sender));
    Report::new("B11", "round_trip_blocking", WHO, each_us, "us").print();
}

pub fn local_round_trip() {
    let (ask_sender, ask_receiver) = channel(1);
    let (answer_sender, answer_receiver) = channel(1);
    let asking = ask(ask_sender, answer_receiver, argument("--count", 1_000_000));
    let each_us = runtime().block_on(async move {
        tokio::spawn(answer(ask_receiver, answer_sender));
        tokio::spawn(asking).await.unwrap()
    });
    Report::new("B15", "channel", WHO, each_us * 1000.0, "ns").print();
}
