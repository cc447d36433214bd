//! The geometry of a photographed page: finds how rows lean and columns tilt, and gives every line coordinates in which
//! rows are level and columns upright. It reads positions only, never what the text says.

use orrery_content::{Content, Point};

/// A line of print with its place on the straightened page.
#[derive(Debug, Clone)]
pub struct Line {
    /// What was read.
    pub text: String,
    /// Reading confidence, 0 to 1.
    pub confidence: f32,
    /// The least sure character, where known; otherwise the same as `confidence`.
    pub weakest: f32,
    /// Index over all pages of all contents.
    pub page: usize,
    /// Where it stands on the photograph.
    pub quad: [Point; 4],
    /// Left and right edge, straightened.
    pub left: f32,
    /// See `left`.
    pub right: f32,
    /// Vertical middle, straightened.
    pub middle: f32,
    /// Height of the print.
    pub height: f32,
}

/// How a page leans: the slope of rows and the tilt of columns, each changing across the page as perspective makes them.
#[derive(Debug, Clone, Copy, Default)]
struct Lean {
    slope: f32,
    slope_by_y: f32,
    tilt: f32,
    tilt_by_x: f32,
    centre: Point,
}

impl Lean {
    fn straighten(&self, point: Point) -> (f32, f32) {
        let (x, y) = (point.x - self.centre.x, point.y - self.centre.y);
        (x - (self.tilt + self.tilt_by_x * x) * y, y - (self.slope + self.slope_by_y * y) * x)
    }
}

/// All lines of the contents, straightened page by page, in reading order.
pub fn lines(contents: &[Content]) -> Vec<Line> {
    let mut all = Vec::new();
    let mut base = 0_usize;
    for content in contents {
        let pages =
            content.segments.iter().filter_map(|segment| segment.page).max().map_or(1, |last| last as usize + 1);
        for page in 0..pages {
            let mut lines = raw_lines(content, page, base + page);
            straighten(&mut lines);
            lines.sort_by(|a, b| a.middle.total_cmp(&b.middle).then(a.left.total_cmp(&b.left)));
            all.append(&mut lines);
        }
        base += pages;
    }
    all
}

/// Text without a place (a mail, a parsed document) gets a line of its own under the last one.
fn raw_lines(content: &Content, page: usize, index: usize) -> Vec<Line> {
    const HEIGHT: f32 = 20.0;
    let mut lines = Vec::new();
    let mut flow = 0.0_f32;
    for segment in content.segments.iter().filter(|segment| segment.page.unwrap_or(0) as usize == page) {
        let weakest = segment.char_confidences.iter().copied().fold(segment.confidence, f32::min);
        for text in segment.text.lines().filter(|text| text.chars().any(char::is_alphanumeric)) {
            flow += HEIGHT * 1.4;
            let width = HEIGHT * 0.5 * text.chars().count() as f32;
            let at = |x: f32, y: f32| Point { x, y };
            let flat = [at(0.0, flow), at(width, flow), at(width, flow + HEIGHT), at(0.0, flow + HEIGHT)];
            let quad = segment.quad.unwrap_or(flat);
            lines.push(Line {
                text: text.trim().to_owned(),
                confidence: segment.confidence,
                weakest,
                page: index,
                quad,
                left: 0.0,
                right: 0.0,
                middle: 0.0,
                height: height(&quad),
            });
        }
    }
    lines
}

fn mid(a: Point, b: Point) -> Point {
    Point { x: (a.x + b.x) / 2.0, y: (a.y + b.y) / 2.0 }
}

fn height(quad: &[Point; 4]) -> f32 {
    let [a, b, c, d] = quad;
    let side = |p: &Point, q: &Point| (p.x - q.x).hypot(p.y - q.y);
    f32::midpoint(side(a, d), side(b, c)).max(1.0)
}

fn straighten(lines: &mut [Line]) {
    let lean = find_lean(lines);
    for line in lines.iter_mut() {
        let [a, b, c, d] = line.quad;
        let (left, left_middle) = lean.straighten(mid(a, d));
        let (right, right_middle) = lean.straighten(mid(b, c));
        line.left = left;
        line.right = right.max(left);
        line.middle = f32::midpoint(left_middle, right_middle);
    }
}

pub(super) fn median(mut values: Vec<f32>) -> Option<f32> {
    values.sort_by(f32::total_cmp);
    values.get(values.len() / 2).copied()
}

/// A coarse slope from the lines themselves, then the slope and tilt under which most lines share rows and edges.
fn find_lean(lines: &[Line]) -> Lean {
    let count = lines.len().max(1) as f32;
    let centre = lines.iter().fold(Point::default(), |sum, line| {
        let [a, _, c, _] = line.quad;
        let at = mid(a, c);
        Point { x: sum.x + at.x / count, y: sum.y + at.y / count }
    });
    let extent = lines.iter().map(|line| (line.quad[0].y - centre.y).abs()).fold(1.0, f32::max);
    let (slope, slope_by_y) = slopes(lines, centre);
    let mut best = Lean { slope, slope_by_y, tilt: -slope, tilt_by_x: 0.0, centre };
    // Two rounds over the same small grid, the second finer, for the rows and then for the edges. The reach stays well below
    // the lean that would fold one row into the next.
    for (fit, reach) in [(Fit::Rows, 0.016), (Fit::Rows, 0.005), (Fit::Edges, 0.10), (Fit::Edges, 0.02)] {
        let start = best;
        let mut best_score = f32::MIN;
        for step in -6..=6_i32 {
            for bend in -3..=3_i32 {
                let (shift, curve) = (step as f32 / 6.0 * reach, bend as f32 / 3.0 * reach / extent);
                let mut lean = start;
                match fit {
                    Fit::Rows => {
                        lean.slope += shift;
                        lean.slope_by_y += curve;
                    }
                    Fit::Edges => {
                        lean.tilt += shift;
                        lean.tilt_by_x += curve;
                    }
                }
                // Without evidence the lines' own slope stands.
                let effort = 0.001 * count * (step.abs() + bend.abs()) as f32;
                let score = agreement(lines, &lean, fit) - effort;
                if score > best_score {
                    (best_score, best) = (score, lean);
                }
            }
        }
    }
    best
}

/// The lines' own slope and how it changes down the page: least squares over the wider ones, the widest counting most.
fn slopes(lines: &[Line], centre: Point) -> (f32, f32) {
    let (mut all, mut sum, mut sum_y, mut sum_yy, mut sum_ys) = (0.0_f32, 0.0_f32, 0.0_f32, 0.0_f32, 0.0_f32);
    let measured: Vec<(f32, f32, f32)> = lines
        .iter()
        .filter_map(|line| {
            let [a, b, c, d] = line.quad;
            let (from, to) = (mid(a, d), mid(b, c));
            let width = to.x - from.x;
            (width > 3.0 * line.height)
                .then(|| (f32::midpoint(from.y, to.y) - centre.y, (to.y - from.y) / width, width))
        })
        .collect();
    let usual = median(measured.iter().map(|(_, slope, _)| *slope).collect()).unwrap_or(0.0);
    for (y, slope, width) in measured.into_iter().filter(|(_, slope, _)| (slope - usual).abs() < 0.05) {
        let (y, weight) = (y / 1000.0, width * width);
        all += weight;
        sum += weight * slope;
        sum_y += weight * y;
        sum_yy += weight * y * y;
        sum_ys += weight * y * slope;
    }
    let spread = all * sum_yy - sum_y * sum_y;
    if all <= 0.0 || spread < 1e-3 * all * all {
        return (usual, 0.0);
    }
    let bend = ((all * sum_ys - sum_y * sum) / spread).clamp(-0.12, 0.12);
    ((sum - bend * sum_y) / all, bend / 1000.0)
}

#[derive(Clone, Copy)]
enum Fit {
    Rows,
    Edges,
}

/// How many pairs of lines share a row (or an edge) under this lean, near misses counted in part.
fn agreement(lines: &[Line], lean: &Lean, fit: Fit) -> f32 {
    const NEIGHBOURS: usize = 60;
    struct Place {
        first: f32,
        second: f32,
        size: f32,
        from: f32,
        to: f32,
    }
    let places: Vec<Place> = lines
        .iter()
        .map(|line| {
            let [a, b, c, d] = line.quad;
            let (left, up) = lean.straighten(mid(a, d));
            let (right, down) = lean.straighten(mid(b, c));
            let (first, second) = match fit {
                Fit::Rows => (f32::midpoint(up, down), f32::MAX),
                Fit::Edges => (left, right),
            };
            Place { first, second, size: line.height, from: left, to: right }
        })
        .collect();
    let near = |a: f32, b: f32, reach: f32| {
        let miss = (a - b) / reach;
        (1.0 - miss * miss).max(0.0)
    };
    let mut sum = 0.0;
    for (index, one) in places.iter().enumerate() {
        for other in places.iter().skip(index + 1).take(NEIGHBOURS) {
            let reach = 0.45 * one.size.min(other.size);
            let shared = near(one.first, other.first, reach);
            sum += match fit {
                // Lines above one another are never one row, however a lean may fold them together.
                Fit::Rows if one.from < other.to && other.from < one.to => -shared,
                Fit::Rows => shared,
                Fit::Edges => shared + 0.5 * near(one.second, other.second, reach),
            };
        }
    }
    sum
}
