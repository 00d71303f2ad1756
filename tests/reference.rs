//! The f64 reference against values that do not come from this project, and its errors. No adapter.

mod common;

use approx::abs_diff_eq;
use common::golden::Golden;
use wgpu_norm::{BatchNorm, BindingProblem, Error, LayerNorm, Norm, Outputs, Slot, Tensors, testing::largest};

/// Both sides are f64, but eps and momentum are f32 in this crate, and the MiniLM outputs are stored as f32: half an ulp of
/// f32, in parts of the largest value.
fn close(name: &str, actual: &[f64], expected: &[f64]) {
    assert_eq!(actual.len(), expected.len(), "{name}");
    let epsilon = f64::from(f32::EPSILON) / 2.0 * largest(expected).max(1.0);
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        assert!(abs_diff_eq!(a, e, epsilon = epsilon), "{name}[{i}]: {a}, expected {e}");
    }
}

fn all_close(name: &str, actual: &Outputs<f64>, expected: &Outputs<f64>) {
    assert!(actual.slots().eq(expected.slots()), "{name}");
    for slot in expected.slots() {
        close(&format!("{name}, {slot}"), actual.get(slot).unwrap_or_default(), expected.get(slot).unwrap_or_default());
    }
    assert_eq!(actual.num_batches_tracked(), expected.num_batches_tracked(), "{name}");
}

#[test]
fn real_activations_of_a_sentence_encoder() {
    let files = Golden::all("minilm");
    assert_eq!(files.len(), 3);
    for file in files {
        file.with_op(|op, tensors| {
            let truth = op.reference(tensors).expect("reference");
            all_close(&file.name, &truth, &file.expected(tensors));
        });
    }
}

#[test]
fn what_pytorch_computes_in_f64() {
    let files = Golden::all("pytorch");
    assert_eq!(files.len(), 257);
    for file in files {
        file.with_op(|op, tensors| {
            let truth = op.reference(tensors).expect("reference");
            all_close(&file.name, &truth, &file.expected(tensors));
        });
    }
}

#[test]
fn a_slice_that_does_not_fit_is_named() {
    let problem = |result: Result<Outputs<f64>, Error>| match result {
        Err(Error::Binding { slot, problem }) => (slot, problem),
        other => panic!("{other:?}"),
    };
    let op = LayerNorm::new(&[2, 3], 1..).bias(false);
    let (input, weight) = ([0.0; 6], [1.0; 3]);
    let length = |expected, actual| BindingProblem::Length { expected, actual };
    assert_eq!(problem(op.reference(&Tensors::new(&input[1..]).weight(&weight))), (Slot::Input, length(6, 5)));
    assert_eq!(problem(op.reference(&Tensors::new(&input).weight(&input))), (Slot::Weight, length(3, 6)));
    assert_eq!(problem(op.reference(&Tensors::new(&input))), (Slot::Weight, BindingProblem::Missing));
    let both = Tensors::new(&input).weight(&weight).bias(&weight);
    assert_eq!(problem(op.reference(&both)), (Slot::Bias, BindingProblem::Unexpected));

    let op = BatchNorm::inference(&[2, 3]).weight(false).bias(false);
    assert_eq!(problem(op.reference(&Tensors::new(&input))), (Slot::RunningMean, BindingProblem::Missing));
    let short = Tensors::new(&input).running(&weight, &weight[..2]);
    assert_eq!(problem(op.reference(&short)), (Slot::RunningVar, length(3, 2)));
}
