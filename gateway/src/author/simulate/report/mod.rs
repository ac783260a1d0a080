//! Outcomes as one HTML page for people who were not there: what was played, who did best, and plots with a sentence each on how to read
//! them. It has all that it needs in itself, and asks for nothing from outside.

mod charts;
mod plot;

use std::fmt::Write;

use super::outcome::{Outcome, Outcomes, PolicyOutcome};
use plot::{class, escaped, number};

/// Endpoints that a table lists; of more, those that have most and least.
const LISTED: usize = 40;

impl Outcomes {
    /// The page.
    pub fn html(&self) -> String {
        let title = escaped(&self.title);
        let style = include_str!("page.css");
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <title>{title}</title><style>\n{style}</style></head><body>\n<h1>{title}</h1>\n"
        );
        // Writing to a text cannot fail.
        let _ = self.write(&mut page);
        page.push_str("</body></html>\n");
        page
    }

    fn write(&self, page: &mut String) -> std::fmt::Result {
        self.opening(page)?;
        self.table(page)?;
        charts::write(self, page)?;
        self.shares(page)?;
        self.changes(page)?;
        self.closing(page)
    }

    /// The last level, which is where policies differ most.
    pub(super) fn highest(&self) -> f64 {
        self.policies.iter().flat_map(|policy| &policy.runs).map(|run| run.level).fold(0.0, f64::max)
    }

    /// Each policy with its run at the highest level.
    pub(super) fn at_highest(&self) -> impl Iterator<Item = (&PolicyOutcome, &Outcome)> {
        let highest = self.highest();
        self.policies
            .iter()
            .filter_map(move |policy| Some((policy, policy.runs.iter().find(|run| run.level == highest)?)))
    }

    fn opening(&self, page: &mut String) -> std::fmt::Result {
        let warm_up = match self.warm_up_seconds {
            0.0 => String::new(),
            seconds => format!(", of which the first {seconds} do not count (shaded)"),
        };
        writeln!(
            page,
            "<p class=\"faint\">Simulated by <code>sluice simulate</code> {}: {} seconds{warm_up}; seed {}. Clients, endpoints and time \
             are made up; the policies are the components that a gateway runs. All of them met the same requests.</p>",
            self.sluice, self.seconds, self.seed
        )?;
        let mut ranked: Vec<_> = self.at_highest().collect();
        ranked.sort_by(|(_, one), (_, other)| one.latency_ms.p99.total_cmp(&other.latency_ms.p99));
        if let [(best, run), .., (worst, other)] = ranked.as_slice() {
            writeln!(
                page,
                "<p>At {} {}, of a hundred requests ninety-nine were answered within <b>{} ms</b> by <b>{}</b>, which is the least, and \
                 within {} ms by {}, which is the most. Requests that failed: {} and {}.</p>",
                self.axis,
                number(run.level),
                number(run.latency_ms.p99),
                escaped(&best.name),
                number(other.latency_ms.p99),
                escaped(&worst.name),
                run.answers.failed(),
                other.answers.failed()
            )?;
        }
        page.push_str("<ul class=\"legend\">");
        for (index, policy) in self.policies.iter().enumerate() {
            let class = class(index);
            let name = escaped(&policy.name);
            write!(
                page,
                "<li><svg viewBox=\"0 0 16 10\" aria-hidden=\"true\"><polyline class=\"{class}\" points=\"0,5 16,5\"/></svg> {name}</li>"
            )?;
        }
        page.push_str("</ul>\n");
        Ok(())
    }

    fn table(&self, page: &mut String) -> std::fmt::Result {
        page.push_str("<div class=\"wide\"><table><tr><th>policy</th>");
        for column in [
            self.axis,
            "requests",
            "failed",
            "mean ms",
            "p50",
            "p95",
            "p99",
            "p99.9",
            "in line, ms",
            "imbalance",
            "moved",
        ] {
            write!(page, "<th>{column}</th>")?;
        }
        page.push_str("</tr>\n");
        for (policy, run) in self.policies.iter().flat_map(|policy| policy.runs.iter().map(move |run| (policy, run))) {
            write!(page, "<tr><td>{}</td>", escaped(&policy.name))?;
            write!(page, "<td>{}</td><td>{}</td><td>{}</td>", number(run.level), run.requests, run.answers.failed())?;
            let latency = &run.latency_ms;
            for value in [latency.mean, latency.p50, latency.p95, latency.p99, latency.p999, run.wait_ms, run.imbalance]
            {
                write!(page, "<td>{}</td>", number(value))?;
            }
            writeln!(page, "<td>{:.1} %</td></tr>", run.moved * 100.0)?;
        }
        page.push_str("</table></div>\n");
        Ok(())
    }

    /// Who got how much, at the highest level.
    fn shares(&self, page: &mut String) -> std::fmt::Result {
        let runs: Vec<_> = self.at_highest().collect();
        let Some((_, first)) = runs.first() else { return Ok(()) };
        writeln!(
            page,
            "<h2>Shares</h2><p>What each endpoint got of all requests, beside its part of the weights.</p>"
        )?;
        page.push_str("<div class=\"wide\"><table><tr><th>endpoint</th><th>weight</th>");
        for (policy, _) in &runs {
            write!(page, "<th>{}</th>", escaped(&policy.name))?;
        }
        page.push_str("</tr>\n");
        let weights: u32 = first.endpoints.iter().map(|endpoint| endpoint.weight).sum();
        let most = runs.iter().flat_map(|(_, run)| &run.endpoints).map(|endpoint| endpoint.share).fold(0.0, f64::max);
        for (place, endpoint) in first.endpoints.iter().enumerate().take(LISTED) {
            let weight = f64::from(endpoint.weight) / f64::from(weights.max(1)) * 100.0;
            write!(page, "<tr><td>{}</td><td>{weight:.1} %</td>", escaped(&endpoint.id))?;
            for seen in runs.iter().filter_map(|(_, run)| run.endpoints.get(place)) {
                let share = seen.share * 100.0;
                write!(
                    page,
                    "<td>{share:.1} % <meter min=\"0\" max=\"{most}\" value=\"{}\"></meter></td>",
                    seen.share
                )?;
            }
            page.push_str("</tr>\n");
        }
        page.push_str("</table></div>\n");
        if first.endpoints.len() > LISTED {
            writeln!(page, "<p class=\"faint\">The first {LISTED} of {}.</p>", first.endpoints.len())?;
        }
        Ok(())
    }

    /// What happened on the way, and what of keys it moved.
    fn changes(&self, page: &mut String) -> std::fmt::Result {
        let runs: Vec<_> = self.at_highest().collect();
        let Some((_, first)) = runs.first().filter(|(_, run)| !run.changes.is_empty()) else { return Ok(()) };
        writeln!(
            page,
            "<h2>What happened</h2><p>Of the keys that came before and after, so many went to another endpoint when they next came. With \
             no affinity that is nearly all; where an endpoint of n comes or goes, at least about one in n has to.</p>"
        )?;
        page.push_str("<div class=\"wide\"><table><tr><th>change</th><th>at, s</th>");
        for (policy, _) in &runs {
            write!(page, "<th>{}</th>", escaped(&policy.name))?;
        }
        page.push_str("</tr>\n");
        for (place, change) in first.changes.iter().enumerate() {
            write!(page, "<tr><td>{}</td><td>{}</td>", escaped(&change.change), number(change.at_ms / 1_000.0))?;
            for seen in runs.iter().filter_map(|(_, run)| run.changes.get(place)) {
                write!(page, "<td>{:.1} % of {}</td>", seen.moved * 100.0, seen.keys)?;
            }
            page.push_str("</tr>\n");
        }
        page.push_str("</table></div>\n");
        Ok(())
    }

    fn closing(&self, page: &mut String) -> std::fmt::Result {
        writeln!(page, "<h2>Once more</h2><p>The same scenario, seed and components give the same numbers.</p><ul>")?;
        for policy in &self.policies {
            let (name, plugin) = (escaped(&policy.name), escaped(&policy.plugin));
            writeln!(page, "<li>{name}: {plugin}, <code>sha256:{}</code></li>", policy.sha256)?;
        }
        writeln!(page, "</ul><details><summary>The scenario</summary><pre>{}</pre></details>", escaped(&self.scenario))
    }
}

#[cfg(test)]
mod tests {
    use super::super::outcome::{Answers, ChangeSeen, EndpointSeen, Latency, Moment};
    use super::*;

    fn outcomes(names: &[&str], levels: &[f64], endpoints: usize) -> Outcomes {
        let endpoint = |number| EndpointSeen {
            id: format!("e{number}"),
            weight: 1,
            sent: 10,
            share: 1.0 / endpoints as f64,
            answered: 10,
            errors: 0,
            in_flight: 1.0,
            highest_in_flight: 2,
            utilization: 0.5,
            cache_hits: 0,
            over_time: vec![1.0, 2.0],
        };
        let moment = |number| Moment {
            at_ms: 1_000.0 * f64::from(number),
            requests: 5,
            failed: 1,
            p50_ms: Some(1.0),
            p99_ms: None,
            moved: Some(0.5),
        };
        let change = ChangeSeen { at_ms: 1_000.0, change: "e0: down".to_owned(), keys: 7, moved: 0.25 };
        let run = |level: &f64| Outcome {
            level: *level,
            requests: 10,
            answers: Answers { good: 9, errors: 1, ..Answers::default() },
            latency_ms: Latency { p99: 50.0, ..Latency::default() },
            endpoints: (0..endpoints).map(endpoint).collect(),
            changes: vec![change.clone()],
            over_time: (0..2).map(moment).collect(),
            ..Outcome::default()
        };
        let policy = |name: &&str| PolicyOutcome {
            name: (*name).to_owned(),
            plugin: "p 1".to_owned(),
            sha256: "00".to_owned(),
            runs: levels.iter().map(run).collect(),
        };
        Outcomes {
            sluice: "0",
            title: "a < b".to_owned(),
            scenario: "for = \"1s\" # <&>".to_owned(),
            seed: 1,
            seconds: 2.0,
            warm_up_seconds: 1.0,
            axis: "load",
            policies: names.iter().map(policy).collect(),
        }
    }

    #[test]
    fn the_page_is_whole_and_asks_for_nothing() {
        for (levels, endpoints) in [(&[0.5, 0.9][..], 3), (&[0.9][..], 100)] {
            let page = outcomes(&["one", "<two>"], levels, endpoints).html();
            for what in
                ["<h1>a &lt; b</h1>", "&lt;two&gt;", "e0: down", "25.0 % of 7", "for = &quot;1s&quot; # &lt;&amp;&gt;"]
            {
                assert!(page.contains(what), "{what}");
            }
            for outside in ["http:", "https:", "src=", "@import", "url(", "<script", "<two>"] {
                assert!(!page.contains(outside), "{outside}");
            }
            for tag in ["svg", "table", "figure", "div", "p", "ul", "li", "h2", "text", "polyline"] {
                let (opened, closed) =
                    (page.matches(&format!("<{tag}>")).count(), page.matches(&format!("</{tag}>")).count());
                let with = page.matches(&format!("<{tag} ")).count()
                    - page
                        .match_indices(&format!("<{tag} "))
                        .filter(|(at, _)| page[*at..].split('>').next().is_some_and(|tag| tag.ends_with('/')))
                        .count();
                assert_eq!(opened + with, closed, "{tag}");
            }
        }
        assert!(outcomes(&[], &[], 0).html().ends_with("</html>\n"));
    }
}
