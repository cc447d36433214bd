//! Plane geometry for text lines: convex hull, the smallest rectangle around it, growing that rectangle, and the
//! projective map from an upright rectangle onto four corners. Pure.

use orrery_content::Point;

/// Corners of a line of text: top left, top right, bottom right, bottom left.
pub type Quad = [Point; 4];

/// A rectangle in any direction: centre, half extents, and the unit vector of the first side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rectangle {
    centre: Point,
    half: (f32, f32),
    axis: Point,
}

impl Rectangle {
    /// The rectangle of the least area around a convex polygon, by trying the direction of each edge (Freeman and
    /// Shapira, 1975: one side of it lies along an edge).
    pub(super) fn around(hull: &[Point]) -> Option<Self> {
        let mut best: Option<(f32, Self)> = None;
        let next = hull.iter().cycle().skip(1);
        for (from, to) in hull.iter().zip(next) {
            let length = distance(*from, *to);
            if length <= f32::EPSILON {
                continue;
            }
            let axis = Point { x: (to.x - from.x) / length, y: (to.y - from.y) / length };
            let candidate = Self::along(hull, axis);
            let area = candidate.half.0 * candidate.half.1;
            if best.is_none_or(|(least, _)| area < least) {
                best = Some((area, candidate));
            }
        }
        best.map(|(_, rectangle)| rectangle)
    }

    /// The rectangle around the points with one side along `axis`.
    fn along(points: &[Point], axis: Point) -> Self {
        let (mut low, mut high) = ((f32::MAX, f32::MAX), (f32::MIN, f32::MIN));
        for point in points {
            let along = point.x * axis.x + point.y * axis.y;
            let across = point.y * axis.x - point.x * axis.y;
            low = (low.0.min(along), low.1.min(across));
            high = (high.0.max(along), high.1.max(across));
        }
        let middle = ((low.0 + high.0) / 2.0, (low.1 + high.1) / 2.0);
        Self {
            centre: Point { x: middle.0 * axis.x - middle.1 * axis.y, y: middle.0 * axis.y + middle.1 * axis.x },
            half: ((high.0 - low.0) / 2.0, (high.1 - low.1) / 2.0),
            axis,
        }
    }

    /// Length of the shorter side.
    pub(super) fn short_side(&self) -> f32 {
        2.0 * self.half.0.min(self.half.1)
    }

    /// The same rectangle with each side moved outwards by area × `ratio` / perimeter: DB's detection head is trained on
    /// shrunken lines, and this undoes the shrinking (Liao et al., "Real-time Scene Text Detection with Differentiable
    /// Binarization", section 3.4).
    pub(super) fn unclip(&self, ratio: f32) -> Self {
        let area = 4.0 * self.half.0 * self.half.1;
        let perimeter = 4.0 * (self.half.0 + self.half.1);
        let by = if perimeter > 0.0 { area * ratio / perimeter } else { 0.0 };
        Self { half: (self.half.0 + by, self.half.1 + by), ..*self }
    }

    /// The corners, clockwise on the screen, beginning at the top left.
    pub(super) fn corners(&self) -> Quad {
        let corner = |along: f32, across: f32| Point {
            x: self.centre.x + along * self.axis.x - across * self.axis.y,
            y: self.centre.y + along * self.axis.y + across * self.axis.x,
        };
        let (a, b) = self.half;
        let mut points = [corner(-a, -b), corner(a, -b), corner(a, b), corner(-a, b)];
        // Left pair and right pair by x, each sorted by y: a line tilted by less than 45 degrees reads left to right.
        points.sort_by(|p, q| p.x.total_cmp(&q.x));
        let [l1, l2, r1, r2] = points;
        let (top_left, bottom_left) = if l1.y <= l2.y { (l1, l2) } else { (l2, l1) };
        let (top_right, bottom_right) = if r1.y <= r2.y { (r1, r2) } else { (r2, r1) };
        [top_left, top_right, bottom_right, bottom_left]
    }
}

/// Euclidean distance.
pub(super) fn distance(a: Point, b: Point) -> f32 {
    (a.x - b.x).hypot(a.y - b.y)
}

/// Width and height of a quad along its sides, the longer of each pair.
pub(super) fn size(quad: &Quad) -> (f32, f32) {
    let [tl, tr, br, bl] = *quad;
    (distance(tl, tr).max(distance(bl, br)), distance(tl, bl).max(distance(tr, br)))
}

/// Convex hull without collinear points, by Andrew's monotone chain. Fewer than three distinct points come back as they are.
pub(super) fn convex_hull(mut points: Vec<Point>) -> Vec<Point> {
    points.sort_by(|a, b| a.x.total_cmp(&b.x).then(a.y.total_cmp(&b.y)));
    points.dedup();
    if points.len() < 3 {
        return points;
    }
    let mut hull = half_hull(points.iter().copied());
    let upper = half_hull(points.iter().rev().copied());
    hull.pop();
    hull.extend(upper);
    hull.pop();
    hull
}

fn half_hull(points: impl Iterator<Item = Point>) -> Vec<Point> {
    let mut chain: Vec<Point> = Vec::new();
    for point in points {
        while let [.., a, b] = chain.as_slice() {
            let turn = (b.x - a.x) * (point.y - a.y) - (b.y - a.y) * (point.x - a.x);
            if turn > 0.0 {
                break;
            }
            chain.pop();
        }
        chain.push(point);
    }
    chain
}

/// The projective map of the unit square's corners (0,0), (1,0), (1,1), (0,1) onto a quad, in closed form (Heckbert,
/// "Fundamentals of Texture Mapping and Image Warping", 1989, section 2.2.3).
#[derive(Debug, Clone, Copy)]
pub(super) struct Projection {
    x: [f32; 3],
    y: [f32; 3],
    w: [f32; 2],
}

impl Projection {
    /// The map onto the given corners.
    pub(super) fn onto(quad: &Quad) -> Self {
        let [p0, p1, p2, p3] = *quad;
        let sum = (p0.x - p1.x + p2.x - p3.x, p0.y - p1.y + p2.y - p3.y);
        let (d1, d2) = ((p1.x - p2.x, p1.y - p2.y), (p3.x - p2.x, p3.y - p2.y));
        let determinant = d1.0 * d2.1 - d2.0 * d1.1;
        let (g, h) = if determinant.abs() <= f32::EPSILON {
            (0.0, 0.0)
        } else {
            ((sum.0 * d2.1 - d2.0 * sum.1) / determinant, (d1.0 * sum.1 - sum.0 * d1.1) / determinant)
        };
        Self {
            x: [p1.x - p0.x + g * p1.x, p3.x - p0.x + h * p3.x, p0.x],
            y: [p1.y - p0.y + g * p1.y, p3.y - p0.y + h * p3.y, p0.y],
            w: [g, h],
        }
    }

    /// Where a point of the unit square lands.
    pub(super) fn at(&self, u: f32, v: f32) -> Point {
        let ([a, b, c], [d, e, f], [g, h]) = (self.x, self.y, self.w);
        let w = g * u + h * v + 1.0;
        Point { x: (a * u + b * v + c) / w, y: (d * u + e * v + f) / w }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn points(list: &[(f32, f32)]) -> Vec<Point> {
        list.iter().map(|&(x, y)| Point { x, y }).collect()
    }

    fn assert_near(found: &Quad, expected: [(f32, f32); 4]) {
        for (point, (x, y)) in found.iter().zip(expected) {
            assert!((point.x - x).abs() < 1e-3 && (point.y - y).abs() < 1e-3, "{found:?} is not {expected:?}");
        }
    }

    #[test]
    fn hull_drops_inner_and_collinear_points() {
        let hull = convex_hull(points(&[(0., 0.), (4., 0.), (4., 2.), (0., 2.), (2., 1.), (2., 0.), (0., 0.)]));
        assert_eq!(hull.len(), 4);
    }

    #[test]
    fn rectangle_of_an_upright_box() {
        let hull = convex_hull(points(&[(1., 1.), (9., 1.), (9., 4.), (1., 4.)]));
        let rectangle = Rectangle::around(&hull).unwrap();
        assert!((rectangle.short_side() - 3.0).abs() < 1e-4);
        assert_near(&rectangle.corners(), [(1., 1.), (9., 1.), (9., 4.), (1., 4.)]);
    }

    #[test]
    fn rectangle_of_a_tilted_box_keeps_its_tilt() {
        // A 10 by 2 box along (0.8, 0.6), from the origin.
        let hull = convex_hull(points(&[(0., 0.), (8., 6.), (6.8, 7.6), (-1.2, 1.6)]));
        let corners = Rectangle::around(&hull).unwrap().corners();
        let (width, height) = size(&corners);
        assert!((width - 10.0).abs() < 1e-3 && (height - 2.0).abs() < 1e-3);
        assert_near(&corners, [(0., 0.), (8., 6.), (6.8, 7.6), (-1.2, 1.6)]);
    }

    #[test]
    fn unclip_grows_by_area_over_perimeter() {
        let hull = convex_hull(points(&[(0., 0.), (20., 0.), (20., 5.), (0., 5.)]));
        let grown = Rectangle::around(&hull).unwrap().unclip(1.6);
        // 100 * 1.6 / 50 = 3.2 on each side.
        assert_near(&grown.corners(), [(-3.2, -3.2), (23.2, -3.2), (23.2, 8.2), (-3.2, 8.2)]);
    }

    #[test]
    fn a_single_point_has_no_rectangle() {
        assert_eq!(Rectangle::around(&convex_hull(points(&[(3., 3.), (3., 3.)]))), None);
    }

    #[test]
    fn projection_meets_all_corners_of_a_trapezium() {
        let corners = [(0., 0.), (10., 1.), (8., 6.), (1., 5.)];
        let list = points(&corners);
        let map = Projection::onto(&[list[0], list[1], list[2], list[3]]);
        let landed = [map.at(0., 0.), map.at(1., 0.), map.at(1., 1.), map.at(0., 1.)];
        assert_near(&landed, corners);
    }
}
