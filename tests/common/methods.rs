//! Shapes, the methods that can compute an op on them, and runs by these methods.

use wgpu_norm::{
    DType, Error, Method, Norm, Outputs, Strategy, Team, Tensors,
    host::Gpu,
    testing::{Data, compare_outputs},
};

use super::{RAN, gpu, run};

/// Shapes of layer norm, each with its reason. They are few: each length of a row that registers hold has shaders of
/// its own, and compiling them takes long.
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
    ("one more: single elements, beyond what a subgroup holds", 2, 4097),
    ("beyond 8 vec4s in 1024 lanes, and odd", 1, 33001),
    ("one row: no second workgroup to hide behind", 1, 768),
    ("short and odd", 33, 15),
    ("more than a lane holds", 7, 129),
    ("many odd rows that a lane holds", 5000, 31),
    ("many more rows than columns", 20000, 12),
];

/// A row of packs, and a row of single elements.
pub const TWO_ROWS: &[(&str, usize, usize)] = &[("vec4s", 7, 8), ("single elements", 5, 9)];

/// A group of group norm with channels that end inside of packs.
pub const ODD_CHANNELS: (&str, &[usize], usize) = ("[N, C, L], odd channels in a group of even length", &[3, 8, 7], 2);

/// Shapes of group norm and their numbers of groups, each with its reason.
pub const GROUPS: &[(&str, &[usize], usize)] = &[
    ("[N, C]: weights by position", &[7, 24], 3),
    ODD_CHANNELS,
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

/// Shapes of batch norm, each with its reason.
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
    ("[N, C], more rows than one lane should take", &[5000, 12]),
    ("[N, C, L], odd length", &[3, 5, 7]),
    ("[N, C, L], one sample", &[1, 3, 1000]),
    ("[N, C, L] with L = 1: columns", &[8, 12, 1]),
    ("the start of a ResNet: few channels, many pixels", &[2, 3, 56, 56]),
    ("one channel, split", &[3, 1, 100, 100]),
    ("[N, C, D, H, W]", &[2, 3, 2, 3, 5]),
    ("more slices than workgroups in a dimension", &[70000, 1, 2]),
    ("more channels than workgroups in a dimension", &[2, 65536]),
];

/// Methods for statistics of columns, channels and groups.
pub const STATISTICS_ONLY: [Method; 2] = [Method::Columns, Method::Elementwise];

/// The methods that can compute an op, said independently of the crate.
#[derive(Clone, Copy, Debug)]
pub enum Can {
    /// Norms of f32 rows of this length: by packs of four where four divides it, else by single elements.
    Rows(usize),
    /// The same of rows of a type. Registers hold half-precision rows of any length by packs of four.
    RowsOf(DType, usize),
    /// Norms of rows of this many packs.
    Packs(usize),
    /// Sums over rows of this length, without a gradient of the input.
    RowSums(usize),
    /// Statistics of channels or groups that are no columns.
    Split,
    /// Statistics of columns, or of neighbouring ones.
    Columns,
    /// Statistics of this many columns that share their weights: four rows may lie across a pack.
    ColumnsOrAcross(usize),
    /// Gradients of columns in several samples: a run of memory does not tell its statistic from where it is alone.
    ColumnsAlone,
    /// The same of this many columns that share their weights.
    ColumnsAloneOrAcross(usize),
    /// No statistics to take.
    Elementwise,
}

impl Can {
    /// Training of batch norm, channels first.
    pub fn batch_norm(shape: &[usize]) -> Self {
        if shape[2..].iter().product::<usize>() == 1 { Self::Columns } else { Self::Split }
    }

    /// Gradients of columns: of one sample or group, or of several.
    pub fn columns_backward(is_one: bool) -> Self {
        if is_one { Self::Columns } else { Self::ColumnsAlone }
    }

    /// Whether a method is among them on this device.
    pub fn run(self, method: Method) -> bool {
        let across = |columns: usize| method == Method::Streamed(Team::Lane) && columns.is_multiple_of(4);
        match self {
            Self::Rows(len) => packs_can(method, if len.is_multiple_of(4) { len / 4 } else { len }),
            Self::RowsOf(DType::F16 | DType::BF16, len)
                if matches!(method, Method::Resident(_)) && !len.is_multiple_of(4) =>
            {
                // With up to one element of the row before.
                packs_can(method, (len + 1).div_ceil(4))
            }
            Self::RowsOf(_, len) => Self::Rows(len).run(method),
            Self::Packs(packs) => packs_can(method, packs),
            Self::RowSums(len) => matches!(method, Method::Split(_)) && Self::Rows(len).run(method),
            Self::Split => {
                matches!(method, Method::Split(Team::Lane | Team::Workgroup))
                    || (has_subgroups() && matches!(method, Method::Split(Team::Subgroup | Team::WorkgroupSubgroups)))
            }
            Self::Columns => method == Method::Columns || Self::Split.run(method),
            Self::ColumnsOrAcross(columns) => Self::Columns.run(method) || across(columns),
            Self::ColumnsAlone => method == Method::Columns,
            Self::ColumnsAloneOrAcross(columns) => method == Method::Columns || across(columns),
            Self::Elementwise => method == Method::Elementwise,
        }
    }

    /// Those of all methods.
    pub fn methods(self) -> impl Iterator<Item = Method> {
        Method::ALL.iter().copied().filter(move |&method| self.run(method))
    }
}

fn has_subgroups() -> bool {
    gpu().planner().caps().subgroup_size.is_some()
}

/// A lane alone holds 32 packs, a lane of a cluster 8. The device's table says how many a lane of larger teams holds.
fn packs_can(method: Method, packs: usize) -> bool {
    let caps = gpu().planner().caps();
    let largest =
        [1024, 512, 256].into_iter().find(|&n| n <= caps.max_workgroup_size as usize).expect("a workgroup of 256");
    let subgroups = has_subgroups();
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

/// Every method by a lane alone. What a team does is a part of its own, which shaders of all options and types share.
pub const BY_LANES: &[Method] = &[
    Method::Resident(Team::Lane),
    Method::Streamed(Team::Lane),
    Method::Split(Team::Lane),
    Method::Columns,
    Method::Elementwise,
];

/// A line of a table: why the op is there, the op, and the methods that can compute it.
pub type Case = (&'static str, Box<dyn Norm>, Can);

/// [`by_every_method`] or [`by_lanes`]: they return the forced methods that ran.
pub type By = fn(&str, &dyn Norm, &Tensors<'_>, Can) -> Vec<Method>;

/// Runs an op by the inferred method and by every forced one. Those that can't compute it are [`Error::Unsupported`].
pub fn by_every_method(why: &str, op: &dyn Norm, tensors: &Tensors<'_>, can: Can) -> Vec<Method> {
    by_methods(Method::ALL, why, op, tensors, can)
}

/// Runs an op by the inferred method and by [`BY_LANES`].
pub fn by_lanes(why: &str, op: &dyn Norm, tensors: &Tensors<'_>, can: Can) -> Vec<Method> {
    by_methods(BY_LANES, why, op, tensors, can)
}

fn by_methods(methods: &[Method], why: &str, op: &dyn Norm, tensors: &Tensors<'_>, can: Can) -> Vec<Method> {
    let name = &format!("{why}: {} {:?}", op.name(), op.shape());
    let truth = op.reference(tensors).expect(name);
    let (ran, refused): (Vec<_>, Vec<_>) = methods.iter().copied().partition(|&method| can.run(method));
    assert!(!ran.is_empty(), "{name}: no method was forced");
    for &method in &refused {
        let result = run(gpu(), op, tensors, Strategy::Forced(method));
        assert!(matches!(result, Err(Error::Unsupported { .. })), "{name}, {method}: {result:?}");
    }
    for strategy in [Strategy::Inferred].into_iter().chain(ran.iter().map(|&method| Strategy::Forced(method))) {
        let outputs = run(gpu(), op, tensors, strategy).unwrap_or_else(|e| panic!("{name}, {strategy:?}: {e}"));
        compare_outputs(op, &outputs, &truth).unwrap_or_else(|e| panic!("{name}, {strategy:?}: {e}"));
    }
    let list = |methods: &[Method]| methods.iter().map(Method::to_string).collect::<Vec<_>>().join(", ");
    log::info!(target: RAN, "{name}: by the inferred method, {}; refused: {}", list(&ran), list(&refused));
    ran
}

/// [`conforms`] or [`conforms_by_lanes`].
pub type Conforms = fn(&str, &dyn Norm, Can) -> Vec<Method>;

/// [`by_every_method`] on random tensors.
pub fn conforms(why: &str, op: &dyn Norm, can: Can) -> Vec<Method> {
    by_every_method(why, op, &Data::random(op, 1).tensors(), can)
}

/// [`by_lanes`] on random tensors.
pub fn conforms_by_lanes(why: &str, op: &dyn Norm, can: Can) -> Vec<Method> {
    by_lanes(why, op, &Data::random(op, 1).tensors(), can)
}

/// Every line of a table, by [`conforms`] or [`conforms_by_lanes`]. `of`: the common property of the lines.
pub fn all_conform(of: &str, cases: Vec<Case>, conforms: Conforms) {
    for (why, op, can) in cases {
        conforms(&format!("{of}, {why}"), &*op, can);
    }
}

/// Runs an op on random tensors by the inferred method.
pub fn conforms_as_inferred(why: &str, op: &dyn Norm) {
    conforms_by(why, gpu(), op, Strategy::Inferred);
}

/// Runs an op on random tensors by one method of a device.
pub fn conforms_by(why: &str, gpu: &Gpu, op: &dyn Norm, strategy: Strategy) {
    let name = format!("{why}: {} {:?}, {strategy:?}", op.name(), op.shape());
    let data = Data::random(op, 1);
    let truth = op.reference(&data.tensors()).expect(&name);
    let outputs = run(gpu, op, &data.tensors(), strategy).unwrap_or_else(|e| panic!("{name}: {e}"));
    compare_outputs(op, &outputs, &truth).unwrap_or_else(|e| panic!("{name}: {e}"));
    log::info!(target: RAN, "{name}");
}

/// Checks the outputs of the inferred method and of every other one that can compute the op.
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

/// Each of these methods that the device has ran, and by more than one shape.
pub fn assert_all_ran(ran: &[Method], methods: &[Method]) {
    for method in methods {
        let count = ran.iter().filter(|&other| other == method).count();
        assert_eq!(count > 1, has_subgroups() || !needs_subgroups(*method), "{method} ran {count} times");
    }
}

/// Whether a method has teams of subgroups.
pub fn needs_subgroups(method: Method) -> bool {
    match method {
        Method::Resident(team) | Method::Streamed(team) | Method::Split(team) => {
            matches!(team, Team::Cluster | Team::Subgroup | Team::WorkgroupSubgroups)
        }
        _ => false,
    }
}
