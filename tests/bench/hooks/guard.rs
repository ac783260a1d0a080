//! What it costs to look at the bytes of a request before hyper does.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use sluice_gateway::config::model::Limits;
use sluice_gateway::server::guard::http1::Scanner;

/// As a browser asks.
const BROWSER: &str = "GET /articles/2026/how-a-gateway-works?page=2&sort=date HTTP/1.1\r\nHost: www.example.com\r\n\
    Connection: keep-alive\r\nCache-Control: max-age=0\r\nUpgrade-Insecure-Requests: 1\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
    Referer: https://www.example.com/articles\r\nAccept-Encoding: gzip, deflate, br\r\n\
    Accept-Language: en-GB,en;q=0.9\r\nCookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\r\n";
/// As a program asks.
const PROGRAM: &str =
    "GET /api/v1/items/17 HTTP/1.1\r\nhost: api.example.com\r\naccept: application/json\r\nuser-agent: x/1\r\n\r\n";
/// As a form is sent.
const FORM: &str = "POST /form HTTP/1.1\r\nhost: api.example.com\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{\"a\":\"b\"}\r\n";
/// In chunks.
const CHUNKED: &str = "POST /form HTTP/1.1\r\nhost: api.example.com\r\ntransfer-encoding: chunked\r\n\r\nb\r\n{\"a\":\"b\"}\r\n\r\n0\r\n\r\n";

pub fn measure(criterion: &mut Criterion) {
    let limits = Limits::BY_DEFAULT;
    let mut group = criterion.benchmark_group("guard");
    for (name, request) in [("browser", BROWSER), ("program", PROGRAM), ("form", FORM), ("chunked", CHUNKED)] {
        let mut bytes = request.as_bytes().to_vec();
        let mut scanner = Scanner::new(&limits);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(BenchmarkId::new(name, bytes.len()), |bencher| {
            bencher.iter(|| {
                let seen = scanner.scan(black_box(&mut bytes));
                assert_eq!((seen.heads, scanner.is_in_head()), (1, false));
            });
        });
    }
    group.finish();
}
