//! Bodies, and what comes behind them.

use super::*;
use crate::message::target::TargetError;

#[test]
fn chunks() {
    let good: [&[u8]; 12] = [
        b"0\r\n\r\n",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"00005\r\nhello\r\n000\r\n\r\n",
        b"a\r\n\r\n\r\n0\r\n\r\n\0\r\n0\r\n\r\n",
        b"0\r\na: b\r\nc:\r\n\r\n",
        b"0\r\ncontent-length: x\r\ntransfer-encoding: y\r\n\r\n",
        b"1;a\r\nx\r\n0;b=c\r\n\r\n",
        b"1;a=b;c;d=\"e;\\\"f\xff\t\"\r\nx\r\n0\r\n\r\n",
        b"1 ; a = b ; c\r\nx\r\n0\r\n\r\n",
        b"1;a=\"\"\r\nx\r\n0\r\n\r\n",
        b"1\t;a\r\nx\r\n0\r\n\r\n",
        b"1;a=\"b\" ;c\r\nx\r\n0\r\n\r\n",
    ];
    let next = b"GET / HTTP/1.1\r\n\r\n";
    let head = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
    for body in good {
        let message = [&head[..], body, next].concat();
        assert_eq!(verdict(&message), Whole(2), "{:?}", body.escape_ascii().to_string());
        assert_eq!(scan([&*message]).1, message);
    }
    let bad: [&[u8]; 40] = [
        b"10000000000000000\r\n",
        b"FFFFFFFFFFFFFFFF0\r\n",
        b"00000000000000005\r\n",
        b"0x5\r\nhello\r\n",
        b"1_0\r\n",
        b"+5\r\n",
        b"-5\r\n",
        b" 5\r\n",
        b"5 \r\n",
        b"5\t\r\n",
        b"\r\n",
        b"g\r\n",
        b"5,\r\n",
        b"5\nhello\r\n",
        b"5\rhello\r\n",
        b"5\r\r\nhello",
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello!\r\n0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhello\r0\r\n\r\n",
        b"5;\r\n",
        b"5;;a\r\n",
        b"5; \r\n",
        b"5;a=\r\n",
        b"5;=b\r\n",
        b"5;a b\r\n",
        b"5;a \r\n",
        b"5;a\0\r\n",
        b"5;a\nhello",
        b"5;a\rb\r\n",
        b"5;a=\"b\r\n",
        b"5;a=\"\\\r\n\"",
        b"5;a=\"b\"c\r\n",
        b"5;a=b\"\r\n",
        b"5;a(\r\n",
        b"5;a\xff\r\n",
        b"0\r\n a: b\r\n\r\n",
        b"0\r\na : b\r\n\r\n",
        b"0\r\n\n",
        b"0\r\na: \0\r\n\r\n",
    ];
    for body in bad {
        let message = [&head[..], body, next].concat();
        let (found, passed) = scan([&*message]);
        assert!(matches!(found, Body(Refusal::Syntax(_))), "{:?}: {found:?}", body.escape_ascii().to_string());
        assert_eq!(verdict(&message), found);
        assert_eq!(passed, head, "no byte of such a body is passed on");
    }
}

#[test]
fn bodies_are_passed_over_and_what_is_behind_them_is_not() {
    let bytes = b"POST / HTTP/1.1\r\ncontent-length: 4\r\n\r\n\0\n\r\xffGET / HTTP/1.1\r\nhost: a\r\n\r\nGET /\0";
    let first = bytes.len() - b"GET /\0".len();
    for size in 1..bytes.len() {
        let (found, passed) = scan(bytes.chunks(size));
        assert_eq!(found, Head(Refusal::Target(TargetError::Byte)));
        assert!(passed.len() >= first && bytes.starts_with(&passed), "in pieces of {size}");
        assert!(passed.len() < bytes.len());
    }
    assert_eq!(scan([&bytes[..]]).1, &bytes[..first], "nothing of a refused head, if it comes in one piece");
}
