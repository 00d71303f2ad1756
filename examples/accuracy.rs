//! How far layer norm, batch norm and RMS norm are from f64 on data that breaks a careless variance: this crate by
//! every method that the adapter has, and f32 on the CPU by E[x^2] - E[x]^2 and by Welford's update.
//!
//! `cargo xtask accuracy` runs it. It fails where this crate breaks its promise.

use std::{error::Error, process::ExitCode};

use wgpu_norm::{
    BatchNorm, LayerNorm, Method, Norm, RmsNorm, Strategy, Tensors,
    host::Gpu,
    testing::{PROMISE, largest, max_error},
};

/// Elements of a row, or of a channel.
const LEN: usize = 33_000;

fn main() -> ExitCode {
    env_logger::init();
    match table() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("accuracy: above the promise of {PROMISE:e}");
            ExitCode::FAILURE
        }
        Err(e) => {
            eprintln!("accuracy: {e}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the table; says whether the promise is kept.
fn table() -> Result<bool, Box<dyn Error>> {
    let gpu = Gpu::new()?;
    println!(
        "{}: largest error of {LEN} elements, in parts of max(1, largest output)\n",
        gpu.device().adapter_info().name
    );
    println!(
        "{:<44} {:>10} {:>10} {:>10} {:>10} {:>10}",
        "data", "layer norm", "batch norm", "RMS norm", "naive f32", "Welford"
    );
    let mut kept = true;
    for (name, row) in data() {
        let layer = LayerNorm::new(&[1, LEN], 1..).weight(false).bias(false);
        let ops: [Box<dyn Norm>; 3] = [
            Box::new(layer.clone()),
            Box::new(BatchNorm::training(&[3, 1, LEN / 3]).weight(false).bias(false)),
            Box::new(RmsNorm::new(&[1, LEN], 1..).weight(false)),
        ];
        let mut errors = Vec::new();
        for op in &ops {
            errors.push(worst(&gpu, &**op, &row)?);
        }
        kept &= errors.iter().all(|&error| error <= PROMISE);
        let truth = layer.reference(&Tensors::new(&row))?;
        for (mean, variance) in [naive(&row), welford(&row)] {
            let rstd = 1.0 / (variance + 1e-5).sqrt();
            let output: Vec<f32> = row.iter().map(|x| (x - mean) * rstd).collect();
            errors.push(error(&output, truth.output()));
        }
        let errors: Vec<String> = errors.iter().map(|error| format!("{error:>10.1e}")).collect();
        println!("{name:<44} {}", errors.join(" "));
    }
    Ok(kept)
}

/// The largest error by any method.
fn worst(gpu: &Gpu, op: &dyn Norm, row: &[f32]) -> Result<f64, Box<dyn Error>> {
    let tensors = Tensors::new(row);
    let truth = op.reference(&tensors)?;
    let mut worst = error(gpu.run(op, &tensors)?.output(), truth.output());
    for &method in Method::ALL {
        match gpu.run_with(op, &tensors, Strategy::Forced(method)) {
            Ok(run) => worst = worst.max(error(run.outputs.output(), truth.output())),
            Err(wgpu_norm::Error::Unsupported { .. }) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(worst)
}

fn error(actual: &[f32], expected: &[f64]) -> f64 {
    // What can't be compared, such as a NaN, is as wrong as can be.
    let error = max_error("output", wgpu_norm::DType::F32, actual, expected).unwrap_or(f64::INFINITY);
    error / largest(expected).max(1.0)
}

/// Mean and variance by E[x^2] - E[x]^2.
fn naive(row: &[f32]) -> (f32, f32) {
    let n = row.len() as f32;
    let (sum, squares) = row.iter().fold((0.0, 0.0), |(sum, squares), x| (sum + x, squares + x * x));
    let mean = sum / n;
    (mean, squares / n - mean * mean)
}

/// Mean and variance, updated by each element.
fn welford(row: &[f32]) -> (f32, f32) {
    let (mut mean, mut m2) = (0.0, 0.0);
    for (i, x) in row.iter().enumerate() {
        let delta = x - mean;
        mean += delta / (i + 1) as f32;
        m2 += delta * (x - mean);
    }
    (mean, m2 / row.len() as f32)
}

fn data() -> Vec<(String, Vec<f32>)> {
    let normal = normal(LEN);
    let spread = |offset: f32, spread: f32| normal.iter().map(|x| offset + spread * x).collect::<Vec<_>>();
    let mut data = Vec::new();
    for value in [1234.0, 40_000.0, 16_777_215.0] {
        data.push((format!("all {value:e}"), vec![value; LEN]));
    }
    for offset in [0.0, 1e3, 1e4, 1e5, 1e6, 1e7] {
        data.push((format!("{offset:e} + N(0, 1)"), spread(offset, 1.0)));
    }
    let ulp = |i: usize| if i.is_multiple_of(2) { 1e6 } else { f32::from_bits(1e6_f32.to_bits() + 1) };
    data.push(("1e6 and its neighbour, in turns".into(), (0..LEN).map(ulp).collect()));
    let mut outlier = spread(0.0, 1.0);
    outlier[0] = 1e6;
    data.push(("N(0, 1), the first is 1e6".into(), outlier.clone()));
    outlier.reverse();
    data.push(("N(0, 1), the last is 1e6".into(), outlier));
    let far = |(i, x): (usize, &f32)| if i < LEN / 8 { 1e6 + x } else { *x };
    data.push(("N(0, 1), the first eighth 1e6 away".into(), normal.iter().enumerate().map(far).collect()));
    data.push(("a ramp from 0 to 1e6".into(), (0..LEN).map(|i| i as f32 * 1e6 / LEN as f32).collect()));
    for size in [1e-18, 1e-12, 1e-3, 1e3, 1e15] {
        data.push((format!("{size:e} N(0, 1)"), spread(0.0, size)));
    }
    data
}

/// Normal numbers, always the same: SplitMix64, and Box and Muller's transform.
fn normal(n: usize) -> Vec<f32> {
    let mut state = 1_u64;
    let mut uniform = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) >> 11) + 1) as f64 / (1u64 << 53) as f64
    };
    (0..n).map(|_| ((-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos()) as f32).collect()
}
