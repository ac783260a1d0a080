//! Request lines, fields, and what they say of a body.

use super::*;
use crate::message::target::TargetError;

#[test]
fn request_lines() {
    const FRAGMENT: Verdict = Head(Refusal::Target(TargetError::Fragment));
    const BYTE: Verdict = Head(Refusal::Target(TargetError::Byte));
    const FORM: Verdict = Head(Refusal::TargetForm);
    const HOST: Verdict = Head(Refusal::HostMalformed);
    const VERSION: Verdict = Head(Refusal::Version);
    let cases: &[(&[u8], Verdict)] = &[
        (b"GET / HTTP/1.1", Whole(1)),
        (b"get / HTTP/1.0", Whole(1)),
        (b"M-SEARCH!#$%&'*+.^_`|~ / HTTP/1.1", Whole(1)),
        (b"GET /a/../b;x=1%20?q=/?&a[]=\\^|` HTTP/1.1", Whole(1)),
        (b"GET /\xc3\xa9?\xf0\x9f\x98\x80 HTTP/1.1", Whole(1)),
        (b"GET http://a HTTP/1.1", Whole(1)),
        (b"GET HTTPS://a.b-c_d:80/x?y HTTP/1.1", Whole(1)),
        (b"GET http://[2001:db8::1]:8080?x HTTP/1.1", Whole(1)),
        (b"OPTIONS * HTTP/1.1", Whole(1)),
        (b"\r\nGET / HTTP/1.1", Whole(1)),
        (b"GET / HTTP/1.2", Whole(1)),
        (b"GET / HTTP/1.9", Whole(1)),
        (b"GET / HTTP/2.0", VERSION),
        (b"PRI * HTTP/2.0", VERSION),
        (b"GET / HTTP/3", VERSION),
        (b"GET / HTTP/0.9", VERSION),
        (b"CONNECT a:443 HTTP/1.1", Head(Refusal::Connect)),
        (b"GET /#a HTTP/1.1", FRAGMENT),
        (b"GET /?#a HTTP/1.1", FRAGMENT),
        (b"GET /\0 HTTP/1.1", BYTE),
        (b"GET /\x7f HTTP/1.1", BYTE),
        (b"GET /a\tb HTTP/1.1", BYTE),
        (b"GET /<a> HTTP/1.1", BYTE),
        (b"GET /?a=\" HTTP/1.1", BYTE),
        (b"GET /\xff HTTP/1.1", BYTE),
        (b"GET /\xc3 HTTP/1.1", BYTE),
        (b"GET /\xc3a HTTP/1.1", BYTE),
        (b"GET /\xed\xa0\x80 HTTP/1.1", BYTE),
        (b"GET /\xc0\xaf HTTP/1.1", BYTE),
        (b"GET a:80 HTTP/1.1", FORM),
        (b"GET a HTTP/1.1", FORM),
        (b"GET  / HTTP/1.1", FORM),
        (b"GET *a HTTP/1.1", FORM),
        (b"GET ftp://a/ HTTP/1.1", FORM),
        (b"GET http:/a HTTP/1.1", FORM),
        (b"GET httpss://a HTTP/1.1", FORM),
        (b"GET hello HTTP/1.1", FORM),
        (b"GET http:/// HTTP/1.1", HOST),
        (b"GET http://u@a/ HTTP/1.1", HOST),
        (b"GET http://:80/ HTTP/1.1", HOST),
        (b"GET http://a:8a/ HTTP/1.1", HOST),
        (b"GET http://a:1:2/ HTTP/1.1", HOST),
        (b"GET http://a,b/ HTTP/1.1", HOST),
        (b"GET http://a%62/ HTTP/1.1", HOST),
        (b"GET http://[::1/ HTTP/1.1", HOST),
        (b"GET http://[:::::::::]/ HTTP/1.1", HOST),
        (b"GET http://[::1]x/ HTTP/1.1", HOST),
        (b"GET http://a[::1]/ HTTP/1.1", HOST),
    ];
    for (line, expected) in cases {
        let message = [line, &b"\r\nhost: a\r\n\r\n"[..]].concat();
        assert_eq!(verdict(&message), *expected, "{:?}", line.escape_ascii().to_string());
    }
    let bad: [&[u8]; 20] = [
        b"GET / HTTP/1.1 \r\n",
        b"GET / http/1.1\r\n",
        b"GET / HTTP/1.10\r\n",
        b"GET / HTTP/1.\r\n",
        b"GET / HTTP/11\r\n",
        b"GET / HTTP/1,1\r\n",
        b"GET / HTTP/A.1\r\n",
        b"GET /  HTTP/1.1\r\n",
        b"GET / \r\n",
        b"GET /\r\n",
        b"GET /\n",
        b"GET\r\n",
        b"GET\t/ HTTP/1.1\r\n",
        b"G(T / HTTP/1.1\r\n",
        b"\xc3\xa9 / HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\x00",
        b" GET / HTTP/1.1\r\n",
        b"\nGET / HTTP/1.1\r\n",
        b"\r\n\r\nGET / HTTP/1.1\r\n",
        b"\rGET / HTTP/1.1\r\n",
    ];
    for line in bad {
        assert!(syntax(verdict(line)), "{:?}", line.escape_ascii().to_string());
    }
}

#[test]
fn unknown_minor_versions_are_passed_on_as_1() {
    for pieces in [1, 7, 64] {
        let (_, passed) = scan(b"GET / HTTP/1.7\r\nhost: a\r\n\r\n".chunks(pieces));
        assert_eq!(passed, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    }
}

#[test]
fn fields() {
    let good: [&[u8]; 9] = [
        b"",
        b"a: b\r\n",
        b"a:\r\n",
        b"a: \t b \t c \t\r\n",
        b"a:b:c\r\n",
        b"!#$%&'*+-.^_`|~09azAZ: b\r\n",
        b"a: \x80\xff\xe9 \"<>{}\\\r\n",
        b"transfer-encodings: x\r\ncontent-lengt: y\r\n",
        b"a-name-that-is-longer-than-any-that-is-looked-for: x\r\n",
    ];
    for lines in good {
        let message = [b"GET / HTTP/1.1\r\n", lines, b"\r\n"].concat();
        assert_eq!(verdict(&message), Whole(1), "{:?}", lines.escape_ascii().to_string());
    }
    let bad: [&[u8]; 22] = [
        b" a: b\r\n",
        b"a: b\r\n c\r\n",
        b"a: b\r\n\tc: d\r\n",
        b"a : b\r\n",
        b"a\t: b\r\n",
        b"a b: c\r\n",
        b": b\r\n",
        b"a\r\n",
        b"a[b: c\r\n",
        b"\xc3\xa9: b\r\n",
        b"a\0: b\r\n",
        b"a: \0\r\n",
        b"a: b\x0bc\r\n",
        b"a: b\x7f\r\n",
        b"a: b\x1b[0m and some more\r\n",
        b"a: b\rc: d\r\n",
        b"a: b\r\r\n",
        b"a: b\n",
        b"a: b\nc: d\r\n",
        b"\n",
        b"\rx",
        b"a(: b\r\n",
    ];
    for lines in bad {
        let message = [b"GET / HTTP/1.1\r\nhost: a\r\n", lines, b"\r\n"].concat();
        assert!(syntax(verdict(&message)), "{:?}", lines.escape_ascii().to_string());
    }
}

#[test]
fn lengths_and_codings() {
    const LENGTH: Verdict = Head(Refusal::ContentLength);
    const CODING: Verdict = Head(Refusal::Coding);
    let cases: &[(&[u8], Verdict)] = &[
        (b"content-length: 0\r\n", Whole(1)),
        (b"Content-Length:\t 5 \t\r\n", Part(1)),
        (b"content-length: 0000000000000000005\r\n", Part(1)),
        (b"content-length: 9999999999999999999\r\n", Part(1)),
        (b"content-length: 18446744073709551616\r\n", LENGTH),
        (b"content-length: 000000000000000000005\r\n", LENGTH),
        (b"content-length: 5\r\ncontent-length: 5\r\n", LENGTH),
        (b"content-length: 5\r\nCONTENT-LENGTH: 6\r\n", LENGTH),
        (b"content-length: 5, 5\r\n", LENGTH),
        (b"content-length: +5\r\n", LENGTH),
        (b"content-length: -1\r\n", LENGTH),
        (b"content-length: 0x5\r\n", LENGTH),
        (b"content-length: 5 6\r\n", LENGTH),
        (b"content-length: 5\x0b\r\n", LENGTH),
        (b"content-length: 5.0\r\n", LENGTH),
        (b"content-length: \r\n", LENGTH),
        (b"content-length:\r\n", LENGTH),
        (b"content-length: 5\n", LENGTH),
        (b"transfer-encoding: chunked\r\n", Part(1)),
        (b"Transfer-Encoding: \tChUnKeD \t\r\n", Part(1)),
        (b"transfer-encoding: xchunked\r\n", CODING),
        (b"transfer-encoding: chunkedx\r\n", CODING),
        (b"transfer-encoding: chunke\r\n", CODING),
        (b"transfer-encoding: gzip, chunked\r\n", CODING),
        (b"transfer-encoding: identity\r\n", CODING),
    ];
    for (lines, expected) in cases {
        let message = [b"POST / HTTP/1.1\r\nhost: a\r\n", *lines, b"\r\n"].concat();
        assert_eq!(verdict(&message), *expected, "{:?}", lines.escape_ascii().to_string());
    }
    let bad: [&[u8]; 15] = [
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n",
        b"transfer-encoding: chunked\r\ncontent-length: 5\r\n",
        b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        b"transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        b"transfer-encoding: chunked, identity\r\n",
        b"transfer-encoding: chunked, chunked\r\n",
        b"transfer-encoding: chunked;q=1\r\n",
        b"transfer-encoding: chunked chunked\r\n",
        b"transfer-encoding: , chunked\r\n",
        b"transfer-encoding: \"chunked\"\r\n",
        b"transfer-encoding: \x0bchunked\r\n",
        b"transfer-encoding: \x0cchunked\r\n",
        b"transfer-encoding: \0chunked\r\n",
        b"transfer-encoding:\r\n",
        b"transfer-encoding: chunked\n",
    ];
    for lines in bad {
        let message = [b"POST / HTTP/1.1\r\nhost: a\r\n", lines, b"\r\n"].concat();
        assert!(syntax(verdict(&message)), "{:?}", lines.escape_ascii().to_string());
    }
    assert!(syntax(verdict(b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n")));
    assert_eq!(verdict(b"POST / HTTP/1.0\r\ncontent-length: 2\r\n\r\nxx"), Whole(1));
}
