// The gradient of local response norm.
// Provides load_gradient, put.

fn load_gradient(at: u32) -> Pack {
    return load_grad_output(at);
}

fn put(at: u32, v: Pack) {
    store_grad_input(at, v);
}
