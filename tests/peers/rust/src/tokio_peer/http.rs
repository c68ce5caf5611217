//! Row B9: two HTTP responders. `tiny` is built as a Tokio user would build it, with a codec, httparse
//! and the http crate, in the manner of Tokio's own tinyhttp example; `minimal` is the least that works.

use crate::runtime;
use bytes::{BufMut, BytesMut};
use futures_util::{SinkExt, StreamExt};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use ringlet_peers::{announce, argument, Responder};
use std::fmt::Write;
use std::future::Future;
use std::io;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::codec::{Decoder, Encoder, Framed};

pub fn serve_minimal() {
    runtime().block_on(accept_forever(answer_minimally));
}

pub fn serve_tiny() {
    runtime().block_on(accept_forever(answer_with_codec));
}

async fn accept_forever<F>(serve: fn(TcpStream) -> F)
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", argument("--port", 0) as u16)).await.unwrap();
    announce(listener.local_addr().unwrap().port());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(serve(stream));
    }
}

async fn answer_minimally(mut stream: TcpStream) -> io::Result<()> {
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

async fn answer_with_codec(stream: TcpStream) -> io::Result<()> {
    let mut transport = Framed::new(stream, Http::default());
    while let Some(request) = transport.next().await {
        transport.send(respond(request?)).await?;
    }
    Ok(())
}

fn respond(request: Request<()>) -> Response<&'static str> {
    let (status, kind, body) = match request.uri().path() {
        "/json" => (StatusCode::OK, "application/json", r#"{"message":"Hello, World!"}"#),
        "/plaintext" => (StatusCode::OK, "text/plain", "Hello, World!"),
        _ => (StatusCode::NOT_FOUND, "text/plain", ""),
    };
    Response::builder().status(status).header("Content-Type", kind).body(body).expect("a valid response")
}

fn invalid(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Turns bytes into `http::Request` and `http::Response` into bytes. Keeps the rendered date of the
/// present second.
#[derive(Default)]
struct Http {
    date: String,
    date_second: Duration,
}

impl Http {
    fn refresh_date(&mut self) {
        let now = SystemTime::now();
        let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        if since_epoch.as_secs() != self.date_second.as_secs() || self.date.is_empty() {
            self.date = httpdate::fmt_http_date(now);
            self.date_second = since_epoch;
        }
    }
}

impl Decoder for Http {
    type Item = Request<()>;
    type Error = io::Error;

    fn decode(&mut self, source: &mut BytesMut) -> io::Result<Option<Request<()>>> {
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut parsed = httparse::Request::new(&mut headers);
        let length = match parsed.parse(source).map_err(invalid)? {
            httparse::Status::Complete(length) => length,
            httparse::Status::Partial => return Ok(None),
        };
        let mut request = Request::builder()
            .method(Method::try_from(parsed.method.unwrap()).map_err(invalid)?)
            .uri(parsed.path.unwrap())
            .version(Version::HTTP_11);
        for header in parsed.headers.iter() {
            request = request.header(header.name, HeaderValue::from_bytes(header.value).map_err(invalid)?);
        }
        let request = request.body(()).map_err(invalid)?;
        let _ = source.split_to(length);
        Ok(Some(request))
    }
}

impl Encoder<Response<&'static str>> for Http {
    type Error = io::Error;

    fn encode(&mut self, response: Response<&'static str>, out: &mut BytesMut) -> io::Result<()> {
        self.refresh_date();
        out.reserve(256);
        write!(
            out,
            "HTTP/1.1 {}\r\nServer: Example\r\nContent-Length: {}\r\nDate: {}\r\n",
            response.status(),
            response.body().len(),
            self.date
        )
        .map_err(invalid)?;
        for (name, value) in response.headers() {
            out.put_slice(name.as_str().as_bytes());
            out.put_slice(b": ");
            out.put_slice(value.as_bytes());
            out.put_slice(b"\r\n");
        }
        out.put_slice(b"\r\n");
        out.put_slice(response.body().as_bytes());
        Ok(())
    }
}
