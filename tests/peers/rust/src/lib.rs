//! What both peers share: arguments, pinning, the JSON line that `bench.py` reads, and the least of
//! HTTP that a responder needs.

use std::io;
use std::time::{Duration, Instant};

/// A row's result, printed as one JSON object on a line of its own.
pub struct Report {
    text: String,
}

impl Report {
    pub fn new(row: &str, case: &str, who: &str, value: f64, unit: &str) -> Report {
        Report {
            text: format!(
                r#"{{"row":"{row}","case":"{case}","who":"{who}","value":{value:.4},"unit":"{unit}""#
            ),
        }
    }

    pub fn with(mut self, name: &str, value: f64) -> Report {
        self.text += &format!(r#","{name}":{value:.4}"#);
        self
    }

    pub fn print(self) {
        println!("{}}}", self.text);
    }
}

/// The text after `--name` on the command line, if it is there.
pub fn text_argument(name: &str) -> Option<String> {
    let mut rest = std::env::args().skip_while(|word| word != name);
    rest.next()?;
    rest.next()
}

/// The number after `--name` on the command line, or `otherwise`.
pub fn argument(name: &str, otherwise: u64) -> u64 {
    match text_argument(name) {
        Some(text) => text.parse().unwrap_or_else(|_| panic!("{name} wants a number, not {text:?}")),
        None => otherwise,
    }
}

/// Binds the calling thread to one CPU.
pub fn pin_to(cpu: u64) {
    // SAFETY: the set is a plain bit array, zeroed, and outlives the call; 0 names this thread.
    let failed = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu as usize, &mut set);
        libc::sched_setaffinity(0, std::mem::size_of_val(&set), &set) != 0
    };
    assert!(!failed, "cannot pin to CPU {cpu}: {}", io::Error::last_os_error());
}

pub fn nanoseconds_each(elapsed: Duration, count: u64) -> f64 {
    elapsed.as_nanos() as f64 / count as f64
}

pub fn millions_a_second(elapsed: Duration, count: u64) -> f64 {
    1000.0 / nanoseconds_each(elapsed, count)
}

/// Peak resident memory of this process, in MiB.
pub fn peak_memory_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc/self/status");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("VmHWM");
    let kib: f64 = line.split_whitespace().nth(1).and_then(|word| word.parse().ok()).expect("a number");
    kib / 1024.0
}

/// Offsets of 4 KiB blocks in random order, without end: xorshift, as every program of this row uses.
pub struct RandomBlocks {
    state: u64,
    blocks: u64,
}

pub const BLOCK_BYTES: usize = 4096;

impl RandomBlocks {
    pub fn new(seed: u64, file_bytes: u64) -> RandomBlocks {
        RandomBlocks { state: seed * 0x9E37_79B9_7F4A_7C15 + 1, blocks: file_bytes / BLOCK_BYTES as u64 }
    }

    pub fn next_offset(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % self.blocks * BLOCK_BYTES as u64
    }
}

/// Splits a connection's bytes into requests and answers each: what a benchmark needs and no more.
/// Bytes of an unfinished request stay for the next call.
pub struct Responder {
    received: Vec<u8>,
    filled: usize,
    answers: Vec<u8>,
}

const JSON: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 27\r\n\r\n\
    {\"message\":\"Hello, World!\"}";
const PLAINTEXT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\n\
    Hello, World!";
const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";

impl Default for Responder {
    fn default() -> Responder {
        Responder { received: vec![0; 4096], filled: 0, answers: Vec::with_capacity(4096) }
    }
}

impl Responder {
    /// Where the next bytes of the connection go. Empty when a request is too long to answer.
    pub fn space(&mut self) -> &mut [u8] {
        &mut self.received[self.filled..]
    }

    /// Takes note of `count` bytes put into `space()`; returns the answers that are due.
    pub fn answer(&mut self, count: usize) -> &[u8] {
        self.filled += count;
        self.answers.clear();
        let mut start = 0;
        while let Some(length) = memchr::memmem::find(&self.received[start..self.filled], b"\r\n\r\n") {
            let request = &self.received[start..start + length];
            self.answers.extend_from_slice(if request.starts_with(b"GET /json ") {
                JSON
            } else if request.starts_with(b"GET /plaintext ") {
                PLAINTEXT
            } else {
                NOT_FOUND
            });
            start += length + 4;
        }
        self.received.copy_within(start..self.filled, 0);
        self.filled -= start;
        &self.answers
    }
}

/// Tells `bench.py` where a server listens.
pub fn announce(port: u16) {
    println!(r#"{{"listening":{port}}}"#);
}

/// Times round trips of one connection, the first tenth of them as a warm-up.
pub struct RoundTrips {
    warm_up: u64,
    total: u64,
    started: Instant,
}

impl RoundTrips {
    pub fn new(count: u64) -> RoundTrips {
        RoundTrips { warm_up: count / 10, total: count / 10 + count, started: Instant::now() }
    }

    pub fn total(&self) -> u64 {
        self.total
    }

    pub fn begin(&mut self, index: u64) {
        if index == self.warm_up {
            self.started = Instant::now();
        }
    }

    pub fn microseconds_each(&self) -> f64 {
        nanoseconds_each(self.started.elapsed(), self.total - self.warm_up) / 1000.0
    }
}

/// Bytes in one echo message, the same for every program of the row.
pub const MESSAGE_BYTES: usize = 64;
