//! Row B8: the round trip of one small message over a loopback TCP connection.

use crate::{runtime, WHO};
use ringlet_peers::{argument, pin_to, Report, RoundTrips, MESSAGE_BYTES};
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn echo_until_closed(listener: TcpListener) -> io::Result<()> {
    let (mut stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    let mut buffer = [0; MESSAGE_BYTES];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count]).await?;
    }
}

async fn measure(address: SocketAddr, count: u64) -> io::Result<f64> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let message = [7; MESSAGE_BYTES];
    let mut answer = [0; MESSAGE_BYTES];
    let mut trips = RoundTrips::new(count);
    for index in 0..trips.total() {
        trips.begin(index);
        stream.write_all(&message).await?;
        stream.read_exact(&mut answer).await?;
    }
    Ok(trips.microseconds_each())
}

pub fn same_runtime() {
    let count = argument("--count", 50_000);
    let each = runtime().block_on(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(echo_until_closed(listener));
        let each = tokio::spawn(measure(address, count)).await.unwrap().unwrap();
        server.await.unwrap().unwrap();
        each
    });
    Report::new("B8", "same_executor", WHO, each, "us").print();
}

/// Server and client each with a thread and a runtime, on the CPUs `--server-cpu` and `--client-cpu`.
pub fn two_runtimes() {
    let count = argument("--count", 50_000);
    let (server_cpu, client_cpu) = (argument("--server-cpu", 0), argument("--client-cpu", 1));
    let (tell, told) = mpsc::channel();
    let server = std::thread::spawn(move || {
        pin_to(server_cpu);
        runtime().block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            tokio::spawn(echo_until_closed(listener)).await.unwrap().unwrap();
        });
    });
    pin_to(client_cpu);
    let address = told.recv().unwrap();
    let each = runtime().block_on(async move { tokio::spawn(measure(address, count)).await.unwrap() });
    server.join().unwrap();
    let case = if server_cpu == client_cpu { "two_executors_one_core" } else { "two_cores" };
    Report::new("B8", case, WHO, each.unwrap(), "us").print();
}
