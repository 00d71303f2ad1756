use std::hash::Hash;

use super::{
    Backward,
    channels::ChannelShape,
    op::{Internal, Norm, with_first},
    setters::setters,
};
use crate::{
    definition::{self, Gradients, Operation},
    error::{Error, Result},
    options::{Layout, Options, Types, equal_by_bits},
    tensor::{DType, flat},
};

/// Local response normalization of `[N, C]` or `[N, C, ..]`: scales each element by the squares in adjacent channels.
///
/// ```text
/// output = input / (k + alpha / size * sum(input^2))^beta
/// ```
///
/// with the sum over a window of `size` adjacent channels at the same position. Channels outside the tensor count as
/// zero: the formula divides `alpha` by `size` at the border too.
///
/// # Shapes
/// `shape` is the shape of input and output, of two axes or more. The channels are the second axis or, with
/// [`layout`](Self::layout), the last. `size` may exceed the number of channels. An empty batch (N = 0) is a no-op: the
/// op reads and writes nothing.
///
/// # Tensors
/// | slot | shape | |
/// |---|---|---|
/// | `input` | `shape` | read |
/// | `output` | `shape` | written |
///
/// `alpha` is 1e-4, `beta` 0.75 and `k` 1 by default. `beta` must be above zero: 0 would leave the input as it is, and
/// less would multiply by the squares. `k` is no `eps`: with `k` 0, a window of zeros is 0 / 0, a NaN. An infinite
/// element becomes a NaN, and the other elements with it in their windows become 0.
///
/// # Types
/// The storage type of each tensor is f32, f16 or bf16, see [`dtype`](Self::dtype). All arithmetic is f32, see
/// [numerics](crate::guide::numerics). The base of the power must be a positive f32: a power of a negative number is
/// NaN, whatever `beta`. The squares of a window are infinite in f32 for elements above about 1.8e19, and 0 below about
/// 1e-19.
///
/// # In place
/// No: the windows of adjacent channels need the input. Input and output need different buffers.
///
/// # Backward
/// [`backward`](Self::backward) makes the descriptor of the gradient: [`Backward`](crate::Backward). The only gradient
/// is `grad_input`. With `D = k + alpha / size * sum(input^2)`
/// ```text
/// grad_input = grad_output * D^-beta - 2 * alpha * beta / size * input * sum(grad_output * input * D^(-beta - 1))
/// ```
/// with the second sum over the elements whose windows contain this one. Neither direction needs scratch. Windows of up
/// to 11 existing channels slide over registers: a lane loads each element once. Wider windows take `size` loads for
/// each element, and `size^2` in the backward pass.
///
/// # Errors
/// - [`Error::InvalidArgument`]: fewer than two axes; an empty axis after N; `size` zero; `alpha`, `beta` or `k` not
///   finite; `beta` not above zero.
/// - [`Error::Limit`]: more than 2^31 elements, or a tensor larger than the device binds.
///
/// # Example
/// ```
/// use wgpu_norm::{LocalResponseNorm, Norm, Tensors};
///
/// // One sample of 3 channels; a window of 3 has a neighbour on each side.
/// let op = LocalResponseNorm::new(&[1, 3], 3).alpha(3.).beta(0.5);
/// let truth = op.reference(&Tensors::new(&[2., 2., 4.]))?;
/// assert_eq!(truth.output()[0], 2. / 3.); // 1 + 4 + 4 is 9
/// assert_eq!(truth.output()[1], 2. / 5.); // 1 + 4 + 4 + 16 is 25
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
///
/// On a device:
/// ```
/// use wgpu_norm::{Bindings, LocalResponseNorm, Planner};
///
#[doc = crate::example::noop!()]
/// # let [input, output] = [(); 2].map(|()| buffer(96 * 27 * 27));
/// let op = LocalResponseNorm::new(&[1, 96, 27, 27], 5).k(2.0);
/// let bindings = Bindings::new().input(&input).output(&output); // [1, 96, 27, 27]
/// Planner::new(&device).plan(&op)?.bind(&bindings)?.record(&mut pass);
/// # Ok::<(), wgpu_norm::Error>(())
/// ```
///
/// # Source
/// Krizhevsky, Sutskever, Hinton, `ImageNet` Classification with Deep Convolutional Neural Networks, 2012, section 3.3.
/// The paper does not divide alpha by the size. PyTorch: `torch.nn.LocalResponseNorm`, of three axes or more. ONNX:
/// `LRN` (13), see [`Window::Onnx`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LocalResponseNorm {
    /// The input's shape.
    pub shape: Vec<usize>,
    /// Channels of a window.
    pub size: usize,
    /// The factor of the mean square of a window.
    pub alpha: f32,
    /// The exponent, above zero.
    pub beta: f32,
    /// The constant that the op adds to the scaled mean square.
    pub k: f32,
    /// The position of a window of even size.
    pub window: Window,
    /// The position of the channel axis.
    pub layout: Layout,
    /// The storage types of input and output.
    pub types: Types,
}

/// The position of a window of even size around its channel. A window of odd size has its channel in the middle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Window {
    /// One more before the channel than after it: `size / 2` and `(size - 1) / 2`.
    #[default]
    PyTorch,
    /// One more after the channel than before it: `(size - 1) / 2` and `size / 2`.
    Onnx,
}

impl LocalResponseNorm {
    fn bits(&self) -> impl Eq + Hash + '_ {
        let Self { shape, size, alpha, beta, k, window, layout, types } = self;
        (shape, size, [alpha, beta, k].map(|number| number.to_bits()), window, layout, types)
    }

    /// Local response norm of a tensor of this shape with a window of this size.
    #[must_use]
    pub fn new(shape: &[usize], size: usize) -> Self {
        Self {
            shape: shape.to_vec(),
            size,
            alpha: 1e-4,
            beta: 0.75,
            k: 1.0,
            window: Window::PyTorch,
            layout: Layout::ChannelsFirst,
            types: Types::all(DType::F32),
        }
    }

    /// Sets the factor of the mean square of a window; 1e-4 by default.
    #[must_use]
    pub fn alpha(mut self, alpha: f32) -> Self {
        self.alpha = alpha;
        self
    }

    /// Sets the exponent, above zero; 0.75 by default.
    #[must_use]
    pub fn beta(mut self, beta: f32) -> Self {
        self.beta = beta;
        self
    }

    /// Sets the constant that the op adds to the scaled mean square; 1 by default.
    #[must_use]
    pub fn k(mut self, k: f32) -> Self {
        self.k = k;
        self
    }

    /// Sets the position of a window of even size; PyTorch's by default.
    #[must_use]
    pub fn window(mut self, window: Window) -> Self {
        self.window = window;
        self
    }

    /// Sets the storage type of input and output; f32 by default.
    #[must_use]
    pub fn dtype(mut self, dtype: DType) -> Self {
        self.types.all = dtype;
        self
    }

    /// Sets the storage type of the input.
    #[must_use]
    pub fn input_dtype(mut self, dtype: DType) -> Self {
        self.types.input = Some(dtype);
        self
    }

    /// Sets the storage type of the output.
    #[must_use]
    pub fn output_dtype(mut self, dtype: DType) -> Self {
        self.types.output = Some(dtype);
        self
    }

    /// The op's backward pass.
    #[must_use]
    pub fn backward(&self) -> Backward<Self> {
        Backward::new(self.clone(), Gradients::all(&Options::new(0.0, false, false), false))
    }

    fn validate(&self) -> Result<()> {
        let refuse = |argument, value: String, expected: &str| {
            Err(Error::InvalidArgument { argument, value, expected: expected.into() })
        };
        ChannelShape::new(&self.shape, self.layout, 2..=usize::MAX, "[N, C] or [N, C, ..]")?;
        if self.size == 0 {
            return refuse("size", "0".into(), "one channel or more");
        }
        for (argument, value) in [("alpha", self.alpha), ("k", self.k)] {
            if !value.is_finite() {
                return refuse(argument, value.to_string(), "a finite number");
            }
        }
        if !self.beta.is_finite() || self.beta <= 0.0 {
            return refuse("beta", self.beta.to_string(), "a finite number above zero");
        }
        for (argument, dtype) in [("input_dtype", self.types.input()), ("output_dtype", self.types.output())] {
            if !DType::FLOATS.contains(&dtype) {
                return refuse(argument, dtype.to_string(), "f32, f16 or bf16");
            }
        }
        Ok(())
    }
}

equal_by_bits!(LocalResponseNorm);
setters!(LocalResponseNorm: layout);

impl Norm for LocalResponseNorm {
    fn name(&self) -> &'static str {
        "local_response_norm"
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn backward_name(&self, _: Internal) -> &'static str {
        "local_response_norm_backward"
    }

    fn operation(&self, _: Internal) -> Result<Operation> {
        self.validate()?;
        let Self { size, alpha, beta, k, types, .. } = *self;
        let ChannelShape { channels, spatial, .. } = ChannelShape::of(&self.shape, self.layout);
        let window = definition::Window {
            shape: self.shape.clone(),
            channels: match self.layout {
                Layout::ChannelsFirst => [channels, spatial],
                Layout::ChannelsLast => [channels, 1],
            },
            size,
            reach: match self.window {
                Window::PyTorch => [size / 2, (size - 1) / 2],
                Window::Onnx => [(size - 1) / 2, size / 2],
            },
            alpha,
            beta,
            k,
            types,
        };
        Ok(Operation::Window { window, backward: false })
    }

    fn with_rows(&self, rows: usize, _: Internal) -> Result<Operation> {
        Self { shape: with_first(&self.shape, rows), ..self.clone() }.operation(Internal)
    }

    fn place(&self, index: &[usize], _: Internal) -> [usize; 2] {
        // Every element has its own window.
        [flat(&self.shape, index); 2]
    }
}
