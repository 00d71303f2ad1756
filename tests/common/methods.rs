//! Shapes, which method can compute what, said independently of the crate, and runs by all of them.

use std::collections::BTreeMap;

use wgpu_norm::{
    DType, Error, Method, Norm, Outputs, Strategy, Team, Tensors,
    host::Gpu,
    testing::{Data, compare_outputs},
};

use super::{gpu, run};

/// Shapes of layer norm, each with the reason that it is here. Few: what takes long is the shaders, which a length has of its own where registers
/// hold a row.
pub const ROWS: &[(&str, usize, usize)] = &[
    ("a row of one element: the output is the bias", 7, 1),
    ("rows of three: lanes own rows, and two are streamed at once", 60, 3),
    ("one vec4", 5, 4),
    ("one more than 32 lanes: single elements", 7, 33),
    ("nine vec4s, and blocks of rows", 70, 36),
    ("MiniLM's width", 7, 384),
    ("one less than 1024: single elements, beyond what 8 lanes hold", 5, 1023),
    ("beyond 8 vec4s in 1024 lanes: split", 2, 33000),
];

/// More of them, for `cargo xtask test --all`.
pub const MORE_ROWS: &[(&str, usize, usize)] = &[
    ("two elements", 7, 2),
    ("three elements: shorter than a vec4", 1, 3),
    ("many rows of three: eight are streamed at once", 1023, 3),
    ("rows of 16: four vec4s a lane", 4096, 16),
    ("one less than 32 lanes", 7, 31),
    ("odd, half of a 256-wide workgroup", 7, 127),
    ("one less than a workgroup", 7, 255),
    ("exactly a workgroup", 7, 256),
    ("one more than a workgroup", 7, 257),
    ("BERT's width", 33, 768),
    ("single elements, all that 8 lanes hold", 7, 272),
    ("exactly 1024: 32 vec4s for 8 lanes", 7, 1024),
    ("one more than 1024", 7, 1025),
    ("all that 8 lanes of 34 vec4s hold", 3, 1088),
    ("a wide transformer", 2, 4096),
    ("one more: single elements, beyond every register file of a subgroup", 2, 4097),
    ("beyond 8 vec4s in 1024 lanes, and odd", 1, 33001),
    ("one row: no second workgroup to hide behind", 1, 768),
    ("short and odd", 33, 15),
    ("more than a lane holds", 7, 129),
    ("many odd rows that a lane holds", 5000, 31),
    ("many more rows than columns", 20000, 12),
];

/// One of packs and one of single elements.
pub const TWO_ROWS: &[(&str, usize, usize)] = &[("vec4s", 7, 8), ("single elements", 5, 9)];

/// Shapes and groups of group norm, each with the reason that it is here.
pub const GROUPS: &[(&str, &[usize], usize)] = &[
    ("[N, C]: weights by position", &[7, 24], 3),
    ("[N, C, L], odd channels in a group of even length", &[3, 8, 7], 2),
    ("[N, C, H, W], everything odd", &[2, 9, 7, 3], 3),
    ("a group for each channel, in vec4s", &[3, 6, 2, 4], 6),
];

/// More of them, for `cargo xtask test --all`.
pub const MORE_GROUPS: &[(&str, &[usize], usize)] = &[
    ("[N, C], odd groups", &[7, 15], 5),
    ("[N, C], one element a group: the output is the bias", &[5, 6], 6),
    ("[N, C, L], vec4s", &[3, 6, 8], 2),
    ("[N, C, D, H, W]", &[2, 4, 2, 3, 5], 2),
    ("one group: layer norm with channel weights", &[3, 6, 4, 4], 1),
    ("a group for each channel", &[3, 6, 5, 5], 6),
    ("a diffusion model's first block", &[1, 64, 16, 16], 32),
    ("beyond the registers of a workgroup: split", &[1, 4, 130, 128], 2),
    ("beyond, and odd", &[1, 2, 181, 183], 1),
];

/// Shapes of batch norm, each with the reason that it is here.
pub const IMAGES: &[(&str, &[usize])] = &[
    ("[N, C], channels in vec4s", &[33, 64]),
    ("[N, C], odd channels", &[129, 7]),
    ("[N, C, L], vec4s", &[4, 3, 64]),
    ("[N, C, H, W], everything odd", &[3, 5, 7, 3]),
    ("the end of a ResNet: 7 x 7", &[8, 64, 7, 7]),
    ("one sample of an image", &[1, 3, 20, 20]),
];

/// More of them, for `cargo xtask test --all`.
pub const MORE_IMAGES: &[(&str, &[usize])] = &[
    ("two values a channel", &[2, 3]),
    ("[N, C], one channel", &[1000, 1]),
    ("[N, C], more rows than one lane should walk", &[5000, 12]),
    ("[N, C, L], odd length", &[3, 5, 7]),
    ("[N, C, L], one sample", &[1, 3, 1000]),
    ("[N, C, L] with L = 1: columns", &[8, 12, 1]),
    ("the start of a ResNet: few channels, many pixels", &[2, 3, 56, 56]),
    ("one channel, split", &[3, 1, 100, 100]),
    ("[N, C, D, H, W]", &[2, 3, 2, 3, 5]),
    ("more slices than workgroups in a dimension", &[70000, 1, 2]),
    ("more channels than workgroups in a dimension", &[2, 65536]),
];

pub const STATISTICS_ONLY: [Method; 2] = [Method::Columns, Method::Elementwise];

/// Whether a method can compute the norm of rows: those of whole packs go by four elements at once, others by one.
pub fn rows_can(method: Method, len: usize) -> bool {
    if len.is_multiple_of(4) { packs_can(method, len / 4) } else { packs_can(method, len) }
}

/// The same for tensors of a type. Registers hold rows of halves in fours whatever the length, with up to one element of the row before.
pub fn typed_rows_can(dtype: DType, method: Method, len: usize) -> bool {
    if dtype != DType::F32 && matches!(method, Method::Resident(_)) && !len.is_multiple_of(4) {
        packs_can(method, (len + 1).div_ceil(4))
    } else {
        rows_can(method, len)
    }
}

/// Of packs, of which a lane alone holds 32 and a lane of a cluster 8, and one of a subgroup or a workgroup as many as the device's table says.
pub fn packs_can(method: Method, packs: usize) -> bool {
    let caps = gpu().planner().caps();
    let largest =
        [1024, 512, 256].into_iter().find(|&n| n <= caps.max_workgroup_size as usize).expect("a workgroup of 256");
    let subgroups = caps.subgroup_size.is_some();
    let min = caps.subgroup_size.map_or(1, |(min, _)| min as usize);
    let number = |name| caps.tuning.get(name).expect("a number of the table") as usize;
    match method {
        Method::Resident(Team::Lane) => packs <= 32,
        Method::Resident(Team::Cluster) => subgroups && packs <= 4 * 8,
        Method::Resident(Team::Subgroup) => subgroups && packs <= min * number("subgroup_packs"),
        Method::Resident(Team::Workgroup) => packs <= largest * number("workgroup_packs"),
        Method::Resident(Team::WorkgroupSubgroups) => subgroups && packs <= largest * number("workgroup_packs"),
        Method::Streamed(Team::Lane) => packs <= 15_000,
        Method::Streamed(Team::Subgroup) => subgroups && packs.div_ceil(min) <= 15_000,
        Method::Split(team) | Method::Streamed(team) => subgroups || matches!(team, Team::Lane | Team::Workgroup),
        _ => false,
    }
}

pub fn layer_norm_can(method: Method, len: usize) -> bool {
    rows_can(method, len)
}

/// Every method by a lane alone: what a team does is a part of its own, which shaders of other options and types have in common.
pub const BY_LANES: &[Method] = &[
    Method::Resident(Team::Lane),
    Method::Streamed(Team::Lane),
    Method::Split(Team::Lane),
    Method::Columns,
    Method::Elementwise,
];

/// [`by_every_method`] or [`by_lanes`]. They run an op by the inferred method and by others, and expect [`Error::Unsupported`] of those that can't.
pub type By = fn(&str, &dyn Norm, &Tensors<'_>, &dyn Fn(Method) -> bool);

/// Runs an op by the inferred method and by every forced one.
pub fn by_every_method(name: &str, op: &dyn Norm, tensors: &Tensors<'_>, can: &dyn Fn(Method) -> bool) {
    by_methods(Method::ALL, name, op, tensors, can, &mut BTreeMap::new());
}

/// The same, and counts how often each method ran.
pub fn by_every_method_counted(
    name: &str,
    op: &dyn Norm,
    tensors: &Tensors<'_>,
    can: &dyn Fn(Method) -> bool,
    ran: &mut BTreeMap<String, usize>,
) {
    by_methods(Method::ALL, name, op, tensors, can, ran);
}

/// The same by some methods.
fn by_methods(
    methods: &[Method],
    name: &str,
    op: &dyn Norm,
    tensors: &Tensors<'_>,
    can: &dyn Fn(Method) -> bool,
    ran: &mut BTreeMap<String, usize>,
) {
    let name = &format!("{name}: {}", op.name());
    let truth = op.reference(tensors).expect(name);
    let mut forced = 0;
    let strategies = [Strategy::Inferred].into_iter().chain(methods.iter().map(|&method| Strategy::Forced(method)));
    for strategy in strategies {
        let result = run(gpu(), op, tensors, strategy);
        let expected = if let Strategy::Forced(method) = strategy { can(method) } else { true };
        if !expected {
            assert!(matches!(result, Err(Error::Unsupported { .. })), "{name}, {strategy:?}: {result:?}");
            continue;
        }
        let outputs = result.unwrap_or_else(|e| panic!("{name}, {strategy:?}: {e}"));
        compare_outputs(op, &outputs, &truth).unwrap_or_else(|e| panic!("{name}, {:?}, {strategy:?}: {e}", op.shape()));
        *ran.entry(format!("{strategy:?}")).or_default() += 1;
        forced += usize::from(strategy != Strategy::Inferred);
    }
    assert!(forced > 0, "{name}: no method was forced");
}

/// Checks what an op gives by the inferred method and by every other one that can compute it.
pub fn every_method(gpu: &Gpu, op: &dyn Norm, tensors: &Tensors<'_>, check: impl Fn(Method, &Outputs<f32>)) {
    let inferred = gpu.planner().plan(op).expect("a plan").method().expect("something to do");
    check(inferred, &run(gpu, op, tensors, Strategy::Inferred).expect("runs"));
    for &method in Method::ALL {
        match run(gpu, op, tensors, Strategy::Forced(method)) {
            // The device has fewer lanes, or no subgroups.
            Err(Error::Unsupported { .. } | Error::Limit { .. }) => {}
            outputs => check(method, &outputs.unwrap_or_else(|e| panic!("{}, {method}: {e}", op.name()))),
        }
    }
}

/// With a weight and a bias, each if there is one.
pub fn optional<'a>(tensors: Tensors<'a>, weight: Option<&'a Vec<f32>>, bias: Option<&'a Vec<f32>>) -> Tensors<'a> {
    let tensors = weight.map_or(tensors.clone(), |weight| tensors.weight(weight));
    bias.map_or(tensors.clone(), |bias| tensors.bias(bias))
}

/// Every method that the device has was exercised, and by more than one shape.
pub fn assert_all_ran(ran: &BTreeMap<String, usize>, methods: &[Method]) {
    let subgroups = gpu().planner().caps().subgroup_size.is_some();
    for &method in methods {
        let count = ran.get(&format!("{:?}", Strategy::Forced(method))).copied().unwrap_or(0);
        assert_eq!(count > 1, subgroups || !needs_subgroups(method), "{method} ran {count} times");
    }
}

/// Whether the lanes of a method's teams are those of subgroups.
pub fn needs_subgroups(method: Method) -> bool {
    match method {
        Method::Resident(team) | Method::Streamed(team) | Method::Split(team) => {
            matches!(team, Team::Cluster | Team::Subgroup | Team::WorkgroupSubgroups)
        }
        _ => false,
    }
}

pub fn batch_norm_can(method: Method, shape: &[usize], training: bool) -> bool {
    let subgroups = gpu().planner().caps().subgroup_size.is_some();
    let columns = shape[2..].iter().product::<usize>() == 1;
    match method {
        Method::Elementwise => !training,
        _ if !training => false,
        Method::Columns => columns,
        Method::Split(Team::Lane | Team::Workgroup) => true,
        Method::Split(Team::Subgroup | Team::WorkgroupSubgroups) => subgroups,
        _ => false,
    }
}

/// Methods for statistics of channels or groups that are no columns.
pub fn split_can(method: Method) -> bool {
    let subgroups = gpu().planner().caps().subgroup_size.is_some();
    match method {
        Method::Split(Team::Lane | Team::Workgroup) => true,
        Method::Split(Team::Subgroup | Team::WorkgroupSubgroups) => subgroups,
        _ => false,
    }
}

/// Methods for statistics of columns, or of neighbouring ones.
pub fn columns_can(method: Method) -> bool {
    method == Method::Columns || split_can(method)
}

/// One more where all of so many columns have the same weights.
pub fn across_can(method: Method, columns: usize) -> bool {
    method == Method::Streamed(Team::Lane) && columns.is_multiple_of(4)
}

/// Methods for the backward pass of columns: by runs of memory only if `one` sample or group has all of them, since a run's
/// statistic then follows from where it is alone.
pub fn backward_columns_can(method: Method, one: bool) -> bool {
    method == Method::Columns || (one && split_can(method))
}

/// Runs an op by the inferred method and by [`BY_LANES`].
pub fn by_lanes(name: &str, op: &dyn Norm, tensors: &Tensors<'_>, can: &dyn Fn(Method) -> bool) {
    by_methods(BY_LANES, name, op, tensors, can, &mut BTreeMap::new());
}

/// [`conforms`] or [`conforms_by_lanes`].
pub type Conforms = fn(&str, &dyn Norm, &dyn Fn(Method) -> bool);

/// [`by_lanes`] on random tensors.
pub fn conforms_by_lanes(name: &str, op: &dyn Norm, can: &dyn Fn(Method) -> bool) {
    by_lanes(name, op, &Data::random(op, 1).tensors(), can);
}

/// [`by_every_method`] on random tensors.
pub fn conforms(name: &str, op: &dyn Norm, can: &dyn Fn(Method) -> bool) {
    by_every_method(name, op, &Data::random(op, 1).tensors(), can);
}

/// Runs an op on random tensors by the inferred method.
pub fn conforms_as_inferred(name: &str, op: &dyn Norm) {
    conforms_by(name, gpu(), op, Strategy::Inferred);
}

/// Runs an op on random tensors by one method of a device.
pub fn conforms_by(name: &str, gpu: &Gpu, op: &dyn Norm, strategy: Strategy) {
    let data = Data::random(op, 1);
    let truth = op.reference(&data.tensors()).expect(name);
    let outputs = run(gpu, op, &data.tensors(), strategy).unwrap_or_else(|e| panic!("{name}: {}: {e}", op.name()));
    compare_outputs(op, &outputs, &truth)
        .unwrap_or_else(|e| panic!("{name}: {} of {:?}, {strategy:?}: {e}", op.name(), op.shape()));
}
