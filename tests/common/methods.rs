//! Shapes, which method can compute what, said independently of the crate, and runs by all of them.

use std::collections::BTreeMap;

use wgpu_norm::{
    DType, Error, Method, Norm, Outputs, Strategy, Team, Tensors,
    host::Gpu,
    testing::{Data, compare_outputs},
};

use super::{gpu, run};

/// Shapes of layer norm, each with the reason that it is here.
pub const ROWS: &[(&str, usize, usize)] = &[
    ("a row of one element: the output is the bias", 7, 1),
    ("two elements", 7, 2),
    ("three elements: shorter than a vec4", 1, 3),
    ("many rows of three: lanes own rows", 1023, 3),
    ("one vec4", 5, 4),
    ("rows of 16: four vec4s a lane", 4096, 16),
    ("one less than 32 lanes", 7, 31),
    ("one more than 32 lanes", 7, 33),
    ("odd, half of a 256-wide workgroup", 7, 127),
    ("one less than a workgroup", 7, 255),
    ("exactly a workgroup", 7, 256),
    ("one more than a workgroup", 7, 257),
    ("MiniLM's width", 64, 384),
    ("BERT's width", 33, 768),
    ("scalar loads, 64 registers for 8 lanes", 7, 511),
    ("one less than 1024: scalar loads", 7, 1023),
    ("exactly 1024: 32 vec4s for 8 lanes", 7, 1024),
    ("one more than 1024", 7, 1025),
    ("the longest that 8 lanes of 32 vec4s hold is passed", 3, 1028),
    ("a wide transformer", 2, 4096),
    ("one more: scalar, beyond every register file of a subgroup", 2, 4097),
    ("beyond 8 vec4s in 1024 lanes: split", 2, 33000),
    ("beyond, and odd", 1, 33001),
    ("one row: no second workgroup to hide behind", 1, 768),
    ("short and odd: one pack, and three of its elements again", 33, 5),
    ("four packs, the last one short", 33, 15),
    ("one more than a lane holds", 7, 129),
    ("many odd rows that a lane holds", 5000, 31),
];

/// Shapes and groups of group norm, each with the reason that it is here.
pub const GROUPS: &[(&str, &[usize], usize)] = &[
    ("[N, C]: weights by position", &[33, 24], 3),
    ("[N, C], odd groups", &[7, 15], 5),
    ("[N, C], one element a group: the output is the bias", &[5, 6], 6),
    ("[N, C, L], vec4s", &[3, 6, 8], 2),
    ("[N, C, L], odd channels in a group of even length", &[3, 8, 7], 2),
    ("[N, C, H, W], everything odd", &[2, 9, 7, 3], 3),
    ("[N, C, D, H, W]", &[2, 4, 2, 3, 5], 2),
    ("one group: layer norm with channel weights", &[3, 6, 4, 4], 1),
    ("a group for each channel", &[3, 6, 5, 5], 6),
    ("a diffusion model's first block", &[1, 64, 16, 16], 32),
    ("beyond the registers of a workgroup: split", &[1, 4, 130, 128], 2),
    ("beyond, and odd", &[1, 2, 181, 183], 1),
];

/// Shapes of batch norm, each with the reason that it is here.
pub const IMAGES: &[(&str, &[usize])] = &[
    ("two values a channel", &[2, 3]),
    ("[N, C], channels in vec4s", &[33, 64]),
    ("[N, C], odd channels", &[129, 7]),
    ("[N, C], one channel", &[1000, 1]),
    ("[N, C], more rows than one lane should walk", &[5000, 12]),
    ("[N, C, L], odd length", &[3, 5, 7]),
    ("[N, C, L], vec4s", &[4, 3, 64]),
    ("[N, C, L], one sample", &[1, 3, 1000]),
    ("[N, C, L] with L = 1: columns", &[8, 12, 1]),
    ("[N, C, H, W], everything odd", &[3, 5, 7, 3]),
    ("the end of a ResNet: 7 x 7", &[8, 64, 7, 7]),
    ("its start: few channels, many pixels", &[2, 3, 56, 56]),
    ("one sample of an image", &[1, 3, 20, 20]),
    ("one channel, split", &[3, 1, 100, 100]),
    ("[N, C, D, H, W]", &[2, 3, 2, 3, 5]),
    ("more slices than workgroups in a dimension", &[70000, 1, 2]),
    ("more channels than workgroups in a dimension", &[2, 65536]),
];

pub const STATISTICS_ONLY: [Method; 2] = [Method::Columns, Method::Elementwise];

/// Whether a method can compute the norm of rows, whose packs end where `unit` elements end: the row, or a channel in it.
/// The longest rows that are held in registers have 8 packs a lane of a workgroup, 32 of a lane alone, and of a subgroup as many elements as
/// the device's table says.
pub fn rows_can(method: Method, len: usize, unit: usize) -> bool {
    if unit.is_multiple_of(4) {
        return packs_can(method, len / 4, 4, "registers", 1);
    }
    // Channels may end inside of packs.
    if len.is_multiple_of(4) {
        return packs_can(method, len / 4, 4, "single_registers", 1);
    }
    // Short rows go by fours whatever the length: those of many rows, too, if they are longer.
    let lane_packs = gpu().planner().caps().tuning.get("lane_packs").expect("a number of the table") as usize;
    if len >= 4 && len.div_ceil(4) <= lane_packs {
        packs_can(method, len.div_ceil(4), 4, "single_registers", 1)
    } else {
        packs_can(method, len, 1, "single_registers", 1)
    }
}

/// The same for tensors of a type. Those of halves are packed in fours whatever the length, with up to one element of the row before, and
/// a lane may go through two rows that share a word.
pub fn typed_rows_can(dtype: DType, method: Method, len: usize, unit: usize) -> bool {
    if dtype == DType::F32 || len.is_multiple_of(4) {
        return rows_can(method, len, unit);
    }
    let apart = gpu().planner().caps().tuning.get("apart") == Some(1);
    packs_can(method, (len + 1).div_ceil(4), 4, "single_registers", if apart { 1 } else { 2 })
}

/// Of packs of `width` elements, of which a lane holds as many as the `registers` of the device's table, and goes through so many `rows` at least.
fn packs_can(method: Method, packs: usize, width: usize, registers: &str, rows: usize) -> bool {
    let caps = gpu().planner().caps();
    let largest =
        [1024, 512, 256].into_iter().find(|&n| n <= caps.max_workgroup_size as usize).expect("a workgroup of 256");
    let subgroups = caps.subgroup_size.is_some();
    let min = caps.subgroup_size.map_or(1, |(min, _)| min as usize);
    let a_lane = caps.tuning.get(registers).expect("a number of the table") as usize / width;
    match method {
        Method::Resident(Team::Lane) => packs <= 32,
        Method::Resident(Team::Cluster) => {
            let a_lane = caps.tuning.get("cluster_registers").expect("a number of the table") as usize / width;
            subgroups && packs <= 4 * a_lane
        }
        Method::Resident(Team::Subgroup) => subgroups && packs <= min * a_lane,
        Method::Resident(Team::Workgroup) => packs <= largest * 8,
        Method::Resident(Team::WorkgroupSubgroups) => subgroups && packs <= largest * 8,
        Method::Streamed(Team::Lane) => rows * packs <= 15_000,
        Method::Streamed(Team::Subgroup) => subgroups && rows * packs.div_ceil(min) <= 15_000,
        Method::Split(team) | Method::Streamed(team) => subgroups || matches!(team, Team::Lane | Team::Workgroup),
        _ => false,
    }
}

pub fn layer_norm_can(method: Method, len: usize) -> bool {
    rows_can(method, len, len)
}

/// Runs an op by the inferred method and by every forced one; returns how often each ran.
pub fn by_every_method(
    name: &str,
    op: &(impl Norm + ?Sized),
    tensors: &Tensors<'_>,
    can: impl Fn(Method) -> bool,
    ran: &mut BTreeMap<String, usize>,
) {
    let truth = op.reference(tensors).expect(name);
    let strategies = [Strategy::Inferred].into_iter().chain(Method::ALL.iter().map(|&method| Strategy::Forced(method)));
    for strategy in strategies {
        let result = run(gpu(), op, tensors, strategy);
        let expected = match strategy {
            Strategy::Inferred => true,
            Strategy::Forced(method) => can(method),
        };
        if !expected {
            assert!(matches!(result, Err(Error::Unsupported { .. })), "{name}, {strategy:?}: {result:?}");
            continue;
        }
        let outputs = result.unwrap_or_else(|e| panic!("{name}, {strategy:?}: {e}"));
        compare_outputs(op, &outputs, &truth).unwrap_or_else(|e| panic!("{name}, {:?}, {strategy:?}: {e}", op.shape()));
        *ran.entry(format!("{strategy:?}")).or_default() += 1;
    }
}

/// Checks what an op gives by the inferred method and by every other one that can compute it.
pub fn every_method(
    gpu: &Gpu,
    op: &(impl Norm + ?Sized),
    tensors: &Tensors<'_>,
    check: impl Fn(Method, &Outputs<f32>),
) {
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
    for method in methods {
        let needs = match method {
            Method::Resident(team) | Method::Streamed(team) | Method::Split(team) => {
                matches!(team, Team::Cluster | Team::Subgroup | Team::WorkgroupSubgroups)
            }
            _ => false,
        };
        let count = ran.get(&format!("{:?}", Strategy::Forced(*method))).copied().unwrap_or(0);
        assert_eq!(count > 1, subgroups || !needs, "{method} ran {count} times");
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

/// [`by_every_method`] on random tensors.
pub fn conforms(name: &str, op: &(impl Norm + ?Sized), can: impl Fn(Method) -> bool) {
    let mut ran = BTreeMap::new();
    by_every_method(&format!("{name}: {}", op.name()), op, &Data::random(op, 1).tensors(), can, &mut ran);
    assert!(ran.len() > 1, "{name}: no method was forced");
}
