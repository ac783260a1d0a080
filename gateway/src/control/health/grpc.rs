//! The health service of gRPC, `grpc.health.v1.Health/Check`: the one message that is sent, and the one that comes back, written
//! and read by hand, since there is no more to it than a text and a number.

use bytes::{BufMut, Bytes, BytesMut};

use crate::endpoint::protobuf::{Value, fields};

/// The method.
pub(super) const PATH: &str = "/grpc.health.v1.Health/Check";

/// `HealthCheckRequest { string service = 1; }`, framed.
pub(super) fn request(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        // Field 1, with a length before it.
        message.put_u8(1 << 3 | 2);
        put_varint(&mut message, service.len() as u64);
        message.put_slice(service.as_bytes());
    }
    let mut framed = BytesMut::with_capacity(5 + message.len());
    framed.put_u8(0);
    framed.put_u32(message.len() as u32);
    framed.put(message);
    framed.freeze()
}

/// Whether an answer, framed, says that the service serves; `status` is that of the call.
pub(super) fn verdict(status: Option<&str>, answer: &[u8]) -> Result<(), String> {
    match status {
        Some("0") => {}
        Some(status) => return Err(format!("grpc-status {status}")),
        None => return Err("no grpc-status".to_owned()),
    }
    let nonsense = || "the answer makes no sense".to_owned();
    let message = match answer {
        // The length stands there too, but nothing else follows.
        [0, _, _, _, _, message @ ..] => message,
        _ => return Err(nonsense()),
    };
    match serving_status(message) {
        Some(1) => Ok(()),
        Some(0) => Err("it says UNKNOWN".to_owned()),
        Some(2) => Err("it says NOT_SERVING".to_owned()),
        Some(3) => Err("it says SERVICE_UNKNOWN".to_owned()),
        _ => Err(nonsense()),
    }
}

/// `HealthCheckResponse { ServingStatus status = 1; }`: 0 if it is not said. Fields that are not known are passed over.
fn serving_status(message: &[u8]) -> Option<u64> {
    let mut status = 0;
    for field in fields(message) {
        if let (1, Value::Number(said)) = field? {
            status = said;
        }
    }
    Some(status)
}

fn put_varint(into: &mut BytesMut, mut value: u64) {
    while value >= 0x80 {
        into.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    into.put_u8(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_written() {
        assert_eq!(request("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(request("a.B")[..], *b"\0\0\0\0\x05\x0a\x03a.B");
        let long = "x".repeat(300);
        assert_eq!(request(&long)[..8], [0, 0, 0, 1, 47, 0x0a, 0xac, 0x02]);
        assert_eq!(request(&long).len(), 5 + 303);
    }

    #[test]
    fn the_answer_is_read() {
        let framed = |message: &[u8]| [&[0, 0, 0, 0, message.len() as u8], message].concat();
        let cases: [(&[u8], &str); 9] = [
            (b"\x08\x01", ""),
            (b"", "it says UNKNOWN"),
            (b"\x08\x02", "it says NOT_SERVING"),
            (b"\x08\x03", "it says SERVICE_UNKNOWN"),
            (b"\x08\x09", "the answer makes no sense"),
            // Fields of later versions, of each kind.
            (b"\x12\x02hi\x18\x96\x01\x21abcdefgh\x2dabcd\x08\x01", ""),
            (b"\x08", "the answer makes no sense"),
            (b"\x12\x09hi", "the answer makes no sense"),
            (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "the answer makes no sense"),
        ];
        for (message, reason) in cases {
            let expected = if reason.is_empty() { Ok(()) } else { Err(reason.to_owned()) };
            assert_eq!(verdict(Some("0"), &framed(message)), expected, "{message:?}");
        }
        assert_eq!(verdict(Some("12"), &framed(b"\x08\x01")), Err("grpc-status 12".to_owned()));
        assert_eq!(verdict(None, &framed(b"\x08\x01")), Err("no grpc-status".to_owned()));
        assert_eq!(verdict(Some("0"), b""), Err("the answer makes no sense".to_owned()));
        assert_eq!(
            verdict(Some("0"), b"\x01\0\0\0\x02\x08\x01"),
            Err("the answer makes no sense".to_owned()),
            "compressed"
        );
    }
}
