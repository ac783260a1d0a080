//! Messages of Protocol Buffers, as far as they are read here: field by field, without a schema, and nothing beyond the end.

/// One field of a message: its number, and what it has.
pub type Field<'m> = (u64, Value<'m>);

/// What a field has, by how it is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'m> {
    /// Whole numbers, truth values, members of enumerations.
    Number(u64),
    /// Eight bytes: a `double`, or a number of that length.
    Eight([u8; 8]),
    /// With a length before it: texts, bytes, other messages.
    Bytes(&'m [u8]),
    /// Four bytes.
    Four([u8; 4]),
}

/// The fields of a message, in order; none, and then no more, where it is not well-formed.
pub fn fields(mut message: &[u8]) -> impl Iterator<Item = Option<Field<'_>>> {
    std::iter::from_fn(move || {
        if message.is_empty() {
            return None;
        }
        let field = field(&mut message);
        if field.is_none() {
            message = &[];
        }
        Some(field)
    })
}

fn field<'m>(from: &mut &'m [u8]) -> Option<Field<'m>> {
    let tag = number(from)?;
    let value = match tag & 7 {
        0 => Value::Number(number(from)?),
        1 => Value::Eight(*take(from, 8)?.first_chunk()?),
        2 => {
            let length = usize::try_from(number(from)?).ok()?;
            Value::Bytes(take(from, length)?)
        }
        5 => Value::Four(*take(from, 4)?.first_chunk()?),
        _ => return None,
    };
    Some((tag >> 3, value))
}

fn take<'m>(from: &mut &'m [u8], length: usize) -> Option<&'m [u8]> {
    let (taken, rest) = from.split_at_checked(length)?;
    *from = rest;
    Some(taken)
}

/// Seven bits a byte, the lowest first.
fn number(from: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for place in 0..10 {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        value |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
