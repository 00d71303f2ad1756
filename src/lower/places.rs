//! Places: where the rows of each elementwise tensor are, if tensors have strides.

use crate::{
    error::{Error, Result},
    options::Options,
    slot::Slot,
    tensor::{MAX_ELEMENTS, TensorSpec, show},
    wgsl::storage::{Buffer, Runs, Storage},
};

/// Bytes of the uniform with the places of tensors: `Places` in `shaders/roles/places.wgsl`.
#[cfg(any(feature = "wgpu", test))]
pub(crate) const PLACES_SIZE: u64 = 16 * (1 + Slot::Scratch as u64);

/// Where rows begin in the elementwise tensors: `row / rows * outer + row % rows * inner`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Places {
    /// Rows of an index of the outer level; 0 for dense tensors.
    pub rows: u32,
    /// The strides `[outer, inner]` of each tensor, in elements.
    pub strides: Vec<(Slot, [u32; 2])>,
    /// The tensors with one element for each run of so many neighbours in a row. The op only reads them.
    pub runs: Vec<(Slot, u32)>,
    /// The outer indices of input and output, if an index names them: others are out of range.
    pub lens: Vec<(Slot, u32)>,
}

impl Places {
    /// Dense tensors: one index for all of them.
    pub const DENSE: Self = Self { rows: 0, strides: Vec::new(), runs: Vec::new(), lens: Vec::new() };

    /// The places of rows of `cols` elements. The rows of a tensor lie at two levels at most, and all tensors with two
    /// levels have the same number of rows in the inner one.
    pub fn new<'a>(tensors: impl Iterator<Item = &'a TensorSpec> + Clone, cols: u32) -> Result<Self> {
        let mut places = Self { rows: 1, ..Self::DENSE };
        let mut all = Vec::new();
        for spec in tensors {
            let (rows, run) = match runs(spec, cols as usize) {
                Some(rows_and_run) => rows_and_run,
                None => match rows(spec, cols as usize) {
                    Ok(rows) => (rows, 1),
                    Err(axis) => return refuse(spec, ends(axis, cols)),
                },
            };
            if run > 1 {
                // Shaders count the elements of all runs.
                if spec.len() as u64 * u64::from(run) > MAX_ELEMENTS {
                    return refuse(spec, format!("its runs of {run} have more than {MAX_ELEMENTS} elements"));
                }
                places.runs.push((spec.slot, run));
            }
            if rows.len() > 2 {
                let why = format!("rows of {cols} elements have {} strides, and kernels have two", rows.len());
                return refuse(spec, why);
            }
            if let [_, (inner, _)] = *rows {
                if places.rows != 1 && places.rows != inner as u32 {
                    let why =
                        format!("its rows change their stride after {inner}, those of others after {}", places.rows);
                    return refuse(spec, why);
                }
                places.rows = inner as u32;
            }
            all.push((spec.slot, rows));
        }
        // The op checked that all positions fit u32.
        let strides = all.into_iter().map(|(slot, rows)| {
            let strides = match *rows {
                [] => [0, 0],
                [(_, stride)] => [places.rows * stride as u32, stride as u32],
                [(_, outer), (_, inner), ..] => [outer as u32, inner as u32],
            };
            (slot, strides)
        });
        places.strides = strides.collect();
        Ok(places)
    }

    /// The places of rows of `cols` elements, if an index says where the outer indices of a tensor are: those of the
    /// first axis.
    pub fn indexed<'a>(tensors: impl Iterator<Item = &'a TensorSpec>, cols: u32, options: &Options) -> Result<Self> {
        let len = |slot, len: Option<usize>| (slot, len.map_or(u32::MAX, |len| len as u32));
        let lens = vec![len(Slot::Input, options.gather_rows), len(Slot::Output, options.scatter_rows)];
        let mut places = Self { rows: 1, lens, ..Self::DENSE };
        for spec in tensors {
            let strides = spec.strides();
            let inner = TensorSpec::new(spec.slot, &spec.shape[1..], spec.dtype, spec.access);
            let inner = inner.with_strides(Some(&strides[1..].to_vec()));
            let levels = match rows(&inner, cols as usize) {
                Ok(levels) => levels,
                Err(axis) => return refuse(spec, ends(axis + 1, cols)),
            };
            let stride = match *levels {
                [] => 0,
                [(_, stride)] => stride as u32,
                _ => {
                    let why = format!("rows of {cols} elements have {} strides behind the first axis", levels.len());
                    return refuse(spec, format!("{why}, and kernels have one there"));
                }
            };
            places.rows = (inner.shape.iter().product::<usize>() / cols as usize) as u32;
            places.strides.push((spec.slot, [strides[0] as u32, stride]));
        }
        Ok(places)
    }

    /// The uniform of a kernel with these storage buffers. `offset`: where a tensor begins in its binding, in bytes.
    pub fn uniform(&self, storage: &[Storage], offset: impl Fn(Slot) -> u64) -> Vec<u8> {
        let rows = self.rows.max(1);
        let (inverse, shift) = inverse(rows);
        let mut words = vec![rows, inverse, shift, 0];
        for &slot in Slot::ALL.iter().filter(|&&slot| slot < Slot::Scratch) {
            let [outer, inner] =
                self.strides.iter().find(|(of, _)| *of == slot).map_or([0; 2], |(_, strides)| *strides);
            let tensor = storage.iter().find(|storage| storage.buffer == Buffer::Tensor(slot));
            words.extend(tensor.map_or([0; 4], |tensor| {
                let unit = tensor.unit();
                let size = tensor.element.dtype().unwrap_or_default().size();
                let number = |list: &[(Slot, u32)]| list.iter().find(|(of, _)| *of == slot).map(|(_, number)| *number);
                let run = number(&self.runs).map_or(1, |run| run / tensor.pack());
                let place = [(offset(slot) / size) as u32, outer, inner].map(|elements| elements / unit * run);
                [place[0], place[1], place[2], number(&self.lens).unwrap_or(run)]
            }));
        }
        bytemuck::cast_slice(&words).to_vec()
    }

    /// Whether tensors have strides.
    pub fn is_strided(&self) -> bool {
        self.rows > 0
    }

    /// The tensors with runs of neighbours.
    pub fn has_runs(&self) -> Runs {
        let has = |slot| self.runs.iter().any(|(of, _)| *of == slot);
        Runs { residual: has(Slot::Residual), gate: has(Slot::Gate) }
    }

    /// Whether all rows begin at multiples of these elements, and runs are multiples of them.
    pub fn are_multiples_of(&self, elements: u32) -> bool {
        self.strides.iter().all(|(slot, strides)| match self.runs.iter().find(|(of, _)| of == slot) {
            Some((_, run)) => run.is_multiple_of(elements),
            None => strides.iter().all(|stride| stride.is_multiple_of(elements)),
        })
    }
}

/// `2^(31 + shift) / divisor`, rounded up, and the least shift with `divisor <= 2^shift`. Rounding adds less than 1. So
/// the product with a number below 2^31, shifted by `31 + shift`, exceeds the quotient by less than `2^-shift`. This is
/// at most `1 / divisor`, so the whole part is that of the quotient.
fn inverse(divisor: u32) -> (u32, u32) {
    let shift = divisor.next_power_of_two().ilog2();
    ((1_u64 << (31 + shift)).div_ceil(divisor.into()) as u32, shift)
}

fn refuse<T>(spec: &TensorSpec, why: String) -> Result<T> {
    Err(Error::Unsupported { what: format!("{} as strides of {}", show(&spec.strides()), spec.slot), why })
}

/// Why rows of `cols` elements do not lie in a tensor.
fn ends(axis: usize, cols: u32) -> String {
    format!("axis {axis} ends the adjacent elements, and a kernel needs {cols} of them")
}

/// Numbers and strides of rows of `cols` elements, outermost first, and the elements of a row that neighbours share, if
/// they share some.
fn runs(spec: &TensorSpec, cols: usize) -> Option<(Vec<(usize, usize)>, u32)> {
    let mut levels = spec.levels();
    let has_runs = cols > 1 && matches!(spec.slot, Slot::Residual | Slot::Gate);
    let (run, _) = levels.pop_if(|&mut (_, stride)| stride == 0 && has_runs)?;
    if run.is_multiple_of(cols) {
        // Whole rows are in a run.
        levels.extend((run > cols).then_some((run / cols, 0)));
        return Some((levels, cols as u32));
    }
    let rows = rows_of(levels, cols.is_multiple_of(run).then_some(cols / run)?)?;
    Some((rows, run as u32))
}

/// Numbers and strides of rows of `cols` adjacent elements, outermost first. The error is the axis that ends a shorter
/// run of adjacent elements.
fn rows(spec: &TensorSpec, cols: usize) -> std::result::Result<Vec<(usize, usize)>, usize> {
    rows_of(spec.levels(), cols).ok_or_else(|| {
        let strides = spec.strides();
        let mut extent = 1;
        let ends = |&axis: &usize| {
            let is_adjacent = spec.shape[axis] == 1 || strides[axis] == extent;
            extent *= spec.shape[axis];
            !is_adjacent
        };
        (0..strides.len()).rev().find(ends).unwrap_or(0)
    })
}

/// The same from the levels of a tensor.
fn rows_of(mut levels: Vec<(usize, usize)>, cols: usize) -> Option<Vec<(usize, usize)>> {
    if cols == 1 {
        return Some(levels);
    }
    let (count, _) = levels.pop().filter(|&(count, stride)| stride == 1 && count.is_multiple_of(cols))?;
    match (count / cols, levels.last_mut()) {
        (1, _) => {}
        (n, Some((last, stride))) if *stride == n * cols => (*last, *stride) = (*last * n, cols),
        (n, _) => levels.push((n, cols)),
    }
    Some(levels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::{Access, DType};

    fn spec(slot: Slot, shape: &[usize], strides: &[usize]) -> TensorSpec {
        TensorSpec::new(slot, shape, DType::F32, Access::Read).with_strides(Some(&strides.to_vec()))
    }

    /// Every element is where its strides say.
    fn check(tensors: &[TensorSpec], cols: usize) {
        let places = Places::new(tensors.iter(), cols as u32).unwrap();
        for (spec, (slot, [outer, inner])) in tensors.iter().zip(&places.strides) {
            assert_eq!(spec.slot, *slot);
            for (i, position) in spec.positions().into_iter().enumerate() {
                let (row, column) = ((i / cols) as u32, i % cols);
                let first = row / places.rows * outer + row % places.rows * inner;
                assert_eq!(first as usize + column, position, "{spec:?} in rows of {cols}: {i}");
            }
        }
    }

    #[test]
    fn the_uniform_has_the_tensors_in_the_order_of_the_shader() {
        let text = include_str!("../../shaders/roles/places.wgsl");
        let members: Vec<&str> = text.lines().filter_map(|line| line.strip_suffix(": vec4<u32>,")).collect();
        let slots = Slot::ALL.iter().filter(|&&slot| slot < Slot::Scratch);
        assert_eq!(
            members.iter().map(|name| name.trim()).collect::<Vec<_>>(),
            slots.map(|s| s.name()).collect::<Vec<_>>()
        );
        assert_eq!(Places::DENSE.uniform(&[], |_| 0).len() as u64, PLACES_SIZE);
    }

    #[test]
    fn the_product_with_the_inverse_is_the_quotient() {
        const LAST: u32 = (1 << 31) - 1;
        // `outer_of` of `shaders/roles/positions.wgsl`. Here an overflow is an error.
        let quotient = |row: u32, (inverse, shift): (u32, u32)| {
            let twice = row * 2;
            let (low, high) = (inverse & 0xffff, inverse >> 16);
            let middle = (twice >> 16) * low + (((twice & 0xffff) * low) >> 16);
            let carried = (twice & 0xffff) * high + (middle & 0xffff);
            ((twice >> 16) * high + (middle >> 16) + (carried >> 16)) >> shift
        };
        let near = |n: u32| [n.saturating_sub(1), n, n + 1];
        let powers = (0..31).flat_map(|shift| near(1 << shift));
        let divisors = powers.chain([3, 5, 7, 10, 641, 6_700_417, LAST, LAST + 1]).filter(|&divisor| divisor > 0);
        for divisor in divisors {
            let inverse = inverse(divisor);
            let last = LAST / divisor;
            for multiple in [0, 1, 2, last / 3, last / 2, last] {
                let near = near(multiple.min(last) * divisor);
                for row in near.into_iter().chain([LAST]).filter(|&row| row <= LAST) {
                    assert_eq!(quotient(row, inverse), row / divisor, "{row} / {divisor}");
                }
            }
        }
    }

    #[test]
    fn places_are_where_the_strides_say() {
        let dense = spec(Slot::Output, &[3, 4, 8], &[32, 8, 1]);
        let heads = spec(Slot::Input, &[3, 4, 8], &[96, 8, 1]);
        let padded = spec(Slot::Residual, &[3, 4, 8], &[48, 12, 1]);
        let broadcast = spec(Slot::GradOutput, &[3, 4, 8], &[0, 0, 1]);
        let swapped = spec(Slot::GradInput, &[3, 4, 8], &[8, 24, 1]);
        for cols in [1, 2, 4, 8] {
            check(std::slice::from_ref(&dense), cols);
        }
        check(&[heads.clone(), dense.clone()], 8);
        check(&[padded, dense.clone(), broadcast.clone(), heads.clone(), swapped], 8);
        check(&[heads.clone(), dense.clone()], 32);
        check(&[heads, dense.clone()], 4);
        check(&[spec(Slot::Input, &[2, 6, 5, 5], &[300, 25, 5, 1])], 50);
        check(&[spec(Slot::Input, &[2, 1, 5, 5], &[300, 7, 5, 1])], 25);
    }

    /// The elements of a tensor with runs, as a shader finds them.
    fn check_runs(tensor: &TensorSpec, cols: usize, run: u32) {
        let places = Places::new(std::iter::once(tensor), cols as u32).unwrap();
        assert_eq!(places.runs, [(tensor.slot, run)]);
        let (_, [outer, inner]) = places.strides[0];
        for (i, position) in tensor.positions().into_iter().enumerate() {
            let (row, column) = ((i / cols) as u32, (i % cols) as u32);
            let first = row / places.rows * outer + row % places.rows * inner;
            assert_eq!((first * run + column) / run, position as u32, "{tensor:?} in rows of {cols}: {i}");
        }
    }

    #[test]
    fn runs_are_where_the_strides_say() {
        let channels = spec(Slot::Residual, &[3, 4, 5, 2], &[9, 1, 0, 0]);
        check_runs(&channels, 40, 10);
        check_runs(&channels, 20, 10);
        // Rows inside a run.
        check_runs(&channels, 10, 10);
        check_runs(&spec(Slot::Residual, &[3, 4, 5, 2], &[4, 1, 0, 0]), 5, 5);
        check_runs(&spec(Slot::Gate, &[3, 8], &[2, 0]), 8, 8);
        check_runs(&spec(Slot::Gate, &[3, 8], &[0, 0]), 8, 8);
        assert!(Places::new([&channels].into_iter(), 4).is_err(), "a row has parts of two runs");
        let large = spec(Slot::Gate, &[1 << 14, 1 << 16], &[1 << 16, 0]);
        let message = Places::new([&large].into_iter(), 1 << 16).unwrap_err().to_string();
        assert!(message.contains("its runs of 65536 have more than"), "{message}");
    }

    #[test]
    fn strides_that_no_kernel_has_are_refused_by_name() {
        let message = |tensors: &[TensorSpec], cols| Places::new(tensors.iter(), cols).unwrap_err().to_string();
        let gaps = spec(Slot::Input, &[3, 4, 8], &[96, 16, 2]);
        assert_eq!(
            message(&[gaps], 8),
            "[96, 16, 2] as strides of input is not supported: axis 2 ends the adjacent elements, and a kernel needs 8 \
             of them"
        );
        let heads = spec(Slot::Input, &[3, 4, 8], &[96, 8, 1]);
        assert!(message(std::slice::from_ref(&heads), 96).contains("axis 0 ends the adjacent elements"));
        let three = spec(Slot::Output, &[3, 2, 2, 8], &[500, 200, 50, 1]);
        assert!(message(&[three], 8).contains("rows of 8 elements have 3 strides"));
        let two = spec(Slot::Input, &[3, 2, 2, 8], &[500, 16, 8, 1]);
        let other = spec(Slot::Output, &[3, 2, 2, 8], &[200, 100, 8, 1]);
        assert!(message(&[two, other], 8).contains("change their stride after 2, those of others after 4"));
    }
}
