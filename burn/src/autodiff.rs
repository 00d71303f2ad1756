//! The ops as nodes of burn's autodiff graph.

use burn::{
    backend::{
        Autodiff, AutodiffBackend, Backend, TensorMetadata,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        tensor::FloatTensor,
    },
    tensor::DType,
};
use wgpu_norm::{BatchNorm, Error, Slot};

use crate::{
    call::{Call, Op, gradient_of},
    floats::{Floats, NormOps},
};

impl<B: NormOps, C: CheckpointStrategy> NormOps for Autodiff<B, C> {
    fn run_norm(tensors: Floats<Self>, call: Call) -> Floats<Self> {
        let tensors: Vec<_> = call.inputs().map(|spec| spec.slot).zip(tensors.into_vec()).collect();
        if tensors.iter().all(|(_, tensor)| !tensor.is_tracked()) {
            let primitives = tensors.into_iter().map(|(_, tensor)| tensor.into_primitive()).collect();
            let outputs = B::run_norm(Floats::new(primitives), call).into_vec();
            return Floats::new(outputs.into_iter().map(Self::from_inner).collect());
        }
        let name = call.norm().name();
        Floats::new(tracked::<B, C>(&tensors, &call).unwrap_or_else(|error| panic!("gradients of {name}: {error}")))
    }
}

/// A tensor of the graph.
type Node<B, C> = FloatTensor<Autodiff<B, C>>;

type Tensors<T> = Vec<(Slot, T)>;

/// The outputs of a call some of whose tensors need gradients. The output and the sum of input and residual have one,
/// other outputs have none.
fn tracked<B: NormOps, C: CheckpointStrategy>(
    tensors: &[(Slot, Node<B, C>)],
    call: &Call,
) -> Result<Vec<Node<B, C>>, Error> {
    let refuse = |what: String, why: &str| Err(Error::Unsupported { what, why: why.into() });
    if call.is_backward() {
        return refuse("a second derivative".into(), "a backward pass has no gradient");
    }
    if let Some((slot, _)) = tensors.iter().find(|(slot, tensor)| tensor.is_tracked() && gradient_of(*slot).is_none()) {
        return refuse(format!("the gradient of {slot}"), "the op has none: detach the tensor");
    }
    let options = call.op().options();
    let sums = options.is_some_and(|options| options.residual_output);
    if options.is_some_and(|options| options.residual_in_place) {
        return refuse("residual_in_place with gradients".into(), "use residual_output");
    }
    if sums && options.is_some_and(|options| options.gate.is_some_and(|gate| gate.before)) {
        return refuse("residual_output behind a gate".into(), "its gradient would need the input too");
    }

    // Batch norm's backward pass saves a read of the input with the statistics of the forward pass.
    let mut op = call.op().clone();
    if let Op::BatchNorm(BatchNorm { training: true, options, .. }) = &mut op {
        options.save_for_backward = true;
    }
    let forward = Call::new(op.clone(), None)?;
    // Before the forward pass, so that it is refused as a whole.
    let (op, backward) = differentiable(op)?;

    let primitives = tensors.iter().map(|(_, tensor)| tensor.primitive().clone()).collect();
    let outputs = B::run_norm(Floats::new(primitives), forward.clone()).into_vec();
    let outputs: Tensors<_> = forward.outputs().map(|spec| spec.slot).zip(outputs).collect();

    // The op after its sum is an op of the sum.
    let sum = sums.then(|| {
        let sum = find(&outputs, Slot::ResidualOutput).clone();
        add::<B, C>(find(tensors, Slot::Input), find(tensors, Slot::Residual), sum)
    });
    let mut parents: Tensors<&Node<B, C>> = tensors.iter().map(|(slot, tensor)| (*slot, tensor)).collect();
    if let Some(sum) = &sum {
        parents.retain(|(slot, _)| !matches!(slot, Slot::Input | Slot::Residual));
        parents.push((Slot::Input, sum));
    }
    let mut values = Vec::new();
    for slot in backward.inputs().map(|spec| spec.slot).filter(|slot| *slot != Slot::GradOutput) {
        let parent = parents.iter().find(|(name, _)| *name == slot).map(|(_, tensor)| tensor.primitive());
        values.push((slot, parent.unwrap_or_else(|| find(&outputs, slot)).clone()));
    }
    parents.retain(|(slot, _)| gradient_of(*slot).is_some());
    let types = parents.iter().map(|(slot, tensor)| (*slot, tensor.dtype())).collect();
    let state = State { op, types, values };
    let parents: Vec<_> = parents.into_iter().map(|(_, tensor)| tensor).collect();
    // Ops that write over their input have no gradient, so there is an output.
    let output = find(&outputs, Slot::Output).clone();
    let output = match parents.len() {
        1 => register::<B, C, 1>(&parents, state, output),
        2 => register::<B, C, 2>(&parents, state, output),
        3 => register::<B, C, 3>(&parents, state, output),
        4 => register::<B, C, 4>(&parents, state, output),
        _ => register::<B, C, 5>(&parents, state, output),
    };
    // Without the statistics that only the backward pass reads.
    let asked = |slot: &Slot| call.outputs().any(|spec| spec.slot == *slot);
    let outputs = outputs.into_iter().filter(|(slot, _)| asked(slot));
    Ok(outputs
        .map(|(slot, tensor)| match (slot, &sum) {
            (Slot::Output, _) => output.clone(),
            (Slot::ResidualOutput, Some(sum)) => sum.clone(),
            _ => Autodiff::<B, C>::from_inner(tensor),
        })
        .collect())
}

/// The op of which `output` is a node, and its backward pass with all gradients.
fn differentiable(mut op: Op) -> Result<(Op, Call), Error> {
    if let Some(options) = op.options_mut().filter(|options| options.residual_output) {
        options.types.input = Some(options.types.residual_output());
        (options.residual, options.residual_output) = (false, false);
    }
    let gradients = op.gradients();
    let backward = Call::new(op.clone(), Some(gradients))?;
    Ok((op, backward))
}

fn find<T>(tensors: &[(Slot, T)], slot: Slot) -> &T {
    let (_, tensor) = tensors.iter().find(|(name, _)| *name == slot).expect("the forward pass has this tensor");
    tensor
}

/// What a backward pass needs of the forward pass.
#[derive(Clone, Debug)]
struct State<B: Backend> {
    op: Op,
    /// The parents in their order, and their storage types.
    types: Vec<(Slot, DType)>,
    values: Tensors<FloatTensor<B>>,
}

#[derive(Debug)]
struct NormBackward<const N: usize>;

/// Adds the output to the graph, as a child of N tensors.
fn register<B: NormOps, C: CheckpointStrategy, const N: usize>(
    parents: &[&Node<B, C>],
    state: State<B>,
    output: FloatTensor<B>,
) -> Node<B, C> {
    let nodes = std::array::from_fn(|i: usize| parents[i].node());
    match NormBackward::<N>.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(state, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    }
}

impl<B: NormOps, const N: usize> Backward<B, N> for NormBackward<N> {
    type State = State<B>;

    fn backward(self, ops: Ops<State<B>, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad_output = grads.consume::<B>(&ops.node);
        let State { op, types, values } = ops.state;
        let wants = |slot| types.iter().zip(&ops.parents).any(|((name, _), node)| *name == slot && node.is_some());
        let mut gradients = op.gradients();
        // A residual that is added to the input shares its gradient, unless the gradient passes a gate.
        let shares_input = !gradients.residual && !op.residual_after();
        gradients.weight &= wants(Slot::Weight);
        gradients.bias &= wants(Slot::Bias);
        gradients.gate &= wants(Slot::Gate);
        gradients.residual &= wants(Slot::Residual);
        gradients.input = wants(Slot::Input) || (shares_input && wants(Slot::Residual));
        // The passes of these gradients write that of the input too.
        let gated = op.options().is_some_and(|options| options.gate.is_some());
        gradients.input |= gradients.gate || (gated && gradients.residual);

        let mut computed = Vec::new();
        if gradients.input || gradients.weight || gradients.bias || gradients.residual {
            let call = Call::new(op, Some(gradients)).expect("the forward pass checked it with all gradients");
            let inputs = call.inputs().map(|spec| match spec.slot {
                Slot::GradOutput => grad_output.clone(),
                slot => find(&values, slot).clone(),
            });
            let inputs = Floats::new(inputs.collect());
            let outputs = B::run_norm(inputs, call.clone()).into_vec();
            computed = call.outputs().map(|spec| spec.slot).zip(outputs).collect();
        }
        for ((slot, dtype), node) in types.into_iter().zip(ops.parents) {
            let Some(node) = node else { continue };
            let of = |slot| computed.iter().find(|(name, _)| *name == slot).map(|(_, tensor)| tensor);
            let grad = gradient_of(slot).and_then(of).unwrap_or(match slot {
                Slot::Residual if shares_input => of(Slot::GradInput).expect("wanted above"),
                // A residual after the norm: its gradient is that of the output.
                _ => &grad_output,
            });
            grads.register::<B>(node.id, cast::<B>(grad.clone(), dtype));
        }
    }
}

fn cast<B: Backend>(tensor: FloatTensor<B>, dtype: DType) -> FloatTensor<B> {
    if tensor.dtype() == dtype { tensor } else { B::float_cast(tensor, dtype.into()) }
}

#[derive(Debug)]
struct AddBackward;

/// Adds to the graph that `sum` is the sum of two tensors.
fn add<B: NormOps, C: CheckpointStrategy>(
    input: &Node<B, C>,
    residual: &Node<B, C>,
    sum: FloatTensor<B>,
) -> Node<B, C> {
    let types = [input.dtype(), residual.dtype()];
    match AddBackward.prepare::<C>([input.node(), residual.node()]).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(types, sum),
        OpsKind::UnTracked(prep) => prep.finish(sum),
    }
}

impl<B: Backend> Backward<B, 2> for AddBackward {
    type State = [DType; 2];

    fn backward(self, ops: Ops<[DType; 2], 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        for (node, dtype) in ops.parents.into_iter().zip(ops.state) {
            if let Some(node) = node {
                grads.register::<B>(node.id, cast::<B>(grad.clone(), dtype));
            }
        }
    }
}
