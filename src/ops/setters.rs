//! The setters of ops, each written once.

/// Expands to the setters of an op's options: `setters!(LayerNorm: eps weight bias);`.
macro_rules! setters {
    ($op:ident: $($setter:ident)*) => {
        impl $op {
            $(setters!(@ $setter);)*

        }
    };
    (@ backward) => {
        /// The op's backward pass, with all gradients.
        #[must_use]
        pub fn backward(&self) -> $crate::Backward<Self> {
            let own_residual = self.options.has_own_grad_residual(self.options.residual_after);
            $crate::Backward::new(self.clone(), $crate::Gradients::all(&self.options, own_residual))
        }
    };
    (@ statistics) => {
        /// The op that computes the moments of the rows alone, which merge with those of other parts of the rows.
        #[must_use]
        pub fn moments(&self) -> $crate::Moments<Self> {
            $crate::Moments::new(self.clone())
        }

        /// The op that computes the statistics of the rows alone.
        #[must_use]
        pub fn statistics(&self) -> $crate::Statistics<Self> {
            $crate::Statistics::new(self.clone())
        }

        /// Takes the statistics from the tensor `statistics`, not from the input: `[3, ..]` in f32, as
        /// [`Statistics`](crate::Statistics) writes them, for the axes that are not normalized.
        ///
        /// `len` is the number of elements of a whole row, of which the input may have a part. It matters to the
        /// backward pass alone, and to the gradient of the input. Rows in parts exchange
        /// [`Coefficients`](crate::Coefficients).
        #[must_use]
        pub fn given_statistics(mut self, len: usize) -> Self {
            self.given = Some(len);
            self
        }
    };
    (@ eps) => {
        /// Sets the constant inside the root, or the lower bound of a norm: any finite value that is not negative.
        #[must_use]
        pub fn eps(mut self, eps: f32) -> Self {
            self.options.eps = eps;
            self
        }
    };
    (@ weight) => {
        /// Sets whether the op has a weight.
        #[must_use]
        pub fn weight(mut self, weight: bool) -> Self {
            self.options.weight = weight;
            self
        }
    };
    (@ zero_centered) => {
        /// Sets whether the gain is `1 + weight`, as some models store it; false by default.
        #[must_use]
        pub fn zero_centered(mut self, zero_centered: bool) -> Self {
            self.options.zero_centered = zero_centered;
            self
        }
    };
    (@ bias) => {
        /// Sets whether the op has a bias.
        #[must_use]
        pub fn bias(mut self, bias: bool) -> Self {
            self.options.bias = bias;
            self
        }
    };
    (@ affine_axes) => {
        /// Sets the axes of weight and bias, for weights that several rows of a tensor have each of their own. By
        /// default, they are the normalized axes.
        ///
        /// The heads of `[tokens, heads, dim]` have a weight each with `affine_axes(1..)`: its shape is `[heads, dim]`.
        /// So have the groups of channels in `[tokens, groups, channels]`. These axes end with the normalized ones,
        /// which are the last of the shape.
        #[must_use]
        pub fn affine_axes(mut self, axes: impl std::ops::RangeBounds<usize>) -> Self {
            self.affine_axes = $crate::ops::over_axes::resolve(axes, self.shape.len());
            self
        }
    };
    (@ per_sample) => {
        /// Sets whether each index of the first axis has its own weight and bias, the scale and shift of an adaptive
        /// norm. False by default. With [`zero_centered`](Self::zero_centered), the gain is `1 + scale`.
        #[must_use]
        pub fn per_sample(mut self, per_sample: bool) -> Self {
            self.options.per_sample = per_sample;
            self
        }
    };
    (@ save_stats) => {
        /// Sets whether the op writes the statistics; false by default. The backward pass does not need them.
        #[must_use]
        pub fn save_stats(mut self, save_stats: bool) -> Self {
            self.options.save_stats = save_stats;
            self
        }
    };
    (@ save_for_backward) => {
        /// Sets whether the forward pass writes `statistics` and the backward pass reads them; false by default. This
        /// saves the backward pass one read of the input. Their shape is `[3, C]`: the mean as hi and lo, and rstd.
        #[must_use]
        pub fn save_for_backward(mut self, save_for_backward: bool) -> Self {
            self.options.save_for_backward = save_for_backward;
            self
        }
    };
    (@ residual) => {
        /// Sets whether the op adds `residual` to the input before the normalization; false by default. The sum is f32.
        #[must_use]
        pub fn residual(mut self, residual: bool) -> Self {
            self.options.residual = residual;
            self
        }

        /// Sets the storage type of the residual.
        #[must_use]
        pub fn residual_dtype(mut self, dtype: $crate::DType) -> Self {
            self.options.types.residual = Some(dtype);
            self
        }

        /// Sets whether the op writes the sum of input and residual to `residual_output`; false by default.
        #[must_use]
        pub fn residual_output(mut self, residual_output: bool) -> Self {
            self.options.residual_output = residual_output;
            self
        }

        /// Sets whether the op writes the sum of input and residual over `residual`; false by default. The backward
        /// pass reads it as `residual_output`.
        #[must_use]
        pub fn residual_in_place(mut self, residual_in_place: bool) -> Self {
            self.options.residual_in_place = residual_in_place;
            self
        }

        /// Sets the storage type of `residual_output`.
        #[must_use]
        pub fn residual_output_dtype(mut self, dtype: $crate::DType) -> Self {
            self.options.types.residual_output = Some(dtype);
            self
        }
    };
    (@ after) => {
        /// Sets whether the op adds `residual` after weight and bias, and not to the input; false by default:
        /// `output = residual + norm(input) * weight + bias`. With [`residual_in_place`](Self::residual_in_place), the
        /// op writes this over `residual`, and has no `output`.
        ///
        /// In the backward pass, the gradient of such a residual is `grad_output` itself. With an activation it is
        /// `grad_residual`.
        #[must_use]
        pub fn residual_after(mut self, residual_after: bool) -> Self {
            self.options.residual_after = residual_after;
            self
        }
    };
    (@ input_bias) => {
        /// Sets whether the op adds `input_bias` to the sum of input and residual, before the norm; false by default.
        /// It has the shape of the normalized axes, and the type of weight and bias. Its gradient is the sum of
        /// `grad_input` over the rows.
        #[must_use]
        pub fn input_bias(mut self, input_bias: bool) -> Self {
            self.options.input_bias = input_bias;
            self
        }
    };
    (@ gate) => {
        /// Sets the gate: a tensor of the input's shape, of which a function is a factor of the input or of the
        /// normalized tensor; none by default.
        #[must_use]
        pub fn gate(mut self, gate: $crate::Gate) -> Self {
            self.options.gate = Some(gate);
            self
        }

        /// Sets the storage type of the gate.
        #[must_use]
        pub fn gate_dtype(mut self, dtype: $crate::DType) -> Self {
            self.options.types.gate = Some(dtype);
            self
        }
    };
    (@ next_norm) => {
        /// Sets whether a second norm follows, which normalizes the output and writes `next_output`; false by default:
        ///
        /// ```text
        /// output      = residual + norm(input) * weight         with `residual_after`
        /// next_output = norm(output) * next_weight
        /// ```
        ///
        /// Both norms have the same eps, and each has a weight or none.
        ///
        /// The backward pass is that of two ops. The one of the second norm is that of an op with `residual` and
        /// `residual_output`. Of `output` as its `residual_output`, and the gradient of `output` from its other uses as
        /// `grad_residual_output`, it makes the whole gradient of `output`: the `grad_output` of the first norm.
        #[must_use]
        pub fn next_norm(mut self, next_norm: bool) -> Self {
            self.options.next_norm = next_norm;
            self
        }
    };
    (@ quantized) => {
        /// Sets that the op writes int8 with scales in place of `output`, for a matrix product of integers. By default,
        /// it does not. [`Quantized`](crate::Quantized) has the formula and the shapes.
        ///
        /// The op still writes the sum of input and residual. The normalized axes must be the last, and the op computes
        /// their statistics. It has no backward pass, `in_place` or epilogue.
        #[must_use]
        pub fn quantized(mut self, quantized: $crate::Quantized) -> Self {
            self.options.quantized = Some(quantized);
            self
        }
    };
    (@ own_residual) => {
        /// Sets whether the op adds `residual` to the normalized tensor, before the activation; false by default.
        #[must_use]
        pub fn residual(mut self, residual: bool) -> Self {
            self.options.residual = residual;
            self
        }

        /// Sets the storage type of the residual.
        #[must_use]
        pub fn residual_dtype(mut self, dtype: $crate::DType) -> Self {
            self.options.types.residual = Some(dtype);
            self
        }
    };
    (@ activation) => {
        /// Sets the activation after the normalization; none by default.
        #[must_use]
        pub fn activation(mut self, activation: $crate::Activation) -> Self {
            self.options.activation = activation;
            self
        }
    };
    (@ epilogue) => {
        /// Sets a WGSL function of the caller's, which the op applies last to each element of its output; none by
        /// default. An op with an epilogue has no backward pass. Its errors are those of the
        /// [`Epilogue`](crate::Epilogue).
        #[must_use]
        pub fn epilogue(mut self, epilogue: $crate::Epilogue) -> Self {
            self.options.epilogue = Some(epilogue);
            self
        }
    };
    (@ rotary) => {
        /// Sets the rotary position embedding of the result; none by default. An op with one has no backward pass. Its
        /// errors are those of [`Rotary`](crate::Rotary).
        #[must_use]
        pub fn rotary(mut self, rotary: $crate::Rotary) -> Self {
            self.options.rotary = Some(rotary);
            self
        }
    };
    (@ in_place) => {
        /// Sets whether the op writes the result over `input`. It then has no `output`. False by default.
        #[must_use]
        pub fn in_place(mut self, in_place: bool) -> Self {
            self.options.in_place = in_place;
            self
        }
    };
    (@ dtype) => {
        /// Sets the storage type of all tensors that have no type of their own; f32 by default. Statistics are always
        /// f32.
        #[must_use]
        pub fn dtype(mut self, dtype: $crate::DType) -> Self {
            self.options.types.all = dtype;
            self
        }

        /// Sets the storage type of the input.
        #[must_use]
        pub fn input_dtype(mut self, dtype: $crate::DType) -> Self {
            self.options.types.input = Some(dtype);
            self
        }

        /// Sets the storage type of the output.
        #[must_use]
        pub fn output_dtype(mut self, dtype: $crate::DType) -> Self {
            self.options.types.output = Some(dtype);
            self
        }
    };
    (@ affine_dtype) => {
        /// Sets the storage type of weight and bias.
        #[must_use]
        pub fn affine_dtype(mut self, dtype: $crate::DType) -> Self {
            self.options.types.affine = Some(dtype);
            self
        }
    };
    (@ layout) => {
        /// Sets the position of the channel axis; second by default.
        #[must_use]
        pub fn layout(mut self, layout: $crate::Layout) -> Self {
            self.layout = layout;
            self
        }
    };
    (@ index) => {
        /// Reads the input by an index, in inference: the tokens of an expert, the last token of each sequence.
        ///
        /// The input has `len` indices of the first axis, and so the shape `[len] + shape[1..]`. For index i of the
        /// op's first axis, the op reads index `input_index[i]` of the input's. `input_index` has the shape
        /// `[shape[0]]` in u32, and may name an index several times.
        ///
        /// For an index that is not below `len`, the op writes nothing: the output keeps what it has there. So
        /// [`reference`](crate::Norm::reference) and [`host`](crate::host) take the old `output` too.
        ///
        /// Residual, gate, per-sample weights and the epilogue's index are those of i.
        ///
        /// ```
        /// use wgpu_norm::{Norm, RmsNorm, Tensors};
        ///
        /// // Rows 2 and 0 of an input of 3, and one that is not there.
        /// let op = RmsNorm::new(&[3, 1], 1..).weight(false).gather_rows(3);
        /// let tensors = Tensors::new(&[5., 6., -7.]).input_index(&[2, 0, 9]).output(&[0., 0., 8.]);
        /// assert_eq!(op.reference(&tensors)?.to_f32().output(), [-1., 1., 8.]);
        /// # Ok::<(), wgpu_norm::Error>(())
        /// ```
        #[must_use]
        pub fn gather_rows(mut self, len: usize) -> Self {
            self.options.gather_rows = Some(len);
            self
        }

        /// Writes the output by an index, in inference: the slots of a key-value cache.
        ///
        /// The output has `len` indices of the first axis, and so the shape `[len] + shape[1..]`. For index i of its
        /// own first axis, the op writes index `output_index[i]` of the output's. `output_index` has the shape
        /// `[shape[0]]` in u32.
        ///
        /// For an index that is not below `len`, the op writes nothing, and what no index names keeps its value. What
        /// is named several times has unspecified values. [`reference`](crate::Norm::reference) and
        /// [`host`](crate::host) take the old `output` too.
        ///
        /// Both index tensors begin where the device binds, also with
        /// [`Planner::any_offset`](crate::Planner::any_offset).
        #[must_use]
        pub fn scatter_rows(mut self, len: usize) -> Self {
            self.options.scatter_rows = Some(len);
            self
        }
    };
    (@ strides) => {
        /// Sets the strides of a tensor that has the shape of the input, in elements, for each axis: of the input, the
        /// output, the residual, the sum, the gate, or their gradients. The default is a dense tensor.
        ///
        /// The tensor may have padding, or be a part of a wider tensor. A tensor that the op only reads may have
        /// strides of 0. Strides of a gradient count in the backward pass. Elements that share a statistic and are
        /// adjacent in the shape must be adjacent in memory, but for those of a residual or a gate that share one
        /// element.
        ///
        /// With `per_sample`, weight and bias may have a stride between samples, the same for both.
        #[must_use]
        pub fn strides(mut self, slot: $crate::Slot, strides: &[usize]) -> Self {
            self.options.strides.insert(slot, strides.to_vec());
            self
        }
    };
}
pub(crate) use setters;
