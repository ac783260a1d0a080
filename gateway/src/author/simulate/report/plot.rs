//! A line plot as inline SVG, small enough to be owned: two axes with round numbers, lines in the colours of the page's style, marks for
//! what happened on the way. It knows nothing of what it shows.

use std::fmt::Write;

/// Size of the picture in its own units, and what of it the axes take.
const SIZE: (f64, f64) = (640.0, 300.0);
const LEFT: f64 = 76.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 50.0;
/// Colours of the style; more lines than these repeat them, dashed.
pub(super) const COLOURS: usize = 8;

/// What is plotted.
#[derive(Debug, Default)]
pub(super) struct Plot<'a> {
    pub(super) x: &'a str,
    pub(super) y: &'a str,
    pub(super) lines: Vec<Line>,
    /// Where something happened, and what.
    pub(super) marks: Vec<(f64, String)>,
    /// What comes before does not count.
    pub(super) shaded_until: f64,
    /// Names in place of numbers below the x axis, at 0, 1, 2 and so on.
    pub(super) names: &'a [&'a str],
    /// Each step up is a factor: for what differs by orders of magnitude.
    pub(super) is_logarithmic: bool,
}

/// One line; where there is no value it has a gap.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, Option<f64>)>,
}

/// From values to places in the picture.
struct Scale {
    from: f64,
    to: f64,
    is_logarithmic: bool,
}

impl Scale {
    fn part(&self, value: f64) -> f64 {
        let of = |value: f64| if self.is_logarithmic { value.max(f64::MIN_POSITIVE).ln() } else { value };
        let width = of(self.to) - of(self.from);
        if width > 0.0 { ((of(value) - of(self.from)) / width).clamp(0.0, 1.0) } else { 0.5 }
    }

    fn ticks(&self) -> Vec<f64> {
        if self.is_logarithmic {
            let decades = (self.from.log10().floor() as i32)..=(self.to.log10().ceil() as i32);
            let steps: &[f64] = match self.to / self.from {
                ..4.0 => &[1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0],
                4.0..2e3 => &[1.0, 2.0, 5.0],
                _ => &[1.0],
            };
            let all = decades.flat_map(|decade| steps.iter().map(move |step| step * 10_f64.powi(decade)));
            return all.filter(|tick| (self.from..=self.to).contains(tick)).collect();
        }
        let step = round_up((self.to - self.from).max(f64::MIN_POSITIVE) / 6.0);
        let first = (self.from / step).ceil() as i64;
        (first..)
            .map(|number| number as f64 * step)
            .take_while(|tick| *tick <= self.to * (1.0 + 1e-9))
            .take(12)
            .collect()
    }
}

/// The next of 1, 2, 5, 10, 20 and so on.
fn round_up(number: f64) -> f64 {
    let decade = 10_f64.powf(number.log10().floor());
    [1.0, 2.0, 5.0].map(|step| step * decade).into_iter().find(|step| *step >= number * 0.999).unwrap_or(10.0 * decade)
}

/// As short as its size allows.
pub(super) fn number(value: f64) -> String {
    let decimals = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// Text in HTML and SVG.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The class of the line of that number.
pub(super) fn class(line: usize) -> String {
    let dashed = if line / COLOURS % 2 == 1 { " dashed" } else { "" };
    format!("c{}{dashed}", line % COLOURS)
}

impl Plot<'_> {
    /// The picture; `said` is what it shows, for those who do not see it.
    pub(super) fn svg(&self, said: &str) -> String {
        let (x, y) = self.scales();
        let across = |value: f64| LEFT + x.part(value) * (SIZE.0 - LEFT - RIGHT);
        let down = |value: f64| SIZE.1 - BOTTOM - y.part(value) * (SIZE.1 - TOP - BOTTOM);
        let mut svg = format!(r#"<svg viewBox="0 0 {} {}" role="img" aria-label="{}">"#, SIZE.0, SIZE.1, escaped(said));
        // Writing to a text cannot fail.
        let _ = self.axes(&mut svg, &x, &y, &across, &down);
        for (mark, what) in &self.marks {
            let at = across(*mark);
            let what = escaped(what);
            let _ = write!(
                svg,
                r#"<line class="mark" x1="{at:.1}" x2="{at:.1}" y1="{TOP}" y2="{}"><title>{what}</title></line>"#,
                SIZE.1 - BOTTOM
            );
        }
        for (index, line) in self.lines.iter().enumerate() {
            let _ = draw(&mut svg, line, &class(index), &across, &down);
        }
        svg.push_str("</svg>");
        svg
    }

    /// Both hold all points; what is not logarithmic begins at 0.
    fn scales(&self) -> (Scale, Scale) {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let bounds = |values: &mut dyn Iterator<Item = f64>| {
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(value), most.max(value)))
        };
        let (left, right) = bounds(&mut points().map(|(x, _)| *x));
        let (low, high) = bounds(&mut points().filter_map(|(_, y)| *y).filter(|y| !self.is_logarithmic || *y > 0.0));
        let or = |value: f64, other: f64| if value.is_finite() { value } else { other };
        let x = Scale { from: or(left, 0.0), to: or(right, 1.0), is_logarithmic: false };
        let y = match self.is_logarithmic {
            true => Scale { from: or(low, 1.0) / 1.2, to: or(high, 10.0) * 1.2, is_logarithmic: true },
            // A line at nothing has a scale as well.
            false => {
                Scale { from: 0.0, to: if high > 0.0 { or(high, 1.0) * 1.05 } else { 1.0 }, is_logarithmic: false }
            }
        };
        (x, y)
    }

    fn axes(
        &self,
        svg: &mut String,
        x: &Scale,
        y: &Scale,
        across: &impl Fn(f64) -> f64,
        down: &impl Fn(f64) -> f64,
    ) -> std::fmt::Result {
        let (right, floor) = (SIZE.0 - RIGHT, SIZE.1 - BOTTOM);
        if self.shaded_until > x.from {
            let width = across(self.shaded_until) - LEFT;
            let height = floor - TOP;
            write!(
                svg,
                r#"<rect class="shade" x="{LEFT}" y="{TOP}" width="{width:.1}" height="{height}"><title>warm-up</title></rect>"#
            )?;
        }
        for tick in y.ticks() {
            let at = down(tick);
            write!(svg, r#"<line class="grid" x1="{LEFT}" x2="{right}" y1="{at:.1}" y2="{at:.1}"/>"#)?;
            write!(svg, r#"<text class="left" x="{}" y="{:.1}">{}</text>"#, LEFT - 6.0, at + 5.0, number(tick))?;
        }
        let named = self.names.iter().enumerate().map(|(place, name)| (place as f64, (*name).to_owned()));
        let numbered = || x.ticks().into_iter().map(|tick| (tick, number(tick)));
        let below: Vec<_> = if self.names.is_empty() { numbered().collect() } else { named.collect() };
        for (tick, name) in below {
            write!(
                svg,
                r#"<text class="below" x="{:.1}" y="{}">{}</text>"#,
                across(tick),
                floor + 19.0,
                escaped(&name)
            )?;
        }
        write!(svg, r#"<line class="axis" x1="{LEFT}" x2="{right}" y1="{floor}" y2="{floor}"/>"#)?;
        let middle = (LEFT + right) / 2.0;
        write!(svg, r#"<text class="below" x="{middle}" y="{}">{}</text>"#, SIZE.1 - 6.0, escaped(self.x))?;
        let (side, middle) = (14.0, (TOP + floor) / 2.0);
        write!(
            svg,
            r#"<text class="below" x="{side}" y="{middle}" transform="rotate(-90 {side} {middle})">{}</text>"#,
            escaped(self.y)
        )
    }
}

fn draw(
    svg: &mut String,
    line: &Line,
    class: &str,
    across: &impl Fn(f64) -> f64,
    down: &impl Fn(f64) -> f64,
) -> std::fmt::Result {
    let name = escaped(&line.name);
    for stretch in line.points.split(|(_, y)| y.is_none()).filter(|stretch| !stretch.is_empty()) {
        write!(svg, r#"<polyline class="{class}" points=""#)?;
        for (x, y) in stretch {
            write!(svg, "{:.1},{:.1} ", across(*x), down(y.unwrap_or_default()))?;
        }
        write!(svg, r#""><title>{name}</title></polyline>"#)?;
    }
    // Of few points each one is to be seen, with its value.
    if line.points.len() <= 12 {
        for (x, y) in line.points.iter().filter_map(|(x, y)| Some((*x, (*y)?))) {
            let value = number(y);
            let (x, y) = (across(x), down(y));
            write!(
                svg,
                r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="3"><title>{name}: {value}</title></circle>"#
            )?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_numbers() {
        let ticks = |from, to, is_logarithmic| Scale { from, to, is_logarithmic }.ticks();
        assert_eq!(ticks(0.0, 1.0, false), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert_eq!(ticks(0.0, 47.0, false), [0.0, 10.0, 20.0, 30.0, 40.0]);
        assert_eq!(ticks(3.0, 300.0, true), [5.0, 10.0, 20.0, 50.0, 100.0, 200.0]);
        let numbers = [0.0, 0.6000000000000001, 1.5, 20.0, 123.4];
        assert_eq!(numbers.map(number), ["0", "0.6", "1.5", "20", "123"]);
    }

    #[test]
    fn a_line_has_gaps_where_nothing_is_known_and_names_are_escaped() {
        let points = vec![(0.0, Some(1.0)), (1.0, None), (2.0, Some(4.0)), (3.0, Some(2.0))];
        let line = Line { name: "<b>".to_owned(), points };
        let plot = Plot { lines: vec![line], marks: vec![(2.0, "a & b".to_owned())], ..Plot::default() };
        let svg = plot.svg("a \"picture\"");
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(svg.contains("&lt;b&gt;: 4") && svg.contains("a &amp; b") && svg.contains("a &quot;picture&quot;"));
        // The highest point is just below the upper edge, the line of nothing at the lower one.
        assert!(svg.contains("444.0,23.3"), "{svg}");
        assert!(Plot::default().svg("").starts_with("<svg"), "nothing is nothing to fail on");
    }
}
