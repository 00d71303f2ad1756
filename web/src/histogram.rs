//! How numbers are distributed, as a picture.

use std::{error::Error, ops::Range};

use plotters::prelude::*;

const BINS: usize = 60;
const SIZE: (u32, u32) = (430, 280);
const FONT: &str = "sans-serif";

/// A histogram as SVG. The page gives it its colors.
pub fn histogram(title: &str, values: &[f32]) -> Result<String, Box<dyn Error>> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let range = range_of(values);
        let bins = count(values, &range);
        let width = (range.end - range.start) / BINS as f32;
        let top = bins.iter().copied().max().unwrap_or(0).max(1);
        let mut chart = ChartBuilder::on(&root)
            .caption(title, (FONT, 16))
            .margin(10)
            .x_label_area_size(38)
            .y_label_area_size(66)
            .build_cartesian_2d(range.clone(), 0..top + top / 10 + 1)?;
        chart
            .configure_mesh()
            .disable_mesh()
            .x_desc("value")
            .y_desc("elements")
            .x_labels(6)
            .y_labels(5)
            .label_style((FONT, 13))
            .draw()?;
        chart.draw_series(bins.iter().enumerate().map(|(i, &n)| {
            let left = range.start + i as f32 * width;
            Rectangle::new([(left, 0), (left + width, n)], BLACK.filled())
        }))?;
        root.present()?;
    }
    Ok(svg)
}

fn range_of(values: &[f32]) -> Range<f32> {
    let finite = || values.iter().copied().filter(|x| x.is_finite());
    let (low, high) = (finite().fold(f32::INFINITY, f32::min), finite().fold(f32::NEG_INFINITY, f32::max));
    // A constant is one bar in the middle; without a finite number there is none.
    let margin = (high.abs() / 100.0).max(1e-3);
    if low < high {
        low..high
    } else if low == high {
        low - margin..high + margin
    } else {
        -1.0..1.0
    }
}

fn count(values: &[f32], range: &Range<f32>) -> [usize; BINS] {
    let mut bins = [0; BINS];
    let scale = BINS as f64 / (f64::from(range.end) - f64::from(range.start));
    for x in values.iter().filter(|x| x.is_finite()) {
        let bin = (f64::from(*x) - f64::from(range.start)) * scale;
        bins[(bin as usize).min(BINS - 1)] += 1;
    }
    bins
}
