//! The errors of descriptors, plans and bindings, on a device without hardware. No adapter.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use wgpu_norm::{
    Activation, BatchMoments, BatchNorm, BindingProblem, Bindings, DType, Error, Gate, GateFunction, GroupNorm,
    InstanceNorm, LayerNorm, LocalResponseNorm, LpNormalize, Method, Norm, Plan, Planner, RmsNorm, RunningStats, Slot,
    Strategy, Team, Tensors, View, wgpu,
};

/// A device that computes nothing, with these limits and without features. Its type is CPU.
fn device(required_limits: wgpu::Limits) -> wgpu::Device {
    wgpu::Device::noop(&wgpu::DeviceDescriptor { required_limits, ..Default::default() }).0
}

fn default_device() -> wgpu::Device {
    device(wgpu::Limits::default())
}

fn buffer(device: &wgpu::Device, floats: u64) -> wgpu::Buffer {
    with_usage(device, floats, wgpu::BufferUsages::STORAGE)
}

fn with_usage(device: &wgpu::Device, floats: u64, usage: wgpu::BufferUsages) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor { label: None, size: floats * 4, usage, mapped_at_creation: false })
}

/// The invalid argument of a descriptor, and the message.
fn refused(op: &impl Norm) -> (&'static str, String) {
    match op.tensors() {
        Err(ref e @ Error::InvalidArgument { argument, .. }) => (argument, e.to_string()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn layer_norm_refuses_invalid_descriptors() {
    for eps in [-1e-5, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert_eq!(refused(&LayerNorm::new(&[2, 3], 1..).eps(eps)).0, "eps");
    }
    for eps in [0.0, -0.0, 1e-12, 10.0, f32::MAX] {
        LayerNorm::new(&[2, 3], 1..).eps(eps).tensors().expect("any finite eps that is not negative");
    }
    let axes = [
        LayerNorm::new(&[2, 3], 2..),
        LayerNorm::new(&[2, 3], 1..3),
        LayerNorm::new(&[2, 3], 5..9),
        LayerNorm::new(&[2, 3], 1..1),
        LayerNorm::new(&[2, 3], ..=usize::MAX),
        LayerNorm::new(&[], ..),
        LayerNorm::new(&[2, 0], 1..),
        LayerNorm::new(&[2, 0, 3], 1..),
    ];
    for op in axes {
        assert_eq!(refused(&op).0, "axes", "{op:?}");
    }
    #[expect(clippy::reversed_empty_ranges, reason = "the test is of a reversed range")]
    let reversed = LayerNorm::new(&[2, 3], 1..0);
    assert_eq!(refused(&reversed).0, "axes");
    let (_, message) = refused(&LayerNorm::new(&[2, 3], 1..3));
    assert_eq!(message, "axes is 1..3, expected one or more of the 2 axes of [2, 3]");

    let op = LayerNorm::new(&[2, 3, 4, 5], 2..3).per_sample(true);
    assert!(matches!(op.tensors(), Err(Error::Unsupported { .. })), "weights far from the axes");
    assert_eq!(refused(&LayerNorm::new(&[2, 3], ..).per_sample(true)).0, "per_sample");
    assert_eq!(
        refused(&BatchNorm::training(&[4, 3]).running_low(true)),
        ("running_low", "running_low is true, expected false without running_stats".into(),)
    );
    assert_eq!(refused(&LayerNorm::new(&[2, 3], 1..).residual_output(true)).0, "residual_output");
    assert_eq!(refused(&LayerNorm::new(&[2, 3], 1..).in_place(true).output_dtype(DType::F16)).0, "in_place");
    assert_eq!(refused(&LayerNorm::new(&[2, 3], 1..).affine_dtype(DType::U32)).0, "affine_dtype");
    let op = LayerNorm::new(&[1 << 16, 1 << 16], 1..);
    let limit = Error::Limit { what: "elements of input", needed: 1 << 32, allowed: 1 << 31 };
    assert_eq!(limit.to_string(), "elements of input: 4294967296 needed, this crate allows 2147483648");
    assert_eq!(op.tensors(), Err(limit));
}

#[test]
fn strides_that_make_no_tensor_are_refused() {
    let op = || LayerNorm::new(&[2, 3, 4], 2..);
    let message = |slot, strides: &[usize]| {
        let (argument, message) = refused(&op().strides(slot, strides));
        assert_eq!(argument, "strides");
        message.strip_prefix("strides is ").expect("the argument first").to_owned()
    };
    assert_eq!(
        message(Slot::Input, &[12, 3, 1]),
        "[12, 3, 1] of input, expected at least 4 for axis 1, so that no elements share memory"
    );
    assert!(message(Slot::Output, &[8, 4, 1]).contains("at least 12 for axis 0"));
    assert!(message(Slot::Output, &[0, 4, 1]).contains("more than 0 for axis 0, as the op writes the tensor"));
    assert!(op().strides(Slot::Residual, &[0, 4, 1]).tensors().is_ok(), "read, so it may be");
    assert!(refused(&op().in_place(true).strides(Slot::Input, &[0, 4, 1])).1.contains("more than 0 for axis 0"));
    assert_eq!(message(Slot::Input, &[4, 1]), "[4, 1] of input, expected one for each of the 3 axes of [2, 3, 4]");
    assert_eq!(
        message(Slot::Weight, &[12, 4, 1]),
        "[12, 4, 1] of weight, expected strides of a tensor that has the shape of the input, \
         or of weight and bias with `per_sample`"
    );
    // A few elements with a large stride.
    assert_eq!(
        message(Slot::Input, &[1 << 31, 1 << 30, 1]),
        "[2147483648, 1073741824, 1] of input, expected a tensor of at most 2147483648 elements from the first to the \
         last: with axis 1 of stride 1073741824, it has 2147483652"
    );
    let swapped = op().strides(Slot::Input, &[4, 8, 1]).tensors().expect("axes in another order");
    assert_eq!((swapped[0].len(), swapped[0].strides()), (24, vec![4, 8, 1]));
}

#[test]
fn batch_norm_refuses_invalid_descriptors() {
    for shape in [&[][..], &[4], &[1, 2, 3, 4, 5, 6], &[4, 0], &[4, 3, 0], &[4, 3, 5, 0]] {
        assert_eq!(refused(&BatchNorm::inference(shape)).0, "shape", "{shape:?}");
    }
    for shape in [&[1, 3][..], &[1, 3, 1], &[1, 3, 1, 1]] {
        let (argument, message) = refused(&BatchNorm::training(shape));
        assert_eq!(argument, "shape");
        assert!(message.ends_with("expected more than one value per channel in training"), "{message}");
        BatchNorm::inference(shape).tensors().expect("inference may have one value per channel");
    }
    let training = BatchNorm::training(&[4, 3]);
    assert_eq!(refused(&training.clone().eps(f32::NAN)).0, "eps");
    for momentum in [f32::NAN, f32::INFINITY] {
        for convention in [
            RunningStats::PyTorch { momentum: Some(momentum) },
            RunningStats::Onnx { momentum },
            RunningStats::Keras { momentum },
        ] {
            assert_eq!(refused(&training.clone().running_stats(convention)).0, "momentum");
        }
    }
    for momentum in [-1.2, 0.0, 1.0, 7.0] {
        let op = training.clone().running_stats(RunningStats::PyTorch { momentum: Some(momentum) });
        op.tensors().expect("momentum is plain arithmetic");
    }
    let inference = BatchNorm::inference(&[4, 3]);
    for (convention, shown) in [
        (RunningStats::PYTORCH, "PyTorch with momentum 0.1"),
        (RunningStats::CUMULATIVE, "PyTorch with momentum none"),
        (RunningStats::KERAS, "Keras with momentum 0.99"),
    ] {
        let message = refused(&inference.clone().running_stats(convention)).1;
        assert_eq!(message, format!("running_stats is {shown}, expected none: inference updates nothing"));
    }
    assert_eq!(refused(&inference.clone().save_stats(true)).0, "save_stats");
    assert_eq!(refused(&inference.clone().save_for_backward(true)).0, "save_for_backward");
    assert_eq!(refused(&inference.merge(2)).0, "merge");
    assert_eq!(refused(&training.clone().merge(0)).0, "merge");
    let mut op = training.clone();
    op.options.per_sample = true;
    assert_eq!(refused(&op).0, "per_sample");
    let mut op = training.clone();
    (op.options.residual, op.options.residual_output) = (true, true);
    assert_eq!(refused(&op).0, "residual_output");
    let mut rows = LayerNorm::new(&[2, 3], 1..);
    rows.options.save_for_backward = true;
    assert_eq!(refused(&rows).0, "save_for_backward");
    assert!(matches!(
        training.clone().merge(2).backward().tensors(),
        Err(Error::InvalidArgument { argument: "coefficients", .. })
    ));
    BatchNorm::training(&[1, 3]).merge(2).tensors().expect("a part may have one value per channel");
    assert!(matches!(BatchNorm::inference(&[1 << 16, 1 << 16]).tensors(), Err(Error::Limit { .. })));
}

#[test]
fn rms_group_and_instance_norm_refuse_invalid_descriptors() {
    assert_eq!(refused(&RmsNorm::new(&[2, 3], 1..).eps(-1.0)).0, "eps");
    assert_eq!(refused(&RmsNorm::new(&[2, 3], 2..)).0, "axes");
    assert_eq!(refused(&RmsNorm::new(&[2, 0], 1..)).0, "axes");

    assert_eq!(refused(&GroupNorm::new(&[2, 6, 5], 2).eps(f32::NAN)).0, "eps");
    for shape in [&[][..], &[6], &[2, 0], &[2, 6, 0]] {
        assert_eq!(refused(&GroupNorm::new(shape, 2)).0, "shape", "{shape:?}");
    }
    for groups in [0, 4, 7, usize::MAX] {
        let (argument, message) = refused(&GroupNorm::new(&[2, 6, 5], groups));
        assert_eq!(
            (argument, message),
            ("groups", format!("groups is {groups}, expected a divisor of the 6 channels"))
        );
    }
    assert!(matches!(GroupNorm::new(&[1 << 16, 1 << 16], 1).tensors(), Err(Error::Limit { .. })));

    assert_eq!(refused(&InstanceNorm::new(&[2, 6, 5]).eps(f32::NAN)).0, "eps");
    for shape in [&[][..], &[6], &[2, 6], &[2, 6, 1], &[2, 6, 1, 1], &[2, 0, 5], &[2, 6, 0]] {
        assert_eq!(refused(&InstanceNorm::new(shape)).0, "shape", "{shape:?}");
    }
}

#[test]
fn a_backward_pass_refuses_gradients_that_its_op_lacks() {
    let plain = LayerNorm::new(&[2, 3], 1..).weight(false).bias(false);
    assert_eq!(refused(&plain.backward().grad_weight(true)).0, "grad_weight");
    assert_eq!(refused(&plain.backward().grad_bias(true)).0, "grad_bias");
    assert_eq!(refused(&plain.backward().grad_residual(true)).0, "grad_residual");
    assert_eq!(refused(&plain.clone().residual(true).backward().grad_residual(true)).0, "grad_residual");
    assert_eq!(refused(&plain.backward().grad_input(false)).0, "gradients");
    assert_eq!(refused(&plain.clone().in_place(true).backward()).0, "in_place");
    assert_eq!(refused(&plain.backward().grad_affine_dtype(DType::U32)).0, "grad_affine_dtype");
    assert_eq!(refused(&plain.backward().accumulate(true)).0, "accumulate", "there is nothing to add to");
    let window = LocalResponseNorm::new(&[2, 3], 3).backward();
    assert_eq!(refused(&window.clone().accumulate(true)).0, "accumulate");
    assert_eq!(refused(&window.grad_input(false)).0, "gradients");
    assert_eq!(refused(&plain.eps(-1.0).backward()).0, "eps");
    let added = BatchNorm::training(&[4, 3]).residual(true);
    assert_eq!(refused(&added.backward().grad_residual(true)).0, "grad_residual", "it is grad_output");
    added.activation(Activation::Relu).backward().tensors().expect("a tensor of its own");
}

#[test]
fn lp_normalize_refuses_invalid_descriptors() {
    assert_eq!(refused(&LpNormalize::new(&[2, 3], 1..).eps(f32::NAN)).0, "eps");
    assert_eq!(refused(&LpNormalize::new(&[2, 3], 2..)).0, "axes");
    assert_eq!(refused(&LpNormalize::new(&[2, 3], 1..).strides(Slot::Input, &[2, 1])).0, "strides");
    let mut op = LpNormalize::new(&[2, 3], 1..);
    op.options.residual = true;
    assert_eq!(refused(&op).0, "residual");
    let mut op = LpNormalize::new(&[2, 3], 1..);
    op.options.gate = Some(Gate::after(GateFunction::Silu));
    assert_eq!(refused(&op).0, "gate");
    assert_eq!(refused(&BatchMoments::new(&[3])).0, "shape");
    assert_eq!(refused(&BatchMoments::new(&[2, 0])).0, "shape");
}

#[test]
fn local_response_norm_refuses_invalid_descriptors() {
    let op = LocalResponseNorm::new(&[2, 6, 5], 5);
    for shape in [&[][..], &[6], &[2, 0], &[2, 6, 0]] {
        assert_eq!(refused(&LocalResponseNorm::new(shape, 5)).0, "shape", "{shape:?}");
    }
    let expected = ("size", "size is 0, expected one channel or more".to_owned());
    assert_eq!(refused(&LocalResponseNorm::new(&[2, 6, 5], 0)), expected);
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert_eq!(refused(&op.clone().alpha(value)).0, "alpha");
        assert_eq!(refused(&op.clone().beta(value)).0, "beta");
        assert_eq!(refused(&op.clone().k(value)).0, "k");
    }
    for value in [-3.0, -0.0, 0.0, f32::MAX] {
        op.clone().alpha(value).k(value).tensors().expect("any finite number");
    }
    for value in [-1.0, -0.75, -0.0, 0.0] {
        let op = op.clone().beta(value);
        let expected = format!("beta is {value}, expected a finite number above zero");
        assert_eq!(refused(&op), ("beta", expected.clone()));
        assert_eq!(refused(&op.backward()), ("beta", expected));
        assert!(op.reference(&Tensors::new(&[0.0; 60])).is_err() && op.backward().tensors().is_err());
    }
    op.clone().beta(f32::MIN_POSITIVE).tensors().expect("above zero");
    assert_eq!(refused(&op.clone().input_dtype(DType::U32)).0, "input_dtype");
    assert_eq!(refused(&op.clone().output_dtype(DType::U32)).0, "output_dtype");
    assert!(matches!(LocalResponseNorm::new(&[1 << 16, 1 << 16], 5).tensors(), Err(Error::Limit { .. })));

    assert_eq!(refused(&op.backward().grad_weight(true)).0, "grad_weight");
    assert_eq!(refused(&op.backward().grad_bias(true)).0, "grad_bias");
    assert_eq!(refused(&op.backward().grad_residual(true)).0, "grad_residual");
    assert_eq!(refused(&op.backward().grad_input(false)).0, "gradients");
    assert_eq!(refused(&LocalResponseNorm::new(&[2, 6, 5], 0).backward()).0, "size");
}

#[test]
fn a_zero_centered_weight_must_be_there() {
    assert_eq!(refused(&LayerNorm::new(&[2, 3], 1..).weight(false).zero_centered(true)).0, "zero_centered");
    assert_eq!(refused(&RmsNorm::new(&[2, 3], 1..).weight(false).zero_centered(true)).0, "zero_centered");
    assert_eq!(refused(&GroupNorm::new(&[2, 6, 5], 2).weight(false).zero_centered(true)).0, "zero_centered");
    assert_eq!(refused(&InstanceNorm::new(&[2, 6, 5]).zero_centered(true)).0, "zero_centered");
    assert_eq!(refused(&BatchNorm::training(&[2, 6, 5]).weight(false).zero_centered(true)).0, "zero_centered");
    LayerNorm::new(&[2, 3], 1..).zero_centered(true).tensors().expect("with a weight");
}

#[test]
fn a_descriptor_names_its_tensors() {
    let names = |op: &dyn Fn() -> wgpu_norm::Result<Vec<wgpu_norm::TensorSpec>>| -> Vec<String> {
        op().expect("valid").iter().map(|t| format!("{} {:?} {:?}", t.slot, t.shape, t.access)).collect()
    };
    let op = LayerNorm::new(&[2, 3, 4], 1..).bias(false).save_stats(true);
    assert_eq!(
        names(&|| op.tensors()),
        ["input [2, 3, 4] Read", "weight [3, 4] Read", "output [2, 3, 4] Write", "mean [2] Write", "rstd [2] Write"]
    );
    let op = RmsNorm::new(&[2, 3, 4], 1..).save_stats(true);
    assert_eq!(
        names(&|| op.tensors()),
        ["input [2, 3, 4] Read", "weight [3, 4] Read", "output [2, 3, 4] Write", "rstd [2] Write"]
    );
    let op = GroupNorm::new(&[2, 6, 4], 3).bias(false).save_stats(true);
    assert_eq!(
        names(&|| op.tensors()),
        ["input [2, 6, 4] Read", "weight [6] Read", "output [2, 6, 4] Write", "mean [2, 3] Write", "rstd [2, 3] Write"]
    );
    let op = InstanceNorm::new(&[2, 6, 4]).save_stats(true);
    assert_eq!(
        names(&|| op.tensors()),
        ["input [2, 6, 4] Read", "output [2, 6, 4] Write", "mean [2, 6] Write", "rstd [2, 6] Write"]
    );
    let op = BatchNorm::training(&[2, 3, 4]).weight(false).running_stats(RunningStats::CUMULATIVE);
    assert_eq!(
        names(&|| op.tensors()),
        [
            "input [2, 3, 4] Read",
            "bias [3] Read",
            "output [2, 3, 4] Write",
            "running_mean [3] ReadWrite",
            "running_var [3] ReadWrite",
            "num_batches_tracked [1] ReadWrite",
        ]
    );
}

#[test]
fn a_plan_names_the_limit_that_is_too_small() {
    let planner = Planner::new(&default_device());
    let error = planner.plan(&LayerNorm::new(&[70000, 33000], 1..)).unwrap_err();
    assert!(matches!(error, Error::Limit { what: "elements of input", .. }), "{error}");
    let error = planner.plan(&LayerNorm::new(&[2, 70_000_000], 1..)).unwrap_err();
    let expected = Error::Limit { what: "max_storage_buffer_binding_size", needed: 280_000_000, allowed: 128 << 20 };
    assert_eq!(error, expected);
    assert_eq!(
        error.to_string(),
        "max_storage_buffer_binding_size: 280000000 needed, the device allows 134217728; \
         `recommended(&adapter)` requests all that there is"
    );

    let workgroups = Strategy::Forced(Method::Resident(Team::Workgroup));
    let small = wgpu::Limits {
        max_compute_invocations_per_workgroup: 32,
        max_compute_workgroup_size_x: 32,
        ..wgpu::Limits::default()
    };
    let planner = Planner::new(&device(small));
    let error = planner.plan_with(&LayerNorm::new(&[4, 1024], 1..), workgroups).unwrap_err();
    let expected = Error::Limit { what: "max_compute_invocations_per_workgroup", needed: 64, allowed: 32 };
    assert_eq!(error, expected);

    let few = wgpu::Limits { max_storage_buffers_per_shader_stage: 4, ..wgpu::Limits::default() };
    let planner = Planner::new(&device(few));
    let error = planner.plan_with(&LayerNorm::new(&[4, 1024], 1..).save_stats(true), workgroups).unwrap_err();
    let expected = Error::Limit { what: "max_storage_buffers_per_shader_stage", needed: 6, allowed: 4 };
    assert_eq!(error, expected);
    planner.plan_with(&LayerNorm::new(&[4, 1024], 1..), workgroups).expect("four storage buffers");

    let little = wgpu::Limits { max_compute_workgroup_storage_size: 512, ..wgpu::Limits::default() };
    let planner = Planner::new(&device(little));
    let error = planner.plan_with(&LayerNorm::new(&[4, 1024], 1..), workgroups).unwrap_err();
    assert!(matches!(error, Error::Limit { what: "max_compute_workgroup_storage_size", .. }), "{error}");

    let narrow = wgpu::Limits { max_compute_workgroups_per_dimension: 4, ..wgpu::Limits::default() };
    let planner = Planner::new(&device(narrow));
    let mut a_row_each = planner.caps().tuning.clone();
    a_row_each.set("rows_per_team", 1).expect("a number of the table");
    let planner = planner.tuning(a_row_each);
    planner.plan_with(&LayerNorm::new(&[16, 1024], 1..), workgroups).expect("4 x 4 workgroups");
    let error = planner.plan_with(&LayerNorm::new(&[17, 1024], 1..), workgroups).unwrap_err();
    assert_eq!(error, Error::Limit { what: "workgroups of a dispatch", needed: 17, allowed: 16 });
}

#[test]
fn a_forced_method_that_cannot_compute_the_op_is_refused() {
    let planner = Planner::new(&default_device());
    let refused = |op: &dyn Fn(Strategy) -> wgpu_norm::Result<Plan>, method| match op(Strategy::Forced(method)) {
        Err(Error::Unsupported { what, why }) => assert!(what.contains(&method.to_string()), "{what}: {why}"),
        other => panic!("{method}: {other:?}"),
    };
    let layer_norm = |strategy| planner.plan_with(&LayerNorm::new(&[4, 4096], 1..), strategy);
    refused(&layer_norm, Method::Resident(Team::Subgroup));
    refused(&layer_norm, Method::Split(Team::WorkgroupSubgroups));
    refused(&layer_norm, Method::Resident(Team::Lane));
    refused(&layer_norm, Method::Columns);
    refused(&layer_norm, Method::Elementwise);
    let training = |strategy| planner.plan_with(&BatchNorm::training(&[4, 3, 5]), strategy);
    refused(&training, Method::Resident(Team::Workgroup));
    refused(&training, Method::Columns);
    refused(&training, Method::Elementwise);
    let window = |strategy| planner.plan_with(&LocalResponseNorm::new(&[4, 3, 5], 3), strategy);
    let window_backward = |strategy| planner.plan_with(&LocalResponseNorm::new(&[4, 3, 5], 3).backward(), strategy);
    for method in Method::ALL.iter().copied().filter(|&method| method != Method::Elementwise) {
        refused(&window, method);
        refused(&window_backward, method);
    }
    assert_eq!(window(Strategy::Inferred).map(|plan| plan.method()), Ok(Some(Method::Elementwise)));
    let inference = |strategy| planner.plan_with(&BatchNorm::inference(&[4, 3, 5]), strategy);
    refused(&inference, Method::Split(Team::Lane));
}

/// A plan of layer norm of `[4, 8]` with all of its tensors, and buffers of their sizes.
struct Fixture {
    device: wgpu::Device,
    plan: Plan,
    large: [wgpu::Buffer; 2],
    small: [wgpu::Buffer; 4],
}

impl Fixture {
    fn new() -> Self {
        let device = default_device();
        let plan = Planner::new(&device).plan(&LayerNorm::new(&[4, 8], 1..).save_stats(true)).expect("a plan");
        let large = [(); 2].map(|()| buffer(&device, 32));
        let small = [(); 4].map(|()| buffer(&device, 8));
        Self { device, plan, large, small }
    }

    fn bindings(&self) -> Bindings<'_> {
        let ([input, output], [weight, bias, mean, rstd]) = (&self.large, &self.small);
        Bindings::new().input(input).output(output).weight(weight).bias(bias).mean(mean).rstd(rstd)
    }

    fn problem(&self, bindings: &Bindings<'_>) -> (Slot, BindingProblem) {
        match self.plan.bind(bindings) {
            Err(Error::Binding { slot, problem }) => (slot, problem),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_binding_that_does_not_fit_is_named() {
    let f = Fixture::new();
    f.plan.bind(&f.bindings()).expect("it fits");

    let [input, output] = &f.large;
    let missing = Bindings::new().input(input).output(output);
    assert_eq!(f.problem(&missing), (Slot::Weight, BindingProblem::Missing));
    let unexpected = f.bindings().running_mean(input);
    assert_eq!(f.problem(&unexpected), (Slot::RunningMean, BindingProblem::Unexpected));
    // Without a backward pass that reads them, statistics belong to the plan.
    assert_eq!(f.problem(&f.bindings().statistics(input)), (Slot::Statistics, BindingProblem::Unexpected));

    let short = buffer(&f.device, 31);
    let too_small = BindingProblem::TooSmall { needed: 128, actual: 124 };
    assert_eq!(f.problem(&f.bindings().input(&short)), (Slot::Input, too_small));
    assert_eq!(f.problem(&f.bindings().output(&short)), (Slot::Output, too_small));
    let too_small = BindingProblem::TooSmall { needed: 16, actual: 12 };
    assert_eq!(f.problem(&f.bindings().rstd(f.small[3].slice(..12))), (Slot::Rstd, too_small));

    let long = buffer(&f.device, 128);
    f.plan.bind(&f.bindings().input(long.slice(256..))).expect("an aligned part of a buffer");
    let misaligned = BindingProblem::Misaligned { offset: 128, alignment: 256 };
    assert_eq!(f.problem(&f.bindings().input(long.slice(128..))), (Slot::Input, misaligned));
    let outside = BindingProblem::OutOfRange { offset: 512, end: 640, size: 512 };
    assert_eq!(f.problem(&f.bindings().input(View::new(&long, 512, 128))), (Slot::Input, outside));
    let overflow = View::new(&long, u64::MAX - 255, u64::MAX);
    assert!(matches!(f.problem(&f.bindings().input(overflow)), (Slot::Input, BindingProblem::OutOfRange { .. })));

    let no_storage = with_usage(&f.device, 32, wgpu::BufferUsages::COPY_DST);
    let usage = BindingProblem::Usage(wgpu::BufferUsages::STORAGE);
    assert_eq!(f.problem(&f.bindings().input(&no_storage)), (Slot::Input, usage));
}

#[test]
fn a_buffer_that_is_written_is_not_read() {
    let f = Fixture::new();
    let arena = buffer(&f.device, 256);
    let alias = |bindings: &Bindings<'_>| f.problem(bindings);
    let in_place = f.bindings().input(&arena).output(&arena);
    assert_eq!(alias(&in_place), (Slot::Output, BindingProblem::OverInput));
    let apart = f.bindings().input(arena.slice(..128)).output(arena.slice(512..));
    assert_eq!(alias(&apart), (Slot::Output, BindingProblem::Aliases(Slot::Input)));
    let overlapping = f.bindings().mean(&arena).rstd(&arena);
    assert_eq!(alias(&overlapping), (Slot::Rstd, BindingProblem::Aliases(Slot::Mean)));
    let apart = f.bindings().mean(arena.slice(256..)).rstd(arena.slice(..256));
    f.plan.bind(&apart).expect("outputs may share a buffer");
    let read = f.bindings().bias(arena.slice(512..)).rstd(arena.slice(..256));
    assert_eq!(alias(&read), (Slot::Rstd, BindingProblem::Aliases(Slot::Bias)));
    let read = f.bindings().weight(arena.slice(..32)).bias(arena.slice(256..)).input(&arena);
    f.plan.bind(&read).expect("inputs may share a buffer");
    let error = Error::Binding { slot: Slot::Output, problem: BindingProblem::Aliases(Slot::Input) };
    let expected =
        "output: the same buffer as input, and one of them is written, which takes `Planner::shared_buffers(true)`";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn tensors_share_a_buffer_where_the_planner_allows_it() {
    let f = Fixture::new();
    let planner = Planner::new(&f.device).shared_buffers(true);
    let f = Fixture { plan: planner.plan(&LayerNorm::new(&[4, 8], 1..).save_stats(true)).expect("a plan"), ..f };
    let arena = buffer(&f.device, 384);
    let part = |i: u64| arena.slice(256 * i..);
    let bindings = Bindings::new().input(part(0)).weight(part(1)).bias(part(2));
    f.plan.bind(&bindings.clone().output(part(3)).mean(part(4)).rstd(part(5))).expect("parts of one buffer");
    // The views reach to the end of the buffer: tensors count, and not views.
    let over = f.problem(&bindings.clone().output(part(0)).mean(part(4)).rstd(part(5)));
    assert_eq!(over, (Slot::Output, BindingProblem::OverInput));
    let overlapping = f.problem(&bindings.output(part(2)).mean(part(4)).rstd(part(5)));
    assert_eq!(overlapping, (Slot::Output, BindingProblem::Overlaps(Slot::Bias)));
    // Inputs may overlap.
    let read = f.bindings().weight(part(0)).bias(part(0)).input(part(0));
    f.plan.bind(&read).expect("inputs may overlap");
    let scratch = planner.plan(&BatchNorm::training(&[4, 3, 5]).weight(false).bias(false)).expect("a plan");
    let bindings = Bindings::new().input(part(0)).output(part(1));
    scratch.bind(&bindings.clone().scratch(part(2))).expect("scratch as well");
    let over = scratch.bind(&bindings.scratch(part(1))).expect_err("scratch over the output");
    assert!(matches!(over, Error::Binding { slot: Slot::Scratch, problem: BindingProblem::Overlaps(Slot::Output) }));
}

#[test]
fn scratch_is_the_callers_or_the_plans() {
    let device = default_device();
    let plan = Planner::new(&device).plan(&BatchNorm::training(&[4, 3, 5])).expect("a plan");
    let (large, small) = ([(); 2].map(|()| buffer(&device, 60)), [(); 2].map(|()| buffer(&device, 3)));
    let bindings = || Bindings::new().input(&large[0]).output(&large[1]).weight(&small[0]).bias(&small[1]);
    assert!(plan.scratch_size() > 0);
    plan.bind(&bindings()).expect("its own scratch");
    let scratch = buffer(&device, plan.scratch_size() / 4);
    plan.bind(&bindings().scratch(&scratch)).expect("the caller's scratch");
    let problem = |bindings: &Bindings<'_>| match plan.bind(bindings) {
        Err(Error::Binding { slot: Slot::Scratch, problem }) => problem,
        other => panic!("{other:?}"),
    };
    let short = scratch.slice(..plan.scratch_size() - 4);
    let (needed, actual) = (plan.scratch_size(), plan.scratch_size() - 4);
    assert_eq!(problem(&bindings().scratch(short)), BindingProblem::TooSmall { needed, actual });
    assert_eq!(problem(&bindings().scratch(&large[0])), BindingProblem::Aliases(Slot::Input));
}

#[test]
fn bind_unscoped_leaves_what_wgpu_refuses_to_the_device() {
    let f = Fixture::new();
    let errors = Arc::new(Mutex::new(Vec::new()));
    let handler = errors.clone();
    f.device.on_uncaptured_error(Arc::new(move |e: wgpu::Error| handler.lock().unwrap().push(e.to_string())));
    f.plan.bind_unscoped(&f.bindings()).expect("it binds");
    let small = buffer(&f.device, 4);
    let refused = f.plan.bind_unscoped(&f.bindings().input(&small));
    assert!(matches!(refused, Err(Error::Binding { slot: Slot::Input, .. })), "the crate's own checks");
    assert!(errors.lock().unwrap().is_empty());
    let destroyed = buffer(&f.device, 32);
    destroyed.destroy();
    f.plan.bind_unscoped(&f.bindings().input(&destroyed)).expect("a binding that is invalid");
    assert_eq!(errors.lock().unwrap().len(), 1, "the device's handler has the error");
}

#[test]
fn what_wgpu_refuses_is_an_error_and_no_panic() {
    let f = Fixture::new();
    let foreign = buffer(&default_device(), 32);
    assert!(matches!(f.plan.bind(&f.bindings().input(&foreign)), Err(Error::Device(_))), "another device");
    let destroyed = buffer(&f.device, 32);
    destroyed.destroy();
    assert!(matches!(f.plan.bind(&f.bindings().input(&destroyed)), Err(Error::Device(_))), "a destroyed buffer");
    let broken = Planner::with_source_edit(&f.device, |source| source.replace("fn main", "fn mian"));
    assert!(matches!(broken.plan(&LayerNorm::new(&[4, 8], 1..)), Err(Error::Device(_))), "a broken shader");
}

#[test]
fn an_empty_batch_binds_nothing_and_records_nothing() {
    let (device, _queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor::default());
    let planner = Planner::new(&device);
    for plan in [
        planner.plan(&LayerNorm::new(&[0, 8], 1..)).expect("layer norm"),
        planner.plan(&BatchNorm::training(&[0, 3])).expect("batch norm training"),
        planner.plan(&BatchNorm::inference(&[0, 3, 5])).expect("batch norm inference"),
        planner.plan(&RmsNorm::new(&[0, 8], 1..)).expect("RMS norm"),
        planner.plan(&GroupNorm::new(&[0, 6, 5], 2)).expect("group norm"),
        planner.plan(&InstanceNorm::new(&[0, 3, 5])).expect("instance norm"),
        planner.plan(&LocalResponseNorm::new(&[0, 3, 5], 3)).expect("local response norm"),
    ] {
        assert_eq!((plan.method(), plan.scratch_size()), (None, 0));
        let bound = plan.bind(&Bindings::new()).expect("nothing to bind");
        let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        bound.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
        let _commands = encoder.finish();
    }
}

#[test]
fn plans_are_shared_between_threads_and_outlive_their_planner() {
    fn shared<T: Send + Sync + Clone + 'static>() {}
    shared::<Plan>();
    shared::<wgpu_norm::Bound>();
    shared::<Planner>();
    let f = Fixture::new();
    // The fixture has dropped its planner.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| f.plan.bind(&f.bindings()).expect("bound on another thread"));
        }
    });
}

/// A planner, and the sources of the kernels that it compiles.
fn recording() -> (Planner, Arc<Mutex<Vec<String>>>) {
    let sources = Arc::<Mutex<Vec<String>>>::default();
    let compiled = sources.clone();
    let planner = Planner::with_source_edit(&default_device(), move |source| {
        compiled.lock().expect("no panic").push(source.clone());
        source
    });
    (planner, sources)
}

#[test]
fn warmed_up_kernels_are_not_compiled_again() {
    let (planner, sources) = recording();
    let compiled = || sources.lock().expect("no panic").len();
    let (rows, channels) = (LayerNorm::new(&[64, 384], 1..), BatchNorm::training(&[4, 3, 8, 8]).backward());
    planner.warm_up(&[&rows, &channels]).expect("warm up");
    let before = compiled();
    assert!(before > 2, "{before}");
    planner.plan(&rows.eps(0.5)).expect("plan");
    planner.clone().plan(&channels).expect("plan");
    assert_eq!(compiled(), before);
    assert!(planner.warm_up(&[&LayerNorm::new(&[4, 0], 1..)]).is_err());
}

#[test]
fn any_number_of_rows_in_a_warmed_up_range_compiles_nothing() {
    let (planner, sources) = recording();
    let compiled = || sources.lock().expect("no panic").len();
    // The first axis of the op that is warmed up is another one.
    let ops: [&dyn Fn(usize) -> Box<dyn Norm>; 6] = [
        &|rows| Box::new(LayerNorm::new(&[rows, 12], 1..)),
        &|rows| Box::new(LayerNorm::new(&[rows, 12], 1..).backward()),
        &|rows| Box::new(RmsNorm::new(&[rows, 2, 1024], 2..).dtype(DType::F16)),
        &|samples| Box::new(GroupNorm::new(&[samples, 4, 3], 2)),
        &|samples| Box::new(BatchNorm::inference(&[samples, 4, 3])),
        &|samples| Box::new(LocalResponseNorm::new(&[samples, 4, 3], 3)),
    ];
    for op in ops {
        let before = compiled();
        planner.warm_up_rows(&*op(7), 1..=130).expect("warm up");
        let after = compiled();
        assert!(after > before, "{}", op(1).name());
        for rows in 1..=130 {
            planner.plan(&*op(rows)).expect("plan");
        }
        assert_eq!(compiled(), after, "{}", op(1).name());
    }
    let normalized = LayerNorm::new(&[4, 8], ..);
    assert!(planner.warm_up_rows(&normalized, 0..=1).is_err(), "a normalized axis is empty");
    planner.warm_up_rows(&LayerNorm::new(&[4, 8], 1..), [0]).expect("an empty batch");
}

#[test]
fn a_table_and_checks_take_effect_after_a_first_plan() {
    let (planner, sources) = recording();
    let compiled = || sources.lock().expect("no panic").len();
    let op = LayerNorm::new(&[7, 12], 1..).dtype(DType::F16);
    planner.plan(&op).expect("plan");
    let once = compiled();
    let mut tuning = planner.caps().tuning.clone();
    tuning.set("native_f16", 1).expect("in range");
    let native = planner.clone().tuning(tuning);
    native.plan(&op).expect("plan");
    assert!(sources.lock().expect("no panic").last().is_some_and(|source| source.contains("unpack2x16float")));
    let both = compiled();
    assert!(both > once);
    planner.plan(&op).expect("plan");
    assert_eq!(compiled(), both, "the first planner has its own kernel still");
    planner.checked(true).plan(&op).expect("plan");
    assert!(compiled() > both);
}

#[test]
fn setters_of_types_work_in_any_order() {
    let op = LayerNorm::new(&[7, 12], 1..).residual(true);
    let set = op.clone().affine_dtype(DType::F32).input_dtype(DType::F16).dtype(DType::BF16);
    assert_eq!(set, op.dtype(DType::BF16).input_dtype(DType::F16).affine_dtype(DType::F32));
    let types: Vec<_> = set.tensors().expect("valid").iter().map(|spec| (spec.slot, spec.dtype)).collect();
    let expected = [
        (Slot::Input, DType::F16),
        (Slot::Weight, DType::F32),
        (Slot::Bias, DType::F32),
        (Slot::Residual, DType::BF16),
        (Slot::Output, DType::BF16),
    ];
    assert_eq!(types, expected);
}

#[test]
fn plans_can_be_kept_by_their_descriptors() {
    let mut plans = HashMap::new();
    let op = |eps| LayerNorm::new(&[7, 12], 1..).eps(eps).backward();
    plans.insert(op(1e-5), 1);
    plans.insert(op(1e-6), 2);
    assert_eq!((plans.get(&op(1e-5)), plans.get(&op(1e-6)), plans.get(&op(0.0))), (Some(&1), Some(&2), None));
    // Keys compare bits: a NaN is a key too.
    let mut channels = HashMap::new();
    let op = |momentum| BatchNorm::training(&[7, 12]).running_stats(RunningStats::PyTorch { momentum });
    channels.insert(op(Some(0.1)), 1);
    channels.insert(op(Some(f32::NAN)), 2);
    channels.insert(op(None), 3);
    assert_eq!(channels.get(&op(Some(f32::NAN))), Some(&2));
    assert_eq!(channels.len(), 3);
    let window = |beta| LocalResponseNorm::new(&[2, 5, 3], 3).beta(beta).output_dtype(DType::F16).dtype(DType::BF16);
    assert_eq!(HashMap::from([(window(0.75), 1), (window(0.5), 2)]).get(&window(0.5)), Some(&2));
    let types = window(0.5).tensors().expect("valid");
    assert_eq!(types.iter().map(|spec| spec.dtype).collect::<Vec<_>>(), [DType::BF16, DType::F16]);
    assert_ne!(op(Some(0.9)), BatchNorm::training(&[7, 12]).running_stats(RunningStats::Onnx { momentum: 0.9 }));
}

#[test]
#[should_panic(expected = "the op does not write `mean`")]
fn a_tensor_that_an_op_does_not_write_is_no_empty_slice() {
    let op = LayerNorm::new(&[1, 2], 1..).weight(false).bias(false);
    let _ = op.reference(&Tensors::new(&[1.0, 2.0])).expect("reference").mean();
}

#[test]
fn a_planner_keeps_to_the_table_that_it_is_given() {
    let planner = Planner::new(&default_device());
    let mut split = planner.caps().tuning.clone();
    split.set("few_rows", 100).expect("in range");
    split.set("long_row", 4096).expect("in range");
    let op = LayerNorm::new(&[64, 4096], 1..);
    let method = |planner: &Planner| planner.plan(&op).expect("plan").method().map(|method| method.to_string());
    assert_eq!(method(&planner), Some("streamed/lane".into()));
    assert_eq!(method(&planner.tuning(split)), Some("split/lane".into()));
}
