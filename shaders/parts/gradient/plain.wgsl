// The gradient of what has no activation after it: that of the output.
// Provides gradient, GRADIENT_NEEDS_Y.

const GRADIENT_NEEDS_Y: bool = false;

fn gradient(y: Pack, affine: Affine, at: At) -> Pack {
    return load_grad_output(at);
}
