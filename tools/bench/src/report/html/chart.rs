//! A chart as SVG: lines over an axis, marks, a legend.
//!
//! Colours are those of the page's style sheet, so that they suit a light and a dark page. There is no script: the
//! figures of a point are its tool tip.

use maud::{Markup, html};

use super::axis::{Axis, Range};
use super::thin::thin;

/// Everything on one chart.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    pub(super) title: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) series: Vec<Series>,
    pub(super) marks: Vec<Mark>,
}

/// One line.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) name: String,
    /// In the order of x.
    pub(super) points: Vec<(f64, f64)>,
}

/// A straight line across the chart with words at its end.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) at: At,
    pub(super) words: String,
    pub(super) kind: MarkKind,
}

/// Where a mark is.
#[derive(Debug, Clone, Copy)]
pub(super) enum At {
    X(f64),
    Y(f64),
}

/// What a mark stands for, and so its colour.
#[derive(Debug, Clone, Copy)]
pub(super) enum MarkKind {
    Safe,
    Extreme,
    Limit,
}

// The paper, in its own units.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 280.0;
const LEFT: f64 = 88.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 46.0;
/// Words below a tick that is nearer to the right end would not fit on the paper.
const LAST_TICK: f64 = 8.0;
/// Words of lines across begin here, those of each further line so much further to the right: two limits can be near each other.
const WORDS_LEFT: f64 = 40.0;
const WORDS_STEP: f64 = 170.0;
/// Up to so many points of a line get a dot with a tool tip; more would be a caterpillar.
const DOTS_MAX: usize = 130;
/// Colours of the style sheet.
const COLOURS: usize = 6;

impl Series {
    pub(super) fn new(name: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let finite = points.into_iter().filter(|(x, y)| x.is_finite() && y.is_finite());
        Self { name: name.to_owned(), points: finite.collect() }
    }
}

impl Chart {
    pub(super) fn new(title: &str, x: Axis, y: Axis) -> Self {
        Self { title: title.to_owned(), x, y, series: Vec::new(), marks: Vec::new() }
    }

    pub(super) fn line(mut self, name: &str, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.series.push(Series::new(name, points));
        self
    }

    pub(super) fn mark(mut self, at: At, words: String, kind: MarkKind) -> Self {
        self.marks.push(Mark { at, words, kind });
        self
    }

    /// The chart, or nothing if there is not a single point.
    pub(super) fn render(&self) -> Markup {
        let drawn: Vec<(usize, &Series)> =
            self.series.iter().enumerate().filter(|(_, one)| !one.points.is_empty()).collect();
        if drawn.is_empty() {
            return html! {};
        }
        let mark_x = self.marks.iter().filter_map(|mark| if let At::X(x) = mark.at { Some(x) } else { None });
        let mark_y = self.marks.iter().filter_map(|mark| if let At::Y(y) = mark.at { Some(y) } else { None });
        let points = || drawn.iter().flat_map(|(_, series)| &series.points);
        let x = self.x.range(points().map(|point| point.0).chain(mark_x));
        let y = self.y.range(points().map(|point| point.1).chain(mark_y));
        let paper = Paper { x, y };
        html! {
            figure {
                figcaption { (self.title) }
                svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(self.title) {
                    (self.axes(&paper))
                    @for (index, series) in &drawn { (self.series(&paper, *index, series)) }
                    @for (index, mark) in self.marks.iter().filter(|mark| matches!(mark.at, At::X(_))).enumerate() {
                        (paper.mark(index, mark))
                    }
                    @for (index, mark) in self.marks.iter().filter(|mark| matches!(mark.at, At::Y(_))).enumerate() {
                        (paper.mark(index, mark))
                    }
                }
                @if drawn.len() > 1 {
                    ul.legend {
                        @for (index, series) in &drawn { li { span class=(format!("key c{}", index % COLOURS)) {} (series.name) } }
                    }
                }
            }
        }
    }

    fn axes(&self, paper: &Paper) -> Markup {
        let (left, right, top, bottom) = (LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM);
        html! {
            @for tick in paper.y.ticks() {
                @let at = paper.at_y(tick);
                line.grid x1=(left) x2=(right) y1=(at) y2=(at) {}
                text.tick x=(left - 6.0) y=(at) dy="0.35em" text-anchor="end" { (self.y.quantity.tick(tick)) }
            }
            @for tick in paper.x.ticks() {
                @let at = paper.at_x(tick);
                line.grid x1=(at) x2=(at) y1=(top) y2=(bottom) {}
                text.tick x=(at) y=(bottom + 16.0) text-anchor=(if at > right - LAST_TICK { "end" } else { "middle" }) {
                    (self.x.quantity.tick(tick))
                }
            }
            line.axis x1=(left) x2=(right) y1=(bottom) y2=(bottom) {}
            line.axis x1=(left) x2=(left) y1=(top) y2=(bottom) {}
            text.label x=((left + right) / 2.0) y=(HEIGHT - 8.0) text-anchor="middle" { (self.x.label) }
            text.label x="14" y=((top + bottom) / 2.0) text-anchor="middle"
                transform=(format!("rotate(-90 14 {})", (top + bottom) / 2.0)) { (self.y.label) }
        }
    }

    fn series(&self, paper: &Paper, index: usize, series: &Series) -> Markup {
        let points = thin(&series.points);
        let place = |(x, y): &(f64, f64)| format!("{:.1},{:.1}", paper.at_x(*x), paper.at_y(*y));
        let path: Vec<String> = points.iter().map(place).collect();
        html! {
            g class=(format!("c{}", index % COLOURS)) {
                polyline points=(path.join(" ")) {}
                @if points.len() <= DOTS_MAX {
                    @for (x, y) in &points {
                        circle cx=(rounded(paper.at_x(*x))) cy=(rounded(paper.at_y(*y))) r="2.5" {
                            title { (self.tip(&series.name, *x, *y)) }
                        }
                    }
                }
            }
        }
    }

    fn tip(&self, name: &str, x: f64, y: f64) -> String {
        format!("{name}: {} at {}", self.y.quantity.format(y), self.x.quantity.format(x))
    }
}

struct Paper {
    x: Range,
    y: Range,
}

impl Paper {
    fn at_x(&self, value: f64) -> f64 {
        rounded(LEFT + self.x.place(value) * (WIDTH - LEFT - RIGHT))
    }

    fn at_y(&self, value: f64) -> f64 {
        rounded(HEIGHT - BOTTOM - self.y.place(value) * (HEIGHT - BOTTOM - TOP))
    }

    fn mark(&self, index: usize, mark: &Mark) -> Markup {
        let class = match mark.kind {
            MarkKind::Safe => "mark safe",
            MarkKind::Extreme => "mark extreme",
            MarkKind::Limit => "mark limit",
        };
        // Words of lines upwards stand below each other.
        let line_height = 13.0 * index as f64;
        match mark.at {
            At::X(value) => {
                let at = self.at_x(value);
                let is_right = at > WIDTH / 2.0;
                let (words_at, anchor) = if is_right { (at - 5.0, "end") } else { (at + 5.0, "start") };
                html! {
                    g class=(class) {
                        line x1=(at) x2=(at) y1=(TOP) y2=(HEIGHT - BOTTOM) {}
                        text x=(words_at) y=(TOP + 11.0 + line_height) text-anchor=(anchor) { (mark.words) }
                    }
                }
            }
            At::Y(value) => {
                let at = self.at_y(value);
                html! {
                    g class=(class) {
                        line x1=(LEFT) x2=(WIDTH - RIGHT) y1=(at) y2=(at) {}
                        text x=(LEFT + WORDS_LEFT + WORDS_STEP * index as f64) y=(if at < TOP + 14.0 { at + 12.0 } else { at - 4.0 }) { (mark.words) }
                    }
                }
            }
        }
    }
}

/// A tenth of a unit of the paper is finer than any eye.
fn rounded(place: f64) -> f64 {
    (place * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::html::axis::Scale;
    use crate::report::html::quantity::Quantity;

    fn chart() -> Chart {
        let x = Axis::new("time", Quantity::Seconds, Scale::Linear);
        Chart::new("throughput", x, Axis::new("messages a second", Quantity::PerSecond, Scale::Linear))
    }

    #[test]
    fn a_chart_shows_its_title_axes_points_and_marks() {
        let text = chart()
            .line("sent", [(0.0, 10.0), (1.0, 20.0)])
            .line("received", [(0.0, 5.0)])
            .mark(At::Y(15.0), "limit 15".into(), MarkKind::Limit)
            .render()
            .into_string();
        for part in ["throughput", "messages a second", "sent: 20/s at 1 s", "received", "limit 15", "<polyline"] {
            assert!(text.contains(part), "{part} is missing in {text}");
        }
    }

    #[test]
    fn without_a_point_there_is_no_chart() {
        assert_eq!(chart().line("sent", []).line("never", [(f64::NAN, 1.0)]).render().into_string(), "");
    }

    #[test]
    fn names_from_outside_are_escaped() {
        let text = chart().line("<script>alert(1)</script>", [(0.0, 1.0)]).render().into_string();
        assert!(!text.contains("<script>") && text.contains("&lt;script&gt;"), "{text}");
    }

    #[test]
    fn a_line_of_many_points_has_no_dots() {
        let many =
            |count: u32| chart().line("sent", (0..count).map(|second| (f64::from(second), 1.0))).render().into_string();
        assert!(many(100).contains("<circle"));
        assert!(!many(1_000).contains("<circle"));
    }
}
