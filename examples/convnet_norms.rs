//! What batch, layer, group and instance norm normalize over, on the same activations of a convolution, channels first
//! and channels last:
//!
//! `cargo run --example convnet_norms [-- --out FILE.svg]`
//!
//! Prints how much the statistics of channels and of images still differ after each, checks that both layouts give the
//! same, and draws it.

use std::{error::Error, fs, path::PathBuf, process::ExitCode};

use clap::Parser;
use plotters::{coord::Shift, prelude::*};
use safetensors::SafeTensors;
use wgpu_norm::{
    BatchNorm, GroupNorm, InstanceNorm, LayerNorm, Layout, Norm, Tensors,
    host::Gpu,
    testing::{Random, compare_outputs, max_error},
};

#[derive(Parser)]
pub struct Args {
    /// Where the picture goes.
    #[arg(long, value_name = "FILE.svg")]
    pub out: Option<PathBuf>,
}

/// Images, channels, and pixels in a row and in a column of what the convolution gives.
const N: usize = 48;
const C: usize = 8;
const SIDE: usize = 6;
const PIXELS: usize = SIDE * SIDE;
const GROUPS: usize = 4;

const FONT: &str = "sans-serif";
/// Okabe and Ito's: told apart by those who see fewer colours.
const COLORS: [RGBColor; 3] = [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115)];
const SHADE: RGBColor = RGBColor(86, 180, 233);

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn main() -> ExitCode {
    env_logger::init();
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("convnet_norms: {e}");
            ExitCode::FAILURE
        }
    }
}

/// A norm, and the activations after it.
struct Normalized {
    name: &'static str,
    /// Whether the elements of this image and of this channel from the last are normalized with those of the first
    /// image and the last channel.
    with: fn(image: usize, channel: usize) -> bool,
    values: Vec<f32>,
}

pub fn run(args: &Args) -> Result<()> {
    let gpu = Gpu::new()?;
    let input = convolved(&images()?);
    let mut shown = vec![Normalized { name: "activations", with: |_, _| false, values: input.clone() }];
    let [first, last] = [vec![N, C, SIDE, SIDE], vec![N, SIDE, SIDE, C]];
    let op = |name, with, channels_first: &dyn Norm, channels_last: &dyn Norm| -> Result<Normalized> {
        let values = normalize(&gpu, channels_first, &input)?;
        // The same op over the same numbers, in the other order.
        let other = to_channels_first(&normalize(&gpu, channels_last, &to_channels_last(&input))?);
        let expected: Vec<f64> = values.iter().map(|&x| f64::from(x)).collect();
        let apart = max_error(name, wgpu_norm::DType::F32, &other, &expected)?;
        if apart > 1e-5 {
            return Err(format!("{name}: channels last differ by {apart:e}").into());
        }
        Ok(Normalized { name, with, values })
    };
    let channels_last = Layout::ChannelsLast;
    shown.push(op(
        "batch norm",
        |_, channel| channel == 0,
        &BatchNorm::training(&first).weight(false).bias(false),
        &BatchNorm::training(&last).weight(false).bias(false).layout(channels_last),
    )?);
    shown.push(op(
        "layer norm",
        |image, _| image == 0,
        &LayerNorm::new(&first, 1..).weight(false).bias(false),
        &LayerNorm::new(&last, 1..).weight(false).bias(false),
    )?);
    shown.push(op(
        "instance norm",
        |image, channel| image == 0 && channel == 0,
        &InstanceNorm::new(&first),
        &InstanceNorm::new(&last).layout(channels_last),
    )?);
    shown.push(op(
        "group norm",
        |image, channel| image == 0 && channel < C / GROUPS,
        &GroupNorm::new(&first, GROUPS).weight(false).bias(false),
        &GroupNorm::new(&last, GROUPS).weight(false).bias(false).layout(channels_last),
    )?);

    println!("means and standard deviations, from the smallest to the largest\n");
    println!("{:<14} {:<36} of {N} images", "", format!("of {C} channels"));
    let mut spreads = Vec::new();
    for Normalized { name, values, .. } in &shown {
        let channels = moments((0..C).map(|channel| of_channel(values, channel)));
        let images = moments((0..N).map(|image| of_image(values, image)));
        println!("{name:<14} {:<36} {}", channels.to_string(), images);
        spreads.push((channels, images));
    }
    // What each is for: it makes these alike, and leaves the others apart.
    let alike = |spread: &Spread| spread.mean[0].abs().max(spread.mean[1].abs()) < 1e-5 && spread.std[0] > 0.999;
    let expected = [(false, false), (true, false), (false, true), (true, true), (false, true)];
    for ((channels, images), (shown, expected)) in spreads.iter().zip(shown.iter().zip(expected)) {
        if (alike(channels), alike(images)) != expected {
            return Err(format!("{}: not what it normalizes over", shown.name).into());
        }
    }
    println!("\nchannels last give the same");
    if let Some(file) = &args.out {
        draw(&shown, file)?;
        println!("{}", file.display());
    }
    Ok(())
}

fn normalize(gpu: &Gpu, op: &dyn Norm, input: &[f32]) -> Result<Vec<f32>> {
    let tensors = Tensors::new(input);
    let outputs = gpu.run(op, &tensors)?;
    compare_outputs(op, &outputs, &op.reference(&tensors)?)?;
    Ok(outputs.output().to_vec())
}

/// Handwritten digits of 8 by 8 pixels, `[N, 8, 8]`, from 0 to 16, as bright as a bad scanner makes them.
fn images() -> Result<Vec<f32>> {
    let bytes = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits-batch-norm.safetensors"))?;
    let file = SafeTensors::deserialize(&bytes)?;
    let pixels = file.tensor("input")?;
    let pixels = pixels.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    Ok(pixels.take(N * 64).enumerate().map(|(i, pixel)| pixel * [0.4, 1.0, 1.6][i / 64 % 3]).collect())
}

/// A convolution with random 3 by 3 filters, `[N, C, SIDE, SIDE]`. Channels have weights and biases of their own size,
/// as trained ones do.
fn convolved(images: &[f32]) -> Vec<f32> {
    let mut random = Random::new(2);
    let filters: Vec<_> = (0..C).map(|channel| random.normal(9, 0.1, 0.1 + 0.06 * channel as f64)).collect();
    let biases = random.normal(C, 0.0, 8.0);
    let mut out = Vec::with_capacity(N * C * PIXELS);
    for image in images.chunks_exact(64) {
        for (filter, bias) in filters.iter().zip(&biases) {
            for at in 0..PIXELS {
                let (y, x) = (at / SIDE, at % SIDE);
                out.push(bias + (0..9).map(|k| filter[k] * image[(y + k / 3) * 8 + x + k % 3]).sum::<f32>());
            }
        }
    }
    out
}

fn to_channels_last(values: &[f32]) -> Vec<f32> {
    let image = |image: &[f32]| (0..C * PIXELS).map(|i| image[i % C * PIXELS + i / C]).collect::<Vec<_>>();
    values.chunks_exact(C * PIXELS).flat_map(image).collect()
}

fn to_channels_first(values: &[f32]) -> Vec<f32> {
    let image = |image: &[f32]| (0..C * PIXELS).map(|i| image[i % PIXELS * C + i / PIXELS]).collect::<Vec<_>>();
    values.chunks_exact(C * PIXELS).flat_map(image).collect()
}

fn of_channel(values: &[f32], channel: usize) -> Vec<f32> {
    values.chunks_exact(PIXELS).skip(channel).step_by(C).flatten().copied().collect()
}

fn of_image(values: &[f32], image: usize) -> Vec<f32> {
    values[image * C * PIXELS..][..C * PIXELS].to_vec()
}

/// The smallest and the largest mean and standard deviation of several sets.
struct Spread {
    mean: [f64; 2],
    std: [f64; 2],
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [mean, std] = [self.mean, self.std];
        // No -0.00.
        let [low, high] = mean.map(|x| if x.abs() < 0.005 { 0.0 } else { x });
        f.pad(&format!("{low:.2} .. {high:.2}, {:.2} .. {:.2}", std[0], std[1]))
    }
}

fn moments(sets: impl Iterator<Item = Vec<f32>>) -> Spread {
    let mut spread = Spread { mean: [f64::INFINITY, f64::NEG_INFINITY], std: [f64::INFINITY, f64::NEG_INFINITY] };
    for set in sets {
        let count = set.len() as f64;
        let mean = set.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
        let std = (set.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count).sqrt();
        spread.mean = [spread.mean[0].min(mean), spread.mean[1].max(mean)];
        spread.std = [spread.std[0].min(std), spread.std[1].max(std)];
    }
    spread
}

fn draw(shown: &[Normalized], file: &PathBuf) -> Result<()> {
    let root = SVGBackend::new(file, (1000, 1130)).into_drawing_area();
    root.fill(&WHITE)?;
    let (head, rows) = root.split_vertically(50);
    let titles: [(&str, [(&str, i32); 3]); 3] = [
        ("normalized together", [("", 0); 3]),
        ("channels:", [("1,", 84), ("5,", 104), ("8", 124)]),
        ("images:", [("dark,", 72), ("plain,", 116), ("bright", 164)]),
    ];
    for ((title, names), area) in titles.iter().zip(head.split_evenly((1, 3))) {
        area.draw_text(title, &TextStyle::from((FONT, 17)).color(&BLACK), (60, 24))?;
        for ((name, right), color) in names.iter().zip(COLORS) {
            area.draw_text(name, &TextStyle::from((FONT, 17)).color(&color), (60 + right, 24))?;
        }
    }
    for (normalized, row) in shown.iter().zip(rows.split_evenly((shown.len(), 1))) {
        let panels = row.split_evenly((1, 3));
        draw_cube(&panels[0], normalized)?;
        draw_densities(&panels[1], [0, C / 2, C - 1].map(|channel| of_channel(&normalized.values, channel)))?;
        // All of a brightness: the density of one image would be ragged.
        let bright = |k: usize| (k..N).step_by(3).flat_map(|image| of_image(&normalized.values, image)).collect();
        draw_densities(&panels[2], [0, 1, 2].map(bright))?;
    }
    root.present()?;
    Ok(())
}

/// The tensor as a cube: images go back, channels go right, pixels go down. What is normalized with the last channel of
/// the first image is shaded.
fn draw_cube(area: &Area<'_>, normalized: &Normalized) -> Result<()> {
    const IMAGES: i32 = 6;
    const CHANNELS: i32 = C as i32;
    const ROWS: i32 = 6;
    const CELL: i32 = 15;
    const BACK: (i32, i32) = (9, -8);
    let at =
        |channel: i32, row: i32, image: i32| (60 + channel * CELL + image * BACK.0, 100 + row * CELL + image * BACK.1);
    let cell = |corners: [(i32, i32); 4], image: i32, channel: i32| -> Result<()> {
        let shaded = (normalized.with)(image as usize, (CHANNELS - 1 - channel) as usize);
        let fill = if shaded { SHADE } else { WHITE };
        area.draw(&Polygon::new(corners.to_vec(), fill.filled()))?;
        let outline = [&corners[..], &corners[..1]].concat();
        area.draw(&PathElement::new(outline, RGBColor(110, 110, 110).stroke_width(1)))?;
        Ok(())
    };
    for channel in 0..CHANNELS {
        for row in 0..ROWS {
            let corners =
                [at(channel, row, 0), at(channel + 1, row, 0), at(channel + 1, row + 1, 0), at(channel, row + 1, 0)];
            cell(corners, 0, channel)?;
        }
        for image in 0..IMAGES {
            let corners = [
                at(channel, 0, image),
                at(channel + 1, 0, image),
                at(channel + 1, 0, image + 1),
                at(channel, 0, image + 1),
            ];
            cell(corners, image, channel)?;
        }
    }
    for image in 0..IMAGES {
        for row in 0..ROWS {
            let side = |row, image| at(CHANNELS, row, image);
            let corners = [side(row, image), side(row, image + 1), side(row + 1, image + 1), side(row + 1, image)];
            cell(corners, image, CHANNELS - 1)?;
        }
    }
    let text = TextStyle::from((FONT, 13)).color(&BLACK);
    area.draw_text(normalized.name, &TextStyle::from((FONT, 16)).color(&BLACK), (60, 18))?;
    area.draw_text("channels", &text, (95, 194))?;
    area.draw_text("pixels", &text, (16, 140))?;
    area.draw_text("images", &text, (216, 176))?;
    Ok(())
}

/// How three sets of numbers are distributed.
fn draw_densities(area: &Area<'_>, sets: [Vec<f32>; 3]) -> Result<()> {
    const BINS: usize = 50;
    let mut all: Vec<f32> = sets.concat();
    all.sort_by(f32::total_cmp);
    // Without the farthest hundredth, which would press the rest together.
    let (low, high) = (all[all.len() / 200], all[all.len() - 1 - all.len() / 200]);
    let width = (high - low) / BINS as f32;
    let densities = sets.map(|set| {
        let mut bins = [0.0; BINS];
        for x in set.iter().filter(|&&x| x >= low && x < high) {
            bins[(((x - low) / width) as usize).min(BINS - 1)] += 1.0 / (set.len() as f32 * width);
        }
        bins
    });
    // Of all but the highest bins: a channel of black pixels has one far above the rest.
    let mut heights: Vec<f32> = densities.iter().flatten().copied().collect();
    heights.sort_by(f32::total_cmp);
    let top = heights[heights.len() - 4] * 1.2;
    let mut chart = ChartBuilder::on(area)
        .margin(8)
        .x_label_area_size(34)
        .y_label_area_size(56)
        .build_cartesian_2d(low..high, 0.0..top)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .x_desc("value")
        .y_desc("density")
        .x_labels(6)
        .y_labels(4)
        .label_style((FONT, 12))
        .draw()?;
    for (bins, color) in densities.iter().zip(COLORS) {
        let points = bins.iter().enumerate().map(|(i, &y)| (low + (i as f32 + 0.5) * width, y.min(top)));
        chart.draw_series(LineSeries::new(points, color.stroke_width(2)))?;
    }
    Ok(())
}
