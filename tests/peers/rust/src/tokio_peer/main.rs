//! Tokio, one current-thread runtime a thread. Each subcommand measures one row and prints JSON lines.

mod channel;
mod echo;
mod http;
mod reads;
mod tasks;

use tokio::runtime::{Builder, Runtime};

const WHO: &str = "tokio";

/// A runtime with its I/O and time drivers, as programs have it.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn main() {
    match std::env::args().nth(1).as_deref() {
        Some("yield") => tasks::yield_in_turn(),
        Some("spawn-await") => tasks::spawn_and_await(),
        Some("spawn-batch") => tasks::spawn_a_batch(),
        Some("sleepers") => tasks::sleepers(),
        Some("echo-same") => echo::same_runtime(),
        Some("echo-two") => echo::two_runtimes(),
        Some("http-tiny") => http::serve_tiny(),
        Some("http-minimal") => http::serve_minimal(),
        Some("cached-reads") => reads::cached(),
        Some("one-by-one") => channel::one_by_one(),
        Some("round-trip") => channel::round_trip(),
        Some("local-round-trip") => channel::local_round_trip(),
        other => panic!("unknown subcommand {other:?}"),
    }
}
