// Windows of local response norm, by direction.

// ---- power
//
// The divisor of an element, from the squares of its window.

struct Power {
    base: Pack,
    inverse: Pack,
}

fn power_of_squares(squares: Pack) -> Power {
    let base = params.k + params.alpha * squares;
    // The power of zero, infinity, NaN and negative numbers, for any beta above 0. exp2 and log2 may lose a NaN. log2
    // of a negative number is not a NaN on every device. A subnormal beta, flushed to zero, gives a NaN for infinity.
    let limit = inverseSqrt(base);
    let power = select(limit, exp2(-params.beta * log2(base)), base > Pack(0.0));
    return Power(base, select(limit, power, is_finite(base)));
}

// ---- window: forward
//
// Local response norm: an element over a power of the squares in its window.

fn write_element__forward(at: u32, first: u32, channel: u32) {
    store_output(at, load_input(at) * power_of(first, channel).inverse);
}

// ---- window: backward
//
// The gradient of local response norm. It sums over the channels whose windows have the element: the mirrored window.
// The power of each channel is computed again from the input, which the cache has, so there is no scratch.

fn write_element__backward(at: u32, first: u32, channel: u32) {
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
        // x is in this window, so that x * other / base is of the order of 1, though base alone may be tiny.
        through = add_pack(through, g * (x * (load_input(other) / power.base)));
    }
    store_grad_input(at, direct - 2.0 * params.alpha * params.beta * total(through));
}

// ---- slide: forward
//
// Local response norm divides the input.

fn load_gradient__forward(at: u32) -> Pack {
    return Pack(0.0);
}

fn write_value__forward(at: u32, v: Pack) {
    store_output(at, v);
}

// ---- slide: backward
//
// The gradient of local response norm.

fn load_gradient__backward(at: u32) -> Pack {
    return load_grad_output(at);
}

fn write_value__backward(at: u32, v: Pack) {
    store_grad_input(at, v);
}
