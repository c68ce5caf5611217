//! async-executor's LocalExecutor with async-io. Each subcommand measures one row and prints JSON lines.

mod channel;
mod net;
mod tasks;

use async_executor::LocalExecutor;
use std::future::Future;

const WHO: &str = "async-executor";

thread_local! {
    /// Leaked, so that tasks may spawn onto it without counting references.
    static EXECUTOR: &'static LocalExecutor<'static> = Box::leak(Box::new(LocalExecutor::new()));
}

fn executor() -> &'static LocalExecutor<'static> {
    EXECUTOR.with(|executor| *executor)
}

/// Runs a future as a task, so that what it spawns and awaits is measured inside the executor.
fn run<T: 'static>(future: impl Future<Output = T> + 'static) -> T {
    let task = executor().spawn(future);
    async_io::block_on(executor().run(task))
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("yield") => tasks::yield_in_turn(),
        Some("spawn-await") => tasks::spawn_and_await(),
        Some("spawn-batch") => tasks::spawn_a_batch(),
        Some("sleepers") => tasks::sleepers(),
        Some("echo-same") => net::echo_on_same_executor(),
        Some("echo-two") => net::echo_on_two_executors(),
        Some("http-minimal") => net::serve_minimal(),
        Some("one-by-one") => channel::one_by_one(),
        Some("round-trip") => channel::round_trip(),
        Some("local-round-trip") => channel::local_round_trip(),
        other => panic!("unknown subcommand {other:?}"),
    }
}
