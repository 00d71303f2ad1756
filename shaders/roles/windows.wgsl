// Windows of local response norm, by direction.

// ---- window/power
// What an element is divided by, from the squares of its window.

struct Power {
    base: Pack, // k + alpha * squares of the window
    inverse: Pack, // base to the power of -beta
}

fn power_of_squares(squares: Pack) -> Power {
    let base = params.k + params.alpha * squares;
    // What any beta above 0 makes of zero, infinity, NaN and negative numbers. exp2 and log2 may lose a NaN, log2 makes
    // none of a negative number on every device, and a subnormal beta, read as zero, makes one of infinity.
    let limit = inverseSqrt(base);
    let power = select(limit, exp2(-params.beta * log2(base)), base > Pack(0.0));
    return Power(base, select(limit, power, is_finite(base)));
}

// ---- window_forward
// Local response norm: an element is divided by a power of the squares in its window.

fn put__window_forward(at: u32, first: u32, channel: u32) {
    store_output(at, load_input(at) * power_of(first, channel).inverse);
}

// ---- window_backward
// The gradient of local response norm: goes through the channels whose windows the element is in, which is the window
// mirrored. The power of each is computed again from the input, which is near, so there is no scratch.

fn put__window_backward(at: u32, first: u32, channel: u32) {
    let reach = window(channel, params.after, params.before);
    let x = load_input(at);
    var direct = Pack(0.0);
    var through = Pair();
    for (var i = reach.x; i <= reach.y; i += 1u) {
        let other = first + i * params.stride;
        let power = power_of(first, i);
        let g = load_grad_output(other) * power.inverse;
        if i == channel {
            direct = g;
        }
        // x is in this window, so x times other over base is of the order of 1, where base alone may be tiny.
        through = add(through, g * (x * (load_input(other) / power.base)));
    }
    store_grad_input(at, direct - 2.0 * params.alpha * params.beta * total(through));
}

// ---- slide_forward
// Local response norm: what comes in is divided.

fn load_gradient__slide_forward(at: u32) -> Pack {
    return Pack(0.0);
}

fn put__slide_forward(at: u32, v: Pack) {
    store_output(at, v);
}

// ---- slide_backward
// The gradient of local response norm.

fn load_gradient__slide_backward(at: u32) -> Pack {
    return load_grad_output(at);
}

fn put__slide_backward(at: u32, v: Pack) {
    store_grad_input(at, v);
}
