//! Curves in panels, as SVG.

use std::{fs, ops::Range, path::Path};

use plotters::prelude::*;
use serde::Serialize;

use super::Result;

const FONT: &str = "sans-serif";
/// Okabe and Ito's: told apart by those who see fewer colours.
const COLORS: [RGBColor; 3] = [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115)];

/// A curve, and the range around it that its runs span.
pub struct Curve {
    pub name: String,
    /// The same colour as the curves of this number in the other panels.
    pub color: usize,
    /// x, and of y the mean, the lowest and the highest.
    pub points: Vec<(f64, [f64; 3])>,
}

impl Curve {
    /// The curve of several runs of the same length; x begins at `first`.
    pub fn of_runs(name: &str, color: usize, first: f64, runs: &[&[f64]]) -> Self {
        let len = runs.iter().map(|run| run.len()).min().unwrap_or(0);
        let point = |i: usize| (first + i as f64, spread(&runs.iter().map(|run| run[i]).collect::<Vec<_>>()));
        Self { name: name.into(), color, points: (0..len).map(point).collect() }
    }
}

/// Mean, lowest and highest.
pub fn spread(values: &[f64]) -> [f64; 3] {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    [
        mean,
        values.iter().copied().fold(f64::INFINITY, f64::min),
        values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    ]
}

pub struct Panel {
    pub title: String,
    pub x: Axis,
    pub y: Axis,
    pub curves: Vec<Curve>,
}

pub struct Axis {
    pub name: &'static str,
    pub range: Range<f64>,
    pub ticks: usize,
    /// How a number on the axis is written.
    pub label: fn(&f64) -> String,
}

/// The panels, so many in a row. All have the curves of the first, or some of them: the legend is its.
pub fn draw(panels: &[Panel], in_a_row: usize) -> Result<String> {
    const PANEL: (u32, u32) = (400, 290);
    const HEAD: u32 = 44;
    let rows = panels.len().div_ceil(in_a_row);
    let mut svg = String::new();
    {
        let size = (PANEL.0 * in_a_row as u32, HEAD + PANEL.1 * rows as u32);
        let root = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        root.fill(&WHITE)?;
        let (head, body) = root.split_vertically(HEAD);
        let mut right = 70;
        for Curve { name, color, .. } in &panels[0].curves {
            let color = COLORS[*color];
            head.draw(&PathElement::new([(right, 24), (right + 28, 24)], color.stroke_width(3)))?;
            head.draw_text(name, &TextStyle::from((FONT, 16)).color(&color), (right + 36, 16))?;
            right += 76 + 9 * name.len() as i32;
        }
        for (Panel { title, x, y, curves }, area) in panels.iter().zip(body.split_evenly((rows, in_a_row))) {
            let mut chart = ChartBuilder::on(&area)
                .margin(10)
                .margin_right(18)
                .caption(title, (FONT, 16))
                .x_label_area_size(40)
                .y_label_area_size(58)
                .build_cartesian_2d(x.range.clone(), y.range.clone())?;
            chart
                .configure_mesh()
                .light_line_style(TRANSPARENT)
                .x_desc(x.name)
                .y_desc(y.name)
                .x_labels(x.ticks)
                .y_labels(y.ticks)
                .x_label_formatter(&x.label)
                .y_label_formatter(&y.label)
                .label_style((FONT, 13))
                .draw()?;
            let inside = |value: f64| value.clamp(y.range.start, y.range.end);
            for Curve { color, points, .. } in curves {
                let color = COLORS[*color];
                let low = points.iter().map(|&(x, [_, low, _])| (x, inside(low)));
                let high = points.iter().rev().map(|&(x, [_, _, high])| (x, inside(high)));
                chart.draw_series([Polygon::new(low.chain(high).collect::<Vec<_>>(), color.mix(0.18).filled())])?;
                let means = points.iter().map(|&(x, [mean, ..])| (x, inside(mean)));
                chart.draw_series(LineSeries::new(means.clone(), color.stroke_width(2)))?;
                if points.len() < 12 {
                    chart.draw_series(means.map(|point| Circle::new(point, 3, color.filled())))?;
                }
            }
        }
        root.present()?;
    }
    Ok(svg)
}

/// Writes a picture, and the numbers that it shows beside it as JSON.
pub fn save(file: &Path, svg: &str, numbers: &impl Serialize) -> Result<()> {
    let json = serde_json::to_string(numbers)? + "\n";
    for (file, text) in [(file, svg), (&file.with_extension("json"), &json)] {
        fs::write(file, text).map_err(|e| format!("{}: {e}", file.display()))?;
        println!("{}", file.display());
    }
    Ok(())
}
