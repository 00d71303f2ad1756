//! Statistics alone, and given statistics: for norms of rows that another program applies, or that devices share.

mod common;

use common::{
    gpu,
    methods::{Can, TWO_ROWS, conforms},
    run, tuned,
};
use wgpu_norm::{
    Activation, Coefficients, DType, Epilogue, Error, LayerNorm, Norm, Outputs, RmsNorm, Slot, Strategy, Tensors,
    host::Gpu,
    testing::{Data, Random, compare_outputs},
};

const ROWS: usize = 6;
/// Rows of whole packs, odd rows, and rows so long that several teams share each.
const LENGTHS: [usize; 3] = [64, 51, 33000];

fn outputs(op: &dyn Norm, tensors: &Tensors<'_>) -> Outputs<f32> {
    run(gpu(), op, tensors, Strategy::Inferred).unwrap_or_else(|e| panic!("{} {:?}: {e}", op.name(), op.shape()))
}

/// The op's outputs, which agree with the reference for the same tensors.
fn conforming(op: &dyn Norm, tensors: &Tensors<'_>) -> Outputs<f32> {
    let outputs = outputs(op, tensors);
    let truth = op.reference(tensors).expect("a reference");
    compare_outputs(op, &outputs, &truth).unwrap_or_else(|e| panic!("{} {:?}: {e}", op.name(), op.shape()));
    outputs
}

/// Tensors that `op` reads, of these values.
fn read<'a>(op: &dyn Norm, values: &'a Data) -> Tensors<'a> {
    let all = values.tensors();
    let specs = op.tensors().expect("it is right");
    let reads = specs.iter().filter(|spec| spec.access != wgpu_norm::Access::Write);
    reads.fold(Tensors::default(), |tensors, spec| tensors.set(spec.slot, all.get(spec.slot).expect("a value")))
}

/// The options of both ops under test.
macro_rules! for_both {
    ($check:ident($shape:expr, $axes:expr, $($rest:expr),*)) => {
        $check(LayerNorm::new($shape, $axes), $($rest),*);
        $check(RmsNorm::new($shape, $axes).bias(true).zero_centered(true), $($rest),*);
    };
}

/// What both ops have.
trait Rows: Norm + Clone {
    fn residual(self) -> Self;
    fn moments(&self) -> Box<dyn Norm>;
    fn statistics(&self) -> Box<dyn Norm>;
    fn merge(&self, parts: usize) -> Box<dyn Norm>;
    fn given(&self, len: usize) -> Self;
    fn in_place(self) -> Self;
    fn backward(&self, coefficients: Coefficients) -> Box<dyn Norm>;
    /// The same op for a part of its rows.
    fn part(&self, len: usize) -> Self;
}

macro_rules! rows {
    ($($op:ident)*) => { $(
        impl Rows for $op {
            fn residual(self) -> Self {
                self.residual(true).residual_output(true)
            }
            fn moments(&self) -> Box<dyn Norm> {
                Box::new(self.moments())
            }
            fn statistics(&self) -> Box<dyn Norm> {
                Box::new(self.statistics())
            }
            fn merge(&self, parts: usize) -> Box<dyn Norm> {
                Box::new(self.statistics().merge(parts))
            }
            fn given(&self, len: usize) -> Self {
                self.clone().given_statistics(len)
            }
            fn in_place(self) -> Self {
                self.in_place(true)
            }
            fn backward(&self, coefficients: Coefficients) -> Box<dyn Norm> {
                Box::new(self.backward().coefficients(coefficients))
            }
            fn part(&self, len: usize) -> Self {
                let mut part = self.clone();
                *part.shape.last_mut().expect("an axis") = len;
                part
            }
        }
    )* };
}

rows!(LayerNorm RmsNorm);

/// Rows with an offset, whose mean f32 cannot hold.
fn data(op: &dyn Norm, offset: f64) -> Data {
    let data = Data::random(op, 3);
    let input = Random::new(5).normal(op.shape().iter().product(), offset, 1.0);
    data.with(Slot::Input, input)
}

/// The statistics of one op and the output of another are what one op computes.
fn check_in_two(op: impl Rows, offset: f64, with_residual: bool) {
    let op = if with_residual { op.residual() } else { op };
    let data = data(&op, offset);
    let truth = op.reference(&data.tensors()).expect("a reference");
    let len = *op.shape().last().expect("rows");
    let statistics = op.statistics();
    let alone = conforming(&*statistics, &read(&*statistics, &data));
    if let Some(sum) = truth.get(Slot::ResidualOutput) {
        assert_eq!(alone.residual_output().iter().map(|&x| f64::from(x)).collect::<Vec<_>>(), sum);
    }
    let given = op.given(len);
    let with = data.with(Slot::Statistics, alone.statistics().to_vec());
    let result = conforming(&given, &read(&given, &with));
    compare_outputs(&op, &result, &truth).unwrap_or_else(|e| panic!("{} {:?}: {e}", op.name(), op.shape()));
    // In place, of the input.
    let in_place = given.in_place();
    let in_place = conforming(&in_place, &read(&in_place, &with));
    assert_eq!(in_place.get(Slot::Input), Some(result.output()), "in place");
}

#[test]
fn statistics_alone_and_given_ones_are_the_op_in_one() {
    for len in LENGTHS {
        for offset in [0.0, 1e5] {
            for_both!(check_in_two(&[ROWS, len], 1.., offset, false));
        }
        for_both!(check_in_two(&[ROWS, len], 1.., 0.0, true));
    }
}

/// The parts of a row, in elements.
fn cuts(len: usize) -> Vec<Vec<usize>> {
    vec![vec![len], vec![len - 7, 7], vec![1, len - 17, 16], vec![len / 2, 3, 4, len - len / 2 - 7]]
}

/// The columns of a part of each row.
fn columns(values: &[f32], len: usize, first: usize, part: usize) -> Vec<f32> {
    values.chunks(len).flat_map(|row| row[first..first + part].to_vec()).collect()
}

/// Rows of parts that follow each other.
fn joined(parts: &[(usize, Vec<f32>)], rows: usize) -> Vec<f32> {
    (0..rows).flat_map(|row| parts.iter().flat_map(move |(n, part)| part[row * n..(row + 1) * n].to_vec())).collect()
}

/// Devices with a part of each row get the results of the whole rows.
fn check_in_parts(op: impl Rows, offset: f64) {
    let len = *op.shape().last().expect("rows");
    let whole_backward = op.backward(Coefficients::Computed);
    let data = data(&*whole_backward, offset);
    let bias = Data::random(&op, 7).tensors().get(Slot::Bias).expect("a bias").to_vec();
    let data = data.with(Slot::Bias, bias);
    let all = data.tensors();
    let truth = op.reference(&read(&op, &data)).expect("a reference");
    let back = whole_backward.reference(&read(&*whole_backward, &data)).expect("a reference");
    for cut in cuts(len) {
        let firsts = cut.iter().scan(0, |at, n| Some(std::mem::replace(at, *at + n)));
        let parts: Vec<(usize, Data)> = cut
            .iter()
            .zip(firsts)
            .map(|(&n, first)| {
                let slots = [Slot::Input, Slot::GradOutput, Slot::Weight, Slot::Bias];
                let of = |slot| columns(all.get(slot).expect("a value"), len, first, n);
                (n, slots.into_iter().fold(Data::random(&op.part(n), 1), |data, slot| data.with(slot, of(slot))))
            })
            .collect();
        // Each device computes the moments of its part, and all get those of all.
        let moments: Vec<f32> = parts
            .iter()
            .flat_map(|(n, data)| {
                let moments = op.part(*n).moments();
                conforming(&*moments, &read(&*moments, data)).moments().to_vec()
            })
            .collect();
        let merge = op.merge(cut.len());
        let statistics = conforming(&*merge, &Tensors::default().moments(&moments)).statistics().to_vec();
        let parts: Vec<(usize, Data)> =
            parts.into_iter().map(|(n, data)| (n, data.with(Slot::Statistics, statistics.clone()))).collect();
        let mut sums = vec![0.0; 2 * ROWS];
        let mut results: [Vec<(usize, Vec<f32>)>; 4] = Default::default();
        for (n, data) in &parts {
            let given = op.part(*n).given(len);
            results[0].push((*n, conforming(&given, &read(&given, data)).output().to_vec()));
            let first = given.backward(Coefficients::Written);
            let outputs = conforming(&*first, &read(&*first, data));
            sums.iter_mut().zip(outputs.coefficients()).for_each(|(sum, x)| *sum += x);
            results[1].push((*n, outputs.grad_weight().to_vec()));
            results[2].push((*n, outputs.grad_bias().to_vec()));
        }
        for (n, data) in parts {
            let second = op.part(n).given(len).backward(Coefficients::Given);
            let data = data.with(Slot::Coefficients, sums.clone());
            results[3].push((n, conforming(&*second, &read(&*second, &data)).grad_input().to_vec()));
        }
        let name = format!("{} in parts of {cut:?}, offset {offset}", op.name());
        let mut outputs = Outputs::default();
        outputs.set(Slot::Output, joined(&results[0], ROWS));
        compare_outputs(&op, &outputs, &truth).unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut gradients = Outputs::default();
        gradients.set(Slot::GradWeight, joined(&results[1], 1));
        gradients.set(Slot::GradBias, joined(&results[2], 1));
        gradients.set(Slot::GradInput, joined(&results[3], ROWS));
        compare_outputs(&*whole_backward, &gradients, &back).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

#[test]
fn rows_in_uneven_parts_are_as_whole_rows() {
    for len in [128, 75] {
        for offset in [0.0, 1e5] {
            for_both!(check_in_parts(&[ROWS, len], 1.., offset));
        }
    }
}

/// Both parts of the backward pass, and the backward pass of given statistics in one, against the op's own.
fn check_backward(op: impl Rows, data: &Data, own: &dyn Norm) {
    let len = op.shape()[1];
    let truth = own.reference(&read(own, data)).expect("a reference");
    let statistics = op.statistics();
    let of = conforming(&*statistics, &read(&*statistics, data)).statistics().to_vec();
    let data = data.clone().with(Slot::Statistics, of);
    let given = op.given(len);
    let name = format!("{} {:?}", op.name(), op.shape());
    let in_one = given.backward(Coefficients::Computed);
    let outputs = conforming(&*in_one, &read(&*in_one, &data));
    compare_outputs(own, &outputs, &truth).unwrap_or_else(|e| panic!("{name}: {e}"));
    let first = given.backward(Coefficients::Written);
    let mut gradients = conforming(&*first, &read(&*first, &data));
    let data = data.with(Slot::Coefficients, gradients.coefficients().to_vec());
    let second = given.backward(Coefficients::Given);
    gradients.set(Slot::GradInput, conforming(&*second, &read(&*second, &data)).grad_input().to_vec());
    let mut all = Outputs::default();
    for slot in [Slot::GradInput, Slot::GradWeight, Slot::GradBias] {
        all.set(slot, gradients.get(slot).expect("a gradient").to_vec());
    }
    compare_outputs(own, &all, &truth).unwrap_or_else(|e| panic!("{name}: {e}"));
}

#[test]
fn written_and_given_coefficients_are_the_backward_pass_in_one() {
    let shapes: [&[usize]; 4] = [&[ROWS, 64], &[ROWS, 51], &[2, 33000], &[3, 7, 10]];
    for shape in shapes {
        // Rows, and columns.
        let axes = 1..2;
        let layer = LayerNorm::new(shape, axes.clone()).activation(Activation::Silu);
        let rms = RmsNorm::new(shape, axes).bias(true).eps(1e-3);
        let (layer_back, rms_back) = (layer.backward(), rms.backward());
        let with_bias = |op: &dyn Norm, data: Data| {
            let bias = Data::random(op, 8).tensors().get(Slot::Bias).expect("a bias").to_vec();
            data.with(Slot::Bias, bias)
        };
        check_backward(layer.clone(), &with_bias(&layer, data(&layer_back, 1e3)), &layer_back);
        check_backward(rms.clone(), &with_bias(&rms, data(&rms_back, 0.0)), &rms_back);
    }
}

#[test]
fn every_method_takes_statistics_and_moments_alone() {
    for &(why, rows, len) in TWO_ROWS.iter().chain(&[("two packs a lane", 3, 72)]) {
        let layer = LayerNorm::new(&[rows, len], 1..);
        let rms = RmsNorm::new(&[rows, len], 1..);
        conforms(why, &layer.statistics(), Can::Rows(len));
        conforms(why, &layer.clone().residual(true).residual_output(true).moments(), Can::Rows(len));
        conforms(why, &rms.clone().residual(true).residual_in_place(true).statistics(), Can::Rows(len));
        conforms(why, &rms.moments(), Can::Rows(len));
        conforms(why, &layer.clone().dtype(DType::F16).moments(), Can::RowsOf(DType::F16, len));
    }
    let columns = LayerNorm::new(&[3, 7, 8], 1..2).residual(true).residual_output(true);
    conforms("columns", &columns.statistics(), Can::ColumnsOrAcross(8));
    conforms("columns", &RmsNorm::new(&[3, 7, 5], 1..2).moments(), Can::ColumnsOrAcross(5));
}

#[test]
fn given_statistics_in_half_precision_and_with_gaps() {
    for dtype in [DType::F16, DType::BF16] {
        for len in [64, 33] {
            let op = LayerNorm::new(&[5, len], 1..).dtype(dtype).given_statistics(100);
            conforms("given", &op.clone().residual(true).residual_in_place(true), Can::Elementwise);
            conforms("given", &op.clone().in_place(true), Can::Elementwise);
            let twice = Epilogue::new("fn epilogue(v: vec4<f32>, i: u32) -> vec4<f32> { return v + v; }");
            let doubled = op.clone().epilogue(twice.reference(|y, _, _| 2.0 * y));
            conforms("doubled", &doubled, Can::Elementwise);
            let written = op.backward().coefficients(Coefficients::Written);
            conforms("written", &written.accumulate(true), Can::Elementwise);
            let sum = op.residual(true).residual_output(true);
            conforms("given", &sum.backward().coefficients(Coefficients::Given), Can::Elementwise);
        }
    }
    let heads = [96, 16, 1];
    let op = RmsNorm::new(&[5, 3, 16], 2..).strides(Slot::Input, &heads);
    conforms("heads", &op.moments(), Can::Rows(16));
    let given = op.strides(Slot::GradInput, &heads).given_statistics(16);
    conforms("heads", &given, Can::Elementwise);
    conforms("heads", &given.backward().coefficients(Coefficients::Given), Can::Elementwise);
}

#[test]
fn tensors_anywhere_in_one_buffer() {
    let planner = tuned(&[]).shared_buffers(true).any_offset(true);
    let gpu = Gpu::from_parts(gpu().queue().clone(), planner);
    let op = LayerNorm::new(&[9, 24], 1..);
    let given = op.clone().given_statistics(24);
    let residual = op.clone().residual(true).residual_output(true);
    let ops: [Box<dyn Norm>; 5] = [
        Box::new(residual.statistics()),
        Box::new(residual.moments()),
        Box::new(given.clone()),
        Box::new(given.backward().coefficients(Coefficients::Written)),
        Box::new(given.backward().coefficients(Coefficients::Given)),
    ];
    for op in ops {
        let data = Data::random(&*op, 1);
        let outputs = run(&gpu, &*op, &data.tensors(), Strategy::Inferred).expect("it runs");
        let truth = op.reference(&data.tensors()).expect("a reference");
        compare_outputs(&*op, &outputs, &truth).unwrap_or_else(|e| panic!("{}: {e}", op.name()));
    }
}

/// A merge takes parts of any lengths, and parts that have nothing.
#[test]
fn a_part_without_elements_changes_nothing() {
    let op = LayerNorm::new(&[2, 8], 1..);
    let data = data(&op.moments(), 1e5);
    let moments = outputs(&op.moments(), &data.tensors()).moments().to_vec();
    let statistics = outputs(&op.statistics(), &data.tensors()).statistics().to_vec();
    let with_empty = [vec![0.0; 8], moments, vec![0.0; 8]].concat();
    let merged = outputs(&op.statistics().merge(3), &Tensors::default().moments(&with_empty));
    let close = |(a, b): (&f32, &f32)| (a - b).abs() <= 2e-5 * b.abs().max(1.0);
    assert!(merged.statistics().iter().zip(&statistics).all(close), "{merged:?} {statistics:?}");
}

#[test]
fn what_has_no_statistics_of_its_own_is_refused() {
    let argument = |op: &dyn Norm| match op.tensors() {
        Err(Error::InvalidArgument { argument, .. }) => argument,
        other => panic!("{other:?}"),
    };
    let op = LayerNorm::new(&[2, 8], 1..);
    let given = op.clone().given_statistics(8);
    assert_eq!(argument(&op.clone().given_statistics(7)), "given_statistics");
    assert_eq!(argument(&given.statistics()), "given_statistics");
    assert_eq!(argument(&given.moments()), "given_statistics");
    assert_eq!(argument(&op.statistics().merge(0)), "merge");
    assert_eq!(argument(&given.clone().save_stats(true)), "save_stats");
    assert_eq!(argument(&op.backward().coefficients(Coefficients::Written)), "coefficients");
    assert_eq!(argument(&given.backward().coefficients(Coefficients::Written).grad_input(true)), "grad_input");
    assert_eq!(argument(&given.backward().coefficients(Coefficients::Given).grad_input(false)), "grad_input");
}
