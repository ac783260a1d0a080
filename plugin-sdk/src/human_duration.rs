//! Durations as configurations spell them, with their unit.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::{borrow::Cow, time::Duration};

/// A duration in a configuration: a whole number and its unit (`ms`, `s`, `m`, `h`, `d`), such as `"250ms"` or `"1h"`. A bare
/// number is a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HumanDuration(pub Duration);

impl HumanDuration {
    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = text.split_at(text.find(|character: char| !character.is_ascii_digit())?);
        let unit_ms = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        Some(Self(Duration::from_millis(number.parse::<u64>().ok()?.checked_mul(unit_ms)?)))
    }
}

impl<'de> Deserialize<'de> for HumanDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            Error::custom(format!("`{text}` is no duration: expected a whole number and a unit, such as `30s` or `1h`"))
        })
    }
}

/// As it is written, in the largest unit that needs no fraction; for the defaults in a schema.
impl Serialize for HumanDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ms = self.0.as_millis();
        let units = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
        let (unit, unit_ms) = units.into_iter().find(|(_, unit_ms)| ms.is_multiple_of(*unit_ms)).unwrap_or(("ms", 1));
        serializer.collect_str(&format_args!("{}{unit}", ms / unit_ms))
    }
}

impl JsonSchema for HumanDuration {
    fn schema_name() -> Cow<'static, str> {
        "HumanDuration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "sluice-duration", "pattern": "^[0-9]+(ms|s|m|h|d)$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_whole_number_and_a_unit() {
        for (text, ms) in
            [("0s", 0), ("250ms", 250), ("30s", 30_000), ("5m", 300_000), ("1h", 3_600_000), ("2d", 172_800_000)]
        {
            let duration = HumanDuration(Duration::from_millis(ms));
            assert_eq!(HumanDuration::parse(text), Some(duration), "{text}");
            let written = serde_json::to_string(&duration).unwrap();
            assert_eq!(written, if ms == 0 { "\"0d\"".into() } else { format!("{text:?}") });
        }
        for text in ["", "1", "s", "1.5s", "-1s", "1 s", "1h30m", "99999999999999999999d"] {
            assert_eq!(HumanDuration::parse(text), None, "{text}");
        }
    }
}
