//! A server whose isolate is always sampled: `cargo run --example server --features formats -- ADDRESS`.
//! `go tool pprof http://ADDRESS/debug/pprof/allocs` gets what it has allocated since it was last asked,
//! also while it is busy.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::spawn;
use std::time::Duration;

use v8_heap_sampler::format::WriteOptions;
use v8_heap_sampler::{SamplerOptions, SamplerRemote, SamplingSession};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;
const SCRIPT: &str = "function row(id) { return { id, cells: [id, 'row ' + id] }; }
    (function handle(path) { return path + Array.from({ length: 5000 }, (_, id) => row(id)); })";
type Work = Option<(String, Sender<String>)>; // a page to answer with; none: the remote to serve

/// The isolate's thread.
fn run(work: &Receiver<Work>, wake: Sender<Work>, ready: &Sender<SamplerRemote>) -> Result<()> {
    let isolate = &mut v8::Isolate::new(Default::default());
    let remote = SamplerRemote::of(isolate);
    remote.set_waker(move || drop(wake.send(None)));
    let _session = SamplingSession::start(isolate, SamplerOptions::allocation_windows())?;
    v8::scope!(let scope, isolate);
    let context = v8::Context::new(scope, Default::default());
    let scope = &mut v8::ContextScope::new(scope, context);
    let [at, source] = ["server.js", SCRIPT].map(|text| v8::String::new(scope, text).unwrap());
    let at =
        v8::ScriptOrigin::new(scope, at.into(), 0, 0, false, 0, None, false, false, false, None);
    let script = v8::Script::compile(scope, source, Some(&at)).unwrap();
    let handle = v8::Local::<v8::Function>::try_from(script.run(scope).unwrap())?;
    ready.send(remote.clone())?;
    for work in work {
        remote.poll(scope)?;
        if let Some((path, page)) = work {
            v8::scope!(let scope, scope);
            let path = v8::String::new(scope, &path).unwrap().into();
            let text = handle.call(scope, handle.into(), &[path]).ok_or("it has thrown")?;
            let _ = page.send(text.to_rust_string_lossy(scope)); // the client may be gone
        }
    }
    Ok(())
}

/// A client's thread.
fn answer(mut stream: TcpStream, work: &Sender<Work>, remote: &SamplerRemote) -> Result<()> {
    let head = BufReader::new(&stream).lines().next().unwrap_or(Ok(String::new()))?;
    let mut body = Vec::new();
    match head.split(' ').nth(1).unwrap_or("/") {
        "/debug/pprof/allocs" => {
            // V8 keeps samples of the dead till then: take one by time, too, if few will ask.
            let window = remote.take_window(Duration::from_secs(10)).wait()?;
            window.write_pprof(&mut body, WriteOptions::new())?;
        }
        path => {
            let (page, text) = channel();
            work.send(Some((path.to_owned(), page)))?;
            body.extend(text.recv()?.into_bytes());
        }
    }
    write!(stream, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n", body.len())?;
    Ok(stream.write_all(&body)?)
}

fn main() -> Result<()> {
    v8::V8::initialize_platform(v8::new_default_platform(0, false).make_shared());
    v8::V8::initialize();
    let ((work, receive), (ready, when_ready)) = (channel(), channel());
    let wake = work.clone();
    spawn(move || run(&receive, wake, &ready).expect("the isolate goes on"));
    let remote = when_ready.recv()?;
    let listener = TcpListener::bind(std::env::args().nth(1).ok_or("which address?")?)?;
    eprintln!("http://{}/debug/pprof/allocs", listener.local_addr()?);
    for stream in listener.incoming() {
        let (stream, work, remote) = (stream?, work.clone(), remote.clone());
        spawn(move || answer(stream, &work, &remote).map_err(|e| eprintln!("{e}")));
    }
    Ok(())
}
