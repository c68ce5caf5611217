//! Rows B8 and B9: one echoed message, and the least HTTP responder.

use crate::{executor, run, WHO};
use async_io::Async;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use ringlet_peers::{announce, argument, pin_to, Report, Responder, RoundTrips, MESSAGE_BYTES};
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;

fn listen(port: u16) -> (Async<TcpListener>, SocketAddr) {
    let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], port)).unwrap();
    let address = listener.get_ref().local_addr().unwrap();
    (listener, address)
}

async fn echo_until_closed(listener: Async<TcpListener>) -> io::Result<()> {
    let (mut stream, _) = listener.accept().await?;
    stream.get_ref().set_nodelay(true)?;
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
    let mut stream = Async::<TcpStream>::connect(address).await?;
    stream.get_ref().set_nodelay(true)?;
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

pub fn echo_on_same_executor() {
    let count = argument("--count", 50_000);
    let each = run(async move {
        let (listener, address) = listen(0);
        let server = executor().spawn(echo_until_closed(listener));
        let each = measure(address, count).await.unwrap();
        server.await.unwrap();
        each
    });
    Report::new("B8", "same_executor", WHO, each, "us").print();
}

/// Server and client each with a thread and an executor, on the CPUs `--server-cpu` and `--client-cpu`.
/// They share async-io's one reactor, as all executors of a process do.
pub fn echo_on_two_executors() {
    let count = argument("--count", 50_000);
    let (server_cpu, client_cpu) = (argument("--server-cpu", 0), argument("--client-cpu", 1));
    let (tell, told) = mpsc::channel();
    let server = std::thread::spawn(move || {
        pin_to(server_cpu);
        let (listener, address) = listen(0);
        tell.send(address).unwrap();
        run(echo_until_closed(listener)).unwrap();
    });
    pin_to(client_cpu);
    let each = run(measure(told.recv().unwrap(), count)).unwrap();
    server.join().unwrap();
    let case = if server_cpu == client_cpu { "two_executors_one_core" } else { "two_cores" };
    Report::new("B8", case, WHO, each, "us").print();
}

async fn answer_minimally(mut stream: Async<TcpStream>) -> io::Result<()> {
    let mut responder = Responder::default();
    loop {
        let count = stream.read(responder.space()).await?;
        if count == 0 {
            return Ok(());
        }
        let answers = responder.answer(count);
        if !answers.is_empty() {
            stream.write_all(answers).await?;
        }
    }
}

pub fn serve_minimal() {
    let (listener, address) = listen(argument("--port", 0) as u16);
    announce(address.port());
    run(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.get_ref().set_nodelay(true).unwrap();
            executor().spawn(answer_minimally(stream)).detach();
        }
    })
}
