//! So many of a group, as configurations spell it: a number or a share.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{borrow::Cow, fmt};

/// So many of a group: a number, `2`, or a share of it, `"50%"`. Neither is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// A number, at least 1.
    Count(u32),
    /// Percent, 1 to 100.
    Share(u32),
}

impl Amount {
    /// Whether `part` of a group of `all` are so many. No part of an empty group is.
    pub fn is_reached(self, part: usize, all: usize) -> bool {
        part > 0
            && match self {
                Self::Count(count) => part >= count as usize,
                Self::Share(percent) => part * 100 >= all * percent as usize,
            }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Amount;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a number of at least 1, or a share from `\"1%\"` to `\"100%\"`")
            }

            fn visit_u64<E: de::Error>(self, count: u64) -> Result<Amount, E> {
                let legal = u32::try_from(count).ok().filter(|&count| count > 0);
                legal.map(Amount::Count).ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(count), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Amount, E> {
                let percent = text.strip_suffix('%').and_then(|number| number.parse().ok());
                let legal = percent.filter(|percent| (1..=100).contains(percent));
                legal.map(Amount::Share).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

/// As it is written; for the defaults in a schema.
impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(count) => serializer.serialize_u32(*count),
            Self::Share(percent) => serializer.collect_str(&format_args!("{percent}%")),
        }
    }
}

impl JsonSchema for Amount {
    fn schema_name() -> Cow<'static, str> {
        "Amount".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 1, "maximum": u32::MAX },
            { "type": "string", "format": "sluice-share", "pattern": "^([1-9][0-9]?|100)%$" },
        ] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{Value, json};

    fn read(value: Value) -> Option<Amount> {
        serde_json::from_value(value).ok()
    }

    #[test]
    fn a_number_or_a_share() {
        assert_eq!(read(json!(2)), Some(Amount::Count(2)));
        assert_eq!(read(json!("50%")), Some(Amount::Share(50)));
        for wrong in [json!(0), json!(-1), json!(0.5), json!("0%"), json!("101%"), json!("50"), json!("%"), json!(true)]
        {
            assert_eq!(read(wrong.clone()), None, "{wrong}");
        }
    }

    #[test]
    fn a_share_is_never_rounded_down_and_nothing_is_never_enough() {
        let half = Amount::Share(50);
        assert_eq!([1, 2, 3].map(|part| half.is_reached(part, 5)), [false, false, true]);
        assert!(half.is_reached(2, 4));
        assert_eq!([1, 2].map(|part| Amount::Count(2).is_reached(part, 2)), [false, true]);
        assert!(!Amount::Share(1).is_reached(0, 0));
    }
}
