use super::{
    KernelCall, Lowered,
    occupancy::{MAX_PARTIAL, MAX_TURNS, lanes, turns_to_merge},
};
use crate::{
    caps::{Caps, Offsets},
    error::Result,
    kernels::{
        Apply, Kernel, Moments, Row, ShaderKey, Sums,
        finalize::FinalizeParams,
        merge_sums::MergeSumsParams,
        moments::{MomentsParams, Over},
        roles::{Forward, Output},
        row::{Direction, ForAffine, Residency, RowParams},
        sums,
    },
    layout::{TableAccess, VectorLayout},
    ops::{BatchNorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm, Norm, RmsNorm, op::Internal},
    options::Layout,
    rotary::{Pairs, Rotary},
    running_stats::RunningStats,
    slot::Slot,
    tensor::DType,
    tuning::Tuning,
    types::{Activation, Method, Quantized, Strategy, Team},
    wgsl::storage::Buffer,
};

const SUBGROUPS: Caps = Caps {
    cpu: false,
    subgroup_size: Some((32, 32)),
    max_workgroup_size: 1024,
    max_workgroup_storage: 32768,
    max_workgroups_per_dimension: 65535,
    max_storage_buffer_binding_size: 1 << 34,
    max_storage_buffers: 8,
    storage_offset_alignment: 32,
    shared_buffers: false,
    offsets: Offsets::Binding,
    few_kernels: false,
    tuning: Tuning::NVIDIA,
};
const PLAIN: Caps = Caps { subgroup_size: None, ..SUBGROUPS };
const LAVAPIPE: Caps = Caps { cpu: true, subgroup_size: Some((8, 8)), tuning: Tuning::MESA_22, ..SUBGROUPS };
const LLVMPIPE: Caps = Caps { cpu: true, tuning: Tuning::MESA_22, ..PLAIN };
const SWIFTSHADER: Caps = Caps { subgroup_size: Some((4, 4)), tuning: Tuning::SOFTWARE, ..LAVAPIPE };

fn lower_by(op: &dyn Norm, caps: &Caps, strategy: Strategy) -> Result<Lowered> {
    super::lower(&op.operation(Internal)?, caps, strategy)
}

fn lower(op: &dyn Norm, caps: &Caps) -> Lowered {
    lower_by(op, caps, Strategy::Inferred).expect("it lowers")
}

/// The layout of a kernel that has one.
fn layout(key: &ShaderKey) -> VectorLayout {
    match key.kernel {
        Kernel::Row(Row { layout, .. }) | Kernel::Apply(Apply { layout, .. }) => layout,
        Kernel::Moments(kernel) => kernel.layout,
        Kernel::Sums(kernel) => kernel.layout,
        Kernel::Window(kernel) => kernel.layout,
        Kernel::Finalize(_) | Kernel::Count(_) | Kernel::MergeSums(_) => panic!("{key}"),
    }
}

fn row(key: &ShaderKey) -> Row {
    let Kernel::Row(row) = key.kernel else { panic!("{key}") };
    row
}

fn method(op: &dyn Norm, caps: &Caps) -> String {
    lower(op, caps).method.expect("there is something to do").to_string()
}

#[test]
fn rows_go_to_the_smallest_team_that_holds_them() {
    let cases = [
        ([4096, 4], ["resident/lane", "resident/lane", "resident/lane", "resident/lane"]),
        ([4096, 16], ["resident/cluster", "resident/lane", "resident/lane", "resident/lane"]),
        ([4096, 64], ["resident/cluster", "resident/workgroup", "resident/lane", "resident/lane"]),
        ([4096, 128], ["resident/cluster", "resident/workgroup", "resident/cluster", "resident/lane"]),
        ([4096, 132], ["resident/subgroup", "resident/workgroup", "resident/subgroup", "streamed/lane"]),
        ([4096, 512], ["resident/subgroup", "resident/workgroup", "resident/subgroup", "streamed/lane"]),
        ([4096, 768], ["resident/workgroup+subgroups", "resident/workgroup", "resident/subgroup", "streamed/lane"]),
        ([4096, 1023], ["resident/workgroup+subgroups", "resident/workgroup", "streamed/subgroup", "streamed/lane"]),
        ([4096, 1024], ["resident/workgroup+subgroups", "resident/workgroup", "resident/subgroup", "streamed/lane"]),
        ([4096, 4096], ["resident/workgroup+subgroups", "resident/workgroup", "streamed/subgroup", "streamed/lane"]),
        ([4096, 32768], ["resident/workgroup+subgroups", "resident/workgroup", "streamed/subgroup", "streamed/lane"]),
        ([4096, 65536], ["streamed/workgroup+subgroups", "streamed/workgroup", "streamed/subgroup", "split/lane"]),
        ([1, 32768], ["split/workgroup+subgroups", "split/workgroup", "streamed/subgroup", "streamed/lane"]),
        ([1, 1 << 20], ["split/workgroup+subgroups", "split/workgroup", "split/subgroup", "split/lane"]),
    ];
    for (shape, expected) in cases {
        let op = LayerNorm::new(&shape, 1..);
        let actual = [&SUBGROUPS, &PLAIN, &LAVAPIPE, &LLVMPIPE].map(|caps| method(&op, caps));
        assert_eq!(actual, expected, "{shape:?}");
    }
}

#[test]
fn many_rows_go_to_lanes_up_to_a_length_and_half_of_it_where_each_takes_more_code() {
    let op = |len| LayerNorm::new(&[4096, len], 1..);
    assert_eq!(method(&op(128), &LLVMPIPE), "resident/lane");
    assert_eq!(method(&op(132), &LLVMPIPE), "streamed/lane");
    assert_eq!(method(&LayerNorm::new(&[4095, 20], 1..), &LAVAPIPE), "resident/cluster");
    for (len, team) in [(64, "resident/lane"), (68, "resident/cluster")] {
        assert_eq!(method(&op(len).backward(), &LAVAPIPE), team, "{len}");
        assert_eq!(method(&op(len).dtype(DType::F16), &LAVAPIPE), team, "{len}");
    }
}

#[test]
fn odd_rows_are_scalar_but_those_of_half_precision_that_registers_hold() {
    let layout_of = |op: &dyn Norm, caps| layout(&lower(op, caps).calls[0].key);
    let rows = |len| LayerNorm::new(&[4096, len], 1..);
    let half_precision = |len| rows(len).dtype(DType::BF16);
    for caps in [&SUBGROUPS, &PLAIN, &LAVAPIPE, &LLVMPIPE] {
        for (len, expected) in [
            (3, VectorLayout::Scalar),
            (16, VectorLayout::Vec4),
            (49, VectorLayout::Scalar),
            (1023, VectorLayout::Scalar),
        ] {
            assert_eq!(layout_of(&rows(len), caps), expected, "{len}");
        }
        for op in [half_precision(49), half_precision(50)] {
            assert_eq!(
                [layout_of(&op, caps), layout_of(&op.backward(), caps)],
                [VectorLayout::HalfUnaligned; 2],
                "{op:?}"
            );
        }
        assert_eq!(layout_of(&InstanceNorm::new(&[8, 512, 7, 7]).dtype(DType::F16), caps), VectorLayout::HalfUnaligned);
        // Whole packs, an f32 tensor among them, strided rows, streamed rows.
        for op in [
            half_precision(52),
            half_precision(49).output_dtype(DType::F32),
            half_precision(49).strides(Slot::Input, &[51, 1]),
            half_precision(100_001),
        ] {
            assert_ne!(layout_of(&op, caps), VectorLayout::HalfUnaligned, "{op:?}");
        }
    }
}

#[test]
fn all_rows_of_a_team_have_one_alignment_phase() {
    // Two chunks, the second of an odd number of rows. Each has an even number of teams, whose partial sums follow each
    // other.
    let small = Caps { max_storage_buffer_binding_size: 1 << 18, ..LAVAPIPE };
    let lowered = lower(&LayerNorm::new(&[2307, 65], 1..).dtype(DType::F16).backward(), &small);
    let rows =
        |call: &&KernelCall| matches!(call.key.kernel, Kernel::Row(Row { layout: VectorLayout::HalfUnaligned, .. }));
    let params: Vec<RowParams> =
        lowered.calls.iter().filter(rows).map(|call| *bytemuck::from_bytes(&call.params)).collect();
    assert!(params.len() == 2 && params[1].rows % 2 == 1 && params[1].rows_per_team > 1, "{} chunks", params.len());
    assert!(params.iter().all(|p| p.teams % 2 == 0 && p.teams * p.rows_per_team >= p.rows));
    assert_eq!(params[1].first_partial, params[0].teams * 65);
    let sums = (params[0].teams + params[1].teams) * 65;
    let scratch = lowered.scratch.iter().find(|scratch| scratch.buffer == Buffer::PartialSums).expect("sums");
    assert_eq!(scratch.bytes, u64::from(sums) * 8);
}

#[test]
fn packs_are_whole_where_channels_end_inside_of_them() {
    let keys = |op: &dyn Norm| lower(op, &LAVAPIPE).calls.iter().map(|call| call.key).collect::<Vec<_>>();
    let looked_up = |op: &dyn Norm| match keys(op).last().map(|key| key.kernel) {
        Some(Kernel::Apply(apply)) => (apply.layout, apply.lookups.stats, apply.lookups.affine),
        other => panic!("{other:?}"),
    };
    // Samples of 196 elements are whole packs, samples of 245 are not, and channels of 8 elements are.
    let gathered = (VectorLayout::Vec4, TableAccess::Gather, TableAccess::Gather);
    for (shape, expected) in [
        ([32, 4, 7, 7], gathered),
        ([32, 5, 7, 7], (VectorLayout::Scalar, TableAccess::Row, TableAccess::Row)),
        ([32, 5, 4, 2], (VectorLayout::Vec4, TableAccess::Run, TableAccess::Run)),
    ] {
        assert_eq!(looked_up(&BatchNorm::inference(&shape)), expected, "{shape:?}");
        assert_eq!(looked_up(&BatchNorm::training(&shape)), expected, "{shape:?}");
    }
    let groups = GroupNorm::new(&[8, 512, 7, 7], 32);
    for key in [keys(&groups)[0], keys(&groups.dtype(DType::F16))[0]] {
        assert!(
            matches!(key.kernel, Kernel::Row(Row { layout: VectorLayout::Vec4, affine: TableAccess::Gather, .. })),
            "{key:?}"
        );
    }
    assert_eq!(layout(&keys(&GroupNorm::new(&[8, 15, 7, 7], 5))[0]), VectorLayout::Scalar);
}

#[test]
fn partial_results_fit_a_binding() {
    // A GPU would have three splits of each of 2080 columns, of 16 bytes each.
    let caps = Caps { max_storage_buffer_binding_size: 1 << 16, ..SUBGROUPS };
    let lowered = lower_by(&LayerNorm::new(&[130, 24, 16], 1..2), &caps, Strategy::Forced(Method::Columns));
    for region in lowered.expect("it fits").scratch {
        assert!(region.bytes <= 1 << 16, "{region:?}");
    }
}

#[test]
fn channels_go_to_split_or_columns() {
    for caps in [&SUBGROUPS, &PLAIN, &LAVAPIPE, &LLVMPIPE] {
        assert_eq!(method(&BatchNorm::inference(&[8, 64, 56, 56]), caps), "elementwise");
        assert_eq!(method(&BatchNorm::training(&[256, 1024]), caps), "columns");
        assert_eq!(method(&BatchNorm::training(&[256, 1024, 1]), caps), "columns");
        assert!(method(&BatchNorm::training(&[8, 64, 56, 56]), caps).starts_with("split/"));
    }
}

#[test]
fn no_method_for_a_cpu_has_a_barrier() {
    for caps in [&LAVAPIPE, &LLVMPIPE, &SWIFTSHADER] {
        for len in [1, 7, 768, 1023, 4096, 33000] {
            for call in lower(&LayerNorm::new(&[64, len], 1..), caps).calls {
                assert_eq!(call.key.workgroup_storage(), 0, "{len}");
            }
        }
    }
}

#[test]
fn lowering_is_pure_and_the_key_holds_no_run_time_parameter() {
    let keys = |op: LayerNorm| lower(&op, &SUBGROUPS).calls.iter().map(|call| call.key).collect::<Vec<_>>();
    let op = LayerNorm::new(&[7, 768], 1..);
    assert_eq!(lower(&op, &SUBGROUPS), lower(&op, &SUBGROUPS));
    assert_eq!(keys(op.clone()), keys(op.clone().eps(0.5)));
    assert_eq!(keys(op), keys(LayerNorm::new(&[5000, 4, 768], 2..)));
}

#[test]
fn a_dispatch_covers_every_row_whatever_the_size_of_a_subgroup() {
    // 64 lanes are two subgroups of 32, or up to 8 of 8. A team is eight lanes of either.
    let caps = Caps { subgroup_size: Some((8, 32)), ..SUBGROUPS };
    let workgroups = |rows, team| {
        let strategy = Strategy::Forced(Method::Resident(team));
        let lowered = lower_by(&LayerNorm::new(&[rows, 64], 1..), &caps, strategy).expect("it lowers");
        lowered.calls[0].workgroups
    };
    assert_eq!(workgroups(1001, Team::Subgroup), [126, 1, 1]);
    assert_eq!(workgroups(1_000_000, Team::Subgroup), [62500, 2, 1]);
    // 64 clusters, whatever the size of a subgroup.
    assert_eq!(workgroups(1001, Team::Cluster), [16, 1, 1]);
}

/// The devices of vendors, with the subgroup sizes that their Vulkan drivers report.
const VENDORS: [(&str, Caps); 6] = {
    const GPU: Caps = Caps { tuning: Tuning::GPU, max_workgroup_storage: 65536, ..SUBGROUPS };
    [
        ("AMD RDNA", Caps { subgroup_size: Some((32, 64)), ..GPU }),
        ("AMD Vega", Caps { subgroup_size: Some((64, 64)), ..GPU }),
        ("Intel Xe", Caps { subgroup_size: Some((8, 32)), ..GPU }),
        ("Intel Xe2", Caps { subgroup_size: Some((16, 32)), ..GPU }),
        ("Qualcomm Adreno", Caps { subgroup_size: Some((64, 128)), ..GPU }),
        ("NVIDIA", SUBGROUPS),
    ]
};

/// How teams own rows: `lanes x packs`, or `lanes / rows` if they stream. `+`: they sum gradients of weights too.
fn ownership(op: &dyn Norm, caps: &Caps) -> String {
    let row = row(&lower(op, caps).calls[0].key);
    let (sign, count) = match row.residency {
        Residency::Resident { packs, .. } => ('x', packs),
        Residency::Streamed { rows, .. } => ('/', rows),
    };
    let sums = matches!(row.direction, Direction::Backward(_, _, ForAffine::Sums));
    format!("{}{sign}{count}{}", lanes(row.team, row.workgroup_size, caps), if sums { "+" } else { "" })
}

#[test]
fn a_lane_of_every_vendor_has_registers_for_its_packs() {
    const LENS: [usize; 6] = [128, 256, 1024, 8192, 16384, 32768];
    let expected = [
        ["4x8 32x1+", "32x2 32x2+", "64x4 64x4+", "256x8 512x4+", "512x8 512x8", "1024/1 1024/1+"],
        ["4x8 64x1+", "64x1 64x1+", "64x4 64x4+", "256x8 512x4+", "512x8 512x8", "1024/1 1024/1+"],
        ["4x8 8x4+", "64x1 64x1+", "64x4 64x4+", "256x8 512x4+", "512x8 512x8", "1024/1 1024/1+"],
        ["4x8 16x2+", "16x4 16x4+", "64x4 64x4+", "256x8 512x4+", "512x8 512x8", "1024/1 1024/1+"],
        ["4x8 64x1+", "64x1 64x1+", "64x4 64x4+", "256x8 512x4+", "512x8 512x8", "1024/1 1024/1+"],
        ["4x8 4x8+", "32x2 32x2+", "64x4 64x4+", "256x8 256x8+", "512x8 512x8+", "1024x8 1024x8+"],
    ];
    for ((name, caps), expected) in VENDORS.iter().zip(expected) {
        for (len, expected) in LENS.into_iter().zip(expected) {
            let op = LayerNorm::new(&[(1 << 24) / len, len], 1..);
            let seen = format!("{} {}", ownership(&op, caps), ownership(&op.backward(), caps));
            assert_eq!(seen, expected, "{name}, rows of {len}");
        }
    }
}

#[test]
fn a_workgroup_of_a_cpu_is_small() {
    let call = |rows, len, caps| lower(&LayerNorm::new(&[rows, len], 1..), caps).calls.remove(0);
    for (rows, teams) in [(1, 1), (7, 7), (16, 16), (100, 17), (1024, 64)] {
        let KernelCall { key, workgroups, .. } = call(rows, 1024, &LAVAPIPE);
        assert_eq!((key.workgroup_size(), workgroups), (8, [teams, 1, 1]), "{rows}");
    }
    // Lanes that are teams: as many share a device as subgroups of eight do.
    let KernelCall { key, workgroups, .. } = call(1024, 768, &LLVMPIPE);
    assert!(matches!(row(&key).residency, Residency::Streamed { rows: 8, .. }), "{key:?}");
    assert_eq!((key.workgroup_size(), workgroups), (16, [8, 1, 1]));
    // The size of a subgroup is unknown.
    let unknown = Caps { subgroup_size: Some((4, 128)), ..LAVAPIPE };
    assert_eq!(call(100, 768, &unknown).key.workgroup_size(), 128);
}

#[test]
fn a_workgroup_of_a_cpu_takes_neighbouring_rows() {
    let params = |op: &dyn Norm, caps: &Caps| {
        let call = lower(op, caps).calls.remove(0);
        let &RowParams { rows, teams, rows_per_team, row_step, .. } = bytemuck::from_bytes(&call.params);
        let block = match row(&call.key).residency {
            Residency::Resident { .. } => 1,
            Residency::Streamed { rows, .. } => rows,
        };
        // No row is left out.
        assert!(teams.is_multiple_of(row_step) && teams * rows_per_team * block >= rows, "{}", call.key);
        (row_step, teams)
    };
    let wide = LayerNorm::new(&[1000, 1024], 1..);
    let of_all = |op: &LayerNorm, caps| {
        let (step, teams) = params(op, caps);
        step == teams
    };
    assert!(of_all(&wide, &SUBGROUPS));
    assert_eq!(params(&wide, &LAVAPIPE).0, 1);
    // Lanes and clusters of a workgroup share it.
    assert_eq!(params(&LayerNorm::new(&[65530, 32], 1..), &LAVAPIPE).0, 16);
    assert_eq!(params(&LayerNorm::new(&[32765, 128], 1..), &LAVAPIPE).0, 2);
    // Rows of a sample are neighbours, and have the same weights.
    assert_eq!(params(&LayerNorm::new(&[5, 100, 1024], 2..).per_sample(true), &LAVAPIPE).0, 5);
    // Rows of one head are not, nor are those of one alignment phase.
    assert!(of_all(&LayerNorm::new(&[500, 12, 1024], 2..).affine_axes(1..), &LAVAPIPE));
    assert!(of_all(&LayerNorm::new(&[1000, 1023], 1..).dtype(DType::F16), &LAVAPIPE));
}

#[test]
fn a_lane_of_a_cpu_stores_four_words_of_int8() {
    let fours = |len, caps: &Caps| {
        let op = RmsNorm::new(&[64, len], 1..).quantized(Quantized::blocks(32));
        match row(&lower(&op, caps).calls[0].key).direction {
            Direction::Forward(Forward { output: Output::Quantized(quantized), .. }, _) => quantized.fours,
            direction => panic!("{direction:?}"),
        }
    };
    assert!(fours(1024, &LAVAPIPE) && fours(128, &LAVAPIPE));
    // 25 packs are no fours. Of 24, lanes would have four in place of three.
    assert!(!fours(100, &LAVAPIPE) && !fours(96, &LAVAPIPE));
    // On a GPU neighbouring lanes load neighbouring packs.
    assert!(!fours(1024, &SUBGROUPS));
}

#[test]
fn rows_of_half_precision_are_vec4x2_where_no_lane_holds_more_for_it() {
    let half_precision = |len| LayerNorm::new(&[4096, len], 1..).dtype(DType::F16);
    let layout_of = |op: &dyn Norm, caps: &Caps| layout(&lower(op, caps).calls[0].key);
    for (len, expected) in [
        (128, VectorLayout::Vec4x2),
        (256, VectorLayout::Vec4x2),
        (1024, VectorLayout::Vec4x2),
        (264, VectorLayout::Vec4),
        (768, VectorLayout::Vec4),
    ] {
        assert_eq!(layout_of(&half_precision(len), &SUBGROUPS), expected, "{len}");
    }
    assert_eq!(layout_of(&half_precision(248), &PLAIN), VectorLayout::Vec4, "one pack a lane");
    assert_eq!(layout_of(&half_precision(8192), &SUBGROUPS), VectorLayout::Vec4x2, "workgroups");
    assert_eq!(layout_of(&half_precision(1024).backward(), &SUBGROUPS), VectorLayout::Vec4x2);
    assert_eq!(layout_of(&LayerNorm::new(&[4096, 1024], 1..).affine_dtype(DType::F16), &SUBGROUPS), VectorLayout::Vec4);
    assert_eq!(layout_of(&half_precision(1024).strides(Slot::Input, &[1028, 1]), &SUBGROUPS), VectorLayout::Vec4);
    assert_eq!(layout_of(&half_precision(65536), &SUBGROUPS), VectorLayout::Vec4, "streamed");
    assert_eq!(layout_of(&half_precision(1024), &LAVAPIPE), VectorLayout::Vec4);
    // A lane uses the registers of a pair of packs together.
    for len in (8..4096).step_by(8) {
        for caps in [&SUBGROUPS, &PLAIN, &Caps { subgroup_size: Some((8, 32)), ..SUBGROUPS }] {
            let Row { residency: Residency::Resident { packs, full }, layout: VectorLayout::Vec4x2, .. } =
                row(&lower(&half_precision(len), caps).calls[0].key)
            else {
                continue;
            };
            assert!(packs % 2 == 0 && full % 2 == 0 && full <= packs, "{len}: {full} of {packs}");
        }
    }
}

#[test]
fn a_workgroup_has_as_many_lanes_as_its_row_needs() {
    for (len, expected) in [
        (768, (64, 3)),
        (1023, (256, 4)),
        (1025, (256, 5)),
        (2048, (128, 4)),
        (4096, (256, 4)),
        (4097, (1024, 5)),
        (8192, (256, 8)),
        (8191, (1024, 8)),
        (16_384, (512, 8)),
        (32_768, (1024, 8)),
    ] {
        let key = lower(&LayerNorm::new(&[4096, len], 1..), &SUBGROUPS).calls[0].key;
        let Residency::Resident { packs, .. } = row(&key).residency else { panic!("{len}: {key:?}") };
        assert_eq!((key.workgroup_size(), packs), expected, "{len}");
    }
}

#[test]
fn rotary_pairs_lie_in_packs_as_wide_as_offsets_and_strides_allow() {
    let at_elements = Caps { offsets: Offsets::Element, ..SUBGROUPS };
    let at_packs = Caps { offsets: Offsets::Pack, ..SUBGROUPS };
    let (apart, neighbours) = (Pairs::Halves, Pairs::Neighbours);
    let cases = [
        (apart, 128, &SUBGROUPS, VectorLayout::Partners),
        (apart, 130, &at_packs, VectorLayout::Partners),
        (apart, 129, &SUBGROUPS, VectorLayout::Singles),
        (apart, 128, &at_elements, VectorLayout::Singles),
        (neighbours, 128, &at_packs, VectorLayout::Vec4),
        (neighbours, 130, &SUBGROUPS, VectorLayout::Singles),
        (neighbours, 128, &at_elements, VectorLayout::Singles),
    ];
    for (pairs, stride, caps, expected) in cases {
        for dtype in [DType::F32, DType::F16] {
            let op = RmsNorm::new(&[512, 10, 128], 2..).dtype(dtype).rotary(Rotary::new(pairs, 64, 100));
            let op = op.in_place(true).strides(Slot::Input, &[12 * stride, stride, 1]);
            let lowered = lower(&op, caps);
            assert_eq!(row(&lowered.calls[0].key).layout, expected, "{pairs:?}, {stride}, {:?}", caps.offsets);
        }
    }
}

#[test]
fn weights_that_serve_one_row_come_late() {
    let rows = |op: LayerNorm, caps| {
        let call = lower(&op, caps).calls.remove(0);
        (row(&call.key).shared, bytemuck::from_bytes::<RowParams>(&call.params).rows_per_team)
    };
    let short = LayerNorm::new(&[1 << 20, 16], 1..);
    let longer = LayerNorm::new(&[1 << 17, 128], 1..);
    assert_eq!(rows(short.clone(), &SUBGROUPS), (false, 1));
    // A cluster decodes the weights for four rows.
    assert_eq!(rows(short.dtype(DType::BF16), &SUBGROUPS), (true, 4));
    assert_eq!(rows(longer.dtype(DType::BF16), &SUBGROUPS), (false, 1));
    let wide = LayerNorm::new(&[4096, 1024], 1..);
    assert_eq!(rows(wide.clone(), &LAVAPIPE), (true, 16));
    // A team has one row.
    assert_eq!(rows(LayerNorm::new(&[8, 1024], 1..), &LAVAPIPE), (false, 1));
    // A block of rows shares its loads.
    assert_eq!(rows(LayerNorm::new(&[64, 8192], 1..), &LAVAPIPE), (true, 1));
}

#[test]
fn many_sums_are_merged_together() {
    let merges = |rows, len, caps| -> Vec<u32> {
        let calls = lower(&LayerNorm::new(&[rows, len], 1..).backward(), caps).calls;
        let merges = calls.iter().filter(|call| matches!(call.key.kernel, Kernel::MergeSums(_)));
        merges.map(|call| call.workgroups[0]).collect()
    };
    // Eight columns per workgroup.
    assert_eq!(merges(32_768, 1024, &SUBGROUPS), [128]);
    // A first pass leaves 2048 of 8192 sums. A lane merges four.
    assert_eq!(merges(1 << 20, 32, &SUBGROUPS), [2048 * 32 / 64, 4]);
    assert_eq!(merges(4096, 1024, &LAVAPIPE), [16]);
    // Statistics of columns: a first pass leaves 2048 of the 2^16 of each of four columns.
    let finalized: Vec<_> = lower(&BatchNorm::training(&[1 << 24, 4]), &SUBGROUPS)
        .calls
        .into_iter()
        .filter(|call| matches!(call.key.kernel, Kernel::Finalize(_)))
        .map(|call| (call.key.workgroup_size(), call.workgroups[0]))
        .collect();
    assert_eq!(finalized, [(256, 2048 * 4 / 8), (256, 1)]);
    // A device without room for that: a first pass, and a lane for the rest of each column.
    let small = Caps { max_workgroup_size: 128, ..SUBGROUPS };
    assert_eq!(merges(32_768, 1024, &small), [32 * 1024 / 64, 16]);
}

#[test]
fn blocks_of_rows_are_known_to_be_whole_only_where_no_chunk_lacks_a_row() {
    let small = Caps { max_storage_buffer_binding_size: 8 << 20, ..LAVAPIPE };
    let cases = [
        (256, &LAVAPIPE, Residency::Streamed { rows: 8, whole: true }),
        (127, &LAVAPIPE, Residency::Streamed { rows: 8, whole: false }),
        (120, &LAVAPIPE, Residency::Streamed { rows: 8, whole: true }),
        (63, &LAVAPIPE, Residency::Streamed { rows: 1, whole: true }),
        // Chunks of 256 rows: only the last is shorter, with 24, then with 25 rows.
        (280, &small, Residency::Streamed { rows: 8, whole: true }),
        (281, &small, Residency::Streamed { rows: 8, whole: false }),
    ];
    let has = |op: LayerNorm, caps, expected| {
        for call in lower(&op, caps).calls {
            assert_eq!(row(&call.key).residency, expected);
        }
    };
    for (rows, caps, expected) in cases {
        has(LayerNorm::new(&[rows, 8192], 1..), caps, expected);
    }
}

#[test]
fn teams_sum_up_as_many_rows_as_keep_a_device_busy() {
    let cases = [([16_384, 4096], 64), ([16_384, 16_384], 32), ([1 << 20, 16], 32), ([131_072, 128], 16)];
    for (shape, rows_per_team) in cases {
        let lowered = lower(&LayerNorm::new(&shape, 1..).backward(), &SUBGROUPS);
        let call = lowered.calls.iter().find(|call| matches!(call.key.kernel, Kernel::Row(_))).expect("rows");
        assert_eq!(bytemuck::from_bytes::<RowParams>(&call.params).rows_per_team, rows_per_team, "{shape:?}");
    }
}

#[test]
fn a_partial_counts_no_more_than_f32_can() {
    for caps in [&SUBGROUPS, &PLAIN, &LAVAPIPE, &LLVMPIPE] {
        for shape in [[1, 1 << 31], [8, 1 << 28], [1, (1 << 31) - 3]] {
            let lowered = lower(&LayerNorm::new(&shape, 1..).weight(false).bias(false), caps);
            let partials = lowered.scratch[0].bytes / 16 / shape[0] as u64;
            assert!((shape[1] as u64).div_ceil(partials) <= MAX_PARTIAL, "{shape:?}: {partials}");
        }
    }
}

#[test]
fn every_loop_ends_before_mesa_ends_it() {
    let mut seen = [0; 2];
    for caps in [&LAVAPIPE, &LLVMPIPE] {
        let lanes = caps.subgroup_size.map_or(1, |(min, _)| min);
        let f32s = [15_000, 100_000, 480_000, 480_004, 1 << 24, 1 << 31].map(|len| (len, DType::F32));
        let f16s = [15_001, 59_999, 60_001, 239_999, 240_001].map(|len| (len, DType::F16));
        for (len, dtype) in f32s.into_iter().chain(f16s) {
            for rows in [1, 64, 1024, 20_000].into_iter().filter(|rows| rows * len <= 1 << 31) {
                let op = LayerNorm::new(&[rows, len], 1..).dtype(dtype);
                for call in [lower(&op.clone().weight(false).bias(false), caps), lower(&op.backward(), caps)]
                    .into_iter()
                    .flat_map(|lowered| lowered.calls)
                {
                    let (kind, turns) = match call.key.kernel {
                        Kernel::Row(_) => {
                            let p: &RowParams = bytemuck::from_bytes(&call.params);
                            // A block of rows takes three iterations for each pack, and some for each 64 packs.
                            (0, p.rows_per_team * p.packs.div_ceil(lanes) / 10 * 32)
                        }
                        Kernel::Moments(_) => {
                            let p: &MomentsParams = bytemuck::from_bytes(&call.params);
                            (1, (p.reduced * p.packs).div_ceil(p.splits * lanes * 8))
                        }
                        _ => continue,
                    };
                    seen[kind] += 1;
                    assert!(turns < 65535, "{rows} rows of {len}: {turns} turns of {:?}", call.key);
                }
            }
        }
    }
    assert!(seen.into_iter().all(|times| times > 5), "{seen:?}");
}

#[test]
fn no_invocation_merges_for_long() {
    let mut merges = 0;
    for caps in [&SUBGROUPS, &PLAIN, &LAVAPIPE, &LLVMPIPE] {
        let few_rows_a_team = {
            let mut tuning = caps.tuning.clone();
            tuning
                .set("grad_rows_per_team", 4)
                .and_then(|()| tuning.set("min_grad_rows_per_team", 1))
                .expect("numbers of the table");
            Caps { tuning, ..caps.clone() }
        };
        let ops: [&dyn Norm; 11] = [
            &GroupNorm::new(&[1, 300, 8192], 2).layout(Layout::ChannelsLast).backward(),
            &GroupNorm::new(&[1, 19_000, 40], 1).backward(),
            &InstanceNorm::new(&[1 << 16, 2, 64]).weight(true).backward(),
            &LayerNorm::new(&[1 << 24, 4], 1..).backward(),
            &LayerNorm::new(&[1, 1 << 31], 1..).weight(false).bias(false),
            &BatchNorm::training(&[1 << 24, 4]),
            &BatchNorm::training(&[1 << 24, 4]).backward(),
            &BatchNorm::training(&[1 << 12, 4, 1 << 12]).backward(),
            &GroupNorm::new(&[1, 300, 8192], 2).layout(Layout::ChannelsLast),
            &GroupNorm::new(&[1, 300, 60_000], 2).layout(Layout::ChannelsLast),
            &InstanceNorm::new(&[20_000, 2, 4096]).running_stats(RunningStats::CUMULATIVE),
        ];
        for call in ops.iter().flat_map(|op| [caps, &few_rows_a_team].map(|caps| lower(*op, caps).calls)).flatten() {
            let (outer, members, copies, partials, apart) = match call.key.kernel {
                Kernel::Finalize(_) => {
                    let p: &FinalizeParams = bytemuck::from_bytes(&call.params);
                    (p.outer, p.members, p.members, p.partials, p.outer * p.groups * p.members)
                }
                Kernel::MergeSums(_) => {
                    let p: &MergeSumsParams = bytemuck::from_bytes(&call.params);
                    (1, p.members, p.copies, p.partials, p.groups * p.members)
                }
                _ => continue,
            };
            merges += 1;
            let results = u64::from(outer) * u64::from(members) * u64::from(partials.div_ceil(apart));
            let turns = turns_to_merge(results, copies);
            assert!(turns <= MAX_TURNS.into(), "{turns} by {call:?}");
        }
    }
    assert!(merges > 60, "{merges}");
    let refused = |op: &dyn Norm| lower_by(op, &LAVAPIPE, Strategy::Inferred).expect_err("it is too long").to_string();
    let samples = InstanceNorm::new(&[40_000, 2, 4096]).running_stats(RunningStats::CUMULATIVE);
    assert!(refused(&samples).contains("goes through 30000 at most"));
    let window = |size, channels| LocalResponseNorm::new(&[1, channels, 4], size);
    assert!(refused(&window(255, 300).backward()).contains("the backward pass of windows of 255 channels"));
    assert!(refused(&window(70_000, 70_000)).contains("the forward pass of windows of 70000 channels"));
    lower(&window(255, 300), &LAVAPIPE);
    lower(&window(400, 240).backward(), &LAVAPIPE);
}

#[test]
fn every_op_runs_within_the_guaranteed_limits() {
    let minimum = Caps::default();
    let shape = [4, 8, 6];
    let all = |op: &dyn Norm| lower_by(op, &minimum, Strategy::Inferred).expect("the guaranteed limits are enough");
    let relu = Activation::Relu;
    let rows = LayerNorm::new(&shape, 2..).save_stats(true).residual(true).residual_output(true).activation(relu);
    let middle = LayerNorm::new(&shape, 1..2).save_stats(true).residual(true).residual_output(true).activation(relu);
    let training = BatchNorm::training(&shape).residual(true).activation(relu);
    let tracked = training.clone().save_stats(true).running_stats(RunningStats::CUMULATIVE);
    let inference = BatchNorm::inference(&shape).residual(true).activation(relu);
    let ops: [&dyn Norm; 10] = [
        &rows,
        &rows.backward(),
        &middle,
        &middle.backward(),
        &training.backward(),
        &tracked,
        &tracked.clone().merge(3),
        &inference,
        &inference.backward(),
        &InstanceNorm::new(&shape).save_stats(true).running_stats(RunningStats::CUMULATIVE),
    ];
    for op in ops {
        assert!(!all(op).calls.is_empty());
    }
    // Two passes where one would bind nine buffers.
    let passes =
        |caps: &Caps| lower_by(&inference.backward(), caps, Strategy::Inferred).expect("it lowers").calls.len();
    assert_eq!(passes(&minimum), passes(&Caps { max_storage_buffers: 9, ..Caps::default() }) + 1);
}

#[test]
fn a_backward_pass_is_as_short_as_what_is_asked_for() {
    let kernels = |op: &dyn Norm, caps| {
        let name = |call: &KernelCall| match call.key.kernel {
            Kernel::Row(_) => "Row",
            Kernel::Moments(Moments { over: Over::Columns, .. }) => "MomentsColumns",
            Kernel::Moments(_) => "Moments",
            Kernel::Finalize(_) => "Finalize",
            Kernel::Count(_) => "Count",
            Kernel::Apply(_) => "Apply",
            Kernel::Sums(Sums { over: sums::Over::Columns { .. }, .. }) => "SumsColumns",
            Kernel::Sums(_) => "Sums",
            Kernel::MergeSums(_) => "MergeSums",
            Kernel::Window(_) => "Window",
        };
        lower(op, caps).calls.iter().map(name).collect::<Vec<_>>().join(" ")
    };
    let rows = LayerNorm::new(&[64, 768], 1..).backward();
    assert_eq!(kernels(&rows, &SUBGROUPS), "Row SumsColumns MergeSums");
    assert_eq!(kernels(&rows.clone().grad_weight(false).grad_bias(false), &SUBGROUPS), "Row");
    assert_eq!(kernels(&rows.clone().grad_input(false).grad_weight(false), &SUBGROUPS), "SumsColumns MergeSums");
    assert_eq!(kernels(&rows.grad_input(false), &SUBGROUPS), "Moments Finalize SumsColumns MergeSums");
    // A lane with a whole column writes its gradients, unless it reads running statistics, which may share their
    // buffer.
    assert_eq!(
        kernels(&LayerNorm::new(&[3, 1 << 20], 1..).backward(), &LAVAPIPE),
        "Moments Finalize Sums MergeSums Apply SumsColumns"
    );
    assert_eq!(kernels(&BatchNorm::inference(&[3, 4096]).backward(), &LAVAPIPE), "Apply SumsColumns MergeSums");
    let channels = BatchNorm::training(&[8, 64, 56, 56]).backward();
    assert_eq!(kernels(&channels, &PLAIN), "Moments Finalize Sums MergeSums Apply");
    // Lanes of a CPU walk down columns, four in a pack, if all have the same weights and there are enough of them.
    let middle = LayerNorm::new(&[8, 96, 56, 56], 1..2).backward();
    assert_eq!(kernels(&middle, &LAVAPIPE), "Row MergeSums");
    assert!(kernels(&middle, &SUBGROUPS).starts_with("MomentsColumns Finalize"));
    for few in [LayerNorm::new(&[2, 96, 10, 10], 1..2), LayerNorm::new(&[8, 96, 7, 7], 1..2)] {
        assert!(kernels(&few.backward(), &LAVAPIPE).starts_with("MomentsColumns Finalize"), "{few:?}");
    }
    // Each channel of a sample has sums, for both targets.
    let groups = GroupNorm::new(&[8, 64, 56, 56], 8);
    assert_eq!(kernels(&groups.backward(), &LAVAPIPE), "Moments Finalize Sums MergeSums MergeSums Apply");
    assert_eq!(kernels(&groups.backward().grad_weight(false).grad_bias(false), &LAVAPIPE), "Row");
    let last = GroupNorm::new(&[8, 56, 56, 64], 8).layout(Layout::ChannelsLast).backward();
    assert_eq!(kernels(&last, &LAVAPIPE), "MomentsColumns Finalize SumsColumns MergeSums MergeSums Apply");
    // The correction by the mean uses the sums of a sample, before they become sums of a weight.
    let samples = |shape: &[usize]| InstanceNorm::new(shape).weight(true).bias(true).backward();
    let few = samples(&[2, 2, 256, 256]);
    assert_eq!(kernels(&few, &PLAIN), "Moments Finalize Sums MergeSums MergeSums MergeSums Apply");
    assert_eq!(kernels(&samples(&[64, 64, 7, 7]), &PLAIN), "Row Sums MergeSums");
    let given = BatchNorm::inference(&[8, 64, 56, 56]).backward();
    assert_eq!(kernels(&given, &PLAIN), "Apply Sums MergeSums");
    assert_eq!(kernels(&given.grad_weight(false).grad_bias(false), &PLAIN), "Apply");
}

#[test]
fn labels_do_not_show_how_rust_writes_what_is_there() {
    let calls = lower(&LayerNorm::new(&[64, 768], 1..).residual(true).backward(), &SUBGROUPS).calls;
    assert!(format!("{calls:?}").contains("Some("), "{calls:?}");
    for call in calls {
        assert!(!call.key.to_string().contains("Some("), "{}", call.key);
    }
}
