//! The claims of the paper, as measured by the examples, and the figures of `docs/paper.md`.

#![allow(clippy::duplicate_mod, reason = "two of the programs have `nets` in common")]

mod common;

use std::{env, fs, path::PathBuf};

use common::gpu;

// The tests compare the results that these programs print.
#[path = "../examples/convnet_norms.rs"]
#[allow(dead_code)]
mod convnet_norms;
#[path = "../examples/invariance.rs"]
#[allow(dead_code)]
mod invariance;
#[path = "../examples/mlp.rs"]
#[allow(dead_code)]
mod mlp;
#[path = "../examples/recurrent/main.rs"]
#[allow(dead_code)]
mod recurrent;

/// Table 1: an invariant output is the same up to rounding, any other changes visibly.
#[test]
fn the_table_of_invariances_is_the_papers() {
    let mut yes = 0;
    for change in invariance::Change::ALL {
        for norm in invariance::Norm::ALL {
            let cell = invariance::cell(gpu(), norm, change).expect("runs");
            assert_eq!(cell.is_invariant(), Some(cell.paper), "{norm:?}, {change}: {cell}");
            yes += usize::from(cell.paper);
        }
    }
    assert_eq!(yes, 10, "of 18");
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/plots").join(name)
}

fn plot(name: &str) -> String {
    fs::read_to_string(file(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Panics unless both pictures have the same elements and texts, with each number within a pixel.
fn assert_shows(name: &str, drawn: &str) {
    if env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(file(name), drawn).expect("a file of the repository");
        return;
    }
    let is_number = |c: char| c.is_ascii_digit() || c == '.' || c == '-';
    // Text and numbers alternate.
    let split = |svg: &str| {
        let mut parts = vec![String::new()];
        for c in svg.chars() {
            // After an even number of parts the last one is a number.
            if is_number(c) == (parts.len() % 2 == 1) {
                parts.push(String::new());
            }
            parts.last_mut().expect("one at least").push(c);
        }
        parts
    };
    let committed = plot(name);
    let (committed, drawn) = (split(&committed), split(drawn));
    let again =
        "UPDATE_SNAPSHOTS=1 draws it again, from the numbers beside it, and `cargo xtask figures` measures those again";
    assert_eq!(committed.len(), drawn.len(), "{name}: another number of elements; {again}");
    for (i, (old, new)) in committed.iter().zip(&drawn).enumerate() {
        let same = match (old.parse::<f64>(), new.parse::<f64>()) {
            (Ok(old), Ok(new)) if i % 2 == 1 => (old - new).abs() <= 1.0,
            _ => old == new,
        };
        assert!(same, "{name}: {old} has become {new}; {again}");
    }
}

#[test]
fn the_picture_of_the_reductions_is_up_to_date() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("convnet_norms.svg");
    convnet_norms::run(&convnet_norms::Args { out: Some(out.clone()) }).expect("runs");
    assert_shows("convnet_norms.svg", &fs::read_to_string(out).expect("drawn"));
}

fn batch_sizes() -> Vec<mlp::Trained> {
    serde_json::from_str(&plot("mlp.json")).expect("numbers")
}

#[test]
fn the_picture_of_batch_sizes_is_up_to_date() {
    assert_shows("mlp.svg", &mlp::picture(&batch_sizes()).expect("drawn"));
}

/// A training repeats the numbers of the picture.
#[test]
#[ignore = "a minute of training: cargo xtask test --all"]
fn the_numbers_of_batch_sizes_are_up_to_date() {
    let all = batch_sizes();
    let bench = mlp::Bench::new(gpu()).expect("kernels");
    for method in mlp::Method::ALL {
        let old = all.iter().find(|old| old.method == method && old.batch == 128).expect("measured");
        let new = bench.train(method, old.batch, old.seed, old.accuracy.len(), |_| ()).expect("trained");
        // Adapters round differently, and a training amplifies that: 2 points are 10 images.
        assert!((new.last() - old.last()).abs() <= 2.0, "{method}: {:?} has become {:?}", old.accuracy, new.accuracy);
    }
}

#[test]
fn the_picture_of_recurrent_networks_is_up_to_date() {
    let all: Vec<recurrent::Trained> = serde_json::from_str(&plot("recurrent.json")).expect("numbers");
    assert_shows("recurrent.svg", &recurrent::picture(&all).expect("drawn"));
    let kernels = recurrent::nets::Kernels::new(gpu(), recurrent::KERNELS);
    let old = all.iter().find(|old| old.cell == recurrent::layout::Cell::Rnn && old.normalized).expect("measured");
    let task = recurrent::Task::digits().expect("digits");
    let new = recurrent::train(&kernels, &task, old.cell, old.normalized, |_| ()).expect("trained");
    assert!((new.hits - old.hits).abs() <= 2.0, "{} % have become {} %", old.hits, new.hits);
    let [was, is] = [old, &new].map(|trained| trained.loss.last().copied().unwrap_or(f64::NAN));
    assert!((is / was).log2().abs() < 0.5, "a loss of {was} has become {is}");
}
