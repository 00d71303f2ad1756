//! From a key to WGSL: the storage buffers, a prelude of constants, one part for each role, and the kernel with its unrolled
//! blocks expanded.

use std::fmt::Write as _;

use crate::{
    kernel::key::{
        Affine, By, Element, ForParams, Forward, Given, Gradient, Hold, KernelKey, Lookups, Merged, MergedSums,
        ParamGradients, Partials, Saved, Scale, Storage, Tracking, Width, X,
    },
    lower::{Caps, Team},
    ops::Activation,
    tensor::{Access, DType},
};

macro_rules! shader {
    ($path:literal) => {
        ($path, include_str!(concat!("../../shaders/", $path, ".wgsl")))
    };
}

type Part = (&'static str, &'static str);

/// What a shader's text takes from the device, where it needs it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Facts {
    /// See [`Tuning`](crate::Tuning).
    native_halves: bool,
    /// Lanes of each subgroup; 0 where they may differ.
    subgroup_size: u32,
    /// All storage buffers are `read_write`, as parts of one buffer must be bound alike.
    pub shared_buffers: bool,
}

impl Facts {
    pub fn new(key: &KernelKey, caps: &Caps) -> Self {
        let has_f16 = |s: &Storage| matches!(s.element, Element::Floats(DType::F16, _) | Element::Gathered(DType::F16));
        let known = caps.subgroup_size.filter(|(min, max)| min == max && key.team() == Some(Team::WorkgroupSubgroups));
        Self {
            native_halves: caps.tuning.native_halves == 1 && key.storage().iter().any(has_f16),
            subgroup_size: known.map_or(0, |(size, _)| size),
            shared_buffers: caps.shared_buffers,
        }
    }
}

/// The complete shader of a key.
pub(crate) fn compose(key: &KernelKey, facts: Facts) -> String {
    let mut source = format!("const WORKGROUP_SIZE: u32 = {}u;\n", key.workgroup_size());
    if key.team() == Some(Team::WorkgroupSubgroups) {
        // Writing to a String does not fail.
        let _ = writeln!(source, "const SUBGROUP_SIZE: u32 = {}u;", facts.subgroup_size);
    }
    for line in prelude(key) {
        source.push_str(&line);
        source.push('\n');
    }
    for storage in key.storage() {
        source.push_str(&declare(&storage, facts.shared_buffers));
    }
    for (name, text) in parts(key, facts.native_halves) {
        let _ = write!(source, "\n// ==== {name}.wgsl\n{}", unroll(text, key.unroll()));
    }
    source
}

/// A storage buffer, and for floats the functions that load and store them, whatever their type.
fn declare(storage: &Storage, shared: bool) -> String {
    let Storage { slot, access, element } = *storage;
    let (name, binding) = (slot.name(), slot.binding());
    let reads = access != Access::Write;
    let writes = access != Access::Read;
    let mode = if writes || shared { "read_write" } else { "read" };
    let (dtype, width) = match element {
        Element::Raw(ty) => {
            return format!("@group(0) @binding({binding}) var<storage, {mode}> {name}: array<{ty}>;\n");
        }
        Element::Gathered(dtype) => return declare_gathered(name, binding, mode, dtype),
        Element::Floats(dtype, width) => (dtype, width),
    };
    let index = if matches!(width, Width::HalfUnaligned | Width::Pairs) { "at: At" } else { "i: u32" };
    let (value, word, load, store) = match (dtype, width) {
        (DType::F32 | DType::U32, Width::X1) => ("f32", "f32", format!("return {name}[i];"), format!("{name}[i] = v;")),
        (DType::F32 | DType::U32, Width::X4 | Width::Across) => {
            ("vec4<f32>", "vec4<f32>", format!("return {name}[i];"), format!("{name}[i] = v;"))
        }
        (DType::F32 | DType::U32, Width::Pairs) => {
            ("vec4<f32>", "vec4<f32>", format!("return {name}[number_of(at)];"), format!("{name}[number_of(at)] = v;"))
        }
        // Both packs load the same 16 bytes, which compilers load once: nothing is stored in between, and `second` is a constant.
        (half, Width::Pairs) => (
            "vec4<f32>",
            "vec4<u32>",
            format!("let words = {name}[at.pair]; return decode4_{half}(select(words.xy, words.zw, at.second));"),
            format!(
                "let words = encode4_{half}(v); \
                 if at.second {{ {name}[at.pair] = vec4<u32>(first_of_{name}, words); }} else {{ first_of_{name} = words; }}"
            ),
        ),
        (half, Width::X4 | Width::Across) => (
            "vec4<f32>",
            "vec2<u32>",
            format!("return decode4_{half}({name}[i]);"),
            format!("{name}[i] = encode4_{half}(v);"),
        ),
        (half, Width::X1) if writes => (
            "f32",
            "atomic<u32>",
            format!("return decode1_{half}(atomicLoad(&{name}[i / 2u]), i);"),
            // The neighbour in the word may belong to another invocation, and change between load and exclusive or; this half does not.
            format!(
                "let shift = 16u * (i & 1u); let was = (atomicLoad(&{name}[i / 2u]) >> shift) & 0xffffu; \
                 atomicXor(&{name}[i / 2u], (was ^ encode1_{half}(v)) << shift);"
            ),
        ),
        (half, Width::X1) => ("f32", "u32", format!("return decode1_{half}({name}[i / 2u], i);"), String::new()),
        // All tensors of such rows are halves.
        (half, Width::HalfUnaligned) if writes => (
            "vec4<f32>",
            "atomic<u32>",
            format!(
                "return decode4_{half}(vec2<u32>(atomicLoad(&{name}[at.words.x]), atomicLoad(&{name}[at.words.y])));"
            ),
            format!("let words = encode4_{half}(v); {} {}", masked_store(name, "x"), masked_store(name, "y")),
        ),
        (half, Width::HalfUnaligned) => (
            "vec4<f32>",
            "u32",
            format!("return decode4_{half}(vec2<u32>({name}[at.words.x], {name}[at.words.y]));"),
            String::new(),
        ),
    };
    let mut text = format!("@group(0) @binding({binding}) var<storage, {mode}> {name}: array<{word}>;\n");
    if reads {
        let _ = writeln!(text, "fn load_{name}({index}) -> {value} {{ {load} }}");
    }
    if writes && width == Width::Pairs && word == "vec4<u32>" {
        // A lane stores the two packs of a pair one after the other: the first waits for the second.
        let _ = writeln!(text, "var<private> first_of_{name}: vec2<u32>;");
    }
    if writes {
        let _ = writeln!(text, "fn store_{name}({index}, v: {value}) {{ {store} }}");
    }
    text
}

/// Stores a word, or the half of it that `at` has, and leaves the other half to who stores it at the same time.
fn masked_store(name: &str, c: &str) -> String {
    format!(
        "if at.bits.{c} == 0xffffffffu {{ atomicStore(&{name}[at.words.{c}], words.{c}); }} \
         else if at.bits.{c} != 0u {{ atomicAnd(&{name}[at.words.{c}], ~at.bits.{c}); \
         atomicOr(&{name}[at.words.{c}], words.{c} & at.bits.{c}); }}"
    )
}

/// A table that four elements are read of, at four indices, of which each is the one before it or the next.
fn declare_gathered(name: &str, binding: u32, mode: &str, dtype: DType) -> String {
    let (word, load) = match dtype {
        DType::F32 | DType::U32 => ("f32", format!("return vec4<f32>({});", four(|c| format!("{name}[i.{c}]")))),
        // The four lie in three words at most: the third one in the second's or in the last one's.
        half => {
            let words = format!(
                "let at = i / 2u; let second = {name}[at.y]; let last = {name}[at.w]; \
                 let words = vec4<u32>({name}[at.x], second, select(last, second, at.z == at.y), last);"
            );
            let shift = "(vec4<u32>(16u) * (i & vec4<u32>(1u)))";
            ("u32", format!("{words} return values_{half}((words >> {shift}) & vec4<u32>(0xffffu));"))
        }
    };
    format!(
        "@group(0) @binding({binding}) var<storage, {mode}> {name}: array<{word}>;\n\
         fn load_{name}(i: vec4<u32>) -> vec4<f32> {{ {load} }}\n"
    )
}

/// An expression for each component of a vec4.
fn four(expression: impl Fn(char) -> String) -> String {
    ['x', 'y', 'z', 'w'].map(expression).join(", ")
}

/// What differs between kernels made of the same parts.
fn prelude(key: &KernelKey) -> Vec<String> {
    // The type of an index of a table, and the index for a column.
    let column = |name: &str, by: By| {
        let ty = if by == By::Gathered { "vec4<u32>" } else { "u32" };
        let run = format!("params.{}_run", name.to_lowercase());
        let index = match by {
            By::Row => "0u".into(),
            By::Position => "number_of(column)".into(),
            By::Run => format!("number_of(column) / {run}"),
            By::Gathered => format!("indices_of(column) / {run}"),
        };
        format!(
            "alias {name}At = {ty};\nfn {}_column(column: At) -> {name}At {{ return {index}; }}",
            name.to_lowercase()
        )
    };
    let block = format!("const BLOCK: u32 = {}u;", key.unroll());
    // What a table that is looked up like this gives.
    let ty = |name: &str, by: By| {
        let each = by == By::Gathered || (by == By::Position && key.width() != Width::Across);
        format!("alias {name} = {};", if each { "Pack" } else { "f32" })
    };
    let flag = |name: &str, on: bool| format!("const {name}: bool = {on};");
    let lookups = |lookups: Lookups| {
        vec![
            ty("Stat", lookups.stats),
            ty("Param", lookups.params),
            column("Stat", lookups.stats),
            column("Param", lookups.params),
            flag("STATS_FIXED", lookups.stats_fixed),
            flag("PARAMS_FIXED", lookups.params_fixed),
        ]
    };
    let mut lines = match *key {
        KernelKey::Row { params, shared, hold, .. } | KernelKey::RowBackward { params, shared, hold, .. } => {
            let mut lines = vec![
                ty("Param", params),
                column("Param", params),
                flag("SHARED", shared),
                flag("HALVES", key.normalizes_halves()),
            ];
            lines.push(match hold {
                Hold::Registers { full, .. } => format!("const FULL: u32 = {full}u;"),
                Hold::Rows { whole, .. } => flag("WHOLE", whole),
            });
            lines
        }
        KernelKey::Apply { lookups: l, .. } | KernelKey::ApplyBackward { lookups: l, .. } => lookups(l),
        KernelKey::Sums { lookups: l, weighted, zero_mean, .. }
        | KernelKey::SumsColumns { lookups: l, weighted, zero_mean, .. } => {
            let mut lines = lookups(l);
            lines.extend([flag("WEIGHTED", weighted), flag("ZERO_MEAN", zero_mean)]);
            lines
        }
        KernelKey::Moments { .. }
        | KernelKey::MomentsColumns { .. }
        | KernelKey::Norms { .. }
        | KernelKey::NormsColumns { .. }
        | KernelKey::Finalize { .. }
        | KernelKey::Window { .. } => Vec::new(),
        KernelKey::Slide { reach: [before, after], backward, .. } => vec![
            format!("const BEFORE: u32 = {before}u;"),
            format!("const AFTER: u32 = {after}u;"),
            flag("BACKWARD", backward),
        ],
        KernelKey::MergeSums { merged, .. } => {
            let weighted = flag("WEIGHTED", merged.is_weighted());
            vec![ty("Param", By::Row), "alias ParamAt = u32;".into(), weighted]
        }
        KernelKey::Count => return Vec::new(),
    };
    lines.push(block);
    lines
}

/// One part for each role that the kernel has, and the kernel.
fn parts(key: &KernelKey, native_halves: bool) -> Vec<Part> {
    let mut parts = storage_parts(key, native_halves);
    if !matches!(key, KernelKey::Finalize { .. } | KernelKey::Count) {
        parts.extend(pack(key.width()));
    }
    let two_sum = shader!("parts/real/two_sum");
    let (place, power) = (shader!("parts/place"), shader!("parts/window/power"));
    match *key {
        KernelKey::Row { team: t, hold, width, scale: s, forward, saved: save, .. } => {
            parts.extend([team(t), scale(s), scales(s), measure(s == Scale::L1)]);
            parts.extend(forward_parts(forward));
            parts.extend([shader!("parts/row/forward"), saved(save)]);
            parts.extend(row_parts(hold, width, false));
        }
        KernelKey::RowBackward { team: t, hold, width, scale: s, gradient, grad_input, for_params, .. } => {
            parts.extend([team(t), scale(s), scales(s), measure(s == Scale::L1)]);
            parts.extend(gradient_parts(gradient));
            parts.extend([put_grad_input(true, grad_input.grad_sum.is_some()), shader!("parts/row/backward")]);
            let keep = for_params == ForParams::Statistics;
            parts.push(if keep { shader!("parts/saved/statistics") } else { saved(Saved::None) });
            parts.extend(row_parts(hold, width, for_params == ForParams::Sums));
        }
        KernelKey::Moments { .. }
        | KernelKey::MomentsColumns { .. }
        | KernelKey::Norms { .. }
        | KernelKey::NormsColumns { .. } => parts.extend(statistics_parts(key)),
        KernelKey::Finalize { .. } => parts.extend(finalize_parts(key)),
        KernelKey::Count => parts.push(shader!("kernels/count")),
        KernelKey::Apply { width, lookups, forward } => {
            parts.extend([real(width), place, statistics(lookups.given)]);
            parts.extend(forward_parts(forward));
            parts.extend([shader!("parts/element/forward"), shader!("kernels/apply")]);
        }
        KernelKey::Sums { .. } | KernelKey::SumsColumns { .. } | KernelKey::MergeSums { .. } => {
            parts.extend(sums_parts(key));
        }
        KernelKey::ApplyBackward { width, lookups, gradient, through, grad_input, grad_residual } => {
            parts.extend([real(width), place, statistics(lookups.given)]);
            parts.extend(gradient_parts(gradient));
            match through {
                Some(s) => parts.extend([measure(s == Scale::L1), shader!("parts/through/coefficients")]),
                None => parts.push(shader!("parts/through/none")),
            }
            let summed = grad_input.is_some_and(|grad| grad.grad_sum.is_some());
            parts.push(put_grad_input(grad_input.is_some(), summed));
            parts.push(match grad_residual {
                None => shader!("parts/grad_residual/none"),
                Some(_) => shader!("parts/grad_residual/write"),
            });
            parts.extend([shader!("parts/element/backward"), shader!("kernels/apply")]);
        }
        KernelKey::Window { width, backward, .. } => {
            parts.extend([real(width), two_sum, finite(width), power, window(backward), shader!("kernels/window")]);
        }
        KernelKey::Slide { width, backward, .. } => {
            parts.extend([finite(width), power, slide(backward), shader!("kernels/slide")]);
        }
    }
    parts
}

/// Those that take partial statistics.
fn statistics_parts(key: &KernelKey) -> Vec<Part> {
    let (two_sum, total) = (shader!("parts/real/two_sum"), shader!("parts/real/total"));
    match *key {
        KernelKey::Moments { team: t, x: from, .. } => {
            vec![real(Width::X1), two_sum, team(t), x(from), shader!("kernels/moments")]
        }
        KernelKey::MomentsColumns { width, x: from } => {
            vec![real(width), two_sum, x(from), shader!("kernels/moments_columns")]
        }
        KernelKey::Norms { team: t, width, x: from, magnitudes, .. } => {
            let parts = [real(width), two_sum, total, scales(Scale::L2), team(t), x(from), measure(magnitudes)];
            [&parts[..], &[shader!("kernels/norms")]].concat()
        }
        KernelKey::NormsColumns { width, x: from, magnitudes } => {
            let parts = [real(width), two_sum, total, scales(Scale::L2), x(from), measure(magnitudes)];
            [&parts[..], &[shader!("kernels/norms_columns")]].concat()
        }
        _ => Vec::new(),
    }
}

/// Those that merge partial statistics.
fn finalize_parts(key: &KernelKey) -> Vec<Part> {
    let KernelKey::Finalize { together, partials, merged, tracking, low } = *key else { return Vec::new() };
    let mut parts = vec![real(Width::X1), shader!("parts/real/two_sum"), merging(together)];
    parts.push(match partials {
        Partials::Norms => shader!("parts/merge/norms"),
        Partials::Scratch | Partials::Moments => shader!("parts/merge/moments"),
    });
    parts.push(match partials {
        Partials::Scratch | Partials::Norms => shader!("parts/partials/scratch"),
        Partials::Moments => shader!("parts/partials/moments"),
    });
    match merged {
        Merged::Statistics(s, save) => {
            let put = if s.is_norm() { shader!("parts/merged/norms") } else { shader!("parts/merged/statistics") };
            parts.extend([scale(s), scales(s), saved(save), put]);
        }
        Merged::Moments => parts.push(shader!("parts/merged/moments")),
        Merged::Partials => parts.push(shader!("parts/merged/partials")),
    }
    parts.extend(running(tracking, low).into_iter().chain([shader!("kernels/finalize")]));
    parts
}

/// Those that take and merge sums of gradients.
fn sums_parts(key: &KernelKey) -> Vec<Part> {
    let (two_sum, pairs) = (shader!("parts/real/two_sum"), shader!("parts/real/pairs"));
    let (exact_sums, group_sums) = (shader!("parts/exact_sums"), shader!("parts/group_sums"));
    let mut parts = vec![two_sum, pairs];
    match *key {
        KernelKey::Sums { team: t, width, lookups, gradient, .. } => {
            parts.extend([real(width), shader!("parts/place"), team(t), statistics(lookups.given)]);
            parts.extend(gradient_parts(gradient));
            parts.extend([exact_sums, group_sums, shader!("parts/team_sums"), shader!("kernels/sums")]);
        }
        KernelKey::SumsColumns { width, lookups, gradient, gradients, .. } => {
            parts.extend([real(width), shader!("parts/place"), statistics(lookups.given)]);
            parts.extend(gradient_parts(gradient));
            parts.push(exact_sums);
            match gradients {
                Some(gradients) => {
                    parts.extend(put_grad_params(gradients));
                    parts.push(shader!("parts/column_sums/gradients"));
                }
                None => parts.extend([group_sums, shader!("parts/column_sums/write")]),
            }
            parts.push(shader!("kernels/sums_columns"));
        }
        KernelKey::MergeSums { together, numbers, merged, gradients } => {
            let from = if numbers { shader!("parts/merged_from/numbers") } else { shader!("parts/merged_from/pairs") };
            parts.extend([shader!("parts/real/x2"), group_sums, from, merging(together), weight(merged.is_weighted())]);
            match merged {
                MergedSums::Nothing => parts.push(shader!("parts/merged_sums/none")),
                MergedSums::Partials => parts.push(shader!("parts/merged_sums/partials")),
                MergedSums::Coefficients(c) => {
                    parts.extend([scale(c.scale), scales(c.scale), shader!("parts/merged_sums/coefficients")]);
                }
            }
            parts.extend(put_grad_params(gradients));
            parts.push(shader!("kernels/merge_sums"));
        }
        _ => {}
    }
    parts
}

fn pack(width: Width) -> Vec<Part> {
    let single = shader!("parts/pack/x1");
    let four = shader!("parts/pack/x4");
    let lane = shader!("parts/at/lane");
    match width {
        Width::X1 => vec![single, shader!("parts/at/whole"), lane],
        Width::X4 => vec![four, shader!("parts/at/whole"), shader!("parts/at/gathered"), lane],
        Width::HalfUnaligned => vec![four, shader!("parts/at/half_unaligned")],
        Width::Pairs => vec![four, shader!("parts/at/pairs")],
        Width::Across => vec![four, shader!("parts/at/across")],
    }
}

fn real(width: Width) -> Part {
    match width {
        Width::X1 => shader!("parts/real/x1"),
        Width::X4 | Width::HalfUnaligned | Width::Pairs | Width::Across => {
            shader!("parts/real/x4")
        }
    }
}

fn finite(width: Width) -> Part {
    if width == Width::X1 { shader!("parts/finite/x1") } else { shader!("parts/finite/x4") }
}

/// The kernel of rows, and what it needs in any direction.
fn row_parts(hold: Hold, width: Width, sums: bool) -> Vec<Part> {
    let mut parts = vec![shader!("parts/rows")];
    match hold {
        Hold::Registers { .. } => {
            let all_or_nothing = width != Width::HalfUnaligned;
            let mask = if all_or_nothing { shader!("parts/mask/pack") } else { shader!("parts/mask/elements") };
            parts.extend([mask, partial_sums(sums), shader!("kernels/row")]);
        }
        Hold::Rows { .. } => {
            let (direction, of_sums, add) = match width {
                Width::Across => (shader!("parts/direction/across"), width, shader!("parts/partial_sums/add_across")),
                _ => (shader!("parts/direction/along"), Width::X1, shader!("parts/partial_sums/add")),
            };
            let sums = if sums { add } else { partial_sums(false) };
            let (two_sum, total) = (shader!("parts/real/two_sum"), shader!("parts/real/total"));
            parts.extend([real(of_sums), two_sum, total, direction, sums, shader!("kernels/stream")]);
        }
    }
    parts
}

/// How the half-precision types that the kernel meets are stored.
fn storage_parts(key: &KernelKey, native_halves: bool) -> Vec<Part> {
    let storage = key.storage();
    let uses =
        |dtype| storage.iter().any(|s| matches!(s.element, Element::Floats(d, _) | Element::Gathered(d) if d == dtype));
    let f16 = if native_halves { shader!("parts/storage/f16_native") } else { shader!("parts/storage/f16") };
    let parts = [(DType::F16, f16), (DType::BF16, shader!("parts/storage/bf16"))];
    parts.into_iter().filter(|&(dtype, _)| uses(dtype)).map(|(_, part)| part).collect()
}

fn team(team: Team) -> Part {
    match team {
        Team::Lane => shader!("parts/team/lane"),
        Team::Cluster => shader!("parts/team/cluster"),
        Team::Subgroup => shader!("parts/team/subgroup"),
        Team::Workgroup => shader!("parts/team/workgroup"),
        Team::WorkgroupSubgroups => shader!("parts/team/workgroup_subgroups"),
    }
}

fn scale(scale: Scale) -> Part {
    match scale {
        Scale::Variance => shader!("parts/scale/variance"),
        Scale::MeanSquare => shader!("parts/scale/mean_square"),
        Scale::L2 => shader!("parts/scale/l2"),
        Scale::L1 => shader!("parts/scale/l1"),
    }
}

fn scales(scale: Scale) -> Part {
    if scale.is_norm() { shader!("parts/scales/norm") } else { shader!("parts/scales/one") }
}

fn measure(magnitudes: bool) -> Part {
    if magnitudes { shader!("parts/measure/magnitude") } else { shader!("parts/measure/square") }
}

fn statistics(given: Given) -> Part {
    match given {
        Given::None => shader!("parts/statistics/none"),
        Given::Batch | Given::Kept => shader!("parts/statistics/batch"),
        Given::Norms => shader!("parts/statistics/norms"),
        Given::Running => shader!("parts/statistics/running"),
    }
}

fn x(x: X) -> Part {
    match x {
        X::None => shader!("parts/x/none"),
        X::Input(_) => shader!("parts/x/input"),
        X::Residual(..) => shader!("parts/x/residual"),
        X::Sum(_) => shader!("parts/x/sum"),
    }
}

fn partial_sums(on: bool) -> Part {
    if on { shader!("parts/partial_sums/write") } else { shader!("parts/partial_sums/none") }
}

fn merging(together: bool) -> Part {
    if together { shader!("parts/merging/workgroup") } else { shader!("parts/merging/lane") }
}

fn weight(on: bool) -> Part {
    if on { shader!("parts/weight/table") } else { shader!("parts/weight/none") }
}

fn running(tracking: Tracking, low: bool) -> Vec<Part> {
    let weights = match tracking {
        Tracking::None => return vec![shader!("parts/running/none")],
        Tracking::Fixed => shader!("parts/running/fixed"),
        Tracking::Cumulative => shader!("parts/running/cumulative"),
    };
    let state = if low { shader!("parts/running/pairs") } else { shader!("parts/running/numbers") };
    vec![weights, state, shader!("parts/running/tracked")]
}

fn saved(saved: Saved) -> Part {
    match saved {
        Saved::None => shader!("parts/saved/none"),
        Saved::Rstd => shader!("parts/saved/rstd"),
        Saved::MeanRstd => shader!("parts/saved/mean_rstd"),
    }
}

fn put_grad_input(on: bool, summed: bool) -> Part {
    match (on, summed) {
        (false, _) => shader!("parts/grad_input/none"),
        (true, false) => shader!("parts/grad_input/write"),
        (true, true) => shader!("parts/grad_input/sum"),
    }
}

fn put_grad_params(gradients: ParamGradients) -> [Part; 2] {
    [
        match (gradients.weight, gradients.accumulate) {
            (false, _) => shader!("parts/grad_weight/none"),
            (true, false) => shader!("parts/grad_weight/write"),
            (true, true) => shader!("parts/grad_weight/add"),
        },
        match (gradients.bias, gradients.accumulate) {
            (false, _) => shader!("parts/grad_bias/none"),
            (true, false) => shader!("parts/grad_bias/write"),
            (true, true) => shader!("parts/grad_bias/add"),
        },
    ]
}

fn window(backward: bool) -> Part {
    if backward { shader!("parts/window/backward") } else { shader!("parts/window/forward") }
}

fn slide(backward: bool) -> Part {
    if backward { shader!("parts/slide/backward") } else { shader!("parts/slide/forward") }
}

fn affine_parts(affine: Affine) -> Vec<Part> {
    let mut parts = vec![
        weight(affine.weight.is_some()),
        if affine.bias.is_some() { shader!("parts/bias/table") } else { shader!("parts/bias/none") },
        shader!("parts/affine"),
        if affine.after.is_some() { shader!("parts/after/residual") } else { shader!("parts/after/none") },
    ];
    if !matches!(affine.activation, Activation::None | Activation::Relu) {
        parts.push(shader!("parts/exponential"));
    }
    parts.push(match affine.activation {
        Activation::None => shader!("parts/activation/none"),
        Activation::Relu => shader!("parts/activation/relu"),
        Activation::Gelu => shader!("parts/activation/gelu"),
        Activation::GeluTanh => shader!("parts/activation/gelu_tanh"),
        Activation::Silu => shader!("parts/activation/silu"),
        Activation::Sigmoid => shader!("parts/activation/sigmoid"),
        Activation::Tanh => shader!("parts/activation/tanh"),
    });
    parts
}

fn forward_parts(forward: Forward) -> Vec<Part> {
    let mut parts = vec![x(forward.x)];
    parts.extend(affine_parts(forward.affine));
    parts.push(if forward.sum.is_some() { shader!("parts/sum/residual_output") } else { shader!("parts/sum/none") });
    let output = forward.output.is_some();
    parts.push(if output { shader!("parts/result/output") } else { shader!("parts/result/in_place") });
    parts
}

fn gradient_parts(gradient: Gradient) -> Vec<Part> {
    let mut parts = vec![x(gradient.x)];
    parts.extend(affine_parts(gradient.affine));
    let plain = gradient.affine.activation == Activation::None;
    parts.push(if plain { shader!("parts/gradient/plain") } else { shader!("parts/gradient/activated") });
    parts
}

/// Repeats each block between `// unroll K < COUNT` and `// end`, with `x_K` as `x_0`, `x_1`, .. and `K` as `0u`, `1u`, ..
///
/// Registers get names of their own because some Vulkan drivers keep a local array that is indexed in a loop in memory.
fn unroll(text: &str, count: u32) -> String {
    let mut out = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if !line.trim().starts_with("// unroll K < ") {
            out.push_str(line);
            out.push('\n');
            continue;
        }
        let block: Vec<&str> = lines.by_ref().take_while(|line| line.trim() != "// end").collect();
        for k in 0..count {
            for line in &block {
                expand(&mut out, line, k);
            }
        }
    }
    out
}

/// Appends a line of a block, with names that end in `_K` ending in `_k`, and `K` as the constant `k`.
fn expand(out: &mut String, line: &str, k: u32) {
    let in_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut rest = line;
    while let Some(start) = rest.find(in_word) {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.find(|c| !in_word(c)).unwrap_or(rest.len());
        let word = &rest[..end];
        let _ = match word.strip_suffix("_K") {
            Some(first) => write!(out, "{first}_{k}"),
            None if word == "K" => write!(out, "{k}u"),
            None => write!(out, "{word}"),
        };
        rest = &rest[end..];
    }
    out.push_str(rest);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::Slot;

    #[test]
    fn unroll_names_registers_and_leaves_other_words_alone() {
        let text = "a;\n  // unroll K < BLOCK\n  let x_K = f(K, BLOCK_K, K2, x_KK) + K;\n  // end\nb;\n";
        assert_eq!(
            unroll(text, 2),
            "a;\n  let x_0 = f(0u, BLOCK_0, K2, x_KK) + 0u;\n  let x_1 = f(1u, BLOCK_1, K2, x_KK) + 1u;\nb;\n"
        );
    }

    #[test]
    fn halves_in_pairs_are_16_bytes_and_the_first_waits_for_the_second() {
        let declared = |dtype, access| {
            declare(&Storage { slot: Slot::Output, access, element: Element::Floats(dtype, Width::Pairs) }, false)
        };
        let half = declared(DType::BF16, Access::ReadWrite);
        for part in ["array<vec4<u32>>", "var<private> first_of_output", "fn load_output(at: At)", "output[at.pair]"] {
            assert!(half.contains(part), "{part}: {half}");
        }
        assert!(!declared(DType::F16, Access::Read).contains("private"));
        let float = declared(DType::F32, Access::ReadWrite);
        assert!(float.contains("output[number_of(at)] = v;") && !float.contains("private"), "{float}");
    }

    #[test]
    fn a_tensor_of_halves_that_is_written_one_by_one_is_atomic() {
        let output =
            |width| Storage { slot: Slot::Output, access: Access::Write, element: Element::Floats(DType::F16, width) };
        assert!(declare(&output(Width::X1), false).contains("array<atomic<u32>>"));
        assert!(declare(&output(Width::X4), false).contains("array<vec2<u32>>"));
        assert!(!declare(&output(Width::X4), false).contains("load_output"));
    }
}
