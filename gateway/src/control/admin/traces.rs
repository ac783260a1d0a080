//! What became of traces.

use std::fmt;
use std::sync::atomic::Ordering;

use super::lines::Lines;
use crate::state::Serving;

/// Nothing where no collector is told anything.
pub(super) fn traces(lines: &mut Lines<'_>, serving: &Serving) -> fmt::Result {
    let tracer = serving.collector.as_ref().map(|collector| &collector.tracer);
    let help = "Spans that wait for a collector or are on their way to it.";
    let mut waiting = lines.gauges("sluice_trace_spans_waiting", help)?;
    if let Some(tracer) = tracer {
        waiting.gauge([], tracer.length())?;
    }
    let help = "Spans, by what became of them: the collector has them, or why it has not.";
    let mut spans = lines.counters("sluice_trace_spans", help)?;
    let Some(counts) = tracer.map(|tracer| &tracer.counts) else { return Ok(()) };
    let outcomes = [
        ("sent", &counts.sent),
        ("full", &counts.full),
        ("refused", &counts.refused),
        ("unreached", &counts.unreached),
    ];
    for (outcome, count) in outcomes {
        spans.count([("outcome", outcome)], count.load(Ordering::Relaxed))?;
    }
    Ok(())
}
