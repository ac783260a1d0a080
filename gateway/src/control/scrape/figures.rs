//! From what an endpoint shows to its report: series become figures, and counters become rates by what they were before.

use std::sync::Arc;
use std::time::Instant;

use super::shown::sums;
use crate::config::model::{Per, Scrape, Shown};
use crate::endpoint::{NoReport, Report};

/// What is read of one endpoint, and what it showed before.
#[derive(Debug)]
pub(super) struct Figures {
    scrape: Arc<Scrape>,
    /// When it showed something, and the sums that it showed then, in the order of [`wanted`].
    before: Option<(Instant, Vec<Option<f64>>)>,
}

impl Figures {
    /// Nothing was read yet.
    pub(super) fn of(scrape: &Arc<Scrape>) -> Self {
        Self { scrape: scrape.clone(), before: None }
    }

    /// Reads a page that was shown `now`.
    ///
    /// # Errors
    /// If there is no report in it.
    pub(super) fn read(&mut self, page: &[u8], now: Instant) -> Result<Report, NoReport> {
        let page = std::str::from_utf8(page).map_err(|_| NoReport::Form)?;
        let wanted: Vec<&Shown> = wanted(&self.scrape).collect();
        let sums = sums(page, &wanted).map_err(|_| NoReport::Form)?;
        let rates: Vec<Option<f64>> =
            (0..wanted.len()).map(|place| self.value(*wanted.get(place)?, place, *sums.get(place)?, now)).collect();
        let is_nothing = sums.iter().all(Option::is_none);
        self.before = Some((now, sums));
        if is_nothing {
            return Err(NoReport::Nothing);
        }
        let mut values = rates.into_iter();
        let mut report = Report::keeping(&self.scrape.named);
        for (name, series) in &self.scrape.figures {
            let value = values.next().flatten();
            let per = match &series.per {
                None => Some(1.0),
                Some(Per::Number(number)) => Some(*number),
                Some(Per::Shown(_)) => values.next().flatten(),
            };
            // Nothing of nothing is no figure.
            if let Some((value, per)) = value.zip(per).filter(|(_, per)| *per != 0.0) {
                report.put(name, value / per)?;
            }
        }
        Ok(report)
    }

    /// A sum as it is, or what it has grown by in a second; none: it is not there, or was not before. A counter that is less than
    /// it was has begun anew.
    fn value(&self, shown: &Shown, place: usize, sum: Option<f64>, now: Instant) -> Option<f64> {
        let sum = sum?;
        if !shown.is_rate {
            return Some(sum);
        }
        let (at, before) = self.before.as_ref()?;
        let before = before.get(place).copied().flatten()?;
        let seconds = now.saturating_duration_since(*at).as_secs_f64();
        let grown = if sum < before { sum } else { sum - before };
        (seconds > 0.0).then(|| grown / seconds)
    }
}

/// All that is looked for, figure by figure: what is shown, and what it is divided by.
fn wanted(scrape: &Scrape) -> impl Iterator<Item = &Shown> {
    scrape.figures.iter().flat_map(|(_, series)| {
        let per = match &series.per {
            Some(Per::Shown(per)) => Some(per),
            _ => None,
        };
        [Some(&series.value), per].into_iter().flatten()
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn figures(of: &[(&str, &str)]) -> Figures {
        let named = of.iter().filter_map(|(name, _)| name.strip_prefix("named_metrics.").map(Arc::from));
        Figures::of(&Arc::new(Scrape {
            path: "/metrics".to_owned(),
            host: None,
            port: None,
            interval: Duration::from_secs(1),
            jitter_per_mille: 0,
            timeout: Duration::from_secs(1),
            size: 1024,
            named: named.collect(),
            figures: of.iter().map(|(name, text)| ((*name).to_owned(), text.parse().unwrap())).collect(),
            expire: Duration::from_secs(1),
        }))
    }

    #[test]
    fn series_become_figures() {
        let mut figures = figures(&[
            ("cpu_utilization", "rate(cpu_seconds_total) / 4"),
            ("mem_utilization", "used_bytes / all_bytes"),
            ("rps_fractional", "rate(requests_total)"),
            ("eps", r#"rate(requests_total{code="500"})"#),
            ("named_metrics.queue", "queue"),
            ("named_metrics.missing", "missing"),
        ]);
        let page = |cpu: f64, good: f64, bad: f64| {
            format!(
                "cpu_seconds_total {cpu}\nused_bytes 50\nall_bytes 200\nrequests_total{{code=\"200\"}} {good}\n\
                 requests_total{{code=\"500\"}} {bad}\nqueue -3\n"
            )
        };
        let start = Instant::now();
        let mut read = |page: String, seconds| {
            let report = figures.read(page.as_bytes(), start + Duration::from_secs(seconds)).unwrap();
            assert_eq!((report.memory, report.named("queue"), report.named("missing")), (0.25, Some(-3.0), None));
            (report.cpu, report.requests_per_second, report.errors_per_second)
        };
        assert_eq!(read(page(10.0, 100.0, 5.0), 0), (0.0, 0.0, 0.0), "nobody knows how fast it grows");
        assert_eq!(read(page(14.0, 180.0, 25.0), 2), (0.5, 50.0, 10.0));
        assert_eq!(read(page(1.0, 20.0, 0.0), 4), (0.125, 10.0, 0.0), "it has begun anew");
    }

    #[test]
    fn what_is_no_page_is_no_report() {
        let read = |page: &[u8]| figures(&[("cpu_utilization", "cpu"), ("eps", "a / b")]).read(page, Instant::now());
        assert_eq!(read(b""), Err(NoReport::Nothing));
        assert_eq!(read(b"other 1\n"), Err(NoReport::Nothing));
        assert_eq!(read(b"cpu x\n"), Err(NoReport::Form));
        assert_eq!(read(b"cpu 1\n\xff"), Err(NoReport::Form));
        assert_eq!(read(b"cpu NaN\n"), Err(NoReport::Value));
        assert_eq!(read(b"cpu -1\n"), Err(NoReport::Value));
        let report = read(b"cpu 1\na 1\nb 0\n").unwrap();
        assert_eq!((report.cpu, report.errors_per_second), (1.0, 0.0), "of nothing");
    }
}
