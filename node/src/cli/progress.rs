//! How far something is: a bar where somebody watches, else a line every few seconds, both on stderr.

use super::context::Context;
use super::figure;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use karez_content_tools::speech::harmless;
use std::time::{Duration, Instant};

/// Longest time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Percent between two plain lines.
const LINE_PERCENT: u64 = 10;
const TEMPLATE: &str = "{bar:32} {percent:>3} %  {prefix}\n{msg}";

/// A running progress.
#[derive(Debug)]
pub(super) enum Progress {
    /// On a terminal.
    Bar(ProgressBar),
    /// In a log.
    Lines(Pace),
    /// With `--json`.
    Silent,
}

/// When the next line is due.
#[derive(Debug, Default)]
pub(super) struct Pace {
    last: Option<(Instant, u64)>,
}

impl Pace {
    fn is_due(&mut self, now: Instant, percent: u64) -> bool {
        let due = self.last.is_none_or(|(then, before)| {
            now.duration_since(then) >= LINE_EVERY || percent.abs_diff(before) >= LINE_PERCENT
        });
        if due {
            self.last = Some((now, percent));
        }
        due
    }
}

impl Progress {
    pub(super) fn new(context: &Context) -> Self {
        if context.json {
            return Self::Silent;
        }
        if !context.watched() {
            return Self::Lines(Pace::default());
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_style(ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self::Bar(bar)
    }

    /// A line that stays, above the bar.
    pub(super) fn say(&self, text: &str) {
        let text = harmless(text);
        match self {
            Self::Bar(bar) => bar.suspend(|| eprintln!("{text}")),
            Self::Lines(_) => eprintln!("{text}"),
            Self::Silent => {}
        }
    }

    /// Where it is now.
    pub(super) fn show(&mut self, done: u64, total: u64, figures: &str, detail: &str) {
        let detail = harmless(detail);
        match self {
            Self::Bar(bar) => {
                // Without a total the bar stays empty.
                bar.set_length(total.max(1));
                bar.set_position(done.min(total));
                bar.set_prefix(figures.to_owned());
                bar.set_message(detail.into_owned());
            }
            Self::Lines(pace) => {
                let percent = figure::percent(done, total);
                if pace.is_due(Instant::now(), percent) {
                    eprintln!("{}", format!("{percent:>3} %  {figures}  {detail}").trim_end());
                }
            }
            Self::Silent => {}
        }
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // After an error: the terminal is left clean for the message.
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_every_few_seconds_or_every_tenth() {
        let start = Instant::now();
        let mut pace = Pace::default();
        let rows = [(0, 0, true), (1, 1, false), (2, 10, true), (3, 19, false), (7, 19, true), (8, 0, true)];
        for (seconds, percent, due) in rows {
            assert_eq!(pace.is_due(start + Duration::from_secs(seconds), percent), due, "{seconds} s, {percent} %");
        }
    }
}
