//! Rows B11 and B15: messages between two executors, each with a thread and a CPU of its own, and between two
//! tasks of one.

use crate::{executor, run, WHO};
use async_channel::{bounded, Receiver, Sender};
use ringlet_peers::{argument, millions_a_second, pin_to, Report, RoundTrips};
use std::future::Future;
use std::time::Instant;

/// Runs `measured` here, on `--cpu`, and `other` in a thread on `--other-cpu`.
fn run_two<T: 'static>(
    measured: impl Future<Output = T> + 'static,
    other: impl Future<Output = ()> + Send + 'static,
) -> T {
    let (cpu, other_cpu) = (argument("--cpu", 0), argument("--other-cpu", 1));
    let thread = std::thread::spawn(move || {
        pin_to(other_cpu);
        run(other);
    });
    pin_to(cpu);
    let result = run(measured);
    thread.join().unwrap();
    result
}

pub fn one_by_one() {
    let count = argument("--count", 5_000_000);
    let (sender, receiver) = bounded(4096);
    let receive = async move {
        let started = Instant::now();
        let mut sum = 0;
        while let Ok(value) = receiver.recv().await {
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

async fn answer(asks: Receiver<u64>, answers: Sender<u64>) {
    while let Ok(value) = asks.recv().await {
        answers.send(value).await.unwrap();
    }
}

async fn ask(asks: Sender<u64>, answers: Receiver<u64>, count: u64) -> f64 {
    let mut trips = RoundTrips::new(count);
    for index in 0..trips.total() {
        trips.begin(index);
        asks.send(index).await.unwrap();
        assert_eq!(answers.recv().await, Ok(index));
    }
    trips.microseconds_each()
}

pub fn round_trip() {
    let (ask_sender, ask_receiver) = bounded(16);
    let (answer_sender, answer_receiver) = bounded(16);
    let asking = ask(ask_sender, answer_receiver, argument("--count", 50_000));
    let each_us = run_two(asking, answer(ask_receiver, answer_sender));
    Report::new("B11", "round_trip_blocking", WHO, each_us, "us").print();
}

pub fn local_round_trip() {
    let (ask_sender, ask_receiver) = bounded(1);
    let (answer_sender, answer_receiver) = bounded(1);
    let asking = ask(ask_sender, answer_receiver, argument("--count", 1_000_000));
    executor().spawn(answer(ask_receiver, answer_sender)).detach();
    let each_us = run(asking);
    Report::new("B15", "channel", WHO, each_us * 1000.0, "ns").print();
}
