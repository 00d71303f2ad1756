//! The setters of ops, each written once.

/// The setters of an op's options, each written once: `setters!(LayerNorm: eps weight bias);`.
macro_rules! setters {
    ($op:ident: $($setter:ident)*) => {
        impl $op {
            $(setters!(@ $setter);)*

        }
    };
    (@ backward) => {
        /// The op's backward pass, with every gradient that there is.
        #[must_use]
        pub fn backward(&self) -> $crate::Backward<Self> {
            // A residual before the norm shares its gradient with the input.
            $crate::Backward::new(self.clone(), $crate::Gradients::all(&self.options, false))
        }
    };
    (@ eps) => {
        /// Sets what is added inside the root: any finite value that is not negative.
        #[must_use]
        pub fn eps(mut self, eps: f32) -> Self {
            self.options.eps = eps;
            self
        }
    };
    (@ weight) => {
        /// Sets whether there is a weight.
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
        /// Sets whether there is a bias.
        #[must_use]
        pub fn bias(mut self, bias: bool) -> Self {
            self.options.bias = bias;
            self
        }
    };
    (@ per_sample) => {
        /// Sets whether weight and bias are given for each index of the first axis, as scale and shift of an adaptive norm are;
        /// false by default. With [`zero_centered`](Self::zero_centered), the gain is `1 + scale`.
        #[must_use]
        pub fn per_sample(mut self, per_sample: bool) -> Self {
            self.options.per_sample = per_sample;
            self
        }
    };
    (@ save_stats) => {
        /// Sets whether the statistics are written; false by default. The backward pass does not need them.
        #[must_use]
        pub fn save_stats(mut self, save_stats: bool) -> Self {
            self.options.save_stats = save_stats;
            self
        }
    };
    (@ save_for_backward) => {
        /// Sets whether the forward pass writes `statistics` and the backward pass reads them, which saves it one read of the
        /// input; false by default. They are `[3, C]`: the mean, what an f32 can't hold of it, and rstd.
        #[must_use]
        pub fn save_for_backward(mut self, save_for_backward: bool) -> Self {
            self.options.save_for_backward = save_for_backward;
            self
        }
    };
    (@ residual) => {
        /// Sets whether `residual` is added to the input before it is normalized; false by default. The sum is f32.
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

        /// Sets whether the sum of input and residual is written to `residual_output`; false by default.
        #[must_use]
        pub fn residual_output(mut self, residual_output: bool) -> Self {
            self.options.residual_output = residual_output;
            self
        }

        /// Sets the storage type of the sum.
        #[must_use]
        pub fn residual_output_dtype(mut self, dtype: $crate::DType) -> Self {
            self.options.types.residual_output = Some(dtype);
            self
        }
    };
    (@ residual_after) => {
        /// Sets whether `residual` is added to the normalized tensor, before the activation; false by default.
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
        /// Sets what is applied to the normalized tensor; nothing by default.
        #[must_use]
        pub fn activation(mut self, activation: $crate::Activation) -> Self {
            self.options.activation = activation;
            self
        }
    };
    (@ in_place) => {
        /// Sets whether the result is written over `input`; there is no `output` then. False by default.
        #[must_use]
        pub fn in_place(mut self, in_place: bool) -> Self {
            self.options.in_place = in_place;
            self
        }
    };
    (@ dtype) => {
        /// Sets the storage type of all tensors but the statistics, which are f32, and those of which another was or will be said; f32 by
        /// default.
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
        /// Sets where the channels of the shape are; second by default.
        #[must_use]
        pub fn layout(mut self, layout: $crate::Layout) -> Self {
            self.layout = layout;
            self
        }
    };
    (@ input_row_stride) => {
        /// Sets the number of elements from the begin of one row of the input to the next, where the input is a part of a wider tensor or
        /// padded; the row's length by default.
        #[must_use]
        pub fn input_row_stride(mut self, stride: usize) -> Self {
            self.input_row_stride = Some(stride);
            self
        }
    };
}
pub(crate) use setters;
