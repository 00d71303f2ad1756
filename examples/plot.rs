//! Draws the speeds that the bench measured, in % of copy bandwidth, as SVG: `cargo xtask plot FILE.. [--out FOLDER]`.
//!
//! The files are those of `wgpu-norm bench --json FILE` and of `cargo xtask compare`. For FILE.json it
//! draws FOLDER/FILE-rows.svg, the speed of norms of rows over the length and over the number of rows. If other engines
//! are in the file, it draws FOLDER/FILE-engines.svg, the speed of each engine.

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use plotters::{
    coord::Shift,
    prelude::*,
    series::LineSeries,
    style::text_anchor::{HPos, Pos, VPos},
};
use serde::Deserialize;

/// Draws what the bench measured as SVG.
#[derive(Parser)]
struct Args {
    /// Rows that the bench or `cargo xtask compare` wrote.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where the pictures go.
    #[arg(long, value_name = "FOLDER", default_value = "docs/plots")]
    out: PathBuf,
}

/// A row of the bench.
#[derive(Clone, Deserialize)]
struct Row {
    adapter: String,
    engine: String,
    op: String,
    #[serde(default)]
    direction: String,
    #[serde(default)]
    dtype: String,
    #[serde(default)]
    outputs: u32,
    /// Tensors of its options.
    #[serde(default)]
    with: String,
    #[serde(default)]
    shape: String,
    ms: f64,
    /// % of copy bandwidth. Other engines have none: theirs follows from the times.
    percent_of_copy: Option<f64>,
}

type Result<T> = std::result::Result<T, Box<dyn Error>>;
type Points = Vec<(f64, f64)>;

const OURS: &str = "wgpu-norm";
const COPY: &str = "copy";
/// Okabe and Ito's: told apart by those who see fewer colours.
const COLORS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];
const FONT: &str = "sans-serif";

fn main() -> ExitCode {
    let args = Args::parse();
    let draw = |file: &PathBuf| draw(file, &args.out).map_err(|e| format!("{}: {e}", file.display()));
    match args.files.iter().try_for_each(draw) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("plot: {e}");
            ExitCode::FAILURE
        }
    }
}

fn draw(file: &Path, out: &Path) -> Result<()> {
    let mut rows: Vec<Row> = serde_json::from_str(&fs::read_to_string(file)?)?;
    rows.retain(|row| row.engine != "host" && row.dtype == "f32");
    let stem = file.file_stem().ok_or("it has no name")?.to_string_lossy().into_owned();
    let adapter = rows.first().map(|row| row.adapter.clone()).ok_or("no row of an op in f32")?;
    fs::create_dir_all(out)?;
    let mut drawn = 0;
    let panels = [Axis::Length, Axis::Count].map(|axis| (axis, lines(&rows, axis)));
    if panels.iter().any(|(_, series)| !series.is_empty()) {
        let path = out.join(format!("{stem}-rows.svg"));
        draw_rows(&path, &adapter, &panels)?;
        println!("{}", path.display());
        drawn += 1;
    }
    let engines = speeds(&rows);
    if engines.values().any(|of_case| of_case.len() > 1) {
        let path = out.join(format!("{stem}-engines.svg"));
        draw_engines(&path, &adapter, &engines)?;
        println!("{}", path.display());
        drawn += 1;
    }
    if drawn == 0 { Err("no rows of several lengths or counts, and of no other engine".into()) } else { Ok(()) }
}

#[derive(Clone, Copy, PartialEq)]
enum Axis {
    /// Rows of any length in tensors of about 2^20 elements.
    Length,
    /// Any number of rows of 1024.
    Count,
}

impl Axis {
    /// Where a tensor of rows is on this axis, if it is.
    fn of(self, shape: &str) -> Option<f64> {
        let (count, len) = shape.split_once('x')?;
        let (count, len): (u64, u64) = (count.parse().ok()?, len.parse().ok()?);
        match self {
            Self::Length => (1 << 19..=1 << 21).contains(&(count * len)).then_some(len as f64),
            Self::Count => (len == 1024).then_some(count as f64),
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Length => "length of a row, 2^19 to 2^21 elements in all",
            Self::Count => "rows of 1024 elements",
        }
    }
}

/// What is measured in a row, for engines to be compared. A forward norm that writes two tensors writes its sum with a
/// residual.
fn case(row: &Row) -> (&str, &str, &str, bool) {
    let has_residual = row.direction == "forward" && row.outputs == 2;
    (row.op.trim_end_matches("_backward"), &row.direction, &row.shape, has_residual)
}

/// % of copy bandwidth of a row of any engine: the copy is the one that ours was timed beside.
fn percent(row: &Row, rows: &[Row]) -> Option<f64> {
    let of_ours = |ours: &Row| Some(ours.percent_of_copy? * ours.ms / row.ms);
    row.percent_of_copy
        .or_else(|| rows.iter().filter(|ours| ours.engine == OURS && case(ours) == case(row)).find_map(of_ours))
}

/// Speeds of norms of rows along an axis, by engine and op.
fn lines(rows: &[Row], axis: Axis) -> BTreeMap<String, Points> {
    let mut series: BTreeMap<String, BTreeMap<u64, Vec<f64>>> = BTreeMap::new();
    for row in rows.iter().filter(|row| matches!(&*row.op, "layer_norm" | "rms_norm" | "layer_norm_backward")) {
        // One gradient, or an op with a tensor more, is another op.
        let plain = row.with.is_empty() && if row.direction == "backward" { row.outputs != 1 } else { row.outputs < 2 };
        let (Some(x), Some(y), true) = (axis.of(&row.shape), percent(row, rows), plain) else { continue };
        let backward = if row.direction == "backward" { ", backward" } else { "" };
        let name = format!("{} {}{backward}", row.engine, row.op.trim_end_matches("_backward"));
        series.entry(name).or_default().entry(x as u64).or_default().push(y);
    }
    // A line needs two points.
    let lines = series.into_iter().filter(|(_, points)| points.len() > 1);
    let median = |mut ys: Vec<f64>| {
        ys.sort_by(f64::total_cmp);
        ys[ys.len() / 2]
    };
    lines.map(|(name, points)| (name, points.into_iter().map(|(x, ys)| (x as f64, median(ys))).collect())).collect()
}

/// Speeds of each case by engine.
fn speeds(rows: &[Row]) -> BTreeMap<String, BTreeMap<String, f64>> {
    let mut cases: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    for ours in rows.iter().filter(|row| row.engine == OURS) {
        let (.., has_residual) = case(ours);
        let residual = if has_residual { ", residual" } else { "" };
        let name = format!("{} {}{residual}", ours.op.replace('_', " "), ours.shape);
        for row in rows.iter().filter(|row| row.engine != COPY && case(row) == case(ours)) {
            let Some(percent) = percent(row, rows) else { continue };
            cases.entry(name.clone()).or_default().insert(row.engine.clone(), percent);
        }
    }
    cases
}

fn style(name: &str, at: usize) -> (RGBColor, u32) {
    if name == COPY { (BLACK, 1) } else { (COLORS[at % COLORS.len()], 2) }
}

fn draw_rows(path: &Path, adapter: &str, panels: &[(Axis, BTreeMap<String, Points>)]) -> Result<()> {
    let root = SVGBackend::new(path, (1100, 480)).into_drawing_area();
    root.fill(&WHITE)?;
    let root = root.titled(&format!("Norms of rows, f32: {adapter}"), (FONT, 20))?;
    let (area, legend) = root.split_vertically(370);
    // The same name, the same colour in both.
    let mut names: Vec<&str> = panels.iter().flat_map(|(_, series)| series.keys().map(String::as_str)).collect();
    names.push(COPY);
    names.sort_unstable();
    names.dedup();
    let all = panels.iter().flat_map(|(_, series)| series.values().flatten());
    let top = all.map(|&(_, y)| y).fold(100.0, f64::max);
    for ((axis, series), area) in panels.iter().zip(area.split_evenly((1, panels.len()))) {
        draw_panel(&area, *axis, series, &names, top * 1.1)?;
    }
    draw_legend(&legend, &names)?;
    root.present()?;
    Ok(())
}

fn draw_panel(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    axis: Axis,
    series: &BTreeMap<String, Points>,
    names: &[&str],
    top: f64,
) -> Result<()> {
    let xs = || series.values().flatten().map(|&(x, _)| x);
    let (low, high) = (xs().fold(f64::INFINITY, f64::min), xs().fold(0.0, f64::max));
    if !low.is_finite() {
        let style = TextStyle::from((FONT, 15)).color(&BLACK);
        area.draw_text(&format!("no rows: {}", axis.label()), &style, (60, 160))?;
        return Ok(());
    }
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(58)
        .build_cartesian_2d((low / 1.3..high * 1.3).log_scale(), 0.0..top)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc(axis.label())
        .y_desc("% of copy bandwidth (more is better)")
        .x_label_formatter(&|x| if *x < 1e6 { format!("{x:.0}") } else { format!("{:.0}M", x / 1e6) })
        .y_label_formatter(&|y| format!("{y:.0}"))
        .label_style((FONT, 14))
        .draw()?;
    chart.draw_series(LineSeries::new([(low / 1.3, 100.0), (high * 1.3, 100.0)], BLACK))?;
    for (name, points) in series {
        let (color, width) = style(name, names.iter().position(|other| other == name).unwrap_or(0));
        chart.draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(width)))?;
        chart.draw_series(points.iter().map(|&point| Circle::new(point, 3, color.filled())))?;
    }
    Ok(())
}

fn draw_legend(area: &DrawingArea<SVGBackend<'_>, Shift>, names: &[&str]) -> Result<()> {
    const COLUMNS: usize = 4;
    let text = TextStyle::from((FONT, 14)).color(&BLACK);
    for (at, name) in names.iter().enumerate() {
        let (color, width) = style(name, at);
        let (x, y) = (60 + (at % COLUMNS) as i32 * 260, 8 + (at / COLUMNS) as i32 * 22);
        area.draw(&PathElement::new([(x, y + 7), (x + 24, y + 7)], color.stroke_width(width)))?;
        area.draw(&Circle::new((x + 12, y + 7), 3, color.filled()))?;
        area.draw_text(name, &text, (x + 32, y))?;
    }
    Ok(())
}

fn draw_engines(path: &Path, adapter: &str, cases: &BTreeMap<String, BTreeMap<String, f64>>) -> Result<()> {
    let mut engines: Vec<&str> = cases.values().flat_map(BTreeMap::keys).map(String::as_str).collect();
    // Ours first.
    engines.sort_unstable_by_key(|&name| (name != OURS, name));
    engines.dedup();
    let height = 130 + 34 * cases.len() as u32;
    let root = SVGBackend::new(path, (1000, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let root = root.titled(&format!("Engines, f32: {adapter}"), (FONT, 20))?;
    let (panel, legend) = root.split_vertically(height as i32 - 70);
    let most = cases.values().flat_map(BTreeMap::values).copied().fold(100.0, f64::max);
    let mut chart = ChartBuilder::on(&panel)
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(270)
        .build_cartesian_2d(0.0..most * 1.1, 0.0..cases.len() as f64)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .disable_y_axis()
        .disable_y_mesh()
        .x_desc("% of copy bandwidth (more is better)")
        .x_label_formatter(&|x| format!("{x:.0}"))
        .label_style((FONT, 14))
        .draw()?;
    let text = TextStyle::from((FONT, 14)).color(&BLACK).pos(Pos::new(HPos::Left, VPos::Center));
    for (at, (case, of_case)) in cases.iter().rev().enumerate() {
        let y = at as f64 + 0.5;
        let (_, pixel) = chart.backend_coord(&(100.0, y));
        let (_, panel_top) = panel.get_base_pixel();
        panel.draw_text(case, &text, (16, pixel - panel_top))?;
        chart.draw_series(LineSeries::new([(0.0, y), (most * 1.1, y)], BLACK.mix(0.15)))?;
        for (color_at, engine) in engines.iter().enumerate() {
            if let Some(&percent) = of_case.get(*engine) {
                chart.draw_series([Circle::new((percent, y), 5, style(engine, color_at).0.filled())])?;
            }
        }
    }
    draw_legend(&legend, &engines)?;
    root.present()?;
    Ok(())
}
