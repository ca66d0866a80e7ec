//! The ratios to the best peer as a bar plot on a logarithmic scale, written by hand.

use std::fmt::Write as _;

use super::format::{quantity, ratio};
use crate::comparison::{Comparison, Metric};

const LABEL_WIDTH: f64 = 290.0;
const PLOT_WIDTH: f64 = 520.0;
const NOTE_WIDTH: f64 = 150.0;
const ROW_HEIGHT: f64 = 20.0;
const TOP: f64 = 50.0;

/// A plot with one bar for each comparison that has a ratio: to the right of 1 ours is better.
pub(crate) fn render(comparisons: &[Comparison]) -> String {
    let bars: Vec<(&Comparison, f64)> =
        comparisons.iter().filter_map(|c| Some((c, c.ratio().filter(|r| *r > 0.0)?))).collect();
    let scale = Scale::new(bars.iter().map(|(_, ratio)| *ratio));
    let height = TOP + ROW_HEIGHT * bars.len() as f64 + 20.0;
    let width = LABEL_WIDTH + PLOT_WIDTH + NOTE_WIDTH;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"10\" y=\"20\" font-size=\"15\">Ratio to the best peer, logarithmic; \
         right of 1 is better</text>\n"
    );
    for tick in scale.ticks() {
        let x = scale.x(tick);
        let colour = if (tick - 1.0).abs() < 1e-9 { "#333333" } else { "#dddddd" };
        let bottom = height - 15.0;
        let _ = write!(
            svg,
            "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\" stroke=\"{colour}\"/>\n\
             <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\" fill=\"#555555\">{tick}</text>\n",
            TOP - 6.0
        );
    }
    for (row, (comparison, ratio)) in bars.iter().enumerate() {
        bar(&mut svg, &scale, TOP + ROW_HEIGHT * row as f64, comparison, *ratio);
    }
    svg.push_str("</svg>\n");
    svg
}

fn bar(svg: &mut String, scale: &Scale, y: f64, comparison: &Comparison, value: f64) {
    let (one, end) = (scale.x(1.0), scale.x(value));
    let colour = if value >= 1.0 { "#2a9d5c" } else { "#cc4b37" };
    let middle = y + ROW_HEIGHT * 0.7;
    let peer = comparison.best_peer().map_or("", |peer| peer.engine);
    let _ = write!(
        svg,
        "<text x=\"{:.1}\" y=\"{middle:.1}\" text-anchor=\"end\">{}</text>\n\
         <rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>\n\
         <text x=\"{:.1}\" y=\"{middle:.1}\">{} {peer}</text>\n",
        LABEL_WIDTH - 8.0,
        escape(&label(comparison)),
        one.min(end),
        y + 3.0,
        (end - one).abs().max(1.0),
        ROW_HEIGHT - 6.0,
        one.max(end) + 5.0,
        ratio(Some(value)),
    );
}

fn label(comparison: &Comparison) -> String {
    let case = &comparison.case;
    let mut label = case.scenario.to_owned();
    if comparison.metric != Metric::OPS {
        let _ = write!(label, " {}", comparison.metric.name);
    }
    if case.keys > 0 {
        let _ = write!(label, ", {} keys", quantity(case.keys as f64));
    }
    if case.threads > 1 {
        let _ = write!(label, ", {} threads", case.threads);
    }
    label
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// Maps ratios to horizontal places, powers of ten at the ends.
struct Scale {
    low: i32,
    high: i32,
}

impl Scale {
    fn new(ratios: impl Iterator<Item = f64>) -> Self {
        let (mut low, mut high) = (-1, 1);
        for ratio in ratios {
            while ratio < 10_f64.powi(low) {
                low -= 1;
            }
            while ratio > 10_f64.powi(high) {
                high += 1;
            }
        }
        Self { low, high }
    }

    fn x(&self, ratio: f64) -> f64 {
        let part = (ratio.log10() - f64::from(self.low)) / f64::from(self.high - self.low);
        LABEL_WIDTH + PLOT_WIDTH * part
    }

    fn ticks(&self) -> Vec<f64> {
        (self.low..=self.high).map(|power| 10_f64.powi(power)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::example;

    #[test]
    fn bars_start_at_one_and_point_to_the_better_side() {
        let mut worse = example(Metric::OPS);
        worse.entries[0].sample.value = 500_000.0;
        let mut alone = example(Metric::OPS);
        alone.entries.truncate(1);
        let svg = render(&[example(Metric::OPS), worse, alone]);
        let one = LABEL_WIDTH + PLOT_WIDTH / 2.0;
        assert!(svg.contains(&format!("<rect x=\"{one:.1}\"")), "{svg}");
        assert_eq!(svg.matches("#2a9d5c").count(), 1);
        assert_eq!(svg.matches("#cc4b37").count(), 1);
        assert!(svg.contains(">rand_read, 100K keys, 2 threads</text>"), "{svg}");
        assert!(svg.contains("2.00 x redb") && svg.contains("0.50 x redb"));
        assert_eq!(svg.matches("<svg").count(), svg.matches("</svg>").count());
    }

    #[test]
    fn the_scale_grows_with_the_ratios() {
        let scale = Scale::new([0.002, 50.0].into_iter());
        assert_eq!((scale.low, scale.high), (-3, 2));
        assert!((scale.x(0.001) - LABEL_WIDTH).abs() < 1e-9);
        assert!((scale.x(100.0) - LABEL_WIDTH - PLOT_WIDTH).abs() < 1e-9);
        assert_eq!(scale.ticks().len(), 6);
    }
}
