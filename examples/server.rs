//! A server whose isolate is always sampled: `cargo run --example server --features formats`. With an
//! address as argument, `go tool pprof http://ADDRESS/debug/pprof/allocs` gets what it has allocated
//! since it was last asked. Without, it serves itself some requests and shows what they took.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use v8_heap_sampler::format::{self, WriteOptions};
use v8_heap_sampler::{HeapSampler, SampleType, SamplerOptions};

const SCRIPT: &str = "
    function row(id) { return { id, cells: [id, 'row ' + id] }; }
    (function handle(path) { return path + Array.from({ length: 5000 }, (_, id) => row(id)); })";

/// Serves requests, by an isolate on the thread that calls it.
fn serve(listener: &TcpListener) -> Result<(), Box<dyn Error>> {
    v8::V8::initialize_platform(v8::new_default_platform(0, false).make_shared());
    v8::V8::initialize();
    let isolate = &mut v8::Isolate::new(Default::default());
    let (context, handle) = {
        v8::scope!(let scope, isolate);
        let context = v8::Context::new(scope, Default::default());
        let scope = &mut v8::ContextScope::new(scope, context);
        let [at, source] = ["server.js", SCRIPT].map(|text| v8::String::new(scope, text).unwrap());
        let at = at.into();
        let at = v8::ScriptOrigin::new(scope, at, 0, 0, false, 0, None, false, false, false, None);
        let script = v8::Script::compile(scope, source, Some(&at)).unwrap();
        let handle = v8::Local::<v8::Function>::try_from(script.run(scope).unwrap())?;
        (v8::Global::new(scope, context), v8::Global::new(scope, handle))
    };
    let mut sampler = HeapSampler::with_options(isolate, SamplerOptions::allocation_windows())?;
    for stream in listener.incoming() {
        let stream = stream?;
        let lines = BufReader::new(&stream).lines().map_while(Result::ok);
        let head: Vec<_> = lines.take_while(|line| !line.is_empty()).collect();
        let path = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or("/");
        let mut body = Vec::new();
        if path == "/debug/pprof/allocs" {
            // V8 keeps samples of the dead till then: take one by time, too, if few will ask.
            sampler.take_window()?.write_pprof(&mut body, WriteOptions::new())?;
        } else {
            v8::scope!(let scope, &mut *sampler);
            let context = v8::Local::new(scope, &context);
            let scope = &mut v8::ContextScope::new(scope, context);
            let path = v8::String::new(scope, path).unwrap().into();
            let (handle, this) = (v8::Local::new(scope, &handle), v8::undefined(scope).into());
            let page = handle.call(scope, this, &[path]).unwrap_or(this);
            body.extend(page.to_rust_string_lossy(scope).into_bytes());
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        let _ = (&stream).write_all(&[head.as_bytes(), &body].concat()); // the client may be gone
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:0"))?;
    let local = listener.local_addr()?;
    eprintln!("http://{local}/debug/pprof/allocs");
    let server = std::thread::spawn(move || serve(&listener).expect("the server goes on"));
    if address.is_some() {
        return server.join().map_err(|_| "the server has ended".into());
    }
    let get = |path: &str| -> Result<Vec<u8>, Box<dyn Error>> {
        let mut stream = TcpStream::connect(local)?;
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n")?;
        let mut page = Vec::new();
        stream.read_to_end(&mut page)?;
        let head = page.windows(4).position(|bytes| bytes == b"\r\n\r\n").ok_or("no HTTP")?;
        Ok(page.split_off(head + 4))
    };
    (0..100).try_for_each(|_| get("/").map(drop))?;
    let profile = format::read(&get("/debug/pprof/allocs")?[..])?;
    println!("{}", profile.top(SampleType::AllocSpace)?);
    Ok(())
}
