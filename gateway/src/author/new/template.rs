//! Texts with holes: `{{word}}` is replaced, and lines between `@if flag` and `@end` stand only where one of its flags (`a|b`) is set.

/// Which parts are wanted.
pub(super) type Flags<'a> = &'a [(&'static str, bool)];

/// The text with its holes filled.
pub(super) fn filled(template: &str, flags: Flags<'_>, words: &[(&str, String)]) -> String {
    let is_set = |names: &str| {
        let mut names = names.split('|');
        names.any(|name| flags.iter().any(|(flag, set)| *flag == name && *set))
    };
    let mut text = String::with_capacity(template.len());
    // Of each `@if` that is open, whether what is in it stands.
    let mut open: Vec<bool> = Vec::new();
    for line in template.lines() {
        if let Some(names) = line.strip_prefix("@if ") {
            open.push(is_set(names));
        } else if line == "@end" {
            open.pop();
        } else if open.iter().all(|stands| *stands) {
            text.push_str(line);
            text.push('\n');
        }
    }
    for (word, value) in words {
        text = text.replace(&format!("{{{{{word}}}}}"), value);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_where_they_are_wanted() {
        let template = "a {{x}}\n@if one\nb\n@if two|three\nc\n@end\n@end\nd\n";
        let with = |one, three| {
            let flags: Flags<'_> = &[("one", one), ("two", false), ("three", three)];
            filled(template, flags, &[("x", "y".to_owned())])
        };
        assert_eq!(with(false, true), "a y\nd\n");
        assert_eq!(with(true, false), "a y\nb\nd\n");
        assert_eq!(with(true, true), "a y\nb\nc\nd\n");
    }
}
