//! Reading order: rows from top to bottom, each from left to right. Photographs are tilted, so rows are formed along the
//! print's own direction, not along the edge of the picture. Pure.

use super::geometry::{Quad, distance};

/// Lines belong to one row when their middles differ by less than this share of the lower one's height.
const ROW_SHARE: f32 = 0.5;

/// A line's place once the tilt is taken out.
#[derive(Debug, Clone, Copy)]
struct Place {
    index: usize,
    x: f32,
    y: f32,
    height: f32,
}

/// The indices of the lines in reading order.
pub(super) fn reading_order(lines: &[Quad]) -> Vec<usize> {
    let (sine, cosine) = tilt(lines).sin_cos();
    let mut places: Vec<Place> = lines
        .iter()
        .enumerate()
        .map(|(index, [a, b, c, d])| {
            let (x, y) = ((a.x + b.x + c.x + d.x) / 4.0, (a.y + b.y + c.y + d.y) / 4.0);
            let height = (distance(*a, *d) + distance(*b, *c)) / 2.0;
            Place { index, x: x * cosine + y * sine, y: y * cosine - x * sine, height }
        })
        .collect();
    places.sort_by(|a, b| a.y.total_cmp(&b.y));
    let mut rows: Vec<Vec<Place>> = Vec::new();
    for place in places {
        match rows.last_mut() {
            Some(row) if row.iter().any(|other| place.y - other.y < ROW_SHARE * place.height.min(other.height)) => {
                row.push(place)
            }
            _ => rows.push(vec![place]),
        }
    }
    rows.iter_mut().for_each(|row| row.sort_by(|a, b| a.x.total_cmp(&b.x)));
    rows.into_iter().flatten().map(|place| place.index).collect()
}

/// The median direction of the print, weighted to long lines by asking only the longer half.
fn tilt(lines: &[Quad]) -> f32 {
    let mut directions: Vec<(f32, f32)> = lines
        .iter()
        .map(|[a, b, ..]| (distance(*a, *b), (b.y - a.y).atan2(b.x - a.x)))
        .filter(|(_, angle)| angle.abs() < std::f32::consts::FRAC_PI_4)
        .collect();
    directions.sort_by(|a, b| b.0.total_cmp(&a.0));
    directions.truncate(directions.len().div_ceil(2));
    directions.sort_by(|a, b| a.1.total_cmp(&b.1));
    directions.get(directions.len() / 2).map_or(0.0, |(_, angle)| *angle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use orrery_content::Point;

    /// A line 30 high at a place of an upright page, which is then turned by `angle`.
    fn line(x: f32, y: f32, width: f32, angle: f32) -> Quad {
        let (sine, cosine) = angle.sin_cos();
        [(x, y), (x + width, y), (x + width, y + 30.0), (x, y + 30.0)]
            .map(|(x, y)| Point { x: x * cosine - y * sine, y: x * sine + y * cosine })
    }

    #[test]
    fn rows_are_found_on_a_tilted_page() {
        for angle in [-0.08, -0.02, 0.0, 0.05, 0.1] {
            let lines = [
                line(800., 100., 150., angle),
                line(100., 104., 300., angle),
                line(100., 160., 250., angle),
                line(800., 156., 200., angle),
                line(100., 40., 600., angle),
            ];
            assert_eq!(reading_order(&lines), [4, 1, 0, 2, 3], "angle {angle}");
        }
    }

    #[test]
    fn no_lines_have_no_order() {
        assert!(reading_order(&[]).is_empty());
    }
}
